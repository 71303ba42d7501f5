"""The library data on a tag: read in every format we know, written strictly in the one chosen.

Laws:
- What we write has a right checksum and the standard's byte order.
- What we read may carry the field's known mistakes (parts swapped, blocks reversed, checksum
  computed or stored the wrong way). Each is named in `flags`, none is guessed silently.
- A checksum that no known mistake explains is an error: a torn write must never name a book.
- A format is believed by its DSFID, else by its checksum, else by its looks: then it is flagged,
  unless the elements' own index vouches for them.

Formats: ISO 28560-3 (`iso28560_3`), ISO 28560-2 (`iso28560_2`), 3M's older one (`tag_3m`).
"""

from collections import namedtuple

from hardware.chips import iso28560_2, iso28560_3, tag_3m
from hardware.chips.crc import crc_high_first as crc16
from hardware.chips.iso28560_3 import (
    BLOCK_LENGTH,
    BLOCK_LENGTH_SHORT,
    OWNER_LENGTH_MAX,
    PII_LENGTH_MAX,
    SECURITY_OFFSET,
)
from hardware.chips.tag_content import (
    DSFID_ISO28560_2,
    DSFID_ISO28560_3,
    FLAG_BLOCKS_REVERSED,
    FLAG_CRC_BYTES_SWAPPED,
    FLAG_CRC_UNPADDED,
    FLAG_DSFID_MISMATCH,
    FLAG_ELEMENT_UNREADABLE,
    FLAG_EXTENSION_TORN,
    FLAG_EXTENSION_UNKNOWN_LAYOUT,
    FLAG_FORMAT_GUESSED,
    FLAG_INDEX_INCOMPLETE,
    FLAG_LIST_CUT,
    FLAG_NUMBER_PADDED,
    FLAG_PADDING_DIRTY,
    FLAG_PARTS_SWAPPED,
    FLAG_PII_ELSEWHERE,
    FLAG_SET_UNREADABLE,
    FORMAT_3M,
    FORMAT_ISO28560_2,
    FORMAT_ISO28560_3,
    USAGE_ACQUISITION,
    USAGE_CIRCULATING,
    USAGE_DISCARDED,
    USAGE_EQUIPMENT,
    USAGE_NO_INFORMATION,
    USAGE_NOT_FOR_CIRCULATION,
    USAGE_PATRON_CARD,
    Element,
    TagContent,
    TagDataInvalid,
    element_text,
    is_owner,
    new_content,
    owner_code,
    with_elements,
    with_flags,
    with_format,
)

__all__ = [
    "AFI_IN_STOCK",
    "AFI_ON_LOAN",
    "BLOCK_LENGTH",
    "BLOCK_LENGTH_SHORT",
    "DSFID",
    "DSFID_ISO28560_2",
    "DSFID_ISO28560_3",
    "FLAG_BLOCKS_REVERSED",
    "FLAG_CRC_BYTES_SWAPPED",
    "FLAG_CRC_UNPADDED",
    "FLAG_DSFID_MISMATCH",
    "FLAG_ELEMENT_UNREADABLE",
    "FLAG_EXTENSION_TORN",
    "FLAG_EXTENSION_UNKNOWN_LAYOUT",
    "FLAG_FORMAT_GUESSED",
    "FLAG_INDEX_INCOMPLETE",
    "FLAG_LIST_CUT",
    "FLAG_NUMBER_PADDED",
    "FLAG_PADDING_DIRTY",
    "FLAG_PARTS_SWAPPED",
    "FLAG_PII_ELSEWHERE",
    "FLAG_SET_UNREADABLE",
    "FORMAT",
    "FORMATS",
    "FORMAT_3M",
    "FORMAT_ISO28560_2",
    "FORMAT_ISO28560_3",
    "ISO_SECURITY",
    "LEGACY_3M_SECURITY",
    "OWNER_LENGTH_MAX",
    "PII_LENGTH_MAX",
    "SECURITY_OFFSET",
    "SECURITY_PRESETS",
    "USAGE_ACQUISITION",
    "USAGE_CIRCULATING",
    "USAGE_DISCARDED",
    "USAGE_EQUIPMENT",
    "USAGE_NOT_FOR_CIRCULATION",
    "USAGE_NO_INFORMATION",
    "USAGE_PATRON_CARD",
    "Element",
    "SecurityCodes",
    "TagContent",
    "TagDataInvalid",
    "crc16",
    "decode",
    "dsfid_of",
    "element_text",
    "encode",
    "is_blank",
    "is_owner",
    "new_content",
    "owner_code",
    "security_place",
    "with_elements",
    "with_flags",
    "with_format",
]

TYPE_CHECKING = False

FORMAT = FORMAT_ISO28560_3
DSFID = DSFID_ISO28560_3
AFI_IN_STOCK = 0x07
AFI_ON_LOAN = 0xC2

FORMATS = (FORMAT_ISO28560_3, FORMAT_ISO28560_2, FORMAT_3M)

if TYPE_CHECKING:
    from typing import NamedTuple

    class SecurityCodes(NamedTuple):
        """The two values of an AFI (or of our security byte) that a library's gates know."""

        in_stock: int
        on_loan: int

