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
from circulation.fold.fold import ON_SHELF, Entry, Holding, fold, may_step, moves, step
from circulation.fold.intervals import UNKNOWN, Interval
from circulation.items import ItemState
from circulation.wire import kinds
from gateway import schema
from gateway.docs import chunks
from gateway.facts import facts_of_items
from gateway.review import ReviewEntry, add_entries, is_open, reopen_entries, settle_entries
from gateway.standing import RULES, stands
from gateway.store import Write


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
    folded: bool = False  # from all of its facts, so that `entries` are all there are

    def step(self, fact: Fact, interval: Interval) -> None:
        """Apply a fact that is after all others."""
        self.holding, entries = step(self.holding, fact)
        self.entries += entries
        self.last = (fact.id,)
        bounds = [ms for ms in (self.floor_ms, interval.earliest_ms) if ms is not None]
        self.floor_ms = max(bounds, default=None)
        self.moved = True


def fold_in(
    write: Write,
    fresh: Iterable[Fact],
    known: Mapping[str, Interval],
    narrowed: Iterable[str],
) -> None:
    """Bring the holdings up to date, and what staff should see of them.

    fresh: the facts just inserted, in the order they were. known: intervals of those and their
    neighbours. narrowed: items with a fact whose interval has changed.
    """
    moving = [fact for fact in fresh if fact.item_id is not None and moves(fact)]
    touched = {fact.item_id for fact in moving if fact.item_id is not None}
    held = _load(write, touched | set(narrowed))
    again = {item_id for item_id in narrowed if item_id in held and held[item_id].doubted}
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
    _save(write, moved)
    _settle_loans(write, moved)
    write.changes.items |= moved.keys()
    found = {name: [_as_review(one) for one in item.entries] for name, item in moved.items()}
    add_entries(write, (entry for entries in found.values() for entry in entries))
    _settle(write, moved, found)


def item_fold(connection: sa.Connection, library_id: str, item_id: str) -> Any:
    """Return the full fold of one item, for staff and for checking."""
    stored = facts_of_items(connection, library_id, [item_id]).get(item_id, [])
    starts = _starts(connection, library_id, [item_id])
    return fold(
        [one.fact for one in stored],
        {one.fact.id: one.interval for one in stored},
        starts.get(item_id, ON_SHELF),
    )


def _load(write: Write, item_ids: set[str]) -> dict[str, Held]:
    held = {item_id: Held(item_id) for item_id in item_ids}
    table = schema.HOLDING
    for ids in chunks(sorted(item_ids)):
        query = write.select(table).where(table.c.item_id.in_(ids))
        for row in write.execute(query):
            held[row.item_id] = Held(
                row.item_id,
                Holding.from_doc(json.loads(row.doc)),
                tuple(row.last),
                row.floor_ms,
                bool(row.doubted),
            )
    new = [item_id for item_id in item_ids if not held[item_id].last]
    for item_id, start in _starts(write.connection, write.library_id, new).items():
        held[item_id].holding = start
    return held


def _starts(
    connection: sa.Connection, library_id: str, item_ids: Iterable[str]
) -> dict[str, Holding]:
    """Return how imported items stood before their first fact, if not on the shelf."""
    table = schema.ITEM
    starts: dict[str, Holding] = {}
    for ids in chunks(sorted(item_ids)):
        query = sa.select(table.c.item_id, table.c.initial).where(
            table.c.library_id == library_id,
            table.c.item_id.in_(ids),
            table.c.initial.is_not(None),
        )
        for item_id, initial in connection.execute(query):
            starts[item_id] = Holding(state=ItemState(initial))
    return starts


def _fold_again(write: Write, held: dict[str, Held], item_ids: set[str]) -> None:
    stored = facts_of_items(write.connection, write.library_id, item_ids)
    starts = _starts(write.connection, write.library_id, item_ids)
    for item_id, facts in stored.items():
        item = held[item_id]
        folded = fold(
            [one.fact for one in facts],
            {one.fact.id: one.interval for one in facts},
            starts.get(item_id, ON_SHELF),
        )
        item.holding, item.last = folded.holding, folded.last
        item.floor_ms = folded.floor_ms
        item.entries = list(folded.entries)
        item.doubted = len([one for one in facts if moves(one.fact)]) > 1
        item.moved = item.folded = True


def _save(write: Write, moved: Mapping[str, Held]) -> None:
    write.upsert(
        schema.HOLDING,
        [
            {
                "item_id": item.item_id,
                "state": item.holding.state.value,
                "patron_id": item.holding.patron,
                "loan": item.holding.loan,
                "last": list(item.last),
                "floor_ms": item.floor_ms,
                "doubted": int(item.doubted),
                "doc": json.dumps(item.holding.to_doc(), separators=(",", ":")),
                "version": write.version,
            }
            for item in moved.values()
        ],
    )


def open_loans(write: Write, facts: Iterable[Fact], at_ms: Mapping[str, int]) -> None:
    """Write a loan for every checkout; which of them are closed, the holdings say."""
    rows = [
        {
            "loan": fact.id,
            "item_id": fact.item_id,
            "patron_id": None if fact.blanked else fact.patron,
            "opened_at": at_ms[fact.id],
            "due_at": fact.due_at,
            "policy_version": fact.policy_version,
            "closed_at": None,
        }
        for fact in facts
        if fact.kind == kinds.CHECKOUT and fact.item_id is not None
    ]
    write.upsert(schema.LOAN, rows, replace=False)


def _settle_loans(write: Write, moved: Mapping[str, Held]) -> None:
    """Close the loans that no holding names any more; open again those that one does."""
    table = schema.LOAN
    closed: list[str] = []
    opened: list[str] = []
    for ids in chunks(sorted(moved)):
        named = [loan for item_id in ids for loan in moved[item_id].holding.loan_names]
        query = write.select(table).where(
            table.c.item_id.in_(ids), sa.or_(table.c.closed_at.is_(None), table.c.loan.in_(named))
        )
        for row in write.execute(query):
            is_open = row.loan in moved[row.item_id].holding.loan_names
            if is_open and row.closed_at is not None:
                opened.append(row.loan)
            elif not is_open and row.closed_at is None:
                closed.append(row.loan)
    for loans, closed_at in ((closed, write.now_ms), (opened, None)):
        for some in chunks(loans):
            statement = write.update(table).where(table.c.loan.in_(some))
            write.execute(statement.values(closed_at=closed_at))


def _settle(
    write: Write, moved: Mapping[str, Held], found: Mapping[str, list[ReviewEntry]]
) -> None:
    """End the entries that have become history; open again those that a new order brings back."""
    stand = {
        entry.key
        for item_id, entries in found.items()
        for entry in entries
        if stands(entry, moved[item_id].holding, moved[item_id].last)
    }
    table = schema.REVIEW
    settled: dict[str, tuple[str, ...]] = {}
    for ids in chunks(sorted(moved)):
        query = write.select(table).where(table.c.item_id.in_(ids), is_open())
        for row in write.execute(query.where(table.c.rule.in_(RULES))):
            item = moved[row.item_id]
            gone = item.folded and row.key not in stand
            if gone or not stands(row, item.holding, item.last):
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
