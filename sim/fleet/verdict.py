"""What a check says of a promise that was broken, and what rules share."""

from typing import NamedTuple

from sim.fleet.outcome import Outcome

DISASTERS = frozenset(("roll_back", "new_card", "twin"))
"""Acts after which rows of a station's own disk may be gone for good."""


class Violation(NamedTuple):
    """A promise broken: which, by or about whom, when (true time, or the plan's end), and how.

    about: the item or the fact it concerns, for the story; empty if there is none.
    """

    rule: str
    who: str
    at_ms: int
    text: str
    about: str = ""


def befell(outcome: Outcome, who: str, kinds: frozenset[str]) -> bool:
    """Return whether the plan has one of these acts for somebody."""
    return any(act.who == who and act.what in kinds for act in outcome.plan.acts)


def end_ms(outcome: Outcome) -> int:
    """Return the instant at which a plan ends."""
    return outcome.plan.shape.duration_ms + outcome.plan.shape.heal_ms
