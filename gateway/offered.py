"""Which files stay offered, and how long changes are kept for those who fetched one.

Laws of this file:

1. The newest two files of a format are offered, and one that was replaced within the hour: a
   station on a slow line ends its download. At most four in all.
2. A file that is not offered any more is remembered for a day. As long as it is, the changes
   after it are kept: whoever has fetched it can follow.
3. Changes go a few steps at a time, since the one writer waits meanwhile.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa

from gateway import schema
from gateway.store import Store, Write

KEPT = 2
FILES_MAX = 4
LINGER_MS = 3600 * 1000
CHANGES_KEPT_MS = 24 * 3600 * 1000
STEPS_AT_ONCE = 100  # of at most 60 changes each


def keep_only_offered(write: Write, kind: str) -> tuple[int, set[Path]]:
    """Forget what was offered long ago.

    Return the oldest version that a station may have fetched and still use, and the files that
    are offered.
    """
    table = schema.SNAPSHOT
    rows = write.execute(write.select(table, kind=kind).order_by(table.c.built_at.desc())).all()
    versions: list[int] = []
    files: set[Path] = set()
    for format_name in {row.format for row in rows}:
        own = [row for row in rows if row.format == format_name]
        for nth, row in enumerate(own):
            withdrawn_at = _withdrawn_at(own, nth, write.now_ms)
            if withdrawn_at + CHANGES_KEPT_MS <= write.now_ms:
                _forget(write, row)
                continue
            versions.append(row.version)
            if withdrawn_at > write.now_ms and nth < FILES_MAX:
                files.add(Path(row.file))
    return min(versions), files


def _withdrawn_at(own: list[Any], nth: int, now_ms: int) -> int:
    """Return when a file ceases to be offered; own: those of its format, the newest first."""
    if nth < KEPT:
        return now_ms + 1
    return int(max(own[nth - KEPT].built_at, own[nth - 1].built_at + LINGER_MS))


def _forget(write: Write, row: Any) -> None:
    table = schema.SNAPSHOT
    write.execute(
        sa.delete(table).where(
            table.c.library_id == write.library_id,
            table.c.kind == row.kind,
            table.c.format == row.format,
            table.c.version == row.version,
        )
    )


def forget_changes(store: Store, library_id: str, kind: str, oldest_version: int) -> None:
    """Drop the changes that no file and no station away for less than a day has use for."""
    while True:
        with store.write(library_id) as write:
            if not _forget_some(write, kind, oldest_version):
                return


def _forget_some(write: Write, kind: str, oldest_version: int) -> bool:
    """Drop a few steps; return whether there were any."""
    step = schema.STEP
    query = (
        sa.select(step.c.version)
        .where(
            step.c.library_id == write.library_id,
            step.c.kind == kind,
            step.c.version <= oldest_version,
            step.c.committed_at < write.now_ms - CHANGES_KEPT_MS,
        )
        .order_by(step.c.version)
        .limit(STEPS_AT_ONCE)
    )
    versions = list(write.execute(query).scalars())
    if not versions:
        return False
    for table in (schema.CHANGE, schema.STEP):
        write.execute(
            sa.delete(table).where(
                table.c.library_id == write.library_id,
                table.c.kind == kind,
                table.c.version <= versions[-1],
            )
        )
    feed = write.one(schema.FEED, kind=kind)
    assert feed is not None
    floor = max(feed.floor, versions[-1])
    write.execute(write.update(schema.FEED, kind=kind).values(floor=floor))
    return True
