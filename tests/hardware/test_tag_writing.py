"""Writing content: pulled at any byte, refused at any block, on every kind of tag."""

import pytest

from hardware.chips import tag_data
from hardware.chips.tag_data import Element, TagDataInvalid, decode, new_content
from hardware.errors import BlockOutOfRange, DeviceUnavailable, TagLocked, TagLost, WriteFailed
from hardware.ports import ISO15693, NTAG, Security
from hardware.tag_writing import write_content
from sim.clock import VirtualClock
from sim.devices import SimReader
from sim.faults import OFF
from sim.tags import FRAM_2K, NTAG213, SimTag

UID = "e004010000000001"
NTAG_UID = "04a1b2c3d4e580"
OLD = new_content("30001234567", "DE-715", 1, 2)
NEW = new_content("40009876543", "DK-718500")
LONG = new_content("urn:item:3000123456789", "DE-715")
TITLED = tag_data.with_elements(NEW, [Element(17, "Der Fänger im Roggen"), Element(19, "1")])
ELEMENTS = tag_data.with_format(NEW, "iso28560-2")
SHELVED = tag_data.with_elements(ELEMENTS, [Element(6, "QA268.L55")])
LEGACY = tag_data.with_format(new_content("1302003767", "DE-715"), "3m-rfid501")
SAYINGS = {
    "old": OLD,
    "new": NEW,
    "long id": LONG,
    "title": TITLED,
    "elements": ELEMENTS,
    "shelf": SHELVED,
    "3m": LEGACY,
}


class PulledTag(SimTag):
    """A tag that leaves the field after that many bytes were written; None is never."""

    bytes_left = None

    def write_block(self, block, data):
        """Write as many bytes as are left, in order, then be gone."""
        if self.bytes_left is None:
            super().write_block(block, data)
            return
        count = min(self.bytes_left, len(data))
        self.memory[block * 4 : block * 4 + count] = data[:count]
        self.bytes_left -= count
        if count < len(data):
            raise TagLost(self.uid, "writing")


def reader_of(tag):
    """Return a reader with this tag on it."""
    reader = SimReader(VirtualClock(), technologies=(ISO15693, NTAG))
    reader.place(tag)
    return reader


def said_by(tag):
    """Return what the tag's memory says, the text of the error if nothing."""
    security_byte = tag.technology != ISO15693
    try:
        content = decode(bytes(tag.memory), security_byte=security_byte)
    except TagDataInvalid as error:
        return "blank" if tag_data.is_blank(bytes(tag.memory)) else str(error)
    return (content.pii, content.part, content.parts, content.elements)


def written(uid, content, kind=PulledTag):
    """Return a tag that says this, written by us."""
    tag = kind(uid, technology=NTAG if uid == NTAG_UID else ISO15693)
    write_content(reader_of(tag), uid, content)
    return tag


@pytest.mark.parametrize("uid", [UID, NTAG_UID], ids=["iso15693", "ntag"])
@pytest.mark.parametrize("new", SAYINGS)
@pytest.mark.parametrize("old", ["blank", *SAYINGS])
def test_a_tag_pulled_at_any_byte_says_the_old_or_the_new_or_broken_off(uid, old, new):
    """Whatever it said before and shall say, a pulled tag never names a third item."""
    before = said_by(written(uid, SAYINGS[old])) if old != "blank" else "blank"
    after = said_by(written(uid, SAYINGS[new]))
    seen = set()
    for count in range(400):
        tag = written(uid, SAYINGS[old]) if old != "blank" else written(uid, NEW, SimTag)
        if old == "blank":
            tag = PulledTag(uid, technology=tag.technology)
        tag.bytes_left = count
        try:
            write_content(reader_of(tag), uid, SAYINGS[new])
        except TagLost:
            said = said_by(tag)
            assert said in (before, after) or "broken off" in said
            seen.add(said)
            tag.bytes_left = None
            write_content(reader_of(tag), uid, SAYINGS[new])
            assert said_by(tag) == after
            continue
        break

    assert said_by(tag) == after
    assert count < 399
    assert old == new or any("broken off" in said for said in seen)


