"""A barcode scanner that types: read from the kernel's input events, held alone.

Read straight from `/dev/input` (docs/decisions/0014): the stream is a struct of five numbers.

Laws:
- The device is grabbed (EVIOCGRAB) or not used: else every scan also types into whatever has the
  screen, and a hostile label commands it.
- A device that goes away is opened again by its path, 0.2 to 2 s later; use
  `/dev/input/by-id/…-event-kbd`, which stays the same in every socket.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hardware.errors import DeviceUnavailable
from hardware.ports import Clock, Health
from hardware.scanners.codes import LINE, CodeInbox
from hardware.scanners.keys import Layout, Typist

# linux/input.h; the numbers are made by _IOC of asm-generic/ioctl.h, as on ARM, x86 and RISC-V.
EVIOCGRAB = 0x40044590
EVIOCSCLOCKID = 0x400445A0
EVIOCGLED_8 = 0x80084519
EVIOCGKEY_96 = 0x80604518

CLOCK_MONOTONIC = 1
KEY_BYTES, LED_BYTES = 96, 8
LED_CAPSL = 1

EV_SYN, EV_KEY, EV_LED = 0x00, 0x01, 0x11
SYN_REPORT, SYN_DROPPED = 0, 3

EVENTS_MAX = 256
REOPEN_MS, REOPEN_MS_MAX = 200, 2_000

_EVENT_LAYOUTS = {24: "=qqHHi", 16: "=IIHHi"}
"""struct input_event, by its size: two kernel longs of time, type, code, value. A 32-bit program
gets 16 bytes also where its own time_t has 64 bits: the kernel keeps unsigned longs there."""

_SENTENCES = {
    errno.ENOENT: "is not there; check its plug",
    errno.ENODEV: "is not there; check its plug",
    errno.ENXIO: "is not there; check its plug",
    errno.EACCES: "may not be opened; add this program's user to the group input",
    errno.EPERM: "may not be opened; add this program's user to the group input",
    errno.EBUSY: "is held by another program; stop that program",
    errno.ENOTTY: "is no input device; use a path under /dev/input/by-id/",
    errno.EINVAL: "is no input device; use a path under /dev/input/by-id/",
}


@dataclass(frozen=True, slots=True)
class Kernel:
    """How this program reaches the kernel's input devices; a simulator passes its own."""

    open: Callable[[str, int], int] = os.open
    ioctl: Callable[[int, int, Any], Any] = fcntl.ioctl
    read: Callable[[int, int], bytes] = os.read
    event_bytes: int = struct.calcsize("llHHi")


