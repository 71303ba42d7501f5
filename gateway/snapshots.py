"""Whole lists as files: built beside the old one, hashed, renamed, then offered.

``catalogue`` and ``patrons`` are ready SQLite files (format ``sqlite-1``): a kiosk checks the
hash, renames the file into place and opens it. ``policy`` and ``may_leave`` are JSON
(``json-1``). A file never changes once it has its name, and is offered for a while beside the
next ones, so that a slow download can end; change rows outlive it by a day.

``may_leave`` has a compact format for each boundary besides (``fuse8-1-…``), for gates on
microcontrollers. It is first built when one is asked for, always by whoever builds the others
and never by whoever answers; from then on it is kept up like the rest.

A list is built again when following it has become dear beside fetching it, and a large one not
while an import goes on: a file of 1.5 million items takes a minute of a processor to make, and
every station would fetch half an import.

Ages are told by the store's clock alone, beside what the database says of the last build. A list
from the future was built while that clock was wrong: how old it is nobody knows, so it counts as
old, and with the next build it is dated back. Wrong by years, in either direction, the clock costs
one build too many and prevents none.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import zstandard

from gateway import schema
from gateway.errors import BuildAbandoned, SnapshotUnknown
from gateway.list_files import (
    FORMATS,
    builder_of,
    formats_of,
    lineage_of,
    suffix_of,
    version_of,
)
from gateway.list_tables import Moment
from gateway.offered import forget_changes, keep_only_offered
from gateway.statements import LIBRARY, Statement
from gateway.store import Store, Write

CHANGES_MAX = 5_000  # a new file when a follower would have to apply more than this
BYTES_PER_CHANGE = 6_000  # of the file: a change is a tenth of that, and costs a commit besides
COMPACT_CHANGES_MAX = 200  # a microcontroller has room for 600 beside its list
BUILD_AGAIN_MS = 60_000  # a second of work each: a thousand gates' wishes are one file a minute
AGE_MS_MAX = 24 * 3600 * 1000
QUICK_MS = 1_000  # a list that is built faster than this is built whenever it is due
QUIET_MS = 5_000  # an import commits more than once a second
TOOK_MS_MAX = 600_000  # a clock that is set right meanwhile makes no list dear for ever
BUILDING_SHARE = 20  # of the time at most a twentieth goes into a list that never comes to rest
BLOCK_BYTES = 1 << 20
PACKED_BYTES_MIN = 1 << 20
PACKING_LEVEL = 1  # four times smaller at 470 MB/s; level 9 gains nothing at 30 MB/s

_SNAPSHOT, _CHANGE = schema.SNAPSHOT, schema.CHANGE
_OFFERED = (
    sa.select(_SNAPSHOT)
    .where(
        _SNAPSHOT.c.library_id == LIBRARY,
        _SNAPSHOT.c.kind == sa.bindparam("of_kind"),
        _SNAPSHOT.c.format == sa.bindparam("in_format"),
    )
    .order_by(_SNAPSHOT.c.built_at.desc())
    .limit(sa.literal_column("1"))
)
_NEWEST = Statement(_OFFERED)
_OF_VERSION = Statement(_OFFERED.where(_SNAPSHOT.c.version == sa.bindparam("at_version")))
_FEEDS = Statement(sa.select(schema.FEED).where(schema.FEED.c.library_id == LIBRARY))
_CHANGES = Statement(
    sa.select(sa.func.count())
    .select_from(_CHANGE)
    .where(
        _CHANGE.c.library_id == LIBRARY,
        _CHANGE.c.kind == sa.bindparam("of_kind"),
        _CHANGE.c.version > sa.bindparam("after"),
        _CHANGE.c.version <= sa.bindparam("upto"),
    )
)


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
        self,
        store: Store,
        library_id: str,
        folder: Path,
        *,
        rest: Callable[[], None] = lambda: None,
    ):
        """rest: called after every page of rows that is written; see `Moment`."""
        self.store = store
        self.library_id = library_id
        self.folder = folder / library_id
        self._rest = rest
        self._wanted: set[tuple[str, str]] = set()
        self._counted: dict[tuple[str, str], tuple[int, int, int]] = {}
        self._took_ms: dict[tuple[str, str], int] = {}
        self._floors: dict[str, tuple[int, int]] = {}

    def offered(
        self, kind: str, version: int | None = None, format_name: str | None = None
    ) -> Snapshot:
        """Return the newest snapshot of a kind, or the one of that version.

        format_name: one of `formats_of(kind)`, the first if it is not given.
        """
        place: dict[str, Any] = {"of_kind": kind, "in_format": format_name or FORMATS.get(kind)}
        with self.store.read() as connection:
            if version is None:
                row = _NEWEST.first(connection, library_id=self.library_id, **place)
            else:
                place["at_version"] = version
                row = _OF_VERSION.first(connection, library_id=self.library_id, **place)
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
            whole = self.offered(kind)
            with self.store.read() as connection:
                is_ours = whole.lineage == lineage_of(connection, self.library_id)
            return whole if is_ours else None
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
            waiting = self._changes_since(connection, newest, feed.version)
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
            feeds = _FEEDS.rows(connection, library_id=self.library_id)
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
        if newest.lineage != lineage:
            return True
        if newest.version < feed.floor:
            return self._may_be_built(newest, feed)
        if wanted and self._is_older(newest, BUILD_AGAIN_MS):
            return True
        old = self._is_older(newest, AGE_MS_MAX)
        waiting = self._changes_since(connection, newest, feed.version)
        dear = max(CHANGES_MAX, newest.size_bytes // BYTES_PER_CHANGE)
        return waiting > dear or (old and newest.version < feed.version)

    def _is_older(self, newest: Snapshot, than_ms: int) -> bool:
        return not 0 <= self.store.clock() - newest.built_at < than_ms

    def _may_be_built(self, newest: Snapshot, feed: Any) -> bool:
        """Whether an import has ended, or lasts so long that a list of half of it is wanted."""
        took_ms = self._took_ms.get((newest.kind, newest.format), 0)
        if took_ms < QUICK_MS:
            return True
        now_ms = self.store.clock()
        floor, since_ms = self._floors.get(feed.kind, (-1, now_ms))
        if floor != feed.floor:
            self._floors[feed.kind] = (feed.floor, now_ms)
            since_ms = now_ms
        is_quiet = not 0 <= now_ms - since_ms < QUIET_MS
        return is_quiet or self._is_older(newest, BUILDING_SHARE * took_ms)

    def _newest(self, kind: str, format_name: str) -> Snapshot | None:
        try:
            return self.offered(kind, format_name=format_name)
        except SnapshotUnknown:
            return None

    def _changes_since(self, connection: sa.Connection, newest: Snapshot, version: int) -> int:
        """Return how many changes a station with this file would apply to come to a version.

        Counted on from the last look: at its end the change table is larger than the list.
        """
        key = (newest.kind, newest.format)
        base, counted_to, count = self._counted.get(key, (-1, 0, 0))
        if base != newest.version:
            counted_to, count = newest.version, 0
        span = {"of_kind": newest.kind, "after": counted_to, "upto": version}
        count += int(_CHANGES.value(connection, library_id=self.library_id, **span))
        self._counted[key] = (newest.version, version, count)
        return count

    def build(self, kind: str, format_name: str | None = None) -> Snapshot:
        """Build, hash and offer the list as it is now; return what is offered."""
        self.folder.mkdir(parents=True, exist_ok=True)
        name = format_name or FORMATS[kind]
        self._wanted.discard((kind, name))  # before it is built: a later wish may need another
        began_ms = self.store.clock()
        with self.store.read() as connection:
            lineage = lineage_of(connection, self.library_id)
            version = version_of(connection, self.library_id, kind)
            file = self.folder / f"{kind}-{lineage}-{version}.{suffix_of(name)}"
            building = file.with_name(f"{file.name}.building")
            building.unlink(missing_ok=True)
            moment = Moment(connection, self.library_id, lineage, version, self._rest)
            try:
                builder_of(kind, name)(moment, building)
            except BaseException:
                building.unlink(missing_ok=True)  # a full disk needs the room
                raise
        size_bytes, digest = _seal(building, file)
        built_at = self.store.clock()
        self._took_ms[kind, name] = min(built_at - began_ms, TOOK_MS_MAX)
        snapshot = Snapshot(kind, name, lineage, version, size_bytes, digest, file, built_at)
        oldest = self._offer(snapshot)
        forget_changes(self.store, self.library_id, kind, oldest)
        return snapshot

    def _offer(self, snapshot: Snapshot) -> int:
        """Offer a file; return the oldest version that any station may have fetched and use."""
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
            _date_back(write, snapshot)
            write.upsert(schema.SNAPSHOT, [row])
            oldest, files = keep_only_offered(write, snapshot.kind)
        for file in self.folder.glob(f"{snapshot.kind}-*"):
            if not files & {file, file.with_suffix("")}:  # the list, or the list packed
                file.unlink(missing_ok=True)
        return oldest


class Breather:
    """Lets whoever builds a list rest as long as it worked, so that the others are not slowed.

    With Python's one lock two busy threads get half of a processor each; a builder of a large
    list that never rests would halve what the gateway takes in meanwhile.
    """

    def __init__(self, stopping: threading.Event, *, longest_s: float = 0.05):
        """stopping: ends the building at the next rest. longest_s: of one rest, in seconds."""
        self._stopping = stopping
        self._longest_s = longest_s
        self._woke = time.monotonic()

    def __call__(self) -> None:
        """Rest; raises BuildAbandoned when the program is to stop."""
        if self._stopping.wait(min(time.monotonic() - self._woke, self._longest_s)):
            raise BuildAbandoned("the gateway stops; the list is built at the next start")
        self._woke = time.monotonic()


def packed_file(file: Path) -> Path:
    """Return where a list lies packed, if it is worth it; see docs/decisions/0019."""
    return file.with_name(f"{file.name}.zst")


def _seal(building: Path, file: Path) -> tuple[int, str]:
    """Force the file to disk, hash and pack it, give it its name; return its size and hash."""
    digest = hashlib.sha256()
    packing = packed_file(building)
    packer = zstandard.ZstdCompressor(level=PACKING_LEVEL).compressobj()
    with building.open("rb") as source, packing.open("wb") as packed:
        os.fsync(source.fileno())
        while block := source.read(BLOCK_BYTES):
            digest.update(block)
            packed.write(packer.compress(block))
        packed.write(packer.flush())
        size_bytes = source.tell()
    if size_bytes >= PACKED_BYTES_MIN:
        packing.rename(packed_file(file))
    else:
        packing.unlink()
    building.rename(file)
    return size_bytes, digest.hexdigest()


def _date_back(write: Write, newest: Snapshot) -> None:
    """Let whatever a wrong clock dated later than the newest have been built just before it."""
    table = schema.SNAPSHOT
    own = write.select(table, kind=newest.kind, format=newest.format)
    built_at = newest.built_at
    for row in write.execute(own.order_by(table.c.built_at.desc())).all():
        built_at = min(row.built_at, built_at - 1)
        if built_at < row.built_at:
            place = {"kind": row.kind, "format": row.format, "version": row.version}
            write.execute(write.update(table, **place).values(built_at=built_at))


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
