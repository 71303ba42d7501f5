"""Tests of the driver on simulated hardware; run them with `-p sim.pytest_plugin`."""

from typing import Any

import pytest

from hardware.ports import NTAG
from sim.serial.scanner import SimSerialScanner
from sim.tags import SimTag


@pytest.fixture
def reader(mfrc522: Any) -> Any:
    """The driver, imported when the simulated Pi's modules are in place."""
    from my_reader import MyReader

    return MyReader()


def test_the_chip_is_there(reader: Any) -> None:
    """The simulated chip says that it is one."""
    assert reader.version() == 0x92


def test_a_card_is_seen_when_it_is_there(reader: Any, mfrc522: Any) -> None:
    """Nothing, then a sticker."""
    assert not reader.is_card_there()
    mfrc522.field.put(SimTag("04a1b2c3d4e580", technology=NTAG))

    assert reader.is_card_there()


def test_an_unplugged_reader_says_so(reader: Any, mfrc522: Any) -> None:
    """A chip without power answers nothing that makes sense."""
    mfrc522.fail("off")

    assert reader.version() in (0x00, 0xFF)


def test_a_label_is_scanned(clock: Any, serial_device: Any, sim_pi: Any) -> None:
    """A scanner on a simulated serial port."""
    from my_reader import MyScanner

    scanner = SimSerialScanner(clock)
    mine = MyScanner(serial_device(scanner))
    scanner.scan("30000000001")

    assert mine.next() == "30000000001"
    assert mine.next() == ""
    assert clock.now_ms() >= 1_000


def test_the_reader_says_what_it_said_when_it_was_recorded(recording: Any, sim_pi: Any) -> None:
    """A recording of the wire is a test: the first other byte fails it."""
    sim_pi.spi[0, 0] = recording("sticker.jsonl").spi("spi0.0")
    from my_reader import MyReader

    reader = MyReader()

    assert reader.version() == 0x92
    assert reader.is_card_there()


def test_a_whole_library(scenario: Any, site: Any) -> None:
    """Lend a book and carry it out, with everything in between."""
    scenario(
        'show "Lena Hoffmann" at kiosk-1\n'
        "place Momo on kiosk-1/pad\n"
        "expect tick for Momo at kiosk-1 within 2 s\n"
        "walk out through gate-1 with Momo\n"
        "expect silence at gate-1\n"
    )

    assert site.gateway.item_state("30715000000015") == "on_loan"
