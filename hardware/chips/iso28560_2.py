"""ISO 28560-2: data elements one after the other, in the manner of ISO/IEC 15962. Portable.

An element (ISO 28560-2, 7.5; GB/T 35660.2 is the same):
  precursor: bit 7 offset, bits 6-4 compaction scheme, bits 3-0 OID (15: one more byte holds the
  rest of the OID) · number of padding bytes, if the offset bit is set · length (from 128 on in
  two bytes, the first with its high bit set and worth 128) · data · padding, 00 or 80.
A precursor of 00 ends the list, 80 is skipped. The second element, the content parameter, says
which OIDs from 3 on are there: a bit each, from the high bit of its first byte.

There is no checksum. What shows that a write was torn: an element that runs out of the memory, an
OID met twice, no item id, an item id or owner that is no text, and elements that the content
parameter promises and that are missing: each is an error. Whatever else no encoder writes is
flagged. A torn item id of the right length that is followed by whole elements cannot be told from
a true one; writing keeps that from happening (`hardware/tag_writing.py`), reading cannot.

Where OID 15 and above meet the offset bit, four programs in the field read the rest of the OID
first and one writes it last; the standard's figure was not at hand. We read it first, and never
write such an element.
"""

from hardware.chips.iso15962 import (
    APPLICATION_DEFINED,
    INTEGER,
    OCTETS,
    choose,
    compact,
    compact_isil,
    expand,
    expand_isil,
)
from hardware.chips.tag_content import (
    FLAG_ELEMENT_UNREADABLE,
    FLAG_INDEX_INCOMPLETE,
    FLAG_LIST_CUT,
    FLAG_NUMBER_PADDED,
    FLAG_PADDING_DIRTY,
    FLAG_PARTS_SWAPPED,
    FLAG_SET_UNREADABLE,
    FORMAT_ISO28560_2,
    OID_CONTENT_PARAMETER,
    OID_ILL_INSTITUTION,
    OID_MAX,
    OID_OWNER,
    OID_PII,
    OID_SET,
    OID_USAGE,
    USAGE_NO_INFORMATION,
    Element,
    TagContent,
    TagDataInvalid,
    check_part,
    checked_bytes,
    element_text,
    is_number,
    is_printable,
    latin_text,
)

BLOCK_LENGTH = 4

_TERMINATOR = 0x00
_NULL_PRECURSOR = 0x80
_OFFSET_BIT = 0x80
_LONG_OID = 15
_LENGTH_SHORT_MAX = 0x7F
_TEXT_LENGTH_MAX = 1_000
"""Larger than the memory of every tag a library uses."""

_PADDING_BYTES = (0x00, 0x80)
_PARTS_MAX = 999
_SET_DIGITS = (2, 4, 6)
_FIRST_INDEXED = 3
_ISIL_OIDS = (OID_OWNER, OID_ILL_INSTITUTION)
_CONTENT_OIDS = (OID_PII, OID_CONTENT_PARAMETER, OID_OWNER, OID_SET)


class _Stored:
    """One element as it lies on the tag."""

    def __init__(self, oid: int, scheme: int, data: bytes, padding: bytes, end: int) -> None:
        self.oid = oid
        self.scheme = scheme
        self.data = data
        self.padding = padding
        self.end = end


def decode(memory: bytes) -> TagContent:
    """Return what a memory says, whose first element is the item id.

    Raises `TagDataInvalid` for anything that is not a whole list of elements.
    """
    stored = _read_all(memory)
    flags: list[str] = []
    if any(byte not in _PADDING_BYTES for one in stored.values() for byte in one.padding):
        flags.append(FLAG_PADDING_DIRTY)
    if any(_is_padded_number(one) for one in stored.values()):
        flags.append(FLAG_NUMBER_PADDED)
    pii = _text(stored, OID_PII)
    if not pii:
        raise TagDataInvalid("a list of elements that names no item")
    is_cut = max([one.end for one in stored.values()]) >= len(memory)
    _check_index(stored, is_cut, flags)
    part, parts = _read_set(_other_text(stored, OID_SET, flags), flags)
    usage, elements = _read_usage(stored)
    elements += [
        Element(oid, _other_text(stored, oid, flags))
        for oid in stored
        if oid not in _CONTENT_OIDS and oid != OID_USAGE and stored[oid].data
    ]
    elements.sort(key=lambda element: element.oid)
    owner = _text(stored, OID_OWNER)
    return TagContent(
        pii, owner, part, parts, usage, FORMAT_ISO28560_2, tuple(flags), tuple(elements)
    )


def used_length(memory: bytes) -> int:
    """Return how many bytes the elements take; raises `TagDataInvalid` like `decode`."""
    return max([one.end for one in _read_all(memory).values()])


def has_index(memory: bytes) -> bool:
    """Return whether the elements bear a content parameter, which vouches for them."""
    return OID_CONTENT_PARAMETER in _read_all(memory)


