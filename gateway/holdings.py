"""Where every item is: the fold of its facts, kept up to date as facts arrive.

A fact that saw the item's one last fact is applied in one step. Anything else, and whatever a
narrowed interval may have put in another order, is folded again from all of the item's facts:
slower, and by definition right.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from circulation.facts import Fact
from circulation.fold.fold import (
    ENDS_DOUBT,
    ON_SHELF,
    Entry,
    Holding,
    Rule,
    fold,
    may_step,
    moves,
    step,
)
from circulation.fold.intervals import UNKNOWN, Interval
from circulation.items import ItemState
from circulation.wire import kinds
from gateway.facts import best_instant, facts_of_items
from gateway.review import ReviewEntry, add_entries, is_open, reopen_entries, settle_entries
from gateway.schema import HOLDING, LOAN, REVIEW
from gateway.shelf import Shelf
from gateway.standing import RULES, stands
from gateway.statements import JSON_TEXT, LIBRARY, Insert, Statement, among, outside
from gateway.store import Write

_ITEMS = among(LOAN.c.item_id, "items")
_HELD = Statement(
    sa.select(HOLDING, sa.null().label("initial")).where(
        HOLDING.c.library_id == LIBRARY, among(HOLDING.c.item_id, "items")
    )
)
_IN_DOUBT = Statement(
    sa.select(HOLDING.c.item_id).where(
        HOLDING.c.library_id == LIBRARY,
        among(HOLDING.c.item_id, "items"),
        HOLDING.c.doubted == 1,
    )
)
# So written, the index of closed loans is of no use: all that are open have one place in it.
_IS_OPEN = sa.func.coalesce(LOAN.c.closed_at, 0) == 0
_CLOSE = Statement(
    sa.update(LOAN)
    .where(LOAN.c.library_id == LIBRARY, among(LOAN.c.loan, "loans"), _IS_OPEN)
    .values(closed_at=sa.bindparam("now_ms"))
)
_CLOSE_OTHERS = Statement(
    sa.update(LOAN)
    .where(
        LOAN.c.library_id == LIBRARY,
        _ITEMS,
        _IS_OPEN,
        outside(LOAN.c.loan, "named"),
    )
    .values(closed_at=sa.bindparam("now_ms"))
)
_OPEN_AGAIN = Statement(
    sa.update(LOAN)
    .where(
        LOAN.c.library_id == LIBRARY,
        _ITEMS,
        LOAN.c.closed_at.is_not(None),
        among(LOAN.c.loan, "named"),
    )
    .values(closed_at=sa.null())
)
_LOANS = Insert(
    LOAN,
    ("loan", "item_id", "patron_id", "opened_at", "due_at", "policy_version", "closed_at"),
    replace=False,
)
_OPEN_ENTRIES = Statement(
    sa.select(REVIEW).where(
        REVIEW.c.library_id == LIBRARY,
        among(REVIEW.c.item_id, "items"),
        is_open(),
        REVIEW.c.rule.in_(sorted(RULES)),
    )
)


@dataclass(slots=True)
class Held:
    """An item's holding while a transaction works on it."""

    item_id: str
    holding: Holding = ON_SHELF
    last: tuple[str, ...] = ()
    floor_ms: int | None = None
    doubted: bool = False
    entries: list[Entry] = field(default_factory=list)
    moved: bool = False
    lent: set[str] = field(default_factory=set)  # loans that steps found open
    folded: bool = False  # from all of its facts, so that `entries` are all there are
    ended: frozenset[str] | None = frozenset()  # entries on an unclear order; None: all of them

    def stands(self, entry: Any) -> bool:
        """Return whether an entry on this item still means something."""
        if entry.rule == Rule.ORDER_UNCLEAR.value:
            return self.ended is not None and entry.key not in self.ended
        return stands(entry, self.holding, self.last)

    def step(self, fact: Fact, interval: Interval) -> None:
        """Apply a fact that is after all others."""
        self.lent |= self.holding.loan_names  # any checkout is named by the holding it leads to
        self.holding, entries = step(self.holding, fact)
        self.entries += entries
        self.last = (fact.id,)
        if fact.kind in ENDS_DOUBT:
            self.ended = None
        bounds = [ms for ms in (self.floor_ms, interval.earliest_ms) if ms is not None]
        self.floor_ms = max(bounds, default=None)
        self.moved = True


