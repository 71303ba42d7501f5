"""The gateway's database: opening, migrating, and the one way to write.

Laws of this file:

1. Every write locks the library's row first (SQLite: ``BEGIN IMMEDIATE``; PostgreSQL: ``FOR
   UPDATE``). A deferred BEGIN that reads and then writes fails at once with SQLITE_BUSY_SNAPSHOT,
   and two writers that do not see each other's rows fold an item wrongly.
2. Versions, change rows and what they describe are committed together or not at all.
3. ``synchronous=FULL``: an acknowledgement follows the commit, so the commit must last.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from gateway import schema
from gateway.changes import Changes
from gateway.connections import Moment, connections
from gateway.errors import LibraryUnknown, StoreUnusable
from gateway.ownership import Term
from gateway.shelf import Shelf
from gateway.sqlite_plans import write_statistics
from gateway.statements import LIBRARY, SQLITE, Insert, Statement, insert_into
from gateway.versions import bring_up_to_date

_PUBLISHED = Statement(
    sa.update(schema.LIBRARY)
    .where(schema.LIBRARY.c.library_id == LIBRARY)
    .values(published=sa.bindparam("upto"))
)
KINDS = ("catalogue", "patrons", "policy", "may_leave")
_LOCKED = Statement(
    sa.select(schema.LIBRARY).where(schema.LIBRARY.c.library_id == LIBRARY).with_for_update()
)


def new_id() -> str:
    """Return a random id of 16 hex characters."""
    return secrets.token_hex(8)


class Write:
    """One open write transaction of one library; made by `Store.write`."""

    def __init__(self, connection: sa.Connection, library_id: str, lineage: str, now_ms: int):
        self.connection = connection
        self.library_id = library_id
        self.lineage = lineage
        self.now_ms = now_ms
        self.version = 0
        self.changes = Changes()
        self.shelf = Shelf(connection, library_id)

    def rows(self, statement: Statement, **values: Any) -> list[Any]:
        """Return the rows of a statement about this library."""
        return statement.rows(self.connection, library_id=self.library_id, **values)

    def first(self, statement: Statement, **values: Any) -> Any:
        """Return the first row of a statement about this library, or None."""
        return statement.first(self.connection, library_id=self.library_id, **values)

    def run(self, statement: Statement, **values: Any) -> int:
        """Change this library as a statement says; return how many rows."""
        return statement.run(self.connection, library_id=self.library_id, **values)

    def many(self, statement: Statement, rows: Iterable[Mapping[str, Any]]) -> None:
        """Change this library as a statement says, once for each row."""
        own = [{"library_id": self.library_id, **row} for row in rows]
        statement.many(self.connection, own)

    def execute(self, statement: sa.Executable, rows: Any = None) -> sa.CursorResult[Any]:
        """Run one statement of SQLAlchemy; with a list of rows, once for all of them."""
        return self.connection.execute(statement, rows)

    def one(self, table: sa.Table, **key: Any) -> sa.Row[Any] | None:
        """Return the row of this library with that key, or None."""
        return self.connection.execute(self.select(table, **key)).first()

    def select(self, table: sa.Table, **key: Any) -> sa.Select[Any]:
        """Return a query for this library's rows of a table."""
        query = sa.select(table).where(table.c.library_id == self.library_id)
        for name, value in key.items():
            query = query.where(table.c[name] == value)
        return query

    def update(self, table: sa.Table, **key: Any) -> sa.Update:
        """Return an update of this library's rows of a table."""
        query = sa.update(table).where(table.c.library_id == self.library_id)
        for name, value in key.items():
            query = query.where(table.c[name] == value)
        return query

    def insert(self, table: sa.Table, rows: list[dict[str, Any]]) -> None:
        """Insert rows; every row must name the same columns."""
        self._insert(table, rows, None)

    def upsert(self, table: sa.Table, rows: list[dict[str, Any]], *, replace: bool = True) -> None:
        """Insert rows; one whose key exists replaces the named columns, or is left alone."""
        self._insert(table, rows, replace)

    def put(self, insert: Insert, rows: list[tuple[Any, ...]]) -> None:
        """Insert rows, each the values of the insert's columns in their order."""
        if rows:
            insert.put(self.connection, self.library_id, rows)

    def _insert(self, table: sa.Table, rows: list[dict[str, Any]], replace: bool | None) -> None:
        if rows:
            insert = insert_into(table, tuple(rows[0]), replace)
            insert.write(self.connection, self.library_id, rows)


