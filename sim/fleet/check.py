"""Whether a played plan kept every promise: the rules, each with what it promises.

A rule reads an `Outcome` and nothing else. Each has a test in `tests/sim/fleet/` with an outcome
that breaks it. The rules stand in `check_facts.py`, `check_items.py`, `check_gates.py` and
`check_limits.py`; `docs/reliability.md` lists them, and a test keeps the two alike.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from sim.fleet import check_facts, check_gates, check_items, check_limits, check_words
from sim.fleet.outcome import Outcome
from sim.fleet.verdict import Violation

__all__ = ["RULES", "Rule", "Violation", "check"]

_TOLD_MAX = 50
"""Violations of one rule that are told; a broken engine would have thousands."""


class Rule(NamedTuple):
    """A promise and what looks for whoever breaks it."""

    name: str
    promise: str
    find: Callable[[Outcome], Iterable[Violation]]


RULES = (
    Rule("rest", "everything comes to rest after the faults have ended", check_limits.rest),
    Rule("survivors", "a fact of which a copy survives is applied", check_facts.survivors),
    Rule("once", "no fact is applied twice, and none that nobody wrote", check_facts.once),
    Rule("order", "facts of a station are applied in the order it wrote them", check_facts.order),
    Rule("no_gaps", "a journal has no hole but a declared one", check_facts.no_gaps),
    Rule("acknowledged", "what was acknowledged survives any one crash", check_facts.acknowledged),
    Rule("lost_by_disk", "a fact is lost with its only disk, or not at all", check_facts.lost),
    Rule("lost_is_told", "staff are told of every row that is gone", check_facts.lost_is_told),
    Rule("poison", "only what nobody can read is parked", check_facts.only_poison_is_parked),
    Rule("backed", "what a station counts as acknowledged, the gateway has", check_words.backed),
    Rule("old_card", "a card that was put back begins a new epoch", check_words.old_card),
    Rule("numbers", "every journal of a station has its own number", check_words.numbers),
    Rule("history", "a new history begins with a restore only", check_words.history),
    Rule("recovered", "who says that all is back has it all", check_words.recovered),
    Rule("told", "every change is published", check_words.told),
    Rule("shown", "a station that is on is shown on", check_words.shown),
    Rule("pure", "the catalogue is what its facts alone say", check_items.pure),
    Rule("certain", "an item without doubt is where it truly is", check_items.certain),
    Rule("believable", "in doubt, what is true is among what is shown", check_items.believable),
    Rule("explained", "a wrong guess is shown beside what is true", check_items.explained),
    Rule("doubt_is_told", "an item in doubt has an open entry", check_items.doubt_is_told),
    Rule("holder", "who has an item without doubt truly has it", check_items.holder),
    Rule(
        "due",
        "a loan is due when its reader was told last; after a doubt, no earlier",
        check_items.due,
    ),
    Rule("billed", "nobody has a loan whose book came back", check_items.billed),
    Rule("needless", "no doubt where each fact saw the one before", check_items.needless),
    Rule("surprise", "staff are told of what a decision did not know", check_items.surprise),
    Rule("gate_lists", "every gate has the gateway's list", check_gates.lists),
    Rule("may_leave", "the gateway's list is what its catalogue says", check_gates.may_leave),
    Rule("honest", "no alarm for a book lent at this site 2 s ago", check_gates.honest),
    Rule("heard", "no alarm for a loan that the gate was told of", check_gates.heard),
    Rule("thief", "an alarm for a book that nobody ever borrowed", check_gates.thief),
    Rule("limits", "queues, lists, journals and messages stay in bounds", check_limits.limits),
)
"""Every promise of a run; the share of items in doubt is judged over many."""


def check(outcome: Outcome) -> list[Violation]:
    """Return every promise that a run broke, in the order of the rules."""
    return [violation for rule in RULES for violation in list(rule.find(outcome))[:_TOLD_MAX]]
