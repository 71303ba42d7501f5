"""Programs of a fleet share what they decode: that must change nothing but the time it takes."""

from __future__ import annotations

from typing import Any

import pytest

from circulation.wire.messages import decode, remember_in
from sim.fleet.acts import SHAPES
from sim.fleet.memory import KEPT_MAX, Memory, sharing
from sim.fleet.plan import make_plan
from sim.fleet.play import play


class Forgetful(Memory):
    """Keeps nothing: every program decodes what it hears by itself."""

    def __setitem__(self, key: Any, value: Any) -> None:
        """Keep nothing."""


class Suspicious(Memory):
    """Looks, before it lets go, whether what it kept is what the bytes say still."""

    def __init__(self) -> None:
        super().__init__()
        self.looked = 0
        self.changed: list[tuple[Any, Any]] = []

    def clear(self) -> None:
        """Look, and begin anew."""
        before = remember_in(None)
        decoded = [one for one in self.items() if isinstance(one[0][0], type)]
        for (cls, payload), message in decoded:
            self.looked += 1
            if decode(cls, payload) != message:
                self.changed.append((payload, message))
        remember_in(before)
        super().clear()


@pytest.mark.parametrize(("shape", "seed"), [("storm", 3), ("backups", 2), ("desks", 1)])
def test_a_fleet_that_shares_nothing_lives_through_the_same(shape: str, seed: int) -> None:
    """What is shared is a function of the bytes: the outcome is the same to the byte."""
    plan = make_plan(seed, SHAPES[shape])

    assert play(plan, Forgetful()).digest == play(plan).digest


@pytest.mark.parametrize(("shape", "seed"), [("storm", 1), ("rivals", 2)])
def test_no_program_changes_a_message_that_others_read_too(shape: str, seed: int) -> None:
    """Whoever decodes the bytes anew at the end gets what everybody was given."""
    memory = Suspicious()

    play(make_plan(seed, SHAPES[shape]), memory)
    memory.clear()

    assert memory.changed == []
    assert memory.looked > 300


def test_a_full_memory_begins_anew() -> None:
    """It never has more than its room."""
    memory = Memory()

    for number in range(KEPT_MAX + 1):
        memory[number] = number

    assert memory == {KEPT_MAX: KEPT_MAX}


def test_nothing_is_shared_outside_the_block() -> None:
    """A memory is let go of whatever happens, and one within another gives way to it again."""
    outer, inner = Memory(), Memory()
    with sharing(outer):
        with pytest.raises(ZeroDivisionError), sharing(inner):
            raise ZeroDivisionError
        assert remember_in(outer) is outer
    assert remember_in(None) is None
