"""Taking a new program from the gateway: an offer, then its pieces, then a trial.

Laws:
- Whoever passes comes first: nothing is asked for, written or computed but in a quiet moment, and
  then one small step at a time.
- One piece under way; gates begin at random moments within the time that the offer names, so that
  a thousand of them do not ask in the same minute.
- What comes goes to the slot that is not running. It is tried only if the SHA-256 of the whole is
  the one announced, the signature is of a key this device was given, and every file is what the
  signed manifest says (update_install.py).
- Each offer is tried once, also over restarts. What was refused or rolled back is said to staff
  as long as it is offered, and another offer is tried anew. What merely did not come, or could not
  be written, is begun anew after a while.

Nothing here restarts the board: `is_ready` says that there is something to restart for.
"""

import hashlib
from binascii import hexlify, unhexlify

from circulation.sync.backoff import Backoff
from circulation.sync.effects import SendRequest
from circulation.wire.messages import Request
from circulation.wire.topics import FIRMWARE
from circulation.wire.update import HEADER_BYTES, UpdateRefused
from firmware.mcu.ed25519 import Verification
from firmware.mcu.pieces import content_of
from firmware.mcu.update import refuse
from firmware.mcu.update_install import Install
from firmware.mcu.update_state import load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from circulation.wire.messages import Chunk, Offer
    from firmware.mcu.update import Choice
    from firmware.mcu.update_install import Device

PACE_MS = 400  # from a piece to the next, and up to as much again: 60 KB in half a minute
ANSWER_FIRST_MS, ANSWER_MS_MAX = 5_000, 60_000
AGAIN_FIRST_MS, AGAIN_MS_MAX = 60_000, 3_600_000
TRIES_MAX = 8
PART_BYTES = 512
STEPS = 4  # a tenth of a second's share: each is 512 bytes, or a bit of the signature's check

IDLE, WAITING, FETCHING, FINISHING, READY = 0, 1, 2, 3, 4


