"""The devices of one gate. Whoever starts the program passes them in, real or simulated."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from circulation.config import Section
from firmware.pi.errors import DevicesUnavailable
from hardware.attendant import Patience
from hardware.check import Item, Kind, driver_and_place
from hardware.drivers import DeviceTable, made_devices
from hardware.errors import DeviceError, DevicesInvalid
from hardware.ports import Clock, Health, Input, Output, TagReader

PATIENCE = Patience(round_ms=5, answer_ms=250)
"""No lane waits for another one's antenna: what is slower than 5 ms is answered in a later turn.
The beams tell when they were broken, so nothing is lost by that."""

HEALTHY = Health(True)


class Closable(Protocol):
    """Anything that lets go of what it holds."""

    def close(self) -> None:
        """Let go; calling it again does nothing."""


@dataclass(frozen=True, slots=True)
class LaneDevices:
    """One lane: its antenna and its beams; with one beam it is the inner one."""

    antenna: TagReader
    beam_inner: Input | None = None
    beam_outer: Input | None = None

    @property
    def beams(self) -> int:
        """How many beams it has; an outer beam alone counts as none."""
        if self.beam_inner is None:
            return 0
        return 1 if self.beam_outer is None else 2


@dataclass(frozen=True, slots=True)
class GateDevices:
    """Everything a gate senses and shows. None: this gate has no such device."""

    lanes: dict[str, LaneDevices]
    siren: Output
    lamp_red: Output
    lamp_amber: Output
    button: Input | None = None
    card_reader: TagReader | None = None
    extras: tuple[Closable, ...] = field(default=())

    def health(self) -> dict[str, str]:
        """Return what is wrong with which device; of pins, those that can tell are asked."""
        found = {}
        for name, device in self._named():
            felt = device.health() if hasattr(device, "health") else HEALTHY
            if not felt.ok:
                found[name] = felt.detail or "it does not work"
        return found

    def items(self, described: Mapping[str, Any]) -> list[Item]:
        """Return the devices for `hardware-check`; described: section [devices] as written."""
        return [
            Item(name, kind, device, *driver_and_place(_section(described, *path)))
            for (name, device), (kind, path) in zip(self._named(), self._kinds(), strict=True)
            if device is not None and not isinstance(device, Unconnected)
        ]

    def _kinds(self) -> Iterator[tuple[Kind, tuple[str, ...]]]:
        """Yield what each device is for and where its section is, in the order of `_named`."""
        yield Kind.SOUND, ("siren",)
        yield Kind.LAMP, ("lamp_red",)
        yield Kind.LAMP, ("lamp_amber",)
        yield Kind.BUTTON, ("button",)
        yield Kind.READER, ("cards",)
        for lane in self.lanes:
            yield Kind.READER, ("lanes", lane, "antenna")
            yield Kind.BEAM, ("lanes", lane, "beam_inner")
            yield Kind.BEAM, ("lanes", lane, "beam_outer")

    def start(self) -> None:
        """Begin to open what is opened later; nobody waits for a device that is not there."""
        for _, device in self._named():
            if hasattr(device, "start"):
                device.start()

    def close(self) -> None:
        """Let go of all of them; outputs go to their safe state. One failing stops no other."""
        for device in (*(device for _, device in self._named()), *self.extras):
            if device is not None:
                with contextlib.suppress(DeviceError):  # unplugged: nothing is left to let go of
                    device.close()

    def _named(self) -> Iterator[tuple[str, Any]]:
        yield "siren", self.siren
        yield "lamp red", self.lamp_red
        yield "lamp amber", self.lamp_amber
        yield "button", self.button
        yield "cards", self.card_reader
        for name, lane in self.lanes.items():
            yield name, lane.antenna
            yield f"{name} inner", lane.beam_inner
            yield f"{name} outer", lane.beam_outer


class Unconnected:
    """A lamp or siren that this gate does not have: it does what it is told, to nobody."""

    state = False

    def on(self) -> None:
        """Do nothing."""

    def off(self) -> None:
        """Do nothing."""

    def pulse(self, duration_ms: int) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def _section(described: Mapping[str, Any], *path: str) -> object:
    found: object = described
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def read_devices(
    section: Section, clock: Clock, *, patience: Patience | None = PATIENCE
) -> GateDevices:
    """Return the devices that section [devices] describes; nothing is opened yet.

    With `factory = "module:function"` they are what that function makes of the rest of the
    section and the clock. Without patience readers are asked in the caller's own thread. Raises
    DevicesUnavailable, or ConfigInvalid.
    """

    def built(table: DeviceTable) -> GateDevices:
        return _built(table, section, clock, patience)

    try:
        return made_devices(section, clock, GateDevices, built, patience)
    except DevicesInvalid as error:
        raise DevicesUnavailable(str(error)) from error


def open_devices(
    section: Section, clock: Clock, *, patience: Patience | None = PATIENCE
) -> GateDevices:
    """Read the devices and begin to open them; one that cannot be opened is tried again."""
    devices = read_devices(section, clock, patience=patience)
    devices.start()
    return devices


def _built(
    table: DeviceTable, section: Section, clock: Clock, patience: Patience | None
) -> GateDevices:
    siren, lamp_red = table.output("siren"), table.output("lamp_red")
    if siren is None and lamp_red is None:
        raise DevicesUnavailable(
            "devices: neither [devices.siren] nor [devices.lamp_red] is there: nobody would "
            "notice an alarm; describe one of them"
        )
    lanes = {}
    for name, lane in section.table("lanes").items():
        of_lane = DeviceTable(lane, clock, patience=patience, of=name)
        antenna = of_lane.reader("antenna")
        if antenna is None:
            raise DevicesUnavailable(f"devices: [devices.lanes.{name}.antenna] is missing")
        lanes[name] = LaneDevices(
            antenna, of_lane.input("beam_inner"), of_lane.input("beam_outer")
        )
    return GateDevices(
        lanes,
        siren or Unconnected(),
        lamp_red or Unconnected(),
        table.output("lamp_amber") or Unconnected(),
        table.input("button"),
        table.reader("cards"),
    )
