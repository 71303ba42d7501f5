"""The library data on a tag: the ISO 28560-3 basic block, read tolerantly, written strictly.

Laws:
- What we write has a right checksum and the standard's byte order.
- What we read may carry the field's known mistakes (parts swapped, blocks reversed, checksum
  computed or stored the wrong way). Each is named in `flags`, none is guessed silently.
- A checksum that no known mistake explains is an error: a torn write must never name a book.

Layout (ISO 28560-3; the Danish RFID data model; bytes counted from 0):
  0 version nibble, usage nibble · 1 parts in the item · 2 which part this is · 3-18 item id,
  UTF-8, NUL padded · 19-20 CRC, low byte first · 21-33 owner's ISIL (21-31 on 32 bytes).
The CRC is CRC-16/CCITT-FALSE over bytes 0-18 and 21-33, with two NUL bytes standing in on a tag
of 32 bytes.
"""

from collections import namedtuple

TYPE_CHECKING = False

BLOCK_LENGTH = 34
BLOCK_LENGTH_SHORT = 32
PII_LENGTH_MAX = 16
OWNER_LENGTH_MAX = 13
OWNER_LENGTH_MAX_SHORT = 11
VERSION = 1

FORMAT = "iso28560-3"
DSFID = 0x3E
AFI_IN_STOCK = 0x07
AFI_ON_LOAN = 0xC2

SECURITY_OFFSET = 36
"""Where tags without an AFI register (NTAG) keep the security byte: the first whole block after
the basic block. It holds the AFI's values."""

USAGE_ACQUISITION = 0
USAGE_CIRCULATING = 1
USAGE_NOT_FOR_CIRCULATION = 2
USAGE_NO_INFORMATION = 6
USAGE_DISCARDED = 7
USAGE_PATRON_CARD = 8
USAGE_EQUIPMENT = 9

FLAG_PARTS_SWAPPED = "parts_swapped"
FLAG_BLOCKS_REVERSED = "blocks_reversed"
FLAG_CRC_BYTES_SWAPPED = "crc_bytes_swapped"
FLAG_CRC_UNPADDED = "crc_unpadded"
FLAG_PII_ELSEWHERE = "pii_elsewhere"

_PII_ELSEWHERE = 0x01


class TagDataInvalid(ValueError):
    """These bytes are not a library's basic block, or cannot become one."""


if TYPE_CHECKING:
    from typing import NamedTuple

    class TagContent(NamedTuple):
        """What a tag says about its item: its id, its owner, which part of how many."""

        pii: str
        owner: str
        part: int
        parts: int
        usage: int
        format: str
        flags: tuple[str, ...]

else:

    class TagContent(
        namedtuple("TagContent", ("pii", "owner", "part", "parts", "usage", "format", "flags"))
    ):
        """What a tag says about its item: its id, its owner, which part of how many.

        `flags` names the known mistakes met while reading; it is empty on a tag as it should be.
        """


def new_content(
    pii: str, owner: str, part: int = 1, parts: int = 1, usage: int = USAGE_CIRCULATING
) -> TagContent:
    """Return the content for a fresh tag: a circulating item in one part unless told."""
    return TagContent(pii, owner, part, parts, usage, FORMAT, ())


def crc16(data: bytes) -> int:
    """Return the CRC-16/CCITT-FALSE: polynomial 0x1021, start 0xFFFF, nothing reflected."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1
            crc &= 0xFFFF
    return crc


def owner_code(isil: str) -> str:
    """Return an ISIL as tags carry it: without the hyphen after the country's prefix."""
    prefix, hyphen, rest = isil.partition("-")
    return prefix + rest if hyphen and 1 <= len(prefix) <= 4 else isil


def is_blank(data: bytes) -> bool:
    """Return whether the memory was never written: nothing but 0x00, or nothing but 0xFF."""
    return all(byte == 0x00 for byte in data) or all(byte == 0xFF for byte in data)


