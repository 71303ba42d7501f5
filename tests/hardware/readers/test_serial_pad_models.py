"""Pads that are older, set otherwise, or on a bus with others: each is used, or says why not."""

import pytest

from hardware.chips import tag_data
from hardware.chips.tag_data import encode
from hardware.errors import DeviceError, SecurityUnsupported, TagLocked
from hardware.ports import Security
from hardware.readers.serial_pad import PadOptions
from sim.serial.antenna import NOT_SUPPORTED
from sim.serial.obid import UNKNOWN_COMMAND, StatusError
from sim.serial.pad_3m import SimPad3M
from sim.serial.pad_feig import SimPadFeig
from tests.hardware.readers.pads import BOOK, CONTENT, Table

NOT_AVAILABLE = 0x82
"""What a Feig reader answers to host commands while it scans by itself (manual, annex D)."""


LISTS_ALWAYS = {"lists_once": False}
"""A Feig reader whose setting ONT is 0; as delivered it lists a tag once."""


class PadWithoutDsfid(SimPad3M):
    """An older pad that is silent about a command it does not know."""

    def _answer(self, frame_):
        return None if frame_[3] == 0x0F else super()._answer(frame_)


class ReaderWithoutReset(SimPadFeig):
    """A reader that does not know how to reset its field."""

    def _carry_out(self, content):
        if content[0] == 0x69:
            raise StatusError(UNKNOWN_COMMAND)
        return super()._carry_out(content)


class ScanningReader(SimPadFeig):
    """A reader set to scan by itself."""

    def _carry_out(self, content):
        if content[0] in (0xB0, 0xB1):
            raise StatusError(NOT_AVAILABLE)
        return super()._carry_out(content)


class TagsWithoutSystem(SimPadFeig):
    """Tags that do not tell about themselves."""

    def _carry_out(self, content):
        if content[:2] == b"\xb0\x2b":
            raise StatusError(0x95, bytes((NOT_SUPPORTED,)))
        return super()._carry_out(content)


def older_book(table):
    """Put a book on the pad whose format only its looks and its DSFID tell."""
    tag = table.place(content=None)
    image = encode(tag_data.with_format(CONTENT, tag_data.FORMAT_3M))
    tag.memory[: len(image)] = image


def test_a_pad_that_cannot_tell_the_dsfid_is_asked_once():
    """The first such book waits for a timeout, the next one does not."""
    table = Table("3m", pad_type=PadWithoutDsfid)
    older_book(table)
    contents = [table.reader.read_content(BOOK) for _ in range(3)]

    assert [content.pii for content in contents] == ["30000000001"] * 3
    assert table.asked().count(f"read DSFID of {BOOK}") == 1


def test_a_reader_that_cannot_reset_its_field_is_asked_once():
    """Its inventories go on without, as with rf_reset switched off."""
    table = Table("feig", pad_type=ReaderWithoutReset, pad_options=LISTS_ALWAYS)
    table.place()

    assert [table.reader.inventory().uids for _ in range(3)] == [(BOOK,)] * 3
    assert table.asked().count("RF reset") == 1


def test_the_field_is_not_reset_where_a_site_says_so():
    """One frame less in a round, for readers whose setting lists every tag each time."""
    table = Table("feig", options=PadOptions(rf_reset=False), pad_options=LISTS_ALWAYS)
    table.place()

    assert [table.reader.inventory().uids for _ in range(3)] == [(BOOK,)] * 3
    assert "RF reset" not in table.asked()


@pytest.mark.parametrize(
    "ask",
    [
        lambda reader: reader.inventory(),
        lambda reader: reader.get_security(BOOK),
        lambda reader: reader.set_security(BOOK, Security.ON_LOAN),
        lambda reader: reader.read_content(BOOK),
        lambda reader: reader.write(BOOK, 0, bytes(4)),
    ],
)
def test_a_reader_that_scans_by_itself_says_what_to_set(ask):
    """Its version is told all the same, and no tag is called lost for it."""
    table = Table("feig", pad_type=ScanningReader)
    table.place()

    with pytest.raises(DeviceError, match="set it to ISO host mode"):
        ask(table.reader)
    assert table.reader.version == "3.3 type 53"


def test_one_of_several_readers_on_a_bus_is_called_by_its_address():
    """Reader 3 hears its number and answers with it."""
    table = Table("feig", options=PadOptions(address=3), pad_options={"address": 3})
    table.place()

    assert table.reader.inventory().uids == (BOOK,)
    assert table.reader.get_security(BOOK) is Security.IN_STOCK
    assert {frame.raw[1] for frame in table.pad.history} == {3}


def test_an_answer_of_another_reader_on_the_bus_is_not_taken():
    """A neighbour at the next gate speaks up: its tags are not ours."""
    table = Table("feig", options=PadOptions(address=3), pad_options={"address": 3})
    stranger = Table("feig", pad_options={"address": 4})
    stranger.place()
    stranger.reader.inventory()
    foreign = next(f.raw for f in reversed(stranger.pad.history) if f.to_host and f.raw[2] == 0xB0)
    table.reader.inventory()
    answer = table.pad._answer
    table.pad._answer = lambda whole: foreign if whole[2] == 0xB0 else answer(whole)

    with pytest.raises(DeviceError):
        table.reader.inventory()


def test_a_reader_called_by_a_wrong_address_is_silent():
    """A misspelt address is a pad that does not answer, with what to compare."""
    table = Table("feig", options=PadOptions(address=5), pad_options={"address": 3})

    with pytest.raises(DeviceError, match="no answer"):
        table.reader.inventory()


def test_a_tag_that_tells_nothing_has_no_security_here():
    """Without system information a Feig reader cannot read an AFI: unsupported, not lost."""
    table = Table("feig", pad_type=TagsWithoutSystem)
    table.place()

    with pytest.raises(SecurityUnsupported, match=BOOK):
        table.reader.get_security(BOOK)


class RefusingPad(SimPad3M):
    """A pad whose tags refuse to have their EAS bit changed, with a number nobody knows."""

    def _carry_out(self, payload):
        if payload[0] == 0x0C:
            return b"\x0c\x21" + payload[1:9]
        return super()._carry_out(payload)


def test_a_tag_that_refuses_its_eas_bit_is_locked():
    """Whatever number the refusal has, three refusals are a tag that will not change."""
    table = Table("3m", options=PadOptions(security_by="eas"), pad_type=RefusingPad)
    table.place().eas = True

    with pytest.raises(TagLocked, match="refuses to change its security"):
        table.reader.set_security(BOOK, Security.ON_LOAN)
