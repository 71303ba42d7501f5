"""The list of what may leave, on disk and over the network.

Laws:
- A downloaded file counts only if its length and SHA-256 are those announced; then it is
  renamed into place, and until then the old one stays. It comes packed, goes on where the line
  broke, and keeps the gateway's appointments, as at a kiosk (`circulation/download.py`).
- The newest list of the history before this one is kept beside it, until the gateway says that
  it has recovered: a gate uses old and new together (`firmware/gate/lists.py`).
- Nothing here runs in the detection loop.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from circulation.download import SPARE_BYTES, Download, free_on_disk
from circulation.errors import SnapshotBusy, SnapshotError
from circulation.gateway_http import Connect
from circulation.wire.check import Hex, Integer
from circulation.wire.messages import Pointer
from firmware.gate.errors import EventInvalid
from firmware.gate.lists import ExactList
from firmware.pi.errors import ListRefused

FORMAT = "json-1"
LIST_BYTES_MAX = 256 * 1024 * 1024  # 2 million keys of 60 characters, twice

_NEW, _OLD = "may_leave.json", "may_leave-before.json"


@dataclass(frozen=True, slots=True)
class Fetched:
    """A list arrived and lies on the disk."""

    list: ExactList


@dataclass(frozen=True, slots=True)
class NotFetched:
    """A list could not be had now; why is a sentence for staff.

    again_ms: when the gateway said to come again, because others are served first.
    """

    why: str
    again_ms: int | None = None


def parse_list(content: bytes) -> ExactList:
    """Return the list in a snapshot of format json-1; raise ListRefused."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ListRefused(f"may_leave: not JSON: {error}") from error
    if not isinstance(document, dict):
        raise ListRefused("may_leave: must be an object")
    lineage, version = document.get("lineage"), document.get("version")
    if Hex(16)(lineage) or Integer()(version):
        raise ListRefused("may_leave: lineage or version is missing or wrong")
    keys, unsecured = document.get("keys"), document.get("unsecured")
    if not isinstance(keys, list) or not isinstance(unsecured, list):
        raise ListRefused("may_leave: keys and unsecured must be lists")
    try:
        return ExactList(str(lineage), int(str(version))).loaded(keys, unsecured)
    except (EventInvalid, TypeError, ValueError) as error:
        raise ListRefused(f"may_leave: {error}") from error


class ListFolder:
    """Where the list lies, and the one before it."""

    def __init__(self, folder: Path, free_bytes: Callable[[Path], int] = free_on_disk) -> None:
        """The folder is made if it is not there. free_bytes: how much room is on its disk."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._has_old = (folder / _OLD).exists()
        self._free_bytes = free_bytes

    def download(self, pointer: Pointer) -> Download:
        """Return the way here of an announced list; the journal lies on the same card."""
        stem = self._folder / f"{pointer.kind}-{pointer.sha256[:16]}"
        return Download(pointer, stem, lambda: self._free_bytes(self._folder), SPARE_BYTES)

    def kept(self) -> list[ExactList]:
        """Return the lists on disk, the older history first; damaged ones are left out."""
        found = []
        for name in (_OLD, _NEW):
            try:
                found.append(parse_list((self._folder / name).read_bytes()))
            except (OSError, ListRefused):
                continue
        return found

    def keep(self, content: bytes) -> ExactList:
        """Put a verified list into place; return it. Raise ListRefused."""
        part = (self._folder / _NEW).with_suffix(".part")
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        return self.take(part)

    def take(self, file: Path) -> ExactList:
        """Rename a verified file of this folder into place; return the list in it.

        Raise ListRefused, and delete the file, if it holds none.
        """
        try:
            made = parse_list(file.read_bytes())
        except ListRefused:
            file.unlink()
            raise
        new = self._folder / _NEW
        before = [kept.lineage for kept in self.kept()[-1:]]
        if before and before != [made.lineage] and not self._has_old:
            os.replace(new, self._folder / _OLD)
            self._has_old = True
        os.replace(file, new)
        self._sync_folder()
        return made

    def recovered(self) -> None:
        """Forget the history before this one; every head says that it may go."""
        if self._has_old:
            (self._folder / _OLD).unlink(missing_ok=True)
            self._has_old = False

    def _sync_folder(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def fetch(
    base_url: str, pointer: Pointer, folder: ListFolder, connect: Connect
) -> Fetched | NotFetched:
    """Download, verify and keep a list; never raises for a bad network or a bad file."""
    try:
        _check(pointer)
        file = folder.download(pointer).fetch(connect(base_url))
        return Fetched(folder.take(file))
    except SnapshotBusy as busy:
        return NotFetched(str(busy), busy.again_ms)
    except (SnapshotError, ListRefused, OSError) as error:
        return NotFetched(str(error))


def _check(pointer: Pointer) -> None:
    if pointer.bytes > LIST_BYTES_MAX:
        raise ListRefused(f"may_leave: {pointer.bytes} bytes announced; at most {LIST_BYTES_MAX}")
    if not pointer.path.startswith("/"):
        raise ListRefused("may_leave: the announced path must begin with /")
