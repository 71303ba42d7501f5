"""The list in flash: two slots, of which one is in use while the other is written.

Laws:
- A slot is written from its first byte to its last and never in between, which is what a flash
  file system does without moving what was there; so a download goes on after a power cut at the
  byte where it stopped.
- A slot counts when its length is what its header says and the SHA-256 at its end is right.
  There is no other mark, so there is no moment at which a power cut could leave two marks, or
  none: the last byte written is the switch.
- Slots of one history: the newer version counts, the other is free. Of two histories both are
  in use until the gateway has recovered (`firmware/gate/lists.py`); the number before the file
  says which of them was begun first.

A slot: magic, 4 bytes · number, 4 · CRC-32 of both, 4 · the file as the gateway built it.
"""

import hashlib
import os
from binascii import crc32

from circulation.wire.errors import FuseInvalid
from circulation.wire.fuse import (
    DIGEST_BYTES,
    HEADER_BYTES,
    FuseFilter,
    decode_header,
    packed_bytes,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from circulation.wire.fuse import FuseHeader

NAMES = ("may_leave-a.fuse", "may_leave-b.fuse")
MAGIC = b"LGS1"
PREFIX_BYTES = 12
BLOCK_BYTES = 512
GROUP = 16  # unsecured keys of which the first is kept in memory; one read finds the others


class Files:
    """The device's file system, as far as it is used here."""

    def open(self, path: str, mode: str) -> "Any":
        """Open a file; raise OSError."""
        return open(path, mode)

    def remove(self, path: str) -> None:
        """Remove a file; raise OSError."""
        os.remove(path)


class ListFile:
    """A whole list in flash, open to be asked; bytes are read one by one."""

    def __init__(self, file: "Any", header: "FuseHeader") -> None:
        """file: positioned anywhere, a slot that has been verified."""
        self.header = header
        self._file = file
        self._byte = bytearray(1)
        self._filter = FuseFilter(header, self)
        self._firsts: list[bytes] = []
        self._groups: list[int] = []
        self._read_groups()

    def has(self, key: str) -> bool:
        """Return whether the filter has the key; three bytes are read."""
        return self._filter.has(key)

    def has_unsecured(self, packed: bytes) -> bool:
        """Return whether the packed key is among the unsecured, exactly; one read."""
        low, high = 0, len(self._firsts)
        while low < high:
            middle = (low + high) >> 1
            if self._firsts[middle] <= packed:
                low = middle + 1
            else:
                high = middle
        if low == 0:
            return False
        begin, end = self._groups[low - 1], self._groups[low]
        self._file.seek(PREFIX_BYTES + begin)
        block, at = self._file.read(end - begin), 0
        while at < len(block):
            size = packed_bytes(block[at])
            if block[at : at + size] == packed:
                return True
            at += size
        return False

    def __getitem__(self, place: int) -> int:
        """Return one byte of the filter; raise OSError."""
        self._file.seek(PREFIX_BYTES + HEADER_BYTES + place)
        if self._file.readinto(self._byte) != 1:
            raise OSError("list: cut off")
        return self._byte[0]

    def close(self) -> None:
        """Close it; harmless when it is."""
        self._file.close()

    def _read_groups(self) -> None:
        at, end = self.header.unsecured_at, self.header.unsecured_at + self.header.unsecured_bytes
        for number in range(self.header.unsecured):
            self._file.seek(PREFIX_BYTES + at)
            packed = self._file.read(1)
            size = packed_bytes(packed[0])
            if number % GROUP == 0:
                self._groups.append(at)
                self._firsts.append(packed + self._file.read(size - 1))
            at += size
        self._groups.append(end)
        if at != end:
            raise FuseInvalid("list: the unsecured keys are not as long as the header says")


class Slot:
    """One of the two, as it was found.

    number: which was begun later has the higher; 0 without one. header: None unless it came so
    far. size: bytes of the list that have been written.
    """

    def __init__(self, name: str) -> None:
        """Begin empty."""
        self.name = name
        self.number = 0
        self.header: FuseHeader | None = None
        self.size = 0

    @property
    def is_full(self) -> bool:
        """Whether every byte is there; right they are only after `ListSlots.verify`."""
        return self.header is not None and self.size == self.header.size_bytes


class ListSlots:
    """The two slots in a folder."""

    def __init__(self, folder: str, files: "Any" = None) -> None:
        """files: how files are had, the device's own if it is not given."""
        self._files = Files() if files is None else files
        self._folder = folder
        # Taken here: in a heap that has been in use for days nothing asks for half a KiB at once.
        self._block = memoryview(bytearray(BLOCK_BYTES))
        self.slots = [self._found(name) for name in NAMES]

    def open(self, slot: Slot) -> "ListFile | None":
        """Return the list in a slot if it is whole and right, else None."""
        if not slot.is_full or slot.header is None:
            return None
        try:
            file = self._files.open(self._path(slot), "rb")
        except OSError:
            return None
        try:
            verifying = Verifying(file, slot.header.size_bytes, self._block)
            while not verifying.step():
                pass
            if verifying.is_whole:
                return ListFile(file, slot.header)
        except (OSError, FuseInvalid):
            pass
        file.close()
        return None

    def verifying(self, slot: Slot) -> "Verifying":
        """Return what verifies a full slot in steps; raise OSError."""
        return Verifying(self._files.open(self._path(slot), "rb"), slot.size, self._block)

    def opened(self, slot: Slot, verified: "Verifying") -> ListFile:
        """Return the list in a slot that has just been verified; raise FuseInvalid, OSError."""
        if slot.header is None or not verified.is_whole:
            raise FuseInvalid(f"list: {slot.name} is damaged; it is fetched again")
        return ListFile(verified.file, slot.header)

    def begin(self, slot: Slot) -> None:
        """Make a slot empty, with a number above every other; raise OSError."""
        number = 1 + max([other.number for other in self.slots])
        head = MAGIC + number.to_bytes(4, "big")
        with self._files.open(self._path(slot), "wb") as file:
            file.write(head + crc32(head).to_bytes(4, "big"))
        slot.number, slot.header, slot.size = number, None, 0

    def append(self, slot: Slot, piece: bytes) -> None:
        """Write the next piece of a list; raise OSError, FuseInvalid for a bad beginning."""
        if slot.size == 0:
            slot.header = decode_header(piece)
        with self._files.open(self._path(slot), "ab") as file:
            file.write(piece)
        slot.size += len(piece)

    def forget(self, slot: Slot) -> None:
        """Remove what is in a slot; raise OSError."""
        if slot.number:
            self._files.remove(self._path(slot))
        slot.number, slot.header, slot.size = 0, None, 0

    def _path(self, slot: Slot) -> str:
        return f"{self._folder}/{slot.name}"

    def _found(self, name: str) -> Slot:
        slot = Slot(name)
        try:
            with self._files.open(self._path(slot), "rb") as file:
                prefix = file.read(PREFIX_BYTES)
                content = file.read(HEADER_BYTES)
                size = file.seek(0, 2) - PREFIX_BYTES
        except OSError:
            return slot
        head = prefix[:8]
        if head[:4] == MAGIC and crc32(head).to_bytes(4, "big") == prefix[8:]:
            slot.number = int.from_bytes(head[4:], "big")
            slot.header = _header_in(content)
        if slot.header is not None:
            slot.size = size
        return slot


class Verifying:
    """Compares a slot with the SHA-256 at its end, a block at a time."""

    def __init__(self, file: "Any", size: int, block: memoryview) -> None:
        """file: a slot, from its beginning. size: of the list in it. block: to read it into."""
        self.file = file
        self.is_whole = False
        self.sha256 = b""
        """Of all of the list, once it is done."""
        self._left = size - DIGEST_BYTES
        self._block = block
        self._inner = hashlib.sha256()
        self._whole = hashlib.sha256()
        self.file.seek(PREFIX_BYTES)

    def step(self) -> bool:
        """Take one block; return whether that was the last. Raise OSError."""
        if self._left > 0:
            count = self.file.readinto(self._block[: min(BLOCK_BYTES, self._left)])
            if not count:
                raise OSError("list: cut off")
            block = self._block[:count]
            self._left -= count
            self._inner.update(block)
            self._whole.update(block)
            return False
        said = self.file.read(DIGEST_BYTES)
        self._whole.update(said)
        self.sha256 = self._whole.digest()
        self.is_whole = said == self._inner.digest()
        return True


def _header_in(content: bytes) -> "FuseHeader | None":
    try:
        return decode_header(content)
    except FuseInvalid:
        return None
