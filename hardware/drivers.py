"""From configuration to devices: which driver, with which options, opened when it can be.

Laws:
- A driver is a function `(options, clock, name) -> opener`. It reads its options at once, each
  bounded where it is read, and imports and opens nothing; the opener, called later and again
  after it failed, imports what it needs, opens the device and returns it.
- What is wrong in the configuration stops a program before anything is opened. What is wrong with
  a device never does: it is there, unhealthy, and tried again (`hardware/attendant.py`).
- A vendor library is imported by the driver that is chosen and by no other.

Third parties write such a function and name it in the configuration: `driver = "module:function"`.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar, cast

from hardware.attendant import Attendant, Closable, Patience
from hardware.attended import (
    AttendedInput,
    AttendedOutput,
    AttendedPrinter,
    AttendedReader,
    AttendedScanner,
)
from hardware.errors import DeviceError, DevicesInvalid
from hardware.ports import Clock, Health, Input, Output, Printer, Scanner, TagReader

T_co = TypeVar("T_co", covariant=True)
D = TypeVar("D", bound=Closable)
T = TypeVar("T")

LAMP_MAX_ON_MS = 3_600_000
GPIO_MAX = 27
"""The highest GPIO on a Raspberry Pi's 40 pins."""


class Options(Protocol):
    """The options of one device, as `circulation.config.Section` gives them.

    Each method raises the configuration's own error, which names file, section and option.
    """

    def text(self, option: str, *, default: str = ..., chars_max: int = ...) -> str:
        """Return a text that is not empty."""

    def integer(self, option: str, *, default: int = ..., minimum: int, maximum: int) -> int:
        """Return a whole number within both bounds."""

    def boolean(self, option: str, *, default: bool = ...) -> bool:
        """Return true or false."""

    def choice(self, option: str, choices: Sequence[str], *, default: str = ...) -> str:
        """Return one of the given words."""

    def has(self, option: str) -> bool:
        """Return whether the option is there."""

    def section(self, option: str, *, optional: bool = False) -> Options:
        """Return a section below this one."""

    def table(self, option: str, *, optional: bool = False) -> Mapping[str, Options]:
        """Return the named sections below this one."""


class Driver(Protocol[T_co]):
    """Reads its options and returns what opens the device; see the laws above."""

    def __call__(self, options: Options, clock: Clock, name: str, /) -> Callable[[], T_co]:
        """Return what opens the device. Raises only the configuration's error."""


def rc522(options: Options, clock: Clock, name: str) -> Callable[[], TagReader]:
    """An RC522 on SPI by our own driver: cards and stickers of ISO 14443A, no library tags."""
    bus, device = _spi(options)
    speed_hz = options.integer("speed_hz", default=1_000_000, minimum=100_000, maximum=10_000_000)
    security = _security(options)

    def open_reader() -> TagReader:
        from hardware.readers.rc522 import Rc522Reader
        from hardware.spi import SpiBus

        return Rc522Reader(SpiBus(bus, device, speed_hz), clock, name=name, **security)

    return open_reader


def mfrc522(options: Options, clock: Clock, name: str) -> Callable[[], TagReader]:
    """An RC522 by the package mfrc522, for whoever must use it; what it cannot do is refused."""
    bus, device = _spi(options)

    def open_reader() -> TagReader:
        from hardware.readers.mfrc522_package import Mfrc522Reader

        return Mfrc522Reader(clock, name=name, bus=bus, device=device)

    return open_reader


def pad_3m(options: Options, clock: Clock, name: str) -> Callable[[], TagReader]:
    """A 3M 210 or 810 on a serial port: pads and gate antennas for library tags."""
    port = options.text("port")
    baudrate = options.integer("baudrate", default=19_200, minimum=1_200, maximum=115_200)
    security = _security(options)

    def open_reader() -> TagReader:
        from hardware.readers.serial_pad import Pad3m
        from hardware.serial_line import SerialLine

        line = SerialLine(port, baudrate=baudrate, clock=clock)
        return Pad3m(line, clock, name=name, **security)

    return open_reader


def pad_feig(options: Options, clock: Clock, name: str) -> Callable[[], TagReader]:
    """A Feig OBID reader on a serial port: CPR pads, MR, PR and LR gate antennas."""
    port = options.text("port")
    baudrate = options.integer("baudrate", default=38_400, minimum=1_200, maximum=115_200)
    security = _security(options)

    def open_reader() -> TagReader:
        from hardware.readers.serial_pad import PadFeig
        from hardware.serial_line import SerialLine

        line = SerialLine(port, baudrate=baudrate, parity="E", clock=clock)
        return PadFeig(line, clock, name=name, **security)

    return open_reader


def serial_scanner(options: Options, clock: Clock, name: str) -> Callable[[], Scanner]:
    """A scanner on a serial port (USB-CDC)."""
    port = options.text("port")
    baudrate = options.integer("baudrate", default=9_600, minimum=1_200, maximum=115_200)

    def open_scanner() -> Scanner:
        from hardware.scanners.serial import SerialScanner
        from hardware.serial_line import SerialLine

        return SerialScanner(SerialLine(port, baudrate=baudrate, clock=clock), clock, name=name)

    return open_scanner


def keyboard_scanner(options: Options, clock: Clock, name: str) -> Callable[[], Scanner]:
    """A scanner that types like a keyboard; held alone, so that nothing types into the screen."""
    device = options.text("device")

    def open_scanner() -> Scanner:
        from hardware.scanners.keyboard import KeyboardScanner

        return KeyboardScanner(device, clock, name=name)

    return open_scanner


