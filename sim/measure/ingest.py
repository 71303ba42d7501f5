"""Gateway ingest: journals through memory into the production tables, beside bare SQL.

The floor is the same rows, written once by `executemany` into the same tables of a copy of the
database as it was before, in as many transactions as the ingest needed. So it includes every
index and the same commits, and leaves out all thinking. Where PostgreSQL is installed, the same
is done on a server of its own.
"""

import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from gateway.ingest import Batch, Ingest
from gateway.service import now_ms
from gateway.store import Store
from sim.errors import SimError
from sim.measure.curves import Curve, Point
from sim.measure.ingest_server import copy_database, copy_library
from sim.measure.ingest_server import write_bare as write_bare_there
from sim.measure.library import (
    LIBRARY,
    Filled,
    busy_stations,
    fill,
    in_turn,
    settings_in,
)
from sim.measure.numbers import Stopwatch, spread, timed
from sim.measure.table import Bench, Row
from sim.postgres import postgres, postgres_path

STATIONS = 20
PATRONS = 2_000
FACTS, FACTS_QUICK = 10_000, 400
RATIO_TARGET = 0.5
SIZES = (1_000, 10_000, 100_000, 500_000, 1_000_000)
FACTS_A_DAY = 500  # of one station that was cut off: 500,000 are those of 1,000 stations
BATCHES = 10  # of 50 facts in a transaction, about as many as the service takes

Table = tuple[str, list[tuple[Any, ...]]]  # a name and its rows
Share = Iterator[tuple[str, list[tuple[Any, ...]]]]  # statements and their rows


def run(bench: Bench) -> list[Row]:
    """Measure facts per second, and the part of bare SQL's speed that is."""
    settings = settings_in(bench.folder)
    bench.say(f"writing {bench.items:,} items")
    filled = fill(settings, bench.items, min(PATRONS, bench.items))
    before = bench.folder / "before.db"
    shutil.copy(settings.database, before)
    rows = []
    facts = bench.times(FACTS, FACTS_QUICK)
    for what, is_online in (("of stations online", True), ("after a day offline", False)):
        shutil.copy(before, settings.database)
        batches = _work(filled, facts, is_online=is_online)
        rows.append(_measure(bench, batches, facts, what))
    if postgres_path() is None:
        bench.say("postgresql is not installed; `make system` installs it")
        return rows
    return [*rows, _measure_server(bench, batches, facts)]