def encode(content: TagContent) -> bytes:
    """Return the elements, padded with zeros to whole blocks of 4 bytes.

    The item id fills its blocks alone, and so does the owner, so that both may be locked (and the
    result is the standard's own example). Where the memory goes on, the byte behind must be 00.

    Raises `TagDataInvalid` naming the element that does not fit. Flags are not written.
    """
    check_part(content, _PARTS_MAX)
    checked_bytes("item id", content.pii, _TEXT_LENGTH_MAX)
    fields = _fields(content)
    image = _element(OID_PII, *_packed(content.pii), pad_from=0)
    oids = sorted(fields)
    if oids:
        fields[OID_CONTENT_PARAMETER] = (APPLICATION_DEFINED, _index(oids))
        unlocked = [OID_CONTENT_PARAMETER]
        unlocked += [oid for oid in oids if oid < _LONG_OID and oid != OID_OWNER]
        for oid in unlocked:
            is_last = oid == unlocked[-1] and OID_OWNER in fields
            image += _element(oid, *fields[oid], pad_from=len(image) if is_last else None)
        if OID_OWNER in fields:
            image += _element(OID_OWNER, *fields[OID_OWNER], pad_from=len(image))
        for oid in oids:
            if oid >= _LONG_OID:
                image += _element(oid, *fields[oid])
    return image + bytes(-len(image) % BLOCK_LENGTH)


def _fields(content: TagContent) -> "dict[int, tuple[int, bytes]]":
    """Return scheme and data of every element after the item id, by OID."""
    fields: dict[int, tuple[int, bytes]] = {}
    if content.owner:
        fields[OID_OWNER] = (APPLICATION_DEFINED, compact_isil(content.owner))
    if content.parts > 1:
        fields[OID_SET] = _packed(_written_set(content.part, content.parts))
    if not 0 <= content.usage <= 15:
        raise TagDataInvalid(f"usage {content.usage}: must be 0 to 15")
    if content.usage != USAGE_NO_INFORMATION or element_text(content, OID_USAGE):
        fields[OID_USAGE] = (OCTETS, bytes((_written_usage(content),)))
    for oid, text in content.elements:
        if oid in _CONTENT_OIDS or oid > OID_MAX:
            raise TagDataInvalid(f"element {oid}: has no place in this format")
        if oid != OID_USAGE:
            checked_bytes(f"element {oid}", text, _TEXT_LENGTH_MAX)
            isil = oid in _ISIL_OIDS
            fields[oid] = (APPLICATION_DEFINED, compact_isil(text)) if isil else _packed(text)
    return fields


def _packed(text: str) -> "tuple[int, bytes]":
    scheme = choose(text)
    return scheme, compact(text, scheme)


def _element(oid: int, scheme: int, data: bytes, pad_from: "int | None" = None) -> bytes:
    """Return one element; `pad_from` is its place in memory if it must end with a block."""
    precursor = scheme << 4 | (oid if oid < _LONG_OID else _LONG_OID)
    head = bytes((oid - _LONG_OID,)) if oid >= _LONG_OID else b""
    body = _length_bytes(len(data)) + data
    length = 1 + len(head) + len(body)
    if pad_from is None or (pad_from + length) % BLOCK_LENGTH == 0:
        return bytes((precursor,)) + head + body
    padding = -(pad_from + length + 1) % BLOCK_LENGTH
    return bytes((precursor | _OFFSET_BIT, padding)) + body + bytes(padding)


def _length_bytes(length: int) -> bytes:
    if length <= _LENGTH_SHORT_MAX:
        return bytes((length,))
    return bytes((0x80 | length >> 7, length & 0x7F))


def _index(oids: "list[int]") -> bytes:
    bits = 0
    length = (max(oids) - _FIRST_INDEXED) // 8 + 1
    for oid in oids:
        bits |= 1 << length * 8 - 1 - (oid - _FIRST_INDEXED)
    return bits.to_bytes(length, "big")


def _written_set(part: int, parts: int) -> str:
    """Return both numbers with as many digits as the larger needs, and at least two in all."""
    width = len(str(parts))
    written = str(part)
    return str(parts) + "0" * (width - len(written)) + written


def _written_usage(content: TagContent) -> int:
    qualified = element_text(content, OID_USAGE)
    if qualified is None:
        return content.usage << 4
    digits = "0123456789abcdef"
    valid = len(qualified) == 2 and qualified[0] in digits and qualified[1] in digits
    if not valid or digits.index(qualified[0]) != content.usage:
        raise TagDataInvalid(f"usage {qualified!r}: must be two hex digits for {content.usage}")
    return content.usage << 4 | digits.index(qualified[1])


