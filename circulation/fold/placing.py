"""Placing a station's new facts in time, without reading all of its journal again.

What comes out is what reading all of it would give, for the new facts and for those before them
that they say something of. As a rule the journal is read back to its last clock fact, since
clocks and order agree. It is read further back where

- clock and order contradict each other: to an anchor (`circulation.fold.anchors`);
- a boot returns that wrote before others did: a copied card ran beside the true one, or a
  restored gateway is told what it once knew;
- what is said of the time behind the last clock fact bounds that one too, and so all before it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from circulation.facts import Fact
from circulation.fold.anchors import agree, anchors, is_anchored
from circulation.fold.intervals import (
    FAR_AHEAD,
    OPEN,
    UNKNOWN,
    Interval,
    Measured,
    in_journal_order,
    intervals,
    measure,
    sample_of,
)

Place = tuple[int, int]
"""Epoch number and seq."""

BEGINNING: Place = (0, 0)


class Known(NamedTuple):
    """A fact that was placed before, and its interval."""

    fact: Fact
    interval: Interval


class PlacedJournal(Protocol):
    """What is known of one station's facts, each with the interval of its last placing."""

    def newest(self) -> Known:
        """Return the last fact of all; there is one."""

    def clock_before(self, place: Place | None) -> Known | None:
        """Return the last clock fact before a place, or of all; None if there is none."""

    def has_clock(self, boots: Iterable[str], before: Place) -> bool:
        """Return whether a clock fact of one of these boots stands before a place."""

    def has_fact(self, boots: Iterable[str], before: Place) -> bool:
        """Return whether any fact of one of these boots does."""

    def clocks(self) -> list[Known]:
        """Return every clock fact, in any order."""

    def first_outvoted(self) -> Place | None:
        """Return where the first flagged fact stands; None if there is none."""

    def since(self, place: Place) -> list[Known]:
        """Return every fact from a place on, in any order."""


class Placed(NamedTuple):
    """The facts that were read again, and the intervals of those and of the new ones."""

    read: list[Known]
    intervals: dict[str, Interval]


def place(journal: PlacedJournal, fresh: Sequence[Fact]) -> Placed:
    """Return when the new facts of a station happened, and what changes of those before them.

    fresh: at least one, not in the journal yet, at any place of it.
    """
    first = min(place_of(fact) for fact in fresh)
    tells_time = any(sample_of(fact) is not None for fact in fresh)
    clock = journal.clock_before(None)
    if clock is None and not tells_time:
        return Placed([], {fact.id: UNKNOWN for fact in fresh})
    if clock is not None and place_of(clock.fact) >= first:  # they fill a hole in the journal
        clock = journal.clock_before(first)
    elif clock is not None and not tells_time:
        at_end = _place_at_end(journal, clock, fresh)
        if at_end is not None:
            return at_end
    while clock is not None:
        read = journal.since(place_of(clock.fact))
        placed = _place_behind(journal, clock, read, fresh)
        if placed is None:
            break
        if not _moves_start(clock, read, placed):
            return Placed(read, placed)
        clock = journal.clock_before(place_of(clock.fact))
    return _place_from_anchor(journal, fresh)


def place_of(fact: Fact) -> Place:
    """Return where in its journal a fact stands."""
    return (fact.epoch_n, fact.seq)


def _place_at_end(journal: PlacedJournal, clock: Known, fresh: Sequence[Fact]) -> Placed | None:
    """Return the intervals of facts that follow all others; None if they say something of those.

    clock: the station's last, and none is among the facts. Of what lies between only the newest
    fact counts: if the new ones agree with it, they agree with all that it agrees with, and none
    of them happened before it.
    """
    newest = journal.newest()
    if place_of(newest.fact) >= min(place_of(fact) for fact in fresh):
        return None
    if _returns(journal, clock, [newest.fact, *fresh]):
        return None
    before = [clock.fact, newest.fact]
    measured = measure(in_journal_order([*before, *fresh]))
    placed = _bounded(clock, measured.intervals())
    placed = {**_bounded(newest, placed), clock.fact.id: clock.interval}  # that is before it
    is_sound = agree(before, _stored([clock, newest])) and _is_sound(journal, measured, placed)
    behind = {fact.id: placed[fact.id] for fact in fresh}
    return Placed([], behind) if is_sound and not _moves_start(newest, [], behind) else None


def _place_behind(
    journal: PlacedJournal, clock: Known, read: list[Known], fresh: Sequence[Fact]
) -> dict[str, Interval] | None:
    """Return the intervals from a clock fact on; None if that is too near to be sure."""
    before = [known.fact for known in read]
    if _returns(journal, clock, [*before, *fresh]) or not agree(before, _stored(read)):
        return None
    measured = measure(in_journal_order([*before, *fresh]))
    placed = _bounded(clock, measured.intervals())
    return placed if _is_sound(journal, measured, placed) else None


