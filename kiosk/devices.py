"""The devices on one kiosk's table; each may be missing, and lending goes on by what is left."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from circulation.config import Section
from circulation.errors import ConfigInvalid
from hardware.attendant import Patience
from hardware.check import Item, Kind, driver_and_place
from hardware.drivers import DeviceTable, made_devices
from hardware.errors import DeviceError, DevicesInvalid
from hardware.indicators import Indicators, Signal
from hardware.ports import Clock, Health, Output, Printer, Scanner, TagReader

PATIENCE = Patience(round_ms=150, answer_ms=1_500)
"""A hand on the screen waits 0.15 s for a slow pad; while a tag is being switched, nobody may
tell the reader anything yet, so that may take ten times as long."""

OUTPUTS = (
    "sound_ok", "sound_problem", "sound_alarm", "lamp_ok", "lamp_problem", "lamp_alarm",
)  # fmt: skip

_KINDS = {
    "pad": Kind.READER,
    "cards": Kind.READER,
    "scanner": Kind.SCANNER,
    "printer": Kind.PRINTER,
    **{name: Kind.SOUND if name.startswith("sound") else Kind.LAMP for name in OUTPUTS},
}


@dataclass(slots=True)
class KioskDevices:
    """What a kiosk reads, hears and signals with. None: this kiosk has no such device.

    `reader` is the pad for books, `card_reader` the spot for readers' cards; a card laid on the
    pad is understood too. The sounds and lamps tell what the screen tells: `…_ok` that something
    is done, `…_problem` that somebody has to look, `…_alarm` that a gate of the site sounds.
    """

    reader: TagReader | None = None
    scanner: Scanner | None = None
    card_reader: TagReader | None = None
    printer: Printer | None = None
    sound_ok: Output | None = None
    sound_problem: Output | None = None
    sound_alarm: Output | None = None
    lamp_ok: Output | None = None
    lamp_problem: Output | None = None
    lamp_alarm: Output | None = None

    def indicators(self) -> Indicators:
        """Return what plays the rhythms on these sounds and lamps."""
        sounds = zip(Signal, (self.sound_ok, self.sound_problem, self.sound_alarm), strict=True)
        lamps = zip(Signal, (self.lamp_ok, self.lamp_problem, self.lamp_alarm), strict=True)
        return Indicators(
            lamps={signal: lamp for signal, lamp in lamps if lamp is not None},
            sounds={signal: sound for signal, sound in sounds if sound is not None},
            on_screen=True,
        )

    def health(self) -> dict[str, Health]:
        """How each device that should be there feels, by name; of pins, those that can tell."""
        return {
            name: device.health()
            for name, device in self._named()
            if device is not None and hasattr(device, "health")
        }

    def items(self, described: Mapping[str, Any]) -> list[Item]:
        """Return the devices for `hardware-check`; described: section [devices] as written."""
        return [
            Item(name, _KINDS[name], device, *driver_and_place(described.get(name)))
            for name, device in self._named()
            if device is not None
        ]

    def start(self) -> None:
        """Begin to open what is opened later; nobody waits for a device that is not there."""
        for _, device in self._named():
            if hasattr(device, "start"):
                device.start()

    def close(self) -> None:
        """Let go of all of them; outputs go to their safe state."""
        for _, device in self._named():
            if device is not None:
                with contextlib.suppress(DeviceError):  # unplugged: nothing is left to let go of
                    device.close()

    def _named(self) -> Iterator[tuple[str, Any]]:
        yield "pad", self.reader
        yield "scanner", self.scanner
        yield "cards", self.card_reader
        yield "printer", self.printer
        for name in OUTPUTS:
            yield name, getattr(self, name)


def read_devices(
    section: Section, clock: Clock, *, patience: Patience | None = PATIENCE
) -> KioskDevices:
    """Return the devices that section [devices] describes; nothing is opened yet.

    With `factory = "module:function"` they are what that function makes of the rest of the
    section and the clock. Without patience readers are asked in the caller's own thread. Raises
    ConfigInvalid.
    """
    try:
        return made_devices(section, clock, KioskDevices, _built, patience)
    except DevicesInvalid as error:
        raise ConfigInvalid(str(error)) from error


def open_devices(
    section: Section, clock: Clock, *, patience: Patience | None = PATIENCE
) -> KioskDevices:
    """Read the devices and begin to open them; one that cannot be opened is tried again."""
    devices = read_devices(section, clock, patience=patience)
    devices.start()
    return devices


def _built(table: DeviceTable) -> KioskDevices:
    return KioskDevices(
        reader=table.reader("pad"),
        scanner=table.scanner("scanner"),
        card_reader=table.reader("cards"),
        printer=table.printer("printer"),
        **{name: table.output(name) for name in OUTPUTS},
    )
