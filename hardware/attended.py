"""Devices as a program holds them: each port, with an `Attendant` between it and its driver.

A device that is unplugged at the start is there, unhealthy, and works as soon as it is plugged in.
A reader that is slow or hangs costs the program a moment, and then nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

from hardware.attendant import Attendant, Busy, Closable, NoAnswerYet
from hardware.errors import DeviceError, PrinterError
from hardware.ports import (
    Edge,
    Health,
    Input,
    Inventory,
    Output,
    Printer,
    Scanner,
    Security,
    TagContent,
    TagReader,
)

D = TypeVar("D", bound=Closable)
T = TypeVar("T")


def _about(device: object) -> str:
    """Return a driver's `notes`, else its `version`."""
    return str(getattr(device, "notes", "") or getattr(device, "version", "") or "")


class _Attended(Generic[D]):
    """What all attended devices share."""

    def __init__(self, attendant: Attendant[D]) -> None:
        self._attendant = attendant
        patience = attendant.patience
        self._round_ms = patience.round_ms if patience else 0
        self._answer_ms = patience.answer_ms if patience else 0

    def start(self) -> None:
        """Begin to open the device; nobody waits for that."""
        self._attendant.start()

    def about(self) -> str:
        """Return what the device says of itself, its chip or version; empty when it says nothing.

        Never raises.
        """
        try:
            return self._attendant.ask("about", _about, self._answer_ms)
        except DeviceError:
            return ""

    def close(self) -> None:
        """Let go of the device; may be called twice."""
        self._attendant.close()


class AttendedReader(_Attended[TagReader]):
    """A `TagReader` that is opened when it can be, and waited for only a moment."""

    def inventory(self) -> Inventory:
        """See `TagReader.inventory`; empty and incomplete while a slow reader still works."""
        try:
            return self._attendant.ask("inventory", lambda d: d.inventory(), self._round_ms)
        except NoAnswerYet as error:
            if self._attendant.hangs:
                raise self._attendant.no_answer() from error
            return Inventory((), complete=False)

    def read_content(self, uid: str) -> TagContent | None:
        """See `TagReader.read_content`."""
        return self._ask(("content", uid), lambda d: d.read_content(uid))

    def get_security(self, uid: str) -> Security:
        """See `TagReader.get_security`."""
        return self._ask(("security", uid), lambda d: d.get_security(uid))

    def set_security(self, uid: str, security: Security) -> None:
        """See `TagReader.set_security`."""
        self._ask(None, lambda d: d.set_security(uid, security))

    def read(self, uid: str, first: int, count: int) -> bytes:
        """See `TagReader.read`."""
        return self._ask(("read", uid, first, count), lambda d: d.read(uid, first, count))

    def write(self, uid: str, first: int, data: bytes) -> None:
        """See `TagReader.write`."""
        self._ask(None, lambda d: d.write(uid, first, data))

    def health(self) -> Health:
        """See `TagReader.health`."""
        return self._attendant.health()

    def _ask(self, key: Hashable, action: Callable[[TagReader], T]) -> T:
        return self._attendant.ask(key, action, self._answer_ms)


class AttendedScanner(_Attended[Scanner]):
    """A `Scanner` that is opened when it can be."""

    def poll(self) -> list[str]:
        """See `Scanner.poll`."""
        try:
            return self._attendant.ask("poll", lambda d: d.poll(), self._round_ms)
        except DeviceError:
            return []

    def health(self) -> Health:
        """See `Scanner.health`."""
        return self._attendant.health()


class AttendedPrinter(_Attended[Printer]):
    """A `Printer` nobody waits for: a slip that takes long is printed while the kiosk goes on."""

    def print_lines(self, lines: Sequence[str]) -> None:
        """See `Printer.print_lines`; what goes wrong later shows in `health`."""
        slip, attendant = tuple(lines), self._attendant
        try:
            attendant.ask(None, lambda d: d.print_lines(slip), self._round_ms)
        except Busy as error:
            raise PrinterError(f"{attendant.name}: busy with the slip before") from error
        except NoAnswerYet:
            return
        except DeviceError as error:
            raise PrinterError(str(error)) from error

    def health(self) -> Health:
        """See `Printer.health`."""
        return self._attendant.health()


class AttendedOutput(_Attended[Output]):
    """An `Output` that may be opened later; what it cannot do now it does not make up for."""

    @property
    def state(self) -> bool:
        """See `Output.state`; off while it cannot be opened."""
        try:
            return self._attendant.ask("state", lambda d: d.state, 0)
        except DeviceError:
            return False

    @property
    def tone_hz(self) -> int:
        """The tone of a buzzer, 0 of everything else."""
        try:
            return self._attendant.ask("tone", lambda d: int(getattr(d, "tone_hz", 0)), 0)
        except DeviceError:
            return 0

    @tone_hz.setter
    def tone_hz(self, frequency_hz: int) -> None:
        """Choose the tone of a buzzer; what has none, or cannot be opened, goes on as it is."""
        if self.tone_hz:
            self._do(lambda d: setattr(d, "tone_hz", frequency_hz))

    def on(self) -> None:
        """See `Output.on`; raises `DeviceError` while it cannot be opened."""
        self._do(lambda d: d.on())

    def off(self) -> None:
        """See `Output.off`; raises `DeviceError` while it cannot be opened."""
        self._do(lambda d: d.off())

    def pulse(self, duration_ms: int) -> None:
        """See `Output.pulse`; raises `DeviceError` while it cannot be opened."""
        self._do(lambda d: d.pulse(duration_ms))

    def health(self) -> Health:
        """Return whether the pin could be opened; never raises."""
        return self._attendant.health()

    def _do(self, action: Callable[[Output], None]) -> None:
        if not self._attendant.is_closed:
            self._attendant.ask(None, action, 0)


class AttendedInput(_Attended[Input]):
    """An `Input` that may be opened later."""

    def read(self) -> bool:
        """See `Input.read`; raises `DeviceError` while it cannot be opened."""
        if self._attendant.is_closed:
            return False
        return self._attendant.ask("read", lambda d: d.read(), 0)

    def edges(self) -> list[Edge]:
        """See `Input.edges`; raises `DeviceError` while it cannot be opened."""
        if self._attendant.is_closed:
            return []
        return self._attendant.ask("edges", lambda d: d.edges(), 0)

    def health(self) -> Health:
        """Return whether the pin could be opened; never raises."""
        return self._attendant.health()
