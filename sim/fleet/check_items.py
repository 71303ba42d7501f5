"""Promises about items: where the catalogue says they are, and where they truly are.

An item is in doubt if its state is `uncertain`, or if staff are told by an open entry that the
order of its facts is unclear. Everything else the catalogue says without reserve, and then it
must be so.
"""

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from sim.fleet.oracle import AVAILABLE, MOVES, TO_BE_SHELVED, Told, Truth, causes, saw, told, truth
from sim.fleet.outcome import ItemState, Outcome
from sim.fleet.verdict import Violation, end_ms

UNCERTAIN = "uncertain"
UNSEEN = "unseen_by_decision"
UNCLEAR = "order_unclear"
_UNORDERED = frozenset((UNCERTAIN, UNCLEAR))
_DOUBTS = _UNORDERED | {UNSEEN}


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


def explained(outcome: Outcome) -> Iterator[Violation]:
    """Where one outcome of an unclear order is shown and is wrong, the entry names the fact that
    truly made the item stand as it does."""
    shown: dict[str, set[str]] = defaultdict(set)
    for entry in outcome.reviews:
        if entry.state == "open" and entry.rule in (UNCLEAR, UNSEEN):
            shown[entry.item].update(entry.facts)
    for item, real in _truths(outcome):
        is_taken = item.item in shown and item.state != UNCERTAIN
        is_right = _is_alike(item.state, real.state) and item.patron == real.patron
        if is_taken and not is_right and real.last not in shown[item.item]:
            text = (
                f"{item.item} is {real.state} by {real.last or 'nothing'}, the catalogue says"
                f" {item.state}, and staff are shown {', '.join(sorted(shown[item.item]))}"
            )
            yield Violation("explained", "gateway", end_ms(outcome), text, item.item)


def doubted(outcome: Outcome) -> frozenset[str]:
    """Return the items the catalogue is in doubt about, and says so."""
    uncertain = {name for name, item in outcome.item_states.items() if item.state == UNCERTAIN}
    told = {
        entry.item for entry in outcome.reviews if entry.rule in _DOUBTS and entry.state == "open"
    }
    return frozenset(uncertain | told)


def pure(outcome: Outcome) -> Iterator[Violation]:
    """An item stands as its facts say when they are folded afresh, however they came."""
    for name, item in sorted(outcome.item_states.items()):
        if item.anew is not None and item.anew != (
            item.state, item.patron, item.loan, item.due_at
        ):  # fmt: skip
            text = f"{name} is {item.state} of {item.patron}; folded afresh it is {item.anew}"
            yield Violation("pure", "gateway", end_ms(outcome), text, name)


def due(outcome: Outcome) -> Iterator[Violation]:
    """A loan is due on the last day that its own reader was told, and on no stranger's.

    After a doubt it may be a day that the same reader was told before, if that is later.
    """
    for item, real in _truths(outcome):
        is_sure = item.item not in doubted(outcome) and item.state == real.state == "on_loan"
        is_alike = item.due_at == real.due_at or _is_kept(outcome, item, real)
        if is_sure and item.patron == real.patron and not is_alike:
            text = f"{item.item} is due at {real.due_at}, and the catalogue says {item.due_at}"
            yield Violation("due", "gateway", end_ms(outcome), text, item.item)


def _is_kept(outcome: Outcome, item: ItemState, real: Truth) -> bool:
    """Return whether an item is due on a later day, told to its reader before or in a doubt that
    its loan came after."""
    was_in_doubt = any(
        entry.item == item.item and entry.rule in _UNORDERED and item.loan not in entry.facts
        for entry in outcome.reviews
    )
    days = (
        fact.fields.get("due_at")
        for fact in told(outcome.committed)
        if fact.one.item == item.item and fact.one.patron == real.patron
    )
    return was_in_doubt and item.due_at > real.due_at and item.due_at in days