class UpdateFollowing:
    """What is offered to one gate, and how far it has come."""

    def __init__(
        self,
        files: "Any",
        running: "Choice",
        device: "Device",
        *,
        station: str,
        random_below: "Callable[[int], int]",
        verification: "Callable[..., Any]" = Verification,
    ) -> None:
        """files: see `DeviceFiles`. running: what boot.py chose. device: what must fit."""
        self.trouble = str(running.problem)[:120]
        self.board = device.board
        self.is_on_trial = bool(running.on_trial)
        self._files, self._running, self._device = files, running, device
        self._station, self._random_below = station, random_below
        self._new_verification = verification
        self._state = IDLE
        self._due_ms = 0
        self._offer: Offer | None = None
        self._install: Install | None = None
        self._part = b""
        self._came = 0
        self._whole = hashlib.sha256()
        self._piece = ("", 0)  # the id of the request under way, "" without one; its length
        self._tries = 0
        self._waiting = Backoff(ANSWER_FIRST_MS, ANSWER_MS_MAX, random_below, ANSWER_FIRST_MS // 2)
        self._again = Backoff(AGAIN_FIRST_MS, AGAIN_MS_MAX, random_below, AGAIN_FIRST_MS // 2)

    @property
    def firmware(self) -> str:
        """Return what runs, as the status says it."""
        trial = " on trial" if self.is_on_trial else ""
        return f"lendgate {self._running.version} {self.board}{trial}"

    @property
    def is_updating(self) -> bool:
        """Whether a program is coming in or waits for the restart: leave the power on."""
        return self._state in (FETCHING, FINISHING, READY)

    @property
    def is_ready(self) -> bool:
        """Whether the next start tries a new program."""
        return self._state == READY

    def on_offer(self, offer: "Offer", now_ms: int) -> None:
        """Take what the gateway offers; the same one again changes nothing."""
        known = self._offer
        if offer.format != self.board or self._state == READY:
            return
        if known is not None and known.id == offer.id and known.version == offer.version:
            return
        self._end()
        self._offer, self.trouble = offer, ""
        self._again.reset()
        is_for_us = not offer.only or self._station in offer.only
        if offer.version and is_for_us and self._is_wanted(offer):
            self._state = WAITING
            self._due_ms = now_ms + self._random_below(offer.within_ms + 1)

    def on_chunk(self, chunk: "Chunk", now_ms: int) -> None:
        """Take a piece; one nobody asked for changes nothing."""
        name, count = self._piece
        offer = self._offer
        if self._state != FETCHING or offer is None or not name or chunk.id != name:
            return
        if (chunk.version, chunk.offset) != (offer.version, self._came):
            return
        self._piece = ("", 0)
        self._due_ms = now_ms + PACE_MS + self._random_below(PACE_MS)
        part = content_of(chunk, count)
        if part is None:
            return  # damaged on its way; it is asked for again
        self._part = part
        self._came += count
        self._whole.update(part)
        self._tries = 0
        self._waiting.reset()

    def tick(self, now_ms: int, is_quiet: bool) -> "list[Any]":
        """Do a little if nobody passes; return what to carry out."""
        if self._state in (IDLE, READY) or not is_quiet:
            return []
        try:
            return self._work(now_ms)
        except UpdateRefused as error:
            self._refuse(str(error))
        except OSError as error:
            self.trouble = f"update: flash cannot be written: {error}"
            self._begin_anew(now_ms)
        return []

    def confirmed(self) -> None:
        """Hear that what runs is on trial no more."""
        self.is_on_trial = False

    def _is_wanted(self, offer: "Offer") -> bool:
        """Return whether to fetch it; else `trouble` says why, if staff should know."""
        version, running = offer.version, self._running.version
        if version == running:
            return False
        state = load(self._files)
        if state.offer == unhexlify(offer.id) and state.why:
            self.trouble = state.why
        elif version < running:
            self.trouble = f"version {version} is offered, and {running} runs"
        elif offer.base not in (0, self._device.base):
            self.trouble = (
                f"version {version} builds on {offer.base}, and this is {self._device.base}"
            )
        elif not HEADER_BYTES < offer.bytes <= self._device.bytes_max:
            self.trouble = f"{offer.bytes} bytes; {self._device.bytes_max} have room here"
        return not self.trouble

    def _work(self, now_ms: int) -> "list[Any]":
        if self._state == WAITING:
            if now_ms >= self._due_ms:
                self._begin(now_ms)
            return []
        if self._state == FINISHING:
            self._finish()
            return []
        if self._part:
            self._feed()
            return []
        return self._ask(now_ms) if now_ms >= self._due_ms else []

    def _begin(self, now_ms: int) -> None:
        offer = self._offer
        if offer is None:
            return
        if load(self._files).trial:  # what runs must prove itself first
            self._due_ms = now_ms + AGAIN_FIRST_MS
            return
        self._install = Install(
            self._files,
            self._running,
            self._device,
            offer=unhexlify(offer.id),
            verification=self._new_verification,
        )
        self._state, self._due_ms = FETCHING, now_ms
        self._came, self._tries, self._whole = 0, 0, hashlib.sha256()

    def _feed(self) -> None:
        """Write and check what has come; after the last byte, that it is what was announced."""
        offer, install = self._offer, self._install
        if offer is None or install is None:
            return
        for _ in range(STEPS):
            self._part = self._part[install.feed(self._part[:PART_BYTES]) :]
            if not self._part:
                break
        if self._part or self._came < offer.bytes:
            return
        if hexlify(self._whole.digest()).decode() != offer.sha256:
            raise UpdateRefused("update: it is not what was announced")
        self._state = FINISHING

    def _finish(self) -> None:
        install = self._install
        for _ in range(STEPS):
            if install is not None and install.finish() is not None:
                self._install, self._state = None, READY
                return

    def _ask(self, now_ms: int) -> "list[Any]":
        """Ask for the next piece, or again for the one that did not come."""
        offer = self._offer
        if offer is None:
            return []
        if self._tries >= TRIES_MAX:
            self._begin_anew(now_ms)
            return []
        self._tries += 1
        self._due_ms = now_ms + self._waiting.next_ms()
        count = min(self._device.piece_bytes, offer.bytes - self._came)
        self._piece = (f"u{self._random_below(1 << 30):08x}", count)
        request = Request(
            self._piece[0],
            "chunk",
            now_ms,
            FIRMWARE,
            offer.version,
            None,
            self._came,
            count,
            offer.format,
        )
        return [SendRequest(request)]

    def _refuse(self, why: str) -> None:
        offer = self._offer
        self._end()
        self.trouble = why[:120]
        if offer is not None:
            try:
                refuse(self._files, unhexlify(offer.id), why)
            except OSError:  # then it is tried again after a restart, and refused again
                return

    def _begin_anew(self, now_ms: int) -> None:
        self._end()
        self._state = WAITING
        self._due_ms = now_ms + self._again.next_ms()

    def _end(self) -> None:
        """Let go of what has come so far."""
        install = self._install
        self._install, self._part, self._piece = None, b"", ("", 0)
        self._state = IDLE
        self._waiting.reset()
        try:
            if install is not None:
                install.close()
        except OSError:  # a full flash takes no last bytes; they count for nothing
            return


class NoUpdates:
    """For a program that nobody updates over the network."""

    trouble = board = ""
    is_updating = is_ready = False

    def __init__(self, firmware: str) -> None:
        """firmware: what runs, as the status says it."""
        self.firmware = firmware

    def on_offer(self, offer: "Offer", now_ms: int) -> None:
        """Take nothing."""

    def on_chunk(self, chunk: "Chunk", now_ms: int) -> None:
        """Expect nothing."""

    def tick(self, now_ms: int, is_quiet: bool) -> "list[Any]":
        """Ask for nothing."""
        return []

    def confirmed(self) -> None:
        """Change nothing."""
