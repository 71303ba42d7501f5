"""Sockets as a board has them, over the loopback sockets of this machine, on either Python.

    net = Lwip()
    client = MQTTClient("gate-1", "broker.library", port, net=net)
    net.names["broker.library"] = "127.0.0.1"
    net.is_cut = True                   # the cable is out; nobody is told

What MicroPython's unix port hides and lwIP does (extmod/modlwip.c, MicroPython 1.22 to 1.25):
- `setblocking(True)` forgets the timeout: what waits then may wait for ever.
- `connect` that may not wait raises EINPROGRESS, and so does one whose timeout passed. Bytes may
  be written while it is under way; that nobody listens shows later, as ECONNRESET.
- The send buffer is small, and `write` takes what fits. A full one is None from `write` and
  EAGAIN from `send`. What was taken leaves when the stack runs: at the next call.
- `readinto` fills what it can; None is "nothing yet", 0 is the end.
- A name that cannot be looked up raises a negative number of lwIP's own, and looking waits.
- There are few sockets: one that is never closed is missing soon.
"""

import io
import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

EAGAIN = 11
ENOMEM = 12
EINVAL = 22
ECONNRESET = 104
EISCONN = 106
ENOTCONN = 107
ETIMEDOUT = 110
EALREADY = 114
EINPROGRESS = 115
DNS_FAILED = -2
"""What modlwip.c raises when the name server answers that there is no such name."""

SEND_BYTES = 2_920
"""Two segments. A Pico W has eight, an ESP32 four; small shows faults sooner."""
SOCKETS_MAX = 5
"""MEMP_NUM_TCP_PCB of lwIP's opt.h."""
LOOK_MS = 10

_NEW, _CONNECTING, _CONNECTED, _PEER_CLOSED, _CLOSED = range(5)
_POLL, _CLOSE = 3, 4  # py/stream.h
_POLLIN, _POLLOUT, _POLLERR, _POLLHUP = 1, 4, 8, 16
_CHUNK = 4_096


class Lwip:
    """One board's network: a socket module, and the accidents that befall it."""

    AF_INET = 2
    AF_INET6 = 10
    SOCK_STREAM = 1
    SOCK_DGRAM = 2
    SOL_SOCKET = 1
    SO_REUSEADDR = 4
    IPPROTO_TCP = 6
    TCP_NODELAY = 1

    def __init__(self, real: "Any" = None, *, send_bytes: int = SEND_BYTES) -> None:
        """real: the socket module of this machine."""
        if real is None:
            import socket as real
        self.real = real
        self.send_bytes = send_bytes
        self.names: dict[str, str] = {}
        self.lookups = 0
        """How often a name was looked up: a board waits each time."""
        self.is_cut = False
        """Nothing leaves or arrives, and no connection is told."""
        self.is_stalled = False
        """The other side reads no more: nothing leaves."""
        self.opened = 0
        self.wait: Callable[[Socket], None] = _look_again

    def socket(self, family: int = AF_INET, kind: int = SOCK_STREAM, _proto: int = 0) -> "Socket":
        """Return a new socket that waits; raise OSError(ENOMEM) beyond five open ones."""
        if family != self.AF_INET or kind != self.SOCK_STREAM:
            raise _error(EINVAL)
        if self.opened >= SOCKETS_MAX:
            raise _error(ENOMEM)
        return Socket(self)

    def getaddrinfo(self, host: str, port: int, *_wanted: int) -> "list[tuple[Any, ...]]":
        """Return one address; raise OSError(-2) for a name that is not in `names`."""
        address = host
        if not is_dotted(host):
            self.lookups += 1
            if self.is_cut or host not in self.names:
                raise _error(DNS_FAILED)
            address = self.names[host]
        return [(self.AF_INET, self.SOCK_STREAM, 0, "", (address, port))]


