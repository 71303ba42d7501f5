"""SPI on Linux, through spidev: opened at the first transfer, and again after it failed."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any
from weakref import WeakValueDictionary

from hardware.errors import DeviceUnavailable

BYTES_MAX = 4096
"""What spidev takes at once unless its module was loaded with a larger buffer."""

_ADVICE = {
    errno.ENOENT: "enable SPI (sudo raspi-config, Interface Options, SPI), then start the Pi anew",
    errno.EACCES: "let this user in (sudo usermod -aG spi USER), then log in anew",
    errno.EPERM: "let this user in (sudo usermod -aG spi USER), then log in anew",
    errno.EBUSY: "another program holds it; only one may",
}

_open: WeakValueDictionary[tuple[type, str], SpiBus] = WeakValueDictionary()
"""Who has a chip select now, for each library: the kernel lets in whoever comes, and two readers
on one chip read each other's answers."""


class SpiBus:
    """One chip select of one SPI bus; mode 0, 8 bits, most significant bit first."""

    def __init__(
        self,
        bus: int = 0,
        device: int = 0,
        speed_hz: int = 1_000_000,
        *,
        open_device: Callable[[], Any] | None = None,
    ) -> None:
        """Open nothing yet. `open_device` makes the object spidev's `SpiDev()` would be."""
        self.path = f"/dev/spidev{bus}.{device}"
        self._bus = bus
        self._device = device
        self._speed_hz = speed_hz
        self._open_device = open_device or _spidev
        self._spi: Any = None

    def transfer(self, data: bytes) -> bytes:
        """Send bytes and return those that came meanwhile, as many.

        Raises `DeviceUnavailable`, which says what to do; the next transfer opens it again.
        """
        if not 1 <= len(data) <= BYTES_MAX:
            raise ValueError(f"{len(data)} bytes: a transfer has 1 to {BYTES_MAX}")
        try:
            if self._spi is None:
                self._spi = self._opened()
            return bytes(self._spi.xfer2(list(data)))
        except DeviceUnavailable:
            raise
        except OSError as error:
            self.close()
            advice = _ADVICE.get(error.errno or 0, "check that SPI is enabled and free")
            raise DeviceUnavailable(f"{self.path}: {error.strerror or error}; {advice}") from error

    def close(self) -> None:
        """Let go of the bus; the next transfer opens it again."""
        spi, self._spi = self._spi, None
        if spi is not None:
            spi.close()

    def _opened(self) -> Any:
        spi = self._open_device()
        holder = _open.get((type(spi), self.path))
        if holder is not None and holder is not self and holder._spi is not None:
            raise DeviceUnavailable(
                f"{self.path}: another reader of this program has it; give one of the two another "
                "spi_device"
            )
        spi.open(self._bus, self._device)
        _open[type(spi), self.path] = self
        spi.max_speed_hz = self._speed_hz
        spi.mode = 0
        return spi


def _spidev() -> Any:
    try:
        import spidev
    except ImportError as error:
        raise DeviceUnavailable(
            f"{error}: install python3-spidev, or lendgate with the extra 'pi'"
        ) from error
    return spidev.SpiDev()
