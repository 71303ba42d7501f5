"""A new version comes in: piece by piece, into the slot that is not running.

    install = Install(files, choice, device)  # refuses if what runs is on trial itself
    taken = install.feed(part)                # how many bytes it took; 0: give the same again
    version = install.finish()                # None: once more; then the next start tries it

Each call takes one small step, so the gate goes on looking between two of them. The signature is
checked before the first file is written, and everything that was written before the switch.
Whatever is refused raises UpdateRefused, a full flash or a broken one OSError; the installation
is over then, and what runs goes on.
"""

import hashlib
import sys
from collections import namedtuple

from circulation.wire.update import (
    HEADER_BYTES,
    KEY_ID_BYTES,
    PACKAGE_BYTES_MAX,
    UpdateRefused,
    board_format,
    check_manifest,
    manifest_bytes,
)
from firmware.mcu.boards import this_board
from firmware.mcu.ed25519 import Verification
from firmware.mcu.update import FAILURES_MAX, checked, key_id, manifest_of, path_of, slot_bytes
from firmware.mcu.update_state import NO_KEY, NO_OFFER, A, B, load, save
from firmware.mcu.version import running

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from circulation.wire.update import Heading
    from firmware.mcu.update import Choice

BYTECODE = 6
"""Of compiled files since MicroPython 1.19, for a Python that has none."""
RESERVE_BYTES = 12 * 1_024
"""LittleFS writes a block anew before it frees the old one; the journal must be able to."""


class Device(namedtuple("Device", ("base", "board", "bytes_max", "piece_bytes"))):
    """What an update must fit.

    base: the version that was flashed. board: see `board_format`. bytes_max: of a slot.
    piece_bytes: to be asked for at most, as long as the heap has a place for.
    """


def this_device(files: "Any") -> Device:
    """Return what an update must fit here. files: see `DeviceFiles`."""
    bytecode = getattr(sys.implementation, "_mpy", BYTECODE) & 0xFF
    board = this_board()
    name, room = board_format(board.NAME, bytecode), slot_bytes(files.flash_bytes())
    return Device(running()[1], name, room, board.PIECE_BYTES)


