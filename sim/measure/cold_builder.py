"""The gateway's side of a cold start: the list, built in a process of its own.

    python -m sim.measure.cold_builder FOLDER

Leaves the pointer in FOLDER and prints one line of JSON. The floor is the least that anybody
must: the same rows copied from one SQLite file into another, with the same indexes.
"""

import json
import sqlite3
import sys
import time
from pathlib import Path

from circulation.wire.messages import encode
from gateway.list_tables import CATALOGUE_INDEXES, CATALOGUE_SQL
from gateway.outbox import pointer_message
from gateway.service import now_ms
from gateway.snapshots import Snapshots, packed_file
from gateway.store import Store
from sim.measure.library import LIBRARY, settings_in
from sim.measure.machine import peak_rss_mb
from sim.measure.numbers import timed

TABLES = ("item", "item_uid", "title", "meta")


def main(folder: str) -> None:
    """Build the catalogue; print what it took."""
    settings = settings_in(Path(folder))
    store = Store.at(settings.database, clock=now_ms)
    started_mb = peak_rss_mb()
    began_cpu = time.process_time()
    try:
        with timed() as built:
            snapshot = Snapshots(store, LIBRARY, settings.snapshots).build("catalogue")
    finally:
        store.close()
    build_cpu_s = time.process_time() - began_cpu
    build_peak_mb = peak_rss_mb()
    (Path(folder) / "pointer.json").write_bytes(encode(pointer_message(snapshot)))
    began_cpu = time.process_time()
    _copy_rows(snapshot.file, Path(folder) / "rows.db")
    packed = packed_file(snapshot.file)
    found = {
        "bytes": snapshot.size_bytes,
        "packed_bytes": packed.stat().st_size if packed.exists() else snapshot.size_bytes,
        "build_s": built.seconds,
        "build_cpu_s": build_cpu_s,
        "insert_cpu_s": time.process_time() - began_cpu,
        "build_started_mb": started_mb,
        "build_peak_mb": build_peak_mb,
    }
    sys.stdout.write(json.dumps(found) + "\n")


def _copy_rows(source: Path, target: Path) -> None:
    connection = sqlite3.connect(target)
    try:
        connection.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;")
        connection.executescript(CATALOGUE_SQL)
        connection.execute("ATTACH ? AS old", (str(source),))
        for table in TABLES:
            connection.execute(f"INSERT INTO main.{table} SELECT * FROM old.{table}")
        for index in CATALOGUE_INDEXES:
            connection.execute(index)
        connection.commit()
    finally:
        connection.close()
        target.unlink()


if __name__ == "__main__":
    main(*sys.argv[1:])
