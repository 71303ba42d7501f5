"""A ring of records of one size in flash: the newest are kept, whatever the power does.

Laws:
1. A record has a number, and its number is its place: record 1 lies in slot 0, and after the
   last slot comes slot 0 again. A number whose record does not read back never existed.
2. Nothing is ever written over: records go onto erased bytes, and a sector is erased when the
   ring enters it. It holds the oldest records, never the newest entry: a ring that has found
   only cut-off records since then erases those instead, so that a supply that fails at every
   start takes nothing.
3. An entry too long for one record spans several and exists when its last one does.
4. A slot in which anything is found is not written again before its sector is erased.
5. Every record is read back as soon as it is written; one that differs is written again behind.
6. Nothing found in flash raises. What cannot be read is counted, and `state` says what kind of
   ring was found; what cannot be written is `RingUnwritable`, and every entry is still there.

A record is 10 bytes and its part of the entry; all integers little-endian:

    flags    1    0xA0 | FIRST | LAST; the upper four bits are the format's version
    length   1    bytes of the entry in this record
    number   4    1 to 2^30 - 1, so that it is a small integer on 32 bits
    crc      4    CRC-32 (ISO/IEC 13239) of the six bytes before and of the entry's bytes

Wear. In raw flash a sector is erased once every time the ring has gone round; LittleFS copies a
block at every append instead, one erase each (counted on MicroPython's own), spread over the
blocks that are free. A gate with 20 alarms a day and people all day comes to 7,200 erases a month
in files, and 100,000 of each of a Pico W's 36 free blocks (W25Q16JV, §1) last for 41 years; with
100 alarms a day 24 years. `python -m sim.mcu.wear` counts it.
"""

import struct
from binascii import crc32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

NEW = "new"  # erased, or not there
GOOD = "good"
WORN = "worn"  # some records do not read back; one or two are a power cut's, more are damage
OTHER = "other version"  # written by a program that keeps another format; begun again
UNREADABLE = "unreadable"  # something, but no record; begun again

HEAD_BYTES = 10
NUMBER_LIMIT = 1 << 30
TRIES = 3
_FORMAT = "<BBII"
_VERSION = 0xA0
_VERSION_MASK = 0xF0
_FIRST, _LAST = 1, 2


class RingUnwritable(Exception):
    """Indefinite: no entry was harmed, and this one is most likely not there; try it again.

    When the last record's writing failed it may turn up at the next start, and then so does
    the one that was written for it: they follow each other.
    """


