"""People counted while nobody could be told: 30 days of quarters of an hour in a ring of its own.

Laws:
- Counts never push an alarm out of the journal: a slot waits here until the journal has been
  sent, and only then becomes a fact in it.
- The id of that fact is made of the slot itself. A cut between the journal and the mark that it
  is there appends it again, under the same id, and the gateway counts it once.
- The running slot is put down every few minutes, in a ring of two sectors of its own: a power
  cut costs the people of these minutes. What was put down becomes a slot at the next start,
  unless the slot itself is there, or a later one of the same boot.
- 24 sectors keep the newest 2,944 records, which are 2,880 slots with room for cut-off ones;
  slots in which nobody passed take none. What made room is counted.

A slot is 22 bytes, little-endian: begin in seconds 4, length in seconds 2 with the highest bit
for a sure clock, in 2, out 2, unknown 2, foreign 2, boot 4, end in seconds of that boot 4.
A mark is 4 bytes: the number of the last slot that the journal has.
"""

import hashlib
import struct
from binascii import hexlify, unhexlify

from circulation.wire.fact import encode_body
from circulation.wire.kinds import PASSAGES
from firmware.gate.counts import FOREIGN, IN, OUT, UNKNOWN
from firmware.mcu.region import FileRegion
from firmware.mcu.ring import Ring, RingUnwritable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_SLOT = "<IHHHHH4sI"
_SLOT_BYTES = 22
_COUNTS_END, _BOOT_END = 14, 18
_LOOK_BACK = 16  # records: what follows a slot before the power goes are marks and few slots
_MARK = "<I"
_MARK_BYTES = 4
_SURE = 0x8000
_COUNT_MAX = 0xFFFF
_SECONDS_MAX = 0xFFFFFFFF
RECORD_BYTES = 32


