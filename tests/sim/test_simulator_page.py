"""docs/simulator.md says what is true, and its example runs."""

import re
from pathlib import Path

import click
import pytest

from sim.__main__ import main
from sim.bench.app import ACTIONS
from sim.clock import VirtualClock
from sim.devices import SimPrinter, SimReader, SimScanner
from sim.pins import SimInput

PAGE = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text()


def test_the_example_runs():
    """What the page shows can be pasted."""
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)

    made: dict[str, object] = {}
    exec(example, made)

    assert made["momo"].place == "outside"


@pytest.mark.parametrize("command", [one for one in main.commands.values() if not one.hidden])
def test_every_command_and_option_is_on_the_page(command):
    """Nobody has to read the program to find an option."""
    options = [
        name
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.hidden
        for name in parameter.opts
    ]

    assert f"`{command.name}" in PAGE
    assert [name for name in options if f"`{name}`" not in PAGE and f"{name}`" not in PAGE] == []


def test_every_move_is_on_the_page():
    """Each POST of the bench is described, and no other."""
    assert set(re.findall(r"`/api/(\w+)` \|", PAGE)) == set(ACTIONS)


@pytest.mark.parametrize(
    "device",
    [SimReader(VirtualClock()), SimScanner(), SimInput(VirtualClock()), SimPrinter()],
    ids=["reader", "scanner", "input", "printer"],
)
def test_every_fault_is_on_the_page(device):
    """Each fault a device models is in its line of the table."""
    line = next(line for line in PAGE.splitlines() if line.startswith(f"| {device.name}"))

    assert set(re.findall(r"`(\w+)`", line)) == device.faults_known
