"""The devices on one kiosk's table; each may be missing, and lending goes on by what is left."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from circulation.config import Section
from circulation.errors import ConfigInvalid
from hardware.errors import DeviceError
from hardware.ports import Clock, Health, Output, Printer, Scanner, TagReader


@dataclass(slots=True)
class KioskDevices:
    """What a kiosk reads, hears and signals with. None: this kiosk has no such device.

    `reader` is the pad for books, `card_reader` the spot for readers' cards; a card laid on the
    pad is understood too. `sound_ok` is pulsed with every tick, `sound_problem` when somebody
    has to look.
    """

    reader: TagReader | None = None
    scanner: Scanner | None = None
    card_reader: TagReader | None = None
    printer: Printer | None = None
    sound_ok: Output | None = None
    sound_problem: Output | None = None

    def health(self) -> dict[str, Health]:
        """How each device that should be there feels, by name."""
        named = {
            "pad": self.reader,
            "scanner": self.scanner,
            "cards": self.card_reader,
            "printer": self.printer,
        }
        return {name: device.health() for name, device in named.items() if device is not None}

    def close(self) -> None:
        """Let go of all of them; outputs go to their safe state."""
        for device in self._all():
            with contextlib.suppress(DeviceError):  # unplugged: nothing is left to let go of
                device.close()

    def _all(self) -> Iterator[Any]:
        for device in (
            self.reader, self.scanner, self.card_reader, self.printer,
            self.sound_ok, self.sound_problem,
        ):  # fmt: skip
            if device is not None:
                yield device


def open_devices(section: Section, clock: Clock) -> KioskDevices:
    """Return the devices made by the function that `factory` names, as `module:function`.

    It is called with the rest of the section and the clock. Raises ConfigInvalid.
    """
    name = section.text("factory")
    module_name, _, function_name = name.partition(":")
    try:
        factory: Callable[[Section, Clock], KioskDevices] = getattr(
            importlib.import_module(module_name), function_name
        )
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigInvalid(
            f"devices.factory: {name} cannot be found ({error}); write module:function"
        ) from error
    try:
        return factory(section, clock)
    except DeviceError as error:
        raise ConfigInvalid(f"devices: {error}") from error


def no_devices(section: Section, clock: Clock) -> KioskDevices:
    """Return a table with nothing on it: to look at the screen before the parts have come."""
    return KioskDevices()