def encode(content: TagContent, length: int = BLOCK_LENGTH) -> bytes:
    """Return the basic block, `length` bytes long (34, or 32 for small tags).

    Raises `TagDataInvalid` naming the field that does not fit. Flags are not written.
    """
    if length not in (BLOCK_LENGTH, BLOCK_LENGTH_SHORT):
        raise TagDataInvalid(f"a basic block has 34 or 32 bytes, not {length}")
    if not 0 <= content.usage <= 15:
        raise TagDataInvalid(f"usage {content.usage}: must be 0 to 15")
    if not 1 <= content.part <= content.parts <= 255:
        raise TagDataInvalid(f"part {content.part} of {content.parts}: must be 1 to 255, in order")
    pii = _padded("item id", content.pii, PII_LENGTH_MAX)
    owner_max = OWNER_LENGTH_MAX if length == BLOCK_LENGTH else OWNER_LENGTH_MAX_SHORT
    owner = _padded("owner", owner_code(content.owner), owner_max)
    head = bytes((VERSION << 4 | content.usage, content.parts, content.part)) + pii
    crc = crc16(head + owner + bytes(OWNER_LENGTH_MAX - len(owner)))
    return head + bytes((crc & 0xFF, crc >> 8)) + owner


def decode(data: bytes) -> TagContent:
    """Return what the first 34 (or 32) bytes of a tag's memory say.

    Raises `TagDataInvalid` when they are too short, of another version, or torn.
    """
    if len(data) < BLOCK_LENGTH_SHORT:
        raise TagDataInvalid(f"a basic block has at least 32 bytes, this has {len(data)}")
    for block, flags in ((bytes(data), []), (_blocks_reversed(data), [FLAG_BLOCKS_REVERSED])):
        length, flag = _checksum(block)
        if length:
            return _content(block[:length], flags + flag)
    raise TagDataInvalid("not a basic block of version 1, or torn: the checksum is wrong")


def _content(block: bytes, flags: list[str]) -> TagContent:
    parts, part = block[1], block[2]
    if part > parts:
        # Two programs in the field write these bytes in the other order.
        parts, part = part, parts
        flags.append(FLAG_PARTS_SWAPPED)
    if block[3] == _PII_ELSEWHERE:
        pii = ""
        flags.append(FLAG_PII_ELSEWHERE)
    else:
        pii = _text("item id", block[3:19])
    owner = _text("owner", block[21:])
    return TagContent(pii, owner, part, parts, block[0] & 0x0F, FORMAT, tuple(flags))


def _checksum(memory: bytes) -> tuple[int, list[str]]:
    """Return the length whose checksum holds and the mistakes it took; length 0 if none does."""
    if memory[0] >> 4 != VERSION:
        return 0, []
    low_first = memory[19] | memory[20] << 8
    high_first = memory[20] | memory[19] << 8
    for length in (BLOCK_LENGTH, BLOCK_LENGTH_SHORT):
        if len(memory) < length:
            continue
        covered = memory[:19] + memory[21:length]
        crc = crc16(covered + bytes(BLOCK_LENGTH - length))
        if low_first == crc:
            return length, []
        if high_first == crc:
            return length, [FLAG_CRC_BYTES_SWAPPED]
        if low_first == crc16(covered):
            return length, [FLAG_CRC_UNPADDED]
    return 0, []


def _blocks_reversed(data: bytes) -> bytes:
    """Return the memory with each block of 4 bytes turned round, as some readers deliver it."""
    turned = b""
    for at in range(0, len(data) - 3, 4):
        turned += bytes((data[at + 3], data[at + 2], data[at + 1], data[at]))
    return turned


def _padded(name: str, text: str, length_max: int) -> bytes:
    raw = text.encode("utf-8")
    if not raw or len(raw) > length_max:
        raise TagDataInvalid(f"{name} {text!r}: must be 1 to {length_max} bytes, is {len(raw)}")
    if any(byte < 0x20 or byte == 0x7F for byte in raw):
        raise TagDataInvalid(f"{name} {text!r}: control characters do not belong on a tag")
    return raw + bytes(length_max - len(raw))


def _text(name: str, raw: bytes) -> str:
    end = raw.find(b"\x00")
    used = raw if end < 0 else raw[:end]
    try:
        text = used.decode("utf-8")
    except UnicodeError:
        text = ""
    if used and not text:
        raise TagDataInvalid(f"{name} on the tag: not UTF-8: {used!r}")
    if any(byte < 0x20 or byte == 0x7F for byte in used):
        raise TagDataInvalid(f"{name} on the tag: control characters in {used!r}")
    return text
