"""A microcontroller's board: pins, ports and a bus, each wired to something simulated.

The program runs elsewhere, on a real MicroPython whose `machine` is `sim/mcu/fake/machine.py`; a
line in, a line out (`sim/mcu/fake/board_wire.py` lists them).

Laws:
- An input's level and a serial port's bytes go to the program when they happen; what it writes
  to a pin is what the lamp does.
- A watchdog that was started and is not fed in time resets the board: every pin it drove goes to
  where its wire pulls it, which is off, and whoever runs the program is told to begin anew.
- So they do when the program resets, and when the power goes. When the program only ends, nothing
  happens to the pins until the watchdog bites, as on a board.
"""

import select
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from hardware.ports import Clock, Input, Output
from sim.mcu.fake.machine import PWRON_RESET, WDT_RESET
from sim.serial.device import SimSerialDevice
from sim.serial.line import LineSettings

LOOK_S = 0.002
LINE_BYTES_MAX = 64 * 1024
ACCEPT_S = 0.2
STAT_IDLE, STAT_CONNECTING, STAT_GOT_IP = 0, 1, 3
JOIN_MS = 50
"""How long joining the simulated network takes; a real one needs seconds."""


class SpiChip(Protocol):
    """What is at the end of a bus."""

    def transfer(self, data: bytes) -> bytes:
        """Return the bytes that came while these were sent."""


class SerialEnd(Protocol):
    """What is at the end of a serial port."""

    def receive(self, data: bytes) -> None:
        """Take bytes from the board."""

    def take(self, limit: int | None = None) -> bytes:
        """Return the bytes that have come for the board."""


@dataclass(frozen=True)
class Wires:
    """What is connected where: pins by GPIO number or name, ports and buses by number.

    active: the level of a pin while its input says True (broken, pressed) or its output is on.
    """

    inputs: Mapping[str, Input] = field(default_factory=dict)
    outputs: Mapping[str, Output] = field(default_factory=dict)
    ports: Mapping[str, SerialEnd] = field(default_factory=dict)
    buses: Mapping[str, SpiChip] = field(default_factory=dict)
    active: Mapping[str, int] = field(default_factory=dict)

    def level(self, pin: str, state: bool) -> int:
        """Return the level of a pin whose device is in that state."""
        return self.active.get(pin, 1) if state else 1 - self.active.get(pin, 1)


def nobody(cause: int) -> None:
    """Be told of a reset and do nothing: the default of boards nobody runs a program on."""


