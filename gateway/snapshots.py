"""Whole lists as files: built beside the old one, hashed, renamed, then offered.

``catalogue`` and ``patrons`` are ready SQLite files (format ``sqlite-1``): a kiosk checks the
hash, renames the file into place and opens it. ``policy`` and ``may_leave`` are JSON
(``json-1``). A file never changes once it has its name; change rows outlive it by a day.

``may_leave`` has a compact format for each boundary besides (``fuse8-1-…``), for gates on
microcontrollers. It is first built when one is asked for, always by whoever builds the others
and never by whoever answers; from then on it is kept up like the rest.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from gateway import schema
from gateway.errors import SnapshotUnknown
from gateway.list_files import (
    FORMATS,
    builder_of,
    formats_of,
    lineage_of,
    suffix_of,
    version_of,
)
from gateway.list_tables import Moment
from gateway.store import Store

KEPT = 2  # the newest, and the one a station may be fetching
CHANGES_MAX = 5_000  # a new file when a follower would have to apply more than this
COMPACT_CHANGES_MAX = 200  # a microcontroller has room for 600 beside its list
BUILD_AGAIN_MS = 60_000  # a second of work each: a thousand gates' wishes are one file a minute
AGE_MS_MAX = 24 * 3600 * 1000
CHANGES_KEPT_MS = 24 * 3600 * 1000


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
    built_at: int

    @property
    def path(self) -> str:
        """The path under which the gateway's web server offers it."""
        return f"/snapshot/{self.kind}/{self.format}/{self.version}"


