"""The unmodified package mfrc522 on a simulated Pi: used as far as it goes, and no farther."""

import logging
import sys

import pytest

from hardware.chips.crc_a import with_crc
from hardware.chips.tag_data import new_content
from hardware.errors import (
    BlockOutOfRange,
    DeviceUnavailable,
    SecurityUnsupported,
)
from hardware.ports import ISO14443A, NTAG, Security
from hardware.readers.mfrc522_package import Mfrc522Reader, OldIdRefused, uid_from_old_id
from sim.clock import VirtualClock
from sim.pi.board import SimPi
from tests.hardware.readers.mfrc522_table import CARD, STICKER, PackageTable

CONTENT = new_content("30000000001", "DE-715")


@pytest.fixture
def pi():
    """A board whose modules are in place."""
    with SimPi(VirtualClock()).installed() as board:
        yield board


@pytest.fixture
def table(pi):
    """The reader on its board."""
    return PackageTable(pi)


def test_a_card_that_stays_is_in_every_round(table):
    """The package alone reads a card that stays every second time."""
    table.place(CARD)

    assert [table.reader.inventory().uids for _ in range(4)] == [(CARD,)] * 4


@pytest.mark.parametrize("uid", [STICKER, "04112233445566778899"])
def test_a_truncated_uid_is_refused_by_name(table, uid):
    """A longer UID is never listed by its beginning; the round and the notes say so."""
    table.place(uid, technology=ISO14443A)

    inventory = table.reader.inventory()
    assert inventory.uids == ()
    assert not inventory.complete
    assert "UID of 7 or 10 bytes" in table.reader.notes
    table.chip.field.take(uid)
    assert table.reader.inventory().complete
    assert table.reader.notes == ""


@pytest.mark.parametrize(
    ("uid", "sak"),
    [(STICKER, 0x08), (CARD, 0x24)],
    ids=["begins with 88, says it is whole", "says it goes on"],
)
def test_either_sign_of_a_longer_uid_is_enough(pi, monkeypatch, uid, sak):
    """A tag that contradicts itself is refused too: 88 in front, or a SAK that promises more."""
    import mfrc522

    class Odd(mfrc522.MFRC522):
        """Hears every tag answer SELECT with that SAK."""

        def MFRC522_ToCard(self, command, sendData):
            answer = super().MFRC522_ToCard(command, sendData)
            is_select = sendData[:2] == [0x93, 0x70]
            return (self.MI_OK, [*with_crc(bytes((sak,)))], 24) if is_select else answer

    monkeypatch.setattr(mfrc522, "MFRC522", Odd)
    table = PackageTable(pi)
    table.place(uid, technology=ISO14443A)

    inventory = table.reader.inventory()
    assert (inventory.uids, inventory.complete) == ((), False)
    assert "UID of 7 or 10 bytes" in table.reader.notes


def test_tags_whose_first_answers_collide_are_noticed(table):
    """A card and a sticker answer the request differently; the package says "nothing there"."""
    table.place(CARD)
    table.place(STICKER, technology=NTAG)

    inventory = table.reader.inventory()
    assert (inventory.uids, inventory.complete) == ((), False)
    assert "one at a time" in table.reader.notes


def test_stickers_are_refused_in_words(table):
    """Where the package would say that it had written, an error names the driver to use."""
    tag = table.place(STICKER, CONTENT, Security.IN_STOCK, NTAG)
    before = bytes(tag.memory)

    assert table.reader.read_content(STICKER) is None
    assert table.reader.get_security(STICKER) is Security.NONE
    with pytest.raises(SecurityUnsupported, match='driver = "rc522"'):
        table.reader.set_security(STICKER, Security.ON_LOAN)
    with pytest.raises(BlockOutOfRange, match='driver = "rc522"'):
        table.reader.write(STICKER, 0, b"book")
    with pytest.raises(BlockOutOfRange, match='driver = "rc522"'):
        table.reader.read(STICKER, 0, 1)
    assert bytes(tag.memory) == before


