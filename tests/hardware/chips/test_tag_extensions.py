"""ISO 28560-3 extension blocks: frames, fields, long item ids, the security byte beside them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.chips import iso28560_3, tag_data
from hardware.chips.tag_content import EXTENSION_BLOCK, TagContent
from hardware.chips.tag_data import Element, TagDataInvalid, decode, encode, new_content


def frame(text):
    """Return a block from hex, its XOR byte filled in."""
    raw = bytearray(bytes.fromhex(text.replace("{xor}", "00")))
    for byte in bytes(raw):
        raw[3] ^= byte
    return bytes(raw)


BOOK = new_content("1000000136", "DK-718500")
BASIC = encode(BOOK)

# ISO 28560-3, annex B.2: a basic block, a library and an acquisition extension block.
LIBRARY = "0501000501"
WHOLE = bytes.fromhex(
    "110101 31303030303030313336000000000000 3615 444b373138353030 0000000000"
    + LIBRARY
    + "22020071 426f67766f676e656e00 3132333435363738393000 00 6137383936353663 00"
)
SAID = (
    Element(9, "Bogvognen"),
    Element(18, "1234567890"),
    Element(19, "1"),
    Element(21, "a789656c"),
)


def content(*elements, pii="1000000136"):
    """Return a book whose tag says these elements too."""
    return tag_data.with_elements(new_content(pii, "DK718500"), list(elements))


def test_the_standards_example_is_read():
    """Media format, supplier, product and invoice stand behind the basic block."""
    assert (decode(WHOLE).pii, decode(WHOLE).owner) == ("1000000136", "DK718500")
    assert decode(WHOLE).elements == SAID
    assert decode(WHOLE).flags == ()
    assert decode(WHOLE + b"\xff" * 40).elements == SAID


def test_the_standards_example_is_written():
    """What we write for it is that example, byte for byte."""
    assert encode(content(*SAID)) == WHOLE


def test_the_tag_of_a_finnish_library_is_read():
    """A tag in use (Hypernova-Oy/lainuri, t/), with an unstructured block 101 of its own."""
    memory = b"\x11\x01\x011620154429" + bytes(6) + b"\xc4\xcfFIMamk-M" + bytes(5)
    memory += b"\x06e\x00vta" + bytes(40)

    content = decode(memory)

    assert (content.pii, content.owner, content.flags) == ("1620154429", "FIMamk-M", ())
    assert content.elements == (Element(EXTENSION_BLOCK + 101, "ta"),)
    assert encode(content) == memory[:41]


def test_all_five_blocks_come_back():
    """Each field of each block is written to its place and read from there."""
    oids = [6, 7, 8, 9, 10, 11, 12, 13, 17, 18, 21, 22, 23, 24, 25]
    said = [Element(oid, f"field {oid}") for oid in oids] + [Element(19, "2"), Element(20, "16")]
    written = encode(content(*said))

    assert decode(written) == content(*said)
    assert written[-1] == 0


def test_a_long_item_id_stands_in_the_library_block():
    """More than 16 bytes leave 01 in the basic block, and come back whole."""
    image = encode(new_content("urn:item:3000123456789", "DK-718500"))

    assert image[3:19] == b"\x01" + bytes(15)
    assert image[34:40] == bytes((27, 1, 0, image[37], 0)) + b"u"
    assert decode(image) == new_content("urn:item:3000123456789", "DK718500")


def test_an_owner_in_the_library_block_is_the_owner_if_there_is_no_other():
    """Where the basic block names no owner, the library block's is it, else an alternative."""
    library = frame("0f 0100 {xor} 00 00 44452d313233343536")
    nobody = bytearray(BASIC)
    nobody[21:] = bytes(13)
    crc = tag_data.crc16(bytes(nobody[:19] + nobody[21:]))
    nobody[19:21] = bytes((crc & 0xFF, crc >> 8))

    assert decode(bytes(nobody) + library + b"\x00").owner == "DE-123456"
    assert decode(BASIC + library + b"\x00").elements == (Element(23, "DE-123456"),)