else:

    class SecurityCodes(namedtuple("SecurityCodes", ("in_stock", "on_loan"))):
        """The two values of an AFI (or of our security byte) that a library's gates know."""


ISO_SECURITY = SecurityCodes(AFI_IN_STOCK, AFI_ON_LOAN)
"""ISO/IEC 15961-3: 07 in stock, C2 on loan."""

LEGACY_3M_SECURITY = SecurityCodes(0xD7, 0xDA)
"""3M's older gates: D7 secured, DA unsecured."""

SECURITY_PRESETS = {"iso": ISO_SECURITY, "3m": LEGACY_3M_SECURITY}


def is_blank(data: bytes) -> bool:
    """Return whether the memory was never written: all 00, all FF, or as 3M's factory left it."""
    factory = data[: len(tag_3m.BLANK)]
    return (
        all(byte == 0x00 for byte in data)
        or all(byte == 0xFF for byte in data)
        or (factory == tag_3m.BLANK and not any(data[len(factory) + 4 :]))
    )


def encode(
    content: TagContent,
    length: int = BLOCK_LENGTH,
    format: "str | None" = None,
    security_byte: bool = False,
) -> bytes:
    """Return the bytes to write from block 0 on, in the content's format or in another.

    For ISO 28560-3 without extension blocks that is `length` bytes (34, or 32 for small tags);
    the byte behind must be 00 where the memory goes on, in every format. `security_byte` is for
    tags that keep one at offset 36 (no AFI register): that byte is left 00.

    Raises `TagDataInvalid` naming the field that does not fit. Flags are not written.
    """
    chosen = content.format if format is None else format
    if chosen == FORMAT_ISO28560_3:
        return iso28560_3.encode(content, length, security_byte)
    if chosen == FORMAT_3M:
        return tag_3m.encode(content)
    if chosen != FORMAT_ISO28560_2:
        raise TagDataInvalid(f"format {chosen!r}: must be one of {', '.join(FORMATS)}")
    image = iso28560_2.encode(content)
    used = iso28560_2.used_length(image)
    if security_byte and used >= SECURITY_OFFSET:
        raise TagDataInvalid(
            f"item {content.pii!r}: {used} bytes of elements reach the security byte at 36"
        )
    return image


def decode(data: bytes, dsfid: "int | None" = None, security_byte: bool = False) -> TagContent:
    """Return what the first bytes of a tag's memory say.

    `dsfid` is the tag's data storage format identifier, None if it has none or was not asked for;
    values other than 06 and 3E say nothing. `security_byte` is for tags that keep one at 36.

    Raises `TagDataInvalid` when the bytes are too short, of no known format, or torn.
    """
    memory = bytes(data)
    if any(memory) and memory[0] == 0:
        raise TagDataInvalid("the first byte is 00: a write was broken off; write the tag again")
    if dsfid == DSFID_ISO28560_3:
        return iso28560_3.decode(memory, security_byte)
    if dsfid == DSFID_ISO28560_2:
        return _decode_elements(memory, security_byte)
    try:
        return iso28560_3.decode(memory, security_byte)
    except TagDataInvalid as problem:
        # A torn basic block must not be taken for elements or for 3M's layout: no checksum would
        # say that it is none.
        if iso28560_3.looks_like(memory):
            raise
        message = str(problem)
    if tag_3m.looks_like(memory):
        return with_flags(tag_3m.decode(memory), [FLAG_FORMAT_GUESSED])
    try:
        return _guess_elements(memory)
    except TagDataInvalid:
        raise TagDataInvalid(message)  # noqa: B904 - MicroPython has no "from"


def dsfid_of(content: TagContent) -> int:
    """Return the DSFID that a tag with this content should bear; 0 says nothing."""
    return {FORMAT_ISO28560_2: DSFID_ISO28560_2, FORMAT_ISO28560_3: DSFID_ISO28560_3}.get(
        content.format, 0
    )


def security_place(memory: bytes) -> "int | None":
    """Return the offset of the security byte on a tag without an AFI register.

    None if the memory is too small, or if another program's data stand there: then the security
    cannot be told or set without harm.
    """
    if len(memory) <= SECURITY_OFFSET:
        return None
    try:
        if iso28560_2.used_length(memory) >= SECURITY_OFFSET and iso28560_2.has_index(memory):
            return None
    except TagDataInvalid:
        pass
    return iso28560_3.security_place(memory)


def _decode_elements(memory: bytes, security_byte: bool) -> TagContent:
    """Decode what the DSFID says are elements; a right checksum knows better."""
    try:
        return with_flags(iso28560_3.decode(memory, security_byte), [FLAG_DSFID_MISMATCH])
    except TagDataInvalid:
        return iso28560_2.decode(memory)


def _guess_elements(memory: bytes) -> TagContent:
    """Decode what may be elements, as they are or with each block turned round."""
    turned = iso28560_3.blocks_reversed(memory)
    for image, flags in ((memory, []), (turned, [FLAG_BLOCKS_REVERSED])):
        try:
            content = iso28560_2.decode(image)
        except TagDataInvalid:
            continue
        if iso28560_2.has_index(image):
            return with_flags(content, flags)
        if not flags:
            return with_flags(content, [FLAG_FORMAT_GUESSED])
    raise TagDataInvalid("no known format")