def fold_in(
    write: Write,
    fresh: Iterable[Fact],
    known: Mapping[str, Interval],
    narrowed: Iterable[str],
    reordered: frozenset[str] = frozenset(),
) -> None:
    """Bring the holdings up to date, and what staff should see of them.

    fresh: the facts just inserted, in the order they were. known: intervals of those and their
    neighbours. narrowed: items with a fact whose interval has changed. reordered: those with one
    that counts at another place of its journal now.
    """
    moving = [fact for fact in fresh if fact.item_id is not None and moves(fact)]
    touched = {fact.item_id for fact in moving if fact.item_id is not None}
    again = _in_doubt(write, narrowed) | reordered
    held = _load(write, touched | again)
    for fact in moving:
        item = held[str(fact.item_id)]
        interval = known.get(fact.id, UNKNOWN)
        is_first = not item.last  # one fact alone has nothing to be in order with
        if item.item_id not in again and (
            is_first or may_step(item.last, fact, floor_ms=item.floor_ms, interval=interval)
        ):
            item.step(fact, interval)
        else:
            again.add(item.item_id)
    _fold_again(write, held, again)
    moved = {item_id: item for item_id, item in held.items() if item.moved}
    if not moved:
        return
    _save(write, moved)
    _settle_loans(write, moved)
    write.changes.items |= moved.keys()
    found = {name: [_as_review(one) for one in item.entries] for name, item in moved.items()}
    add_entries(write, (entry for entries in found.values() for entry in entries))
    _settle(write, moved, found)


def fold_told(write: Write, item_ids: Iterable[str]) -> None:
    """Fold those of the items again that remember what readers were told, once some of these are
    forgotten."""
    held = _load(write, set(item_ids))
    told = frozenset(item_id for item_id, item in held.items() if item.holding.told)
    fold_in(write, (), {}, (), reordered=told)


def item_fold(connection: sa.Connection, library_id: str, item_id: str) -> Any:
    """Return the full fold of one item, for staff and for checking."""
    stored = facts_of_items(connection, library_id, [item_id]).get(item_id, [])
    row = Shelf(connection, library_id).rows([item_id]).get(item_id)
    return fold(
        [one.fact for one in stored],
        {one.fact.id: one.interval for one in stored},
        _start(row["initial"] if row is not None else None),
    )


def _in_doubt(write: Write, item_ids: Iterable[str]) -> set[str]:
    """Return those of the items whose facts were not one chain."""
    items = list(item_ids)
    return {row.item_id for row in write.rows(_IN_DOUBT, items=items)} if items else set()


def _load(write: Write, item_ids: set[str]) -> dict[str, Held]:
    """Return how the items are held, also those that the catalogue no longer has."""
    rows = write.shelf.rows(item_ids)
    missing = [item_id for item_id in item_ids if item_id not in rows]
    if missing:
        gone = _HELD.dicts(write.connection, library_id=write.library_id, items=missing)
        rows |= {row["item_id"]: row | {"doc": json.loads(row["doc"])} for row in gone}
    return {
        item_id: _held(item_id, rows[item_id]) if item_id in rows else Held(item_id)
        for item_id in item_ids
    }


def _held(item_id: str, row: Mapping[str, Any]) -> Held:
    if not row["last"]:
        return Held(item_id, _start(row["initial"]))
    holding = Holding.from_doc(row["doc"])
    return Held(item_id, holding, tuple(row["last"]), row["floor_ms"], bool(row["doubted"]))


def _start(initial: str | None) -> Holding:
    """Return how an item stood before its first fact: on the shelf, if no import says else."""
    return Holding(state=ItemState(initial)) if initial else ON_SHELF


