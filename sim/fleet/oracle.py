"""What really became of every item: its facts in their true order, one after another.

Nothing of `circulation.fold` is used here, neither its order nor its table: two programs that
share a mistake agree. The oracle is shorter, because it need not guess. It knows when each fact
was written, which no fact says, and so never doubts.

It counts the facts of which a copy survived: what died with its only disk nobody can know.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sim.fleet.outcome import Committed

AVAILABLE, TO_BE_SHELVED, ON_LOAN = "available", "to_be_shelved", "on_loan"
MOVES = frozenset(("checkout", "checkin", "used_in_house", "seen", "renewal", "decision"))
"""The facts after which an item may stand otherwise, of those that people in a fleet cause."""

# What a book's being handled at a kiosk ends, and what stays as it was although it was seen.
_NOT_SEEN_ENDS = frozenset(("on_loan",))
_STAYS = frozenset(("damaged", "withdrawn"))
_SEEN_STAYS = frozenset(("on_loan", "on_hold_shelf", "damaged", "in_repair", "withdrawn"))


@dataclass(slots=True)
class Truth:
    """How an item stands. patron: who has it, by the plan's name; loans: the checkouts of it."""

    item: str
    state: str = AVAILABLE
    patron: str = ""
    loans: list[str] = field(default_factory=list)
    lent_at_ms: int = -1
    lent_by: str = ""
    last: str = ""
    """The fact that made it so."""
    due_at: int = 0
    """The latest day the reader was told, in ms since 1970."""

    @property
    def is_on_loan(self) -> bool:
        """Return whether a reader has it."""
        return self.state == ON_LOAN


class Told(NamedTuple):
    """A committed fact, its body read."""

    one: Committed
    kind: str
    fields: dict[str, Any]


def told(committed: Iterable[Committed]) -> Iterator[Told]:
    """Return those facts whose body can be read, in the given order."""
    for one in committed:
        try:
            fields = json.loads(one.body)
        except ValueError:
            continue
        if isinstance(fields, dict) and isinstance(fields.get("kind"), str):
            yield Told(one, fields["kind"], fields)


def causes(fact: Told, own: list[Told]) -> set[str]:
    """Return the facts of an item that a chain of writing and seeing leads to this one from."""
    by_id = {one.one.fact_id: one for one in own}
    waiting, found = [fact], {fact.one.fact_id}
    while waiting:
        last = waiting.pop()
        earlier = [one for one in own if _wrote_before(one, last)]
        seen = [by_id[one] for one in saw(last) if one in by_id]
        for one in (*earlier, *seen):
            if one.one.fact_id not in found:
                found.add(one.one.fact_id)
                waiting.append(one)
    return found


def saw(fact: Told) -> tuple[str, ...]:
    """Return the facts that a fact says its author knew of."""
    return tuple(fact.fields.get("saw") or ())


def _wrote_before(one: Told, other: Told) -> bool:
    return one.one.station == other.one.station and one.one.at_ms < other.one.at_ms


def truth(committed: Iterable[Committed], *, until_ms: int | None = None) -> dict[str, Truth]:
    """Return how every item stands after these facts, which are in their true order.

    until_ms: look no further than this instant; what was written then still counts.
    """
    seen = [fact for fact in told(committed) if until_ms is None or fact.one.at_ms <= until_ms]
    undone = _undone(seen)
    items: dict[str, Truth] = {}
    for fact in seen:
        if fact.one.item and fact.one.fact_id not in undone:
            item = items.setdefault(fact.one.item, Truth(fact.one.item))
            _happens(item, fact)
    return items


def _undone(seen: Iterable[Told]) -> frozenset[str]:
    """Return the loans a kiosk took back since the reader never learned of them."""
    stations: dict[str, str] = {}
    undone = set()
    for fact in seen:
        stations[fact.one.fact_id] = fact.one.station
        loan = fact.fields.get("loan")
        if fact.kind == "not_shown" and stations.get(str(loan)) == fact.one.station:
            undone.add(str(loan))
    return frozenset(undone)


def _happens(item: Truth, fact: Told) -> None:
    match fact.kind:
        case "checkout":
            _is_lent(item, fact)
        case "checkin":
            _is_back(item, fact, _STAYS)
        case "used_in_house":
            _is_back(item, fact, _STAYS | _NOT_SEEN_ENDS)
        case "seen":
            if item.state not in _SEEN_STAYS:
                _stands(item, fact, AVAILABLE)
        case "renewal":
            if item.is_on_loan and fact.fields.get("loan") in item.loans:
                item.due_at = max(item.due_at, _due_of(fact))
        case "decision":
            _is_decided(item, fact)


def _is_lent(item: Truth, fact: Told) -> None:
    """A second checkout to the reader who has the book goes on with the loan."""
    if not (item.is_on_loan and item.patron == fact.one.patron):
        item.loans = []
        item.due_at = 0
    item.patron = fact.one.patron
    item.due_at = max(item.due_at, _due_of(fact))
    item.loans.append(fact.one.fact_id)
    item.state, item.last = ON_LOAN, fact.one.fact_id
    item.lent_at_ms, item.lent_by = fact.one.at_ms, fact.one.station


def _due_of(fact: Told) -> int:
    due_at = fact.fields.get("due_at")
    return due_at if isinstance(due_at, int) else 0


def _is_back(item: Truth, fact: Told, stays: frozenset[str]) -> None:
    if item.state not in stays:
        _stands(item, fact, TO_BE_SHELVED)


def _is_decided(item: Truth, fact: Told) -> None:
    """Staff looked: it is as they say. A decision without a state only takes note."""
    state = fact.fields.get("state")
    if not isinstance(state, str):
        return
    _stands(item, fact, state)
    if state == ON_LOAN:
        item.patron = fact.one.patron
        item.loans = [str(fact.fields.get("loan") or fact.one.fact_id)]
        item.lent_at_ms, item.lent_by = fact.one.at_ms, fact.one.station
        item.due_at = _due_of(fact)


def _stands(item: Truth, fact: Told, state: str) -> None:
    item.state, item.last = state, fact.one.fact_id
    item.patron, item.loans, item.due_at = "", [], 0
