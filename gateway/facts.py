"""Stored fact rows as the fold sees them, and their intervals kept up to date.

An interval follows from a station's `clock` facts alone. How far back new ones say something of
what the station wrote before, `circulation.fold.placing` finds out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import sqlalchemy as sa

from circulation.facts import ClockSample, Fact
from circulation.fold.intervals import Interval
from circulation.fold.placing import Known, Place, place, place_all
from circulation.wire import kinds
from gateway.schema import FACT
from gateway.statements import LIBRARY, Insert, Statement, among
from gateway.store import Write

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
_OF_BOOT = _NEWEST_FIRST.where(_PLACE < _FROM, among(FACT.c.boot, "boots"))
_ANY_OF_BOOT = Statement(_OF_BOOT)
_CLOCK_OF_BOOT = Statement(_OF_BOOT.where(_IS_CLOCK))
_FIRST_OUTVOTED = Statement(
    sa.select(FACT.c.epoch_n, FACT.c.seq)
    .where(_OF_STATION, FACT.c.flagged == 1)
    .order_by(FACT.c.epoch_n, FACT.c.seq)
    .limit(1)
)
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
_ROWS = Insert(
    FACT,
    (
        "id", "station", "epoch_n", "seq", "kind", "item_id", "body", "salt", "patron_id", "boot",
        "mono_ms", "wall_ms", "earliest_ms", "latest_ms", "flagged", "received_at", "version",
    ),
    replace=False,
)  # fmt: skip
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
    return fact if fact.item_id == row["item_id"] else fact._replace(item_id=row["item_id"])


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


def insert_facts(
    write: Write, facts: Iterable[tuple[Fact, Any]], known: Mapping[str, Interval]
) -> None:
    """Keep facts, each with the row of its journal, and their intervals by id."""
    now_ms, version = write.now_ms, write.version
    rows = []
    for fact, row in facts:
        earliest_ms, latest_ms, flagged = known[fact.id]
        rows.append((
            fact.id, fact.station, fact.epoch_n, fact.seq, fact.kind, fact.item_id, row.body,
            row.salt, row.patron, fact.boot, fact.mono_ms, fact.wall_ms, earliest_ms, latest_ms,
            int(flagged), now_ms, version,
        ))  # fmt: skip
    write.put(_ROWS, rows)


@dataclass(frozen=True, slots=True)
class Narrowed:
    """Intervals after new facts, of those and their neighbours; the items whose facts' changed."""

    by_fact: dict[str, Interval]
    items: frozenset[str]


def narrow_intervals(
    write: Write, facts: Iterable[Fact], *, moved: Iterable[str] = ()
) -> Narrowed:
    """Place new facts in time and keep what they say of those before them.

    facts: not in the table yet; whoever inserts them writes their intervals too. moved: stations
    whose facts stand in another order than when they were placed.
    """
    by_station: dict[str, list[Fact]] = {station: [] for station in moved}
    anew = frozenset(by_station)
    for fact in facts:
        by_station.setdefault(fact.station, []).append(fact)
    by_fact: dict[str, Interval] = {}
    changed: list[dict[str, Any]] = []
    items: set[str] = set()
    for station, fresh in by_station.items():
        how = place_all if station in anew else place
        read, placed = how(_OfStation(write, station), fresh)
        by_fact.update(placed)
        for fact, interval in read:
            if placed[fact.id] != interval:
                changed.append(_changed_row(fact.id, placed[fact.id]))
                items.update(filter(None, [fact.item_id]))
    write.many(_KEEP, changed)
    return Narrowed(by_fact, frozenset(items))


class _OfStation:
    """What the tables say of one station's facts, as a placed journal."""

    def __init__(self, write: Write, station: str) -> None:
        self._write = write
        self._station = station

    def newest(self) -> Known:
        """Return the last fact of all."""
        return _known(self._write.first(_NEWEST, station=self._station))

    def clock_before(self, place: Place | None) -> Known | None:
        """Return the last clock fact before a place, or of all."""
        if place is None:
            row = self._write.first(_LAST_CLOCK, station=self._station)
        else:
            row = self._first_before(_CLOCK_BEFORE, place)
        return None if row is None else _known(row)

    def has_clock(self, boots: Iterable[str], before: Place) -> bool:
        """Return whether a clock fact of one of these boots stands before a place."""
        return self._first_before(_CLOCK_OF_BOOT, before, boots=sorted(boots)) is not None

    def has_fact(self, boots: Iterable[str], before: Place) -> bool:
        """Return whether any fact of one of these boots does."""
        return self._first_before(_ANY_OF_BOOT, before, boots=sorted(boots)) is not None

    def clocks(self) -> list[Known]:
        """Return every clock fact."""
        return [_known(row) for row in self._write.rows(_CLOCK_ROWS, station=self._station)]

    def first_outvoted(self) -> Place | None:
        """Return where the first flagged fact stands."""
        row = self._write.first(_FIRST_OUTVOTED, station=self._station)
        return None if row is None else (row.epoch_n, row.seq)

    def since(self, place: Place) -> list[Known]:
        """Return every fact from a place on."""
        epoch_n, seq = place
        rows = self._write.rows(_STRETCH, station=self._station, epoch_n=epoch_n, seq=seq)
        return [_known(row) for row in rows]

    def _first_before(self, statement: Statement, place: Place, **values: Any) -> Any:
        epoch_n, seq = place
        return self._write.first(
            statement, station=self._station, epoch_n=epoch_n, seq=seq, **values
        )


class _Bare(NamedTuple):
    """Only what an interval follows from: a whole fact costs ten times as much to make."""

    id: str
    kind: str
    epoch_n: int
    seq: int
    boot: str
    mono_ms: int
    clock: ClockSample | None
    item_id: str | None


def _known(row: Any) -> Known:
    """Return a row as what places facts in time sees of it."""
    clock = None
    if row.body is not None:
        clock = Fact.from_row("", 1, 1, json.loads(row.body)).clock
    bare = _Bare(row.id, row.kind, row.epoch_n, row.seq, row.boot, row.mono_ms, clock, row.item_id)
    return Known(cast("Fact", bare), _interval(row))


def _interval(row: Any) -> Interval:
    return Interval(row.earliest_ms, row.latest_ms, bool(row.flagged))


def _changed_row(fact_id: str, interval: Interval) -> dict[str, Any]:
    return {
        "row_id": fact_id,
        "new_earliest": interval.earliest_ms,
        "new_latest": interval.latest_ms,
        "new_flagged": int(interval.flagged),
    }
