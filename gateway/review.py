"""What waits for staff: inserted once by a stable key, annotated, never withdrawn.

An entry ends in one of two ways: staff decide it, or later facts settle it. The first decision
stands; what was settled waits again if it is found once more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from gateway import schema
from gateway.docs import chunks
from gateway.statements import LIBRARY, Statement, among

if TYPE_CHECKING:
    from gateway.store import Write

NOTES_MAX = 20


_THERE = Statement(
    sa.select(schema.REVIEW).where(
        schema.REVIEW.c.library_id == LIBRARY, among(schema.REVIEW.c.key, "keys")
    )
)


@dataclass(frozen=True, slots=True)
class ReviewEntry:
    """One thing for staff to look at; `key` is the same however often it is found."""

    key: str
    rule: str
    item_id: str | None = None
    station: str | None = None
    facts: tuple[str, ...] = ()
    detail: Any = field(default=None, hash=False)


def add_entries(write: Write, entries: Iterable[ReviewEntry]) -> int:
    """Keep what is new, annotate what says something else than before; return the new ones."""
    wanted = {entry.key: entry for entry in entries}
    if not wanted:
        return 0
    there = {row.key: row for row in write.rows(_THERE, keys=sorted(wanted))}
    fresh = [entry for key, entry in wanted.items() if key not in there]
    write.insert(
        schema.REVIEW,
        [
            {
                "key": entry.key,
                "rule": entry.rule,
                "item_id": entry.item_id,
                "station": entry.station,
                "facts": list(entry.facts),
                "detail": entry.detail,
                "notes": [],
                "created_at": write.now_ms,
                "version": write.version,
            }
            for entry in fresh
        ],
    )
    for key, row in there.items():
        if row.detail != wanted[key].detail:
            _annotate(write, row, wanted[key].detail)
    return len(fresh)


def _annotate(write: Write, row: Any, detail: Any) -> None:
    notes = list(row.notes or [])
    if detail in [note.get("detail") for note in notes] or len(notes) >= NOTES_MAX:
        return
    notes.append({"at": write.now_ms, "detail": detail})
    write.execute(write.update(schema.REVIEW, key=row.key).values(notes=notes))


def settle_entries(write: Write, settled: Mapping[str, tuple[str, ...]]) -> None:
    """Note by key which facts settled an entry; what is decided or settled stays as it is."""
    table = schema.REVIEW
    for key, facts in settled.items():
        write.execute(
            write.update(table, key=key)
            .where(table.c.decided_at.is_(None), table.c.settled_at.is_(None))
            .values(settled_at=write.now_ms, settled_by=list(facts))
        )


def reopen_entries(write: Write, keys: Iterable[str]) -> None:
    """Let settled entries wait again; a decided one stays decided."""
    table = schema.REVIEW
    for some in chunks(sorted(keys)):
        write.execute(
            write.update(table)
            .where(
                table.c.key.in_(some),
                table.c.decided_at.is_(None),
                table.c.settled_at.is_not(None),
            )
            .values(settled_at=None, settled_by=None)
        )


def is_open() -> Any:
    """Return the condition for an entry that waits: neither decided nor settled."""
    return sa.and_(schema.REVIEW.c.decided_at.is_(None), schema.REVIEW.c.settled_at.is_(None))


def mark_decided(write: Write, key: str, fact_id: str) -> None:
    """Note that a decision answered an entry; the first answer stands."""
    table = schema.REVIEW
    write.execute(
        write.update(table, key=key)
        .where(table.c.decided_at.is_(None))
        .values(decided_at=write.now_ms, decided_by=fact_id)
    )
