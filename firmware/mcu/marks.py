"""Where a journal in flash stands: which epoch, what is acknowledged, what is kept.

One `Marks` is a few dozen bytes and changes as a whole; the newest one in a ring of two sectors
counts, so that there is always an old one while a new one is written.
"""

import struct
from collections import namedtuple

from circulation.sync.rows import Epoch, Parent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_HEAD = "<IIIIB16s"
_HEAD_BYTES = 33
_PARENT = "<II16s"
_PARENT_BYTES = 24
_HAS_PARENT, _HAS_LINEAGE = 1, 2
_NO_HASH = bytes(16)


class Marks(namedtuple("Marks", ("epoch", "lineage", "acked", "offset", "floor", "base_hash"))):
    """A row's ordinal counts through all epochs; its seq is the ordinal less `offset`.

    floor: the ordinal of the oldest row kept. base_hash: of the row before that one if it is of
    this epoch, else 16 zeros.
    """


def pack_marks(marks: Marks) -> bytes:
    """Return the marks as bytes."""
    epoch, lineage, acked, offset, floor, base_hash = marks
    parent = epoch.parent
    flags = (_HAS_PARENT if parent else 0) | (_HAS_LINEAGE if lineage is not None else 0)
    head = struct.pack(_HEAD, epoch.n, acked, offset, floor, flags, base_hash or _NO_HASH)
    parts = [head, _text(epoch.id), _text(lineage or "")]
    if parent:
        parts.append(struct.pack(_PARENT, parent.n, parent.seq, parent.hash))
        parts.append(_text(parent.epoch))
    return b"".join(parts)


def unpack_marks(packed: bytes) -> "Marks | None":
    """Return what was packed, or None if it is something else."""
    try:
        return _unpacked(packed)
    except (ValueError, IndexError):  # struct.error is a ValueError on MicroPython
        return None


def _unpacked(packed: bytes) -> "Marks | None":
    if len(packed) < _HEAD_BYTES:
        return None
    n, acked, offset, floor, flags, base_hash = struct.unpack_from(_HEAD, packed, 0)
    name, place = _taken(packed, _HEAD_BYTES)
    lineage, place = _taken(packed, place)
    parent = None
    if flags & _HAS_PARENT:
        if len(packed) < place + _PARENT_BYTES:
            return None
        parent_n, seq, chained = struct.unpack_from(_PARENT, packed, place)
        parent = Parent(parent_n, _taken(packed, place + _PARENT_BYTES)[0], seq, chained)
    told = lineage if flags & _HAS_LINEAGE else None
    return Marks(Epoch(n, name, parent), told, acked, offset, floor, base_hash)


def _text(text: str) -> bytes:
    encoded = text.encode()
    return bytes([len(encoded)]) + encoded


def _taken(packed: bytes, place: int) -> "tuple[str, int]":
    end = place + 1 + packed[place]
    return packed[place + 1 : end].decode(), end


def newest_marks(ring: "Any") -> "Marks | None":
    """Return the newest marks in a ring that can be understood."""
    numbers = [number for number, _ in ring.entries()]
    ring.forget()
    while numbers:
        packed = ring.read(numbers.pop())
        marks = unpack_marks(packed) if packed else None
        if marks is not None:
            return marks
    return None
