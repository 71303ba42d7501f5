"""What a gate may be told, and that docs/gate.md tells the same."""

from pathlib import Path

import pytest

from firmware.gate.config import OPTIONS, GateConfig, gate_config
from firmware.gate.errors import GateConfigInvalid

DOCUMENT = Path(__file__).parents[3] / "docs" / "gate.md"
LANES = [("lane-1", 2)]


def test_every_option_has_a_default_within_its_bounds():
    """A gate with a name and a lane works."""
    config = gate_config("gate-1", LANES)

    assert config.alarm_hold_ms == 3_000
    assert all(o.minimum <= getattr(config, o.name) <= o.maximum for o in OPTIONS)
    assert GateConfig._fields[4:] == tuple(option.name for option in OPTIONS)


@pytest.mark.parametrize("option", OPTIONS, ids=[option.name for option in OPTIONS])
def test_an_option_outside_its_bounds_is_refused_by_name(option):
    """One below the minimum, one above the maximum and a text are errors that name the option."""
    for value in (option.minimum - 1, option.maximum + 1, "3"):
        with pytest.raises(GateConfigInvalid, match=option.name):
            gate_config("gate-1", LANES, **{option.name: value})


@pytest.mark.parametrize("lanes", [[], [("a", 2), ("a", 2)], [("a", 3)], [("a", 2)] * 9])
def test_impossible_lanes_are_refused(lanes):
    """A gate has one to eight lanes with names of their own and at most two beams each."""
    with pytest.raises(GateConfigInvalid, match="lane"):
        gate_config("gate-1", lanes)


def test_a_gate_needs_a_name_and_known_options():
    """An empty name and an option nobody knows are refused."""
    with pytest.raises(GateConfigInvalid, match="name"):
        gate_config("", LANES)
    with pytest.raises(GateConfigInvalid, match="alarm_hold"):
        gate_config("gate-1", LANES, alarm_hold=3)


def test_a_siren_that_could_not_hold_is_refused():
    """An alarm cannot be longer than the siren may be on."""
    with pytest.raises(GateConfigInvalid, match="siren_max_on_ms"):
        gate_config("gate-1", LANES, alarm_hold_ms=3_000, siren_max_on_ms=2_000)


def test_the_document_lists_every_option():
    """docs/gate.md has one line for each option, with its default and bounds."""
    text = DOCUMENT.read_text(encoding="utf-8")

    lines = [
        f"| `{o.name}` | {o.default} | {o.minimum} – {o.maximum} | {o.meaning} |" for o in OPTIONS
    ]
    assert [line for line in lines if line not in text] == []
