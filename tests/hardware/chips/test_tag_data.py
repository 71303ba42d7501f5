"""The ISO 28560-3 basic block: golden bytes, strict writing, tolerant reading."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.chips import tag_data
from hardware.chips.tag_data import TagDataInvalid, crc16, decode, encode, new_content

DANISH = bytes.fromhex(
    "110101 31303030303030303536000000000000 98a4 444b373138353030000000".replace(" ", "")
)
BOOK = new_content("1000000056", "DK718500")


def test_the_checksum_is_the_published_one():
    """The CRC of "123456789" is the check value published for CRC-16/CCITT-FALSE."""
    assert crc16(b"123456789") == 0x29B1


def test_a_block_equals_the_standards_example():
    """What we write for the Danish model's example is that example, byte for byte."""
    assert encode(new_content("1000000056", "DK-718500"), 32) == DANISH
    assert encode(new_content("1000000056", "DK-718500")) == DANISH + bytes(2)


def test_the_standards_example_is_read():
    """The Danish model's example is read without a flag, alone or as the start of a memory."""
    assert decode(DANISH) == BOOK
    assert decode(DANISH + bytes(80)) == BOOK


def test_bytes_behind_a_short_block_are_not_the_owners():
    """A 32-byte block whose owner fills its 11 bytes ends there, whatever follows."""
    short = encode(new_content("42", "DE-ABCDEFGHI"), 32)

    assert decode(short + b"zz" + bytes(4)).owner == "DEABCDEFGHI"


@given(
    pii=st.text(
        st.characters(min_codepoint=0x20, exclude_characters="\x7f", codec="utf-8"), max_size=50
    ),
    owner=st.text("ABCDEFGHIJ0123456789", min_size=1, max_size=11),
    parts=st.tuples(st.integers(1, 255), st.integers(1, 255)).map(sorted),
    usage=st.integers(0, 15),
    length=st.sampled_from([32, 34]),
)
def test_every_content_comes_back(pii, owner, parts, usage, length):
    """Whatever fits on a tag is read back as it was written, without a flag."""
    content = new_content(pii, owner, parts[0], parts[1], usage)
    if not 1 <= len(pii.encode()) <= (16 if length == 32 else 200):
        with pytest.raises(TagDataInvalid, match="item id"):
            encode(content, length)
        return

    assert decode(encode(content, length)) == content


@given(st.integers(0, 33), st.integers(1, 255))
def test_a_torn_write_never_names_a_book(position, change):
    """One changed byte anywhere in a full block is an error, or flagged as a known mistake."""
    block = bytearray(encode(new_content("30001234567", "DE-0123456789")))
    block[position] ^= change

    try:
        content = decode(bytes(block))
    except TagDataInvalid:
        return
    assert content.flags


def with_crc(block, crc, first_low=True):
    """Return the block with another checksum stored."""
    low, high = crc & 0xFF, crc >> 8
    pair = bytes((low, high) if first_low else (high, low))
    return block[:19] + pair + block[21:]


def test_parts_in_the_wrong_order_are_swapped_and_flagged():
    """A tag saying part 3 of 2 was written by a program with these bytes the other way round."""
    block = bytearray(encode(new_content("42", "DE-1", 2, 3)))
    block[1], block[2] = block[2], block[1]
    block = with_crc(bytes(block), crc16(bytes(block[:19] + block[21:])))

    content = decode(block)

    assert (content.part, content.parts) == (2, 3)
    assert content.flags == (tag_data.FLAG_PARTS_SWAPPED,)


def test_blocks_delivered_backwards_are_turned_round_and_flagged():
    """A reader that returns each memory block reversed still names the book."""
    memory = encode(BOOK) + bytes(2)
    reversed_memory = b"".join(memory[at : at + 4][::-1] for at in range(0, 36, 4))

    content = decode(reversed_memory)

    assert content.pii == "1000000056"
    assert content.flags == (tag_data.FLAG_BLOCKS_REVERSED,)


