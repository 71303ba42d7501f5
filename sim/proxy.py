"""A network cable with a plug: a TCP proxy that can be cut, stalled and restored.

    drop       connections are reset, and new ones made at once
    cut        connections are reset and new ones refused, as when a router says "unreachable"
    stall      connections stay open and nothing passes, as when a cable is pulled; new ones are
               accepted and hear nothing
    slow       so many bytes a second pass, each way and each connection
    half_open  one end of each connection is reset, the other one stays and talks to nobody, as
               when a router between them forgets; new ones are made at once
    restore    everything passes again; what a stall held back arrives now, and an end that was
               left alone hears a reset

All of them work on the whole line; a cut, a stall and a half-open end also on one of its
`connections`. `watch` sees what passes, as a wire tap does.
"""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from enum import Enum
from typing import Protocol

CHUNK_BYTES = 64 * 1024
PIECES_PER_S = 20  # of a slow line: what passes at once is its bytes a second through this
CONNECT_S_MAX = 5.0
CONNECTIONS_MAX = 200

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class LineState(Enum):
    """What a line lets through."""

    UP = "up"
    SLOW = "slow"
    STALLED = "stalled"
    CUT = "cut"


class Watch(Protocol):
    """Sees what one connection carries, each way in a thread of its own."""

    def goes(self, chunk: bytes) -> None:
        """Take what is handed to the target next, so it is seen before its answer."""

    def came(self, chunk: bytes) -> None:
        """Take what came from the target and was handed on."""


class Unwatched:
    """The watch of a line that nobody looks at."""

    def goes(self, chunk: bytes) -> None:
        """See `Watch.goes`."""

    def came(self, chunk: bytes) -> None:
        """See `Watch.came`."""


class Proxy:
    """A line from `port` on loopback to a target address.

    Port 0 takes a free one. `close` ends every connection and may be called twice.
    """

    def __init__(
        self,
        target: tuple[str, int],
        *,
        port: int = 0,
        watch: Callable[[], Watch] = Unwatched,
    ) -> None:
        """watch: makes the watch of a new connection."""
        self.target = target
        self._watch = watch
        self._lock = threading.RLock()
        self._state = LineState.UP
        self._bytes_per_s: int | None = None
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

    def drop(self) -> None:
        """Reset every connection; new ones are made at once."""
        with self._lock:
            self._drop_all()

    def half_open(self, *, near_stays: bool) -> None:
        """Reset one end of every connection; the end that stays hears nothing more.

        near_stays: whether it is whoever connected that stays, else the target.
        """
        for connection in self.connections:
            connection.half_open(near_stays=near_stays)

    def slow(self, bytes_per_s: int) -> None:
        """Let no more than so many bytes a second pass, each way and each connection."""
        self._pass_again()
        with self._lock:
            self._state = LineState.SLOW
            self._bytes_per_s = bytes_per_s
            for connection in self._open:
                connection.slow(bytes_per_s)

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
            self._bytes_per_s = None
            for connection in tuple(self._open):
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
                connection = Connection(near, self.target, self._forget, self._watch())
                self._open.append(connection)
                connection.slow(self._bytes_per_s)
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
        watch: Watch,
    ) -> None:
        self._near = near
        self._watch = watch
        self._bytes_per_s: int | None = None
        self._alone: socket.socket | None = None
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

    def slow(self, bytes_per_s: int | None) -> None:
        """Let no more than so many bytes a second pass from now on; None: as many as come."""
        self._bytes_per_s = bytes_per_s

    def half_open(self, *, near_stays: bool) -> None:
        """Reset one end; the other one stays, and what it says is lost."""
        with self._ended:
            if self._cut or self._far is None or self._alone is not None:
                return
            self._alone, gone = self._near, self._far
            if not near_stays:
                self._alone, gone = gone, self._alone
            self._passing.set()
            _reset(gone)

    def restore(self) -> None:
        """Let everything pass again; an end that was left alone is reset."""
        self._bytes_per_s = None
        self._passing.set()
        if self._alone is not None:
            self.cut()

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
                if source is self._near:
                    self._watch.goes(chunk)
                self._hand_on(chunk, sink)
                if source is self._far:
                    self._watch.came(chunk)
            self._passing.wait()
            self._end(sink, socket.SHUT_WR)
        except OSError:
            if self._alone is source:
                self._swallow(source)
            elif self._alone is None:
                # One side is gone; the other one must hear of it, or its half would hang.
                for side in (source, sink):
                    self._end(side, socket.SHUT_RDWR)

    def _hand_on(self, chunk: bytes, sink: socket.socket) -> None:
        """Send all of it, as fast as the line is just now."""
        pause = threading.Event()
        while chunk:
            self._passing.wait()
            size = len(chunk)
            if self._bytes_per_s is not None:
                pause.wait(1 / PIECES_PER_S)
                size = max(self._bytes_per_s // PIECES_PER_S, 1)
            sink.sendall(chunk[:size])
            chunk = chunk[size:]

    def _swallow(self, source: socket.socket) -> None:
        """Take what an end says that was left alone, until it gives up or is reset."""
        with contextlib.suppress(OSError):
            while source.recv(CHUNK_BYTES):
                pass

    def _end(self, side: socket.socket, how: int) -> None:
        """Pass an end on, unless both sides are reset anyway or one was left alone."""
        if not self._cut and self._alone is None:
            with contextlib.suppress(OSError):
                side.shutdown(how)


def _reset(side: socket.socket) -> None:
    """Close a socket so that its peer hears a reset, and a thread waiting on it wakes up."""
    with contextlib.suppress(OSError):
        side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    with contextlib.suppress(OSError):
        side.shutdown(socket.SHUT_RD)
    side.close()
