"""When a fact may have happened, by the gateway's clock: an earliest and a latest instant.

Laws of this file:

1. Intervals come from journalled facts alone: from `clock` facts and from the order in which
   a station wrote. When a message arrived is no evidence, since a restored gateway is sent
   the same facts again. A station's own wall clock is no evidence either.
2. A quartz may be wrong by 200 ppm: ten times the tolerance of a Raspberry Pi's crystal, so
   that temperature and age are covered too.
3. What a station wrote later happened later; so boots without any sample are bounded by their
   neighbours, and the bounds of one fact hold for all before or after it.
4. Where clock and order contradict each other the order is believed. Whoever spoils the
   fewest others is disbelieved: its interval is widened to what its neighbours allow and
   flagged. One gateway that once thought it was 2106 must not void the years around it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

from circulation.facts import Fact
from circulation.wire import kinds

DRIFT_PPM = 200

# Beyond every instant a body may carry (2**53) with any drift added.
LONG_AGO = -(1 << 62)
FAR_AHEAD = 1 << 62


class Interval(NamedTuple):
    """The instants (ms since 1970 UTC) between which a fact happened; None: no bound known."""

    earliest_ms: int | None = None
    latest_ms: int | None = None
    flagged: bool = False


UNKNOWN = Interval()

Bounds = tuple[int, int]
OPEN: Bounds = (LONG_AGO, FAR_AHEAD)


def intervals(facts: Iterable[Fact]) -> dict[str, Interval]:
    """Return the interval of every fact of ONE station, by fact id.

    Any consecutive part of the journal may be given: what is missing only widens. A fact given
    at several positions (copied into a new epoch) counts at its first.
    """
    return measure(in_journal_order(facts)).intervals()


class Measured(NamedTuple):
    """What the clock says of facts of one station, in journal order.

    bounds: what it alone says of each. doubtful: the ids of those on whom samples disagree.
    """

    facts: Sequence[Fact]
    bounds: list[Bounds]
    doubtful: set[str]

    def intervals(self) -> dict[str, Interval]:
        """Return the interval of every fact by its id: what clock and order say together."""
        kept = _consistent(self.bounds)
        earliest = accumulate((bounds[0] for bounds in kept), max)
        latest = list(accumulate((bounds[1] for bounds in reversed(kept)), min))
        latest.reverse()
        doubtful = self.doubtful
        return {
            fact.id: Interval(
                None if low == LONG_AGO else low,
                None if high == FAR_AHEAD else high,
                own != trusted or fact.id in doubtful,
            )
            for fact, own, trusted, low, high in zip(
                self.facts, self.bounds, kept, earliest, latest, strict=True
            )
        }


def in_journal_order(facts: Iterable[Fact]) -> list[Fact]:
    """Return facts by (epoch, seq), each id once and at its first position."""
    first: dict[str, Fact] = {}
    for fact in sorted(facts, key=lambda fact: (fact.epoch_n, fact.seq, fact.id)):
        first.setdefault(fact.id, fact)
    return list(first.values())


def measure(ordered: Sequence[Fact]) -> Measured:
    """Return what the samples of its own boot say of each fact, in journal order as given."""
    samples = _samples(ordered)
    credible = _credible(samples)
    by_boot: dict[str, list[Sample]] = {}
    for sample in credible.values():
        by_boot.setdefault(sample.boot, []).append(sample)
    readings = {boot: _Readings(own) for boot, own in by_boot.items()}
    bounds: list[Bounds] = []
    doubtful = set(samples) - set(credible)
    for fact in ordered:
        own = readings.get(fact.boot)
        if own is None:
            bounds.append(OPEN)
            continue
        one, other = own.near(fact.mono_ms)
        if one is other:
            bounds.append(one)
            continue
        low, high = max(one[0], other[0]), min(one[1], other[1])
        if low > high:
            low, high = min(one[0], other[0]), max(one[1], other[1])
            doubtful.add(fact.id)
        bounds.append((low, high))
    return Measured(ordered, bounds, doubtful)


class Sample(NamedTuple):
    """The gateway's clock stood at `now` at some instant between `sent` and `received`."""

    boot: str
    sent: int
    received: int
    now: int


def _samples(ordered: Sequence[Fact]) -> dict[str, Sample]:
    found = ((fact.id, sample_of(fact)) for fact in ordered if fact.kind == kinds.CLOCK)
    return {fact_id: sample for fact_id, sample in found if sample is not None}


