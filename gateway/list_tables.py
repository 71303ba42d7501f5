"""Catalogue and patrons as SQLite files, written a page at a time from one moment's tables.

A kiosk opens such a file as it is. Rows stand in the order of their key and the indexes are made
at the end, so that the file is dense. What is said of an item or a reader is said in the words of
`gateway.docs`, so that a list with its changes is the next list.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from gateway import schema
from gateway.docs import (
    ITEM_FIELDS,
    TITLE_FIELDS,
    Doc,
    held_fields,
    items_query,
    kept_for,
    patron_docs,
    waiting,
)

SCHEMA_VERSION = 1
PAGE = 2_000  # rows in memory at once

CATALOGUE_SQL = """
CREATE TABLE item (
    item_id TEXT PRIMARY KEY, title_id TEXT, barcode TEXT, accession_no TEXT, item_type TEXT,
    owner TEXT, home TEXT, location TEXT, shelf_mark TEXT, reference INTEGER,
    not_for_loan INTEGER, parts_total INTEGER, price_cents INTEGER, state TEXT, patron_id TEXT,
    loan TEXT, due_at INTEGER, reach INTEGER, renewals INTEGER, unsecured INTEGER,
    last_fact TEXT, held_for TEXT, lent_at INTEGER, policy_version INTEGER, session TEXT,
    on_site INTEGER, deposit TEXT, parts_missing TEXT
) WITHOUT ROWID;
CREATE TABLE item_uid (uid TEXT PRIMARY KEY, item_id TEXT) WITHOUT ROWID;
CREATE TABLE title (
    title_id TEXT PRIMARY KEY, title TEXT, author TEXT, isbn TEXT, year INTEGER
) WITHOUT ROWID;
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
"""
CATALOGUE_INDEXES = (
    "CREATE INDEX item_by_barcode ON item (barcode)",
    "CREATE INDEX item_by_patron ON item (patron_id) WHERE patron_id IS NOT NULL",
    "CREATE INDEX item_uid_by_item ON item_uid (item_id)",
)
HELD_COLUMNS = (
    "state", "patron_id", "loan", "due_at", "reach", "renewals", "unsecured", "last_fact",
    "held_for", "lent_at", "policy_version", "session", "on_site", "deposit",
)  # fmt: skip
PATRONS_SQL = """
CREATE TABLE patron (
    patron_id TEXT PRIMARY KEY, short_name TEXT, category TEXT, class TEXT, member TEXT,
    expires_on TEXT, blocked TEXT, fee_cents INTEGER, pin_hash TEXT, age_reached INTEGER
) WITHOUT ROWID;
CREATE TABLE card (
    card_key TEXT PRIMARY KEY, key_id TEXT, patron_id TEXT, status TEXT
) WITHOUT ROWID;
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
"""
PATRONS_INDEXES = ("CREATE INDEX card_by_patron ON card (patron_id)",)


@dataclass(frozen=True, slots=True)
class Moment:
    """A library as it is in one read transaction: every list is made from one of these.

    rest: called after every page of rows, so that whoever builds does not keep a processor from
    those who answer.
    """

    connection: sa.Connection
    library_id: str
    lineage: str
    version: int
    rest: Callable[[], None]


def in_pages(
    moment: Moment, query: sa.Select[Any], key: sa.Column[Any]
) -> Iterator[Sequence[sa.Row[Any]]]:
    """Yield the rows of a query in the order of a key it selects, a page at a time."""
    after = ""
    ordered = query.order_by(key).limit(PAGE)
    while page := moment.connection.execute(ordered.where(key > after)).all():
        yield page
        after = page[-1]._mapping[key]
        moment.rest()


def build_catalogue(moment: Moment, path: Path) -> None:
    """Write every item with its tags, its loan and its title."""
    with _new_file(path, CATALOGUE_SQL) as file:
        for items in _item_rows(moment):
            _insert(file, "item", items)
        for uids in in_pages(moment, _uids(moment), schema.ITEM_UID.c.uid):
            _insert(file, "item_uid", uids)
        for titles in in_pages(moment, _titles(moment), schema.TITLE.c.title_id):
            _insert(file, "title", titles)
        _finish(file, moment, CATALOGUE_INDEXES)


def build_patrons(moment: Moment, path: Path) -> None:
    """Write every reader with their cards, as much of them as a kiosk may know."""
    table = schema.PATRON
    query = sa.select(table.c.patron_id).where(table.c.library_id == moment.library_id)
    with _new_file(path, PATRONS_SQL) as file:
        for ids in in_pages(moment, query, table.c.patron_id):
            wanted = [patron_id for (patron_id,) in ids]
            docs = list(patron_docs(moment.connection, moment.library_id, wanted).values())
            _insert(file, "patron", [_patron_row(doc) for doc in docs])
            _insert(file, "card", [
                (card["card_key"], card["key_id"], doc["patron_id"], card["status"])
                for doc in docs
                for card in doc["cards"]
            ])  # fmt: skip
        _finish(file, moment, PATRONS_INDEXES)


def _item_rows(moment: Moment) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the rows of all items in pages.

    Nine in ten items of a large library lie on their shelf and no fact ever moved them: what is
    to be said of those is made once.
    """
    connection, library_id = moment.connection, moment.library_id
    hold = schema.HOLD
    on_titles = waiting(connection, library_id, hold.c.title_id, sa.true())
    unmoved: tuple[Any, ...] | None = None
    for page in in_pages(moment, items_query(library_id, titles=False), schema.ITEM.c.item_id):
        first, last = page[0].item_id, page[-1].item_id
        here = hold.c.item_id.between(first, last)
        on_copies = waiting(connection, library_id, hold.c.item_id, here)
        rows = []
        for row in page:
            plain = row.doc is None and row.initial is None and row.item_id not in on_copies
            if plain and unmoved is not None:
                rows.append((*row[: len(ITEM_FIELDS)], *unmoved))
                continue
            held = held_fields(row._mapping)
            held["held_for"] = kept_for(
                held, on_copies.get(row.item_id), on_titles.get(row.title_id or "")
            )
            values = (*(held[name] for name in HELD_COLUMNS), json.dumps(held["parts_missing"]))
            unmoved = values if plain else unmoved
            rows.append((*row[: len(ITEM_FIELDS)], *values))
        yield rows


