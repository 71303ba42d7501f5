"""A simulated serial device behind a real pseudo terminal, with a name under `by-id`.

The name is a link in a folder of the test's own, as udev keeps them in `/dev/serial/by-id`: it
vanishes when the plug is pulled and comes back, to another terminal, when it is put in again.
Parity and baud rate mean nothing to a pseudo terminal (pty(7)): whatever the host sets, bytes
arrive. It has no modem lines either, and says so with error 25.
"""

import errno
import os
import termios
import tty
from contextlib import suppress
from pathlib import Path

from sim.serial.device import SimSerialDevice
from sim.serial.pump import CHUNK_BYTES, Pump


class PtyCable(Pump):
    """A cable from a device to `folder/name`; use it in a `with`, or `open` and `close` it.

    `path` is what the host opens; it exists while the device is plugged in.
    """

    def __init__(self, device: SimSerialDevice, folder: Path, *, name: str | None = None) -> None:
        super().__init__(device)
        self.path = folder / (name or f"usb-Lendgate_{device.name}-if00-port0")
        self._master = self._slave = -1

    def _connect(self) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave, termios.TCSANOW)
        os.set_blocking(self._master, False)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Replaced in one step, so that no host ever finds half of a change.
        fresh = self.path.with_name(f".{self.path.name}.new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(os.ttyname(self._slave))
        fresh.replace(self.path)

    def _disconnect(self) -> None:
        self.path.unlink(missing_ok=True)
        for descriptor in (self._slave, self._master):
            with suppress(OSError):
                os.close(descriptor)
        self._master = self._slave = -1

    def _descriptors(self) -> list[int]:
        return [self._master] if self._master >= 0 else []

    def _has_host(self) -> bool:
        return self._master >= 0

    def _take_in(self, descriptor: int) -> None:
        try:
            data = os.read(descriptor, CHUNK_BYTES)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EIO):
                raise
            return
        if data:
            self.device.receive(data)

    def _put_out(self, data: bytes) -> None:
        """Write what the terminal has room for; the rest is lost, as when nobody reads a tty."""
        with suppress(BlockingIOError):
            os.write(self._master, data)
