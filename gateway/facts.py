"""Stored fact rows as the fold sees them, and their intervals kept up to date.

An interval follows from a station's `clock` facts alone. Where clock and order agree, a new one
can only narrow what the station wrote since the clock fact before it, and only that stretch is
read again. Where they do not, what is read begins at an anchor (`circulation.fold.anchors`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, cast

import sqlalchemy as sa

from circulation.facts import ClockSample, Fact
from circulation.fold.anchors import agree, anchors, is_anchored
from circulation.fold.intervals import UNKNOWN, Interval, in_journal_order, intervals
from circulation.wire import kinds
from gateway.schema import FACT
from gateway.statements import LIBRARY, Statement, among
from gateway.store import Write

Place = tuple[int, int]  # epoch number and seq
Rows = list[Any]  # as `_STRETCH` names their columns
BEGINNING: Place = (0, 0)


_PLACE = sa.tuple_(FACT.c.epoch_n, FACT.c.seq)
_FROM = sa.tuple_(
    sa.bindparam("epoch_n", type_=sa.Integer), sa.bindparam("seq", type_=sa.BigInteger)
)
_OF_STATION = sa.and_(FACT.c.library_id == LIBRARY, FACT.c.station == sa.bindparam("station"))
_IS_CLOCK = FACT.c.kind == sa.literal_column(f"'{kinds.CLOCK}'")  # as its index says it
_COLUMNS = (
    FACT.c.id,
    FACT.c.kind,
    FACT.c.epoch_n,
    FACT.c.seq,
    FACT.c.boot,
    FACT.c.mono_ms,
    FACT.c.item_id,
    sa.case((_IS_CLOCK, FACT.c.body), else_=sa.null()).label("body"),
    FACT.c.earliest_ms,
    FACT.c.latest_ms,
    FACT.c.flagged,
)
_NEWEST_FIRST = (
    sa.select(*_COLUMNS)
    .where(_OF_STATION)
    .order_by(FACT.c.epoch_n.desc(), FACT.c.seq.desc())
    .limit(1)
)
_NEWEST = Statement(_NEWEST_FIRST)
_LAST_CLOCK = Statement(_NEWEST_FIRST.where(_IS_CLOCK))
_CLOCK_BEFORE = Statement(_NEWEST_FIRST.where(_IS_CLOCK, _PLACE < _FROM))
_STRETCH = Statement(sa.select(*_COLUMNS).where(_OF_STATION, _PLACE >= _FROM))
_CLOCK_ROWS = Statement(sa.select(*_COLUMNS).where(_OF_STATION, _IS_CLOCK))
_KEEP = Statement(
    sa.update(FACT)
    .where(FACT.c.library_id == LIBRARY, FACT.c.id == sa.bindparam("row_id"))
    .values(
        earliest_ms=sa.bindparam("new_earliest"),
        latest_ms=sa.bindparam("new_latest"),
        flagged=sa.bindparam("new_flagged"),
    )
)
_OF_ITEMS = Statement(
    sa.select(FACT).where(FACT.c.library_id == LIBRARY, among(FACT.c.item_id, "items"))
)


@dataclass(frozen=True, slots=True)
class Stored:
    """A fact as it lies in the table, read back, with its interval."""

    fact: Fact
    interval: Interval


def fact_of(row: Mapping[Any, Any]) -> Fact:
    """Return the fact of a row; its item is the one resolved when it was applied."""
    fields = json.loads(row["body"])
    fact = Fact.from_row(row["station"], row["epoch_n"], row["seq"], fields, row["patron_id"])
    return fact if fact.item_id == row["item_id"] else replace(fact, item_id=row["item_id"])


def interval_of(row: Mapping[Any, Any]) -> Interval:
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
    found: dict[str, list[Stored]] = {}
    for row in _OF_ITEMS.dicts(connection, library_id=library_id, items=sorted(item_ids)):
        found.setdefault(row["item_id"], []).append(Stored(fact_of(row), interval_of(row)))
    return found


@dataclass(frozen=True, slots=True)
class Narrowed:
    """Intervals after new facts, of those and their neighbours; the items whose facts' changed."""

    by_fact: dict[str, Interval]
    items: frozenset[str]


def narrow_intervals(write: Write, facts: Iterable[Fact]) -> Narrowed:
    """Place new facts in time and keep what they say of those before them.

    facts: not in the table yet; whoever inserts them writes their intervals too.
    """
    by_station: dict[str, list[Fact]] = {}
    for fact in facts:
        by_station.setdefault(fact.station, []).append(fact)
    by_fact: dict[str, Interval] = {}
    changed: list[dict[str, Any]] = []
    items: set[str] = set()
    for station, fresh in by_station.items():
        rows, placed = _place(write, station, fresh)
        by_fact.update(placed)
        for row in rows:
            if placed[row.id] != _interval(row):
                changed.append(_changed_row(row.id, placed[row.id]))
                items.update(filter(None, [row.item_id]))
    write.many(_KEEP, changed)
    return Narrowed(by_fact, frozenset(items))


