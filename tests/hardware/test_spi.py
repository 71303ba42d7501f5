"""SPI through spidev: opened late, closed when it fails, and the advice that goes with it."""

import errno
import os

import pytest

from hardware.errors import DeviceUnavailable
from hardware.spi import SpiBus


class FakeSpi:
    """What spidev's SpiDev is, with a fault to raise."""

    def __init__(self):
        self.fault = None
        self.opened = []
        self.closed = 0

    def open(self, bus, device):
        self.opened.append((bus, device))
        if self.fault:
            raise OSError(self.fault, os.strerror(self.fault))

    def xfer2(self, values):
        if self.fault:
            raise OSError(self.fault, os.strerror(self.fault))
        return [value ^ 0xFF for value in values]

    def close(self):
        self.closed += 1


@pytest.fixture
def spi():
    """The device below the bus."""
    return FakeSpi()


def test_the_bus_is_opened_at_the_first_transfer(spi):
    """Nothing is touched before; then mode 0 at the speed that was asked for."""
    bus = SpiBus(0, 1, 500_000, open_device=lambda: spi)
    assert spi.opened == []

    assert bus.transfer(b"\x01\x80") == b"\xfe\x7f"
    assert bus.transfer(b"\x00") == b"\xff"
    assert spi.opened == [(0, 1)]
    assert (spi.max_speed_hz, spi.mode) == (500_000, 0)


def test_a_chip_select_has_one_reader(spi):
    """A second one would read the first one's answers; it has its turn when that one let go."""
    first, second = SpiBus(open_device=lambda: spi), SpiBus(open_device=lambda: spi)
    beside = SpiBus(0, 1, open_device=lambda: spi)
    first.transfer(b"\x01")

    with pytest.raises(DeviceUnavailable, match="another reader of this program has it"):
        second.transfer(b"\x01")
    assert first.transfer(b"\x01") == beside.transfer(b"\x01") == b"\xfe"
    first.close()
    assert second.transfer(b"\x01") == b"\xfe"


@pytest.mark.parametrize(
    ("fault", "advice"),
    [
        (errno.ENOENT, "/dev/spidev0.0: No such file or directory; enable SPI"),
        (errno.EACCES, "/dev/spidev0.0: Permission denied; let this user in"),
        (errno.EBUSY, "another program holds it"),
        (errno.EIO, "check that SPI is enabled and free"),
    ],
)
def test_a_bus_that_cannot_be_opened_says_what_to_do(spi, fault, advice):
    """Whoever installs a kiosk reads the next step, not a number."""
    spi.fault = fault

    with pytest.raises(DeviceUnavailable, match=advice):
        SpiBus(open_device=lambda: spi).transfer(b"\x00")


def test_a_bus_that_failed_is_opened_again(spi):
    """One bad transfer closes it; the next one starts anew."""
    bus = SpiBus(open_device=lambda: spi)
    bus.transfer(b"\x00")
    spi.fault = errno.EIO
    with pytest.raises(DeviceUnavailable):
        bus.transfer(b"\x00")
    spi.fault = None

    assert bus.transfer(b"\x00") == b"\xff"
    assert (len(spi.opened), spi.closed) == (2, 1)


def test_closing_twice_is_harmless(spi):
    """What is closed once is closed."""
    bus = SpiBus(open_device=lambda: spi)
    bus.transfer(b"\x00")
    bus.close()
    bus.close()

    assert spi.closed == 1


@pytest.mark.parametrize("data", [b"", bytes(4097)])
def test_a_transfer_has_bounds(spi, data):
    """spidev refuses more than 4,096 bytes with a number; we say it in words."""
    with pytest.raises(ValueError, match="1 to 4096"):
        SpiBus(open_device=lambda: spi).transfer(data)


def test_a_missing_library_is_a_sentence():
    """Without spidev the device is unavailable, and the sentence says what to install."""
    with pytest.raises(DeviceUnavailable, match="install python3-spidev"):
        SpiBus().transfer(b"\x00")
