"""A module that stands in for `spidev` 3.x on a simulated Pi.

It behaves as the extension module does, also where that is odd: `xfer` and `xfer2` write the
answer into the list they were given, a bytes argument gives a list and a tuple a tuple, values
are cut to eight bits without a word, `xfer3` always gives a tuple, and an object that is not open
has the file descriptor -1, so that the kernel refuses it with "Bad file descriptor".

What Linux on a Pi refuses is refused: the SPI of a BCM2711 sends the highest bit first, in words
of 8 bits. What it takes and the chip cannot follow is garbled instead: the chip understands
mode 0, an active-low chip select and at most 10 MHz (MFRC522 data sheet 8.1.2). One mercy: a
program that never sets a speed is served at 10 MHz, where a board would send at 125.
"""

import errno
import os
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.pi.board import SimPi

VERSION = "3.8"
BYTES_MAX = 4096
"""What `xfer` and `xfer2` take at once, and the block that `xfer3` cuts to."""

MAX_SPEED_HZ_AT_OPEN = 125_000_000
"""What the Pi's device tree says."""

CHIP_SPEED_HZ_MAX = 10_000_000

_CPOL_CPHA, _CS_HIGH, _THREE_WIRE, _NO_CS = 0x03, 0x04, 0x10, 0x40
_LSB_FIRST, _LOOP = 0x08, 0x20
_REFUSED_BY_THE_PI = _LSB_FIRST | _LOOP


def _os_error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def _bytes_of(values: Any) -> bytes:
    """Return the bytes, or raise what the extension module raises."""
    if not isinstance(values, Sequence | bytes | bytearray) and not hasattr(values, "__iter__"):
        raise TypeError("expected a sequence")
    items = list(values)
    if not items:
        raise TypeError("Empty argument list.")
    for item in items:
        if not isinstance(item, int):
            raise TypeError(f"Non-Int/Long value in arguments: {id(item):x}.")
    return bytes(item & 0xFF for item in items)


def _checked(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"The {name} attribute must be boolean")
    return value


def _flag(name: str, bit: int, doc: str) -> property:
    """Return one of the boolean attributes: a bit of the mode."""

    def read(self: "SpiDev") -> bool:
        return bool(self._mode & bit)

    def write(self: "SpiDev", value: Any) -> None:
        self._set_mode(self._mode | bit if _checked(name, value) else self._mode & ~bit)

    return property(read, write, doc=doc)


