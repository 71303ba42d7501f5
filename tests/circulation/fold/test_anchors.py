"""A journal read a piece at a time has the intervals of the whole, whoever's clock was wrong."""

import random

import pytest

from circulation.facts import ClockSample, Fact
from circulation.fold.anchors import agree, anchors, is_anchored
from circulation.fold.intervals import Interval, intervals

START_MS = 1_700_000_000_000
HOUR_MS = 3_600_000


def clock_fact(number, *, mono_ms, now_ms, boot="b0"):
    """Return a clock fact: the gateway said `now_ms`, 10 ms of the way included."""
    sample = ClockSample(mono_ms - 10, mono_ms, now_ms)
    return Fact(f"f{number}", "clock", "kiosk-1", 1, number, boot, mono_ms, clock=sample)


def journal(seed):
    """Return a station's facts while the gateway's clock is set wrong now and then."""
    chance = random.Random(seed)
    facts, real_ms, mono_ms, boot, wrong_ms = [], START_MS, 0, 0, 0
    for number in range(1, chance.randrange(4, 24)):
        step_ms = chance.randrange(1, HOUR_MS)
        real_ms, mono_ms = real_ms + step_ms, mono_ms + step_ms
        if chance.random() < 0.15:
            boot, mono_ms = boot + 1, 0
        if chance.random() < 0.1:
            wrong_ms = chance.choice([0, 0, 10 * HOUR_MS, -10 * HOUR_MS, 80 * 365 * 24 * HOUR_MS])
        name = f"b{boot}"
        if chance.random() < 0.5:
            now_ms = real_ms + wrong_ms
            facts.append(clock_fact(number, mono_ms=mono_ms, now_ms=now_ms, boot=name))
        else:
            facts.append(Fact(f"f{number}", "seen", "kiosk-1", 1, number, name, mono_ms))
    return facts


def in_pieces(facts, size):
    """Return intervals as a reader has them that is given so many facts at a time."""
    known = {}
    for done in range(0, len(facts), size):
        here = facts[: done + size]
        start = last_clock(facts[:done])
        fresh = intervals(here[start:])
        if not (agree(here[start:], fresh) and (not start or agree([facts[start]], known))):
            start = anchor_of(here, known)
            fresh = intervals(here[start:])
        if start:
            del fresh[facts[start].id]
        known.update(fresh)
    return known


def last_clock(facts):
    """Return the index of the last clock fact, 0 for the journal's beginning."""
    return max((index for index, fact in enumerate(facts) if fact.clock is not None), default=0)


def anchor_of(facts, known):
    """Return the index of the newest anchor, 0 for the journal's beginning."""
    clocks = [fact for fact in facts if fact.clock is not None]
    for anchor in anchors(clocks, known):
        start = facts.index(anchor)
        if is_anchored(facts[start:]):
            return start
    return 0


@pytest.mark.parametrize("size", [1, 3])
def test_pieces_give_the_intervals_of_the_whole(size):
    """Six hundred journals under a gateway whose clock jumps hours and decades (seeds 0…599)."""
    differing = [
        seed for seed in range(600) if in_pieces(journal(seed), size) != intervals(journal(seed))
    ]

    assert differing == []


def test_a_jump_is_seen_where_clock_and_order_disagree():
    """A gateway that said 2106 and then 2026 contradicts itself, and no fact is silent on it."""
    facts = [
        clock_fact(1, mono_ms=1_000, now_ms=START_MS),
        clock_fact(2, mono_ms=2_000, now_ms=START_MS + 80 * 365 * 24 * HOUR_MS),
        clock_fact(3, mono_ms=3_000, now_ms=START_MS + 2_000),
    ]

    assert agree(facts[:1], intervals(facts[:1]))
    assert not agree(facts, intervals(facts))


def test_a_fact_nobody_has_an_interval_of_agrees_unless_it_is_a_clock_fact():
    """What has no bound contradicts nothing; a clock fact without its own bounds was outvoted."""
    seen = Fact("f9", "seen", "kiosk-1", 1, 9, "b0", 5)

    assert agree([seen], {})
    assert not agree([seen], {"f9": Interval(1, 2, flagged=True)})
    assert not agree([clock_fact(1, mono_ms=1_000, now_ms=START_MS)], {})


def test_an_anchor_is_contradicted_by_nobody_before_or_after():
    """Of four samples only the one that all others agree with, and that was known, is one."""
    clocks = [
        clock_fact(1, mono_ms=1_000, now_ms=START_MS),
        clock_fact(2, mono_ms=2_000, now_ms=START_MS + 9 * HOUR_MS),
        clock_fact(3, mono_ms=3_000, now_ms=START_MS + 2_000),
        clock_fact(4, mono_ms=4_000, now_ms=START_MS + 3_000),
    ]
    known = {
        fact.id: Interval(fact.clock.gateway_now, fact.clock.gateway_now + 5)
        for fact in clocks[:3]
    }

    assert [fact.id for fact in anchors(clocks, known)] == ["f1"]
    assert anchors([], {}) == []


def test_a_stretch_is_anchored_when_nothing_in_it_was_earlier_than_its_first():
    """A boot reckoned back to before the anchor says that the votes are not apart."""
    anchor = clock_fact(1, mono_ms=1_000, now_ms=START_MS)
    later = Fact("f2", "seen", "kiosk-1", 1, 2, "b1", 0)
    sample = clock_fact(3, mono_ms=HOUR_MS, now_ms=START_MS + HOUR_MS // 2, boot="b1")

    assert is_anchored([anchor, Fact("f2", "seen", "kiosk-1", 1, 2, "b7", 0)])
    assert not is_anchored([anchor, later, sample])
