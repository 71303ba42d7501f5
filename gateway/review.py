"""What waits for staff: inserted once by a stable key, annotated, never withdrawn."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from gateway import schema
from gateway.docs import chunks
from gateway.store import Write

NOTES_MAX = 20


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
    table = schema.REVIEW
    there: dict[str, Any] = {}
    for keys in chunks(sorted(wanted)):
        query = write.select(table).where(table.c.key.in_(keys))
        there.update({row.key: row for row in write.execute(query)})
    fresh = [entry for key, entry in wanted.items() if key not in there]
    write.insert(
        table,
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
    if detail in [note["detail"] for note in notes] or len(notes) >= NOTES_MAX:
        return
    notes.append({"at": write.now_ms, "detail": detail})
    write.execute(write.update(schema.REVIEW, key=row.key).values(notes=notes))


def mark_decided(write: Write, key: str, fact_id: str) -> None:
    """Note that a decision answered an entry; the first answer stands."""
    table = schema.REVIEW
    write.execute(
        write.update(table, key=key)
        .where(table.c.decided_at.is_(None))
        .values(decided_at=write.now_ms, decided_by=fact_id)
    )