class PassageRing:
    """Slots of people counted, oldest first."""

    def __init__(
        self, ring: Ring, running: "Ring | None" = None, *, station: str, gate: str, site: str
    ) -> None:
        """running: for the slot that is not over. station, gate, site: as in the facts."""
        self.overrun = 0
        """Slots that made room before the journal had them, since this start."""
        self.waiting = 0
        """Slots that the journal does not have."""
        self._ring = ring
        self._running = running
        self._put_down = b""
        self._names = (station, gate, site)
        self._moved = 0
        self._refusal = ""
        for _, head in ring.entries():
            if len(head) == _MARK_BYTES:
                self._moved = max(self._moved, struct.unpack(_MARK, head)[0])
        for number, head in ring.entries():
            self.waiting += len(head) == _SLOT_BYTES and number > self._moved
        ring.forget()
        ring.before_erase = self._on_erase
        if running is not None:
            self._take_up(running)

    def keep(self, fact: "dict[str, Any]", stamp: "dict[str, Any]") -> None:
        """Keep a slot: the fields of its fact, and boot, mono and sure of its end.

        In flash when this returns. Raise RingUnwritable. Counts beyond 65,535 become that.
        """
        self._ring.append(_packed(fact, stamp))
        self.waiting += 1

    def put_down(self, fact: "dict[str, Any]", stamp: "dict[str, Any]") -> None:
        """Keep a slot that is not over, for a start that finds nothing better of it.

        Nothing is written for counts that are in flash already. Raise RingUnwritable.
        """
        packed = _packed(fact, stamp)
        if self._running is None or packed[:_COUNTS_END] == self._put_down[:_COUNTS_END]:
            return
        self._running.append(packed)
        self._put_down = packed

    def _take_up(self, running: Ring) -> None:
        """Make a slot of what the last boot had put down, unless it is one; once."""
        packed = None
        for number in range(running.last, max(0, running.last - _LOOK_BACK), -1):
            packed = running.read(number)
            if packed is not None:  # a torn one counts as none
                break
        if packed is None or len(packed) != _SLOT_BYTES:
            return
        try:
            if not self._has(packed):
                self._ring.append(packed)
                self.waiting += 1
            running.append(b"")
        except RingUnwritable as error:
            self._refusal = str(error)

    def _has(self, packed: bytes) -> bool:
        """Return whether that slot, or a later one of its boot, is among the last records."""
        begin_s, boot = _begin_and_boot(packed)
        for number in range(self._ring.last, max(0, self._ring.last - _LOOK_BACK), -1):
            found = self._ring.read(number)
            if found is None or len(found) != _SLOT_BYTES:
                continue
            other_s, other_boot = _begin_and_boot(found)
            if other_boot == boot and other_s >= begin_s:
                return True
        return False

    def move(self, journal: "Any", count_max: int = 4) -> int:
        """Append the oldest slots to the journal as facts; return how many.

        To be called while the journal has nothing else to send. What cannot be written stays
        for the next call.
        """
        count = 0
        while count < count_max and self.waiting:
            number, packed = self._next_slot(self._moved + 1)
            if packed is None:
                self.waiting = 0  # damaged since the start
                break
            try:
                journal.append(self._body(number, packed))
            except RingUnwritable:
                break
            self._moved = number
            self.waiting -= 1
            count += 1
        if count:
            self._mark()
        return count

    def health(self) -> "dict[str, str]":
        """Return what staff should know."""
        if self.overrun:
            return {"passages": f"{self.overrun} quarters of an hour of counts were not kept"}
        return {"passages": self._refusal} if self._refusal else {}

    def _mark(self) -> None:
        """Put down how far the journal has them; without it they are appended once more."""
        try:
            self._ring.append(struct.pack(_MARK, self._moved))
        except RingUnwritable as error:
            self._refusal = str(error)
        else:
            self._refusal = ""

    def _next_slot(self, number: int) -> "tuple[int, bytes | None]":
        number = max(number, self._ring.oldest)
        while number <= self._ring.last:
            packed = self._ring.read(number)
            if packed is not None and len(packed) == _SLOT_BYTES:
                return number, packed
            number += 1
        return number, None

    def _body(self, number: int, packed: bytes) -> bytes:
        station, gate, site = self._names
        begin_s, length, came_in, went_out, unknown, foreign, boot, mono_s = struct.unpack(
            _SLOT, packed
        )
        until_ms = (begin_s + (length & ~_SURE)) * 1000
        seed = f"{station} passages {number} ".encode()
        fields: dict[str, Any] = {
            "id": hexlify(hashlib.sha256(seed + packed).digest()[:8]).decode(),
            "kind": PASSAGES,
            "boot": hexlify(boot).decode(),
            "mono": mono_s * 1000,
            "wall": until_ms,
            "sure": bool(length & _SURE),
            "site": site,
            "gate": gate,
            "from": begin_s * 1000,
            "until": until_ms,
            IN: came_in,
            OUT: went_out,
        }
        for name, count in ((UNKNOWN, unknown), (FOREIGN, foreign)):
            if count:
                fields[name] = count
        return encode_body(fields)

    def _on_erase(self, oldest: int) -> None:
        """Count what makes room; only a gate alone for a month comes here with any."""
        for number in range(max(self._moved + 1, self._ring.oldest), oldest):
            packed = self._ring.read(number)
            if packed is not None and len(packed) == _SLOT_BYTES:
                self.overrun += 1
                self.waiting -= 1


def _packed(fact: "dict[str, Any]", stamp: "dict[str, Any]") -> bytes:
    begin_s = fact["from"] // 1000
    length_s = (fact["until"] - fact["from"]) // 1000
    counts = [min(fact.get(name, 0), _COUNT_MAX) for name in (IN, OUT, UNKNOWN, FOREIGN)]
    return struct.pack(
        _SLOT,
        max(0, min(begin_s, _SECONDS_MAX)),
        min(length_s, _SURE - 1) | (_SURE if stamp["sure"] else 0),
        *counts,
        unhexlify(stamp["boot"]),
        min(stamp["mono"] // 1000, _SECONDS_MAX),
    )


def _begin_and_boot(packed: bytes) -> "tuple[int, bytes]":
    return int.from_bytes(packed[:4], "little"), bytes(packed[_COUNTS_END:_BOOT_END])


def open_passages(
    path: str,
    *,
    station: str,
    gate: str,
    site: str,
    opener: "Callable[[str, str], Any]" = open,
    on_sector: "Callable[[], object] | None" = None,
) -> PassageRing:
    """Return the slots in the files `path.0` … `path.23`, made if need be; 96 KiB, and 8 KiB in
    `path-now.0` and `.1` for the one that runs.

    Raise OSError if there is no room for the files, nothing else.
    """
    rings = [
        Ring(
            FileRegion(name, sectors, opener=opener, on_sector=on_sector),
            record_bytes=RECORD_BYTES,
        )
        for name, sectors in ((path, 24), (f"{path}-now", 2))
    ]
    return PassageRing(rings[0], rings[1], station=station, gate=gate, site=site)