class Socket(io.IOBase):
    """One TCP socket."""

    def __init__(self, net: Lwip) -> None:
        """Open it; `Lwip.socket` is where one comes from."""
        self.net = net
        self.timeout_ms: int | None = None
        """None: waits for ever; 0: never."""
        self.writes = 0
        self._state = _NEW
        self._error = 0
        self._unsent = bytearray()
        self._address: Any = None
        net.opened += 1
        self._real = net.real.socket(net.real.AF_INET, net.real.SOCK_STREAM)
        self._real.setblocking(False)

    def fileno(self) -> int:
        """Return what CPython's `select` waits for."""
        number: int = self._real.fileno()
        return number

    def settimeout(self, seconds: "int | None") -> None:
        """Set how long a call may wait; None for ever."""
        self.timeout_ms = None if seconds is None else int(seconds * 1000)

    def setblocking(self, flag: bool) -> None:
        """Wait for ever, or never: what `settimeout` set is forgotten."""
        self.timeout_ms = None if flag else 0

    def setsockopt(self, level: int, option: int, value: int) -> None:
        """Switch Nagle's algorithm off or on; other options change nothing here."""
        if (level, option) == (Lwip.IPPROTO_TCP, Lwip.TCP_NODELAY):
            self._real.setsockopt(level, option, value)

    def connect(self, address: "tuple[str, int]") -> None:
        """Begin to connect; raise OSError(EINPROGRESS) if it is not done in time."""
        if self._state != _NEW:
            raise _error(EISCONN if self._state == _CONNECTED else EALREADY)
        # MicroPython's unix port takes only what its getaddrinfo gives.
        real = self.net.real
        self._address = real.getaddrinfo(address[0], address[1], real.AF_INET)[0][-1]
        self._state = _CONNECTING
        self._await(lambda: self._state != _CONNECTING, EINPROGRESS, at_once=EINPROGRESS)
        self._raise_error()

    def send(self, data: "Any") -> int:
        """Take some of the bytes; raise OSError(EAGAIN) when there is no room."""
        count = self._take(data)
        if not count and len(data):
            raise _error(EAGAIN)
        return count

    def write(self, data: "Any") -> "int | None":
        """Take some of the bytes; None when there is no room."""
        return self._take(data) or None

    def recv(self, size: int) -> bytes:
        """Return at most that many bytes; raise OSError(EAGAIN) when nothing is there."""
        buffer = bytearray(size)
        count = self.readinto(buffer)
        if count is None:
            raise _error(EAGAIN)
        return bytes(memoryview(buffer)[:count])

    def read(self, size: int) -> "bytes | None":
        """Return that many bytes, or what is there; None when nothing is."""
        buffer = bytearray(size)
        count = self.readinto(buffer)
        return None if count is None else bytes(memoryview(buffer)[:count])

    def readinto(self, buffer: "Any") -> "int | None":
        """Fill the buffer; 0 at the end, None when nothing is there."""
        self._run()
        self._raise_error()
        if self._state in (_NEW, _CLOSED):
            raise _error(ENOTCONN)
        count = 0
        self._chunk = self._receive(len(buffer))
        if self._chunk is None and self._state != _PEER_CLOSED:
            if self.timeout_ms == 0:
                return None
            self._await(lambda: self._has_come(len(buffer)), ETIMEDOUT, at_once=EAGAIN)
            self._raise_error()
        if self._chunk is not None:
            count = len(self._chunk)
            memoryview(buffer)[:count] = self._chunk
        return count

    def close(self) -> None:
        """Let it go."""
        if self._state != _CLOSED:
            self._run()
            self._state = _CLOSED
            self._real.close()
            self.net.opened -= 1

    def ioctl(self, request: int, argument: int) -> int:
        """Answer MicroPython's `select` and `tls`."""
        if request == _CLOSE:
            self.close()
            return 0
        if request != _POLL:
            return -EINVAL
        self._run()
        ready = 0
        if self._state == _NEW:
            ready |= _POLLHUP
        elif self._error:
            ready |= _POLLERR | _POLLHUP
        elif self._state == _PEER_CLOSED or self._is_readable():
            ready |= _POLLIN
        if len(self._unsent) < self.net.send_bytes and not self._error:
            ready |= _POLLOUT
        return ready & (argument | _POLLERR | _POLLHUP)

    def _has_come(self, size: int) -> bool:
        self._chunk = self._receive(size)
        return self._chunk is not None or self._state != _CONNECTED

    def _is_readable(self) -> bool:
        if self.net.is_cut or self._state != _CONNECTED:
            return False
        return _polled(self._real, _POLLIN, 0)

    def _take(self, data: "Any") -> int:
        self._run()
        self._raise_error()
        if self._state in (_NEW, _CLOSED):
            raise _error(ENOTCONN)
        if not self._room():
            if self.timeout_ms == 0:
                return 0
            self._await(lambda: self._room() > 0, ETIMEDOUT, at_once=EAGAIN)
            self._raise_error()
        count = min(self._room(), len(data))
        self._unsent += bytes(memoryview(data)[:count])
        self.writes += 1
        return count

    def _room(self) -> int:
        return self.net.send_bytes - len(self._unsent)

    def _await(self, is_done: "Callable[[], bool]", late: int, *, at_once: int) -> None:
        """Run the stack until it is done; raise `late` after the timeout, `at_once` without."""
        self._run()
        waited_ms = 0
        while not is_done() and not self._error:
            if self.timeout_ms == 0:
                raise _error(at_once)
            if self.timeout_ms is not None and waited_ms >= self.timeout_ms:
                raise _error(late)
            self.net.wait(self)
            waited_ms += LOOK_MS
            self._run()

    def _run(self) -> None:
        """Let the stack do what it does by itself: connect, and send what was taken."""
        if self.net.is_cut or self._error:
            return
        try:
            if self._state == _CONNECTING:
                self._go_on_connecting()
            if self._state in (_CONNECTED, _PEER_CLOSED):
                self._flush()
        except OSError as error:
            if error.errno != EAGAIN:
                self._error = ECONNRESET

    def _go_on_connecting(self) -> None:
        if self._address is not None:
            address, self._address = self._address, None
            try:
                self._real.connect(address)
            except OSError as error:
                if error.errno not in (EINPROGRESS, EAGAIN):
                    raise
        if _polled(self._real, _POLLERR | _POLLHUP, 0):
            self._error = ECONNRESET
        elif _polled(self._real, _POLLOUT, 0):
            self._state = _CONNECTED

    def _flush(self) -> None:
        while self._unsent and not self.net.is_stalled:
            count = self._real.send(self._unsent[:_CHUNK])
            self._unsent = self._unsent[count:]

    def _receive(self, size: int) -> "bytes | None":
        if self.net.is_cut or self._state not in (_CONNECTED, _PEER_CLOSED):
            return None
        try:
            received: bytes = self._real.recv(size)
        except OSError as error:
            if error.errno != EAGAIN:
                self._error = ECONNRESET
            return None
        if not received and size:
            self._state = _PEER_CLOSED
            return None
        return received

    def _raise_error(self) -> None:
        if self._error:
            raise _error(self._error)


def _error(number: int) -> OSError:
    """Return what lwIP raises: a number and no words; CPython wants words to keep the number."""
    return OSError(number, "lwIP")


def is_dotted(host: str) -> bool:
    """Return whether this is an address, four numbers, and no name."""
    parts = host.split(".")
    return len(parts) == 4 and all(part.isdigit() for part in parts)


def _polled(real: "Any", what: int, wait_ms: int) -> bool:
    poller = select.poll()
    poller.register(real, what)
    return any(ready & what for _, ready, *_ in poller.poll(wait_ms))


def _look_again(waiting: Socket) -> None:
    _polled(waiting._real, _POLLIN, LOOK_MS)
