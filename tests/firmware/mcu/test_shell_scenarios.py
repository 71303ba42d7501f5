"""Every scenario of tests/scenarios/gate, played through the shell of the microcontroller."""

import json
from pathlib import Path

import pytest

from tests.firmware.mcu.through_shell import play_through

FOLDER = Path(__file__).parents[2] / "scenarios" / "gate"
FILES = sorted(FOLDER.glob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_the_shell_keeps_the_promise_of_the_scenario(path):
    """Pins, antennas and journal show the decisions that the machine alone takes."""
    assert play_through(json.loads(path.read_text())) == []


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (["LinkUp"], []),
        (["LinkUp"], [["AskSite", None, 1]]),
        (["LinkUp"], [["AskSite", None, 0], ["SoundSiren"]]),
        (["TagsRead", "lane-1", [["e004010000000001", "in_stock", None, None]]], []),
    ],
)
def test_a_wrong_expectation_is_found(told, expected):
    """The test of the test: a command too many, too few or different fails the scenario."""
    assert len(play_through({"config": {}, "steps": [[0, told, expected]]})) == 1