def test_unknown_blocks_are_kept():
    """A block we do not know is read and written back, whatever its bytes; so is a long id."""
    own = frame("07 2c01 {xor} 00ff80")
    long_id = bytes.fromhex("0855ff34120a")
    long_id = long_id[:5] + bytes((0x08 ^ 0x55 ^ 0xFF ^ 0x34 ^ 0x12 ^ 0x61 ^ 0x62,)) + b"ab"

    found = decode(BASIC + own + long_id + b"\x00")

    assert found.elements == (
        Element(EXTENSION_BLOCK + 0x012C, "\x00\xff\x80"),
        Element(EXTENSION_BLOCK + 0x123455, "ab"),
    )
    assert decode(encode(found)) == found


def test_a_long_block_id_comes_back():
    """An id that needs three bytes is announced by FF, as the data model says."""
    said = content(Element(EXTENSION_BLOCK + 0x12FF55, "ab"))

    assert encode(said)[34:40].hex() == "0855ffff12" + encode(said)[39:40].hex()
    assert decode(encode(said)) == said


def test_a_known_block_of_another_layout_is_kept_and_flagged():
    """A block whose fields are not where they belong is kept as it is, not guessed at."""
    title = frame("08 0400 {xor} 41004200")

    found = decode(BASIC + title + b"\x00")

    assert found.elements == (Element(EXTENSION_BLOCK + 4, "A\x00B\x00"),)
    assert found.flags == (tag_data.FLAG_EXTENSION_UNKNOWN_LAYOUT,)
    assert encode(found)[34:42] == title


def test_fillers_are_skipped():
    """A length of 1 fills the space between blocks."""
    assert decode(BASIC + b"\x01\x01" + bytes.fromhex(LIBRARY)).elements == (Element(19, "1"),)


@pytest.mark.parametrize("damage", ["05 0100 04 01", "ff 0100 05 01", "03 0100", "02"])
def test_a_torn_extension_is_flagged_and_the_rest_believed(damage):
    """The basic block has its own checksum: it holds when what follows does not."""
    found = decode(BASIC + bytes.fromhex(damage) + bytes(8))

    assert (found.pii, found.elements) == ("1000000136", ())
    assert found.flags == (tag_data.FLAG_EXTENSION_TORN,)


def test_a_long_item_id_in_a_torn_block_names_nothing():
    """An item id whose block is torn is no item id."""
    image = bytearray(encode(new_content("urn:item:3000123456789", "DK-718500")))
    image[45] ^= 0x04

    found = decode(bytes(image))

    assert found.pii == ""
    assert found.flags == (tag_data.FLAG_EXTENSION_TORN, tag_data.FLAG_PII_ELSEWHERE)


TEXTS = st.text(
    st.characters(min_codepoint=0x20, exclude_characters="\x7f", codec="utf-8"),
    min_size=1,
    max_size=30,
)


@given(
    pii=TEXTS,
    texts=st.dictionaries(st.sampled_from([6, 7, 8, 9, 10, 13, 17, 18, 21, 23, 24, 25]), TEXTS),
    numbers=st.dictionaries(st.sampled_from([19, 20]), st.integers(1, 255).map(str)),
    kept=st.dictionaries(st.integers(6, 0xFEFF), st.binary(max_size=40), max_size=3),
    security_byte=st.booleans(),
)
def test_every_content_comes_back(pii, texts, numbers, kept, security_byte):
    """Whatever a tag says is written and read back, with and without our security byte."""
    said = [Element(oid, text) for oid, text in {**texts, **numbers}.items()]
    said += [
        Element(EXTENSION_BLOCK + block, "".join(map(chr, raw))) for block, raw in kept.items()
    ]

    image = bytearray(encode(content(*said, pii=pii), security_byte=security_byte))

    if security_byte and len(image) > 36:
        image[36] = 0xC2
    assert decode(bytes(image), security_byte=security_byte) == content(*said, pii=pii)


