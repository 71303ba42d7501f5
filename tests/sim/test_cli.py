"""The program `lendgate-sim`: what it says about itself, and about mistakes."""

import socket
import subprocess
import sys

import pytest
from click.testing import CliRunner

from sim import demo_files
from sim.__main__ import main
from sim.demo_files import Net, Secrets


def run(*arguments):
    """Return the exit code and everything that was said."""
    result = CliRunner().invoke(main, [str(part) for part in arguments])
    return result.exit_code, result.output


def imported_after(code):
    """Return which modules a new process has imported when it has done something."""
    code += "\nimport sys; print('modules:', *sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(ran.stdout.rpartition("modules:")[2].split())


@pytest.mark.parametrize("command", ["demo", "demo-check", "bench", "kiosk", "gate"])
def test_each_command_explains_itself(command):
    """Every command is listed with a sentence and has a help page of its own."""
    listed = run("--help")[1]
    code, page = run(command, "--help")

    assert code == 0
    assert f"  {command} " in listed
    assert page.count("\n") > 5
    assert "Show this message" in page


def test_a_port_in_use_is_named_with_its_option(tmp_path):
    """Somebody else's port is a sentence with the way out, and nothing was started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        options = ("--gateway-port", "--kiosk-1-port", "--kiosk-2-port", "--bench-port")
        free = [part for option in options for part in (option, 0)]
        code, said = run("demo", "--folder", tmp_path / "demo", "--broker-port", port, *free)

    assert code == 1
    assert f"port {port} cannot be used" in said
    assert "--broker-port" in said
    assert not (tmp_path / "demo").exists()


def test_the_bench_names_a_port_in_use():
    """The bench alone says the same about its own port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, said = run("bench", "--port", taken.getsockname()[1])

    assert code == 1
    assert "is in use" in said


def test_a_folder_of_somebody_else_is_refused(tmp_path):
    """The demo never empties a folder it did not make."""
    (tmp_path / "thesis.txt").write_text("years of work")
    free = [
        part
        for name in ("broker", "gateway", "kiosk-1", "kiosk-2", "bench")
        for part in (f"--{name}-port", 0)
    ]
    code, said = run("demo", "--folder", tmp_path, *free)

    assert code == 1
    assert "not a folder of the demo" in said
    assert (tmp_path / "thesis.txt").exists()


def test_no_gateway_runs_with_half_a_library(tmp_path):
    """A book or a reader that cannot be read is named, and nothing is served."""
    config, library = tmp_path / "gateway.toml", tmp_path / "library"
    config.write_text(demo_files.gateway_toml(Secrets("5e" * 16, "ca" * 16), Net(18830, 18080), 0))
    library.mkdir()
    (library / "items.csv").write_text("title,barcode\nMomo,30715000000015\n,30715000000023\n")
    (library / "patrons.csv").write_text("number,name\n")

    code, said = run("gateway", config, "--fill", library)

    assert code == 1
    assert "line 3: title: is empty" in said
    assert "starting" not in said


@pytest.mark.parametrize("command", ["kiosk", "gate"])
def test_a_station_names_what_is_wrong_with_its_file(tmp_path, command):
    """A configuration with a mistake is one sentence, never a traceback."""
    config = tmp_path / "station.toml"
    config.write_text('library = "linden"\n')

    code, said = run(command, config, "--device-port", 1)

    assert code == 1
    assert "station.toml" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["record", "{here}/kept.toml", "--driver", "rc522"], "never replaces a file"),
        (["record", "{here}/no/such.jsonl", "--driver", "rc522"], "cannot be written"),
        (["play", "{here}"], "no *.scenario in this folder"),
        (["play", "{here}/one.scenario", "--bench", "notaurl"], "notaurl"),
        (["play", "{here}/one.scenario", "--bench", "http://x", "--wires"], "a demo has its own"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(tmp_path, arguments, says):
    """No file is overwritten, no traceback shown: what was wrong is said, and nothing is done."""
    kept = tmp_path / "kept.toml"
    kept.write_text("mine = 1\n")
    (tmp_path / "empty").mkdir()
    if arguments[1].endswith("one.scenario"):
        (tmp_path / "one.scenario").write_text("# One.\nwait 1 s\n")
    told = CliRunner().invoke(main, [one.format(here=tmp_path) for one in arguments])

    assert told.exit_code in (1, 2)
    assert says in told.output
    assert not told.exception or isinstance(told.exception, SystemExit)
    assert kept.read_text() == "mine = 1\n"


@pytest.mark.parametrize("module", ["sim.demo", "sim.fill", "sim.wires"])
def test_only_the_bench_imports_a_world(module):
    """The demo, its gateway and its wired kiosk begin without what simulates tags and chips."""
    imported = imported_after(f"import {module}")

    assert "sim.demo_plan" in imported
    assert not imported & {"sim.world", "sim.mfrc522.chip"}


def test_a_board_does_not_import_the_gate_of_a_pi(tmp_path):
    """A gate on a microcontroller begins without the program that another gate runs."""
    config = tmp_path / "gate.json"
    config.write_text("{}")
    arguments = ["gate", str(config), "--device-port", "1", "--firmware"]

    imported = imported_after(
        "from click.testing import CliRunner; from sim.__main__ import main; "
        f"CliRunner().invoke(main, {arguments})"
    )

    assert "sim.mcu.station" in imported
    assert "firmware.pi.app" not in imported
