"""How far back a journal must be read for its new facts to have the intervals they would have
if all of it were read.

As a rule to its last clock fact, since clocks and order agree. Where the gateway's own clock was
once wrong they do not, and whom to disbelieve is a vote among many samples: then it takes an
*anchor*, a clock fact that none before it and none after it contradicts. Votes on either side of
an anchor do not depend on each other.
"""

from collections.abc import Mapping, Sequence

from circulation.facts import Fact
from circulation.fold.intervals import (
    OPEN,
    UNKNOWN,
    Interval,
    measured_bounds,
    reading,
    sample_of,
)


def agree(facts: Sequence[Fact], known: Mapping[str, Interval]) -> bool:
    """Return whether the clock and the order agree on all of these facts."""
    if any(known.get(fact.id, UNKNOWN).flagged for fact in facts):
        return False
    return all(_agrees(fact, known.get(fact.id, UNKNOWN)) for fact in facts if fact.clock)


def _agrees(clock: Fact, interval: Interval) -> bool:
    """Return whether a clock fact's interval lies within what the fact itself has read."""
    sample = sample_of(clock)
    if sample is None:
        return True
    low, high = reading(sample, clock.mono_ms)
    earliest, latest = interval.earliest_ms, interval.latest_ms
    return earliest is not None and latest is not None and low <= earliest and latest <= high


def anchors(clocks: Sequence[Fact], known: Mapping[str, Interval]) -> list[Fact]:
    """Return the clock facts that may be anchors, newest first.

    clocks: every clock fact of one station in journal order, the new ones among them. known: the
    intervals of those that were there before; a new one is no anchor.
    """
    told = [fact.clock.gateway_now for fact in clocks if fact.clock is not None]
    lowest_after = list(told)
    for index in range(len(told) - 2, -1, -1):
        lowest_after[index] = min(told[index], lowest_after[index + 1])
    found: list[Fact] = []
    highest = told[0] if told else 0
    for fact, now, lowest in zip(clocks, told, lowest_after, strict=True):
        highest = max(highest, now)
        if now == highest and now == lowest and fact.id in known and agree([fact], known):
            found.append(fact)
    found.reverse()
    return found


def is_anchored(facts: Sequence[Fact]) -> bool:
    """Return whether the first of these facts bounds all that were written after it."""
    first, *others = measured_bounds(facts)
    return all(bounds == OPEN or sum(bounds) >= sum(first) for bounds in others)
