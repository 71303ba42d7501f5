"""What in a journal a vote about clocks cannot reach across."""

from circulation.facts import ClockSample, Fact
from circulation.fold.anchors import agree, anchors, is_anchored
from circulation.fold.intervals import Interval, intervals

START_MS = 1_700_000_000_000
HOUR_MS = 3_600_000


def clock_fact(number, *, mono_ms, now_ms, boot="b0"):
    """Return a clock fact: the gateway said `now_ms`, 10 ms of the way included."""
    sample = ClockSample(mono_ms - 10, mono_ms, now_ms)
    return Fact(f"f{number}", "clock", "kiosk-1", 1, number, boot, mono_ms, clock=sample)


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


def test_only_a_clock_fact_has_read_a_clock():
    """Another kind's fields say nothing of the time, whatever they are called."""
    seen = clock_fact(1, mono_ms=1_000, now_ms=START_MS)._replace(kind="seen")

    assert agree([seen], {})


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