class Ring:
    """Entries of bytes, each known by the number of its first record."""

    def __init__(self, region: "Any", *, record_bytes: int = 128) -> None:
        """Find what the region holds; takes one read of each sector.

        region: at least two sectors. record_bytes: 16 to 256; what is left of a sector behind
        its last whole record stays unused.
        """
        if region.sectors < 2 or not 16 <= record_bytes <= min(256, region.sector_bytes // 4):
            raise ValueError("a ring takes two sectors or more, each of four records or more")
        self.region = region
        self.record_bytes = record_bytes
        self.payload_bytes = record_bytes - HEAD_BYTES
        self.per_sector: int = region.sector_bytes // record_bytes
        self.slots: int = self.per_sector * region.sectors
        self.state = NEW
        self.unreadable = 0
        """Records that were there and did not read back when the ring was opened."""
        self.before_erase: Callable[[int], None] | None = None
        """Called with the oldest number that will be left, before a sector is erased."""
        self._sector = bytearray(0)
        self._held = -1
        self._newest = 0
        self._blank = b"\xff" * record_bytes
        self._next = 1
        self._scan()

    @property
    def last(self) -> int:
        """Return the number before the next record's, 0 in a new ring."""
        return self._next - 1

    @property
    def oldest(self) -> int:
        """Return the smallest number that can still be there."""
        entered = (self._next + self.per_sector - 2) // self.per_sector * self.per_sector
        return max(1, entered - self.slots + 1)

    @property
    def entry_bytes_max(self) -> int:
        """Return the longest entry; with every try it stays within one round."""
        return (self.slots - self.per_sector) // TRIES * self.payload_bytes

    def append(self, entry: bytes) -> int:
        """Add an entry, durable when this returns; return its number. Raise RingUnwritable."""
        if len(entry) > self.entry_bytes_max:
            raise RingUnwritable(f"ring: {len(entry)} bytes; {self.entry_bytes_max} fit")
        for _ in range(TRIES):
            first = self._next
            if self._put(entry):
                return first
        raise RingUnwritable("ring: what was written does not read back; the flash is worn out")

    def number_at(self, slot: int) -> int:
        """Return the newest number that lies, or would lie, in that slot."""
        return self.last - (self.last - 1 - slot) % self.slots

    def read(self, number: int) -> "bytes | None":
        """Return the entry that begins with that record, or None if it is not there whole."""
        parts: list[bytes] = []
        wanted = _FIRST
        while True:
            part = self._record(number)
            if part is None or part[0] & _FIRST != wanted:
                return None
            parts.append(part[1])
            if part[0] & _LAST:
                return b"".join(parts) if len(parts) > 1 else parts[0]
            number += 1
            wanted = 0

    def entries(self) -> "Iterator[tuple[int, bytes]]":
        """Yield the number and the first record's bytes of every whole entry, oldest first."""
        first, begun, head = 0, 0, b""
        for number in range(self.oldest, self._next):
            found = self._look(number)
            if found is None:
                first = 0
                continue
            flags, length, place = found
            if flags & _FIRST:
                first = begun = number
                start = place + HEAD_BYTES
                head = bytes(memoryview(self._sector)[start : start + length])
            is_joined = first and number == begun
            begun = number + 1
            if is_joined and flags & _LAST:
                yield first, head
            if not is_joined or flags & _LAST:
                first = 0

    def forget(self) -> None:
        """Give back the memory that looking through the ring took, a sector."""
        self._held = -1
        self._sector = bytearray(0)

    def _put(self, entry: bytes) -> bool:
        """Write an entry, one write for each sector; return whether all of it reads back."""
        count = max(1, (len(entry) + self.payload_bytes - 1) // self.payload_bytes)
        done = 0
        while done < count:
            if self._has_to_go_back() and done:
                return False
            more = min(self.per_sector - self.last % self.per_sector, count - done)
            if not self._write(self._packed(entry, done, more, count)):
                return False
            done += more
        self._newest = self.last
        return True

    def _packed(self, entry: bytes, first: int, more: int, count: int) -> bytes:
        """Return records of an entry, from `first` of `count` on, for the next slots."""
        packed = bytearray(self._blank * more)
        for index in range(first, first + more):
            flags = _VERSION | (0 if index else _FIRST) | (_LAST if index == count - 1 else 0)
            part = entry[index * self.payload_bytes : (index + 1) * self.payload_bytes]
            head = struct.pack(_FORMAT, flags, len(part), self._next + index - first, 0)[:6]
            check = struct.pack("<I", crc32(part, crc32(head)) & 0xFFFFFFFF)
            place = (index - first) * self.record_bytes
            packed[place : place + HEAD_BYTES + len(part)] = head + check + part
        return bytes(packed)

    def _has_to_go_back(self) -> bool:
        """Return whether the next sector holds the newest entry; then enter this one again."""
        is_entering = self.last % self.per_sector == 0
        if not is_entering or not 0 < self._newest < self._next + self.per_sector - self.slots:
            return False
        self._next -= self.per_sector
        return True

    def _write(self, packed: bytes) -> bool:
        """Write to the next slots; return whether that reads back."""
        sector, index = divmod(self.last % self.slots, self.per_sector)
        offset = index * self.record_bytes
        failure = None
        self._held = -1
        try:
            if index == 0:
                self._enter(sector, self._next)
            self.region.write(sector, offset, packed)
        except OSError as error:
            failure = f"ring: the flash cannot be written ({error}); will be tried again"
        back = bytearray(len(packed))
        self._fetch(sector, offset, back)
        if failure is None:
            self._next += len(packed) // self.record_bytes
            return bytes(back) == packed
        # What nothing was written to stays the next slot, or a full disk would use up the ring;
        # and a sector that could not be entered is erased at the next try.
        if index:
            written = len(back.rstrip(b"\xff"))
            self._next += (written + self.record_bytes - 1) // self.record_bytes
        raise RingUnwritable(failure)

    def _enter(self, sector: int, number: int) -> None:
        """Erase the sector that the ring is about to enter."""
        if self.before_erase is not None:
            self.before_erase(max(1, number + self.per_sector - self.slots))
        self.region.erase(sector)

    def _fetch(self, sector: int, offset: int, buffer: "Any") -> None:
        try:
            self.region.read_into(sector, offset, buffer)
        except OSError:
            for index in range(len(buffer)):
                buffer[index] = 0xFF

    def _hold(self, sector: int) -> None:
        if not self._sector:
            self._sector = bytearray(self.region.sector_bytes)
        self._fetch(sector, 0, self._sector)
        self._held = sector

    def _record(self, number: int) -> "tuple[int, bytes] | None":
        """Return flags and part of a record read alone, or None."""
        if not self.oldest <= number < self._next:
            return None
        sector, index = divmod((number - 1) % self.slots, self.per_sector)
        buffer = bytearray(self.record_bytes)
        self._fetch(sector, index * self.record_bytes, buffer)
        found = self._parse(buffer, 0)
        if found is None or not self._is_ours(found, number):
            return None
        return found[0], bytes(buffer[HEAD_BYTES : HEAD_BYTES + found[1]])

    def _look(self, number: int) -> "tuple[int, int, int] | None":
        """Return flags, length and place within the held sector, or None."""
        sector, index = divmod((number - 1) % self.slots, self.per_sector)
        if sector != self._held:
            self._hold(sector)
        place = index * self.record_bytes
        found = self._parse(self._sector, place)
        if found is None or not self._is_ours(found, number):
            return None
        return found[0], found[1], place

    def _is_ours(self, found: "tuple[int, int, int]", number: int) -> bool:
        return found[2] == number and found[0] & _VERSION_MASK == _VERSION

    def _parse(self, buffer: "Any", place: int) -> "tuple[int, int, int] | None":
        """Return flags, length and number of the record at that place, if it is one."""
        flags, length, number, check = struct.unpack_from(_FORMAT, buffer, place)
        if flags == 0xFF or length > self.payload_bytes or not 0 < number < NUMBER_LIMIT:
            return None
        view = memoryview(buffer)
        start = place + HEAD_BYTES
        sum_ = crc32(view[start : start + length], crc32(view[place : place + 6]))
        return (flags, length, number) if sum_ & 0xFFFFFFFF == check else None

    def _scan(self) -> None:
        """Find the newest record and where the next one goes."""
        newest = written = others = 0
        for sector in range(self.region.sectors):
            self._hold(sector)
            for index in range(self.per_sector):
                place = index * self.record_bytes
                if self._is_blank(place):
                    continue
                written += 1
                found = self._parse(self._sector, place)
                slot = sector * self.per_sector + index
                if found is None or (found[2] - 1) % self.slots != slot:
                    self.unreadable += 1
                elif not self._is_ours(found, found[2]):
                    others += 1
                else:
                    newest = max(newest, found[2])
                    self._newest = max(self._newest, found[2] if found[0] & _LAST else 0)
        self._next = newest + 1
        self._skip_written()
        if newest:
            self.state = WORN if self.unreadable or others else GOOD
        elif written:
            self.state = OTHER if others else UNREADABLE

    def _is_blank(self, place: int) -> bool:
        record = memoryview(self._sector)[place : place + self.record_bytes]
        return record[0] == 0xFF and bytes(record) == self._blank

    def _skip_written(self) -> None:
        """Go behind everything that anybody wrote in the newest sector."""
        if self.last % self.per_sector == 0:
            return  # the next record enters a sector, which erases it
        sector, index = divmod(self.last % self.slots, self.per_sector)
        self._hold(sector)
        for later in range(self.per_sector - 1, index - 1, -1):
            if not self._is_blank(later * self.record_bytes):
                self._next += later + 1 - index
                break