def _uids(moment: Moment) -> sa.Select[Any]:
    table = schema.ITEM_UID
    return sa.select(table.c.uid, table.c.item_id).where(table.c.library_id == moment.library_id)


def _titles(moment: Moment) -> sa.Select[Any]:
    """Return the query for the titles that any item has."""
    title, item = schema.TITLE, schema.ITEM
    has_items = sa.exists().where(
        item.c.library_id == moment.library_id, item.c.title_id == title.c.title_id
    )
    columns = [title.c[name] for name in TITLE_FIELDS]
    return sa.select(*columns).where(title.c.library_id == moment.library_id, has_items)


def _patron_row(doc: Doc) -> tuple[Any, ...]:
    plain = {**doc, "blocked": json.dumps(doc["blocked"])}
    return tuple(value for name, value in plain.items() if name != "cards")


@contextmanager
def _new_file(path: Path, script: str) -> Iterator[sqlite3.Connection]:
    """Give a new SQLite file, fast because a crash only means building it again."""
    connection = sqlite3.connect(path)
    try:
        connection.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;" + script)
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        yield connection
        connection.commit()
    finally:
        connection.close()


def _insert(
    file: sqlite3.Connection, table: str, rows: Sequence[sa.Row[Any] | tuple[Any, ...]]
) -> None:
    if rows:
        marks = ", ".join("?" * len(rows[0]))
        file.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)


def _finish(file: sqlite3.Connection, moment: Moment, indexes: Sequence[str]) -> None:
    """Say of which version the list is, and make its indexes."""
    about = {
        "lineage": moment.lineage,
        "version": str(moment.version),
        "schema": str(SCHEMA_VERSION),
    }
    file.executemany("INSERT INTO meta VALUES (?, ?)", about.items())
    for index in indexes:
        file.execute(index)
        moment.rest()
