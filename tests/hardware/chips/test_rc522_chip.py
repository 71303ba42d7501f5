"""The RC522's registers, alone: what is refused before anything is sent."""

import pytest

from hardware.chips.rc522 import ChipAbsent, Rc522
from sim.clock import VirtualClock
from sim.mfrc522.chip import SimMfrc522


@pytest.fixture
def chip():
    """An emulated chip; the driver is in `driver(chip)`."""
    return SimMfrc522(VirtualClock())


def driver(chip, **options):
    """Return a driver on the chip, not started yet."""
    clock = VirtualClock()
    return Rc522(chip, clock.now_ms, clock.sleep_ms, **options)


@pytest.mark.parametrize("frame", [b"", bytes(65)])
def test_a_frame_fits_into_the_fifo(chip, frame):
    """The chip would drop what is too long without a word."""
    rc522 = driver(chip)
    rc522.start()

    with pytest.raises(ValueError, match="1 to 64"):
        rc522.exchange(frame)


@pytest.mark.parametrize("gain", [-1, 8])
def test_the_gain_has_three_bits(chip, gain):
    """More would change other bits of its register."""
    with pytest.raises(ValueError, match="0 to 7"):
        driver(chip, gain=gain)


def test_nothing_is_touched_before_the_start(chip):
    """A driver can be made while nothing is plugged in."""
    driver(chip, reset=chip.reset_pin)

    assert chip.transfers == 0


def test_a_chip_held_in_reset_is_absent(chip):
    """A board whose RST lies on ground answers nothing, and is given up soon."""
    chip.reset_pin(False)

    with pytest.raises(ChipAbsent, match="VersionReg reads 0x00"):
        driver(chip).start()
    driver(chip, reset=chip.reset_pin).start()
    assert chip.register(0x14) & 0x03 == 0x03
