"""The plugin in a project of somebody else, in a folder and a process of its own."""

import shutil
import sys
from pathlib import Path

import pytest

import sim
from sim import pytest_plugin

pytest_plugins = ["pytester"]

PROJECT = Path(__file__).parents[2] / "examples" / "driver_project"


@pytest.fixture
def project(pytester, monkeypatch):
    """An empty folder; run() runs pytest there with the plugin, as its own process."""
    for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "CI"):
        monkeypatch.delenv(name, raising=False)
    return pytester


def run(project, *options):
    return project.run(
        *(sys.executable, "-m", "pytest", "-p", sim.PYTEST_PLUGIN, "-p", "no:cacheprovider"),
        *options,
    )


def test_the_example_project_passes(project):
    """A driver that knows nothing of us is tested on our wires, with a scenario beside it."""
    shutil.copytree(PROJECT, project.path, dirs_exist_ok=True)

    result = run(project, "-q")

    result.assert_outcomes(passed=7)


def test_a_driver_that_is_wrong_fails(project):
    """The example can fail: without full modulation no card hears a word."""
    shutil.copytree(PROJECT, project.path, dirs_exist_ok=True)
    driver = project.path / "my_reader.py"
    driver.write_text(driver.read_text().replace("self._write(TX_ASK, 0x40)", "pass"))

    result = run(project, "-q")

    result.assert_outcomes(passed=5, failed=2)
    result.stdout.fnmatch_lines(
        ["*another question than was recorded*", "*asked:*TxControlReg 83*"]
    )


def test_a_scenario_file_is_a_test_and_fails_in_its_own_words(project):
    """No Python is needed; the failure has the step, what was seen, and the seed."""
    (project.path / "thief.scenario").write_text(
        "# A thief.\nwalk out through gate-1 with Dune\nexpect silence at gate-1\n"
    )
    (project.path / "typo.scenario").write_text("wlak out through gate-1\n")

    result = run(project, "-q", "--sim-seed", "77")

    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "*A thief*",
            "*thief.scenario:3*",
            "*seen: the siren of gate-1 sounds*",
            "*--sim-seed 77*",
            "*typo.scenario:1: no verb 'wlak' (did you mean 'walk'?)*",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")


FIXTURES = """
import pytest
from sim.house.broker import BusLink
from hardware.ports import Security
from hardware.scanners.keyboard import KeyboardScanner


def test_world_and_devices_share_one_clock(bench, kiosk, gate, clock):
    bench.move("30000000001", "kiosk-1/pad")
    kiosk.pad.set_security(kiosk.pad.inventory().uids[0], Security.ON_LOAN)
    bench.walk("gate-1", "lane-2", "out", ["30000000001"])
    clock.advance(1_000)
    assert bench.thing("30000000001").place == "outside"
    assert [edge.level for edge in gate.lanes["lane-2"].beam_inner.edges()] == [True, False]


def test_a_broker_in_memory(broker):
    heard = []
    link = BusLink(broker, heard.append)
    link.subscribe(["a/+"])
    link.start()
    link.publish("a/b", b"1")
    assert [type(event).__name__ for event in heard] == ["Connected", "Received"]


def test_the_site_runs_on_the_clock(site, clock):
    before_ms = clock.now_ms()
    site.run(5_000)
    assert clock.now_ms() == before_ms + 5_000
    assert site.kiosks["kiosk-1"].view["online"]


def test_a_label_is_typed(keyboard, clock):
    scanner = KeyboardScanner(str(keyboard.path), clock, kernel=keyboard.kernel)
    keyboard.scan("30001234567")
    assert scanner.poll() == ["30001234567"]


def test_a_seed_is_printed(sim_seed, world):
    assert world.add_card("1", "Anna").tag.uid == "nothing"


def test_a_recording_must_be_used_up(recording):
    recording("one.jsonl")
"""


def test_every_fixture_is_there(project):
    """Each one works without the others, and what is left of a recording is an error."""
    project.makepyfile(FIXTURES)
    (project.path / "one.jsonl").write_text(
        '{"lendgate_recording": 1, "wires": {"spi0.0": "mfrc522"}}\n'
        '{"t_ms": 0, "wire": "spi0.0", "do": "transfer", "out": "ee00", "in": "0092"}\n'
    )

    result = run(project, "-q", "--sim-seed", "12345")

    result.assert_outcomes(passed=5, failed=1, errors=1)
    result.stdout.fnmatch_lines(["*never asked: spi0.0: ee 00*", "*--sim-seed 12345*"])


def test_naming_the_plugin_twice_is_once(project):
    """By option and by conftest: registered once, and nothing is said about it."""
    project.makeconftest('pytest_plugins = ["sim.pytest_plugin"]')
    (project.path / "quiet.scenario").write_text("wait 1 s\n")

    result = run(project, "-q", "-p", sim.PYTEST_PLUGIN)

    result.assert_outcomes(passed=1)


def test_without_its_name_nothing_of_it_is_there(project):
    """Opt-in: an installed Lendgate changes no run of anybody's tests."""
    (project.path / "thief.scenario").write_text("wait 1 s\n")
    project.makepyfile("def test_it(clock):\n    pass\n")

    result = project.run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*fixture 'clock' not found*"])


def test_the_page_names_every_fixture(request):
    """The table at the plugin's top and its fixtures are the same."""
    text = Path(pytest_plugin.__file__).read_text()
    table = text.split('"""')[1]
    made = [
        line.partition("(")[0].removeprefix("def ")
        for before, line in zip(text.splitlines(), text.splitlines()[1:], strict=False)
        if before == "@pytest.fixture"
    ]

    assert len(made) >= 12
    assert [name for name in made if f"`{name}`" not in table] == []
    assert not request.config.pluginmanager.hasplugin(sim.PYTEST_PLUGIN)
