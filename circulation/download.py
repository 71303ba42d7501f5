"""Brings a list's bytes here over HTTP, whatever happens on the way.

Laws of this file:

1. What has come stays, cut at whatever byte, and the next try asks for the rest of those very
   bytes (`If-Range`); other bytes are never glued on.
2. A list is asked for packed, which is a quarter of the bytes, and unpacked when all has come.
   It counts as here only with the promised size and SHA-256, forced to disk.
3. Facts go before lists: what would fill the card is given up and deleted.
4. Nothing is held in memory but a block, however large the list, whatever it unpacks to.
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import zstandard

from circulation.errors import (
    NoRoomForSnapshot,
    SnapshotBusy,
    SnapshotInvalid,
    SnapshotUnreachable,
)
from circulation.wire.messages import Pointer

BLOCK_BYTES = 256 * 1024
WINDOW_BYTES_MAX = 8 << 20
BLOCKS_BETWEEN_LOOKS = 64  # at the room on the card: every 16 MB
AGAIN_S_DEFAULT, AGAIN_S_MAX = 60, 3_600
PACKED = "zstd"
PARTS = (".part", ".packed", ".whole")
"""What has come of a list, of a packed list, and what is being unpacked."""
SPARE_BYTES = 64 << 20
"""Room that a list must leave on the disk: facts go before lists."""


def free_on_disk(folder: Path) -> int:
    """Return the room on the disk that holds a folder."""
    return shutil.disk_usage(folder).free


@dataclass(frozen=True, slots=True)
class Download:
    """One list on its way.

    stem: of its files, which no other list has. free_bytes: how much room is on the card.
    spare_bytes: how much of it must stay.
    """

    pointer: Pointer
    stem: Path
    free_bytes: Callable[[], int]
    spare_bytes: int

    def fetch(self, connection: http.client.HTTPConnection) -> Path:
        """Return the whole list's file, checked and on the disk, under a name for the time being.

        What came of other lists of this kind is deleted: nobody will ask for the rest. The
        connection is closed. Raises SnapshotBusy or SnapshotUnreachable when trying again may
        help, NoRoomForSnapshot when somebody must make room, SnapshotInvalid for other bytes.
        """
        try:
            self._forget_others()
            return self._fetch(connection)
        except (OSError, http.client.HTTPException) as error:
            why = str(error) or type(error).__name__
            raise SnapshotUnreachable(f"{self.pointer.kind}: cannot be fetched: {why}") from error
        finally:
            connection.close()

    def _fetch(self, connection: http.client.HTTPConnection) -> Path:
        plain, packed, whole = (self.stem.with_suffix(part) for part in PARTS)
        try:
            if not plain.exists() or plain.stat().st_size < self.pointer.bytes:
                self._receive(connection)
            if packed.exists():
                self._unpack(packed, whole)
                packed.unlink()
                return whole
            self._check(plain)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            self.forget()
            raise self._no_room(self.pointer.bytes) from error
        return plain

    def forget(self) -> None:
        """Delete what has come."""
        for part in PARTS:
            self.stem.with_suffix(part).unlink(missing_ok=True)

    def _forget_others(self) -> None:
        for file in self.stem.parent.glob(f"{self.pointer.kind}-*"):
            if file.suffix in PARTS and file.with_suffix("") != self.stem:
                file.unlink(missing_ok=True)

    def check_room(self, wanted_bytes: int) -> None:
        """Raise NoRoomForSnapshot unless so much more fits beside what must stay free."""
        if self.free_bytes() < wanted_bytes + self.spare_bytes:
            raise self._no_room(wanted_bytes)

    def _no_room(self, wanted_bytes: int) -> NoRoomForSnapshot:
        return NoRoomForSnapshot(
            f"{self.pointer.kind}: {wanted_bytes >> 20} MB do not fit beside the old list and the "
            f"journal ({self.free_bytes() >> 20} MB free, {self.spare_bytes >> 20} MB must stay); "
            "make room on the card"
        )

    def _receive(self, connection: http.client.HTTPConnection) -> None:
        """Ask for what is missing and put it behind what is here."""
        plain, packed, _ = (self.stem.with_suffix(part) for part in PARTS)
        begun = plain if plain.exists() else packed
        have = begun.stat().st_size if begun.exists() else 0
        self.check_room(self.pointer.bytes - (have if begun is plain else 0))
        connection.request("GET", self.pointer.path, headers=self._headers(begun is packed, have))
        response = connection.getresponse()
        if response.status == 206 and have:
            if not (response.headers.get("Content-Range") or "").startswith(f"bytes {have}-"):
                self.forget()
                raise SnapshotUnreachable("the gateway answered another range than was asked for")
        elif response.status == 416 and begun is packed and have:
            return  # all of it was here; if it is not, unpacking says so
        else:
            self._refuse(response)
            self.forget()
            begun = packed if response.headers.get("Content-Encoding") == PACKED else plain
            have = 0
        self._store(response, begun, have)

    def _headers(self, is_packed: bool, have: int) -> dict[str, str]:
        """Return what to ask with: the rest only of the bytes that are here already."""
        encoding, tag = ("identity", self.pointer.sha256)
        if is_packed:
            encoding, tag = PACKED, f"{self.pointer.sha256}-{PACKED}"
        headers = {"Accept-Encoding": encoding}
        if have:
            headers |= {"Range": f"bytes={have}-", "If-Range": f'"{tag}"'}
        return headers

    def _refuse(self, response: http.client.HTTPResponse) -> None:
        if response.status == 503:
            wait = response.headers.get("Retry-After") or ""
            wait_s = int(wait) if wait.isascii() and wait.isdigit() else AGAIN_S_DEFAULT
            raise SnapshotBusy(
                f"{self.pointer.kind}: the gateway serves other stations first",
                again_ms=1_000 * min(wait_s, AGAIN_S_MAX),
            )
        if response.status != 200:
            said = f"{response.status} {response.reason}"
            raise SnapshotUnreachable(f"{self.pointer.kind}: the gateway answered {said}")

    def _store(self, response: http.client.HTTPResponse, part: Path, have: int) -> None:
        limit = self.pointer.bytes
        more = response.length or 0
        if part.suffix == ".packed":
            limit += limit // 100 + BLOCK_BYTES  # what does not pack grows by less
            self.check_room(self.pointer.bytes + more)
        with part.open("r+b" if have else "wb") as file:
            file.seek(have)
            blocks = 0
            while block := response.read(BLOCK_BYTES):
                if file.tell() + len(block) > limit:
                    self.forget()
                    raise SnapshotInvalid("the gateway sent more bytes than it promised")
                file.write(block)
                blocks += 1
                if blocks % BLOCKS_BETWEEN_LOOKS == 0 and self.free_bytes() < self.spare_bytes:
                    self.forget()
                    raise self._no_room(limit - file.tell())
            file.flush()
            os.fsync(file.fileno())
            here = file.tell()
        if here < have + more:
            raise SnapshotUnreachable(f"{self.pointer.kind}: {here} of {have + more} bytes came")

    def _unpack(self, packed: Path, whole: Path) -> None:
        """Unpack, hash and write in one go; what is damaged is fetched anew."""
        digest = hashlib.sha256()
        size = 0
        with packed.open("rb") as source, whole.open("wb") as target:
            for block in self._unpacked(source):
                size += len(block)
                if size > self.pointer.bytes:
                    break
                digest.update(block)
                target.write(block)
            target.flush()
            os.fsync(target.fileno())
        if size < self.pointer.bytes:
            whole.unlink()
        self._judge(size, digest.hexdigest())

    def _unpacked(self, source: BinaryIO) -> Iterator[bytes]:
        """Yield what a packed file holds, a block at a time; a truncated one just ends."""
        unpacker = zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES_MAX)
        reader = unpacker.stream_reader(source)
        try:
            while block := reader.read(BLOCK_BYTES):
                yield block
        except zstandard.ZstdError as error:
            self.forget()
            raise SnapshotUnreachable(f"{self.pointer.kind}: damaged: {error}") from error

    def _check(self, plain: Path) -> None:
        digest = hashlib.sha256()
        with plain.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                digest.update(block)
            size = file.tell()
        self._judge(size, digest.hexdigest())

    def _judge(self, size: int, sha256: str) -> None:
        """Raise unless these are the promised bytes; only a part of them may be gone on with."""
        kind, promised = self.pointer.kind, self.pointer.bytes
        if size < promised:
            raise SnapshotUnreachable(f"{kind}: {size} of {promised} bytes came")
        if size > promised or sha256 != self.pointer.sha256:
            self.forget()
            raise SnapshotInvalid(f"{kind}: the bytes do not have the promised SHA-256")
