"""How bytes get to a receipt printer and its status back: file, serial line, network, USB.

Laws:
- Nothing is opened before it is used; what failed is closed and opened again by the next use.
- `write` and `read` take at most the time they are given: a printer without paper stops taking
  bytes, and a kiosk must not stop with it.
- A link that cannot be read says so (`can_read`): the printer's paper is then unknown.
"""

import errno
import os
import select
import socket
import stat
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from hardware.errors import DeviceTimeout, DeviceUnavailable
from hardware.serial_line import SerialLine

CHUNK_BYTES = 4_096
PORT_RAW = 9_100
"""Where network printers listen for raw bytes (AppSocket, "JetDirect")."""

CONNECT_WAIT_MS = 3_000

USB_DEVICES = Path("/sys/bus/usb/devices")

_SENTENCES = {
    errno.ENOENT: "is not there; check its plug and whether it is switched on",
    errno.ENODEV: "is not there; check its plug and whether it is switched on",
    errno.ENXIO: "is not there; check its plug and whether it is switched on",
    errno.EIO: "does not answer any more; check its plug and whether it is switched on",
    errno.EACCES: "may not be opened; add this program's user to the group lp",
    errno.EPERM: "may not be opened; add this program's user to the group lp",
    errno.EBUSY: "is held by another program (CUPS?); remove the printer there",
    errno.ECONNREFUSED: "refuses the connection; check its address and port",
    errno.EHOSTUNREACH: "cannot be reached; check its network cable and address",
    errno.ENETUNREACH: "cannot be reached; check its network cable and address",
}


class PrinterLink(Protocol):
    """Bytes to a printer and back. All methods raise `DeviceError` when the link fails."""

    name: str
    can_read: bool

    def write(self, data: bytes, wait_ms: int) -> None:
        """Send all of it; `DeviceTimeout` when the printer takes nothing for that long."""

    def read(self, wait_ms: int) -> bytes:
        """Return what has come, waiting at most that long for the first byte."""

    def look(self, wait_ms: int = 0) -> bool:
        """Return whether the printer can be talked to; False while it is still being reached.

        Waits for that at most `wait_ms`; then `DeviceTimeout`, unless that is 0.
        """

    def close(self) -> None:
        """Let go of the device; the next use opens it again."""


class _Descriptor:
    """What a file and a socket share: a descriptor that never blocks."""

    can_read = True

    def __init__(self, name: str) -> None:
        self.name = name

    def write(self, data: bytes, wait_ms: int) -> None:
        """See `PrinterLink.write`."""
        rest = memoryview(data)
        while rest:
            descriptor = self._ready(wait_ms)
            try:
                if not _wait(descriptor, select.POLLOUT, wait_ms):
                    raise self._takes_nothing()
                rest = rest[os.write(descriptor, rest[:CHUNK_BYTES]) :]
            except BlockingIOError:
                if wait_ms <= 0:
                    raise self._takes_nothing() from None
            except DeviceTimeout:
                raise
            except OSError as error:
                raise self._lost(error) from error

    def read(self, wait_ms: int) -> bytes:
        """See `PrinterLink.read`."""
        if not self.can_read:
            return b""
        descriptor = self._ready(wait_ms)
        try:
            if not _wait(descriptor, select.POLLIN, wait_ms):
                return b""
            return os.read(descriptor, CHUNK_BYTES)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise self._lost(error) from error

    def close(self) -> None:
        """See `PrinterLink.close`."""
        raise NotImplementedError

    def _ready(self, wait_ms: int) -> int:
        raise NotImplementedError

    def _takes_nothing(self) -> DeviceTimeout:
        return DeviceTimeout(
            f"{self.name} takes nothing: check paper and cover, and whether it is switched on"
        )

    def _lost(self, error: OSError) -> DeviceUnavailable:
        self.close()
        sentence = _SENTENCES.get(error.errno or 0, f"failed ({error}); check its plug")
        return DeviceUnavailable(f"{self.name} {sentence}")


