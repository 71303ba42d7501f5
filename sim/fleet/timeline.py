"""Virtual time: what happens when, and what each station's own clock says of it.

One heap of (instant, counter, callback): things due at the same instant happen in the order in
which they were planned. Nobody sleeps, nothing waits, no thread runs.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

from sim.clock import WALL_START_MS

DRIFT_PPM_MAX = 200
_MILLION = 1_000_000

Callback = Callable[[], None]


class Timeline:
    """The one true time, in milliseconds from the plan's begin; `run` lets it pass."""

    def __init__(self) -> None:
        self.now_ms = 0
        self._count = 0
        self._heap: list[tuple[int, int, Callback]] = []

    def at(self, at_ms: int, callback: Callback) -> None:
        """Let something happen then, or now if that is over."""
        self._count += 1
        heapq.heappush(self._heap, (max(at_ms, self.now_ms), self._count, callback))

    def after(self, delay_ms: int, callback: Callback) -> None:
        """Let something happen so much later."""
        self.at(self.now_ms + delay_ms, callback)

    def run(self, until_ms: int) -> None:
        """Let everything happen that is due before `until_ms`, which is now afterwards."""
        heap = self._heap
        while heap and heap[0][0] < until_ms:
            self.now_ms, _, callback = heapq.heappop(heap)
            callback()
        self.now_ms = until_ms


class StationClock:
    """One machine's clocks: a monotonic one that drifts, and a wall clock that may be wrong.

    A machine without a battery for its clock starts with what `jump` last left it with, and
    knows that it is not sure.
    """

    def __init__(self, timeline: Timeline, *, drift_ppm: int = 0) -> None:
        """drift_ppm: how much faster than true it runs, at most 200 either way."""
        self._timeline = timeline
        self._drift_ppm = drift_ppm
        self._offset_ms = 0
        self.is_sure = False

    def now_ms(self) -> int:
        """Return the monotonic milliseconds."""
        now_ms = self._timeline.now_ms
        return now_ms + now_ms * self._drift_ppm // _MILLION

    def wall_ms(self) -> int:
        """Return what the wall clock says, in milliseconds since 1970 UTC; never before that."""
        return max(0, WALL_START_MS + self.now_ms() + self._offset_ms)

    def wall_is_sure(self) -> bool:
        """Return whether a time server vouches for the wall clock."""
        return self.is_sure

    def sleep_ms(self, duration_ms: int) -> None:
        """Do nothing: nobody here waits for a device."""

    def jump(self, jump_ms: int) -> None:
        """Let the wall clock be wrong by so much more."""
        self._offset_ms += jump_ms
