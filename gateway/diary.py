"""What the sync page tells of the last days: a bounded diary, one sentence an entry."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gateway import schema
from gateway.store import Write

KEPT = 1_000


def note(write: Write, code: str, station: str | None = None, **detail: Any) -> None:
    """Add an entry; `wording.EVENTS` has the sentence for its code."""
    table = schema.EVENT
    newest = write.execute(
        sa.select(sa.func.max(table.c.n)).where(table.c.library_id == write.library_id)
    ).scalar()
    n = (newest or 0) + 1
    row = {"n": n, "at_ms": write.now_ms, "station": station, "code": code, "detail": detail}
    write.insert(table, [row])
    write.execute(
        sa.delete(table).where(table.c.library_id == write.library_id, table.c.n <= n - KEPT)
    )