class Snapshots:
    """The offered files of one library, in a folder of their own."""

    def __init__(
        self, store: Store, library_id: str, folder: Path, rest: Callable[[], None] = lambda: None
    ):
        self.store = store
        self.rest = rest
        self.library_id = library_id
        self.folder = folder / library_id
        self._wanted: set[tuple[str, str]] = set()

    def offered(
        self, kind: str, version: int | None = None, format_name: str | None = None
    ) -> Snapshot:
        """Return the newest snapshot of a kind, or the one of that version.

        format_name: one of `formats_of(kind)`, the first if it is not given.
        """
        table = schema.SNAPSHOT
        query = sa.select(table).where(
            table.c.library_id == self.library_id,
            table.c.kind == kind,
            table.c.format == (format_name or FORMATS.get(kind)),
        )
        if version is not None:
            query = query.where(table.c.version == version)
        with self.store.read() as connection:
            row = connection.execute(query.order_by(table.c.built_at.desc())).first()
        if row is None or not Path(row.file).exists():
            wanted = f"version {version} of " if version is not None else ""
            shown = kind if format_name is None else f"{kind} as {format_name}"
            raise SnapshotUnknown(f"no {wanted}{shown!r} is offered; ask for the newest")
        return _snapshot(row)

    def newest_for(self, kind: str, format_name: str | None, have: int) -> Snapshot | None:
        """Return a whole list for a station whose own is of version `have`, 0 without one.

        None: there will be one that serves it; it is announced when it is built. Raise
        SnapshotUnknown if that kind has no such format.
        """
        if format_name in (None, FORMATS.get(kind)):
            return self.offered(kind)
        if format_name not in formats_of(kind):
            raise SnapshotUnknown(f"{kind!r} has no format {format_name!r}")
        newest = self._newest(kind, format_name)
        if newest is not None and self._serves(newest, have):
            return newest
        self._wanted.add((kind, format_name))
        return None

    def _serves(self, newest: Snapshot, have: int) -> bool:
        """Whether a microcontroller can use the file and follow the changes after it."""
        with self.store.read() as connection:
            query = sa.select(schema.FEED).where(
                schema.FEED.c.library_id == self.library_id, schema.FEED.c.kind == newest.kind
            )
            feed = connection.execute(query).one()
            if newest.lineage != lineage_of(connection, self.library_id):
                return False
            if newest.version == feed.version:
                return True
            waiting = self._changes_since(connection, newest)
        fits = waiting <= COMPACT_CHANGES_MAX and newest.version >= feed.floor
        return fits and newest.version > have

    def all_offered(self) -> list[Snapshot]:
        """Return the newest snapshot of every kind and format that has one."""
        found = [self._newest(kind, name) for kind in FORMATS for name in formats_of(kind)]
        return [snapshot for snapshot in found if snapshot is not None]

    def due(self) -> list[tuple[str, str]]:
        """Return kind and format of what is missing, too old, or of another lineage."""
        with self.store.read() as connection:
            lineage = lineage_of(connection, self.library_id)
            feeds = connection.execute(
                sa.select(schema.FEED).where(schema.FEED.c.library_id == self.library_id)
            ).all()
            return [
                (feed.kind, name)
                for feed in feeds
                for name in formats_of(feed.kind)
                if self._is_due(connection, feed, name, lineage)
            ]

    def _is_due(
        self, connection: sa.Connection, feed: Any, format_name: str, lineage: str
    ) -> bool:
        newest = self._newest(feed.kind, format_name)
        wanted = (feed.kind, format_name) in self._wanted
        if newest is None:
            return wanted or format_name == FORMATS[feed.kind]
        if newest.lineage != lineage or newest.version < feed.floor:
            return True
        if wanted and self.store.clock() - newest.built_at >= BUILD_AGAIN_MS:
            return True
        built_ms = int(newest.file.stat().st_mtime * 1000)
        old = self.store.clock() - built_ms > AGE_MS_MAX
        waiting = self._changes_since(connection, newest)
        return waiting > CHANGES_MAX or (old and newest.version < feed.version)

    def _newest(self, kind: str, format_name: str) -> Snapshot | None:
        try:
            return self.offered(kind, format_name=format_name)
        except SnapshotUnknown:
            return None

    def _changes_since(self, connection: sa.Connection, newest: Snapshot) -> int:
        """Return how many changes a station with this file would have to apply."""
        change = schema.CHANGE
        query = sa.select(sa.func.count()).where(
            change.c.library_id == self.library_id,
            change.c.kind == newest.kind,
            change.c.version > newest.version,
        )
        return int(connection.execute(query).scalar_one())

    def build(self, kind: str, format_name: str | None = None) -> Snapshot:
        """Build, hash and offer the list as it is now; return what is offered."""
        self.folder.mkdir(parents=True, exist_ok=True)
        name = format_name or FORMATS[kind]
        self._wanted.discard((kind, name))  # before it is built: a later wish may need another
        with self.store.read() as connection:
            lineage = lineage_of(connection, self.library_id)
            version = version_of(connection, self.library_id, kind)
            file = self.folder / f"{kind}-{lineage}-{version}.{suffix_of(name)}"
            building = file.with_name(f"{file.name}.building")
            building.unlink(missing_ok=True)
            moment = Moment(connection, self.library_id, lineage, version, self.rest)
            builder_of(kind, name)(moment, building)
        size_bytes, digest = _seal(building, file)
        built_at = self.store.clock()
        snapshot = Snapshot(kind, name, lineage, version, size_bytes, digest, file, built_at)
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
            "built_at": snapshot.built_at,
        }
        with self.store.write(self.library_id) as write:
            write.upsert(schema.SNAPSHOT, [row])
            query = write.select(schema.SNAPSHOT, kind=snapshot.kind, format=snapshot.format)
            rows = write.execute(query.order_by(schema.SNAPSHOT.c.built_at.desc())).all()
            outdated = [old for old in rows[KEPT:] if old.file != str(snapshot.file)]
            table = schema.SNAPSHOT
            for old in outdated:
                write.execute(
                    sa.delete(table).where(
                        table.c.library_id == self.library_id,
                        table.c.kind == old.kind,
                        table.c.format == old.format,
                        table.c.version == old.version,
                    )
                )
            kept = write.execute(write.select(table, kind=snapshot.kind))
            oldest = min(row.version for row in kept)
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
        row.kind,
        row.format,
        row.lineage,
        row.version,
        row.bytes,
        row.sha256,
        Path(row.file),
        row.built_at,
    )
