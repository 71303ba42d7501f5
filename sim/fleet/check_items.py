"""Promises about items: where the catalogue says they are, and where they truly are.

An item is in doubt if its state is `uncertain`, or if staff are told by an open entry that the
order of its facts is unclear. Everything else the catalogue says without reserve, and then it
must be so.
"""

from collections.abc import Iterator

from sim.fleet.oracle import AVAILABLE, TO_BE_SHELVED, Truth, truth
from sim.fleet.outcome import ItemState, Outcome
from sim.fleet.verdict import Violation, end_ms

UNCERTAIN = "uncertain"
_DOUBTS = frozenset((UNCERTAIN, "order_unclear", "unseen_by_decision"))


def certain(outcome: Outcome) -> Iterator[Violation]:
    """The state of an item without doubt is the one its facts lead to in their true order."""
    for item, real in _truths(outcome):
        if item.item not in doubted(outcome) and not _is_alike(item.state, real.state):
            text = f"{item.item} is {real.state}, and the catalogue says {item.state}"
            yield Violation("certain", "gateway", end_ms(outcome), text, item.item)


def holder(outcome: Outcome) -> Iterator[Violation]:
    """A loan that stands without doubt names who has the item, and by which checkout."""
    for item, real in _truths(outcome):
        if item.item in doubted(outcome) or not (item.state == real.state == "on_loan"):
            continue
        if item.patron != real.patron or item.loan not in real.loans:
            text = (
                f"{item.item} was lent to {real.patron} ({', '.join(real.loans)}), and the "
                f"catalogue says {item.patron} ({item.loan})"
            )
            yield Violation("holder", "gateway", end_ms(outcome), text, item.item)


def believable(outcome: Outcome) -> Iterator[Violation]:
    """What staff are shown of an uncertain item has the true state among it."""
    for item, real in _truths(outcome):
        if item.state != UNCERTAIN:
            continue
        if not any(_is_alike(one, real.state) for one in item.siblings):
            text = f"{item.item} is {real.state}; staff are shown {', '.join(item.siblings)}"
            yield Violation("believable", "gateway", end_ms(outcome), text, item.item)


def doubt_is_told(outcome: Outcome) -> Iterator[Violation]:
    """An uncertain item waits for staff."""
    told = {entry.item for entry in outcome.reviews if entry.state == "open"}
    for name, item in sorted(outcome.item_states.items()):
        if item.state == UNCERTAIN and name not in told:
            text = f"{name} is uncertain, and no entry is open"
            yield Violation("doubt_is_told", "gateway", end_ms(outcome), text, name)


def doubted(outcome: Outcome) -> frozenset[str]:
    """Return the items the catalogue is in doubt about, and says so."""
    uncertain = {name for name, item in outcome.item_states.items() if item.state == UNCERTAIN}
    told = {
        entry.item for entry in outcome.reviews if entry.rule in _DOUBTS and entry.state == "open"
    }
    return frozenset(uncertain | told)


def _truths(outcome: Outcome) -> Iterator[tuple[ItemState, Truth]]:
    """Return every item as the catalogue has it, beside how it truly stands.

    Only facts that survive count: what died with its only disk nobody can know. Left out is
    what two stations under one name wrote about: at one position they write at the same time,
    and the order of writing, on which all else rests, is none.
    """
    survived = [one for one in outcome.committed if one.fact_id in outcome.surviving]
    real = truth(survived)
    twins = {act.who for act in outcome.plan.acts if act.what == "twin"}
    confused = {one.item for one in outcome.committed if one.station in twins}
    for name, item in sorted(outcome.item_states.items()):
        if name not in confused:
            yield item, real.get(name, Truth(name))


def _is_alike(one: str, other: str) -> bool:
    """Return whether two states are one: on the shelf, or on the trolley beside it."""
    shelves = (AVAILABLE, TO_BE_SHELVED)
    return one == other or (one in shelves and other in shelves)
