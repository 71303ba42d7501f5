"""Whole lists as files: built beside the old one, hashed, renamed, then offered.

``catalogue`` and ``patrons`` are ready SQLite files (format ``sqlite-1``): a kiosk checks the
hash, renames the file into place and opens it. ``policy`` and ``may_leave`` are JSON
(``json-1``). A file never changes once it has its name; change rows outlive it by a day.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from gateway import schema
from gateway.docs import ITEM_FIELDS, Doc, item_docs, patron_docs
from gateway.errors import SnapshotUnknown
from gateway.policies import default_document, newest_document
from gateway.store import Store

FORMATS = {
    "catalogue": "sqlite-1",
    "patrons": "sqlite-1",
    "policy": "json-1",
    "may_leave": "json-1",
}
SCHEMA_VERSION = 1
PAGE = 2_000  # documents held in memory at once
KEPT = 2  # the newest, and the one a station may be fetching
CHANGES_MAX = 5_000  # a new file when a follower would have to apply more than this
AGE_MS_MAX = 24 * 3600 * 1000
CHANGES_KEPT_MS = 24 * 3600 * 1000

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


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One offered file."""

    kind: str
    format: str
    lineage: str
    version: int
    size_bytes: int
    sha256: str
    file: Path

    @property
    def path(self) -> str:
        """The path under which the gateway's web server offers it."""
        return f"/snapshot/{self.kind}/{self.format}/{self.version}"


class Snapshots:
    """The offered files of one library, in a folder of their own."""

    def __init__(self, store: Store, library_id: str, folder: Path):
        self.store = store
        self.library_id = library_id
        self.folder = folder / library_id

    def offered(self, kind: str, version: int | None = None) -> Snapshot:
        """Return the newest snapshot of a kind, or the one of that version."""
        table = schema.SNAPSHOT
        query = sa.select(table).where(table.c.library_id == self.library_id, table.c.kind == kind)
        if version is not None:
            query = query.where(table.c.version == version)
        with self.store.read() as connection:
            row = connection.execute(query.order_by(table.c.built_at.desc())).first()
        if row is None or not Path(row.file).exists():
            wanted = f"version {version} of " if version is not None else ""
            raise SnapshotUnknown(f"no {wanted}{kind!r} is offered; ask for the newest")
        return _snapshot(row)

    def all_offered(self) -> list[Snapshot]:
        """Return the newest snapshot of every kind that has one."""
        found = []
        for kind in FORMATS:
            try:
                found.append(self.offered(kind))
            except SnapshotUnknown:
                continue
        return found

    def due(self) -> list[str]:
        """Return the kinds whose newest file is missing, too old, or of another lineage."""
        with self.store.read() as connection:
            lineage = _lineage(connection, self.library_id)
            feeds = connection.execute(
                sa.select(schema.FEED).where(schema.FEED.c.library_id == self.library_id)
            ).all()
            waiting = {feed.kind: self._changes_since(connection, feed.kind) for feed in feeds}
        return [feed.kind for feed in feeds if self._is_due(feed, lineage, waiting[feed.kind])]

    def _is_due(self, feed: Any, lineage: str, waiting: int) -> bool:
        try:
            newest = self.offered(feed.kind)
        except SnapshotUnknown:
            return True
        if newest.lineage != lineage or newest.version < feed.floor:
            return True
        built_ms = int(newest.file.stat().st_mtime * 1000)
        old = self.store.clock() - built_ms > AGE_MS_MAX
        return waiting > CHANGES_MAX or (old and newest.version < feed.version)

    def _changes_since(self, connection: sa.Connection, kind: str) -> int:
        """Return how many changes a station with the newest file would have to apply."""
        change, snapshot = schema.CHANGE, schema.SNAPSHOT
        newest = (
            sa.select(sa.func.max(snapshot.c.version))
            .where(snapshot.c.library_id == self.library_id, snapshot.c.kind == kind)
            .scalar_subquery()
        )
        query = sa.select(sa.func.count()).where(
            change.c.library_id == self.library_id,
            change.c.kind == kind,
            change.c.version > sa.func.coalesce(newest, 0),
        )
        return int(connection.execute(query).scalar_one())

    def build(self, kind: str) -> Snapshot:
        """Build, hash and offer the list as it is now; return what is offered."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.store.read() as connection:
            lineage = _lineage(connection, self.library_id)
            version = _version(connection, self.library_id, kind)
            suffix = "db" if FORMATS[kind].startswith("sqlite") else "json"
            file = self.folder / f"{kind}-{lineage}-{version}.{suffix}"
            building = file.with_suffix(".building")
            building.unlink(missing_ok=True)
            meta = {"lineage": lineage, "version": str(version), "schema": str(SCHEMA_VERSION)}
            BUILDERS[kind](connection, self.library_id, building, meta)
        size_bytes, digest = _seal(building, file)
        snapshot = Snapshot(kind, FORMATS[kind], lineage, version, size_bytes, digest, file)
        self._offer(snapshot)
        return snapshot

    def _offer(self, snapshot: Snapshot) -> None:
        row = {
            "kind": snapshot.kind,
            "format": snapshot.format,
            "version": snapshot.version,
            "lineage": snapshot.lineage,
            "bytes": snapshot.size_bytes,
            "sha256": snapshot.sha256,
            "file": str(snapshot.file),
            "built_at": self.store.clock(),
        }
        with self.store.write(self.library_id) as write:
            write.upsert(schema.SNAPSHOT, [row])
            query = write.select(schema.SNAPSHOT, kind=snapshot.kind)
            rows = write.execute(query.order_by(schema.SNAPSHOT.c.built_at.desc())).all()
            outdated = [old for old in rows[KEPT:] if old.file != str(snapshot.file)]
            table = schema.SNAPSHOT
            for old in outdated:
                write.execute(
                    sa.delete(table).where(
                        table.c.library_id == self.library_id,
                        table.c.kind == old.kind,
                        table.c.version == old.version,
                    )
                )
            oldest = min(row.version for row in rows[:KEPT])
            _prune_changes(write, snapshot.kind, oldest)
        for old in outdated:
            Path(old.file).unlink(missing_ok=True)


def _prune_changes(write: Any, kind: str, oldest_version: int) -> None:
    """Drop change rows that are a day older than every offered snapshot needs."""
    before_ms = write.now_ms - CHANGES_KEPT_MS
    for table in (schema.CHANGE, schema.STEP):
        condition = sa.and_(
            table.c.library_id == write.library_id,
            table.c.kind == kind,
            table.c.version <= oldest_version,
            table.c.committed_at < before_ms,
        )
        highest = write.execute(sa.select(sa.func.max(table.c.version)).where(condition)).scalar()
        if highest is not None:
            write.execute(sa.delete(table).where(condition))
            feed = write.one(schema.FEED, kind=kind)
            floor = max(feed.floor, highest)
            write.execute(write.update(schema.FEED, kind=kind).values(floor=floor))


def may_leave_document(connection: sa.Connection, library_id: str) -> Doc:
    """Return the gates' list as it stands: keys with their reach, and the unsecured ones."""
    table = schema.MAY_LEAVE
    query = sa.select(table).where(table.c.library_id == library_id).order_by(table.c.key)
    rows = connection.execute(query).all()
    return {
        "lineage": _lineage(connection, library_id),
        "version": _version(connection, library_id, "may_leave"),
        "keys": [[row.key, row.reach] for row in rows if row.reach],
        "unsecured": [row.key for row in rows if row.unsecured],
    }