class FileLink(_Descriptor):
    """A printer behind a device file: /dev/usb/lp0 and its like.

    A plain file takes the bytes and is never read; it must be there already.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._descriptor: int | None = None

    def close(self) -> None:
        """See `PrinterLink.close`."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):
                os.close(descriptor)

    def look(self, wait_ms: int = 0) -> bool:
        """See `PrinterLink.look`; an unplugged device's file disappears."""
        self._ready(wait_ms)
        if not os.path.exists(self.name):
            raise self._lost(FileNotFoundError(errno.ENOENT, ""))
        return True

    def _ready(self, wait_ms: int) -> int:
        if self._descriptor is None:
            flags = os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
            try:
                try:
                    descriptor = os.open(self.name, os.O_RDWR | flags)
                except PermissionError:
                    descriptor = os.open(self.name, os.O_WRONLY | flags)
                    self.can_read = False
                if stat.S_ISREG(os.fstat(descriptor).st_mode):
                    self.can_read = False
                    os.lseek(descriptor, 0, os.SEEK_END)
            except OSError as error:
                raise self._lost(error) from error
            self._descriptor = descriptor
        return self._descriptor


class NetworkLink(_Descriptor):
    """A printer on the network, at its raw port. `host` is a name or an address."""

    def __init__(self, host: str, port: int = PORT_RAW) -> None:
        super().__init__(f"{host}:{port}")
        self._address = (host, port)
        self._lookup: Future[Any] | None = None
        self._socket: socket.socket | None = None
        self._is_connected = False

    def close(self) -> None:
        """See `PrinterLink.close`."""
        link, self._socket, self._is_connected = self._socket, None, False
        self._lookup = None
        if link is not None:
            link.close()

    def read(self, wait_ms: int) -> bytes:
        """See `PrinterLink.read`; one that hung up, as most do when idle, is called again."""
        found = super().read(wait_ms)
        if not found and self._has_hung_up():
            self.close()
        return found

    def look(self, wait_ms: int = 0) -> bool:
        """See `PrinterLink.look`."""
        try:
            self._ready(wait_ms)
        except DeviceTimeout:
            if wait_ms > 0:
                self.close()
                raise
            return False
        return True

    def _has_hung_up(self) -> bool:
        if self._socket is None or not self._is_connected:
            return False
        try:
            return self._socket.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _ready(self, wait_ms: int) -> int:
        wait_ms = min(wait_ms, CONNECT_WAIT_MS)
        if self._socket is None:
            self._socket = self._begin(wait_ms)
        if not self._is_connected:
            if not _wait(self._socket.fileno(), select.POLLOUT, wait_ms):
                raise self._does_not_answer()
            self._is_connected = True  # or refused: then the next read or write says so
        return self._socket.fileno()

    def _begin(self, wait_ms: int) -> socket.socket:
        """Begin to connect, once the host's address is known."""
        if self._lookup is None:
            self._lookup = _looked_up(*self._address)
        try:
            found = self._lookup.result(wait_ms / 1000)
        except TimeoutError as error:
            raise self._does_not_answer() from error
        except OSError as error:
            self._lookup = None
            raise DeviceUnavailable(f"{self.name} is not a known host; check its name") from error
        link = socket.socket(found[0], socket.SOCK_STREAM)
        link.setblocking(False)
        number = link.connect_ex(found[4])
        if number not in (0, errno.EINPROGRESS):
            link.close()
            raise self._lost(OSError(number, os.strerror(number)))
        return link

    def _does_not_answer(self) -> DeviceTimeout:
        return DeviceTimeout(f"{self.name} does not answer; check its cable and address")


class SerialLink:
    """A printer on a serial line."""

    can_read = True

    def __init__(self, line: SerialLine) -> None:
        self.name = line.port
        self._line = line

    def write(self, data: bytes, wait_ms: int) -> None:
        """See `PrinterLink.write`; the line has a time limit of its own."""
        for start in range(0, len(data), CHUNK_BYTES):
            self._line.write(data[start : start + CHUNK_BYTES])

    def read(self, wait_ms: int) -> bytes:
        """See `PrinterLink.read`."""
        return self._line.read(1, wait_ms) + self._line.read(CHUNK_BYTES, 0)

    def look(self, wait_ms: int = 0) -> bool:
        """See `PrinterLink.look`."""
        health = self._line.health()
        if not health.ok:
            raise DeviceUnavailable(health.detail)
        return True

    def close(self) -> None:
        """Let go of the port for good."""
        self._line.close()


