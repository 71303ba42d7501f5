"""A simulated Raspberry Pi 4: its header's lines, its SPI buses, and the modules that reach them.

    pi = SimPi(VirtualClock())
    pi.wire_mfrc522(chip)
    with pi.installed():
        from mfrc522 import MFRC522          # the package from PyPI, unchanged, on rpi-lgpio

Time is the clock's. On a virtual clock everything is deterministic: callbacks run in the thread
that drives a line or advances the board (`advance`), in the order of their times, and a blocked
`wait_for_edge` moves the clock itself. On a real clock they run in one thread of the board, as
lgpio's notification thread does.
"""

import heapq
import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from hardware.ports import Clock
from sim.errors import SimError
from sim.pi.alerts import Alert, Report
from sim.pi.gpiochip import Callback
from sim.pi.lgpio import Lgpio
from sim.pi.line import PULL_DOWN, PULL_NONE, PULL_UP, SimLine
from sim.pi.modules import modules_in_place

LINES = 58
"""Lines of the BCM2711's gpiochip; 0 to 27 are on the header."""

SPI0_CHIP_SELECTS = {8: "spi0 CS0", 7: "spi0 CS1"}
"""Who holds these lines in the kernel once SPI is switched on (dtparam=spi=on)."""

_PULLED_UP_AT_BOOT = frozenset((*range(9), *range(34, 37), *range(46, 54)))
"""BCM2835 ARM Peripherals, table 6-31 (alternative functions), column "pull": these are high."""

_NO_PULL_AT_BOOT = frozenset((28, 29, 44, 45, 54, 55, 56, 57))


POLL_S = 0.002
"""How often, on a real clock, parts are asked for their levels: a laptop hardly notices."""


class SpiChip(Protocol):
    """A chip on an SPI bus: one transfer under chip select, as many bytes back as were sent."""

    def transfer(self, data: bytes) -> bytes:
        """Clock these bytes out and the answer in."""


class IrqChip(SpiChip, Protocol):
    """What `wire_mfrc522` needs of a chip besides its transfers."""

    @property
    def irq_level(self) -> bool:
        """The level of its interrupt pin."""

    def reset_pin(self, level: bool) -> None:
        """Be told the level of NRSTPD."""


class PiError(SimError):
    """The simulated Pi was asked for something that is not there."""


