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
from dataclasses import dataclass
from itertools import accumulate

from circulation.facts import Fact
from circulation.wire import kinds

DRIFT_PPM = 200

# Beyond every instant a body may carry (2**53) with any drift added.
LONG_AGO = -(1 << 62)
FAR_AHEAD = 1 << 62


@dataclass(frozen=True, slots=True)
class Interval:
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
    ordered = in_journal_order(facts)
    measured, doubtful = _measure(ordered)
    kept = _consistent(measured)
    earliest = accumulate((bounds[0] for bounds in kept), max)
    latest = list(accumulate((bounds[1] for bounds in reversed(kept)), min))
    latest.reverse()
    return {
        fact.id: Interval(
            None if low == LONG_AGO else low,
            None if high == FAR_AHEAD else high,
            own != trusted or fact.id in doubtful,
        )
        for fact, own, trusted, low, high in zip(
            ordered, measured, kept, earliest, latest, strict=True
        )
    }


def in_journal_order(facts: Iterable[Fact]) -> list[Fact]:
    """Return facts by (epoch, seq), each id once and at its first position."""
    first: dict[str, Fact] = {}
    for fact in sorted(facts, key=lambda fact: (fact.epoch_n, fact.seq, fact.id)):
        first.setdefault(fact.id, fact)
    return list(first.values())


def _measure(ordered: Sequence[Fact]) -> tuple[list[Bounds], set[str]]:
    """Return what the samples of its own boot say of each fact, and whom they disagree on."""
    samples = _samples(ordered)
    credible = _credible(samples)
    by_boot: dict[str, list[Sample]] = {}
    for sample in credible.values():
        by_boot.setdefault(sample.boot, []).append(sample)
    readings = {boot: _Readings(own) for boot, own in by_boot.items()}
    measured: list[Bounds] = []
    doubtful = set(samples) - set(credible)
    for fact in ordered:
        near = readings[fact.boot].near(fact.mono_ms) if fact.boot in readings else [OPEN]
        low, high = max(low for low, _ in near), min(high for _, high in near)
        if low > high:
            low, high = min(low for low, _ in near), max(high for _, high in near)
            doubtful.add(fact.id)
        measured.append((low, high))
    return measured, doubtful


@dataclass(frozen=True, slots=True)
class Sample:
    """The gateway's clock stood at `now` at some instant between `sent` and `received`."""

    boot: str
    sent: int
    received: int
    now: int


def _samples(ordered: Sequence[Fact]) -> dict[str, Sample]:
    found = ((fact.id, sample_of(fact)) for fact in ordered)
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
    return _measure(ordered)[0]


class _Readings:
    """The samples of one boot, ready to be asked about any instant of it."""

    def __init__(self, samples: Sequence[Sample]):
        self._samples = sorted(samples, key=lambda sample: (sample.received, sample.sent))
        self._received = [sample.received for sample in self._samples]

    def near(self, mono_ms: int) -> list[Bounds]:
        """Return what the samples next to an instant say of it, one or two of them.

        Drift grows with distance, so the nearest on either side say most. They exclude each
        other where the gateway's clock was set in between.
        """
        index = bisect_left(self._received, mono_ms)
        beside = self._samples[max(index - 1, 0) : index + 1]
        return [reading(sample, mono_ms) for sample in beside]


def reading(sample: Sample, mono_ms: int) -> Bounds:
    """Return when `mono_ms` was, if the gateway's clock was read between sent and received."""
    longest = sample.received - mono_ms
    shortest = sample.sent - mono_ms
    return (
        sample.now - longest - _drift(longest),
        sample.now - shortest + _drift(shortest),
    )


def _drift(distance_ms: int) -> int:
    """Return the most a clock may be wrong after that long, rounded up."""
    return -(-abs(distance_ms) * DRIFT_PPM // 1_000_000)


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
