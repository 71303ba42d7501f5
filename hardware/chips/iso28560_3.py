"""ISO 28560-3: the basic block of fixed fields, and extension blocks behind it. Portable.

Basic block (table 2; the Danish RFID data model, 3.2), bytes counted from 0:
  0 version nibble, usage nibble · 1 parts in the item · 2 which part this is · 3-18 item id,
  UTF-8, NUL padded · 19-20 CRC, low byte first · 21-33 owner's ISIL (21-31 on 32 bytes).
The CRC is CRC-16/CCITT-FALSE over bytes 0-18 and 21-33, with two NUL bytes standing in on a tag
of 32 bytes.

Extension blocks (data model, 3.3) stand from byte 34 until a length of 0:
  length of the whole block · id, low byte first (a high byte FF announces two more) · XOR of all
  bytes, so that the block with it sums to 0 · fields.
A length of 1 is a filler. Text fields end with NUL, the last one with the block, and empty ones at
the end are left out. An item id of more than 16 bytes stands in the library block; byte 3 is then
01 (clarification of ISO 28560-3, clause 6, table 1).

Tags without an AFI register keep our security byte at offset 36, in the middle of that area. On
these the basic block is followed by an end (byte 34 is 00) and the extension blocks, if any, stand
behind the block of the security byte, from offset 40: other readers see a basic block and no more,
and switching the security touches no checksum.
"""

from hardware.chips.crc import crc_high_first
from hardware.chips.tag_content import (
    EXTENSION_BLOCK,
    FLAG_BLOCKS_REVERSED,
    FLAG_CRC_BYTES_SWAPPED,
    FLAG_CRC_UNPADDED,
    FLAG_EXTENSION_TORN,
    FLAG_EXTENSION_UNKNOWN_LAYOUT,
    FLAG_PARTS_SWAPPED,
    FLAG_PII_ELSEWHERE,
    FORMAT_ISO28560_3,
    OID_ALTERNATIVE_ITEM_ID,
    OID_ALTERNATIVE_OWNER,
    OID_OWNER,
    OID_PII,
    THREE_M_TYPE,
    Element,
    TagContent,
    TagDataInvalid,
    check_part,
    checked_bytes,
    checked_text,
    is_number,
    is_printable,
    latin_bytes,
    latin_text,
    owner_code,
    until_nul,
)

BLOCK_LENGTH = 34
BLOCK_LENGTH_SHORT = 32
PII_LENGTH_MAX = 16
PII_LENGTH_MAX_EXTENDED = 250
"""What a library block of 255 bytes has room for, behind its head and the media format."""

OWNER_LENGTH_MAX = 13
OWNER_LENGTH_MAX_SHORT = 11
VERSION = 1

SECURITY_OFFSET = 36
"""Where tags without an AFI register (NTAG) keep the security byte: the first whole block after
the basic block. It holds the AFI's values."""

EXTENSION_OFFSET_AFTER_SECURITY = 40
"""Where extension blocks begin on tags that keep the security byte: the next whole block."""

LIBRARY_BLOCK = 1
ACQUISITION_BLOCK = 2
LIBRARY_SUPPLEMENT_BLOCK = 3
TITLE_BLOCK = 4
ILL_BLOCK = 5

# Fields in the order they stand in a block, by their OID in ISO 28560-1. A negative one is a
# single byte, not a text (ISO 28560-1 clarification, 4.2.19 and 4.2.20). Checked against the
# library of TH Wildau (node-rfid-server, client/libs/iso28560-3) and the Danish data model, 3.5.
_FIELDS = {
    LIBRARY_BLOCK: (-19, OID_ALTERNATIVE_ITEM_ID, OID_ALTERNATIVE_OWNER),
    ACQUISITION_BLOCK: (9, 18, 10, 21, 13, -20),
    LIBRARY_SUPPLEMENT_BLOCK: (6, 8, 7, 24),
    TITLE_BLOCK: (17,),
    ILL_BLOCK: (11, 12, 25),
}
_BLOCK_OF_OID = {abs(oid): block for block in _FIELDS for oid in _FIELDS[block]}

