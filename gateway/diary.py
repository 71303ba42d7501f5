"""What the sync page tells of the last days: a bounded diary, one sentence an entry."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gateway.schema import EVENT
from gateway.statements import LIBRARY, Statement
from gateway.store import Write

KEPT = 1_000
KEPT_FOR_EVER = "lineage"
"""Beginnings of a history are few, and `lineage.settle` asks when the last one was."""
_NEWEST = Statement(sa.select(sa.func.max(EVENT.c.n)).where(EVENT.c.library_id == LIBRARY))
_FORGET = Statement(
    sa.delete(EVENT).where(
        EVENT.c.library_id == LIBRARY,
        EVENT.c.n <= sa.bindparam("first"),
        EVENT.c.code != KEPT_FOR_EVER,
    )
)


def note(write: Write, code: str, station: str | None = None, **detail: Any) -> None:
    """Add an entry; `wording.EVENTS` has the sentence for its code."""
    n = (_NEWEST.value(write.connection, library_id=write.library_id) or 0) + 1
    row = {"n": n, "at_ms": write.now_ms, "station": station, "code": code, "detail": detail}
    write.insert(EVENT, [row])
    write.run(_FORGET, first=n - KEPT)