class SimPi:
    """The board. `spi` maps (bus, chip select) to a chip; `line(gpio)` gives a `SimLine`."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.spi: dict[tuple[int, int], SpiChip] = {}
        self.programs: list[Lgpio] = []
        self.callbacks: list[Callback] = []
        self.alerts: dict[int, Alert] = {}
        self.is_virtual = hasattr(clock, "advance")
        self.lines = tuple(
            SimLine(gpio, pull=_pull_at_boot(gpio), now_ns=self.now_ns) for gpio in range(LINES)
        )
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._planned: list[tuple[int, int, int, bool | None]] = []
        self._numbers = itertools.count()
        self._levels: list[tuple[SimLine, Callable[[], bool]]] = []
        self._reports: deque[Report] = deque()
        self._is_delivering = False
        self._is_running = False
        for line in self.lines:
            line.watches.append(self._edge)

    def now_ns(self) -> int:
        """Return the board's time in nanoseconds; it has the resolution of its clock."""
        return self.clock.now_ms() * 1_000_000

    def line(self, gpio: int) -> SimLine:
        """Return a line by its BCM number, 0 to 57; raises `PiError` for any other."""
        if not 0 <= gpio < LINES:
            raise PiError(f"GPIO {gpio}: this board has 0 to {LINES - 1}")
        return self.lines[gpio]

    # ------ wiring ------

    def connect(self, gpio: int, on_level: Callable[[bool], None]) -> None:
        """Run a wire from a line to a part that is told its level, now and at every change."""
        line = self.line(gpio)
        line.watches.append(lambda _line, level, _at_ns: on_level(level))
        on_level(line.level)

    def drive_from(self, gpio: int, level: Callable[[], bool]) -> None:
        """Let a part drive a line; the part is asked for its level whenever the board settles."""
        self._levels.append((self.line(gpio), level))
        self.settle()

    def wire_mfrc522(
        self,
        chip: IrqChip,
        *,
        bus: int = 0,
        device: int = 0,
        reset_gpio: int | None = 25,
        irq_gpio: int | None = None,
    ) -> None:
        """Wire a reader's board as its leaflets do: SPI, RST on GPIO 25 (pin 22), IRQ if asked.

        The breakout pulls RST up, so a chip whose RST nobody drives runs.
        """
        self.spi[bus, device] = chip
        if reset_gpio is not None:
            self.line(reset_gpio).pull_outside(True)
            self.connect(reset_gpio, chip.reset_pin)
        if irq_gpio is not None:
            self.drive_from(irq_gpio, lambda: chip.irq_level)

    # ------ time ------

    def plan(self, gpio: int, after_ms: int, level: bool | None) -> None:
        """Drive a line later, as a hand or a bouncing contact will."""
        self.line(gpio)
        due_ns = self.now_ns() + after_ms * 1_000_000
        with self._changed:
            heapq.heappush(self._planned, (due_ns, next(self._numbers), gpio, level))
            self._changed.notify_all()

    def advance(self, duration_ms: int) -> None:
        """Let that much virtual time pass, stopping wherever something is due on the way."""
        end_ns = self.now_ns() + duration_ms * 1_000_000
        while (due_ns := self.next_ns()) is not None and due_ns <= end_ns:
            self.clock.sleep_ms(max(0, -(-(due_ns - self.now_ns()) // 1_000_000)))
            self.settle()
        self.clock.sleep_ms((end_ns - self.now_ns()) // 1_000_000)
        self.settle()

    def next_ns(self) -> int | None:
        """Return when the next thing on the board is due; None when nothing is."""
        with self._lock:
            due = [alert.deadline_ns() for alert in self.alerts.values()]
            if self._planned:
                due.append(self._planned[0][0])
            return min((at_ns for at_ns in due if at_ns is not None), default=None)

    def settle(self) -> None:
        """Do what is due by now: planned changes, parts' levels, debounced edges, callbacks.

        Every call of a fake module settles the board first, so a program cannot see it stale.
        """
        with self._lock:
            now_ns = self.now_ns()
            while (due_ns := self.next_ns()) is not None and due_ns <= now_ns:
                if self._planned and self._planned[0][0] <= due_ns:
                    at_ns, _, gpio, level = heapq.heappop(self._planned)
                    self.lines[gpio].drive(level, at_ns)
                else:
                    self._expire(due_ns)
            for line, level_of in self._levels:
                level = bool(level_of())
                if level != line.level:
                    line.drive(level)
        if self.is_virtual:
            self._deliver()

    def watch(self, gpio: int, alert: Alert | None) -> None:
        """Start or stop reporting a line's edges."""
        with self._changed:
            if alert is None:
                self.alerts.pop(gpio, None)
            else:
                self.alerts[gpio] = alert
            self._changed.notify_all()

    def _edge(self, line: SimLine, level: bool, at_ns: int) -> None:
        with self._changed:
            alert = self.alerts.get(line.gpio)
            if alert is None or line.request is None:
                return
            self._reports.extend(alert.edge(int(level != line.request.active_low), at_ns))
            self._changed.notify_all()
        if self.is_virtual:
            self._deliver()

    def _expire(self, due_ns: int) -> None:
        for alert in self.alerts.values():
            deadline_ns = alert.deadline_ns()
            if deadline_ns is not None and deadline_ns <= due_ns:
                self._reports.extend(alert.expire(due_ns))

    def _deliver(self) -> None:
        # A callback may read a line, and so settle the board: only the outermost delivers.
        with self._lock:
            if self._is_delivering:
                return
            self._is_delivering = True
        try:
            while self._reports:
                report = self._reports.popleft()
                for callback in tuple(self.callbacks):
                    callback.tell(report)
        finally:
            self._is_delivering = False

    # ------ power and programs ------

    def enable_spi(self) -> None:
        """Do what `dtparam=spi=on` does: the kernel takes the chip selects of bus 0."""
        for gpio, owner in SPI0_CHIP_SELECTS.items():
            self.line(gpio).hold(owner)

    def power_cut(self) -> None:
        """Switch the board off and on: no line is anybody's, each has its first pull again.

        A program that goes on using the modules afterwards is told that its handles are unknown.
        """
        self.end_program()
        with self._lock:
            for line in self.lines:
                line.reset()
            if any(bus == 0 for bus, _ in self.spi):
                self.enable_spi()

    def end_program(self) -> None:
        """Do what the kernel does when a program dies: what it claimed is freed."""
        with self._lock:
            for program in self.programs:
                program.close()

    @contextmanager
    def installed(self) -> Iterator["SimPi"]:
        """Put this board's `lgpio` and `spidev` in place of the vendors', for one program.

        `RPi.GPIO` and `mfrc522` are forgotten before and after, so that they are imported on this
        board and never kept. One board at a time in a process.
        """
        program = Lgpio(self)
        self.programs.append(program)
        try:
            with modules_in_place(self, program), self._alert_thread():
                yield self
        finally:
            program.close()
            self.programs.remove(program)

    @contextmanager
    def _alert_thread(self) -> Iterator[None]:
        if self.is_virtual:
            yield
            return
        self._is_running = True
        thread = threading.Thread(target=self._run, name="sim-pi-alerts", daemon=True)
        thread.start()
        try:
            yield
        finally:
            with self._changed:
                self._is_running = False
                self._changed.notify_all()
            thread.join()

    def _run(self) -> None:
        while self._is_running:
            self.settle()
            self._deliver()
            with self._changed:
                if self._is_running and not self._reports:
                    self._changed.wait(self._rest_s())

    def _rest_s(self) -> float | None:
        due_ns = self.next_ns()
        if self._levels:
            return POLL_S
        return None if due_ns is None else max(0, due_ns - self.now_ns()) / 1e9


def _pull_at_boot(gpio: int) -> str:
    if gpio in _NO_PULL_AT_BOOT:
        return PULL_NONE
    return PULL_UP if gpio in _PULLED_UP_AT_BOOT else PULL_DOWN
