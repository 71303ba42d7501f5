"""How long to wait before trying again: doubling, with full jitter.

Without jitter every station of a site that lost its broker at the same moment comes back at
the same moment, again and again. Full jitter draws from the whole span, not from its end.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_DOUBLINGS_MAX = 30  # more would only make a long number, and `max_ms` is reached long before


class Backoff:
    """Waits of floor_ms up to first_ms x 2^n, never more than max_ms."""

    def __init__(
        self, first_ms: int, max_ms: int, random_below: "Callable[[int], int]", floor_ms: int = 0
    ) -> None:
        """random_below: returns a number from 0 to below its argument."""
        self._first_ms = first_ms
        self._max_ms = max_ms
        self._floor_ms = floor_ms
        self._random_below = random_below
        self._tries = 0

    def next_ms(self) -> int:
        """Return how long to wait now; the next wait may be twice as long."""
        span_ms = min(self._first_ms << self._tries, self._max_ms)
        self._tries = min(self._tries + 1, _DOUBLINGS_MAX)
        return self._floor_ms + self._random_below(max(span_ms - self._floor_ms, 0) + 1)

    def reset(self) -> None:
        """Begin with the shortest wait again."""
        self._tries = 0
