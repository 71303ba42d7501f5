"""Whole lists from the gateway: fetched with resume, checked, swapped by rename, opened read-only.

Laws of this file:

1. A file gets its name only after its size and SHA-256 were the promised ones and its bytes were
   forced to disk (`circulation/download.py`).
2. Lending goes on from the old file until the new one is open; a new one that does not open is
   an error, never an empty catalogue.
3. Nothing is ever written to an opened snapshot: it is opened `immutable`.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from circulation.download import PARTS, SPARE_BYTES, Download, free_on_disk
from circulation.errors import SnapshotInvalid
from circulation.gateway_http import Connect, plain
from circulation.wire.messages import Pointer

SNAPSHOT_BYTES_MAX = 4 << 30
"""1.5 million items are about 470 MB; nine times that still fits, a hostile number does not."""
SCHEMA_VERSION = 1
FORMATS = {"catalogue": "sqlite-1", "patrons": "sqlite-1", "policy": "json-1"}
KINDS = tuple(FORMATS)
_TABLES = {
    "catalogue": ("item", "item_uid", "title", "meta"),
    "patrons": ("patron", "card", "meta"),
}
_PATH = re.compile(r"/snapshot/[a-z_]{1,32}/[a-z0-9-]{1,32}/[0-9]{1,19}")


@dataclass(frozen=True, slots=True)
class Shelf:
    """The folder that holds this station's snapshots.

    spare_bytes: the room that must stay beside them. free_bytes: how much there is.
    """

    folder: Path
    gateway_url: str
    open_connection: Connect = plain
    spare_bytes: int = SPARE_BYTES
    free_bytes: Callable[[Path], int] = free_on_disk

    def file_of(self, kind: str, lineage: str, version: int) -> Path:
        """Where the snapshot of that version stands, once it is whole."""
        suffix = "json" if FORMATS[kind].startswith("json") else "db"
        return self.folder / f"{kind}-{lineage}-{version}.{suffix}"

    def fetch(self, pointer: Pointer) -> Path:
        """Bring the snapshot here and return its file.

        Raises SnapshotBusy or SnapshotUnreachable when trying again may help, NoRoomForSnapshot
        when somebody must make room, SnapshotInvalid when the pointer or the bytes are wrong.
        """
        check_pointer(pointer)
        target = self.file_of(pointer.kind, pointer.lineage, pointer.version)
        if target.exists():
            return target
        self.folder.mkdir(parents=True, exist_ok=True)
        stem = self.folder / f"{pointer.kind}-{pointer.sha256[:16]}"
        download = Download(pointer, stem, lambda: self.free_bytes(self.folder), self.spare_bytes)
        download.fetch(self.open_connection(self.gateway_url)).rename(target)
        _sync_folder(self.folder)
        return target

    def forget_others(self, kind: str, keep: Path) -> None:
        """Delete the files of this list but one; another list may be on its way just now."""
        for file in self.folder.glob(f"{kind}-*"):
            if file.suffix in (".db", ".json", *PARTS) and file != keep:
                file.unlink(missing_ok=True)


def check_pointer(pointer: Pointer) -> None:
    """Raise SnapshotInvalid for a pointer this station must not follow."""
    if FORMATS.get(pointer.kind) != pointer.format:
        raise SnapshotInvalid(f"no use for a {pointer.kind} in the format {pointer.format}")
    if not _PATH.fullmatch(pointer.path):
        raise SnapshotInvalid(f"{pointer.kind}: the path {pointer.path!r} is not a snapshot's")
    if not 0 < pointer.bytes <= SNAPSHOT_BYTES_MAX:
        raise SnapshotInvalid(f"{pointer.kind}: {pointer.bytes} bytes cannot be right")


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def open_snapshot(file: Path, kind: str) -> sqlite3.Connection:
    """Open a list for reading only; raises SnapshotInvalid when it is not that list."""
    address = f"file:{quote(str(file))}?mode=ro&immutable=1"
    try:
        connection = sqlite3.connect(address, uri=True, check_same_thread=False)
    except sqlite3.Error as error:
        raise SnapshotInvalid(f"{file.name}: {error}") from error
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    except (sqlite3.Error, UnicodeDecodeError) as error:
        connection.close()
        raise SnapshotInvalid(f"{file.name}: {error}") from error
    missing = [name for name in _TABLES[kind] if name not in tables]
    if version != SCHEMA_VERSION or missing:
        connection.close()
        raise SnapshotInvalid(f"{file.name}: schema {version}, missing {missing or 'nothing'}")
    connection.row_factory = sqlite3.Row
    return connection


def read_policies(file: Path) -> list[dict[str, Any]]:
    """Return the library's policies, the newest last; raises SnapshotInvalid."""
    try:
        policies = json.loads(file.read_bytes())["policies"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SnapshotInvalid(f"{file.name}: not a list of policies ({error})") from error
    if not isinstance(policies, list) or not all(isinstance(doc, dict) for doc in policies):
        raise SnapshotInvalid(f"{file.name}: not a list of policies")
    return policies