class UsbLink:
    """A printer by its USB numbers, through python-escpos and pyusb.

    `lsusb` lists the numbers. Only where the kernel makes no /dev/usb/lp0 of it: `FileLink` needs
    no further package. Reading its status is left out: pyusb's reading waits.
    """

    can_read = False

    def __init__(
        self,
        vendor: int,
        product: int,
        *,
        open_printer: Callable[[int, int], Any] | None = None,
        devices: Path = USB_DEVICES,
    ) -> None:
        self.name = f"USB printer {vendor:04x}:{product:04x}"
        self._numbers = (vendor, product)
        self._open_printer = open_printer or _open_usb
        self._devices = devices
        self._printer: Any = None

    def write(self, data: bytes, wait_ms: int) -> None:
        """See `PrinterLink.write`; pyusb has a time limit of its own, 1 s a chunk."""
        self.look()
        try:
            if self._printer is None:
                self._printer = self._open_printer(*self._numbers)
            for start in range(0, len(data), CHUNK_BYTES):
                self._printer._raw(data[start : start + CHUNK_BYTES])
        except Exception as error:  # pyusb and python-escpos have each their own tree
            self.close()
            raise DeviceUnavailable(
                f"{self.name}: {error}; check plug, paper and cover"
            ) from error

    def read(self, wait_ms: int) -> bytes:
        """Return nothing."""
        return b""

    def look(self, wait_ms: int = 0) -> bool:
        """See `PrinterLink.look`; asks the kernel's list, which costs no time."""
        for device in self._devices.glob("*/idVendor"):
            numbers = [_hex(device), _hex(device.with_name("idProduct"))]
            if tuple(numbers) == self._numbers:
                return True
        self.close()
        raise DeviceUnavailable(f"{self.name} is not there; check its plug (lsusb lists it)")

    def close(self) -> None:
        """See `PrinterLink.close`."""
        printer, self._printer = self._printer, None
        if printer is not None:
            with suppress(Exception):  # it may be unplugged: nothing is left to let go of
                printer.close()


class DummyLink:
    """No printer at all: what was sent is kept in `written`."""

    can_read = False

    def __init__(self) -> None:
        self.name = "no printer"
        self.written = bytearray()

    def write(self, data: bytes, wait_ms: int) -> None:
        """Keep it."""
        self.written += data

    def read(self, wait_ms: int) -> bytes:
        """Return nothing."""
        return b""

    def look(self, wait_ms: int = 0) -> bool:
        """Be there."""
        return True

    def close(self) -> None:
        """Keep what was written."""


def _looked_up(host: str, port: int) -> "Future[Any]":
    """Return a host's address to come: at once if it is one, else from a thread.

    A name server may take its time.
    """
    found: Future[Any] = Future()

    def look_up(flags: int) -> None:
        try:
            found.set_result(socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM, 0, flags)[0])
        except OSError as error:
            if not flags:
                found.set_exception(error)

    look_up(socket.AI_NUMERICHOST)
    if not found.done():
        threading.Thread(target=look_up, args=(0,), name="look-up", daemon=True).start()
    return found


def _open_usb(vendor: int, product: int) -> Any:
    from escpos.printer import Usb

    if not Usb.is_usable():
        raise DeviceUnavailable("it needs the package pyusb: pip install 'python-escpos[usb]'")
    printer = Usb(vendor, product, timeout=1_000)
    printer.open()
    return printer


def _hex(path: Path) -> int:
    try:
        return int(path.read_text(), 16)
    except (OSError, ValueError):
        return -1


def _wait(descriptor: int, event: int, wait_ms: int) -> bool:
    """Wait in real time until the descriptor can be read or written, that long at most."""
    poll = select.poll()
    poll.register(descriptor, event)
    return bool(poll.poll(max(0, wait_ms)))
