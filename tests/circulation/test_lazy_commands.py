"""A program with many commands imports those that are asked for."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from gateway.__main__ import main as gateway
from sim.__main__ import main as sim

PROGRAMS = {"gateway": gateway, "sim": sim}
ASKED = """
import sys
from click.testing import CliRunner
from {program}.__main__ import main
assert CliRunner().invoke(main, [{command!r}, "--help"]).exit_code == 0
print("\\n".join(sys.modules))
"""


def imported(program, command):
    """Return what a new process has imported after the help of one command."""
    code = ASKED.format(program=program, command=command)
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(ran.stdout.split())


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_command_is_found_under_its_name(program):
    """The name in the table is the one that the command calls itself."""
    group = PROGRAMS[program]
    found = {name: group.get_command(None, name) for name in group.list_commands(None)}

    assert len(found) > 10
    assert [name for name, command in found.items() if command.name != name] == []


def test_help_lists_what_is_not_imported_yet():
    """Whoever looks for a command finds it among the others."""
    said = CliRunner().invoke(gateway, ["--help"])

    assert said.exit_code == 0
    assert all(f"\n  {name} " in said.output for name in ("run", "import-marc", "work"))


def test_a_command_that_nobody_knows_is_refused():
    """It is an error of whoever typed it, as with every program."""
    said = CliRunner().invoke(sim, ["dance"])

    assert said.exit_code == click.UsageError.exit_code
    assert "No such command 'dance'" in said.output


@pytest.mark.parametrize(
    ("program", "command", "needless"),
    [
        ("gateway", "broker", {"sqlalchemy", "fastapi", "gateway.store"}),
        ("sim", "kiosk", {"sim.scenario.play", "sim.mutants.catalogue", "sim.fleet.plan"}),
    ],
)
def test_a_command_does_not_wait_for_what_others_need(program, command, needless):
    """The broker of a demo needs no database, and its kiosks none of the tests' machinery."""
    assert imported(program, command) & needless == set()
    assert imported(program, "updates" if program == "gateway" else "play") & needless
