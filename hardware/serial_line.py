"""A serial line: a pyserial port that is opened when it is first used, and again after a plug
was pulled.

Laws:
- `serial` is imported, and the port opened, at the first use. Everything `serial_for_url` takes
  is a port: `/dev/serial/by-id/…`, a pseudo terminal, `socket://host:port`, `sim://name`.
- A port that fails is closed at once. It is opened again by whoever uses it next; when that fails
  too, 0.2 s later at the earliest, then ever more slowly up to every 2 s.
- The port is ours alone: a second program would take every other byte.
- Modem lines are never read or set after opening: USB bridges and pseudo terminals lack them
  (ioctl fails with errno 25, ENOTTY), and no pad needs them.
- Waiting for bytes is left to the port's own timeout; the clock only times the back-off.

A line belongs to one thread.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import termios
from collections.abc import Callable
from typing import Protocol

from hardware.errors import DeviceError, DeviceTimeout, DeviceUnavailable
from hardware.ports import Clock, Health

__all__ = ["OpenPort", "Port", "SerialLine"]

REOPEN_MS = 200
REOPEN_MS_MAX = 2_000
WRITE_TIMEOUT_S = 1.0
"""No frame of ours is longer than 300 bytes: at 9,600 baud that is 0.3 s on the wire."""

_LOST = (OSError, termios.error)
"""What pyserial lets through: its own SerialException is an OSError, tcsetattr's error is not."""

_SENTENCES = {
    errno.ENOENT: "is not there; check its plug",
    errno.ENODEV: "is not there; check its plug",
    errno.ENXIO: "is not there; check its plug",
    errno.EIO: "does not answer any more; check its plug",
    errno.EACCES: "may not be opened; add this program's user to the group dialout",
    errno.EPERM: "may not be opened; add this program's user to the group dialout",
    errno.EBUSY: "is held by another program; stop that program",
    errno.EAGAIN: "is held by another program; stop that program",
    errno.EINVAL: "refuses these settings; check baud rate and parity",
}

_log = logging.getLogger(__name__)


class Port(Protocol):
    """What a line needs of an open pyserial port."""

    timeout: float | None

    @property
    def in_waiting(self) -> int:
        """How many bytes can be read at once."""

    def read(self, size: int = 1, /) -> bytes:
        """Return so many bytes, or fewer after the timeout."""

    def write(self, data: bytes, /) -> int | None:
        """Send bytes."""

    def reset_input_buffer(self) -> None:
        """Forget what was received and not read."""

    def close(self) -> None:
        """Let go of the port."""


OpenPort = Callable[..., Port]
"""Called like `serial.serial_for_url`."""


