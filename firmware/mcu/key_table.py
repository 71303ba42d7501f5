"""An exact table of keys in one block of memory: a sorted array of packed records.

Laws:
- The block is taken once, at the start, and never grows: no heap is broken up by it.
- Two keys never share a record, so what is said of one is never said of another. A key of up to
  8 bytes (a tag's UID) stands there as it is; of a longer one 16 bytes of SHA-256 do, and no two
  keys are known that have these in common.
- Short records grow from the front of the block, long ones from its end.
"""

import hashlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

SHORT_KEY = 9  # a packed key of 8 bytes, with its length
LONG_KEY = 16
SHORT = SHORT_KEY + 1  # and a value
LONG = LONG_KEY + 1
NONE = -1


class KeyTable:
    """Values of 0 to 255 by packed key (`circulation/wire/fuse.py`)."""

    def __init__(self, bytes_max: int) -> None:
        """Take so many bytes."""
        self._block = bytearray(bytes_max)
        self._view = memoryview(self._block)
        self._shorts = 0
        self._longs = 0

    def __len__(self) -> int:
        """Return how many keys have a value."""
        return self._shorts + self._longs

    @property
    def free_bytes(self) -> int:
        """Return how much is left."""
        return len(self._block) - self._shorts * SHORT - self._longs * LONG

    @property
    def percent(self) -> int:
        """Return how full it is."""
        return 100 - 100 * self.free_bytes // len(self._block)

    def get(self, packed: bytes) -> int:
        """Return the key's value, NONE without one."""
        key, width = _key_of(packed)
        at = self._search(key, width)
        return self._block[at + width - 1] if self._is_at(at, key, width) else NONE

    def cost(self, packed: bytes) -> int:
        """Return how many bytes a value for this key would take: 0 if it has one."""
        key, width = _key_of(packed)
        return 0 if self._is_at(self._search(key, width), key, width) else width

    def put(self, packed: bytes, value: int) -> bool:
        """Give the key a value; return False, changing nothing, if there is no room for it."""
        key, width = _key_of(packed)
        at = self._search(key, width)
        if self._is_at(at, key, width):
            self._block[at + width - 1] = value
            return True
        if self.free_bytes < width:
            return False
        if width == SHORT:
            end = self._shorts * SHORT
            self._view[at + SHORT : end + SHORT] = self._view[at:end]
            self._shorts += 1
        else:
            begin = len(self._block) - self._longs * LONG
            self._view[begin - LONG : at - LONG] = self._view[begin:at]
            self._longs += 1
            at -= LONG
        self._block[at : at + width - 1] = key
        self._block[at + width - 1] = value
        return True

    def keep(self, judge: "Callable[[int], int]") -> None:
        """Give every record the value that judge makes of its own, and drop those of NONE."""
        end = self._kept(0, self._shorts, SHORT, judge)
        self._shorts = end // SHORT
        begin = len(self._block) - self._longs * LONG
        end = self._kept(begin, self._longs, LONG, judge)
        shift = len(self._block) - end
        if shift:
            self._view[begin + shift :] = self._view[begin:end]
        self._longs = (end - begin) // LONG

    def clear(self) -> None:
        """Forget every key."""
        self._shorts = self._longs = 0

    def _kept(self, begin: int, count: int, width: int, judge: "Callable[[int], int]") -> int:
        block, to = self._block, begin
        for at in range(begin, begin + count * width, width):
            value = judge(block[at + width - 1])
            if value != NONE:
                if to != at:
                    self._view[to : to + width] = self._view[at : at + width]
                block[to + width - 1] = value
                to += width
        return to

    def _search(self, key: bytes, width: int) -> int:
        """Return where the first record lies that is not less, or would."""
        begin, count = 0, self._shorts
        if width == LONG:
            begin, count = len(self._block) - self._longs * LONG, self._longs
        low, high = 0, count
        while low < high:
            middle = (low + high) >> 1
            at = begin + middle * width
            if self._block[at : at + width - 1] < key:
                low = middle + 1
            else:
                high = middle
        return begin + low * width

    def _is_at(self, at: int, key: bytes, width: int) -> bool:
        end = self._shorts * SHORT if width == SHORT else len(self._block)
        return at < end and self._block[at : at + width - 1] == key


def _key_of(packed: bytes) -> "tuple[bytes, int]":
    if len(packed) <= SHORT_KEY:
        return packed + bytes(SHORT_KEY - len(packed)), SHORT
    return hashlib.sha256(packed).digest()[:LONG_KEY], LONG
