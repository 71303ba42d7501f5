"""From configuration to devices: which driver, with which options, opened when it can be.

Laws:
- What is wrong in the configuration stops a program before anything is opened. What is wrong with
  a device never does: it is there, unhealthy, and tried again (`hardware/attendant.py`).
- A vendor library is imported by the driver that is chosen and by no other.

The drivers that come with Lendgate are in `hardware/known_drivers.py`. Third parties write a
function as `hardware/options.py` says, and name it: `driver = "module:function"`.
"""

from __future__ import annotations

import difflib
import importlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar, cast

from hardware.attendant import Attendant, Closable, Patience
from hardware.attended import (
    AttendedInput,
    AttendedOutput,
    AttendedPrinter,
    AttendedReader,
    AttendedScanner,
)
from hardware.errors import DeviceError, DevicesInvalid
from hardware.known_drivers import INPUTS, OUTPUTS, PRINTERS, READERS, SCANNERS
from hardware.options import Driver, Options
from hardware.ports import Clock, Health

D = TypeVar("D", bound=Closable)
T = TypeVar("T")

_log = logging.getLogger(__name__)

MISTAKES = (
    ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, OSError,
    RuntimeError, SyntaxError, SystemExit, TypeError, ValueError,
)  # fmt: skip
"""What Python raises for a mistake in somebody's function; a configuration's error is no such."""

PRINT_MS_MAX = 15_000
"""A slip of many drawn lines takes some seconds; a printer that takes longer hangs."""


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
        patience = self._patience and replace(self._patience, hang_ms=PRINT_MS_MAX)
        attendant = Attendant(
            self._of + device, opener, self._clock, patience=patience,
            feel=lambda printer: printer.health(),
        )  # fmt: skip
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
        return Attendant(self._of + device, opener, self._clock, feel=_pin_health)


def made_devices(
    section: Options,
    clock: Clock,
    kind: type[T],
    build: Callable[[DeviceTable], T],
    patience: Patience | None,
) -> T:
    """Return a program's devices: what its factory makes of the section, or what `build` does.

    kind: what a factory must return. Raises `DevicesInvalid`, or the configuration's own error;
    opens nothing but what a factory opens.
    """
    if not section.has("factory"):
        return build(DeviceTable(section, clock, patience=patience))
    word = section.text("factory")
    factory = find_function(word, "devices.factory")
    try:
        made = factory(section, clock)
    except DeviceError as error:
        raise DevicesInvalid(f"devices: {error}") from error
    except MISTAKES as error:
        raise _failed(word, "devices.factory", error) from error
    if not isinstance(made, kind):
        raise DevicesInvalid(f"devices.factory: it returned {made!r:.60}, not {kind.__name__}")
    return made


def find_function(name: str, device: str) -> Any:
    """Return the function that `module:function` names; raises `DevicesInvalid`."""
    module_name, _, function_name = name.partition(":")
    try:
        found = getattr(importlib.import_module(module_name), function_name)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise DevicesInvalid(
            f"{device}: {name} cannot be found ({error}); write module:function"
        ) from error
    except MISTAKES as error:
        raise _failed(name, device, error) from error
    if not callable(found):
        raise DevicesInvalid(f"{device}: {name} is no function; write module:function")
    return found


def _careful(word: str, device: str) -> Driver[D]:
    """Return somebody's driver; whatever it does wrong becomes `DevicesInvalid`."""
    driver = find_function(word, device)

    def asked(options: Options, clock: Clock, name: str, /) -> Callable[[], D]:
        try:
            opener = driver(options, clock, name)
        except DevicesInvalid:
            raise
        except MISTAKES as error:
            raise _failed(word, device, error) from error
        if not callable(opener):
            raise DevicesInvalid(
                f"{device}: {word} returned {opener!r:.60}; it must return a function that "
                "opens the device"
            )
        return cast(Callable[[], D], opener)

    return asked


def _failed(word: str, device: str, error: BaseException) -> DevicesInvalid:
    """Return the error for somebody's code that failed; where it did is in the log."""
    _log.debug("%s: %s", device, word, exc_info=error)
    return DevicesInvalid(f"{device}: {word} failed with {type(error).__name__}: {error}")


def _pin_health(pin: object) -> Health:
    """Return how a pin is, if it can tell; most wires cannot be felt."""
    return cast(Health, pin.health()) if hasattr(pin, "health") else Health(True)


def _driver_elsewhere(word: str, device: str, drivers: Mapping[str, Driver[D]]) -> Driver[D]:
    if ":" in word:
        return _careful(word, f"devices.{device}.driver")
    near = difflib.get_close_matches(word, drivers, n=1)
    meant = f"; did you mean {near[0]}?" if near else ""
    raise DevicesInvalid(
        f"devices.{device}: no driver here is called {word!r}: choose {', '.join(drivers)}, "
        f"or name one of your own as module:function{meant}"
    )
