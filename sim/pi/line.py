"""One line of the simulated Pi's header: who holds it, who drives it, and what level it has.

A line's level is decided as on a board, strongest first: an output drives it, else a wire from
outside does (`drive`), else a resistor outside (`pull_outside`), else the Pi's own pull, else it
floats and keeps the level it had. A real floating wire is noise; this one stays put, so that a
test fails the same way every time.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

HISTORY_MAX = 10_000
"""Changes a line remembers; a bench that runs for a month must not fill the memory."""

UNUSED = "unused"
INPUT = "input"
OUTPUT = "output"
ALERT = "alert"

PULL_UP = "up"
PULL_DOWN = "down"
PULL_NONE = "none"

LevelWatch = Callable[["SimLine", bool, int], None]


@dataclass(frozen=True, slots=True)
class Request:
    """How a program has claimed a line; `owner` is the label that `gpioinfo` would show."""

    owner: str
    mode: str
    pull: str | None = None
    active_low: bool = False
    open_drain: bool = False
    open_source: bool = False
    edges: int = 0


@dataclass(frozen=True, slots=True)
class Pwm:
    """A square wave on a line since `started_ns`; for ever when `ends_ns` is None."""

    on_us: int
    off_us: int
    started_ns: int
    ends_ns: int | None = None

    @property
    def frequency_hz(self) -> float:
        """How often a second it goes high."""
        return 1e6 / (self.on_us + self.off_us)

    @property
    def duty_percent(self) -> float:
        """How much of the time it is high."""
        return 100 * self.on_us / (self.on_us + self.off_us)

    def level(self, now_ns: int) -> bool:
        """Return the level at that moment."""
        if self.ends_ns is not None and now_ns >= self.ends_ns:
            return False
        phase_us = (now_ns - self.started_ns) // 1_000 % (self.on_us + self.off_us)
        return phase_us < self.on_us


class SimLine:
    """One GPIO of a `SimPi`, as a hand with a multimeter and a logic analyser sees it.

    `history` lists (at_ms, level) for every change of the level; `events` lists (at_ms, text) for
    claims, pulls, square waves and short circuits. Both are told in the board's time.
    """

    def __init__(self, gpio: int, *, pull: str, now_ns: Callable[[], int]) -> None:
        self.gpio = gpio
        self.history: deque[tuple[int, bool]] = deque(maxlen=HISTORY_MAX)
        self.events: deque[tuple[int, str]] = deque(maxlen=HISTORY_MAX)
        self.watches: list[LevelWatch] = []
        self.request: Request | None = None
        self.pwm: Pwm | None = None
        self._pull_at_boot = pull
        self._pull = pull
        self._now_ns = now_ns
        self._output = False
        self._outside: bool | None = None
        self._resistor: bool | None = None
        self._level = pull == PULL_UP

    @property
    def level(self) -> bool:
        """The voltage on the wire now, True for 3.3 V."""
        return self._level if self.pwm is None else self.pwm.level(self._now_ns())

    @property
    def owner(self) -> str | None:
        """Who has claimed the line; None when nobody has."""
        return None if self.request is None else self.request.owner

    @property
    def mode(self) -> str:
        """`unused`, `input`, `output` or `alert`."""
        return UNUSED if self.request is None else self.request.mode

    @property
    def pull(self) -> str:
        """The Pi's own resistor: `up`, `down` or `none`."""
        return self._pull

    @property
    def value(self) -> bool:
        """What a program reads: the level, turned round when it asked for active low."""
        return self.level != (self.request is not None and self.request.active_low)

    def drive(self, level: bool | None, at_ns: int | None = None) -> None:
        """Connect the wire to 3.3 V (True), to ground (False) or to nothing (None).

        `at_ns` dates the change on the board's clock; without it, it happens now.
        """
        self._outside = level
        if level is not None and self._driven() not in (None, level):
            self.note("short circuit: an output is driven from outside", at_ns)
        self._settle(at_ns)

    def pull_outside(self, level: bool | None) -> None:
        """Fit a resistor outside, as breakout boards do; it wins over the Pi's own 50 kΩ."""
        self._resistor = level
        self._settle(None)

    def claim(self, request: Request, value: bool = False) -> None:
        """Give the line to a program, with the first value of an output."""
        self.request = request
        if request.pull is not None:
            self._pull = request.pull
        self.note(f"claimed as {request.mode} by {request.owner}, pull {self._pull}")
        if request.mode == OUTPUT:
            self._output = value != request.active_low
        self._settle(None)

    def free(self) -> None:
        """Take the line back: it becomes an input, and keeps the pull it was last given."""
        if self.request is not None:
            self.note(f"freed by {self.request.owner}")
        self.request = None
        self.pwm = None
        self._settle(None)

    def write(self, value: bool) -> None:
        """Set the value of an output, as its program sees it."""
        self._output = value != (self.request is not None and self.request.active_low)
        self._settle(None)

    def wave(self, pwm: Pwm | None) -> None:
        """Put a square wave on an output, or end it low."""
        self.pwm = pwm
        if pwm is None:
            self._output = False
            self.note("wave ended")
            self._settle(None)
            return
        self.note(f"wave of {pwm.frequency_hz:.0f} Hz, {pwm.duty_percent:.0f} % on")

    def hold(self, owner: str) -> None:
        """Let another process, or the kernel, hold the line: it is refused to everybody else."""
        self.request = Request(owner, INPUT)
        self.note(f"held by {owner}")

    def reset(self) -> None:
        """Return to what the chip does at power-on: an input with its own pull, nobody's."""
        self.request = None
        self.pwm = None
        self._output = False
        self._pull = self._pull_at_boot
        self.note("power-on")
        self._settle(None)

    def note(self, text: str, at_ns: int | None = None) -> None:
        """Write down something that is not a change of the level."""
        self.events.append(((self._now_ns() if at_ns is None else at_ns) // 1_000_000, text))

    def _settle(self, at_ns: int | None) -> None:
        level = self._wanted()
        if level == self._level:
            return
        self._level = level
        now_ns = self._now_ns() if at_ns is None else at_ns
        self.history.append((now_ns // 1_000_000, level))
        for watch in tuple(self.watches):
            watch(self, level, now_ns)

    def _driven(self) -> bool | None:
        """Return the level a program's output drives; None when none does."""
        request = self.request
        if request is None or request.mode != OUTPUT:
            return None
        floats = request.open_drain if self._output else request.open_source
        return None if floats else self._output

    def _wanted(self) -> bool:
        for level in (self._driven(), self._outside, self._resistor):
            if level is not None:
                return level
        return self._level if self._pull == PULL_NONE else self._pull == PULL_UP
