"""Clocks: a virtual one that moves when told, and the machine's own.

`VirtualClock` passes the same contract as `hardware.clock.SystemClock`, so a program never knows
which one it was given. Sleeping on it moves it: a test never waits.
"""

import threading

from hardware.clock import SystemClock

__all__ = ["WALL_START_MS", "SystemClock", "VirtualClock"]

WALL_START_MS = 1_757_404_800_000
"""Where virtual wall clocks start: 9 September 2025, 08:00 UTC, a school day."""


class VirtualClock:
    """A clock that stands still until it is advanced or slept on.

    Safe to read from several threads; time passes only in `advance` and `sleep_ms`.
    """

    def __init__(
        self, now_ms: int = 0, *, wall_ms: int = WALL_START_MS, sure: bool = True
    ) -> None:
        self._lock = threading.Lock()
        self._now_ms = now_ms
        self._wall_offset_ms = wall_ms - now_ms
        self._sure = sure

    def now_ms(self) -> int:
        """Return the virtual monotonic milliseconds."""
        return self._now_ms

    def wall_ms(self) -> int:
        """Return the virtual milliseconds since 1970 UTC."""
        return self._now_ms + self._wall_offset_ms

    def wall_is_sure(self) -> bool:
        """Return what was last said with `set_wall` or at the start."""
        return self._sure

    def sleep_ms(self, duration_ms: int) -> None:
        """Return at once, that much later."""
        self.advance(max(0, duration_ms))

    def advance(self, duration_ms: int) -> None:
        """Let time pass; raises `ValueError` for a negative duration."""
        if duration_ms < 0:
            raise ValueError(f"a monotonic clock cannot go back by {-duration_ms} ms")
        with self._lock:
            self._now_ms += duration_ms

    def set_wall(self, wall_ms: int, *, sure: bool) -> None:
        """Make the wall clock jump, as a power cut or a wrong battery does."""
        with self._lock:
            self._wall_offset_ms = wall_ms - self._now_ms
            self._sure = sure
