"""Programs for microcontrollers: taken in as they were signed, kept, and withdrawn.

Laws:
- The gateway holds no signing key and can make no update. It reads what an update says of itself,
  so that staff hear at once what no device would take; whose it is, devices find out.
- One offer for each kind of board. The next one takes its place, and has an id of its own: a
  station tries each id once, so the same file offered anew is tried anew.
- A withdrawn offer stays known, as nothing: a broker may still keep what was said of it.
"""

from __future__ import annotations

import hashlib
import io
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from circulation.wire.check import ListOf, Name
from circulation.wire.limits import OFFER_STATIONS_MAX, OFFER_WITHIN_MS_MAX
from circulation.wire.update import (
    HEADER_BYTES,
    PROGRAM_BYTES_MAX,
    Entry,
    Heading,
    UpdateRefused,
    check_manifest,
    manifest_bytes,
    read_entries,
    read_heading,
)
from gateway import diary, schema
from gateway.errors import UpdateInvalid, UpdateUnknown
from gateway.statements import LIBRARY, Statement
from gateway.store import Store, Write

WITHIN_MS = 30 * 60_000
OFFSET_MAX = 1 << 30  # beyond every byte a column holds
_TABLE = schema.PROGRAM_OFFER
_COLUMNS = [column for column in _TABLE.c if column.name not in ("library_id", "content")]
_ALL = Statement(
    sa.select(*_COLUMNS).where(_TABLE.c.library_id == LIBRARY).order_by(_TABLE.c.format)
)
_stations = ListOf(Name(), OFFER_STATIONS_MAX)


@dataclass(frozen=True, slots=True)
class Update:
    """One program that is offered, or was until `withdrawn_at`.

    format: board and bytecode, such as pico-w-6. base: the flashed version it builds on, 0 for
    a whole program. within_ms: how far stations spread their beginnings. only: the stations it
    is for, empty for all.
    """

    format: str
    id: str
    version: int
    minimum: int
    base: int
    bytes: int
    sha256: str
    within_ms: int
    only: tuple[str, ...]
    offered_at: int
    withdrawn_at: int | None

    @property
    def is_offered(self) -> bool:
        """Whether stations may take it."""
        return self.withdrawn_at is None


class Updates:
    """What is offered to the microcontrollers of one library."""

    def __init__(self, store: Store, library_id: str):
        self.store = store
        self.library_id = library_id

    def offer(
        self, content: bytes, *, within_ms: int = WITHIN_MS, only: Sequence[str] = ()
    ) -> Update:
        """Offer a signed program in place of the one for the same boards; return what is offered.

        Raise `UpdateInvalid` for what no device would take, or for bad options.
        """
        heading = read_update(content)
        if not heading.board:
            raise UpdateInvalid("it names no board; sign it with --board")
        if not 0 <= within_ms <= OFFER_WITHIN_MS_MAX:
            raise UpdateInvalid("stations begin within a week at most")
        fault = _stations(list(only))
        if fault is not None:
            raise UpdateInvalid(f"the stations it is for {fault}")
        row = {
            "format": heading.board,
            "id": secrets.token_hex(8),
            "version": heading.version,
            "minimum": heading.minimum,
            "base": heading.base,
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "content": content,
            "within_ms": within_ms,
            "only": list(only),
            "withdrawn_at": None,
        }
        with self.store.write(self.library_id) as write:
            write.upsert(_TABLE, [{**row, "offered_at": write.now_ms}])
            made = self._one(write, heading.board)
            diary.note(write, "update_offered", version=made.version, board=made.format)
        return made

    def withdraw(self, format_name: str | None = None) -> list[Update]:
        """Offer it no more, for one kind of board or for all; return what was withdrawn.

        Stations that have it keep it. Raise `UpdateUnknown` if nothing is offered.
        """
        wanted = [
            update
            for update in self.all()
            if update.is_offered and format_name in (None, update.format)
        ]
        if not wanted:
            where = "" if format_name is None else f" for {format_name}"
            raise UpdateUnknown(f"no update is offered{where}")
        with self.store.write(self.library_id) as write:
            for update in wanted:
                change = write.update(_TABLE, format=update.format)
                write.execute(change.values(withdrawn_at=write.now_ms))
                version, board = update.version, update.format
                diary.note(write, "update_withdrawn", version=version, board=board)
        return wanted

    def all(self) -> list[Update]:
        """Return the newest offer for each kind of board, also if it was withdrawn."""
        with self.store.read() as connection:
            rows = _ALL.dicts(connection, library_id=self.library_id)
        return [_update(row) for row in rows]

    def piece(self, format_name: str, version: int, offset: int, count: int) -> tuple[bytes, bool]:
        """Return a piece of what is offered, and whether it is the last; raise `UpdateUnknown`."""
        first = sa.cast(min(offset, OFFSET_MAX) + 1, sa.Integer)  # PostgreSQL takes no larger one
        part = sa.func.substr(_TABLE.c.content, first, count, type_=sa.LargeBinary)
        query = sa.select(part, _TABLE.c.bytes).where(
            _TABLE.c.library_id == self.library_id,
            _TABLE.c.format == format_name,
            _TABLE.c.version == version,
            _TABLE.c.withdrawn_at.is_(None),
        )
        with self.store.read() as connection:
            row = connection.execute(query).first()
        if row is None or offset >= row[1]:
            raise UpdateUnknown(f"no byte {offset} of version {version} for {format_name}")
        return bytes(row[0]), offset + len(row[0]) >= row[1]

    def _one(self, write: Write, format_name: str) -> Update:
        query = sa.select(*_COLUMNS).where(
            _TABLE.c.library_id == self.library_id, _TABLE.c.format == format_name
        )
        return _update(write.execute(query).one()._mapping)


def read_update(content: bytes) -> Heading:
    """Return what an update says of itself; raise `UpdateInvalid` unless every byte fits it."""
    if len(content) > PROGRAM_BYTES_MAX:
        raise UpdateInvalid(f"{len(content)} bytes; an update has at most {PROGRAM_BYTES_MAX}")
    try:
        end = HEADER_BYTES + manifest_bytes(content[:HEADER_BYTES])
        text = content[HEADER_BYTES:end]
        heading, _, total = check_manifest(io.BytesIO(text).readline)
        entries = _entries(text)
    except UpdateRefused as error:
        raise UpdateInvalid(f"no device would take it: {error}") from error
    if len(content) != end + total:
        raise UpdateInvalid(f"it has {len(content)} bytes, and its manifest says {end + total}")
    for entry in entries:
        if hashlib.sha256(content[end : end + entry.size]).digest() != entry.digest:
            raise UpdateInvalid(f"{entry.path} is not as it was signed; copy the file anew")
        end += entry.size
    return heading


def _entries(manifest: bytes) -> list[Entry]:
    lines = io.BytesIO(manifest)
    _, line = read_heading(lines.readline)
    return list(read_entries(line, lines.readline))


def _update(values: Mapping[Any, Any]) -> Update:
    return Update(**{**values, "only": tuple(values["only"])})
