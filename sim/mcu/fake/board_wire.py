"""The wire from MicroPython to the board around it: a line out, a line in.

    to the board                             from the board
    H                 who am I               h CAUSE UID      answers H
    I PIN             an input from now on   l LEVEL          answers I
    O PIN LEVEL       an output's level      e PIN LEVEL      an input has changed
    U PORT LINE…      open a serial port     u PORT HEX       bytes have come
    W PORT HEX        bytes for it           w STATUS         the radio's status
    S BUS HEX         exchange bytes         s HEX            answers S
    D MS · F          watchdog: start, feed
    A 1 · J SSID · Q  radio: on, join, leave
    X CAUSE           reset                  x                answers X
    ! TEXT            the fake saw something wrong

Laws:
- Between two steps of the program the board's lines are taken wherever a real one would be
  interrupted: in `ticks_ms`, in a sleep, at a look at a pin or a port.
- An interrupt that the program called hard runs with the heap locked, as on a board: what it
  allocates is an error. Any other goes through `micropython.schedule`, which may be full.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

IS_MICROPYTHON = sys.implementation.name == "micropython"
if IS_MICROPYTHON:
    import select

    import micropython  # type: ignore[import-not-found]
    import uos as os  # type: ignore[import-not-found]
    import usocket as socket  # type: ignore[import-not-found]
    import utime as time  # type: ignore[import-not-found]
else:
    import os
    import select
    import socket
    import time

ADDRESS = "LENDGATE_BOARD"
"""The variable that says where the board listens: its port on this machine."""

TICKS_PERIOD = 1 << 30
"""After so many milliseconds a board's count begins anew (py/mpconfig.h)."""
TICKS_START = TICKS_PERIOD - 60_000
"""Where it begins here: every program sees it wrap after a minute."""
READ_BYTES = 512


class BoardWire:
    """One connection to one board, for the life of the program."""

    def __init__(self, port: int) -> None:
        """Connect, and hear who we are."""
        self.cause = 1
        self.uid = b""
        self.wifi = 0
        self.pins: dict[str, Any] = {}
        self.ports: dict[str, Any] = {}
        self.timers: list[Any] = []
        self.sockets: dict[str, Any] = {}
        self.in_interrupt = False
        self._start_ms = _real_ms()
        self._socket = _connected(port)
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        self._heard = b""
        self._answer: list[str] | None = None
        self._run = self._run_soft
        said = self.ask("H", "h")
        self.cause = int(said[0])
        self.uid = bytes.fromhex(said[1])

    def now_ms(self) -> int:
        """Return the milliseconds since the start."""
        return _real_ms() - self._start_ms

    def tell(self, line: str) -> None:
        """Send a line; nothing is answered."""
        self._socket.sendall(line.encode() + b"\n")

    def ask(self, line: str, letter: str) -> "list[str]":
        """Send a line and return the words of its answer."""
        self.tell(line)
        self._answer = None
        while self._answer is None or self._answer[0] != letter:
            self._answer = None
            self._receive()
            self._take(letter)
        return self._answer[1:]

    def pump(self) -> None:
        """Take what the board has said."""
        if self.in_interrupt:
            return
        while self._poll.poll(0):
            self._receive()
            self._take("")
        self._ring()

    def sleep_ms(self, duration_ms: int) -> None:
        """Let time pass, and what happens meanwhile happen."""
        until_ms = self.now_ms() + duration_ms
        self.pump()
        while True:
            left_ms = until_ms - self.now_ms()
            if left_ms <= 0:
                return
            if self._poll.poll(left_ms):
                self.pump()

    def interrupt(self, handler: "Callable[[Any], None]", source: "Any", hard: bool) -> None:
        """Run a handler as the board would."""
        if not IS_MICROPYTHON:
            handler(source)
        elif hard:
            self._run_hard(handler, source)
        else:
            try:
                micropython.schedule(self._run, (handler, source))
            except RuntimeError:
                self.tell("! the queue of interrupts is full: one is lost, as on a board")

    def _run_soft(self, what: "tuple[Callable[[Any], None], Any]") -> None:
        what[0](what[1])

    def _run_hard(self, handler: "Callable[[Any], None]", source: "Any") -> None:
        self.in_interrupt = True
        micropython.heap_lock()
        error: Exception | None = None
        try:
            handler(source)
        except Exception as raised:
            error = raised
        micropython.heap_unlock()
        self.in_interrupt = False
        if error is not None:
            self.tell(f"! an interrupt failed: {type(error).__name__} {error}")

    def _ring(self) -> None:
        """Let timers go off."""
        for timer in list(self.timers):
            timer.look(self.now_ms())

    def _receive(self) -> None:
        # Not `readinto`, which on a socket that waits fills the whole buffer.
        came = self._socket.recv(READ_BYTES)
        if not came:
            sys.exit(7)  # the board has gone: no program lives without one
        self._heard += came

    def _take(self, wanted: str) -> None:
        """Take the whole lines that have come; keep an answer that somebody waits for."""
        while b"\n" in self._heard:
            line, self._heard = self._heard.split(b"\n", 1)
            words = line.decode().split(" ")
            if words[0] == wanted:
                self._answer = words
                return
            self._happened(words)

    def _happened(self, words: "list[str]") -> None:
        letter = words[0]
        if letter == "e" and words[1] in self.pins:
            self.pins[words[1]].changed(int(words[2]))
        elif letter == "u" and words[1] in self.ports:
            self.ports[words[1]].received(bytes.fromhex(words[2]))
        elif letter == "w":
            self.wifi = int(words[1])
        elif letter in ("c", "b", "k") and words[1] in self.sockets:
            self.sockets[words[1]].heard(letter, words[2] if len(words) > 2 else "")


TCP, NO_DELAY = 6, 1  # as Linux numbers them; MicroPython does not name them


def _connected(port: int) -> "Any":
    made = socket.socket()
    address = socket.getaddrinfo("127.0.0.1", port)[0][-1]
    made.connect(address)
    made.setsockopt(TCP, NO_DELAY, 1)  # else each transfer of a bus waits 40 ms for an answer
    return made


def _real_ms() -> int:
    if IS_MICROPYTHON:
        return int(time.ticks_ms())
    return int(time.monotonic_ns() // 1_000_000)


_wires: "list[BoardWire]" = []


def wire() -> BoardWire:
    """Return this program's wire, connected when it is first asked for."""
    if not _wires:
        _wires.append(BoardWire(int(os.getenv(ADDRESS) or "0")))
    return _wires[0]
