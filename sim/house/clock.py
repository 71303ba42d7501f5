"""The clock of a house: all its stations share it, and each may be late by itself."""

from collections.abc import Callable

from sim.clock import WALL_START_MS, VirtualClock


class HouseClock(VirtualClock):
    """A virtual clock on which the stations of a house take turns.

    In reality stations run side by side: one that waits for a slow reader does not stop the
    others. Here they run one after the other, so what a station sleeps in its turn is charged to
    it alone: it sees the later time, and the house lets it rest for as long.
    """

    def __init__(self, now_ms: int = 0, *, wall_ms: int = WALL_START_MS) -> None:
        super().__init__(now_ms, wall_ms=wall_ms)
        self._slept_ms: int | None = None

    @property
    def is_ahead(self) -> bool:
        """Whether the station whose turn it is has slept, and sees a later time than the rest."""
        return bool(self._slept_ms)

    def now_ms(self) -> int:
        """Return the house's milliseconds, or in a turn the station's own."""
        return super().now_ms() + (self._slept_ms or 0)

    def wall_ms(self) -> int:
        """Return the virtual milliseconds since 1970 UTC, as `now_ms` goes."""
        return super().wall_ms() + (self._slept_ms or 0)

    def sleep_ms(self, duration_ms: int) -> None:
        """Let time pass: for everybody, or in a turn for that station only."""
        self.advance(max(0, duration_ms))

    def advance(self, duration_ms: int) -> None:
        """Let time pass, as `sleep_ms` does: a device that takes its time is a slow one."""
        if self._slept_ms is None or duration_ms < 0:
            super().advance(duration_ms)
        else:
            self._slept_ms += duration_ms

    def take_turn(self, work: Callable[[], None]) -> int:
        """Let a station work; return how many milliseconds it slept meanwhile."""
        self._slept_ms = 0
        try:
            work()
            return self._slept_ms
        finally:
            self._slept_ms = None
