"""A host without a driver wakes tags, tells them apart and reads them."""

import pytest

from hardware.ports import MIFARE_CLASSIC, NTAG
from sim.tags import SimTag
from tests.sim.mfrc522.host import REQA, Host

KEY = b"\xff" * 6


@pytest.fixture
def host():
    return Host().start_radio()


def test_a_card_of_four_bytes_answers_as_the_standard_says(host):
    """ATQA, uid with its check byte, SAK: the vectors of a MIFARE Classic 1K."""
    host.field.put(SimTag("deadbeef", technology=MIFARE_CLASSIC))

    assert host.exchange(REQA, bits=7).hex() == "0400"
    assert host.exchange(b"\x93\x20").hex() == "deadbeef22"
    assert host.ask(0x93, 0x70, 0xDE, 0xAD, 0xBE, 0xEF, 0x22).hex() == "08b6dd"


def test_a_sticker_of_seven_bytes_takes_two_cascade_levels(host):
    """The first level begins with the cascade tag; its SAK says that the uid goes on."""
    host.field.put(SimTag("04a1b2c3d4e580", technology=NTAG))

    assert host.exchange(REQA, bits=7).hex() == "4400"
    assert host.exchange(b"\x93\x20").hex() == "8804a1b29f"
    assert host.ask(0x93, 0x70, 0x88, 0x04, 0xA1, 0xB2, 0x9F)[0] == 0x04
    assert host.exchange(b"\x95\x20").hex() == "c3d4e58072"
    assert host.ask(0x95, 0x70, 0xC3, 0xD4, 0xE5, 0x80, 0x72)[0] == 0x00


def test_an_empty_field_is_silence(host):
    """Nobody answers: the timer says so, and nothing is in the FIFO."""
    assert host.exchange(REQA, bits=7) == b""
