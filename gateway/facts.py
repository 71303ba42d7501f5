"""Stored fact rows as the fold sees them, and their intervals kept up to date.

An interval follows from a station's `clock` facts alone. A new one can only narrow what the
station wrote since the clock fact before it, so only that stretch is read again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from circulation.facts import ClockSample, Fact
from circulation.fold.intervals import Interval, intervals
from circulation.wire import kinds
from gateway import schema
from gateway.docs import chunks
from gateway.store import Write


@dataclass(frozen=True, slots=True)
class Stored:
    """A fact as it lies in the table, read back, with its interval."""

    fact: Fact
    interval: Interval


def fact_of(row: sa.RowMapping) -> Fact:
    """Return the fact of a row; its item is the one resolved when it was applied."""
    fields = json.loads(row["body"])
    fact = Fact.from_row(row["station"], row["epoch_n"], row["seq"], fields, row["patron_id"])
    return fact if fact.item_id == row["item_id"] else replace(fact, item_id=row["item_id"])


def interval_of(row: sa.RowMapping) -> Interval:
    """Return a row's interval."""
    return Interval(row["earliest_ms"], row["latest_ms"], bool(row["flagged"]))


def best_instant(fact: Fact, interval: Interval | None, now_ms: int) -> int:
    """Return the best single instant for a fact, for showing and for retention only."""
    earliest, latest = (interval.earliest_ms, interval.latest_ms) if interval else (None, None)
    if earliest is not None and latest is not None:
        return (earliest + latest) // 2
    if fact.sure and fact.wall_ms is not None:
        return fact.wall_ms
    return now_ms


def facts_of_items(
    connection: sa.Connection, library_id: str, item_ids: Iterable[str]
) -> dict[str, list[Stored]]:
    """Return every fact of these items, by item."""
    table = schema.FACT
    found: dict[str, list[Stored]] = {}
    for ids in chunks(sorted(item_ids)):
        query = sa.select(table).where(table.c.library_id == library_id, table.c.item_id.in_(ids))
        for row in connection.execute(query).mappings():
            stored = Stored(fact_of(row), interval_of(row))
            found.setdefault(row["item_id"], []).append(stored)
    return found


@dataclass(frozen=True, slots=True)
class Narrowed:
    """Intervals after a stretch was read again, and the items whose facts' changed."""

    by_fact: dict[str, Interval]
    items: frozenset[str]


def narrow_intervals(write: Write, first_new: Mapping[str, tuple[int, int]]) -> Narrowed:
    """Read again each station's stretch that ends in its new facts; keep what changed.

    first_new: by station the position (epoch, seq) of the first fact just inserted.
    """
    by_fact: dict[str, Interval] = {}
    changed: list[dict[str, Any]] = []
    items: set[str] = set()
    for station, place in first_new.items():
        rows = _stretch(write, station, place)
        fresh = intervals(_bare(row) for row in rows)
        for row in rows:
            interval = fresh[row["id"]]
            by_fact[row["id"]] = interval
            if interval != interval_of(row):
                changed.append(_changed_row(row["id"], interval))
                items.update(filter(None, [row["item_id"]]))
    _keep(write, changed)
    return Narrowed(by_fact, frozenset(items))


def _stretch(write: Write, station: str, place: tuple[int, int]) -> list[sa.RowMapping]:
    """Return the station's rows from its last clock fact before a place to its end."""
    table = schema.FACT
    position = sa.tuple_(table.c.epoch_n, table.c.seq)
    own = sa.and_(table.c.library_id == write.library_id, table.c.station == station)
    clock = (
        sa.select(table.c.epoch_n, table.c.seq)
        .where(own, table.c.kind == kinds.CLOCK, position < place)
        .order_by(table.c.epoch_n.desc(), table.c.seq.desc())
        .limit(1)
    )
    start = write.execute(clock).first() or (0, 0)
    columns = [c for c in table.c if c.name not in ("body", "salt", "patron_id")]
    body = sa.case((table.c.kind == kinds.CLOCK, table.c.body), else_=None).label("body")
    query = sa.select(*columns, body).where(own, position >= tuple(start))
    return list(write.execute(query.order_by(table.c.epoch_n, table.c.seq)).mappings())


def _bare(row: sa.RowMapping) -> Fact:
    """Return only what an interval follows from."""
    fields = json.loads(row["body"]) if row["body"] is not None else {}
    fact = Fact(
        row["id"],
        row["kind"],
        row["station"],
        row["epoch_n"],
        row["seq"],
        row["boot"],
        row["mono_ms"],
    )
    sample = _sample(fields)
    return fact if sample is None else replace(fact, clock=sample)


def _sample(fields: Mapping[str, Any]) -> ClockSample | None:
    if not fields:
        return None
    full = Fact.from_row("", 1, 1, fields)
    return full.clock


def _changed_row(fact_id: str, interval: Interval) -> dict[str, Any]:
    return {
        "row_id": fact_id,
        "new_earliest": interval.earliest_ms,
        "new_latest": interval.latest_ms,
        "new_flagged": int(interval.flagged),
    }


def _keep(write: Write, changed: list[dict[str, Any]]) -> None:
    if not changed:
        return
    table = schema.FACT
    statement = (
        sa.update(table)
        .where(table.c.library_id == write.library_id, table.c.id == sa.bindparam("row_id"))
        .values(
            earliest_ms=sa.bindparam("new_earliest"),
            latest_ms=sa.bindparam("new_latest"),
            flagged=sa.bindparam("new_flagged"),
        )
    )
    write.execute(statement, changed)
