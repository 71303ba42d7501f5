"""3M's older layout, which its documents call RFID 501 "alphanumeric". Portable.

Blocks of 4 bytes, counted from 0 (dpavlin/Biblio-RFID, lib/Biblio/RFID/RFID501.pm, whose tests
are vectors of ours; 3M published no more of it, and its numeric layouts not at all):
  0  04 · part (high nibble) of parts (low nibble) · 00 · item type
  1-4  barcode, NUL padded
  5  branch (12 bits) and library (20 bits), unsigned
  6  custom, signed · 7  zero
There is no checksum and no ISIL: the owner of such a tag is not known.
"""

from hardware.chips.tag_content import (
    FORMAT_3M,
    THREE_M_BRANCH,
    THREE_M_CUSTOM,
    THREE_M_LIBRARY,
    THREE_M_TYPE,
    USAGE_NO_INFORMATION,
    Element,
    TagContent,
    TagDataInvalid,
    check_part,
    checked_bytes,
    checked_text,
    is_number,
    until_nul,
)

LENGTH = 32
LENGTH_MIN = 24
PII_LENGTH_MAX = 16

BLANK = b"\x55" * LENGTH_MIN
"""What 3M's factory left on a tag before it was written."""

_MARK = 0x04
_CUSTOM_MIN, _CUSTOM_MAX = -(1 << 31), (1 << 31) - 1
_DIGITS_MAX = 10
"""Of the largest number, 32 bits."""

_LIMITS = {
    THREE_M_TYPE: (0, 0xFF),
    THREE_M_BRANCH: (0, 0xFFF),
    THREE_M_LIBRARY: (0, 0xF_FFFF),
    THREE_M_CUSTOM: (_CUSTOM_MIN, _CUSTOM_MAX),
}


def looks_like(memory: bytes) -> bool:
    """Return whether the fixed bytes are those of this layout."""
    return len(memory) >= LENGTH_MIN and memory[0] == _MARK and memory[2] == 0


def decode(memory: bytes) -> TagContent:
    """Return what a memory of at least 24 bytes says; raises `TagDataInvalid`."""
    if not looks_like(memory):
        raise TagDataInvalid("not 3M's layout: bytes 0 and 2 are not 04 and 00")
    part, parts = memory[1] >> 4, memory[1] & 0x0F
    if not 1 <= part <= parts:
        raise TagDataInvalid(f"part {part} of {parts}: not 3M's layout, or torn")
    if any(memory[28:LENGTH]):
        raise TagDataInvalid("block 7 is not zero: not 3M's layout, or torn")
    barcode = memory[4:20]
    used = until_nul(barcode)
    if any(barcode[len(used) :]) or not used:
        raise TagDataInvalid(f"barcode {barcode!r}: not NUL padded, or torn")
    pii = checked_text("barcode", used)
    where = int.from_bytes(memory[20:24], "big")
    custom = int.from_bytes((memory[24:28] + bytes(4))[:4], "big")
    numbers = (
        (THREE_M_TYPE, memory[3]),
        (THREE_M_BRANCH, where >> 20),
        (THREE_M_LIBRARY, where & 0xF_FFFF),
        (THREE_M_CUSTOM, custom - (1 << 32) if custom > _CUSTOM_MAX else custom),
    )
    elements = tuple([Element(oid, str(number)) for oid, number in numbers if number])
    return TagContent(pii, "", part, parts, USAGE_NO_INFORMATION, FORMAT_3M, (), elements)


def encode(content: TagContent) -> bytes:
    """Return the 32 bytes; raises `TagDataInvalid` naming what does not fit.

    The owner and the usage have no place here and are left out.
    """
    check_part(content, 15)
    pii = checked_bytes("item id", content.pii, PII_LENGTH_MAX)
    numbers = {THREE_M_TYPE: 0, THREE_M_BRANCH: 0, THREE_M_LIBRARY: 0, THREE_M_CUSTOM: 0}
    for oid, text in content.elements:
        numbers[oid] = _number(oid, text)
    where = numbers[THREE_M_BRANCH] << 20 | numbers[THREE_M_LIBRARY]
    custom = numbers[THREE_M_CUSTOM] & 0xFFFF_FFFF
    return (
        bytes((_MARK, content.part << 4 | content.parts, 0, numbers[THREE_M_TYPE]))
        + pii
        + bytes(PII_LENGTH_MAX - len(pii))
        + where.to_bytes(4, "big")
        + custom.to_bytes(4, "big")
        + bytes(4)
    )


def _number(oid: int, text: str) -> int:
    if oid not in _LIMITS:
        raise TagDataInvalid(f"element {oid}: has no place in 3M's layout")
    lowest, highest = _LIMITS[oid]
    digits = text[1:] if text.startswith("-") else text
    number = int(text) if is_number(digits, _DIGITS_MAX) else lowest - 1
    if not lowest <= number <= highest:
        raise TagDataInvalid(f"element {oid} {text!r}: must be {lowest} to {highest}")
    return number