def _place(write: Write, station: str, fresh: list[Fact]) -> tuple[Rows, dict[str, Interval]]:
    """Return the rows of the station that new facts may move, and the intervals of all."""
    first = min((fact.epoch_n, fact.seq) for fact in fresh)
    tells_time = any(fact.kind == kinds.CLOCK for fact in fresh)
    clock = write.first(_LAST_CLOCK, station=station)
    if clock is None and not tells_time:
        return [], {fact.id: UNKNOWN for fact in fresh}
    if clock is not None and _place_of(clock) >= first:  # they fill a hole in the journal
        clock = write.first(_CLOCK_BEFORE, station=station, epoch_n=first[0], seq=first[1])
    elif clock is not None and not tells_time:
        placed = _place_at_end(write, clock, fresh)
        if placed is not None:
            return [], placed
    rows = _stretch(write, station, _place_of(clock) if clock is not None else BEGINNING)
    before = [_bare(row) for row in rows]
    placed = intervals([*before, *fresh])
    stored = {row.id: _interval(row) for row in rows}
    if clock is None or (agree(before, stored) and agree([*before, *fresh], placed)):
        return rows, placed
    return _place_from_anchor(write, station, fresh)


def _place_at_end(write: Write, clock: Any, fresh: list[Fact]) -> dict[str, Interval] | None:
    """Return the intervals of facts that follow all others; None if they say something of those.

    clock: the station's last, and none is among the facts. Of what lies between only the newest
    fact counts: if the new ones agree with it, they agree with all that it agrees with, and none
    of them happened before it.
    """
    newest = write.first(_NEWEST, station=fresh[0].station)
    if _place_of(newest) >= min((fact.epoch_n, fact.seq) for fact in fresh):
        return None
    stored = {row.id: _interval(row) for row in (clock, newest)}
    before = [_bare(clock), _bare(newest)]
    placed = intervals([*before, *fresh])
    if not (agree(before, stored) and agree([*before, *fresh], placed)):
        return None
    last = stored[newest.id]
    if placed[newest.id].latest_ms != last.latest_ms:
        return None
    return {fact.id: _not_before(last.earliest_ms, placed[fact.id]) for fact in fresh}


def _not_before(floor_ms: int | None, interval: Interval) -> Interval:
    """Return the part of an interval from an instant on."""
    bounds = [ms for ms in (floor_ms, interval.earliest_ms) if ms is not None]
    return replace(interval, earliest_ms=max(bounds, default=None))


def _place_from_anchor(
    write: Write, station: str, fresh: list[Fact]
) -> tuple[Rows, dict[str, Interval]]:
    """Do the same where clocks have been wrong: look as far back as a vote among them needs."""
    first = min((fact.epoch_n, fact.seq) for fact in fresh)
    rows = write.rows(_CLOCK_ROWS, station=station)
    known = {row.id: _interval(row) for row in rows}
    clocks = in_journal_order([*map(_bare, rows), *fresh])
    for anchor in anchors([fact for fact in clocks if fact.clock is not None], known):
        place = (anchor.epoch_n, anchor.seq)
        if place >= first:
            continue
        rows = _stretch(write, station, place)
        facts = in_journal_order([*map(_bare, rows), *fresh])
        if is_anchored(facts):
            return rows, intervals(facts)
    rows = _stretch(write, station, BEGINNING)
    return rows, intervals([*map(_bare, rows), *fresh])


def _place_of(row: Any) -> Place:
    return (row.epoch_n, row.seq)


def _stretch(write: Write, station: str, place: Place) -> Rows:
    """Return the station's rows from a place to its end."""
    epoch_n, seq = place
    return write.rows(_STRETCH, station=station, epoch_n=epoch_n, seq=seq)


class _Bare(NamedTuple):
    """Only what an interval follows from: a whole fact costs ten times as much to make."""

    id: str
    kind: str
    epoch_n: int
    seq: int
    boot: str
    mono_ms: int
    clock: ClockSample | None


def _bare(row: Any) -> Fact:
    """Return a row as what places facts in time sees of it."""
    clock = None
    if row.body is not None:
        clock = Fact.from_row("", 1, 1, json.loads(row.body)).clock
    bare = _Bare(row.id, row.kind, row.epoch_n, row.seq, row.boot, row.mono_ms, clock)
    return cast("Fact", bare)


def _interval(row: Any) -> Interval:
    return Interval(row.earliest_ms, row.latest_ms, bool(row.flagged))


def _changed_row(fact_id: str, interval: Interval) -> dict[str, Any]:
    return {
        "row_id": fact_id,
        "new_earliest": interval.earliest_ms,
        "new_latest": interval.latest_ms,
        "new_flagged": int(interval.flagged),
    }
