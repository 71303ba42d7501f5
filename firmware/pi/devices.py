"""The devices of one gate. Whoever starts the program passes them in, real or simulated."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from circulation.config import Section
from firmware.pi.errors import DevicesUnavailable
from hardware.errors import DeviceError
from hardware.ports import Clock, Input, Output, TagReader


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

    def close(self) -> None:
        """Let go of all of them; outputs go to their safe state. One failing stops no other."""
        owned: list[Closable | None] = [self.siren, self.lamp_red, self.lamp_amber, self.button]
        owned.append(self.card_reader)
        for lane in self.lanes.values():
            owned += [lane.antenna, lane.beam_inner, lane.beam_outer]
        for device in (*owned, *self.extras):
            if device is not None:
                with contextlib.suppress(DeviceError):  # unplugged: nothing is left to let go of
                    device.close()


def open_devices(section: Section, clock: Clock) -> GateDevices:
    """Return the devices made by the function that `factory` names, as `module:function`.

    It is called with the rest of the section and the clock. Raises DevicesUnavailable.
    """
    name = section.text("factory")
    module_name, _, function_name = name.partition(":")
    try:
        factory: Callable[[Section, Clock], GateDevices] = getattr(
            importlib.import_module(module_name), function_name
        )
    except (ImportError, AttributeError, ValueError) as error:
        raise DevicesUnavailable(
            f"devices.factory: {name} cannot be found ({error}); write module:function"
        ) from error
    try:
        return factory(section, clock)
    except DeviceError as error:
        raise DevicesUnavailable(f"devices: {error}") from error