def _credible(samples: Mapping[str, Sample]) -> dict[str, Sample]:
    """Return the samples that agree with the order they were written in.

    The gateway's clock may have jumped. The longest run of samples in which time never goes
    back is believed.
    """
    ids, told = list(samples), [sample.now for sample in samples.values()]
    return {ids[index]: samples[ids[index]] for index in _longest_rise(told)}


def sample_of(fact: Fact) -> Sample | None:
    """Return what a clock fact says of the gateway's clock; None of any other."""
    if fact.kind != kinds.CLOCK or fact.clock is None:
        return None
    clock = fact.clock
    return Sample(fact.boot, clock.mono_sent, clock.mono_received, clock.gateway_now)


def measured_bounds(ordered: Sequence[Fact]) -> list[Bounds]:
    """Return what the clock alone says of each fact of one station, in journal order."""
    return measure(ordered).bounds


class _Readings:
    """The samples of one boot, ready to be asked about any instant of it."""

    def __init__(self, samples: Sequence[Sample]):
        self._samples = sorted(samples, key=lambda sample: (sample.received, sample.sent))
        self._received = [sample.received for sample in self._samples]

    def near(self, mono_ms: int) -> tuple[Bounds, Bounds]:
        """Return what the samples on either side of an instant say of it; at an end, one twice.

        Drift grows with distance, so the nearest on either side say most. They exclude each
        other where the gateway's clock was set in between.
        """
        index = bisect_left(self._received, mono_ms)
        before = reading(self._samples[max(index - 1, 0)], mono_ms)
        if index in (0, len(self._samples)):
            return before, before
        return before, reading(self._samples[index], mono_ms)


def reading(sample: Sample, mono_ms: int) -> Bounds:
    """Return when `mono_ms` was, if the gateway's clock was read between sent and received."""
    _, sent, received, now = sample
    longest, shortest = received - mono_ms, sent - mono_ms
    return now - longest - _drift(longest), now - shortest + _drift(shortest)


def _drift(distance_ms: int) -> int:
    """Return the most a clock may be wrong after it counted that long, rounded up.

    A slow one counts less than has passed, so its error is of more than it counted.
    """
    return -(-abs(distance_ms) * DRIFT_PPM // (1_000_000 - DRIFT_PPM))


def _consistent(measured: Sequence[Bounds]) -> list[Bounds]:
    """Return the bounds with those opened wide that contradict the order of writing.

    Only those vote that contradict each other: what is wrong today says nothing of last year.
    """
    voters = _contradicted(measured)
    if not voters:
        return list(measured)
    believed = {voters[index] for index in _longest_rise([sum(measured[one]) for one in voters])}
    outvoted = set(voters) - believed
    return [OPEN if index in outvoted else bounds for index, bounds in enumerate(measured)]


def _contradicted(measured: Sequence[Bounds]) -> list[int]:
    """Return who happened later than something written later, or earlier than something before."""
    floors = accumulate((low for low, _ in measured), max)
    ceilings = list(accumulate((high for _, high in reversed(measured)), min))
    ceilings.reverse()
    return [
        index
        for index, ((low, high), floor, ceiling) in enumerate(
            zip(measured, floors, ceilings, strict=True)
        )
        if high < floor or low > ceiling
    ]


def _longest_rise(values: Sequence[int]) -> list[int]:
    """Return the indices of a longest subsequence that never falls, in order.

    Patience sorting, O(n log n). If intervals are ordered by their middles, no later one
    ends before an earlier one begins.
    """
    tails: list[int] = []
    tail_values: list[int] = []
    previous: list[int] = []
    for index, value in enumerate(values):
        place = bisect_right(tail_values, value)
        previous.append(tails[place - 1] if place else -1)
        tails[place : place + 1] = [index]
        tail_values[place : place + 1] = [value]
    rise: list[int] = []
    index = tails[-1] if tails else -1
    while index >= 0:
        rise.append(index)
        index = previous[index]
    rise.reverse()
    return rise


def bounds_of(known: Mapping[str, Interval], fact_id: str) -> Bounds:
    """Return a fact's interval as two integers, without bounds where none are known."""
    interval = known.get(fact_id, UNKNOWN)
    earliest, latest = interval.earliest_ms, interval.latest_ms
    return (
        LONG_AGO if earliest is None else earliest,
        FAR_AHEAD if latest is None else latest,
    )
