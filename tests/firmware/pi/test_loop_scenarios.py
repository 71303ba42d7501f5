"""Every scenario of tests/scenarios/gate, played through the Pi's detection loop."""

import json
from pathlib import Path

import pytest

from tests.firmware.pi.through_loop import differences

FOLDER = Path(__file__).parents[2] / "scenarios" / "gate"
FILES = sorted(FOLDER.glob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_the_loop_keeps_the_promise_of_the_scenario(path):
    """Outputs and what is handed over show the decisions that the machine alone takes."""
    assert differences(json.loads(path.read_text())) == []


@pytest.mark.parametrize("expected", [[], [["AskSite", None, 1]], [["SoundSiren"]]])
def test_a_wrong_expectation_is_found(expected):
    """The test of the test: a command too many, too few or different fails the scenario."""
    assert differences({"config": {}, "steps": [[0, ["LinkUp"], expected]]})