class Board:
    """One board. A program connects to `port` of this machine; one at a time."""

    def __init__(
        self,
        wires: Wires,
        *,
        clock: Clock,
        on_reset: Callable[[int], None] = nobody,
        uid: bytes = b"\xe6\x61\x64\x08\x43\x2b\x1f\x2a",
        look_s: float = LOOK_S,
    ) -> None:
        """on_reset: told the cause when the board resets itself. look_s: how often devices are
        looked at."""
        self.wires = wires
        self.levels: dict[str, int] = {}
        self.problems: list[str] = []
        self.has_network = True
        self.resets = 0
        self.fed = 0
        self._clock = clock
        self._on_reset = on_reset
        self._uid = uid
        self._look_s = look_s
        self._cause = PWRON_RESET
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._door = socket.create_server(("127.0.0.1", 0))
        self._door.settimeout(ACCEPT_S)
        self.port = int(self._door.getsockname()[1])
        self._program: socket.socket | None = None
        self._forget_program()
        self._thread = threading.Thread(target=self._serve, name="board", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it; may be called twice."""
        self._stopping.set()
        self._hang_up()
        self._thread.join()
        self._door.close()
        self.go_safe()

    def power_cycle(self) -> None:
        """Cut the power and give it back: every output is off, and the program begins anew."""
        self._reset(PWRON_RESET)

    def go_safe(self) -> None:
        """Let go of every pin: the wires pull them to where they are off."""
        with self._lock:
            for pin in self.levels:
                self._drive(pin, self.wires.level(pin, False))

    def _reset(self, cause: int) -> None:
        with self._lock:
            self.resets += 1
            self._cause = cause
            self._watch_ms = None
            self.go_safe()
        self._hang_up()
        self._on_reset(cause)

    def _hang_up(self) -> None:
        with self._lock:
            program = self._program
        if program is not None:
            with suppress(OSError):
                program.shutdown(socket.SHUT_RDWR)

    def _forget_program(self) -> None:
        self._heard = b""
        self._inputs: dict[str, int] = {}
        self._listening: set[str] = set()
        self._joined_ms: int | None = None
        self._is_active = False
        self._told_wifi = STAT_IDLE

    _watch_ms: int | None = None
    _fed_ms = 0

    def _serve(self) -> None:
        while not self._stopping.is_set():
            self._watch()
            try:
                program, _ = self._door.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            program.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._forget_program()
                self._program = program
            with suppress(OSError):
                self._attend(program)
            with self._lock:
                self._program = None
            program.close()

    def _attend(self, program: socket.socket) -> None:
        """Serve one program until it ends."""
        while not self._stopping.is_set():
            ready, _, _ = select.select([program], [], [], self._look_s)
            if ready:
                came = program.recv(LINE_BYTES_MAX)
                if not came:
                    return
                self._heard += came
            answers: list[str] = []
            with self._lock:
                while b"\n" in self._heard:
                    line, self._heard = self._heard.split(b"\n", 1)
                    answers += self._obey(line.decode())
                answers += self._look()
            if answers:
                program.sendall("".join(f"{answer}\n" for answer in answers).encode())
            if self._watch():
                return

    def _obey(self, line: str) -> list[str]:
        letter, _, rest = line.partition(" ")
        if letter == "!":
            self.problems.append(rest)
            return []
        return _ORDERS[letter](self, rest.split(" "))

    def _hello(self, words: list[str]) -> list[str]:
        return [f"h {self._cause} {self._uid.hex()}"]

    def _listen(self, words: list[str]) -> list[str]:
        (pin,) = words
        device = self.wires.inputs.get(pin)
        level = 1 if device is None else self.wires.level(pin, device.read())
        self._inputs[pin] = level
        return [f"l {level}"]

    def _output(self, words: list[str]) -> list[str]:
        self._drive(words[0], int(words[1]))
        return []

    def _drive(self, pin: str, level: int) -> None:
        self.levels[pin] = level
        device = self.wires.outputs.get(pin)
        if device is None:
            return
        is_on = level == self.wires.active.get(pin, 1)
        device.on() if is_on else device.off()

    def _open_port(self, words: list[str]) -> list[str]:
        port, baud, bits, parity, stop = words
        end = self.wires.ports.get(port)
        if isinstance(end, SimSerialDevice):
            end.host_settings = LineSettings(int(baud), parity, int(bits), int(stop))
        self._listening.add(port)
        return []

    def _write(self, words: list[str]) -> list[str]:
        end = self.wires.ports.get(words[0])
        if end is not None:
            end.receive(bytes.fromhex(words[1]))
        return []

    def _exchange(self, words: list[str]) -> list[str]:
        sent = bytes.fromhex(words[1])
        chip = self.wires.buses.get(words[0])
        came = bytes(len(sent)) if chip is None else chip.transfer(sent)
        return [f"s {came.hex()}"]

    def _start_watchdog(self, words: list[str]) -> list[str]:
        self._watch_ms = int(words[0])
        return self._feed(words)

    def _feed(self, words: list[str]) -> list[str]:
        self.fed += 1
        self._fed_ms = self._clock.now_ms()
        return []

    def _activate(self, words: list[str]) -> list[str]:
        self._is_active = words[0] == "1"
        return []

    def _join(self, words: list[str]) -> list[str]:
        self._joined_ms = self._clock.now_ms() + JOIN_MS
        return []

    def _leave(self, words: list[str]) -> list[str]:
        self._joined_ms = None
        return []

    def _reset_by_program(self, words: list[str]) -> list[str]:
        self.resets += 1
        self._cause = int(words[0])
        self._watch_ms = None
        self.go_safe()
        return ["x"]

    def _look(self) -> list[str]:
        """Return what has happened at inputs, ports and the radio."""
        told = []
        for pin, before in self._inputs.items():
            device = self.wires.inputs.get(pin)
            if device is None:
                continue
            levels = [self.wires.level(pin, edge.level) for edge in device.edges()]
            told += [f"e {pin} {level}" for level in levels]
            self._inputs[pin] = levels[-1] if levels else before
        for port in self._listening:
            end = self.wires.ports.get(port)
            came = b"" if end is None else end.take()
            if came:
                told.append(f"u {port} {came.hex()}")
        return told + self._look_at_radio()

    def _look_at_radio(self) -> list[str]:
        status = STAT_IDLE
        if self._joined_ms is not None and self._is_active:
            is_there = self.has_network and self._clock.now_ms() >= self._joined_ms
            status = STAT_GOT_IP if is_there else STAT_CONNECTING
        if status == self._told_wifi:
            return []
        self._told_wifi = status
        return [f"w {status}"]

    def _watch(self) -> bool:
        """Reset the board if the watchdog was not fed in time; return whether it did."""
        with self._lock:
            late = (
                self._watch_ms is not None and self._clock.now_ms() - self._fed_ms > self._watch_ms
            )
        if late:
            self._reset(WDT_RESET)
        return late


_ORDERS: dict[str, Callable[[Board, list[str]], list[str]]] = {
    "H": Board._hello,
    "I": Board._listen,
    "O": Board._output,
    "U": Board._open_port,
    "W": Board._write,
    "S": Board._exchange,
    "D": Board._start_watchdog,
    "F": Board._feed,
    "A": Board._activate,
    "J": Board._join,
    "Q": Board._leave,
    "X": Board._reset_by_program,
}
