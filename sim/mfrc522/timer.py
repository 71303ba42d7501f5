"""The timer unit (data sheet 8.5): a prescaler of 12 bits and a counter of 16 bits.

One tick is (2 * prescaler + 1) periods of 13.56 MHz, or + 2 with TPrescalEven; it expires after
reload + 1 ticks.
"""

CARRIER_KHZ = 13_560


def carrier_ns(periods: int) -> int:
    """Return how long that many periods of the carrier take, in ns."""
    return periods * 1_000_000 // CARRIER_KHZ


class Timer:
    """Counts down from `reload`; times are the chip's ns.

    New settings hold from the next start on.
    """

    def __init__(self) -> None:
        self.prescaler = 0
        self.even = False
        self.reload = 0
        self.restarts = False
        self.running = False
        self._started_ns = 0
        self._expires_ns = 0
        self._tick_periods = 1
        self._from = 0
        self._stopped_at = 0

    @property
    def tick_periods(self) -> int:
        """Periods of the carrier in one tick."""
        return 2 * self.prescaler + (2 if self.even else 1)

    def start(self, now_ns: int) -> None:
        """Load the counter and let it run, again if it runs already."""
        self.running = True
        self._started_ns = now_ns
        self._from = self.reload
        self._tick_periods = self.tick_periods
        self._expires_ns = now_ns + carrier_ns(self._tick_periods * (self._from + 1))

    def stop(self, now_ns: int) -> None:
        """Hold the counter where it is."""
        self._stopped_at = self.value(now_ns)
        self.running = False

    def value(self, now_ns: int) -> int:
        """Return the counter."""
        if not self.running:
            return self._stopped_at
        ticks = (now_ns - self._started_ns) * CARRIER_KHZ // (1_000_000 * self._tick_periods)
        return max(0, self._from - ticks)

    def expires_ns(self) -> int | None:
        """Return when the counter will have passed zero, None while it stands."""
        return self._expires_ns if self.running else None

    def expire(self, until_ns: int) -> None:
        """Stop at zero, or with TAutoRestart begin again, as often as it would have by then."""
        if not self.restarts:
            self.running = False
            self._stopped_at = 0
            return
        expired_ns = self._expires_ns
        self.start(expired_ns)
        period_ns = self._expires_ns - expired_ns
        self.start(expired_ns + max(0, until_ns - expired_ns) // period_ns * period_ns)