class SpiDev:
    """An object connected, or not yet, to `/dev/spidevBUS.DEVICE` of the simulated Pi."""

    __slots__ = ("_bits_per_word", "_device", "_fd", "_max_speed_hz", "_mode", "read0")

    _pi: "SimPi"

    def __init__(self, bus: int = -1, client: int = -1) -> None:
        self._fd = -1
        self._forget()
        self.read0 = False
        if bus >= 0:
            self.open(bus, client)

    def _forget(self) -> None:
        self._device = (-1, -1)
        self._mode = self._bits_per_word = self._max_speed_hz = 0

    def open(self, bus: int, device: int) -> None:
        """Connect; raises FileNotFoundError when no chip is wired there."""
        if not isinstance(bus, int) or not isinstance(device, int):
            raise TypeError("an integer is required")
        if (bus, device) not in self._pi.spi:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        self._device = (bus, device)
        self._fd = 100 + 10 * bus + device
        self._bits_per_word, self._max_speed_hz = 8, MAX_SPEED_HZ_AT_OPEN

    def open_path(self, path: str) -> None:
        """Connect by `/dev/spidev0.0`."""
        name = os.fsdecode(path).removeprefix("/dev/spidev")
        bus, dot, device = name.partition(".")
        if not (dot and bus.isdigit() and device.isdigit()):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        self.open(int(bus), int(device))

    def close(self) -> None:
        """Disconnect; may be called again."""
        self._fd = -1
        self._forget()

    def fileno(self) -> int:
        """Return the descriptor, -1 when not open."""
        return self._fd

    def __enter__(self) -> "SpiDev":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # Attributes

    @property
    def mode(self) -> int:
        """Clock polarity and phase, 0 to 3."""
        return self._mode & _CPOL_CPHA

    @mode.setter
    def mode(self, value: Any) -> None:
        if not isinstance(value, int):
            raise TypeError("The mode attribute must be an integer")
        if value & 0xFF > 3:
            raise TypeError("The mode attribute must be an integerbetween 0 and 3.")
        self._set_mode(self._mode & ~_CPOL_CPHA | value & 3)

    cshigh = _flag("cshigh", _CS_HIGH, "Chip select is active high.")
    threewire = _flag("3wire", _THREE_WIRE, "One line for both directions.")
    lsbfirst = _flag("lsbfirst", _LSB_FIRST, "Lowest bit first; a Pi cannot.")
    loop = _flag("loop", _LOOP, "MOSI is MISO; a Pi cannot.")
    no_cs = _flag("no_cs", _NO_CS, "Chip select is left alone.")

    @property
    def bits_per_word(self) -> int:
        """Bits in a word: 8 on a Pi."""
        return self._bits_per_word

    @bits_per_word.setter
    def bits_per_word(self, value: Any) -> None:
        if not isinstance(value, int):
            raise TypeError("The bits_per_word attribute must be an integer")
        if not 8 <= value <= 32:
            raise TypeError("invalid bits_per_word (8 to 32)")
        if value != self._bits_per_word:
            self._check_open()
            self._check_word(value)
            self._bits_per_word = value

    @property
    def max_speed_hz(self) -> int:
        """The clock on the wire."""
        return self._max_speed_hz

    @max_speed_hz.setter
    def max_speed_hz(self, value: Any) -> None:
        if not isinstance(value, int):
            raise TypeError("The max_speed_hz attribute must be an integer")
        if value != self._max_speed_hz:
            self._check_open()
            if value <= 0:
                raise _os_error(errno.EINVAL)
            self._max_speed_hz = value

    def _set_mode(self, mode: int) -> None:
        self._check_open()
        if mode & _REFUSED_BY_THE_PI:
            raise _os_error(errno.EINVAL)
        self._mode = mode

    def _check_open(self) -> None:
        if self._fd == -1:
            raise _os_error(errno.EBADF)

    @staticmethod
    def _check_word(bits: int) -> None:
        if bits not in (0, 8):
            raise _os_error(errno.EINVAL)

    # Transfers

    def xfer(self, values: Any, speed_hz: int = 0, delay_usec: int = 0, bits: int = 0) -> Any:
        """Shift out and in; see `xfer2`, from which the kernel makes it differ no more."""
        return self.xfer2(values, speed_hz, delay_usec, bits)

    def xfer2(self, values: Any, speed_hz: int = 0, delay_usec: int = 0, bits: int = 0) -> Any:
        """Shift out and in under one chip select; a list is overwritten with the answer."""
        data = _bytes_of(values)
        if len(data) > BYTES_MAX:
            raise OverflowError(f"Argument list size exceeds {BYTES_MAX} bytes.")
        got = self._shift(data, speed_hz, bits)
        if isinstance(values, tuple):
            return tuple(got)
        if isinstance(values, list):
            values[:] = got
            return values
        return list(got)

    def xfer3(self, values: Any, speed_hz: int = 0, delay_usec: int = 0, bits: int = 0) -> Any:
        """Shift out and in any length, in blocks that each have their own chip select."""
        data = _bytes_of(values)
        blocks = [data[at : at + BYTES_MAX] for at in range(0, len(data), BYTES_MAX)]
        return tuple(b"".join(self._shift(block, speed_hz, bits) for block in blocks))

    def writebytes(self, values: Any) -> None:
        """Shift out."""
        data = _bytes_of(values)
        if len(data) > BYTES_MAX:
            raise OverflowError(f"Argument list size exceeds {BYTES_MAX} bytes.")
        self._shift(data)

    def writebytes2(self, values: Any) -> None:
        """Shift out any length; of a buffer nothing at all may be asked."""
        if isinstance(values, bytes | bytearray | memoryview) and not len(values):
            return
        self.xfer3(bytes(values) if isinstance(values, memoryview) else values)

    def readbytes(self, length: int) -> list[int]:
        """Shift in that many bytes, 1 to 4096, while zeros go out."""
        if not isinstance(length, int):
            raise TypeError("an integer is required")
        return list(self._shift(bytes(min(max(length, 1), BYTES_MAX))))

    def _shift(self, data: bytes, speed_hz: int = 0, bits: int = 0) -> bytes:
        self._check_open()
        self._check_word(bits)
        self._pi.settle()
        chip: Any = self._pi.spi.get(self._device)
        if chip is None or self._mode & (_CS_HIGH | _NO_CS):
            return bytes(len(data))  # the chip is not selected: nobody drives MISO
        hertz = speed_hz or self._max_speed_hz
        if hertz == MAX_SPEED_HZ_AT_OPEN:
            hertz = CHIP_SPEED_HZ_MAX
        if self._mode & _CPOL_CPHA or hertz > CHIP_SPEED_HZ_MAX:
            return _garbled(data)
        if hasattr(chip, "spi_hz"):
            chip.spi_hz = hertz
        got: bytes = chip.transfer(data)
        self._pi.settle()
        return got


def _garbled(data: bytes) -> bytes:
    """Return what is read when the edges of the clock are not where the chip looks."""
    return bytes((byte << 1 | 1) & 0xFF for byte in data)


def make_module(pi: "SimPi") -> ModuleType:
    """Return a module `spidev` whose devices are the chips in `pi.spi`."""
    module = ModuleType("spidev", "A simulated spidev.")
    device = type("SpiDev", (SpiDev,), {"_pi": pi, "__slots__": (), "__module__": "spidev"})
    module.__dict__.update({"SpiDev": device, "__version__": VERSION})
    return module