class Store:
    """One database with any number of libraries."""

    def __init__(self, url: str, *, clock: Callable[[], int], new_id: Callable[[], str] = new_id):
        """clock: milliseconds since 1970 UTC. new_id: 16 random hex digits at each call."""
        self.url = url
        self.clock = clock
        self.new_id = new_id
        self.terms: dict[str, Term] = {}  # of the libraries we share with other workers
        self.published: dict[
            str, int
        ] = {}  # by library, up to which version all changes were sent
        self._writer = connections(url, writing=True)
        self._reader = connections(url, writing=False)

    @classmethod
    def at(
        cls, path: Path | str, *, clock: Callable[[], int], new_id: Callable[[], str] = new_id
    ) -> Store:
        """Return the store in an SQLite file, whose folder is made if need be."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        return cls(f"sqlite:///{path}", clock=clock, new_id=new_id)

    def close(self) -> None:
        """Close every connection."""
        self._writer.close()
        self._reader.close()

    def migrate(self) -> None:
        """Bring the tables to this program's version; a newer database is refused."""
        try:
            with self._writer.begin() as connection:
                bring_up_to_date(connection, self.url)
                if connection.dialect.name == SQLITE:
                    write_statistics(connection)
            self._writer.close()  # a connection reads the statistics when it begins
        except sa.exc.DatabaseError as error:
            raise StoreUnusable(
                f"{self.url}: {error.orig}; check the path and its rights"
            ) from None

    def create_library(self, library_id: str, name: str = "") -> bool:
        """Make the library if it is not there yet; return whether it was made."""
        with self._writer.begin() as connection:
            there = connection.execute(
                sa.select(schema.LIBRARY).where(schema.LIBRARY.c.library_id == library_id)
            ).first()
            if there is not None:
                return False
            row: dict[str, Any] = {"library_id": library_id, "name": name, "recovered": 1}
            row["lineage"] = self.new_id()
            connection.execute(sa.insert(schema.LIBRARY), row)
            feeds = [{"library_id": library_id, "kind": kind} for kind in KINDS]
            connection.execute(sa.insert(schema.FEED), feeds)
            return True

    def libraries(self) -> list[str]:
        """Return the ids of all libraries, in order."""
        with self.read() as connection:
            query = sa.select(schema.LIBRARY.c.library_id).order_by(schema.LIBRARY.c.library_id)
            return list(connection.execute(query).scalars())

    def read(self) -> AbstractContextManager[sa.Connection]:
        """Give a connection that sees one moment of the database and cannot write."""
        return self._reader.begin()

    def moment(self) -> Moment | None:
        """Return what equals an earlier answer only if nothing was committed in between.

        Ask before reading what is to be remembered. None: nobody knows, so look again.
        """
        return self._reader.moment()

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """Give a connection that may write, for what is no library's own."""
        with self._writer.begin() as connection:
            yield connection

    @contextmanager
    def write(self, library_id: str, *, bulk: bool = False) -> Iterator[Write]:
        """Give the library's write transaction; all of it is committed, or nothing.

        Raises `Fenced` if the library is shared and another worker has taken it.
        ``bulk`` writes no change rows: followers fetch the next snapshot instead, which is
        cheaper than thousands of changes.
        """
        now_ms = self.clock()
        with self._writer.begin() as connection:
            library = _LOCKED.first(connection, library_id=library_id)
            if library is None:
                raise LibraryUnknown(
                    f"library {library_id!r}: not in {self.url}; run `lendgate-gateway init` first"
                )
            term = self.terms.get(library_id)
            if term is not None:
                term.check(connection)
            write = Write(connection, library_id, library.lineage, now_ms)
            write.version = library.version + 1
            yield write
            write.changes.flush(write, bulk=bulk)
            upto = self.published.get(library_id, 0)
            if upto > library.published:
                write.run(_PUBLISHED, upto=upto)
