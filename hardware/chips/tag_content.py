"""What a tag says about its item, whatever format it is written in. Portable.

The formats are `iso28560_3`, `iso28560_2` and `tag_3m`; `tag_data` chooses between them.
"""

from collections import namedtuple

TYPE_CHECKING = False

FORMAT_ISO28560_3 = "iso28560-3"
FORMAT_ISO28560_2 = "iso28560-2"
FORMAT_3M = "3m-rfid501"

DSFID_ISO28560_2 = 0x06
DSFID_ISO28560_3 = 0x3E

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
FLAG_EXTENSION_TORN = "extension_torn"
FLAG_EXTENSION_UNKNOWN_LAYOUT = "extension_unknown_layout"
FLAG_DSFID_MISMATCH = "dsfid_mismatch"
FLAG_FORMAT_GUESSED = "format_guessed"
FLAG_INDEX_INCOMPLETE = "index_incomplete"
FLAG_LIST_CUT = "list_cut"
FLAG_ELEMENT_UNREADABLE = "element_unreadable"
FLAG_NUMBER_PADDED = "number_padded"
FLAG_PADDING_DIRTY = "padding_dirty"
FLAG_SET_UNREADABLE = "set_unreadable"

# Relative object identifiers of ISO 28560-1, table 1: the same elements in both encodings.
OID_PII = 1
OID_CONTENT_PARAMETER = 2
OID_OWNER = 3
OID_SET = 4
OID_USAGE = 5
OID_SHELF_LOCATION = 6
OID_ONIX_MEDIA_FORMAT = 7
OID_MARC_MEDIA_FORMAT = 8
OID_SUPPLIER = 9
OID_ORDER_NUMBER = 10
OID_ILL_INSTITUTION = 11
OID_ILL_TRANSACTION = 12
OID_GS1_PRODUCT = 13
OID_ALTERNATIVE_UNIQUE_ID = 14
OID_LOCAL_A = 15
OID_LOCAL_B = 16
OID_TITLE = 17
OID_LOCAL_PRODUCT = 18
OID_MEDIA_FORMAT = 19
OID_SUPPLY_CHAIN_STAGE = 20
OID_SUPPLIER_INVOICE = 21
OID_ALTERNATIVE_ITEM_ID = 22
OID_ALTERNATIVE_OWNER = 23
OID_OWNER_SUBSIDIARY = 24
OID_ALTERNATIVE_ILL_INSTITUTION = 25
OID_LOCAL_C = 26
OID_MAX = 127

EXTENSION_BLOCK = 0x0100_0000
"""Added to the id of an extension block of ISO 28560-3 that is kept as it is: its text has one
character a byte."""

THREE_M_TYPE = 0x0200_0000
THREE_M_BRANCH = 0x0200_0001
THREE_M_LIBRARY = 0x0200_0002
THREE_M_CUSTOM = 0x0200_0003
"""Fields of 3M's layout that no ISO element means; their texts are decimal numbers."""


class TagDataInvalid(ValueError):
    """These bytes are not a library's data, or cannot become it."""


if TYPE_CHECKING:
    from typing import NamedTuple

    class Element(NamedTuple):
        """One more thing a tag says: an OID of ISO 28560-1, and its text."""

        oid: int
        text: str

    class TagContent(NamedTuple):
        """What a tag says about its item: its id, its owner, which part of how many."""

        pii: str
        owner: str
        part: int
        parts: int
        usage: int
        format: str
        flags: tuple[str, ...]
        elements: tuple[Element, ...]

else:

    class Element(namedtuple("Element", ("oid", "text"))):
        """One more thing a tag says: an OID of ISO 28560-1, and its text."""

    class TagContent(
        namedtuple(
            "TagContent",
            ("pii", "owner", "part", "parts", "usage", "format", "flags", "elements"),
        )
    ):
        """What a tag says about its item: its id, its owner, which part of how many.

        `owner` is the ISIL as this format carries it: ISO 28560-3 drops the hyphen after the
        country, ISO 28560-2 keeps it; `is_owner` compares either with an ISIL. `flags` names the
        known mistakes met while reading; it is empty on a tag as it should be. `elements` holds
        whatever else the tag says, sorted by OID.
        """


