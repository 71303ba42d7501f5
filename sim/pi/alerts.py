"""When a watched line's edges are reported: debounce and watchdog as lgpio 0.2 does them.

Rules, from lgpio's documentation of `gpio_set_debounce_micros` and `gpio_set_watchdog_micros`:
- Without debounce an edge is reported at once, with its own time.
- With debounce an edge is reported after it was stable for that long, dated *then*, and only if it
  differs from the last report when both edges are watched. "Stable" means that no other watched
  edge came: who watches rising edges alone does not see the fall in between.
- A watchdog reports level 2 once, when nothing was reported for that long.
"""

from dataclasses import dataclass

RISING = 1
FALLING = 2
BOTH = 3

TIMEOUT = 2
"""The level a watchdog reports."""


@dataclass(frozen=True, slots=True)
class Report:
    """What lgpio tells a callback: the level (0, 1, or 2 for a watchdog) and when, in ns."""

    gpio: int
    level: int
    at_ns: int


class Alert:
    """The edges of one line on their way to a program."""

    def __init__(self, gpio: int, edges: int) -> None:
        self.gpio = gpio
        self.edges = edges
        self.debounce_ns = 0
        self.watchdog_ns = 0
        self._edge: tuple[int, int] | None = None
        self._reported_level = -1
        self._reported_ns: int | None = None

    def edge(self, level: int, at_ns: int) -> list[Report]:
        """Take one edge of the wire; return what is reported at once."""
        if not self.edges & (RISING if level else FALLING):
            return []
        if self.debounce_ns:
            self._edge = (level, at_ns)
            return []
        return [self._report(level, at_ns)]

    def deadline_ns(self) -> int | None:
        """Return when something is reported if nothing else happens; None for never."""
        deadlines = []
        if self._edge is not None:
            deadlines.append(self._edge[1] + self.debounce_ns)
        if self.watchdog_ns and self._reported_ns is not None:
            deadlines.append(self._reported_ns + self.watchdog_ns)
        return min(deadlines, default=None)

    def expire(self, now_ns: int) -> list[Report]:
        """Return what is due at `now_ns`."""
        reports = []
        if self._edge is not None and self._edge[1] + self.debounce_ns <= now_ns:
            level, at_ns = self._edge
            self._edge = None
            if self.edges != BOTH or level != self._reported_level:
                reports.append(self._report(level, at_ns + self.debounce_ns))
        if (
            self.watchdog_ns
            and self._reported_ns is not None
            and self._reported_ns + self.watchdog_ns <= now_ns
        ):
            reports.append(Report(self.gpio, TIMEOUT, now_ns))
            # One per stream of reports: the next edge winds it up again.
            self._reported_ns = None
            self._reported_level = TIMEOUT
        return reports

    def _report(self, level: int, at_ns: int) -> Report:
        self._reported_level = level
        self._reported_ns = at_ns
        return Report(self.gpio, level, at_ns)
