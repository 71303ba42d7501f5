"""Devices whose hardware is in another process: what a station of the demo is given.

They keep the contracts of their ports. While the bench is away readers and printers are
unavailable, scanners and inputs are quiet, and outputs remember what was wanted; when it is back
the next call connects again. Nothing here raises because of the network except as the port says.
"""

import socket
from collections.abc import Callable, Sequence
from threading import RLock
from typing import Any

from hardware.errors import DeviceUnavailable, PrinterError
from hardware.ports import Clock, Edge, Health, Inventory, Security, TagContent
from sim import remote_lines as lines
from sim.errors import RemoteError

ANSWER_S_MAX = 5.0
CONNECT_AGAIN_MS = 200
"""How long a failed connection keeps the next call from trying again: polling loops are fast."""


class BenchLink:
    """One connection to the bench, opened when needed and again after it broke.

    `call` raises `DeviceUnavailable` while there is no bench. A call whose answer got lost is not
    repeated: whether it happened is not known, as with a real device.
    """

    def __init__(self, host: str, port: int, *, clock: Clock) -> None:
        self.clock = clock
        self._address = (host, port)
        self._lock = RLock()
        self._socket: socket.socket | None = None
        self._file: Any = None
        self._n = 0
        self._not_before_ms: int | None = None
        self._connected: list[Callable[[], None]] = []

    def on_connected(self, action: Callable[[], None]) -> None:
        """Have something done each time the connection was opened."""
        self._connected.append(action)

    def call(self, device: str, call: str, *args: Any) -> Any:
        """Return what the device at the bench answers."""
        with self._lock:
            self._connect()
            self._n += 1
            message = {"n": self._n, "device": device, "call": call, "args": list(args)}
            try:
                answer = self._exchange(lines.encode_line(message))
            except (OSError, RemoteError) as error:
                self._drop()
                raise DeviceUnavailable(f"{device}: the bench is away ({error})") from error
        if "error" in answer:
            raise lines.error_from(answer)
        return answer.get("result")

    def close(self) -> None:
        """Close the connection; may be called twice."""
        with self._lock:
            self._drop()

    def _exchange(self, line: bytes) -> dict[str, Any]:
        self._file.write(line)
        self._file.flush()
        answer = self._file.readline(lines.LINE_BYTES_MAX + 1)
        if not answer:
            raise RemoteError("it closed the connection")
        message = lines.decode_line(answer)
        if message["n"] != self._n:
            raise RemoteError(str(message.get("message", "it answered another question")))
        return message

    def _connect(self) -> None:
        if self._socket is not None:
            return
        now_ms = self.clock.now_ms()
        if self._not_before_ms is not None and now_ms < self._not_before_ms:
            raise DeviceUnavailable(f"the bench at port {self._address[1]} is away")
        self._not_before_ms = now_ms + CONNECT_AGAIN_MS
        try:
            self._socket = socket.create_connection(self._address, timeout=ANSWER_S_MAX)
        except OSError as error:
            raise DeviceUnavailable(
                f"the bench at port {self._address[1]} is away ({error})"
            ) from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rwb")
        self._not_before_ms = None
        for action in self._connected:
            action()

    def _drop(self) -> None:
        if self._socket is not None:
            # Closing the file flushes; on a broken connection that raises, and it is closed still.
            for part in (self._file, self._socket):
                try:
                    part.close()
                except OSError:
                    continue
        self._socket = None


class _Remote:
    """What all remote devices share: a name, a link, and being closed."""

    def __init__(self, link: BenchLink, name: str) -> None:
        self._link = link
        self._name = name
        self._closed = False

    def close(self) -> None:
        """Let go of the device; the hardware stays at the bench."""
        self._closed = True

    def _call(self, call: str, *args: Any) -> Any:
        if self._closed:
            raise DeviceUnavailable(f"{self._name}: closed")
        return self._link.call(self._name, call, *args)


class _WithHealth(_Remote):
    def health(self) -> Health:
        """Return whether the device and the way to it work; never raises."""
        try:
            return lines.health_from(self._call("health"))
        except (DeviceUnavailable, RemoteError) as error:
            return Health(False, str(error))


class RemoteReader(_WithHealth):
    """A `TagReader` at the bench."""

    def inventory(self) -> Inventory:
        """See `TagReader.inventory`."""
        return lines.inventory_from(self._call("inventory"))

    def read_content(self, uid: str) -> TagContent | None:
        """See `TagReader.read_content`."""
        return lines.content_from(self._call("read_content", uid))

    def get_security(self, uid: str) -> Security:
        """See `TagReader.get_security`."""
        return Security(self._call("get_security", uid))

    def set_security(self, uid: str, security: Security) -> None:
        """See `TagReader.set_security`."""
        self._call("set_security", uid, security.value)

    def read(self, uid: str, first: int, count: int) -> bytes:
        """See `TagReader.read`."""
        return bytes.fromhex(self._call("read", uid, first, count))

    def write(self, uid: str, first: int, data: bytes) -> None:
        """See `TagReader.write`."""
        self._call("write", uid, first, data.hex())


class RemoteScanner(_WithHealth):
    """A `Scanner` at the bench."""

    def poll(self) -> list[str]:
        """See `Scanner.poll`."""
        try:
            return [str(code) for code in self._call("poll")]
        except DeviceUnavailable:
            return []


class RemotePrinter(_WithHealth):
    """A `Printer` at the bench."""

    def print_lines(self, printed: Sequence[str]) -> None:
        """See `Printer.print_lines`."""
        try:
            self._call("print_lines", list(printed))
        except DeviceUnavailable as error:
            raise PrinterError(str(error)) from error


class RemoteOutput(_Remote):
    """An `Output` at the bench; what was wanted is said again when the bench comes back."""

    def __init__(self, link: BenchLink, name: str) -> None:
        super().__init__(link, name)
        self._wanted = False
        link.on_connected(self._say_again)

    @property
    def state(self) -> bool:
        """See `Output.state`."""
        return bool(self._quietly("state"))

    def on(self) -> None:
        """See `Output.on`."""
        self._wanted = True
        self._quietly("on")

    def off(self) -> None:
        """See `Output.off`."""
        self._wanted = False
        self._quietly("off")

    def pulse(self, duration_ms: int) -> None:
        """See `Output.pulse`."""
        self._quietly("pulse", duration_ms)

    def close(self) -> None:
        """See `Output.close`."""
        if not self._closed:
            self._wanted = False
            self._quietly("release")
        super().close()

    def _say_again(self) -> None:
        if self._wanted:
            self._quietly("on")

    def _quietly(self, call: str, *args: Any) -> Any:
        try:
            return self._call(call, *args)
        except DeviceUnavailable:
            return None


class RemoteInput(_Remote):
    """An `Input` at the bench; free and quiet while the bench is away."""

    def read(self) -> bool:
        """See `Input.read`."""
        try:
            return bool(self._call("read"))
        except DeviceUnavailable:
            return False

    def edges(self) -> list[Edge]:
        """See `Input.edges`."""
        try:
            ages = self._call("edges")
        except DeviceUnavailable:
            return []
        return lines.edges_from(ages, self._link.clock.now_ms())
