"""pyserial's handler for `sim://NAME`; `sim/serial/url.py` says how to use it.

Differences from a tty are those of life only: an unplugged device raises `SerialException` on
opening, reading, writing and asking, and a port that was open when the plug was pulled stays dead
until it is opened again. Baud rate, parity, data and stop bits reach the device, which hears
rubbish when they are wrong.
"""

import errno
import os
import threading
from math import ceil
from typing import Any
from urllib.parse import urlsplit

from serial.serialutil import (
    PortNotOpenError,
    SerialBase,
    SerialException,
    SerialTimeoutException,
)

from sim.clock import VirtualClock
from sim.serial.device import SimSerialDevice
from sim.serial.line import LineSettings
from sim.serial.url import device_named

_WAIT_MS_MAX = 50
"""How long a read on a real clock waits at once; a change at the device ends it earlier."""


class Serial(SerialBase):  # type: ignore[misc]  # pyserial ships no types
    """A port at a simulated device."""

    is_open: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._device: SimSerialDevice | None = None
        self._plugged_times = 0
        self._changed = threading.Event()
        self._cancelled = False
        super().__init__(*args, **kwargs)

    def open(self) -> None:
        """Open the port; raises `SerialException` when there is no such device or no plug."""
        if self._port is None:
            raise SerialException("Port must be configured before it can be used.")
        if self.is_open:
            raise SerialException("Port is already open.")
        parts = urlsplit(self._port)
        name = parts.netloc
        device = device_named(name)
        if parts.scheme != "sim" or device is None or not device.plugged:
            raise SerialException(
                errno.ENOENT, f"could not open port {self._port}: [Errno 2] No such device"
            )
        if self._exclusive and not device.claim(self):
            raise SerialException(
                errno.EAGAIN, f"Could not exclusively lock port {self._port}: it is in use"
            )
        self._device, self._plugged_times = device, device.plugged_times
        self._cancelled = False
        self.is_open = True
        self._reconfigure_port()
        device.take()  # a tty that nobody reads keeps nothing
        device.listeners.append(self._changed.set)

    def close(self) -> None:
        """Close the port; closing twice is harmless."""
        if not self.is_open or self._device is None:
            return
        self.is_open = False
        self._changed.set()
        self._device.release(self)
        self._device.host_settings = None
        if self._changed.set in self._device.listeners:
            self._device.listeners.remove(self._changed.set)

    @property
    def in_waiting(self) -> int:
        """Return how many bytes can be read at once."""
        return self._alive().waiting()

    @property
    def out_waiting(self) -> int:
        """Return how many bytes wait to be sent: none, the line takes them at once."""
        self._alive()
        return 0

    def read(self, size: int = 1) -> bytes:
        """Read up to `size` bytes, fewer when `timeout` seconds pass first."""
        device = self._alive()
        timeout_ms = None if self._timeout is None else ceil(self._timeout * 1_000)
        deadline_ms = None if timeout_ms is None else device.clock.now_ms() + timeout_ms
        gap_ms = None if self._inter_byte_timeout is None else ceil(self._inter_byte_timeout * 1e3)
        found = bytearray()
        self._cancelled = False
        while True:
            self._changed.clear()
            piece = self._alive().take(size - len(found))
            found += piece
            now_ms = device.clock.now_ms()
            if piece and gap_ms is not None and deadline_ms is not None:
                deadline_ms = min(deadline_ms, now_ms + gap_ms)
            done = len(found) >= size or self._cancelled
            if done or (deadline_ms is not None and now_ms >= deadline_ms):
                return bytes(found)
            self._wait(device, deadline_ms)

    def write(self, data: Any) -> int:
        """Write all bytes; raises `SerialTimeoutException` when the device takes none."""
        device = self._alive()
        content = bytes(data)
        if not device.takes_writes:
            self._wait_to_write(device)
        device.receive(content)
        return len(content)

    def flush(self) -> None:
        """Return when everything has been sent, which is at once."""
        self._alive()

    def reset_input_buffer(self) -> None:
        """Forget what has arrived and was not read; what is still on its way comes later."""
        self._alive().take()

    def reset_output_buffer(self) -> None:
        """Forget what has not been sent: nothing."""
        self._alive()

    def cancel_read(self) -> None:
        """Let a blocking read of another thread return what it has."""
        self._cancelled = True
        self._changed.set()

    def cancel_write(self) -> None:
        """Let a blocking write of another thread end."""
        self.cancel_read()

    def fileno(self) -> int:
        """Raise: there is no file behind a simulated port."""
        raise SerialException("a simulated port has no file descriptor")

    def send_break(self, duration: float = 0.25) -> None:
        """Send a break, which no simulated device listens to."""
        self._alive()

    @property
    def cts(self) -> bool:
        """Return the line clear to send; `OSError` 25 where the cable has no such lines."""
        return self._modem_line()

    @property
    def dsr(self) -> bool:
        """Return the line data set ready."""
        return self._modem_line()

    @property
    def ri(self) -> bool:
        """Return the line ring indicator."""
        return self._modem_line() and False

    @property
    def cd(self) -> bool:
        """Return the line carrier detect."""
        return self._modem_line()

    def _reconfigure_port(self, force_update: bool = False) -> None:
        if self._device is not None and self.is_open:
            self._device.host_settings = LineSettings(
                self._baudrate, self._parity, self._bytesize, self._stopbits
            )

    def _update_dtr_state(self) -> None:
        self._modem_line()

    def _update_rts_state(self) -> None:
        self._modem_line()

    def _update_break_state(self) -> None:
        self._alive()

    def _modem_line(self) -> bool:
        if not self._alive().has_modem_lines:
            raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))
        return True

    def _alive(self) -> SimSerialDevice:
        """Return the device; raises when the port is closed or its plug was pulled since."""
        if not self.is_open or self._device is None:
            raise PortNotOpenError()
        if not self._device.plugged or self._device.plugged_times != self._plugged_times:
            raise SerialException(
                f"{self._port}: device reports readiness to read but returned no data "
                "(device disconnected or multiple access on port?)"
            )
        return self._device

    def _wait(self, device: SimSerialDevice, deadline_ms: int | None) -> None:
        """Let time pass until the next byte, the deadline, or a change."""
        moments = [at for at in (device.next_at_ms(), deadline_ms) if at is not None]
        now_ms = device.clock.now_ms()
        if isinstance(device.clock, VirtualClock):
            if not moments:
                raise SerialException(
                    f"{self._port}: this read has no time-out and nothing is on its way; "
                    "on a virtual clock it would never end"
                )
            device.clock.advance(max(0, min(moments) - now_ms))
            return
        left_ms = min([_WAIT_MS_MAX, *(at - now_ms for at in moments)])
        self._changed.wait(max(left_ms, 1) / 1_000)

    def _wait_to_write(self, device: SimSerialDevice) -> None:
        """Wait as long as `write_timeout` allows for a device that takes no bytes."""
        timeout = self._write_timeout
        deadline_ms = None if timeout is None else device.clock.now_ms() + ceil(timeout * 1_000)
        self._cancelled = False
        while not self._alive().takes_writes and not self._cancelled:
            if deadline_ms is not None and device.clock.now_ms() >= deadline_ms:
                raise SerialTimeoutException("Write timeout")
            self._changed.clear()
            self._wait(device, deadline_ms)
