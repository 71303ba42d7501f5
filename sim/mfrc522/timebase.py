"""What time it is for a chip: it needs nanoseconds, our clocks carry milliseconds."""

import time
from typing import Any, Protocol

from hardware.ports import Clock


class Timebase(Protocol):
    """Time as a chip sees it."""

    def now_ns(self) -> int:
        """Return a time that never goes back."""

    def spend(self, duration_ns: int) -> None:
        """Note that a transfer takes that long."""


class MovableClock(Clock, Protocol):
    """A clock that a simulation moves."""

    def advance(self, duration_ms: int) -> None:
        """Let time pass."""


class VirtualTimebase:
    """Follows a virtual clock, and moves it by whole milliseconds as transfers add up."""

    def __init__(self, clock: MovableClock) -> None:
        self._clock = clock
        self._ahead_ns = 0

    def now_ns(self) -> int:
        """See `Timebase.now_ns`."""
        return self._clock.now_ms() * 1_000_000 + self._ahead_ns

    def spend(self, duration_ns: int) -> None:
        """See `Timebase.spend`."""
        whole_ms, self._ahead_ns = divmod(self._ahead_ns + duration_ns, 1_000_000)
        if whole_ms:
            self._clock.advance(whole_ms)


class RealTimebase:
    """The machine's own monotonic time: transfers take what they take."""

    def now_ns(self) -> int:
        """See `Timebase.now_ns`."""
        return time.monotonic_ns()

    def spend(self, duration_ns: int) -> None:
        """See `Timebase.spend`."""


def timebase(clock: Clock) -> Timebase:
    """Return the time of a chip on this clock."""
    # Told apart as `SimPi` does it: only a clock that can be moved is a virtual one.
    if not hasattr(clock, "advance"):
        return RealTimebase()
    movable: Any = clock
    return VirtualTimebase(movable)
