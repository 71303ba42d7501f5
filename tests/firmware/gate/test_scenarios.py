"""Every scenario of tests/scenarios/gate, played on this Python; a board plays the same files."""

import json
from pathlib import Path

import pytest

from tests.firmware.gate.play import play

FOLDER = Path(__file__).parents[2] / "scenarios" / "gate"
FILES = sorted(FOLDER.glob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_the_gate_keeps_the_promise_of_the_scenario(path):
    """The machine answers each step of the file with exactly the commands written beside it."""
    scenario = json.loads(path.read_text())

    assert play(scenario) == []


def test_every_scenario_says_what_it_promises():
    """A scenario names its story and its promise, and its steps go forward in time."""
    scenarios = [json.loads(path.read_text()) for path in FILES]

    assert all(set(s) == {"name", "promise", "config", "steps"} for s in scenarios)
    assert all(s["name"] and s["promise"].endswith(".") for s in scenarios)
    times = [[step[0] for step in s["steps"]] for s in scenarios]
    assert all(moments == sorted(moments) for moments in times)


def test_a_wrong_expectation_is_found():
    """The test of the test: a command too many, too few or different fails the scenario."""
    steps = [[0, ["LinkUp"], [["AskSite", None, 0]]]]
    for expected in ([], [["AskSite", None, 1]], [["AskSite", None, 0], ["StopSiren"]]):
        wrong = {"config": {}, "steps": [[0, ["LinkUp"], expected]]}
        assert len(play(wrong)) == 1

    assert play({"config": {}, "steps": steps}) == []
