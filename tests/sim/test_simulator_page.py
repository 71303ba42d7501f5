"""docs/simulator.md says what is true, and what it shows runs."""

import re
import shlex
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import sim
from sim.__main__ import main
from sim.bench.app import ACTIONS
from sim.clock import VirtualClock
from sim.devices import SimPrinter, SimReader, SimScanner
from sim.faults import FAULTS
from sim.house.house import House
from sim.house.kiosk import SimDisk
from sim.house.line import SimLine
from sim.pins import SimInput, SimOutput
from sim.scenario.house import HouseStage
from sim.scenario.play import Player
from sim.scenario.text import parse_scenario

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "simulator.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


PROGRAMS = [block for block in blocks("python") if "def test_" not in block]
TESTS = [block for block in blocks("python") if "def test_" in block]
COMMANDS = [
    line
    for block in blocks("sh")
    for line in block.splitlines()
    if line.startswith("lendgate-sim")
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.splitlines()[-1][:30])
def test_the_examples_run(program):
    """What the page shows can be pasted."""
    made: dict[str, object] = {}

    exec(program, made)

    assert "assert" in program


def test_the_tests_shown_pass(pytester):
    """The tests on the page are tests, in a project with nothing else in it."""
    assert len(TESTS) == 1
    pytester.makepyfile(TESTS[0])

    result = pytester.run(
        *(sys.executable, "-m", "pytest", "-q", "-p", sim.PYTEST_PLUGIN, "-p", "no:cacheprovider")
    )

    result.assert_outcomes(passed=2)


def test_the_scenario_shown_goes_as_it_is_written():
    """The first scenario anybody reads is true."""
    (text,) = blocks("scenario")
    with House() as house:
        Player(parse_scenario(text), HouseStage(house)).must_succeed()

    assert "expect" in text


@pytest.mark.parametrize("line", [line for line in COMMANDS if "--bench" not in line])
def test_the_commands_shown_work(line, monkeypatch):
    """What can be typed on a fresh clone is typed."""
    monkeypatch.chdir(ROOT)
    words = shlex.split(line)[1:]
    if words == ["play", "examples/scenarios"]:  # all of them: see test_scenarios.py
        words[-1] += "/two_lanes.scenario"

    assert CliRunner().invoke(main, words).exit_code == 0


SHOWN = [
    name
    for name in main.list_commands(None)
    if (command := main.get_command(None, name)) is not None and not command.hidden
]
"""What `--help` lists; the others are what a command starts, not a person."""


@pytest.mark.parametrize("name", SHOWN)
def test_every_command_and_option_is_on_the_page(name):
    """Nobody has to read the program to find an option."""
    command = main.get_command(None, name)
    options = [
        name
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.hidden
        for name in parameter.opts
    ]
    missing = [name for name in options if not re.search(rf"`[^`\n]*{name}\b[^`\n]*`", PAGE)]

    assert f"`{command.name}" in PAGE
    assert missing == []


def test_every_move_is_on_the_page():
    """Each POST of the bench is described, and no other."""
    assert set(re.findall(r"`/api/(\w+)` \|", PAGE)) == set(ACTIONS)


@pytest.mark.parametrize(
    "device",
    [
        SimReader(VirtualClock()),
        SimScanner(),
        SimInput(VirtualClock()),
        SimOutput(VirtualClock(), max_on_ms=1),
        SimPrinter(),
        SimLine("link"),
        SimDisk("disk"),
    ],
    ids=lambda device: device.name,
)
def test_every_fault_is_on_the_page(device):
    """Each fault a device models is in its line of the table, and no other."""
    line = next(line for line in PAGE.splitlines() if line.startswith(f"| {device.name}"))
    named = {word for word in re.findall(r"`(\w+)`", line) if word != "slow_ms"}

    assert named == device.faults_known
    assert named <= {*FAULTS, "paper_out", "full"}


def test_every_fixture_is_on_the_page():
    """The plugin's table has a line for each fixture."""
    source = (ROOT / "sim" / "pytest_plugin.py").read_text()
    fixtures = re.findall(r"@pytest.fixture\ndef (\w+)\(", source)

    assert len(fixtures) >= 12
    assert [name for name in fixtures if f"`{name}`" not in PAGE] == []