def test_a_card_without_memory_is_listed(table):
    """A card of 4 bytes that is no MIFARE Classic has a UID, and no memory for us."""
    table.place(CARD, technology=ISO14443A)

    (seen,) = table.reader.inventory().tags
    assert (seen.uid, seen.technology) == (CARD, ISO14443A)
    assert table.reader.get_security(CARD) is Security.NONE


def test_a_brown_out_is_mended(table):
    """A chip that lost its settings, and stays silent for the package for ever, is set up anew."""
    table.place(CARD, CONTENT, Security.IN_STOCK)
    assert table.reader.inventory().uids == (CARD,)
    table.chip.brown_out()

    assert table.reader.inventory().uids == (CARD,)


def test_a_pulled_plug_shows_within_two_seconds(table):
    """The package cannot tell a missing chip from an empty field; VersionReg can."""
    assert table.reader.health().ok
    table.chip.power(False)
    table.pi.clock.advance(2_000)

    health = table.reader.health()
    assert not health.ok
    assert "check its plug" in health.detail
    table.chip.power(True)
    assert table.reader.health().ok


@pytest.mark.parametrize("mode", [None, 10, 11])
def test_the_pins_of_others_stay_theirs(pi, mode):
    """Whatever numbering the process has, RST is GPIO 25, and closing frees that pin alone."""
    from RPi import GPIO

    table = PackageTable(pi)
    if mode is not None:
        GPIO.setmode(mode)
    siren = 11 if mode == GPIO.BOARD else 17
    if mode is not None:
        GPIO.setup(siren, GPIO.OUT, initial=GPIO.HIGH)
    table.reader.inventory()

    assert GPIO.getmode() == (mode or GPIO.BCM)
    assert pi.line(25).level
    assert pi.line(15).owner in (None, "")
    table.reader.close()
    if mode is not None:
        assert pi.line(17).level
        assert GPIO.gpio_function(siren) == GPIO.OUT


def test_its_logger_is_left_as_it_was(table):
    """The package adds a handler for each reader made, so that its messages come twice."""
    logger = logging.getLogger("mfrc522Logger")
    before = list(logger.handlers)
    table.reader.inventory()

    assert logger.handlers == before


def test_a_missing_package_is_a_sentence(pi, monkeypatch):
    """Without the package the reader is unavailable and says how to install it."""
    monkeypatch.setitem(sys.modules, "mfrc522", None)

    with pytest.raises(DeviceUnavailable, match=r"pip install --no-deps mfrc522==0\.0\.7"):
        PackageTable(pi).reader.inventory()


def test_another_package_of_that_name_is_told_apart(pi, monkeypatch):
    """Several packages bring a module mfrc522: one without what we need is named."""
    other = type(sys)("mfrc522")
    other.MFRC522 = object
    monkeypatch.setitem(sys.modules, "mfrc522", other)

    with pytest.raises(DeviceUnavailable, match="is not that of the package mfrc522"):
        PackageTable(pi).reader.inventory()


def test_nothing_is_imported_before_the_first_question(pi):
    """A program that only knows of this driver loads neither the package nor GPIO for it."""
    Mfrc522Reader(pi.clock)

    assert "mfrc522" not in sys.modules


@pytest.mark.parametrize(
    ("old_id", "uid"),
    [(0xDEADBEEF22, "deadbeef"), (0x0000000000, "00000000"), (0x0102030404, "01020304")],
)
def test_an_old_id_becomes_a_uid(old_id, uid):
    """What the package numbered is UID x 256 + BCC."""
    assert uid_from_old_id(old_id) == uid


@pytest.mark.parametrize(
    ("old_id", "why"),
    [
        (584193258143, "the beginning of a longer UID"),  # two books had this one
        (0xDEADBEEF23, "its check byte is wrong"),
        (0xDEADBEEF, "its check byte is wrong"),
        (-1, "five bytes"),
        (1 << 40, "five bytes"),
    ],
)
def test_an_old_id_that_names_no_tag_is_refused(old_id, why):
    """A number that many tags share, or that no tag has, never becomes a UID."""
    with pytest.raises(OldIdRefused, match=why):
        uid_from_old_id(old_id)
