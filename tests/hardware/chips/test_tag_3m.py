"""3M's older layout: the vectors of Biblio-RFID, strict writing, and what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.chips import tag_3m, tag_data
from hardware.chips.tag_content import (
    THREE_M_BRANCH,
    THREE_M_CUSTOM,
    THREE_M_LIBRARY,
    THREE_M_TYPE,
)
from hardware.chips.tag_data import Element, TagContent, TagDataInvalid, decode, encode

# dpavlin/Biblio-RFID, t/05-RFID501.t
FULL = bytes.fromhex("04110000 32303039 30313031 30313233 00000000 ffffffff 7fffffff 00000000")
BOOK = bytes.fromhex("04110001 31333032 30303337 36370000 00000000 00000000 00000000 00000000")


def test_the_published_tags_are_read():
    """Barcode, item type, branch, library and custom number are those of the published tests."""
    full, book = tag_3m.decode(FULL), tag_3m.decode(BOOK)

    assert (full.pii, full.part, full.parts) == ("200901010123", 1, 1)
    assert full.elements == (
        Element(THREE_M_BRANCH, "4095"),
        Element(THREE_M_LIBRARY, "1048575"),
        Element(THREE_M_CUSTOM, "2147483647"),
    )
    assert (book.pii, book.owner) == ("1302003767", "")
    assert book.elements == (Element(THREE_M_TYPE, "1"),)


@pytest.mark.parametrize("memory", [FULL, BOOK])
def test_the_published_tags_are_written(memory):
    """What we write for their content are the published bytes."""
    assert encode(tag_3m.decode(memory)) == memory


def test_this_layout_is_recognised_and_flagged():
    """It has no checksum and no DSFID of its own, so reading it is a guess that is said."""
    content = decode(BOOK + bytes(80))

    assert (content.format, content.flags) == ("3m-rfid501", (tag_data.FLAG_FORMAT_GUESSED,))


@given(
    pii=st.text("0123456789ABCabc-", min_size=1, max_size=16),
    parts=st.tuples(st.integers(1, 15), st.integers(1, 15)).map(sorted),
    branch=st.integers(1, 0xFFF),
    custom=st.integers(-(1 << 31), -1),
)
def test_every_content_comes_back(pii, parts, branch, custom):
    """Whatever fits is read back as it was written; the custom number may be negative."""
    elements = (Element(THREE_M_BRANCH, str(branch)), Element(THREE_M_CUSTOM, str(custom)))
    content = TagContent(pii, "", parts[0], parts[1], 6, "3m-rfid501", (), elements)

    assert tag_3m.decode(encode(content)) == content


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({0: 0x05}, "not 04"),
        ({2: 0x01}, "not 04"),
        ({1: 0x00}, "part 0 of 0"),
        ({1: 0x21}, "part 2 of 1"),
        ({31: 0x01}, "block 7"),
        ({8: 0x00}, "NUL padded"),
        ({4: 0x00}, "NUL padded"),
        ({5: 0x0A}, "control"),
    ],
)
def test_what_is_none_is_refused(change, says):
    """Bytes that this layout never has are an error that says which."""
    memory = bytearray(BOOK)
    for at, byte in change.items():
        memory[at] = byte

    with pytest.raises(TagDataInvalid, match=says):
        tag_3m.decode(bytes(memory))


@pytest.mark.parametrize(
    ("pii", "part", "elements", "names"),
    [
        ("", 1, (), "item id"),
        ("1" * 17, 1, (), "item id"),
        ("1", 2, (), "part 2 of 1"),
        ("1", 1, (Element(17, "title"),), "element 17"),
        ("1", 1, (Element(THREE_M_BRANCH, "4096"),), "4096"),
        ("1", 1, (Element(THREE_M_TYPE, "book"),), "book"),
        ("1", 1, (Element(THREE_M_TYPE, "²"),), "must be 0 to 255"),
    ],
)
def test_what_does_not_fit_is_named(pii, part, elements, names):
    """A field that does not fit is refused by name, never cut off."""
    with pytest.raises(TagDataInvalid, match=names):
        encode(TagContent(pii, "", part, 1, 6, "3m-rfid501", (), elements))


def test_a_tag_from_the_factory_is_blank():
    """3M's factory leaves 55 in six blocks."""
    assert tag_data.is_blank(bytes.fromhex("55" * 24 + "00" * 4))
    assert tag_data.is_blank(bytes.fromhex("55" * 24 + "00" * 40))
    assert not tag_data.is_blank(bytes.fromhex("55" * 24 + "00" * 4 + "01"))