class Install:
    """One update on its way in."""

    def __init__(
        self,
        files: "Any",
        choice: "Choice",
        device: Device,
        *,
        offer: bytes = NO_OFFER,
        verification: "Callable[..., Any]" = Verification,
    ) -> None:
        """Forget what the other slot held; raise UpdateRefused while a version is on trial.

        choice: what runs. offer: the id of what the gateway offered, if it comes from there.
        """
        self._files, self._running, self._device = files, choice, device
        self._offer, self._new_verification = offer, verification
        self._state = state = load(files)
        if state.trial:
            raise UpdateRefused("update: the version before is still on trial")
        self.slot = B if choice.slot == A else A
        if state.versions[self.slot - 1]:
            state.forget(self.slot)
            state.good = choice.slot
            save(files, state)
        self._is_complete = False
        self._header = b""
        self._wanted = 0
        self._digest = b""
        self._version = 0
        self._whole, self._signed = hashlib.sha256(), hashlib.sha256()
        self._out: Any = None
        self._steps: Iterator[None] = iter(())
        self._take: Callable[[Any], int] = self._take_header

    def feed(self, part: "bytes | memoryview") -> int:
        """Return how many of these bytes were taken; 0 while something else must be done first.

        Raise UpdateRefused or OSError, after which this installation is over.
        """
        if self._is_busy():
            return 0
        return self._guarded(self._take, part)

    def finish(self) -> "int | None":
        """Return the version that the next start tries, or None: call again.

        Raise UpdateRefused if bytes are missing or what was written is not what was signed.
        """
        if self._is_busy():
            return None
        if not self._is_complete:
            self.close()
            raise UpdateRefused("update: it ends too early")
        state = load(self._files)
        state.trial, state.tries = self.slot, 0
        state.versions[self.slot - 1] = self._version
        state.digests[self.slot - 1] = self._digest
        if self._offer != NO_OFFER:
            state.offer = self._offer
        state.why = ""
        save(self._files, state)
        self.close()
        return self._version

    def close(self) -> None:
        """Let the files go; what came so far counts for nothing."""
        if self._out is not None:
            self._out.close()
        self._out = None
        self._is_complete = False
        self._steps = iter(())
        self._take = self._take_refused

    def _is_busy(self) -> bool:
        """Do one step of what must be done first; return whether there was one."""
        return bool(self._guarded(self._step, b""))

    def _step(self, _: bytes) -> int:
        for _done in self._steps:
            return 1
        return 0

    def _guarded(self, call: "Callable[[Any], int]", part: "Any") -> int:
        try:
            return call(part)
        except Exception:
            self.close()
            raise

    def _take_header(self, part: "bytes | memoryview") -> int:
        piece = bytes(part[: HEADER_BYTES - len(self._header)])
        self._header += piece
        if len(self._header) == HEADER_BYTES:
            self._wanted = manifest_bytes(self._header)
            self._out = self._files.open(path_of(self.slot), "wb")
            self._out.write(self._header)
            self._whole.update(self._header)
            self._take = self._take_manifest
        return len(piece)

    def _take_manifest(self, part: "bytes | memoryview") -> int:
        piece = part[: self._wanted]
        self._write(piece)
        self._whole.update(piece)
        self._signed.update(piece)
        if not self._wanted:
            self._out.close()
            self._steps = self._check_signature()
            self._take = self._take_files
        return len(piece)

    def _check_signature(self) -> "Iterator[None]":
        at = 4 + KEY_ID_BYTES
        named, signature = self._header[4:at], self._header[at : at + 64]
        keys = [key for key in self._state.keys if key != NO_KEY and key_id(key) == named]
        if not keys:
            raise UpdateRefused("update: signed with a key that this device does not trust")
        verification = self._new_verification(keys[0], self._signed.digest(), signature)
        while verification.answer is None:
            verification.step()
            yield
        if not verification.answer:
            raise UpdateRefused("update: the signature is wrong")
        with self._files.open(path_of(self.slot), "rb") as file:
            lines = manifest_of(file)
            size = HEADER_BYTES + lines.left
            heading, _, self._wanted = check_manifest(lines.readline, PACKAGE_BYTES_MAX)
        self._check_version(heading)
        self._check_device(heading)
        self._check_room(size + self._wanted)
        self._version = heading.version
        self._out = self._files.open(path_of(self.slot), "ab")
        self._end_if_complete()

    def _check_version(self, heading: "Heading") -> None:
        state, version = self._state, heading.version
        least = max(self._running.version + 1, state.highest, state.floor)
        if version < least:
            raise UpdateRefused(f"update: version {version} is old; {least} or higher is taken")
        if version == state.failed and state.failures >= FAILURES_MAX:
            raise UpdateRefused(f"update: version {version} was rolled back {FAILURES_MAX} times")

    def _check_device(self, heading: "Heading") -> None:
        device = self._device
        if heading.base not in (0, device.base):
            raise UpdateRefused(
                f"update: it builds on version {heading.base}, and this is {device.base}"
            )
        if heading.board not in ("", device.board):
            raise UpdateRefused(f"update: it is for {heading.board}, and this is {device.board}")

    def _check_room(self, size: int) -> None:
        if size > self._device.bytes_max:
            raise UpdateRefused(f"update: {size} bytes; {self._device.bytes_max} have room here")
        free = self._files.free_bytes()
        if free is not None and free < self._wanted + RESERVE_BYTES:
            raise UpdateRefused("update: the flash has no room for it")

    def _take_files(self, part: "bytes | memoryview") -> int:
        piece = part[: self._wanted]
        self._write(piece)
        self._end_if_complete()
        return len(piece)

    def _end_if_complete(self) -> None:
        """After the last byte, check all that was written."""
        if self._wanted:
            return
        self._out.close()
        self._digest = self._whole.digest()
        self._steps = checked(self._files, self.slot, self._digest, self._device.base)
        self._take = self._take_nothing
        self._is_complete = True

    def _take_nothing(self, part: "bytes | memoryview") -> int:
        if len(part):
            raise UpdateRefused("update: there are bytes behind its end")
        return 0

    def _take_refused(self, part: "bytes | memoryview") -> int:
        raise UpdateRefused("update: this installation is over; begin another")

    def _write(self, piece: "bytes | memoryview") -> None:
        self._out.write(piece)
        self._wanted -= len(piece)