_PII_ELSEWHERE = 0x01
_FRAME_LENGTH = 4
_FILLER = 1
_LONG_ID = 0xFF
_EXTENSION_LENGTH_MAX = 255


def looks_like(memory: bytes) -> bool:
    """Return whether this could be a basic block with a wrong checksum: a torn one."""
    if len(memory) < BLOCK_LENGTH_SHORT or memory[0] >> 4 != VERSION:
        return False
    names = (until_nul(memory[3:19]), until_nul(memory[21:BLOCK_LENGTH_SHORT]))
    return memory[1] > 0 and memory[2] > 0 and any(_is_text(name) for name in names)


def _is_text(raw: bytes) -> bool:
    try:
        return bool(raw) and is_printable(raw) and bool(raw.decode("utf-8"))
    except UnicodeError:
        return False


def encode(content: TagContent, length: int = BLOCK_LENGTH, security_byte: bool = False) -> bytes:
    """Return the basic block and its extension blocks.

    Without extensions that is `length` bytes: 34, or 32 for tags that have no more. With them it
    ends with the 00 after the last one; `security_byte` leaves room for ours, as 00.

    Raises `TagDataInvalid` naming the field that does not fit. Flags are not written.
    """
    if length not in (BLOCK_LENGTH, BLOCK_LENGTH_SHORT):
        raise TagDataInvalid(f"a basic block has 34 or 32 bytes, not {length}")
    basic = _basic(content, length)
    extensions = _extensions(content)
    if extensions and length == BLOCK_LENGTH_SHORT:
        raise TagDataInvalid(
            f"item {content.pii!r}: 32 bytes hold a basic block and no extension blocks"
        )
    if not extensions:
        return basic
    gap = EXTENSION_OFFSET_AFTER_SECURITY - BLOCK_LENGTH if security_byte else 0
    return basic + bytes(gap) + extensions + b"\x00"


def decode(memory: bytes, security_byte: bool = False) -> TagContent:
    """Return what a memory of at least 32 bytes says.

    Raises `TagDataInvalid` when it is too short, of another version, torn, or names no item.
    """
    if len(memory) < BLOCK_LENGTH_SHORT:
        raise TagDataInvalid(f"a basic block has at least 32 bytes, this has {len(memory)}")
    for image, flags in ((memory, []), (blocks_reversed(memory), [FLAG_BLOCKS_REVERSED])):
        length, flag = _checksum(image)
        if length:
            return _content(image, length, security_byte, flags + flag)
    raise TagDataInvalid("not a basic block of version 1, or torn: the checksum is wrong")


def blocks_reversed(memory: bytes) -> bytes:
    """Return the memory with each block of 4 bytes turned round, as some readers deliver it."""
    turned = b""
    for at in range(0, len(memory) - 3, 4):
        turned += bytes((memory[at + 3], memory[at + 2], memory[at + 1], memory[at]))
    return turned


def security_place(memory: bytes) -> "int | None":
    """Return the offset of the security byte, None if another program's data stand there.

    For tags without an AFI register. Where a foreign basic block has its extension blocks at
    byte 34, writing our byte would tear them.
    """
    if len(memory) <= SECURITY_OFFSET:
        return None
    length, _ = _checksum(memory) if memory[0] >> 4 == VERSION else (0, [])
    if length == BLOCK_LENGTH and memory[BLOCK_LENGTH] >= _FRAME_LENGTH:
        return None
    return SECURITY_OFFSET


def _basic(content: TagContent, length: int) -> bytes:
    if not 0 <= content.usage <= 15:
        raise TagDataInvalid(f"usage {content.usage}: must be 0 to 15")
    check_part(content, 255)
    owner_max = OWNER_LENGTH_MAX if length == BLOCK_LENGTH else OWNER_LENGTH_MAX_SHORT
    pii_max = PII_LENGTH_MAX if length == BLOCK_LENGTH_SHORT else PII_LENGTH_MAX_EXTENDED
    pii = checked_bytes("item id", content.pii, pii_max)
    if len(pii) > PII_LENGTH_MAX:
        pii = bytes((_PII_ELSEWHERE,))
    pii += bytes(PII_LENGTH_MAX - len(pii))
    owner = checked_bytes("owner", owner_code(content.owner), owner_max)
    owner += bytes(owner_max - len(owner))
    head = bytes((VERSION << 4 | content.usage, content.parts, content.part)) + pii
    crc = crc_high_first(head + owner + bytes(OWNER_LENGTH_MAX - len(owner)))
    return head + bytes((crc & 0xFF, crc >> 8)) + owner