def _place_from_anchor(journal: PlacedJournal, fresh: Sequence[Fact]) -> Placed:
    """Do the same where clocks have been wrong: look as far back as a vote among them needs."""
    first = min(place_of(fact) for fact in fresh)
    clocks = journal.clocks()
    known = {one.fact.id: one for one in clocks}
    in_order = in_journal_order([*(one.fact for one in clocks), *fresh])
    measured = [fact for fact in in_order if fact.clock is not None]
    outvoted = journal.first_outvoted()
    limit = first if outvoted is None else min(first, outvoted)  # others may be heard again
    for anchor in anchors(measured, _stored(clocks)):
        if place_of(anchor) >= limit:
            continue
        read = journal.since(place_of(anchor))
        facts = in_journal_order([*(one.fact for one in read), *fresh])
        start = known[anchor.id]
        if _returns(journal, start, facts) or not is_anchored(facts):
            continue
        placed = _bounded(start, intervals(facts))
        if all(map(_is_possible, placed.values())) and not _moves_start(start, read, placed):
            return Placed(read, placed)
    return place_all(journal, fresh)


def place_all(journal: PlacedJournal, fresh: Sequence[Fact]) -> Placed:
    """Return when every fact of a station happened, from all of its journal."""
    read = journal.since(BEGINNING)
    return Placed(read, intervals([*(one.fact for one in read), *fresh]))


def _returns(journal: PlacedJournal, start: Known, facts: Sequence[Fact]) -> bool:
    """Return whether a boot among the facts wrote before the start of what is read, so that what
    was measured of it there or here says something of the other part.

    The start's own boot did: it is measured at the start.
    """
    place = place_of(start.fact)
    boots = {fact.boot for fact in facts} - {start.fact.boot}
    measured = {fact.boot for fact in facts if fact.clock is not None} - {start.fact.boot}
    return (bool(boots) and journal.has_clock(boots, place)) or (
        bool(measured) and journal.has_fact(measured, place)
    )


def _stored(read: Iterable[Known]) -> dict[str, Interval]:
    return {known.fact.id: known.interval for known in read}


def _bounded(start: Known, placed: Mapping[str, Interval]) -> dict[str, Interval]:
    """Return intervals with what lies before the start: nothing behind it happened earlier."""
    floor = start.interval.earliest_ms
    bounded = {fact_id: _not_before(floor, one) for fact_id, one in placed.items()}
    bounded[start.fact.id] = start.interval
    return bounded


def _not_before(floor_ms: int | None, interval: Interval) -> Interval:
    """Return the part of an interval from an instant on."""
    earliest_ms = interval.earliest_ms
    if floor_ms is None or (earliest_ms is not None and earliest_ms >= floor_ms):
        return interval
    return interval._replace(earliest_ms=floor_ms)


def _moves_start(start: Known, read: Iterable[Known], placed: Mapping[str, Interval]) -> bool:
    """Return whether the start may end at another instant now, and what is before it too.

    Nothing happened after what was written later. So it may if the first to end behind it does
    so at another instant, and before or after that was what bounds the start.
    """
    others = (known for known in read if known.fact.id != start.fact.id)
    before = min((_end(known.interval) for known in others), default=FAR_AHEAD)
    behind = (one for fact_id, one in placed.items() if fact_id != start.fact.id)
    now = min(map(_end, behind), default=FAR_AHEAD)
    return before != now and min(before, now) <= _end(start.interval)


def _end(interval: Interval) -> int:
    return FAR_AHEAD if interval.latest_ms is None else interval.latest_ms


def _is_sound(journal: PlacedJournal, measured: Measured, placed: Mapping[str, Interval]) -> bool:
    """Return whether nothing among the facts contradicts anything, so that nobody votes.

    Where there was a vote before, what overlaps takes part in it too.
    """
    facts = measured.facts
    told = [fact.clock.gateway_now for fact in facts if fact.clock is not None]
    if not (_rises(told) and agree(facts, placed) and all(map(_is_possible, placed.values()))):
        return False
    middles = [sum(bounds) for bounds in measured.bounds if bounds != OPEN]
    return _rises(middles) or journal.first_outvoted() is None


def _rises(values: list[int]) -> bool:
    return values == sorted(values)


def _is_possible(interval: Interval) -> bool:
    """Return whether an interval has an instant in it."""
    earliest, latest = interval.earliest_ms, interval.latest_ms
    return earliest is None or latest is None or earliest <= latest