READERS: dict[str, Driver[TagReader]] = {
    "pad_3m": pad_3m,
    "pad_feig": pad_feig,
    "rc522": rc522,
    "mfrc522": mfrc522,
}
SCANNERS: dict[str, Driver[Scanner]] = {"serial": serial_scanner, "keyboard": keyboard_scanner}
PRINTERS: dict[str, Driver[Printer]] = {}
OUTPUTS: dict[str, Driver[Output]] = {}
INPUTS: dict[str, Driver[Input]] = {}


def _spi(options: Options) -> tuple[int, int]:
    return (
        options.integer("spi_bus", default=0, minimum=0, maximum=6),
        options.integer("spi_device", default=0, minimum=0, maximum=2),
    )


def _security(options: Options) -> dict[str, int]:
    """Return what a tag says in stock and on loan: AFI values, or the security byte."""
    return {
        "afi_in_stock": options.integer("afi_in_stock", default=0x07, minimum=1, maximum=255),
        "afi_on_loan": options.integer("afi_on_loan", default=0xC2, minimum=1, maximum=255),
    }


class DeviceTable:
    """The devices that one section of a configuration names, each with its driver.

    Nothing is opened here: `start` of each device begins with it.
    """

    def __init__(
        self, section: Options, clock: Clock, *, patience: Patience | None = None, of: str = ""
    ) -> None:
        """patience: how long the program waits for readers; without it, it always waits.

        of: whose devices these are, put before their names: "lane-1 antenna".
        """
        self._section = section
        self._clock = clock
        self._patience = patience
        self._of = f"{of} " if of else ""

    def reader(self, device: str) -> AttendedReader | None:
        """Return the tag reader of that name, None if there is no such section."""
        opener = self._opener(device, READERS)
        if opener is None:
            return None
        attendant = self._attendant(device, opener, feel=lambda reader: reader.health())
        return AttendedReader(attendant)

    def scanner(self, device: str) -> AttendedScanner | None:
        """Return the barcode scanner of that name, None if there is no such section."""
        opener = self._opener(device, SCANNERS)
        if opener is None:
            return None
        attendant = self._attendant(device, opener, feel=lambda scanner: scanner.health())
        return AttendedScanner(attendant)

    def printer(self, device: str) -> AttendedPrinter | None:
        """Return the receipt printer of that name, None if there is no such section."""
        opener = self._opener(device, PRINTERS)
        if opener is None:
            return None
        attendant = self._attendant(device, opener, feel=lambda printer: printer.health())
        return AttendedPrinter(attendant)

    def output(self, device: str) -> AttendedOutput | None:
        """Return the lamp, siren or buzzer of that name, None if there is no such section."""
        opener = self._opener(device, OUTPUTS)
        return None if opener is None else AttendedOutput(self._pin(device, opener))

    def input(self, device: str) -> AttendedInput | None:
        """Return the beam or button of that name, None if there is no such section."""
        opener = self._opener(device, INPUTS)
        return None if opener is None else AttendedInput(self._pin(device, opener))

    def _opener(self, device: str, drivers: Mapping[str, Driver[D]]) -> Callable[[], D] | None:
        if not self._section.has(device):
            return None
        options = self._section.section(device)
        word = options.text("driver")
        driver = drivers.get(word) or _driver_elsewhere(word, device, drivers)
        return driver(options, self._clock, self._of + device)

    def _attendant(
        self, device: str, opener: Callable[[], D], *, feel: Callable[[D], Health]
    ) -> Attendant[D]:
        return Attendant(
            self._of + device, opener, self._clock, patience=self._patience, feel=feel
        )

    def _pin(self, device: str, opener: Callable[[], D]) -> Attendant[D]:
        """Pins answer at once, in the thread of whoever asks."""
        return Attendant(self._of + device, opener, self._clock)


def made_devices(
    section: Options, clock: Clock, build: Callable[[DeviceTable], T], patience: Patience | None
) -> T:
    """Return a program's devices: what its factory makes of the section, or what `build` does.

    Raises `DevicesInvalid`, or the configuration's own error; opens nothing but what a factory
    opens.
    """
    if not section.has("factory"):
        return build(DeviceTable(section, clock, patience=patience))
    factory = find_function(section.text("factory"), "devices.factory")
    try:
        return cast(T, factory(section, clock))
    except DeviceError as error:
        raise DevicesInvalid(f"devices: {error}") from error


def find_function(name: str, device: str) -> Any:
    """Return the function that `module:function` names; raises `DevicesInvalid`."""
    module_name, _, function_name = name.partition(":")
    try:
        return getattr(importlib.import_module(module_name), function_name)
    except (ImportError, AttributeError, ValueError) as error:
        raise DevicesInvalid(
            f"{device}: {name} cannot be found ({error}); write module:function"
        ) from error


def _driver_elsewhere(word: str, device: str, drivers: Mapping[str, Driver[D]]) -> Driver[D]:
    if ":" in word:
        found: Driver[D] = find_function(word, f"devices.{device}.driver")
        return found
    near = difflib.get_close_matches(word, drivers, n=1)
    meant = f"; did you mean {near[0]}?" if near else ""
    raise DevicesInvalid(
        f"devices.{device}: no driver here is called {word!r}: choose {', '.join(drivers)}, "
        f"or name one of your own as module:function{meant}"
    )