def test_a_checksum_stored_high_byte_first_is_flagged():
    """A checksum in the other byte order is accepted and flagged."""
    block = with_crc(DANISH, 0xA498, first_low=False)

    assert decode(block).flags == (tag_data.FLAG_CRC_BYTES_SWAPPED,)


def test_a_checksum_without_padding_is_flagged():
    """A 32-byte tag whose checksum forgot the two NUL bytes is accepted and flagged."""
    block = with_crc(DANISH, 0xDAFB)

    assert decode(block).flags == (tag_data.FLAG_CRC_UNPADDED,)


def test_an_item_id_in_an_extension_block_that_is_missing_is_flagged():
    """An item id that stands nowhere leaves it empty, and the owner readable."""
    block = bytearray(encode(BOOK))
    block[3:19] = b"\x01" + bytes(15)
    block = with_crc(bytes(block), crc16(bytes(block[:19] + block[21:])))

    content = decode(block)

    assert (content.pii, content.owner) == ("", "DK718500")
    assert content.flags == (tag_data.FLAG_PII_ELSEWHERE,)


@pytest.mark.parametrize(
    ("content", "length", "names"),
    [
        (new_content("", "DE-1"), 34, "item id"),
        (new_content("12345678901234567", "DE-1"), 32, "item id"),
        (new_content("1" * 256, "DE-1"), 34, "item id"),
        (new_content("12\n", "DE-1"), 34, "control"),
        (new_content("42", "DE-123456789012"), 34, "owner"),
        (new_content("42", "DE-1234567890"), 32, "owner"),
        (new_content("42", "DE-1", 0, 1), 34, "part 0 of 1"),
        (new_content("42", "DE-1", 2, 1), 34, "part 2 of 1"),
        (new_content("42", "DE-1", 1, 256), 34, "part 1 of 256"),
        (new_content("42", "DE-1", usage=16), 34, "usage 16"),
        (new_content("42", "DE-1"), 33, "33"),
    ],
)
def test_what_does_not_fit_is_named(content, length, names):
    """A field that does not fit on the tag is refused by name, never cut off."""
    with pytest.raises(TagDataInvalid, match=names):
        encode(content, length)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "at least 32"),
        (DANISH[:31], "at least 32"),
        (bytes(34), "version"),
        (b"\xff" * 34, "version"),
        (with_crc(DANISH[:3] + b"\xff" + DANISH[4:], 0), "checksum"),
    ],
)
def test_what_is_no_block_is_refused(data, says):
    """Short, blank or torn memory is an error that says what is wrong."""
    with pytest.raises(TagDataInvalid, match=says):
        decode(data)


@pytest.mark.parametrize("pii", [b"\xff\xfe" + bytes(14), b"a\x07b" + bytes(13)])
def test_an_item_id_that_is_no_text_is_refused(pii):
    """A right checksum around bytes that are no text still names no book."""
    block = DANISH[:3] + pii + DANISH[19:]
    block = with_crc(block, crc16(block[:19] + block[21:] + bytes(2)))

    with pytest.raises(TagDataInvalid, match="item id on the tag"):
        decode(block)


def test_blank_memory_is_told_apart():
    """A tag never written is blank; one byte of data makes it not blank."""
    assert tag_data.is_blank(bytes(34))
    assert tag_data.is_blank(b"\xff" * 34)
    assert not tag_data.is_blank(bytes(33) + b"\x01")


@pytest.mark.parametrize(
    ("isil", "code"),
    [("DK-718500", "DK718500"), ("US-InU-Mu", "USInU-Mu"), ("DE715", "DE715"), ("-1", "-1")],
)
def test_only_the_hyphen_after_the_country_is_dropped(isil, code):
    """An ISIL loses exactly the hyphen that ends its prefix."""
    assert tag_data.owner_code(isil) == code
