"""The state of an item as a pure fold of its facts.

Laws of this file:

1. The same facts and intervals give the same answer in every order of arrival. Nothing else is
   read: no policy, calendar, tag table or present time.
2. Facts fall into groups, each wholly before the next. A group of one is applied by the table,
   a larger one is weighed (`concurrent.py`). So a later single fact ends a doubt.
3. A decision replaces exactly the facts it saw and came after. A fact it neither saw nor knew
   of through them, and that did not come after it, makes an entry.
4. `not_shown` undoes exactly its checkout, of its own station, as if that had never been.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from circulation.facts import Fact
from circulation.fold.concurrent import weigh
from circulation.fold.holding import ON_SHELF, Entry, Holding, Rule
from circulation.fold.intervals import FAR_AHEAD, LONG_AGO, UNKNOWN, Interval
from circulation.fold.order import Order
from circulation.fold.step import moves, step
from circulation.items import ItemState
from circulation.wire import kinds
from circulation.wire.limits import SAW_MAX

__all__ = [
    "ON_SHELF",
    "Entry",
    "Folded",
    "Holding",
    "Rule",
    "Sibling",
    "fold",
    "may_step",
    "moves",
    "step",
]

# What ends a doubt; whatever else shows the item on the premises proposes a return (table.py).
ENDS_DOUBT = frozenset(
    {kinds.CHECKOUT, kinds.CHECKIN, kinds.DECISION, kinds.SENT, kinds.WITHDRAWN}
)

_REACH_BACK = frozenset({kinds.DECISION, kinds.NOT_SHOWN})


@dataclass(frozen=True, slots=True)
class Sibling:
    """One of several last facts, and how the item would stand if nothing else had happened
    than this and what is known to be before it."""

    fact: str
    kind: str
    holding: Holding


@dataclass(frozen=True, slots=True)
class Folded:
    """What the facts of an item add up to.

    last: the facts that are before no other. siblings: while uncertain, those facts in the
    order staff are shown them: checked in before checked out, then the later midpoint, then
    the id. considered: what a staff decision made now must list in `saw`. flagged: facts
    whose clock contradicts the order. floor_ms: see `may_step`. ended: the keys of the entries
    about an unclear order after which a fact has ended that doubt too.
    """

    holding: Holding
    last: tuple[str, ...] = ()
    entries: tuple[Entry, ...] = ()
    siblings: tuple[Sibling, ...] = ()
    considered: tuple[str, ...] = ()
    flagged: tuple[str, ...] = ()
    floor_ms: int | None = None
    ended: tuple[str, ...] = ()

    @property
    def is_certain(self) -> bool:
        """Return whether the order of the facts leaves no doubt about the item."""
        return self.holding.state is not ItemState.UNCERTAIN


def fold(
    facts: Iterable[Fact], known: Mapping[str, Interval], start: Holding = ON_SHELF
) -> Folded:
    """Return the state of one item.

    facts: all of the item's, in any order, repetitions allowed. known: intervals by fact id.
    start: how the item stood before its first fact.
    """
    order = Order(facts, known)
    moving = [fact for fact in order.facts if moves(fact)]
    replaced = _replaced(moving, order)
    undone, undoings = _undone(moving, order)
    kept = {fact.id: fact for fact in moving if fact.id not in replaced | undone}
    walk = _walk(start, order.blocks(kept), order)
    entries = [
        *walk.entries,
        *(entry for entry in undoings if entry.facts[1] in kept),
        *_unseen(kept, order),
    ]
    last = order.last_of(walk.last_block)
    wanted = {fact.id for fact in order.causally_last(kept)}.union(walk.doubtful)
    considered = [fact_id for fact_id in kept if fact_id in wanted]
    return Folded(
        walk.holding,
        tuple(sorted(fact.id for fact in last)),
        tuple(entries),
        _siblings(walk, order, known),
        tuple(considered[-SAW_MAX:]),
        order.flagged,
        order.floor_ms,
        tuple(walk.ended),
    )


def may_step(
    last: Sequence[str],
    fact: Fact,
    *,
    floor_ms: int | None = None,
    interval: Interval = UNKNOWN,
) -> bool:
    """Return whether `step` gives a new fact the state that a full fold would.

    It does if the fact saw the item's one last fact, so that it is after all others, and does
    not reach back at any. last, floor_ms: as the `Folded` before it said. interval: the new
    fact's, if known; one that ends below the floor contradicts what the fact saw, and then
    nobody's clock is believed.
    """
    if not moves(fact) or fact.kind in _REACH_BACK:
        return False
    latest = FAR_AHEAD if interval.latest_ms is None else interval.latest_ms
    earliest = LONG_AGO if interval.earliest_ms is None else interval.earliest_ms
    floor = LONG_AGO if floor_ms is None else floor_ms
    return len(last) == 1 and fact.saw == tuple(last) and max(floor, earliest) <= latest


class _Walk:
    """The holding as it goes from group to group."""

    def __init__(self, start: Holding):
        self.holding = start
        self.entries: list[Entry] = []
        self.ended: list[str] = []
        self.last_block: list[Fact] = []
        self.doubtful: list[str] = []  # facts since the item became uncertain
        self.doubt: list[Fact] = []  # the group that made it so
        self.before_doubt = start

    def take(self, block: list[Fact], order: Order) -> None:
        before = self.holding
        if len(block) == 1:
            self.holding, entries = step(before, block[0])
            if block[0].kind in ENDS_DOUBT:
                unclear = (one for one in self.entries if one.rule is Rule.ORDER_UNCLEAR)
                self.ended = [one.key for one in unclear]
        else:
            self.holding, entries = weigh(before, block, order)
        self.entries += entries
        self.last_block = block
        if self.holding.state is not ItemState.UNCERTAIN:
            self.doubtful, self.doubt = [], []
            return
        self.doubtful += [fact.id for fact in block]
        if len(block) > 1:
            self.doubt, self.before_doubt = block, before


def _walk(start: Holding, blocks: Iterable[list[Fact]], order: Order) -> _Walk:
    walk = _Walk(start)
    for block in blocks:
        walk.take(block, order)
    return walk


def _replaced(moving: Sequence[Fact], order: Order) -> set[str]:
    """Return the facts that decisions stand in for."""
    ids = {fact.id for fact in moving}
    return {
        seen
        for fact in moving
        if fact.kind == kinds.DECISION
        for seen in ids.intersection(fact.saw)
        if order.is_before(seen, fact.id)
    }


def _undone(moving: Sequence[Fact], order: Order) -> tuple[set[str], list[Entry]]:
    """Return the checkouts that were never shown to their reader, with an entry for each.

    A station may take back only what it wrote itself.
    """
    checkouts = {fact.id: fact for fact in moving if fact.kind == kinds.CHECKOUT}
    undone: set[str] = set()
    entries: list[Entry] = []
    for fact in moving:
        checkout = checkouts.get(fact.loan or "") if fact.kind == kinds.NOT_SHOWN else None
        if checkout is None or checkout.station != fact.station:
            continue
        if order.is_before(checkout.id, fact.id):
            undone.add(checkout.id)
            ids = (checkout.id, fact.id)
            entries.append(Entry(Rule.NOT_SHOWN, fact.item_id or "", ids, checkout.id))
    return undone, entries


def _unseen(kept: Mapping[str, Fact], order: Order) -> list[Entry]:
    """Return an entry for each fact that a decision did not know of, though not after it."""
    found: dict[str, Entry] = {}
    for decision in kept.values():
        if decision.kind != kinds.DECISION:
            continue
        known = order.causes_of(decision.id) | {decision.id}
        for fact in kept.values():
            if fact.id not in known and not order.is_before(decision.id, fact.id):
                entry = Entry(Rule.UNSEEN_BY_DECISION, fact.item_id or "", (fact.id,), decision.id)
                found.setdefault(fact.id, entry)
    return list(found.values())


def _siblings(walk: _Walk, order: Order, known: Mapping[str, Interval]) -> tuple[Sibling, ...]:
    """Return the last facts of the group that left the item uncertain, as staff see them."""
    if walk.holding.state is not ItemState.UNCERTAIN or not walk.doubt:
        return ()
    last = order.last_of(walk.doubt)
    holdings = {fact.id: _alone(fact, walk, order) for fact in last}
    shown = sorted(
        last,
        key=lambda fact: (
            holdings[fact.id].loan is not None,
            -_doubled_midpoint(known.get(fact.id, UNKNOWN)),
            fact.id,
        ),
    )
    return tuple(Sibling(fact.id, fact.kind, holdings[fact.id]) for fact in shown)


def _alone(last: Fact, walk: _Walk, order: Order) -> Holding:
    """Return how the item stands after a fact and those of the group that are before it."""
    holding = walk.before_doubt
    for fact in walk.doubt:
        if fact is last or order.is_before(fact.id, last.id):
            holding, _ = step(holding, fact)
    return holding


def _doubled_midpoint(interval: Interval) -> int:
    """Return twice the middle of an interval; without both bounds it counts as long ago."""
    if interval.earliest_ms is None or interval.latest_ms is None:
        return LONG_AGO
    return interval.earliest_ms + interval.latest_ms
