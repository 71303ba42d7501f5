"""Gateway ingest: journals through memory into the production tables, beside bare SQL.

The floor is the same rows, written once by `executemany` into the same tables of a copy of the
database as it was before, in as many transactions as the ingest needed. So it includes every
index and the same commits, and leaves out all thinking.
"""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from gateway.ingest import Batch, Ingest
from gateway.service import BATCH_MAX, now_ms
from gateway.store import Store
from sim.errors import SimError
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

STATIONS = 20
PATRONS = 2_000
FACTS, FACTS_QUICK = 10_000, 400
RATIO_TARGET = 0.5

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
    for what, is_online in (("of stations online", True), ("after a day offline", False)):
        shutil.copy(before, settings.database)
        rows.append(_measure(bench, filled, what, is_online=is_online))
    return rows


def _measure(bench: Bench, filled: Filled, what: str, *, is_online: bool) -> Row:
    settings = settings_in(bench.folder)
    facts = bench.times(FACTS, FACTS_QUICK)
    stations = busy_stations(filled, stations=STATIONS, facts=facts, is_online=is_online, seed=1)
    batches = in_turn([list(station.batches()) for station in stations])
    bench.say(f"applying {facts:,} facts {what} in {len(batches):,} batches")
    store = Store.at(settings.database, clock=now_ms)
    try:
        ours, steps = _apply(Ingest(store, LIBRARY), batches, facts)
    finally:
        store.close()
    before = bench.folder / "before.db"
    tables = new_rows(before, settings.database)
    bare = write_bare(before, tables, transactions=len(steps))
    rate, floor = facts / ours.seconds, facts / bare.seconds
    return Row(
        f"facts {what}, set-wise", rate, "facts/s", floor, "the same rows by bare SQL",
        f"≥ {RATIO_TARGET} × bare SQL", rate >= RATIO_TARGET * floor,
        {
            "items": len(filled.items), "facts": facts,
            "rows": sum(len(rows) for _, rows in tables),
            **spread([step.ms for step in steps], "transaction_ms"),
        },
    )  # fmt: skip


def _apply(ingest: Ingest, batches: list[Batch], facts: int) -> tuple[Stopwatch, list[Stopwatch]]:
    """Apply the batches, as many in a transaction as the service takes."""
    written, steps = 0, []
    with timed() as ours:
        for first in range(0, len(batches), BATCH_MAX):
            with timed() as step:
                answers = ingest.take(batches[first : first + BATCH_MAX])
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