class KeyboardScanner:
    """A `Scanner` at an input device's path.

    `layout` is that the scanner is set to (`keys.LAYOUTS`), `ends` how a code ends (`codes.LINE`:
    Enter or Tab; `codes.SILENCE`: nothing more comes). Raises `ValueError` for a layout or an
    ending that there is not.
    """

    def __init__(
        self,
        path: str,
        clock: Clock,
        *,
        name: str = "scanner",
        layout: str = "us",
        ends: str = LINE,
        kernel: Kernel | None = None,
    ) -> None:
        self._path = path
        self._clock = clock
        self._name = name
        self._kernel = kernel if kernel is not None else Kernel()
        self._event = struct.Struct(_EVENT_LAYOUTS[self._kernel.event_bytes])
        self._inbox = CodeInbox()
        self._typist = Typist(self._inbox, Layout(layout), ends=ends)
        self._opened: int | None = None
        self._rest = b""
        self._skipping = False
        self._offset_ms: int | None = None
        self._read_ms = 0
        self._failures = 0
        self._again_ms = 0
        self._detail = ""
        self._closed = False

    @property
    def dropped(self) -> int:
        """How many codes were dropped since the start."""
        return self._inbox.dropped

    @property
    def last_drop(self) -> str:
        """Why the last one was."""
        return self._inbox.last_drop

    def poll(self) -> list[str]:
        """See `Scanner.poll`."""
        if not self._closed:
            with contextlib.suppress(DeviceUnavailable):
                self._receive()
        return self._inbox.take() if not self._closed else []

    def health(self) -> Health:
        """See `Scanner.health`; opens the device when it is time to, and feels for its plug."""
        if self._closed:
            return Health(False, f"{self._name}: closed")
        try:
            self._receive()
        except DeviceUnavailable as error:
            return Health(False, str(error))
        return Health(True)

    def close(self) -> None:
        """See `Scanner.close`; the keyboard is everybody's again."""
        self._closed = True
        self._let_go()

    def _receive(self) -> None:
        """Take the events that are there; raises `DeviceUnavailable` when there is no device."""
        device = self._ready()
        while True:
            try:
                data = self._kernel.read(device, EVENTS_MAX * self._event.size)
            except BlockingIOError:
                self._typist.quiet(self._clock.now_ms() - (self._offset_ms or 0))
                return
            except OSError as error:
                raise self._lost(error) from error
            if not data:
                raise self._lost(OSError(errno.ENODEV, "end of events"))
            self._follow(device, self._rest + data)

    def _follow(self, device: int, data: bytes) -> None:
        whole = len(data) - len(data) % self._event.size
        self._rest = data[whole:]
        for seconds, micros, kind, code, value in self._event.iter_unpack(data[:whole]):
            at_ms = seconds * 1_000 + micros // 1_000
            # Times of events are only compared with each other; the last one read is "now".
            self._offset_ms = self._clock.now_ms() - at_ms
            if kind == EV_SYN:
                self._synchronise(device, code)
            elif self._skipping:
                continue
            elif kind == EV_KEY:
                self._typist.key(code, value, at_ms)
            elif kind == EV_LED and code == LED_CAPSL:
                self._typist.caps(bool(value))

    def _synchronise(self, device: int, code: int) -> None:
        """After SYN_DROPPED, events up to the next report are not to be believed (event-codes)."""
        if code == SYN_DROPPED:
            self._skipping = True
        elif code == SYN_REPORT and self._skipping:
            self._skipping = False
            self._typist.held(_set_bits(self._asked(device, EVIOCGKEY_96, KEY_BYTES)))
            self._typist.spoil("key presses were lost")

    def _asked(self, device: int, request: int, count: int) -> bytes:
        """Return what an ioctl fills in, zeros if the device cannot say."""
        answer = bytearray(count)
        with contextlib.suppress(OSError):
            self._kernel.ioctl(device, request, answer)
        return bytes(answer)

    def _ready(self) -> int:
        if self._opened is not None:
            return self._opened
        if self._clock.now_ms() < self._again_ms:
            raise DeviceUnavailable(self._detail)
        try:
            device = self._kernel.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise self._refused(error) from error
        try:
            self._kernel.ioctl(device, EVIOCGRAB, 1)
        except OSError as error:
            os.close(device)
            raise self._refused(error) from error
        with contextlib.suppress(OSError):  # without it, times follow the wall clock's jumps
            self._kernel.ioctl(device, EVIOCSCLOCKID, struct.pack("i", CLOCK_MONOTONIC))
        lamps = self._asked(device, EVIOCGLED_8, LED_BYTES)
        self._typist.caps(LED_CAPSL in _set_bits(lamps))
        self._rest, self._skipping, self._offset_ms = b"", False, None
        self._opened, self._failures, self._detail = device, 0, ""
        return device

    def _lost(self, error: OSError) -> DeviceUnavailable:
        self._let_go()
        self._typist.break_off("broken off by a pulled plug")
        self._typist.held(set())
        self._again_ms = self._clock.now_ms()
        return self._unavailable(error)

    def _refused(self, error: OSError) -> DeviceUnavailable:
        self._again_ms = self._clock.now_ms() + min(REOPEN_MS_MAX, REOPEN_MS << self._failures)
        self._failures = min(self._failures + 1, 8)
        return self._unavailable(error)

    def _unavailable(self, error: OSError) -> DeviceUnavailable:
        why = _SENTENCES.get(error.errno or 0, f"cannot be used ({error}); check its plug")
        self._detail = f"{self._name}: {self._path} {why}"
        return DeviceUnavailable(self._detail)

    def _let_go(self) -> None:
        device, self._opened = self._opened, None
        if device is not None:
            with contextlib.suppress(OSError):
                os.close(device)  # the kernel ends the grab with it


def _set_bits(data: bytes) -> set[int]:
    return {at * 8 + bit for at, byte in enumerate(data) for bit in range(8) if byte >> bit & 1}
