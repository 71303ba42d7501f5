"""A network cable with a plug: a TCP proxy that can be cut, stalled and restored.

    cut      connections are reset and new ones refused, as when a router says "unreachable"
    stall    connections stay open and nothing passes, as when a cable is pulled; new ones are
             accepted and hear nothing
    restore  everything passes again; what a stall held back arrives now

Cutting and stalling work on the whole line or on one of its `connections`.
"""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from enum import Enum

CHUNK_BYTES = 64 * 1024
CONNECT_S_MAX = 5.0
CONNECTIONS_MAX = 200

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class LineState(Enum):
    """What a line lets through."""

    UP = "up"
    STALLED = "stalled"
    CUT = "cut"


class Proxy:
    """A line from `port` on loopback to a target address.

    Port 0 takes a free one. `close` ends every connection and may be called twice.
    """

    def __init__(self, target: tuple[str, int], *, port: int = 0) -> None:
        self.target = target
        self._lock = threading.RLock()
        self._state = LineState.UP
        self._open: list[Connection] = []
        self._closed = False
        self._listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self.port = int(self._listener.getsockname()[1])
        self._listen()

    @property
    def state(self) -> LineState:
        """What the line lets through now."""
        return self._state

    @property
    def connections(self) -> tuple["Connection", ...]:
        """The open connections, oldest first."""
        with self._lock:
            return tuple(self._open)

    def cut(self) -> None:
        """Reset every connection and refuse new ones."""
        with self._lock:
            if self._state is LineState.CUT or self._closed:
                return
            self._state = LineState.CUT
            self._refuse()
            self._drop_all()

    def stall(self) -> None:
        """Let nothing pass, and keep every connection open."""
        self._pass_again()
        with self._lock:
            self._state = LineState.STALLED
            for connection in self._open:
                connection.stall()

    def restore(self) -> None:
        """Let everything pass again."""
        self._pass_again()
        with self._lock:
            self._state = LineState.UP
            for connection in self._open:
                connection.restore()

    def close(self) -> None:
        """End every connection and free the port."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._end_listener()
            self._drop_all()

    def _pass_again(self) -> None:
        """Listen again after a cut."""
        with self._lock:
            if self._state is LineState.CUT and not self._closed:
                self._listener.listen(64)
                self._listen()

    def _refuse(self) -> None:
        """Stop listening but keep the port: bound and not listening, connections are refused."""
        self._end_listener()
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", self.port))

    def _end_listener(self) -> None:
        # Shutting down wakes the thread that waits in accept(); closing alone would not.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _listen(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                if len(self._open) >= CONNECTIONS_MAX or self._state is LineState.CUT:
                    _reset(near)
                    continue
                connection = Connection(near, self.target, self._forget)
                self._open.append(connection)
                if self._state is LineState.STALLED:
                    connection.stall()
            connection.start()

    def _drop_all(self) -> None:
        for connection in tuple(self._open):
            connection.cut()

    def _forget(self, connection: "Connection") -> None:
        with self._lock:
            if connection in self._open:
                self._open.remove(connection)


class Connection:
    """One connection through a proxy."""

    def __init__(
        self,
        near: socket.socket,
        target: tuple[str, int],
        forget: Callable[["Connection"], None],
    ) -> None:
        self._near = near
        self._far: socket.socket | None = None
        self._target = target
        self._forget = forget
        self._passing = threading.Event()
        self._passing.set()
        self._ended = threading.Lock()
        self._cut = False

    def start(self) -> None:
        """Connect to the target and carry bytes both ways, in threads of its own."""
        threading.Thread(target=self._run, daemon=True).start()

    def cut(self) -> None:
        """Reset both sides."""
        with self._ended:
            self._cut = True
            self._passing.set()
            for side in (self._near, self._far):
                if side is not None:
                    _reset(side)
        self._forget(self)

    def stall(self) -> None:
        """Let nothing pass from now on."""
        self._passing.clear()

    def restore(self) -> None:
        """Let everything pass again."""
        self._passing.set()

    def _run(self) -> None:
        self._passing.wait()
        try:
            far = socket.create_connection(self._target, timeout=CONNECT_S_MAX)
        except OSError:
            self.cut()
            return
        far.settimeout(None)
        with self._ended:
            if self._cut:
                _reset(far)
                return
            self._far = far
        for side in (self._near, far):
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        back = threading.Thread(target=self._pump, args=(far, self._near), daemon=True)
        back.start()
        self._pump(self._near, far)
        back.join()
        self.cut()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        """Carry bytes one way until the source ends, then end the sink's incoming half too."""
        try:
            while chunk := source.recv(CHUNK_BYTES):
                self._passing.wait()
                sink.sendall(chunk)
            self._passing.wait()
            self._end(sink, socket.SHUT_WR)
        except OSError:
            # One side is gone; the other one must hear of it, or its half would hang for ever.
            for side in (source, sink):
                self._end(side, socket.SHUT_RDWR)

    def _end(self, side: socket.socket, how: int) -> None:
        """Pass an end on; a cut ends both sides itself, and as a reset, not as a goodbye."""
        if not self._cut:
            with contextlib.suppress(OSError):
                side.shutdown(how)


def _reset(side: socket.socket) -> None:
    """Close a socket so that its peer hears a reset, and a thread waiting on it wakes up."""
    with contextlib.suppress(OSError):
        side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    with contextlib.suppress(OSError):
        side.shutdown(socket.SHUT_RD)
    side.close()
