"""Medians, percentiles, and a stopwatch."""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


def percentile(values: Sequence[float], part: float) -> float:
    """Return the smallest value that at least this part (0 to 1) of all does not exceed.

    Always a value that was measured, never one between two. Raises `ValueError` for none.
    """
    if not values or not 0 <= part <= 1:
        raise ValueError(f"no {part} percentile of {len(values)} values")
    return sorted(values)[max(0, math.ceil(part * len(values)) - 1)]


def median(values: Sequence[float]) -> float:
    """Return the middle value."""
    return percentile(values, 0.5)


def p99(values: Sequence[float]) -> float:
    """Return what 99 of 100 values do not exceed."""
    return percentile(values, 0.99)


def spread(values: Sequence[float], name: str) -> dict[str, float]:
    """Return median, p99 and maximum under names that begin with `name`."""
    return {
        f"{name}_p50": median(values),
        f"{name}_p99": p99(values),
        f"{name}_max": max(values),
    }


class Stopwatch:
    """What `timed` gives; `seconds` holds when the block has ended."""

    seconds = 0.0

    @property
    def ms(self) -> float:
        """The same in milliseconds."""
        return self.seconds * 1_000


@contextmanager
def timed() -> Iterator[Stopwatch]:
    """Measure how long a block takes, by the clock on the wall of the machine."""
    watch, began = Stopwatch(), time.perf_counter()
    yield watch
    watch.seconds = time.perf_counter() - began
