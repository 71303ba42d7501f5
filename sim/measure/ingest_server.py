"""The same ingest on a PostgreSQL server, durable as in earnest, beside bare SQL there.

The server gets the very database the file was before, row for row, and the floor is the rows that
the ingest into the file left: written by the driver's `executemany` into a copy of that database,
in as many transactions.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg import sql

from gateway.schema import METADATA
from gateway.service import now_ms
from gateway.store import Store
from sim.measure.numbers import Stopwatch, timed

Rows = Sequence[tuple[Any, ...]]


def copy_library(file: Path, url: str) -> None:
    """Make the tables on a server and copy every row of a gateway's file into them."""
    store = Store(url, clock=now_ms)
    store.migrate()
    store.close()
    with closing(sqlite3.connect(file)) as source, psycopg.connect(plain(url)) as target:
        for table in METADATA.sorted_tables:
            _copy(source, target, table.name)
    with psycopg.connect(plain(url), autocommit=True) as target:
        target.execute("ANALYZE")


def _copy(source: sqlite3.Connection, target: psycopg.Connection, table: str) -> None:
    names = columns_of(source, table)
    chosen = ", ".join(f'"{name}"' for name in names)
    into = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, names))
    )
    with target.cursor() as cursor, cursor.copy(into) as copying:
        for row in source.execute(f'SELECT {chosen} FROM "{table}"'):
            copying.write_row(row)


def columns_of(source: sqlite3.Connection, table: str) -> list[str]:
    """Return the names of a table's columns in the order its file has them."""
    return [row[1] for row in source.execute(f'PRAGMA table_info("{table}")')]


def copy_database(server: str, name: str, template: str) -> str:
    """Return the address of a copy of a database nobody has open."""
    with psycopg.connect(plain(server), autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        connection.execute("CHECKPOINT")
    return sa.make_url(server).set(database=name).render_as_string(hide_password=False)


def plain(url: str) -> str:
    """Return an address as PostgreSQL's own programs write it."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)


def write_bare(
    url: str, file: Path, tables: Sequence[tuple[str, Rows]], *, transactions: int
) -> Stopwatch:
    """Write the rows a file got into a server's database, and say how long that took."""
    with closing(sqlite3.connect(file)) as source:
        names = {name: columns_of(source, name) for name, _ in tables}
    with psycopg.connect(plain(url)) as connection, timed() as bare:
        for step in range(transactions):
            _write_share(connection, _share(tables, names, step, transactions))
    return bare


def _write_share(
    connection: psycopg.Connection, share: Iterator[tuple[sql.Composed, Rows]]
) -> None:
    with connection.transaction(), connection.cursor() as cursor:
        for statement, rows in share:
            cursor.executemany(statement, rows)


def _share(
    tables: Sequence[tuple[str, Rows]], names: dict[str, list[str]], step: int, steps: int
) -> Iterator[tuple[sql.Composed, Rows]]:
    """Yield what one transaction writes: the same part of every table."""
    for name, rows in tables:
        part = rows[len(rows) * step // steps : len(rows) * (step + 1) // steps]
        if part:
            yield _statement(name, names[name]), part


def _statement(table: str, names: list[str]) -> sql.Composed:
    key = [column.name for column in METADATA.tables[table].primary_key]
    rest = [name for name in names if name not in key]
    identifier = sql.Identifier
    return sql.SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT ({}) DO UPDATE SET {}").format(
        identifier(table),
        sql.SQL(", ").join(map(identifier, names)),
        sql.SQL(", ").join([sql.Placeholder()] * len(names)),
        sql.SQL(", ").join(map(identifier, key)),
        sql.SQL(", ").join(
            sql.SQL("{} = EXCLUDED.{}").format(identifier(name), identifier(name))
            for name in rest or key
        ),
    )
