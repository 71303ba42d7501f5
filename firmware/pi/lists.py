"""The list of what may leave, on disk and over the network.

Laws:
- A downloaded file counts only if its length and SHA-256 are those announced; then it is
  renamed into place, and until then the old one stays.
- The newest list of the history before this one is kept beside it, until the gateway says that
  it has recovered: a gate uses old and new together (`firmware/gate/lists.py`).
- Nothing here runs in the detection loop.
"""

from __future__ import annotations

import hashlib
import http
import http.client
import json
import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from circulation.gateway_http import Connect
from circulation.wire.check import Hex, Integer
from circulation.wire.messages import Pointer
from firmware.gate.errors import EventInvalid
from firmware.gate.lists import ExactList
from firmware.pi.errors import ListRefused

FORMAT = "json-1"
LIST_BYTES_MAX = 256 * 1024 * 1024  # 2 million keys of 60 characters, twice
CHUNK_BYTES = 64 * 1024

_NEW, _OLD = "may_leave.json", "may_leave-before.json"


@dataclass(frozen=True, slots=True)
class Fetched:
    """A list arrived and lies on the disk."""

    list: ExactList


@dataclass(frozen=True, slots=True)
class NotFetched:
    """A list could not be had now; why is a sentence for staff."""

    why: str


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

    def __init__(self, folder: Path) -> None:
        """The folder is made if it is not there."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

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
        made = parse_list(content)
        new = self._folder / _NEW
        before = [kept.lineage for kept in self.kept()[-1:]]
        has_old = (self._folder / _OLD).exists()
        if before and before != [made.lineage] and not has_old:
            os.replace(new, self._folder / _OLD)
        part = new.with_suffix(".part")
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, new)
        self._sync_folder()
        return made

    def recovered(self) -> None:
        """Forget the history before this one."""
        (self._folder / _OLD).unlink(missing_ok=True)

    def _sync_folder(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def download(base_url: str, pointer: Pointer, connect: Connect) -> bytes:
    """Return the announced bytes, verified; raise ListRefused."""
    if pointer.bytes > LIST_BYTES_MAX:
        raise ListRefused(f"may_leave: {pointer.bytes} bytes announced; at most {LIST_BYTES_MAX}")
    if not pointer.path.startswith("/"):
        raise ListRefused("may_leave: the announced path must begin with /")
    try:
        content = _read_all(connect(base_url), pointer)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise ListRefused(f"may_leave: cannot be fetched: {error}") from error
    if len(content) != pointer.bytes:
        raise ListRefused(f"may_leave: {len(content)} bytes came, {pointer.bytes} were announced")
    if hashlib.sha256(content).hexdigest() != pointer.sha256:
        raise ListRefused("may_leave: the bytes that came have another SHA-256 than announced")
    return content


def fetch(
    base_url: str, pointer: Pointer, folder: ListFolder, connect: Connect
) -> Fetched | NotFetched:
    """Download, verify and keep a list; never raises for a bad network or a bad file."""
    try:
        return Fetched(folder.keep(download(base_url, pointer, connect)))
    except (ListRefused, OSError) as error:
        return NotFetched(str(error))


def _read_all(connection: http.client.HTTPConnection, pointer: Pointer) -> bytes:
    content = bytearray()
    with closing(connection):
        connection.request("GET", pointer.path, headers={"Accept-Encoding": "identity"})
        response = connection.getresponse()
        if response.status != http.HTTPStatus.OK:
            raise ListRefused(f"may_leave: cannot be fetched: {response.status} {response.reason}")
        while chunk := response.read(CHUNK_BYTES):
            content += chunk
            if len(content) > pointer.bytes:
                raise ListRefused(f"may_leave: more than the {pointer.bytes} bytes announced came")
    return bytes(content)


Fetch = Callable[[Any], Fetched | NotFetched]