def _content(memory: bytes, length: int, security_byte: bool, flags: "list[str]") -> TagContent:
    parts, part = memory[1], memory[2]
    if part > parts:
        # Two programs in the field write these bytes in the other order.
        parts, part = part, parts
        flags.append(FLAG_PARTS_SWAPPED)
    elsewhere = memory[3] == _PII_ELSEWHERE
    pii = "" if elsewhere else checked_text("item id", until_nul(memory[3:19]))
    owner = checked_text("owner", until_nul(memory[21:length]))
    at = EXTENSION_OFFSET_AFTER_SECURITY if security_byte else BLOCK_LENGTH
    elements: list[Element] = []
    if length == BLOCK_LENGTH:
        elements = _read_extensions(memory[at:], elsewhere, not owner, flags)
    owner = _taken(elements, OID_OWNER) or owner
    if elsewhere:
        pii = _taken(elements, OID_PII)
        if not pii:
            flags.append(FLAG_PII_ELSEWHERE)
    elif not pii:
        raise TagDataInvalid("a basic block that names no item")
    elements.sort(key=lambda element: element.oid)
    usage = memory[0] & 0x0F
    return TagContent(
        pii, owner, part, parts, usage, FORMAT_ISO28560_3, tuple(flags), tuple(elements)
    )


def _checksum(memory: bytes) -> "tuple[int, list[str]]":
    """Return the length whose checksum holds and the mistakes it took; length 0 if none does."""
    if memory[0] >> 4 != VERSION:
        return 0, []
    low_first = memory[19] | memory[20] << 8
    high_first = memory[20] | memory[19] << 8
    for length in (BLOCK_LENGTH, BLOCK_LENGTH_SHORT):
        if len(memory) < length:
            continue
        covered = memory[:19] + memory[21:length]
        crc = crc_high_first(covered + bytes(BLOCK_LENGTH - length))
        if low_first == crc:
            return length, []
        if high_first == crc:
            return length, [FLAG_CRC_BYTES_SWAPPED]
        # Only who knows no more than 32 bytes forgets the padding; every further reading that is
        # accepted is one more chance for a torn block to pass.
        if low_first == crc_high_first(covered) and not any(memory[length:BLOCK_LENGTH]):
            return length, [FLAG_CRC_UNPADDED]
    return 0, []


def _read_extensions(
    area: bytes, pii_here: bool, owner_here: bool, flags: "list[str]"
) -> "list[Element]":
    elements: list[Element] = []
    at = 0
    while at < len(area) and area[at] != 0:
        if area[at] == _FILLER:
            at += 1
            continue
        frame = area[at : at + area[at]]
        if not _frame_holds(frame):
            flags.append(FLAG_EXTENSION_TORN)
            break
        elements += _read_frame(frame, pii_here, owner_here, flags)
        at += len(frame)
    return elements


def _frame_holds(frame: bytes) -> bool:
    summed = 0
    for byte in frame:
        summed ^= byte
    return len(frame) == frame[0] and len(frame) >= _FRAME_LENGTH and summed == 0


def _read_frame(
    frame: bytes, pii_here: bool, owner_here: bool, flags: "list[str]"
) -> "list[Element]":
    block = frame[1] | frame[2] << 8
    if frame[2] == _LONG_ID and len(frame) >= _FRAME_LENGTH + 2:
        long_id = frame[1] | frame[3] << 8 | frame[4] << 16
        return [Element(EXTENSION_BLOCK + long_id, latin_text(frame[6:]))]
    if block in _FIELDS:
        found = _read_fields(block, frame[4:])
        if found is not None:
            return [Element(_library_oid(e.oid, pii_here, owner_here), e.text) for e in found]
        flags.append(FLAG_EXTENSION_UNKNOWN_LAYOUT)
    return [Element(EXTENSION_BLOCK + block, latin_text(frame[4:]))]