@pytest.mark.parametrize(
    ("said", "names"),
    [
        (content(Element(15, "a")), "element 15: no extension block"),
        (content(Element(4, "12")), "element 4: no extension block"),
        (content(Element(19, "book")), "element 19"),
        (content(Element(19, "²")), "element 19"),
        (content(Element(20, "256")), "element 20"),
        (content(Element(17, "\n")), "control"),
        (content(Element(17, "é" * 126)), "element 17"),
        (content(Element(EXTENSION_BLOCK + 9, "漢")), "one character a byte"),
        (content(Element(EXTENSION_BLOCK + 9, "x" * 252)), "255 bytes"),
        (content(Element(22, "alt"), pii="x" * 17), "alternative"),
    ],
)
def test_what_does_not_fit_is_named(said, names):
    """An element without a place is refused by name, never left out."""
    with pytest.raises(TagDataInvalid, match=names):
        encode(said)


def test_a_short_tag_has_no_extensions():
    """On 32 bytes there is a basic block and no more."""
    with pytest.raises(TagDataInvalid, match="32 bytes"):
        encode(content(Element(17, "a")), 32)


def test_extensions_stand_behind_the_security_byte():
    """Where our byte stands at 36 an end follows the basic block, and blocks start at 40."""
    image = encode(content(Element(17, "Emma")), security_byte=True)

    assert image[34:40] == bytes(6)
    assert image[40:48] == frame("08 0400 {xor} 456d6d61")
    assert decode(image).elements == ()
    assert decode(image, security_byte=True).elements == (Element(17, "Emma"),)


def test_the_security_byte_has_a_place_unless_others_took_it():
    """A tag whose blocks stand where our byte would be has no place for it."""
    blank, small = bytes(144), bytes(36)
    foreign = WHOLE + bytes(60)
    ours = encode(content(Element(17, "Emma")), security_byte=True) + bytes(60)
    elements = encode(tag_data.with_format(BOOK, "iso28560-2"))

    assert tag_data.security_place(blank) == 36
    assert tag_data.security_place(BASIC + bytes(110)) == 36
    assert tag_data.security_place(ours) == 36
    assert tag_data.security_place(elements + bytes(108)) == 36
    assert tag_data.security_place(small) is None
    assert tag_data.security_place(foreign) is None


def test_elements_that_cover_the_security_byte_are_refused():
    """ISO 28560-2 has no gap: what would run over our byte is refused, and seen when foreign."""
    long_shelf = TagContent(
        "123456789012", "US-InU-Mu", 1, 1, 1, "iso28560-2", (), (Element(6, "SHELF 12345678"),)
    )

    with pytest.raises(TagDataInvalid, match="security byte"):
        encode(long_shelf, security_byte=True)
    assert tag_data.security_place(encode(long_shelf) + bytes(100)) is None


def test_a_basic_block_that_names_no_item_is_refused():
    """A right checksum around an empty item id still names nothing."""
    empty = bytearray(BASIC)
    empty[3:19] = bytes(16)
    crc = tag_data.crc16(bytes(empty[:19] + empty[21:]))
    empty[19:21] = bytes((crc & 0xFF, crc >> 8))

    with pytest.raises(TagDataInvalid, match="names no item"):
        decode(bytes(empty))


def test_what_looks_like_a_torn_block_is_not_taken_for_another_format():
    """Bytes of a basic block whose checksum is wrong are never read as elements."""
    torn = bytearray(encode(new_content("\u00e3\x25AB", "DK-718500", 3, 3)))
    torn[10] ^= 0x41

    assert iso28560_3.looks_like(bytes(torn))
    with pytest.raises(TagDataInvalid, match="checksum"):
        decode(bytes(torn) + bytes(60))
