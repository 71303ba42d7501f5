"""Forgetting: readers after a while, and what stations need no longer keep.

A fact keeps its body for ever, which holds a salted hash of the reader. Blanking the salt and
the id beside it makes the reader unknowable, and every count and hash stays as it was.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from circulation.retention import LoanRecord, facts_to_blank, is_forgettable
from gateway import schema
from gateway.docs import chunks
from gateway.holdings import fold_told
from gateway.policies import newest_policy
from gateway.review import is_open
from gateway.statements import LIBRARY, Statement
from gateway.store import Store, Write
from gateway.views import LAST_INSTANT, instant

DAY_MS = 24 * 3600 * 1000
KEEP_DAYS = 30  # a station keeps what it sent for as long as our oldest useful backup
LOANS_PER_PAGE = 500
_STATION = schema.STATION_TABLE
_KEPT = Statement(
    sa.select(_STATION.c.epoch_id, _STATION.c.keep_from).where(
        _STATION.c.library_id == LIBRARY, _STATION.c.station == sa.bindparam("name")
    )
)


def keep_from(
    connection: sa.Connection, library_id: str, station: str, epoch: str, hw: int
) -> int:
    """Return the first row a station must keep: those of the last days, for an old backup."""
    row = _KEPT.first(connection, library_id=library_id, name=station)
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

    Which those are, `circulation.retention` decides; a page of loans is a transaction.
    """
    forgotten = 0
    after = (0, "")
    while True:
        with store.write(library_id) as write:
            days = newest_policy(write.connection, library_id).retention_days
            page = _closed_before(write, write.now_ms - days * DAY_MS, after)
            if not page:
                return forgotten
            records = _records(write, {row.item_id for row in page})
            wanted = {row.loan for row in page}
            now = instant(write.now_ms) or LAST_INSTANT
            facts = facts_to_blank(records, now=now, days=days)
            done = [
                record.loan
                for record in records
                if record.loan in wanted and is_forgettable(record, now=now, days=days)
            ]
            forgotten += _blank(write, schema.FACT.c.id, facts)
            _blank(write, schema.LOAN.c.loan, done)
            if facts:
                fold_told(write, {row.item_id for row in page})
        after = (page[-1].closed_at, page[-1].loan)


def _closed_before(write: Write, before_ms: int, after: tuple[int, str]) -> list[Any]:
    """Return the next loans that may be old enough, oldest first."""
    loan = schema.LOAN
    query = (
        write.select(loan)
        .where(
            loan.c.closed_at <= before_ms,
            loan.c.patron_id.is_not(None),
            sa.tuple_(loan.c.closed_at, loan.c.loan) > after,
        )
        .order_by(loan.c.closed_at, loan.c.loan)
        .limit(LOANS_PER_PAGE)
    )
    return list(write.execute(query))


def _records(write: Write, item_ids: set[str]) -> list[LoanRecord]:
    """Return every loan of these items that still has a reader, with the facts that name both."""
    loan, fact, patron = schema.LOAN, schema.FACT, schema.PATRON
    records: list[LoanRecord] = []
    for ids in chunks(sorted(item_ids)):
        named: dict[tuple[str, str], list[str]] = {}
        query = sa.select(fact.c.id, fact.c.item_id, fact.c.patron_id).where(
            fact.c.library_id == write.library_id,
            fact.c.item_id.in_(ids),
            fact.c.patron_id.is_not(None),
        )
        for row in write.execute(query):
            named.setdefault((row.item_id, row.patron_id), []).append(row.id)
        same = sa.and_(
            patron.c.library_id == loan.c.library_id, patron.c.patron_id == loan.c.patron_id
        )
        loans = (
            sa.select(loan, patron.c.fee_cents, _disputed().label("disputed"))
            .select_from(loan.outerjoin(patron, same))
            .where(
                loan.c.library_id == write.library_id,
                loan.c.item_id.in_(ids),
                loan.c.patron_id.is_not(None),
            )
        )
        records += [
            LoanRecord(
                row.loan,
                (row.loan, *named.get((row.item_id, row.patron_id), ())),
                instant(row.closed_at),
                row.fee_cents or 0,
                bool(row.disputed),
            )
            for row in write.execute(loans)
        ]
    return records


def _disputed() -> Any:
    """Return whether staff have something open about a loan's item."""
    loan, review = schema.LOAN, schema.REVIEW
    return (
        sa.select(review.c.item_id)
        .where(
            review.c.library_id == loan.c.library_id,
            review.c.item_id == loan.c.item_id,
            is_open(),
        )
        .exists()
    )


def _blank(write: Write, key: sa.Column[Any], ids: Iterable[str]) -> int:
    """Empty the columns that say who the reader was; return of how many rows."""
    names = {"salt", "patron_id"} & set(key.table.c.keys())
    values: dict[str, None] = dict.fromkeys(names)
    found = sorted(ids)
    for some in chunks(found):
        write.execute(write.update(key.table).where(key.in_(some)).values(**values))
    return len(found)