def _library_oid(oid: int, pii_here: bool, owner_here: bool) -> int:
    """The library block holds what the basic block has no room for, else an alternative."""
    if oid == OID_ALTERNATIVE_ITEM_ID and pii_here:
        return OID_PII
    if oid == OID_ALTERNATIVE_OWNER and owner_here:
        return OID_OWNER
    return oid


def _read_fields(block: int, fields: bytes) -> "list[Element] | None":
    """Return the elements of a known block, None if they do not stand as they should."""
    found: list[Element] = []
    rest = fields
    for oid in _FIELDS[block]:
        if not rest:
            break
        if oid < 0:
            if rest[0]:
                found.append(Element(-oid, str(rest[0])))
            rest = rest[1:]
            continue
        raw = until_nul(rest)
        rest = rest[len(raw) + 1 :]
        try:
            text = checked_text("extension", raw)
        except TagDataInvalid:
            return None
        if text:
            found.append(Element(oid, text))
    return None if any(rest) else found


def _taken(elements: "list[Element]", oid: int) -> str:
    """Take the element out of the list and return its text, empty if it is not there."""
    for element in elements:
        if element.oid == oid:
            elements.remove(element)
            return element.text
    return ""


def _extensions(content: TagContent) -> bytes:
    """Return the extension blocks this content needs, without the 00 that ends them."""
    texts = {element.oid: element.text for element in content.elements}
    if len(content.pii.encode("utf-8")) > PII_LENGTH_MAX:
        if OID_ALTERNATIVE_ITEM_ID in texts:
            raise TagDataInvalid(
                f"item id {content.pii!r}: longer than 16 bytes, where the alternative id stands"
            )
        texts[OID_ALTERNATIVE_ITEM_ID] = content.pii
    frames = b""
    for block in sorted(_FIELDS):
        fields = _written_fields(block, texts)
        if fields:
            frames += _frame(bytes((block, 0)), fields)
    for element in content.elements:
        if element.oid not in _BLOCK_OF_OID:
            frames += _kept_frame(element)
    return frames


def _written_fields(block: int, texts: "dict[int, str]") -> bytes:
    written = b""
    used = 0
    for oid in _FIELDS[block]:
        text = texts.get(abs(oid), "")
        if oid < 0:
            written += bytes((_number(-oid, text),))
        else:
            written += (
                checked_bytes(f"element {oid}", text, PII_LENGTH_MAX_EXTENDED) if text else b""
            ) + b"\x00"
        if text:
            used = len(written) if oid < 0 else len(written) - 1
    return written[:used]


def _number(oid: int, text: str) -> int:
    if not text:
        return 0
    if not is_number(text, 3) or not 0 < int(text) <= 0xFF:
        raise TagDataInvalid(f"element {oid} {text!r}: must be a number from 1 to 255")
    return int(text)


def _kept_frame(element: Element) -> bytes:
    if not EXTENSION_BLOCK <= element.oid < THREE_M_TYPE:
        raise TagDataInvalid(f"element {element.oid}: no extension block has a place for it")
    block = element.oid - EXTENSION_BLOCK
    block_id = bytes((block & 0xFF, block >> 8 & 0xFF))
    if block >> 8 >= _LONG_ID:
        block_id = bytes((block & 0xFF, _LONG_ID, block >> 8 & 0xFF, block >> 16))
    return _frame(block_id, latin_bytes(element.text))


def _frame(block_id: bytes, fields: bytes) -> bytes:
    length = 2 + len(block_id) + len(fields)
    if length > _EXTENSION_LENGTH_MAX:
        raise TagDataInvalid(f"an extension block has at most 255 bytes, this needs {length}")
    summed = length
    for byte in block_id + fields:
        summed ^= byte
    return bytes((length,)) + block_id + bytes((summed,)) + fields