def policy_document(connection: sa.Connection, library_id: str) -> Doc:
    """Return the library's rules: a list, though the newest document holds every version."""
    return {
        "lineage": _lineage(connection, library_id),
        "version": _version(connection, library_id, "policy"),
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


def _build_json(document: Callable[[sa.Connection, str], Doc]) -> Any:
    def build(
        connection: sa.Connection, library_id: str, path: Path, _meta: dict[str, str]
    ) -> None:
        text = json.dumps(document(connection, library_id), separators=(",", ":"))
        path.write_bytes(text.encode())

    return build


BUILDERS: dict[str, Callable[[sa.Connection, str, Path, dict[str, str]], None]] = {
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


def _seal(building: Path, file: Path) -> tuple[int, str]:
    """Force the file to disk, hash it and give it its name; return its size and hash."""
    digest = hashlib.sha256()
    with building.open("rb") as source:
        os.fsync(source.fileno())
        while block := source.read(1 << 20):
            digest.update(block)
        size_bytes = source.tell()
    building.rename(file)
    return size_bytes, digest.hexdigest()


def _snapshot(row: Any) -> Snapshot:
    return Snapshot(
        row.kind, row.format, row.lineage, row.version, row.bytes, row.sha256, Path(row.file)
    )


def _lineage(connection: sa.Connection, library_id: str) -> str:
    query = sa.select(schema.LIBRARY.c.lineage).where(schema.LIBRARY.c.library_id == library_id)
    return str(connection.execute(query).scalar_one())


def _version(connection: sa.Connection, library_id: str, kind: str) -> int:
    query = sa.select(schema.FEED.c.version).where(
        schema.FEED.c.library_id == library_id, schema.FEED.c.kind == kind
    )
    return int(connection.execute(query).scalar_one())
