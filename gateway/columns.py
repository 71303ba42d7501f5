"""The kinds of columns our tables are made of, and where all tables are registered."""

from typing import Any

import sqlalchemy as sa

METADATA = sa.MetaData()

ID = sa.String(32)
STATION = sa.String(32)
MS = sa.BigInteger
VERSION = sa.BigInteger
DOC = sa.JSON(none_as_null=True)


def table(name: str, *parts: Any, rowid: bool = True) -> sa.Table:
    """Return a table whose first key column is the library."""
    library = sa.Column("library_id", ID, primary_key=True)
    return sa.Table(name, METADATA, library, *parts, sqlite_with_rowid=rowid)


def key(name: str, kind: Any = ID) -> sa.Column[Any]:
    """Return a column of the primary key."""
    return sa.Column(name, kind, primary_key=True, autoincrement=False)


def flag(name: str) -> sa.Column[Any]:
    """Return a column that is 0 or 1."""
    return sa.Column(name, sa.SmallInteger, nullable=False, server_default="0")


def count(name: str, kind: Any = sa.Integer) -> sa.Column[Any]:
    """Return a column that counts from 0."""
    return sa.Column(name, kind, nullable=False, server_default="0")


def text(name: str, *, required: bool = False) -> sa.Column[Any]:
    """Return a column of any length; a required one is empty rather than null."""
    if required:
        return sa.Column(name, sa.Text, nullable=False, server_default="")
    return sa.Column(name, sa.Text)
