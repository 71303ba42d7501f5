"""Writes library data so that a tag pulled away at any byte never names a wrong book.

The order, on a tag whose blocks hold 4 bytes:
1. Block 0 with its first byte 00 and the rest as it will be: no format begins with 00, so from
   here on the tag says "broken off" to every reader.
2. Every other block that changes.
3. Block 0 as it will be: only its first byte changes, and with it all of the content.
Each write is read back. Before the first byte of step 1 a reader finds the old content, after the
byte of step 3 the new one, in between `TagDataInvalid`; the same call then finishes the work. What
is relied on is that a tag writes the bytes of a block in order, or all at once.

A block that refuses (locked, weak field) is met with the old content still in our hands: it is put
back, and the error is raised.
"""

from __future__ import annotations

from contextlib import suppress

from hardware.chips import iso28560_2, tag_data
from hardware.chips.tag_data import (
    BLOCK_LENGTH_SHORT,
    FORMAT_ISO28560_2,
    FORMAT_ISO28560_3,
    SECURITY_OFFSET,
    TagContent,
    TagDataInvalid,
)
from hardware.errors import BlockOutOfRange, TagError, TagLost, WriteFailed
from hardware.ports import BLOCK_BYTES, ISO15693, TagReader

_SECURITY_END = SECURITY_OFFSET + BLOCK_BYTES


def write_content(
    reader: TagReader, uid: str, content: TagContent, *, format: str | None = None
) -> None:
    """Write what a tag says about its item, in the content's format or in another.

    On tags without an AFI register the block of the security byte is left as it is. Nothing is
    written where the tag says it already.

    Raises `TagDataInvalid` if the content does not fit the format and `BlockOutOfRange` if it
    does not fit the tag, before anything is written; `TagLost` if the tag was pulled away (place
    it again and call again); `TagLocked` or `WriteFailed` with the old content put back, as far
    as the tag lets us; `DeviceError` if the reader itself fails.
    """
    wanted = content if format is None else tag_data.with_format(content, format)
    image, old = _image(reader, uid, wanted)
    try:
        _write(reader, uid, old, image)
        if reader.read(uid, 0, len(image) // BLOCK_BYTES) != image:
            raise WriteFailed(uid, "its content reads back differently; place it again")
    except TagLost:
        raise
    except TagError:
        _put_back(reader, uid, old)
        raise


def _image(reader: TagReader, uid: str, content: TagContent) -> tuple[bytes, bytes]:
    """Return the blocks to write and what stands there now, both as long."""
    security_byte = _keeps_security_byte(reader, uid)
    shapes = _shapes(content, security_byte)
    for shape in shapes:
        with suppress(BlockOutOfRange):
            old = reader.read(uid, 0, len(shape) // BLOCK_BYTES)
            kept = slice(SECURITY_OFFSET, _SECURITY_END if security_byte else SECURITY_OFFSET)
            return shape[: kept.start] + old[kept] + shape[kept.stop :], old
    raise BlockOutOfRange(
        uid,
        f"item {content.pii!r} needs {len(shapes[0])} bytes, which this tag has not; "
        "use a larger tag, or say less on it",
    )


def _keeps_security_byte(reader: TagReader, uid: str) -> bool:
    for tag in reader.inventory().tags:
        if tag.uid == uid:
            return tag.technology != ISO15693
    raise TagLost(uid, "looking for it")


def _shapes(content: TagContent, security_byte: bool) -> list[bytes]:
    """Return the whole blocks that hold the content, the best first; smaller tags get the next."""
    image = tag_data.encode(content, security_byte=security_byte)
    image += bytes(-len(image) % BLOCK_BYTES)
    shapes = [image]
    if content.format == FORMAT_ISO28560_2 and iso28560_2.used_length(image) == len(image):
        # The list ends with the memory, or with a zero where there is more of it.
        shapes = [image + bytes(BLOCK_BYTES), image]
    if content.format == FORMAT_ISO28560_3:
        if security_byte:
            # Behind that byte an older content may have left extension blocks: end them.
            shapes = [image + bytes(max(0, _SECURITY_END + BLOCK_BYTES - len(image))), image]
        with suppress(TagDataInvalid):
            shapes.append(tag_data.encode(content, BLOCK_LENGTH_SHORT))
    return shapes


def _write(reader: TagReader, uid: str, old: bytes, image: bytes) -> None:
    """Turn the old blocks into the new ones, in the order that a pulled tag survives."""
    if old == image:
        return
    broken_off = bytes(1) + image[1:BLOCK_BYTES]
    if old[:BLOCK_BYTES] != broken_off:
        reader.write(uid, 0, broken_off)
    places = range(BLOCK_BYTES, len(image), BLOCK_BYTES)
    changed = [at for at in places if _block(old, at) != _block(image, at)]
    for first, data in _runs(changed, image):
        reader.write(uid, first, data)
    if image[0]:
        reader.write(uid, 0, image[:BLOCK_BYTES])


def _put_back(reader: TagReader, uid: str, old: bytes) -> None:
    """Write the old content again; a tag that refuses even that goes on saying "broken off"."""
    with suppress(TagError):
        now = reader.read(uid, 0, len(old) // BLOCK_BYTES)
        _write(reader, uid, now, old)


def _block(image: bytes, at: int) -> bytes:
    return image[at : at + BLOCK_BYTES]


def _runs(places: list[int], image: bytes) -> list[tuple[int, bytes]]:
    """Return neighbouring blocks together, each run with the number of its first block."""
    runs: list[tuple[int, bytes]] = []
    for at in places:
        block = _block(image, at)
        if runs and at == runs[-1][0] * BLOCK_BYTES + len(runs[-1][1]):
            runs[-1] = (runs[-1][0], runs[-1][1] + block)
        else:
            runs.append((at // BLOCK_BYTES, block))
    return runs
