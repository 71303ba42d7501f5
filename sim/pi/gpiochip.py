"""One opened gpiochip of the simulated Pi: which lines a program has claimed, and how."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from sim.pi.alerts import Report
from sim.pi.lgpio_numbers import NUMBERS
from sim.pi.line import ALERT, INPUT, OUTPUT, PULL_DOWN, PULL_NONE, PULL_UP, Request, SimLine

if TYPE_CHECKING:
    from sim.pi.board import SimPi

GPIOCHIP = 0
"""The only chip of this board: /dev/gpiochip0, as on a Pi 1 to 4."""

CHIP_NAME = "gpiochip0"
CHIP_LABEL = "pinctrl-bcm2711"

LABEL = "lg"
"""The consumer that lgpio gives the kernel."""

DEBOUNCE_US_MAX = 5_000_000
WATCHDOG_US_MAX = 300_000_000
PWM_HZ_RANGE = (0.1, 10_000.0)
PULSE_US_MIN = 10
"""A period must be longer than this (lgpio's documentation of tx_pulse)."""

TX_ROOM = 10
"""Entries of a line's queue of pulses."""

_ACTIVE_LOW, _OPEN_DRAIN, _OPEN_SOURCE = 4, 8, 16
_PULLS = {32: PULL_UP, 64: PULL_DOWN, 128: PULL_NONE}

_KERNEL_USED, _KERNEL_OUTPUT, _KERNEL_INPUT = 1, 2, 1 << 16
LG_BITS = {INPUT: 0x100, OUTPUT: 0x200, ALERT: 0x400}
_EDGE_SHIFT = 17


class Callback:
    """One registered function, told (chip, gpio, level, timestamp in ns)."""

    def __init__(
        self,
        pi: "SimPi",
        chip: int,
        gpio: int,
        func: Callable[[int, int, int, int], object] | None,
    ) -> None:
        self.count = 0
        self._pi = pi
        self._chip = chip
        self._gpio = gpio
        self._func = func or self._tally
        pi.callbacks.append(self)

    def tell(self, report: Report) -> None:
        """Call the function if the report is of this line; the edge asked for is not looked at.

        lgpio does not look at it either: what is reported was chosen by `gpio_claim_alert`.
        """
        if report.gpio == self._gpio:
            self._func(self._chip, report.gpio, report.level, report.at_ns)

    def cancel(self) -> None:
        """Call the function no more."""
        if self in self._pi.callbacks:
            self._pi.callbacks.remove(self)

    def tally(self) -> int:
        """Return how often it was called, if no function was given."""
        return self.count

    def reset_tally(self) -> None:
        """Count from zero again."""
        self.count = 0

    def _tally(self, _chip: int, _gpio: int, _level: int, _at_ns: int) -> None:
        self.count += 1


class Chip:
    """One opened /dev/gpiochip0: the lines claimed through it."""

    def __init__(self, pi: "SimPi") -> None:
        self.pi = pi
        self.claimed: set[int] = set()
        self.debounce_us: dict[int, int] = {}
        self.watchdog_us: dict[int, int] = {}
        self.label = LABEL

    def line(self, gpio: int) -> SimLine:
        """Return the line, the board settled."""
        self.pi.settle()
        return self.pi.line(gpio)

    def mode(self, gpio: int) -> str | None:
        """Return how *this* program has claimed the line; None when it has not."""
        line = self.pi.line(gpio)
        return line.mode if gpio in self.claimed and line.request is not None else None

    def claim(self, gpio: int, request: Request, value: bool = False) -> int:
        """Claim a line; one held by somebody else is busy."""
        line = self.line(gpio)
        if self.mode(gpio) is not None:
            self.free(gpio)
        if line.owner is not None:
            return NUMBERS["GPIO_BUSY"]
        self.claimed.add(gpio)
        line.claim(request, value)
        return 0

    def free(self, gpio: int) -> int:
        """Let a line go."""
        if self.mode(gpio) is None:
            return NUMBERS["GPIO_NOT_ALLOCATED"]
        self.pi.watch(gpio, None)
        self.claimed.discard(gpio)
        self.pi.line(gpio).free()
        return 0

    def close(self) -> None:
        """Let every line go, as closing the chip or the end of the program does."""
        for gpio in sorted(self.claimed):
            self.free(gpio)

    def request(self, mode: str, line_flags: int, edges: int = 0) -> Request:
        """Return the claim these flags describe."""
        pulls = [pull for flag, pull in _PULLS.items() if line_flags & flag]
        return Request(
            self.label,
            mode,
            pulls[0] if pulls else None,
            active_low=bool(line_flags & _ACTIVE_LOW),
            open_drain=bool(line_flags & _OPEN_DRAIN),
            open_source=bool(line_flags & _OPEN_SOURCE),
            edges=edges,
        )


def kernel_flags(line: SimLine) -> int:
    """Return the bits the kernel tells of a line, whoever asks (gpio_get_mode's table)."""
    request = line.request
    if request is None:
        return _KERNEL_INPUT
    return (
        _KERNEL_USED
        | (_KERNEL_OUTPUT if request.mode == OUTPUT else _KERNEL_INPUT)
        | (_ACTIVE_LOW if request.active_low else 0)
        | (_OPEN_DRAIN if request.open_drain else 0)
        | (_OPEN_SOURCE if request.open_source else 0)
        | next((flag for flag, pull in _PULLS.items() if pull == request.pull), 0)
        | request.edges << _EDGE_SHIFT
    )
