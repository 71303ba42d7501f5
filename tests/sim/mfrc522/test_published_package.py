"""The `mfrc522` package 0.0.7 as published, on the simulated Pi: its known defects show.

Nothing of it is changed: it imports the stand-in `spidev` and the real rpi-lgpio. What it does
here it does on a desk as well, which is why the project has a driver of its own.
"""

import pytest

from hardware.ports import MIFARE_CLASSIC, NTAG
from sim.clock import VirtualClock
from sim.mfrc522.chip import SimMfrc522
from sim.pi.board import SimPi
from sim.tags import SimTag

ONE_BOOK, OTHER_BOOK = "04a1b2c3d4e580", "04a1b211223380"
CARD = "deadbeef"
TRUNCATED = 584193258143
WRONG_TEXT = "JSBN 9780131103617" + " " * 14 + "#" + " " * 15
"""The lowest two bits of the first byte of each of three blocks are turned."""


@pytest.fixture
def chip():
    return SimMfrc522(VirtualClock())


@pytest.fixture
def reader(chip):
    pi = SimPi(VirtualClock())
    pi.wire_mfrc522(chip)
    with pi.installed():
        from mfrc522 import SimpleMFRC522

        yield SimpleMFRC522()


def place(chip, uid, technology):
    tag = SimTag(uid, technology=technology)
    chip.field.put(tag)
    return tag


def polls(reader, count):
    return [reader.read_id_no_block() for _ in range(count)]


def test_two_books_have_one_number(reader, chip):
    """Of a uid of seven bytes it takes the cascade tag and three: two books, one id."""
    numbers = []
    for uid in (ONE_BOOK, OTHER_BOOK):
        place(chip, uid, NTAG)
        numbers.append(reader.read_id_no_block())
        chip.field.take(uid)

    assert numbers == [TRUNCATED, TRUNCATED]


def test_every_second_read_finds_nothing(reader, chip):
    """The tag is left as it was selected, so the next REQA only sends it back."""
    place(chip, ONE_BOOK, NTAG)

    assert polls(reader, 4) == [TRUNCATED, None, TRUNCATED, None]


def test_its_number_of_a_card_has_the_check_byte_in_it(reader, chip):
    """Not DEADBEEF but DEADBEEF22, another number than any other reader gives."""
    place(chip, CARD, MIFARE_CLASSIC)

    assert reader.read_id_no_block() == 0xDEADBEEF22


def test_an_empty_field_costs_two_thousand_transfers(reader, chip):
    """Its waiting loop never looks at the timer: 2,000 reads of one register, every poll."""
    before = chip.transfers

    assert reader.read_id_no_block() is None
    assert chip.transfers - before == 2_013


def test_two_tags_are_none(reader, chip):
    """A collision is an error to it, so a second book on the pad hides both."""
    place(chip, ONE_BOOK, NTAG)
    place(chip, CARD, MIFARE_CLASSIC)

    assert polls(reader, 4) == [None, None, None, None]


def test_writing_a_sticker_succeeds_and_changes_nothing(reader, chip):
    """It authenticates as with a MIFARE card, fails, and returns what it was to write."""
    tag = place(chip, ONE_BOOK, NTAG)

    assert reader.write_no_block("hello") == (TRUNCATED, "hello")
    assert tag.memory == bytes(144)


def test_reading_a_sticker_is_an_empty_text(reader, chip):
    """No exception and no data: indistinguishable from a blank tag."""
    place(chip, ONE_BOOK, NTAG)

    assert reader.read_no_block() == (TRUNCATED, "")


def test_a_card_is_written_and_read(reader, chip):
    """What does work: a MIFARE Classic with its delivered keys, every other time."""
    tag = place(chip, CARD, MIFARE_CLASSIC)
    written = [reader.write_no_block("ISBN 9780131103627") for _ in range(2)]
    read = [reader.read_no_block() for _ in range(2)]

    assert (0xDEADBEEF22, "ISBN 9780131103627") in written
    assert (0xDEADBEEF22, "ISBN 9780131103627".ljust(48)) in read
    assert tag.memory[48:66] == b"ISBN 9780131103627"


def test_two_flipped_bits_are_read_as_text(reader, chip):
    """It checks no CRC: noise that leaves the parity right gives wrong text and no error."""
    tag = place(chip, CARD, MIFARE_CLASSIC)
    tag.memory[48:96] = b"ISBN 9780131103627".ljust(48)
    chip.field.disturb(CARD, 0b11, beyond_bits=100)

    assert reader.read_no_block() == (0xDEADBEEF22, WRONG_TEXT)


def test_a_chip_without_power_is_no_card(reader, chip):
    """It never asks whether a chip is there: a pulled cable reads as an empty desk."""
    place(chip, CARD, MIFARE_CLASSIC)
    chip.power(False)

    assert polls(reader, 2) == [None, None]
