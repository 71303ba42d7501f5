"""Forgetting: readers after a while, and what stations need no longer keep.

A fact keeps its body for ever, which holds a salted hash of the reader. Blanking the salt and
the id beside it makes the reader unknowable, and every count and hash stays as it was.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gateway import schema
from gateway.docs import chunks
from gateway.policies import newest_policy
from gateway.review import is_open
from gateway.store import Store, Write

DAY_MS = 24 * 3600 * 1000
KEEP_DAYS = 30  # a station keeps what it sent for as long as our oldest useful backup
LOANS_PER_RUN = 5_000


def keep_from(
    connection: sa.Connection, library_id: str, station: str, epoch: str, hw: int
) -> int:
    """Return the first row a station must keep: those of the last days, for an old backup."""
    row = connection.execute(
        sa.select(schema.STATION_TABLE).where(
            schema.STATION_TABLE.c.library_id == library_id,
            schema.STATION_TABLE.c.station == station,
        )
    ).first()
    if row is None or row.epoch_id != epoch:
        return 1
    return int(min(row.keep_from, hw + 1))


def move_keep_from(store: Store, library_id: str) -> None:
    """Let every station prune what is older than our oldest useful backup."""
    station = schema.STATION_TABLE
    with store.write(library_id) as write:
        before_ms = write.now_ms - KEEP_DAYS * DAY_MS
        rows = write.execute(write.select(station)).all()
        for row in rows:
            first = write.execute(_first_since(library_id, row, before_ms)).scalar()
            keep = first if first is not None else row.hw + 1
            statement = write.update(station, station=row.station)
            write.execute(statement.values(keep_from=max(keep, 1)))


def _first_since(library_id: str, station: Any, since_ms: int) -> sa.Select[Any]:
    """Return the query for the first row of a station's epoch whose fact came since an instant.

    A copy in a new epoch is as old as its fact, and what is parked counts too. What could go
    before need not be looked at again.
    """
    position, fact, parked = schema.POSITION, schema.FACT, schema.PARKED
    place = ("library_id", "station", "epoch_id", "seq")
    joined = position.outerjoin(
        fact,
        sa.and_(fact.c.library_id == position.c.library_id, fact.c.id == position.c.fact_id),
    ).outerjoin(parked, sa.and_(*(parked.c[name] == position.c[name] for name in place)))
    received_at = sa.func.coalesce(fact.c.received_at, parked.c.received_at)
    return (
        sa.select(sa.func.min(position.c.seq))
        .select_from(joined)
        .where(
            position.c.library_id == library_id,
            position.c.station == station.station,
            position.c.epoch_id == station.epoch_id,
            position.c.seq >= station.keep_from,
            received_at >= since_ms,
        )
    )


def forget_readers(store: Store, library_id: str) -> int:
    """Blank the readers of loans closed long ago without debt or dispute; return how many facts.

    A reader's open questions keep their loans: a fee, or an entry that staff have not decided.
    """
    with store.write(library_id) as write:
        policy = newest_policy(write.connection, library_id)
        loans = _forgettable(write, write.now_ms - policy.retention_days * DAY_MS)
        facts = _facts_of(write, loans)
        for ids in chunks(sorted(facts)):
            table = schema.FACT
            statement = write.update(table).where(table.c.id.in_(ids))
            write.execute(statement.values(salt=None, patron_id=None))
        for ids in chunks(sorted(loans)):
            table = schema.LOAN
            statement = write.update(table).where(table.c.loan.in_(ids))
            write.execute(statement.values(patron_id=None))
    return len(facts)


def _forgettable(write: Write, before_ms: int) -> dict[str, tuple[str, str]]:
    """Return loans to forget: item and reader by loan."""
    loan, patron, review = schema.LOAN, schema.PATRON, schema.REVIEW
    disputed = (
        sa.select(review.c.item_id)
        .where(
            review.c.library_id == write.library_id,
            is_open(),
            review.c.item_id == loan.c.item_id,
        )
        .exists()
    )
    owing = (
        sa.select(patron.c.patron_id)
        .where(
            patron.c.library_id == write.library_id,
            patron.c.patron_id == loan.c.patron_id,
            patron.c.fee_cents > 0,
        )
        .exists()
    )
    query = (
        write.select(loan)
        .where(
            loan.c.closed_at < before_ms,
            loan.c.patron_id.is_not(None),
            ~disputed,
            ~owing,
        )
        .limit(LOANS_PER_RUN)
    )
    return {row.loan: (row.item_id, row.patron_id) for row in write.execute(query)}


def _facts_of(write: Write, loans: dict[str, tuple[str, str]]) -> set[str]:
    """Return the facts that name these readers for these items, none of a loan still kept."""
    fact, loan = schema.FACT, schema.LOAN
    pairs = set(loans.values())
    found: set[str] = set()
    for items in chunks(sorted({item for item, _ in pairs})):
        kept = write.execute(
            write.select(loan).where(loan.c.item_id.in_(items), loan.c.patron_id.is_not(None))
        )
        pairs -= {(row.item_id, row.patron_id) for row in kept if row.loan not in loans}
        rows = write.execute(
            write.select(fact).where(fact.c.item_id.in_(items), fact.c.patron_id.is_not(None))
        )
        found |= {row.id for row in rows if (row.item_id, row.patron_id) in pairs}
    return found | set(loans)
