"""Time on a board: milliseconds that never wrap, and the wall time the gateway tells.

A board counts milliseconds in 30 bits: after 12.4 days `ticks_ms()` begins at 0 again. The gate's
logic wants a time that never goes back, so every look adds what has passed since the look before.
It must be looked at once in 6 days; the detection loop does it 100 times a second.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

STAMP_AGE_MS_MAX = 60_000
"""An edge older than this was not waiting in a ring that is emptied in every turn."""


class Ticks:
    """Milliseconds since this was made."""

    def __init__(
        self, ticks_ms: "Callable[[], int]", ticks_diff: "Callable[[int, int], int]"
    ) -> None:
        """Take MicroPython's own two functions, or others that wrap as they do."""
        self.stamp = ticks_ms
        self._diff = ticks_diff
        self._last = ticks_ms()
        self._total_ms = 0

    def now_ms(self) -> int:
        """Return the milliseconds since the start; they never go back and never wrap."""
        stamp = self.stamp()
        passed_ms = self._diff(stamp, self._last)
        if passed_ms > 0:
            self._total_ms += passed_ms
            self._last = stamp
        return self._total_ms

    def at_ms(self, stamp: int) -> int:
        """Return when this stamp was taken, which must be younger than a minute.

        One from the future is now: an interrupt may come between a look and its use.
        """
        now_ms = self.now_ms()
        ago_ms = self._diff(self._last, stamp)
        return now_ms - min(max(ago_ms, 0), STAMP_AGE_MS_MAX, now_ms)


class StationTime:
    """The wall time of this station, and whether anybody vouches for it."""

    def __init__(self, now_ms: "Callable[[], int]", *, boot: str, last_known_ms: int = 0) -> None:
        """boot: 8 random hex digits of this start. last_known_ms: the latest wall time of before.

        A board has no clock of its own that survives: until the gateway answers, the time is the
        latest this station ever knew, and is marked as unsure.
        """
        self.boot = boot
        self.now_ms = now_ms
        self._offset_ms = last_known_ms
        self.is_sure = False

    def learn(self, *, mono_sent: int, mono_received: int, gateway_now: int) -> None:
        """Take the gateway's clock: it was read somewhere between asking and hearing."""
        self._offset_ms = gateway_now - (mono_sent + mono_received) // 2
        self.is_sure = True

    def wall_ms(self, mono_ms: int) -> int:
        """Return the wall time of a moment of this program."""
        return mono_ms + self._offset_ms

    def stamp(self, mono_ms: int) -> "dict[str, Any]":
        """Return the fields that date a fact, and a batch: boot, mono, wall, sure."""
        wall_ms = self.wall_ms(mono_ms)
        return {"boot": self.boot, "mono": mono_ms, "wall": wall_ms, "sure": self.is_sure}
