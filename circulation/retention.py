"""Forgetting readers, keeping counts.

A row's body holds only a salted hash of the reader; the salt and the id travel beside it.
Blanking those two makes the reader unknowable and leaves every body, hash and count as it was.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

BLANKED = ("salt", "patron")

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LoanRecord:
    """A loan and the facts that name its reader; `closed_at` None while it is open."""

    loan: str
    facts: tuple[str, ...]
    closed_at: dt.datetime | None
    owed_cents: int = 0
    disputed: bool = False


def is_forgettable(record: LoanRecord, *, now: dt.datetime, days: int) -> bool:
    """Return whether a loan was closed so many days ago without debt or open question."""
    if record.closed_at is None or record.owed_cents > 0 or record.disputed:
        return False
    return record.closed_at + dt.timedelta(days=days) <= now


def facts_to_blank(
    records: Iterable[LoanRecord], *, now: dt.datetime, days: int
) -> frozenset[str]:
    """Return the ids of facts to blank; a fact that another, kept loan names stays."""
    kept: set[str] = set()
    done: set[str] = set()
    for record in records:
        (done if is_forgettable(record, now=now, days=days) else kept).update(record.facts)
    return frozenset(done - kept)


def blank(row: Row) -> dict[str, Any]:
    """Return the row without its reader; body, seq and hashes are untouched."""
    return {name: None if name in BLANKED else value for name, value in row.items()}


def blank_rows(rows: Iterable[Row], facts: Collection[str]) -> list[dict[str, Any]]:
    """Return the rows in their order, those with these fact ids (`id`) blanked."""
    return [blank(row) if row["id"] in facts else dict(row) for row in rows]


def is_blank(row: Row) -> bool:
    """Return whether a row no longer says whose it is."""
    return all(row.get(name) is None for name in BLANKED)
