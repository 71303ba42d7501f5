"""The same scenario files, played at a running demo through its pages."""

import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from sim.__main__ import main
from sim.demo import Demo, ports_from
from sim.demo_check import PORT_OPTIONS
from sim.http import get_json

FOLDER = Path(__file__).parents[2] / "examples" / "scenarios"


def play(*arguments):
    result = CliRunner().invoke(main, ["play", *[str(part) for part in arguments]])
    return result.exit_code, result.output


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """The address of a fresh demo's bench."""
    ports, stop = ports_from(dict.fromkeys(PORT_OPTIONS, 0)), threading.Event()
    folder = tmp_path_factory.mktemp("demo") / "demo"
    with Demo(folder, ports, fresh=True, say=lambda line: None) as demo:
        demo.start(stop)
        yield demo.address("bench")


@pytest.mark.parametrize("name", ["unlent_book_alarms", "offline_then_sync", "scanner_unplugged"])
def test_a_scenario_goes_the_same_at_real_programs(bench, name):
    """What is true on virtual time in one process is true of processes and sockets."""
    code, said = play(FOLDER / f"{name}.scenario", "--bench", bench)

    assert (code, said.count("✓")) == (0, 1), said


def test_what_a_bench_cannot_do_is_a_failed_step(bench, tmp_path):
    """Power cannot be cut there: the step says so, and what was broken before is mended."""
    file = tmp_path / "cut.scenario"
    file.write_text("fault kiosk-1/pad off\nlink kiosk-2 stalled\ncut_power kiosk-1\n")
    code, said = play(file, "--bench", bench)

    assert code == 1
    assert "a running demo cannot do this; play it without --bench" in said
    state = get_json(f"{bench}/api/state")
    assert [kiosk["faults"] for kiosk in state["kiosks"]] == [{}, {}]
    assert {plug["state"] for plug in state["plugs"]} == {"up"}


def test_no_bench_is_a_bad_address():
    """Nobody answers: two, with what to start."""
    address = "http://127.0.0.1:1"
    code, said = play(FOLDER / "unlent_book_alarms.scenario", "--bench", address)

    assert code == 2
    assert "no bench answers here" in said
    assert "lendgate-sim demo" in said
