"""A thread that carries bytes between a simulated device and a file descriptor.

Two cables use it: a pseudo terminal (`pty.py`) and a socket (`tcp.py`). It sleeps in `select`
until the host sends something, the device has something due, or a plug is pulled, and ends within
`JOIN_S` of being told to.
"""

import os
import select
import threading
from contextlib import suppress

from sim.serial.device import SimSerialDevice

CHUNK_BYTES = 4_096
POLL_S = 0.02
"""How often a device is asked whose clock is not the machine's: a test moves it as it likes."""
IDLE_S = 1.0
JOIN_S = 5.0


class Pump:
    """Carries bytes while open; subclasses say over which descriptor.

    Everything a subclass overrides runs on the pump's thread, except `_ready`.
    """

    def __init__(self, device: SimSerialDevice) -> None:
        self.device = device
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._ending = threading.Event()
        self._settled = threading.Condition()
        self._plugged_times = 0
        self._failure: OSError | None = None
        self._thread = threading.Thread(target=self._run, name=f"cable of {device.name}")
        self._thread.daemon = True

    def open(self) -> None:
        """Start carrying; returns when the host can open its end, or at once if unplugged.

        Raises the `OSError` that kept it from being put up.
        """
        self.device.listeners.append(self._wake)
        self._thread.start()
        self.settle()
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Stop, take down the host's end, and let go of thread and descriptors; twice is fine."""
        if self._ending.is_set():
            return
        self._ending.set()
        if self._wake in self.device.listeners:
            self.device.listeners.remove(self._wake)
        self._wake()
        if self._thread.ident is not None:
            self._thread.join(JOIN_S)
        for descriptor in (self._wake_read, self._wake_write):
            with suppress(OSError):
                os.close(descriptor)

    def settle(self, timeout_s: float = JOIN_S) -> bool:
        """Wait until the cable is as the device's plug is, and what was said has gone out.

        Returns whether it came to that in time.
        """
        self._wake()
        with self._settled:
            return self._settled.wait_for(self._is_settled, timeout_s)

    def __enter__(self) -> "Pump":
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # What a subclass says

    def _connect(self) -> None:
        """Put up the host's end."""
        raise NotImplementedError

    def _disconnect(self) -> None:
        """Take down the host's end."""
        raise NotImplementedError

    def _descriptors(self) -> list[int]:
        """Return what to wait for besides the wake-up call."""
        raise NotImplementedError

    def _take_in(self, descriptor: int) -> None:
        """Read what the host sent, or accept it."""
        raise NotImplementedError

    def _has_host(self) -> bool:
        """Return whether bytes from the device can go anywhere now."""
        raise NotImplementedError

    def _put_out(self, data: bytes) -> None:
        """Write bytes to the host."""
        raise NotImplementedError

    # Inside

    def _is_settled(self) -> bool:
        if self._failure is not None:
            return True
        wanted = self.device.plugged_times if self.device.plugged else 0
        waits = self._has_host() and self.device.waiting() > 0
        return self._plugged_times == wanted and not waits

    def _wake(self) -> None:
        with suppress(OSError):
            os.write(self._wake_write, b"!")

    def _run(self) -> None:
        try:
            while not self._ending.is_set():
                self._follow_plug()
                self._carry_out()
                self._wait()
        except OSError as failure:
            self._failure = failure
        finally:
            if self._plugged_times:
                self._disconnect()
            with self._settled:
                self._settled.notify_all()

    def _follow_plug(self) -> None:
        """Bring the host's end into the state of the plug; a new plug is a new port."""
        wanted = self.device.plugged_times if self.device.plugged else 0
        if wanted != self._plugged_times:
            if self._plugged_times:
                self._disconnect()
            if wanted:
                self._connect()
            with self._settled:
                self._plugged_times = wanted
                self._settled.notify_all()

    def _carry_out(self) -> None:
        with self._settled:
            while self._has_host() and (data := self.device.take(CHUNK_BYTES)):
                self._put_out(data)
            self._settled.notify_all()

    def _wait(self) -> None:
        waited = [self._wake_read, *self._descriptors()]
        ready, _, _ = select.select(waited, [], [], self._patience_s())
        for descriptor in ready:
            if descriptor == self._wake_read:
                with suppress(OSError):
                    os.read(self._wake_read, CHUNK_BYTES)
            else:
                self._take_in(descriptor)

    def _patience_s(self) -> float:
        due_ms = self.device.next_at_ms()
        if due_ms is None or not self._has_host():
            return IDLE_S
        return min(POLL_S, max(0, due_ms - self.device.clock.now_ms()) / 1_000)
