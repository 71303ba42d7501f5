"""What stands in the file of each list, as it is when it is built.

``catalogue`` and ``patrons`` are ready SQLite files (format ``sqlite-1``). ``policy`` and
``may_leave`` are JSON (``json-1``); ``may_leave`` may be had as a filter besides, one for each
boundary (``fuse8-1-…``).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from circulation.wire.fuse import BOUNDARIES, format_of
from gateway import schema
from gateway.docs import ITEM_FIELDS, Doc, item_docs, patron_docs
from gateway.fuse import build_list
from gateway.policies import default_document, newest_document

Build = Callable[[sa.Connection, str, Path, dict[str, str]], None]
"""Writes a library's list to a path; meta: its lineage, version and schema."""

FORMATS = {
    "catalogue": "sqlite-1",
    "patrons": "sqlite-1",
    "policy": "json-1",
    "may_leave": "json-1",
}
COMPACT = {"may_leave": {format_of(boundary): boundary for boundary in BOUNDARIES}}
SCHEMA_VERSION = 1
PAGE = 2_000  # documents held in memory at once

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
CATALOGUE_INDEXES = """
CREATE INDEX item_by_barcode ON item (barcode);
CREATE INDEX item_by_patron ON item (patron_id) WHERE patron_id IS NOT NULL;
CREATE INDEX item_by_title ON item (title_id);
CREATE INDEX item_uid_by_item ON item_uid (item_id);
"""
ITEM_COLUMNS = (
    *ITEM_FIELDS, "state", "patron_id", "loan", "due_at", "reach", "renewals", "unsecured",
    "last_fact", "held_for", "lent_at", "policy_version", "session", "on_site", "deposit",
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
PATRONS_INDEXES = "CREATE INDEX card_by_patron ON card (patron_id);"


def formats_of(kind: str) -> tuple[str, ...]:
    """Return the formats a list may be offered in, the one that every library has first."""
    return (FORMATS[kind], *COMPACT.get(kind, {})) if kind in FORMATS else ()


def suffix_of(format_name: str) -> str:
    """Return what the names of such files end with."""
    if format_name.startswith("sqlite"):
        return "db"
    return "json" if format_name.startswith("json") else format_name


def builder_of(kind: str, format_name: str) -> Build:
    """Return what writes that list in that format."""
    return BUILDERS[kind] if format_name == FORMATS[kind] else _build_compact(kind, format_name)


def may_leave_document(connection: sa.Connection, library_id: str) -> Doc:
    """Return the gates' list as it stands: keys with their reach, and the unsecured ones."""
    table = schema.MAY_LEAVE
    query = sa.select(table).where(table.c.library_id == library_id).order_by(table.c.key)
    rows = connection.execute(query).all()
    return {
        "lineage": lineage_of(connection, library_id),
        "version": version_of(connection, library_id, "may_leave"),
        "keys": [[row.key, row.reach] for row in rows if row.reach],
        "unsecured": [row.key for row in rows if row.unsecured],
    }


def policy_document(connection: sa.Connection, library_id: str) -> Doc:
    """Return the library's rules: a list, though the newest document holds every version."""
    return {
        "lineage": lineage_of(connection, library_id),
        "version": version_of(connection, library_id, "policy"),
        "policies": [newest_document(connection, library_id) or default_document("UTC")],
    }


def _build_catalogue(
    connection: sa.Connection, library_id: str, path: Path, meta: dict[str, str]
) -> None:
    columns = ", ".join("?" * (len(ITEM_COLUMNS) + 1))
    with _new_file(path, CATALOGUE_SQL) as file:
        for ids in _pages(connection, schema.ITEM.c.item_id, library_id):
            docs = list(item_docs(connection, library_id, ids).values())
            rows = [_item_row(doc) for doc in docs]
            file.executemany(f"INSERT INTO item VALUES ({columns})", rows)
            uids = [(uid, doc["item_id"]) for doc in docs for uid in doc["uids"]]
            file.executemany("INSERT INTO item_uid VALUES (?, ?)", uids)
            titles = {doc["title_id"]: doc["title"] for doc in docs if doc["title"]}
            rows = [tuple(title.values()) for title in titles.values()]
            file.executemany("INSERT OR IGNORE INTO title VALUES (?, ?, ?, ?, ?)", rows)
        file.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
        file.executescript(CATALOGUE_INDEXES)


def _build_patrons(
    connection: sa.Connection, library_id: str, path: Path, meta: dict[str, str]
) -> None:
    with _new_file(path, PATRONS_SQL) as file:
        for ids in _pages(connection, schema.PATRON.c.patron_id, library_id):
            docs = patron_docs(connection, library_id, ids).values()
            rows = [_patron_row(doc) for doc in docs]
            file.executemany("INSERT INTO patron VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
            cards = [
                (card["card_key"], card["key_id"], doc["patron_id"], card["status"])
                for doc in docs
                for card in doc["cards"]
            ]
            file.executemany("INSERT INTO card VALUES (?, ?, ?, ?)", cards)
        file.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
        file.executescript(PATRONS_INDEXES)


def _item_row(doc: Doc) -> tuple[Any, ...]:
    return (*(doc[name] for name in ITEM_COLUMNS), json.dumps(doc["parts_missing"]))


def _patron_row(doc: Doc) -> tuple[Any, ...]:
    plain = {**doc, "blocked": json.dumps(doc["blocked"])}
    return tuple(value for name, value in plain.items() if name != "cards")


def _build_compact(kind: str, format_name: str) -> Build:
    boundary = COMPACT[kind][format_name]

    def build(
        connection: sa.Connection, library_id: str, path: Path, meta: dict[str, str]
    ) -> None:
        table = schema.MAY_LEAVE
        query = sa.select(table.c.key).where(table.c.library_id == library_id)
        keys = connection.execute(query.where(table.c.reach >= boundary)).scalars()
        unsecured = connection.execute(query.where(table.c.unsecured == 1)).scalars()
        content = build_list(
            keys,
            unsecured,
            lineage=meta["lineage"],
            version=int(meta["version"]),
            boundary=boundary,
        )
        path.write_bytes(content)

    return build


def _build_json(document: Callable[[sa.Connection, str], Doc]) -> Build:
    def build(
        connection: sa.Connection, library_id: str, path: Path, _meta: dict[str, str]
    ) -> None:
        text = json.dumps(document(connection, library_id), separators=(",", ":"))
        path.write_bytes(text.encode())

    return build


BUILDERS: dict[str, Build] = {
    "catalogue": _build_catalogue,
    "patrons": _build_patrons,
    "policy": _build_json(policy_document),
    "may_leave": _build_json(may_leave_document),
}


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


def _pages(
    connection: sa.Connection, column: sa.Column[Any], library_id: str
) -> Iterator[list[str]]:
    """Yield the ids of a table in order, a page at a time."""
    after = ""
    while True:
        query = (
            sa.select(column)
            .where(column.table.c.library_id == library_id, column > after)
            .order_by(column)
            .limit(PAGE)
        )
        ids = list(connection.execute(query).scalars())
        if not ids:
            return
        yield ids
        after = ids[-1]


def lineage_of(connection: sa.Connection, library_id: str) -> str:
    """Return the history that the lists are of."""
    query = sa.select(schema.LIBRARY.c.lineage).where(schema.LIBRARY.c.library_id == library_id)
    return str(connection.execute(query).scalar_one())


def version_of(connection: sa.Connection, library_id: str, kind: str) -> int:
    """Return the newest version of a list."""
    query = sa.select(schema.FEED.c.version).where(
        schema.FEED.c.library_id == library_id, schema.FEED.c.kind == kind
    )
    return int(connection.execute(query).scalar_one())