def test_a_tag_that_says_it_already_is_not_written():
    """The same content a second time writes nothing."""
    tag = written(UID, NEW)
    tag.bytes_left = 0

    write_content(reader_of(tag), UID, NEW)

    assert said_by(tag)[0] == "40009876543"


@pytest.mark.parametrize("locked", range(9))
def test_a_locked_block_leaves_the_old_content(locked):
    """Whichever block refuses, the tag says afterwards what it said before."""
    tag = written(UID, OLD, SimTag)
    before = bytes(tag.memory)
    tag.locked_blocks.add(locked)

    if locked in (6, 7, 8):  # where both contents are the same
        other = new_content("50001112223", "XX-ABCDEFGHIJKL"[:14], 1, 2)
    else:
        other = NEW
    with pytest.raises(TagLocked):
        write_content(reader_of(tag), UID, other)
    assert bytes(tag.memory) == before


@pytest.mark.parametrize("after", range(4))
def test_a_weak_field_leaves_the_old_content(after):
    """A write that did nothing is found out, and what was written before it put back."""
    tag = written(UID, OLD, SimTag)
    before = bytes(tag.memory)
    reader = reader_of(tag)
    write = tag.write_block
    calls = []

    def weak(block, data):
        calls.append(block)
        if len(calls) == after + 1:
            return
        write(block, data)

    tag.write_block = weak
    with pytest.raises(WriteFailed, match="place it again"):
        write_content(reader, UID, NEW)
    assert bytes(tag.memory) == before


def test_a_small_tag_gets_the_short_block():
    """On 32 bytes the basic block is written in its short form."""
    tag = SimTag(UID, blocks=8)
    write_content(reader_of(tag), UID, NEW)

    assert tag.content is not None
    assert bytes(tag.memory) == tag_data.encode(NEW, 32)


def test_elements_fill_a_tag_to_its_last_byte():
    """A list of elements needs no end where the memory has none left."""
    shelved = tag_data.with_elements(
        tag_data.TagContent("123456789012", "US-InU-Mu", 3, 12, 6, "iso28560-2", (), ()),
        [Element(6, "QA268.L55")],
    )
    full, larger = SimTag(UID, blocks=9), SimTag(UID)
    larger.memory[:] = b"\x11" * len(larger.memory)
    write_content(reader_of(full), UID, shelved)
    write_content(reader_of(larger), UID, shelved)

    assert decode(bytes(full.memory)) == decode(bytes(larger.memory)) == shelved


def test_what_a_tag_has_no_room_for_is_refused_before_anything_is_written():
    """A title that does not fit is an error that says so, and the tag says what it said."""
    tag = SimTag(UID, content=OLD, blocks=12)
    before = bytes(tag.memory)

    with pytest.raises(BlockOutOfRange, match="larger tag"):
        write_content(reader_of(tag), UID, TITLED)
    with pytest.raises(TagDataInvalid, match="owner"):
        write_content(reader_of(tag), UID, new_content("1", "DE-12345678901234"))
    assert bytes(tag.memory) == before


def test_the_security_byte_is_left_alone():
    """On a tag without an AFI register writing content does not change what the gate sees."""
    tag = SimTag(NTAG_UID, model=NTAG213, content=OLD, security=Security.ON_LOAN)

    write_content(reader_of(tag), NTAG_UID, TITLED)

    assert tag.security is Security.ON_LOAN
    assert decode(bytes(tag.memory), security_byte=True).elements == TITLED.elements


def test_a_format_can_be_chosen():
    """The same book is written as elements where the library wants that."""
    tag = SimTag(UID, model=FRAM_2K, content=OLD)

    write_content(reader_of(tag), UID, NEW, format="iso28560-2")

    assert decode(bytes(tag.memory), 0x06).pii == "40009876543"


def test_a_tag_that_is_not_there_and_a_dead_reader_are_named():
    """Nothing on the pad and no pad are two errors."""
    reader = SimReader(VirtualClock())

    with pytest.raises(TagLost):
        write_content(reader, UID, NEW)
    reader.fail(OFF)
    with pytest.raises(DeviceUnavailable):
        write_content(reader, UID, NEW)