def curve(bench: Bench, sizes: Sequence[int] = SIZES) -> Curve:
    """Return how the speed goes down with the backlog, beside bare SQL's."""
    settings = settings_in(bench.folder)
    bench.say(f"writing {bench.items:,} items")
    filled = fill(settings, bench.items, min(PATRONS, bench.items))
    before = bench.folder / "before.db"
    shutil.copy(settings.database, before)
    points = []
    for facts in sizes:
        shutil.copy(before, settings.database)
        stations = max(STATIONS, facts // FACTS_A_DAY)
        batches = _work(filled, facts, is_online=False, stations=stations)
        row = _measure(bench, batches, facts, f"of {stations:,} stations")
        points.append(Point(facts, row.value, row.floor))
    return Curve(
        "ingest", f"A day of 500 facts a station, into {bench.items:,} items", "facts waiting",
        "facts/s", "the same rows by bare SQL", tuple(points),
    )  # fmt: skip


def _work(filled: Filled, facts: int, *, is_online: bool, stations: int = STATIONS) -> list[Batch]:
    """Return what stations send, a batch of each in turn."""
    busy = busy_stations(filled, stations=stations, facts=facts, is_online=is_online, seed=1)
    return in_turn([list(station.batches()) for station in busy])


def _measure(bench: Bench, batches: list[Batch], facts: int, what: str) -> Row:
    settings = settings_in(bench.folder)
    bench.say(f"applying {facts:,} facts {what} in {len(batches):,} batches")
    ours, steps = _apply(Store.at(settings.database, clock=now_ms), batches, facts)
    before = bench.folder / "before.db"
    tables = new_rows(before, settings.database)
    bare = write_bare(before, tables, transactions=len(steps))
    return _row(f"facts {what}, set-wise", facts, (ours, steps), (bare, tables))


def _measure_server(bench: Bench, batches: list[Batch], facts: int) -> Row:
    """Do the same on PostgreSQL; the file has just got the very rows of these batches."""
    settings = settings_in(bench.folder)
    before = bench.folder / "before.db"
    tables = new_rows(before, settings.database)
    with postgres(durable=True) as server:
        bench.say("copying the library to PostgreSQL")
        empty = copy_database(server, "before", "template0")
        copy_library(before, empty)
        bench.say(f"applying {facts:,} facts on PostgreSQL")
        filled = copy_database(server, "ours", "before")
        ours, steps = _apply(Store(filled, clock=now_ms), batches, facts)
        copied = copy_database(server, "bare", "before")
        bare = write_bare_there(copied, settings.database, tables, transactions=len(steps))
    return _row("the same on PostgreSQL", facts, (ours, steps), (bare, tables))


def _row(
    what: str, facts: int, ours: tuple[Stopwatch, list[Stopwatch]], bare: tuple[Stopwatch, Any]
) -> Row:
    """ours: the whole, and each transaction. bare: the floor, and the rows it wrote by table."""
    (watch, steps), (floor_watch, tables) = ours, bare
    rate, floor = facts / watch.seconds, facts / floor_watch.seconds
    return Row(
        what, rate, "facts/s", floor, "the same rows by bare SQL",
        f"≥ {RATIO_TARGET} × bare SQL", rate >= RATIO_TARGET * floor,
        {
            "facts": facts,
            "rows": sum(len(rows) for _, rows in tables),
            **spread([step.ms for step in steps], "transaction_ms"),
        },
    )  # fmt: skip


def _apply(store: Store, batches: list[Batch], facts: int) -> tuple[Stopwatch, list[Stopwatch]]:
    """Apply the batches, as many in a transaction as the service takes; then close the store."""
    written, steps = 0, []
    ingest = Ingest(store, LIBRARY)
    with closing(store), timed() as ours:
        for first in range(0, len(batches), BATCHES):
            with timed() as step:
                answers = ingest.take(batches[first : first + BATCHES])
            written += sum(answer.rows for answer in answers)
            steps.append(step)
    if written != facts:
        raise SimError(f"{written} of {facts} facts were written; the measurement is void")
    return ours, steps


def new_rows(before: Path, after: Path) -> list[Table]:
    """Return by table every row that one database has and the other has not."""
    connection = sqlite3.connect(after)
    try:
        connection.execute("ATTACH ? AS before", (str(before),))
        query = "SELECT name FROM sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite_%'"
        names = [name for (name,) in connection.execute(query)]
        found = []
        for name in names:
            query = f'SELECT * FROM main."{name}" EXCEPT SELECT * FROM before."{name}"'
            found.append((name, connection.execute(query).fetchall()))
        return [(name, rows) for name, rows in found if rows]
    finally:
        connection.close()


def write_bare(before: Path, tables: list[Table], *, transactions: int) -> Stopwatch:
    """Write the rows into a copy of the database, and say how long that took."""
    target = before.with_name("bare.db")
    shutil.copy(before, target)
    with closing(sqlite3.connect(target, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        with timed() as bare:
            for step in range(transactions):
                _write_share(connection, _share(tables, step, transactions))
    return bare


def _write_share(connection: sqlite3.Connection, share: Share) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for statement, rows in share:
        connection.executemany(statement, rows)
    connection.execute("COMMIT")


def _share(tables: list[Table], step: int, steps: int) -> Share:
    """Yield what one transaction writes: the same part of every table."""
    for name, rows in tables:
        part = rows[len(rows) * step // steps : len(rows) * (step + 1) // steps]
        if part:
            marks = ", ".join("?" * len(part[0]))
            yield f'INSERT OR REPLACE INTO "{name}" VALUES ({marks})', part