def _fold_again(write: Write, held: dict[str, Held], item_ids: set[str]) -> None:
    if not item_ids:
        return
    stored = facts_of_items(write.connection, write.library_id, item_ids)
    rows = write.shelf.rows(item_ids)
    for item_id, facts in stored.items():
        item = held[item_id]
        folded = fold(
            [one.fact for one in facts],
            {one.fact.id: one.interval for one in facts},
            _start(rows[item_id]["initial"] if item_id in rows else None),
        )
        item.holding, item.last = folded.holding, folded.last
        item.floor_ms = folded.floor_ms
        item.entries = list(folded.entries)
        item.doubted = len([one for one in facts if moves(one.fact)]) > 1
        item.ended = frozenset(folded.ended)
        item.moved = item.folded = True


def _save(write: Write, moved: Mapping[str, Held]) -> None:
    rows = [
        {
            "item_id": item.item_id,
            "state": item.holding.state.value,
            "patron_id": item.holding.patron,
            "loan": item.holding.loan,
            "last": list(item.last),
            "floor_ms": item.floor_ms,
            "doubted": int(item.doubted),
            "doc": item.holding.to_doc(),
            "version": write.version,
        }
        for item in moved.values()
    ]
    write.shelf.hold(rows)
    write.upsert(HOLDING, [row | {"doc": JSON_TEXT.encode(row["doc"])} for row in rows])


def open_loans(write: Write, facts: Iterable[Fact], known: Mapping[str, Interval]) -> None:
    """Write a loan for every checkout; which of them are closed, the holdings say.

    known: the facts' intervals by id.
    """
    rows = [
        (
            fact.id,
            fact.item_id,
            None if fact.blanked else fact.patron,
            best_instant(fact, known[fact.id], write.now_ms),
            fact.due_at,
            fact.policy_version,
            None,
        )
        for fact in facts
        if fact.kind == kinds.CHECKOUT and fact.item_id is not None
    ]
    write.put(_LOANS, rows)
    write.shelf.lend((loan, opened_at, policy) for loan, _, _, opened_at, _, policy, _ in rows)


def _settle_loans(write: Write, moved: Mapping[str, Held]) -> None:
    """Close the loans that no holding names any more; open again those that one does.

    A step ends only what was open before it or came with it, so that an item's past is looked
    at only where its facts were folded anew.
    """
    over: set[str] = set()
    for item in moved.values():
        if not item.folded:
            over |= item.lent - item.holding.loan_names
    if over:
        write.run(_CLOSE, loans=list(over), now_ms=write.now_ms)
    items = [item_id for item_id, item in moved.items() if item.folded]
    if not items:
        return
    named = [loan for item_id in items for loan in moved[item_id].holding.loan_names]
    write.run(_CLOSE_OTHERS, items=items, named=named, now_ms=write.now_ms)
    if named:
        write.run(_OPEN_AGAIN, items=items, named=named)


def _settle(
    write: Write, moved: Mapping[str, Held], found: Mapping[str, list[ReviewEntry]]
) -> None:
    """End the entries that have become history; open again those that a new order brings back."""
    stand = {
        entry.key
        for item_id, entries in found.items()
        for entry in entries
        if moved[item_id].stands(entry)
    }
    settled: dict[str, tuple[str, ...]] = {}
    for row in write.rows(_OPEN_ENTRIES, items=list(moved)):
        item = moved[row.item_id]
        gone = item.folded and row.key not in stand
        if gone or not item.stands(row):
            settled[row.key] = tuple(one for one in item.last if one not in row.facts)
    settle_entries(write, settled)
    folded = {entry.key for name in found if moved[name].folded for entry in found[name]}
    reopen_entries(write, stand & folded)


def _as_review(entry: Entry) -> ReviewEntry:
    detail = {"loan": entry.detail} if entry.detail else None
    return ReviewEntry(
        key=entry.key,
        rule=entry.rule.value,
        item_id=entry.item_id or None,
        facts=entry.facts,
        detail=detail,
    )
