"""Which worker writes for a library, where several share one server.

Laws of this file:

1. A library's owner is a row: worker, term, until. A term belongs to one worker and is never
   given again; whoever takes a library raises it.
2. Every write of a worker looks at the term after it has locked the library's row. If it is not
   its own, nothing is written and `Fenced` is raised. No clock is needed for that.
3. Clocks only decide when another may take over, and when a worker falls silent by itself: as
   soon as its own lease has run out, which it counts from before it asked. Clocks that differ
   cost a takeover that was not needed, never a fact.
4. Who is frozen within a transaction holds the library's row; the server ends that transaction
   (`gateway.connections`), so that another waits for half a minute at most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from gateway.errors import Fenced
from gateway.schema import LIBRARY as LIBRARY_TABLE
from gateway.schema import OWNER
from gateway.statements import LIBRARY, Statement

if TYPE_CHECKING:
    from gateway.store import Store

LEASE_MS = 15_000

_OWN = OWNER.c.library_id == LIBRARY
_MINE = sa.and_(
    _OWN,
    OWNER.c.worker == sa.bindparam("name"),
    OWNER.c.term == sa.bindparam("my_term", type_=sa.BigInteger),
)
_LOCK = Statement(
    sa.select(LIBRARY_TABLE.c.library_id)
    .where(LIBRARY_TABLE.c.library_id == LIBRARY)
    .with_for_update()
)
_OWNER = Statement(sa.select(OWNER).where(_OWN))
_RENEW = Statement(sa.update(OWNER).where(_MINE).values(until=sa.bindparam("lease_end")))


class Lease(NamedTuple):
    """How long a term lasts if it is not kept up, and until when that is now (ms)."""

    length_ms: int
    until_ms: int


class Term:
    """One worker's time as the owner of one library; made by `take`."""

    def __init__(self, store: Store, library_id: str, worker: str, number: int, lease: Lease):
        self.library_id = library_id
        self.worker = worker
        self.number = number
        self.lease = lease
        self._store = store

    def may_speak(self) -> bool:
        """Return whether the lease still runs by our clock; without it nothing is published."""
        return self._store.clock() < self.lease.until_ms

    def check(self, connection: sa.Connection) -> None:
        """Raise `Fenced` if another has taken the library; call with its row locked."""
        row = _OWNER.first(connection, library_id=self.library_id)
        if row is None or (row.worker, row.term) != (self.worker, self.number):
            raise self._fenced(row.worker if row is not None else "nobody")

    def keep(self) -> None:
        """Stay the owner, if half of the lease is over; raise `Fenced` if another is."""
        now_ms, lease = self._store.clock(), self.lease
        if now_ms <= lease.until_ms - lease.length_ms // 2:
            return
        until_ms = now_ms + lease.length_ms
        self._write_lease(until_ms)
        self.lease = lease._replace(until_ms=until_ms)

    def give_up(self) -> None:
        """Let another take the library at once; harmless if one has."""
        self.lease = self.lease._replace(until_ms=0)
        try:
            self._write_lease(0)
        except Fenced:
            return

    def _write_lease(self, until_ms: int) -> None:
        with self._store.transaction() as connection:
            kept = _RENEW.run(
                connection,
                library_id=self.library_id,
                name=self.worker,
                my_term=self.number,
                lease_end=until_ms,
            )
        if not kept:
            raise self._fenced("another worker")

    def _fenced(self, owner: str) -> Fenced:
        return Fenced(
            f"library {self.library_id!r}: {owner} writes for it now, {self.worker} no longer does"
        )


def is_free(store: Store, library_id: str) -> bool:
    """Return whether no worker has the library, or its owner's lease has run out."""
    with store.read() as connection:
        row = _OWNER.first(connection, library_id=library_id)
    return row is None or row.until <= store.clock()


def take(store: Store, library_id: str, worker: str, lease_ms: int = LEASE_MS) -> Term | None:
    """Become the library's owner and return the term, or None while another is.

    worker: a name no other program has. A worker that starts again under its old name takes
    over at once, with a new term.
    """
    now_ms = store.clock()
    with store.transaction() as connection:
        if _LOCK.first(connection, library_id=library_id) is None:
            return None
        row = _OWNER.first(connection, library_id=library_id)
        if row is not None and row.worker != worker and row.until > now_ms:
            return None
        number = 1 if row is None else row.term + 1
        values = {"worker": worker, "term": number, "until": now_ms + lease_ms}
        if row is None:
            connection.execute(sa.insert(OWNER).values(library_id=library_id, **values))
        else:
            connection.execute(
                sa.update(OWNER).where(OWNER.c.library_id == library_id).values(**values)
            )
    return Term(store, library_id, worker, number, Lease(lease_ms, now_ms + lease_ms))