def _read_all(memory: bytes) -> "dict[int, _Stored]":
    stored: dict[int, _Stored] = {}
    at = 0
    while at < len(memory) and memory[at] != _TERMINATOR:
        if memory[at] == _NULL_PRECURSOR:
            at += 1
            continue
        one = _read_element(memory, at)
        if not stored and one.oid != OID_PII:
            raise TagDataInvalid(f"the first element is {one.oid}, not the item id")
        if one.oid in stored:
            raise TagDataInvalid(f"element {one.oid} is there twice: a torn write")
        stored[one.oid] = one
        at = one.end
    if not stored:
        raise TagDataInvalid("no elements: the first precursor is the end")
    return stored


def _read_element(memory: bytes, start: int) -> _Stored:
    at = start + 1
    oid, scheme = memory[start] & 0x0F, memory[start] >> 4 & 0x07
    head = memory[at : at + 4] + bytes(4)
    if oid == _LONG_OID:
        oid, head, at = _LONG_OID + head[0], head[1:], at + 1
    padding = 0
    if memory[start] & _OFFSET_BIT:
        padding, head, at = head[0], head[1:], at + 1
    length, at = head[0], at + 1
    if length > _LENGTH_SHORT_MAX:
        length, at = (length & 0x7F) << 7 | head[1], at + 1
    end = at + length + padding
    if oid == 0 or oid > OID_MAX:
        raise TagDataInvalid(f"element {oid} at byte {start}: there is no such element")
    if at + length > len(memory):
        raise TagDataInvalid(f"element {oid} at byte {start}: runs out of the memory")
    return _Stored(oid, scheme, memory[at : at + length], memory[at + length : end], end)


def _text(stored: "dict[int, _Stored]", oid: int) -> str:
    one = stored.get(oid)
    if one is None or not one.data:
        return ""
    isil = oid in _ISIL_OIDS and one.scheme == APPLICATION_DEFINED
    text = expand_isil(one.data) if isil else expand(one.data, one.scheme)
    if oid in (OID_PII, OID_OWNER) and not is_printable(text.encode("utf-8")):
        raise TagDataInvalid(f"element {oid} on the tag: control characters in {text!r}")
    return text


def _other_text(stored: "dict[int, _Stored]", oid: int, flags: "list[str]") -> str:
    """Return the text of an element that names no item: packed as nobody packs, its bytes."""
    try:
        return _text(stored, oid)
    except TagDataInvalid:
        if FLAG_ELEMENT_UNREADABLE not in flags:
            flags.append(FLAG_ELEMENT_UNREADABLE)
        return latin_text(stored[oid].data)


def _is_padded_number(one: _Stored) -> bool:
    """Return whether a number bears zeros in front, which encoders leave out."""
    return one.scheme == INTEGER and len(one.data) > 1 and one.data[0] == 0


def _check_index(stored: "dict[int, _Stored]", is_cut: bool, flags: "list[str]") -> None:
    """Raise `TagDataInvalid` if an element that the content parameter promises is missing.

    Where the list ends with the bytes we were given, not with its own end, the reader may have
    read too few blocks: that is flagged.
    """
    index = stored.get(OID_CONTENT_PARAMETER)
    if index is None:
        return
    promised = [
        _FIRST_INDEXED + 8 * at + place
        for at, byte in enumerate(index.data)
        for place in range(8)
        if byte << place & 0x80
    ]
    missing = [oid for oid in promised if oid not in stored]
    if missing and is_cut:
        flags.append(FLAG_LIST_CUT)
    elif missing:
        raise TagDataInvalid(f"elements {missing} are promised and missing: a torn write")
    if any(oid not in promised for oid in stored if oid >= _FIRST_INDEXED):
        flags.append(FLAG_INDEX_INCOMPLETE)


def _read_set(text: str, flags: "list[str]") -> "tuple[int, int]":
    """Return part and parts: the first half of the digits is how many, the second which."""
    if not text:
        return 1, 1
    half = len(text) // 2
    if len(text) not in _SET_DIGITS or not is_number(text, _SET_DIGITS[-1]):
        flags.append(FLAG_SET_UNREADABLE)
        return 1, 1
    parts, part = int(text[:half]), int(text[half:])
    if part > parts:
        parts, part = part, parts
        flags.append(FLAG_PARTS_SWAPPED)
    if part == 0:
        flags.append(FLAG_SET_UNREADABLE)
        return 1, 1
    return part, parts


def _read_usage(stored: "dict[int, _Stored]") -> "tuple[int, list[Element]]":
    """Return the type of usage, and the element itself if it says more than that."""
    one = stored.get(OID_USAGE)
    if one is None or not one.data:
        return USAGE_NO_INFORMATION, []
    # Some programs write the two hex digits as a decimal number.
    octet = one.data[0]
    if one.scheme == INTEGER and 10 <= octet <= 99:
        octet = octet // 10 << 4 | octet % 10
    digits = "0123456789abcdef"
    qualified = digits[octet >> 4] + digits[octet & 0x0F]
    return octet >> 4, [Element(OID_USAGE, qualified)] if octet & 0x0F else []