class SerialLine:
    """One port, by its path or pyserial URL.

    `parity` is pyserial's letter: N, E, O, M or S. A pseudo terminal carries no parity and refuses
    every letter but N (errno 22, at once or at the next change of a timeout), so such a port, and
    no other, is opened with N.
    """

    def __init__(
        self,
        port: str,
        *,
        baudrate: int,
        parity: str = "N",
        clock: Clock,
        open_port: OpenPort | None = None,
    ) -> None:
        self.port = port
        self._baudrate = baudrate
        self._parity = parity
        self._clock = clock
        self._open_port = open_port
        self._opened: Port | None = None
        self._failures = 0
        self._again_ms: int | None = None
        self._failed_ms = 0
        self._detail = ""
        self._closed = False

    def write(self, data: bytes) -> None:
        """Send all of it.

        Raises `DeviceUnavailable` when the port is not there, `DeviceTimeout` when it takes
        nothing for a second.
        """
        port = self._ready()
        try:
            port.write(data)
        except _LOST as error:
            raise self._lost(error) from error

    def read(self, count: int, timeout_ms: int) -> bytes:
        """Return the next `count` bytes, or those that came within the timeout.

        A timeout of 0 returns what is there. Raises `DeviceUnavailable` when the port is not
        there; fewer bytes than asked for are no error.
        """
        port = self._ready()
        try:
            timeout_s = timeout_ms / 1000
            if port.timeout != timeout_s:
                port.timeout = timeout_s
            return bytes(port.read(count))
        except _LOST as error:
            raise self._lost(error) from error

    def flush(self) -> None:
        """Forget everything received and not read: half frames, late answers, noise."""
        port = self._ready()
        try:
            port.reset_input_buffer()
        except _LOST as error:
            raise self._lost(error) from error

    def health(self) -> Health:
        """Return whether the port can be used; opens it when it is time to, and never raises.

        It looks at the port itself, so a pulled plug shows although nobody reads or writes.
        """
        if self._closed:
            return Health(False, f"{self.port}: closed")
        if self._opened is None and not self._is_time(since_loss_ms=REOPEN_MS):
            return Health(False, self._detail)
        try:
            port = self._ready()
            try:
                _ = port.in_waiting
            except _LOST as error:
                raise self._lost(error) from error
        except DeviceError as error:
            return Health(False, str(error))
        return Health(True)

    def close(self) -> None:
        """Let go of the port for good; calling it again does nothing."""
        self._closed = True
        self._let_go()

    def _ready(self) -> Port:
        """Return the open port, opened now if it is time to."""
        if self._closed:
            raise DeviceUnavailable(f"{self.port}: closed")
        if self._opened is not None:
            return self._opened
        if not self._is_time():
            raise DeviceUnavailable(self._detail)
        try:
            self._opened = self._open()
        except (*_LOST, ValueError, ImportError) as error:
            raise self._refused(error) from error
        self._failures = 0
        self._detail = ""
        return self._opened

    def _is_time(self, since_loss_ms: int = 0) -> bool:
        """Whether opening may be tried; after a loss not before `since_loss_ms` have passed."""
        if self._again_ms is None:
            return True
        now_ms = self._clock.now_ms()
        return now_ms >= max(self._again_ms, self._failed_ms + since_loss_ms)

    def _open(self) -> Port:
        parity = self._parity
        if parity != "N" and _is_pseudo_terminal(self.port):
            _log.info("%s: a pseudo terminal carries no parity; opened without", self.port)
            parity = "N"
        open_port = self._open_port
        if open_port is None:
            import serial

            open_port = serial.serial_for_url
        return open_port(
            self.port,
            baudrate=self._baudrate,
            parity=parity,
            timeout=0,
            write_timeout=WRITE_TIMEOUT_S,
            exclusive=True,
        )

    def _lost(self, error: Exception) -> DeviceError:
        """Close the port that failed and return the error to raise; the next use opens it."""
        self._let_go()
        self._failed_ms = self._again_ms = self._clock.now_ms()
        if type(error).__name__ == "SerialTimeoutException":
            self._detail = f"{self.port}: takes nothing that is sent; unplug it and plug it in"
            return DeviceTimeout(self._detail)
        self._detail = f"{self.port}: does not answer any more ({error}); check its plug"
        return DeviceUnavailable(self._detail)

    def _refused(self, error: Exception) -> DeviceUnavailable:
        """Note that opening failed, and return the error to raise."""
        delay_ms = min(REOPEN_MS_MAX, REOPEN_MS << min(self._failures, 8))
        self._failures += 1
        self._failed_ms = self._clock.now_ms()
        self._again_ms = self._failed_ms + delay_ms
        self._detail = f"{self.port}: {_sentence(error)}"
        return DeviceUnavailable(self._detail)

    def _let_go(self) -> None:
        port, self._opened = self._opened, None
        if port is not None:
            with contextlib.suppress(*_LOST):  # it is gone: nothing is left to let go of
                port.close()


def _sentence(error: Exception) -> str:
    """Return why a port cannot be opened, and what to do about it."""
    if isinstance(error, ImportError):
        return "needs the package pyserial; install it"
    if isinstance(error, ValueError):
        return f"cannot be a port ({error}); correct it in the configuration"
    number = error.args[0] if error.args and isinstance(error.args[0], int) else None
    return _SENTENCES.get(number or 0, f"cannot be opened ({error}); check its plug")


def _is_pseudo_terminal(port: str) -> bool:
    return os.path.realpath(port).startswith("/dev/pts/")