def billed(outcome: Outcome) -> Iterator[Violation]:
    """Nobody is said to have a book that is in the library, not even with a doubt beside it.

    Where staff decided before a loan came that they had not heard of, they are asked again, and
    until then the loan stands.
    """
    asked = {
        entry.item
        for entry in outcome.reviews
        if entry.rule == "unseen_by_decision" and entry.state == "open"
    }
    for item, real in _truths(outcome):
        if item.state == "on_loan" and not real.is_on_loan and item.item not in asked:
            text = f"{item.item} is {real.state}, and {item.patron} would be billed for it"
            yield Violation("billed", "gateway", end_ms(outcome), text, item.item)


def needless(outcome: Outcome) -> Iterator[Violation]:
    """Where each fact follows the one before at its station or saw it, there is no doubt."""
    own = defaultdict(list)
    applied = {one.fact_id for one in outcome.applied}
    for fact in told(one for one in outcome.committed if one.fact_id in applied):
        if fact.kind in MOVES:
            own[fact.one.item].append(fact)
    twins = _twins(outcome)
    for name, item in sorted(outcome.item_states.items()):
        facts = own[name]
        if item.state == UNCERTAIN and _is_chain(facts) and not twins & _stations(facts):
            text = f"{name} is in doubt, though each of its {len(facts)} facts saw the last"
            yield Violation("needless", "gateway", end_ms(outcome), text, name)


def surprise(outcome: Outcome) -> Iterator[Violation]:
    """A fact from before a decision that it did not know of makes an entry."""
    named = {fact for entry in outcome.reviews if entry.rule == UNSEEN for fact in entry.facts}
    applied = {one.fact_id for one in outcome.applied}
    facts = [one for one in told(outcome.committed) if one.one.fact_id in applied]
    twins = _twins(outcome)
    for decision in facts:
        if decision.kind != "decision" or not isinstance(decision.fields.get("state"), str):
            continue
        own = [one for one in facts if one.one.item == decision.one.item]
        if twins & _stations(own) or any(_reaches_back(one, decision) for one in own):
            continue
        known = causes(decision, own)
        for fact in own:
            is_before = fact.one.at_ms < decision.one.at_ms and fact.kind in MOVES
            if is_before and fact.one.fact_id not in known | named:
                text = f"the decision {decision.one.fact_id} did not know of {fact.one.fact_id}"
                at_ms = decision.one.at_ms
                yield Violation("surprise", "gateway", at_ms, text, decision.one.item)


def _reaches_back(one: Told, decision: Told) -> bool:
    """Return whether a fact may take another out of what the decision is compared with."""
    return one.kind == "not_shown" or (one.kind == "decision" and one is not decision)


def _is_chain(facts: list[Told]) -> bool:
    """Return whether every fact follows the one before at its station, or names it as seen."""
    return all(
        then.one.station == first.one.station or first.one.fact_id in saw(then)
        for first, then in pairwise(facts)
    )


def _stations(facts: list[Told]) -> set[str]:
    return {fact.one.station for fact in facts}


def _twins(outcome: Outcome) -> set[str]:
    return {act.who for act in outcome.plan.acts if act.what == "twin"}


def _truths(outcome: Outcome) -> Iterator[tuple[ItemState, Truth]]:
    """Return every item as the catalogue has it, beside how it truly stands.

    Only facts that survive count: what died with its only disk nobody can know. Left out is
    what two stations under one name wrote about: at one position they write at the same time,
    and the order of writing, on which all else rests, is none.
    """
    survived = [one for one in outcome.committed if one.fact_id in outcome.surviving]
    real = truth(survived)
    twins = _twins(outcome)
    confused = {one.item for one in outcome.committed if one.station in twins}
    for name, item in sorted(outcome.item_states.items()):
        if name not in confused:
            yield item, real.get(name, Truth(name))


def _is_alike(one: str, other: str) -> bool:
    """Return whether two states are one: on the shelf, or on the trolley beside it."""
    shelves = (AVAILABLE, TO_BE_SHELVED)
    return one == other or (one in shelves and other in shelves)
