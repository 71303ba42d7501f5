"""Where transactions get their connection: one of a file's is kept, a server's is asked first.

Laws of this file:

1. A transaction has a connection to itself from BEGIN to its end, and sees what was committed
   before its first statement, by whichever process.
2. A connection whose transaction ended with an error, or that another process opened before it
   forked, is not used again.
3. A writer of a server that falls silent within a transaction loses it, and its locks: a process
   that is frozen there must not keep a library from everybody else.

Taking a connection from SQLAlchemy's pool and having it begin and end a transaction costs 60 us,
several times what most reads of a file cost. So a file's connections stay out of the pool and
the driver is told BEGIN and COMMIT directly. A server may go away at any time; there the pool
asks before it hands out a connection.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from gateway.statements import SQLITE, Statement, driver, tell

BUSY_TIMEOUT_MS = 10_000  # an import in another process commits every thousand rows
CACHE_KIB = 64 * 1024  # of a writer: with 2 MB, SQLite's own, a large library reads for ever
SILENCE_MS_MAX = 30_000  # between two statements of a transaction; nobody thinks for so long
KEPT_MAX = 5  # connections that rest; those beyond are closed when their transaction ends
NOT_BY_KEY = ("seqscan", "hashjoin", "mergejoin", "material")
_VERSION = Statement(sa.text("PRAGMA data_version"))
Moment = tuple[int, int]  # which connection, and what it calls the newest commit


class Connections(Protocol):
    """What gives transactions."""

    def begin(self) -> AbstractContextManager[sa.Connection]:
        """Give a connection in a transaction: committed at the end, rolled back by an error."""

    def moment(self) -> Moment | None:
        """Return what equals an earlier answer only if nothing was committed since.

        None: nobody knows; a server does not say.
        """

    def close(self) -> None:
        """Close every connection that rests; a later transaction opens another."""


def connections(url: str, *, writing: bool, silence_ms_max: int = SILENCE_MS_MAX) -> Connections:
    """Return the connections of a database, those that write or those that cannot.

    silence_ms_max: after so long without a statement a server ends a writer's transaction, and
    its next statement raises `sqlalchemy.exc.DBAPIError`.
    """
    if url.startswith(SQLITE):
        return _OfFile(url, writing=writing)
    return _OfServer(url, writing=writing, silence_ms_max=silence_ms_max)


class _OfFile:
    """Connections of an SQLite file; the one that rested last is taken first."""

    def __init__(self, url: str, *, writing: bool):
        self._begin = "BEGIN IMMEDIATE" if writing else "BEGIN"
        self._writing = writing
        self._engine = sa.create_engine(url, poolclass=NullPool)
        self._numbers = itertools.count(1)
        self._resting: list[sa.Connection] = []
        self._process = os.getpid()
        sa.event.listen(self._engine, "connect", self._prepare)

    def _prepare(self, connection: Any, entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # the driver's own BEGIN is deferred, and late
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        if self._writing:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        else:
            connection.execute("PRAGMA query_only=1")
        entry.info["number"] = next(self._numbers)

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """Give a connection in a transaction."""
        connection = self._take()
        try:
            tell(connection, self._begin)
            yield connection
            tell(connection, "COMMIT")
        except BaseException:
            self._give_up(connection)
            raise
        if connection.in_transaction():  # SQLAlchemy begins one of its own, of which nobody knows
            connection.rollback()
        self._rest(connection)

    def moment(self) -> Moment | None:
        """Return which connection looked, and its number for the newest commit of any other."""
        connection = self._take()
        try:
            moment = (connection.info["number"], _VERSION.value(connection))
        except BaseException:
            self._give_up(connection)
            raise
        self._rest(connection)
        return moment

    def close(self) -> None:
        """Close every connection that rests."""
        while self._resting:
            self._take().close()

    def _take(self) -> sa.Connection:
        if self._process != os.getpid():
            self._process, self._resting = os.getpid(), []
        try:
            return self._resting.pop()
        except IndexError:
            return self._engine.connect()

    def _rest(self, connection: sa.Connection) -> None:
        if len(self._resting) < KEPT_MAX:
            self._resting.append(connection)
        else:
            connection.close()

    def _give_up(self, connection: sa.Connection) -> None:
        """Undo the transaction; the next one begins with another connection."""
        try:
            driver(connection).rollback()
        finally:
            connection.close()


class _OfServer:
    """Connections of a server, whose readers see one moment and cannot write.

    A writer sees what was committed before it got the lock, so it need not see one moment. It
    finds its rows by their keys, and is kept from other plans: a server that believes a table to
    be as empty as it last was compares each row with every other (500 items of a library in its
    first minute: 190 ms, PostgreSQL 15).
    """

    def __init__(self, url: str, *, writing: bool, silence_ms_max: int):
        self._silence_ms_max = silence_ms_max
        reading = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        options = {} if writing else reading
        self._engine = sa.create_engine(url, pool_pre_ping=True, execution_options=options)
        if writing:
            sa.event.listen(self._engine, "connect", self._prepare)

    def begin(self) -> AbstractContextManager[sa.Connection]:
        """Give a connection in a transaction."""
        return self._engine.begin()

    def moment(self) -> Moment | None:
        """Return None: a server does not say."""
        return None

    def close(self) -> None:
        """Close every connection that rests."""
        self._engine.dispose()

    def _prepare(self, connection: Any, _entry: ConnectionPoolEntry) -> None:
        """Have a writer's new connection plan by key and not outlive its silence."""
        for plan in NOT_BY_KEY:
            connection.execute(f"SET enable_{plan} = off")
        connection.execute(f"SET idle_in_transaction_session_timeout = {self._silence_ms_max}")
        connection.commit()