def new_content(
    pii: str, owner: str, part: int = 1, parts: int = 1, usage: int = USAGE_CIRCULATING
) -> TagContent:
    """Return the content for a fresh ISO 28560-3 tag: a circulating item in one part."""
    return TagContent(pii, owner, part, parts, usage, FORMAT_ISO28560_3, (), ())


def with_elements(content: TagContent, elements: "list[Element]") -> TagContent:
    """Return the content saying these other elements instead of its own."""
    c = content
    ordered = tuple(sorted(elements, key=lambda element: element.oid))
    return TagContent(c.pii, c.owner, c.part, c.parts, c.usage, c.format, c.flags, ordered)


def with_format(content: TagContent, format: str) -> TagContent:
    """Return the content as it would be on a tag of another format, without flags."""
    c = content
    return TagContent(c.pii, c.owner, c.part, c.parts, c.usage, format, (), c.elements)


def with_flags(content: TagContent, flags: "list[str]") -> TagContent:
    """Return the content with these flags added in front of its own."""
    c = content
    all_flags = tuple(flags) + c.flags
    return TagContent(c.pii, c.owner, c.part, c.parts, c.usage, c.format, all_flags, c.elements)


def element_text(content: TagContent, oid: int) -> "str | None":
    """Return the text of one of the other elements, None if the tag does not say it."""
    for element in content.elements:
        if element.oid == oid:
            return element.text
    return None


def owner_code(isil: str) -> str:
    """Return an ISIL as ISO 28560-3 carries it: without the hyphen after the country's prefix."""
    prefix, hyphen, rest = isil.partition("-")
    return prefix + rest if hyphen and 1 <= len(prefix) <= 4 else isil


def is_owner(owner: str, isil: str) -> bool:
    """Return whether the owner on a tag, in either format's spelling, is this ISIL."""
    return bool(owner) and owner in (isil, owner_code(isil))


def is_printable(raw: bytes) -> bool:
    """Return whether no byte is a control character."""
    return all(byte >= 0x20 and byte != 0x7F for byte in raw)


def is_number(text: str, digits_max: int) -> bool:
    """Return whether a text is 1 to so many digits; `str.isdigit` takes ² and ٣ for digits too."""
    return 1 <= len(text) <= digits_max and all(digit in "0123456789" for digit in text)


def checked_bytes(name: str, text: str, length_max: int) -> bytes:
    """Return the UTF-8 bytes of a text; raises `TagDataInvalid` naming what does not fit."""
    raw = text.encode("utf-8")
    if not raw or len(raw) > length_max:
        raise TagDataInvalid(f"{name} {text!r}: must be 1 to {length_max} bytes, is {len(raw)}")
    if not is_printable(raw):
        raise TagDataInvalid(f"{name} {text!r}: control characters do not belong on a tag")
    return raw


def checked_text(name: str, raw: bytes) -> str:
    """Return the text of UTF-8 bytes; raises `TagDataInvalid` if they are none."""
    try:
        text = raw.decode("utf-8")
    except UnicodeError:
        text = ""
    if raw and not text:
        raise TagDataInvalid(f"{name} on the tag: not UTF-8: {raw!r}")
    if not is_printable(raw):
        raise TagDataInvalid(f"{name} on the tag: control characters in {raw!r}")
    return text


def until_nul(raw: bytes) -> bytes:
    """Return the bytes before the first NUL, all of them if there is none."""
    end = raw.find(b"\x00")
    return raw if end < 0 else raw[:end]


def check_part(content: TagContent, parts_max: int) -> None:
    """Raise `TagDataInvalid` unless the content is part n of N, 1 <= n <= N <= parts_max."""
    part, parts = content.part, content.parts
    if not 1 <= part <= parts <= parts_max:
        raise TagDataInvalid(f"part {part} of {parts}: must be 1 to {parts_max}, in order")


def latin_text(raw: bytes) -> str:
    """Return one character a byte (ISO 8859-1), which any bytes are."""
    return "".join([chr(byte) for byte in raw])


def latin_bytes(text: str) -> bytes:
    """Return the byte each character stands for; raises `TagDataInvalid` above U+00FF."""
    if any(ord(character) > 0xFF for character in text):
        raise TagDataInvalid(f"{text!r}: these bytes are written one character a byte")
    return bytes([ord(character) for character in text])
