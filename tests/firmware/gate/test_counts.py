"""Counting by quarters of an hour, and the stations that lend."""

from firmware.gate.counts import Counts
from firmware.gate.lenders import LENDERS_MAX, Lenders

QUARTER_MS = 900_000


def test_a_slot_ends_at_the_full_quarter_of_wall_time():
    """People are counted by the quarters a clock on the wall shows."""
    counts = Counts("gate-1", QUARTER_MS)
    counts.set_clock(10 * QUARTER_MS + 5, 5)

    assert counts.add("in", 6) == []
    assert counts.tick(QUARTER_MS - 1) == []
    (fact,) = counts.add("out", QUARTER_MS)
    assert (fact["from"], fact["until"]) == (10 * QUARTER_MS, 11 * QUARTER_MS)
    assert (fact["in"], fact["out"], fact["gate"]) == (1, 0, "gate-1")


def test_a_clock_that_jumps_ends_the_slot():
    """Learning the time in the middle of a slot ends it; nobody is counted twice."""
    counts = Counts("gate-1", QUARTER_MS)
    counts.add("in", 0)

    counts.set_clock(77 * QUARTER_MS, 10)
    (fact,) = counts.tick(10)
    assert (fact["from"], fact["in"]) == (0, 1)
    assert counts.tick(11) == []


def test_an_empty_slot_is_no_fact():
    """A night in which nobody passed leaves nothing."""
    counts = Counts("gate-1", QUARTER_MS)

    assert counts.tick(5 * QUARTER_MS) == []
    assert counts.flush() == []


def test_every_lender_must_have_been_heard_within_a_minute():
    """One silent kiosk is enough to be unsure, and it is named."""
    lenders = Lenders(["kiosk-1"])
    assert lenders.silent(0) == ["kiosk-1"]

    lenders.hear("kiosk-1", 1_000)
    lenders.hear("kiosk-2", 2_000)
    assert lenders.all_heard(61_000)
    assert lenders.silent(61_001) == ["kiosk-1"]
    lenders.know("kiosk-1")
    assert not lenders.all_heard(61_001)


def test_a_gate_that_has_just_started_misses_nobody_yet():
    """Each lender has a minute to speak before staff are told, though none counts as heard."""
    lenders = Lenders(["kiosk-1"])
    assert lenders.overdue(500) == []
    assert not lenders.all_heard(500)

    lenders.hear("kiosk-2", 60_000)
    assert lenders.overdue(60_500) == []
    assert lenders.overdue(60_501) == ["kiosk-1"]
    assert lenders.overdue(120_001) == ["kiosk-1", "kiosk-2"]


def test_a_lenders_first_word_counts_anew_whenever_the_link_comes_up():
    """Before the link was up there was nobody to ask; beyond the limit nobody is remembered."""
    lenders = Lenders(["kiosk-1"])
    assert not lenders.hear("kiosk-1", 1)

    lenders.link_up()
    assert [lenders.hear("kiosk-1", at_ms) for at_ms in (2, 3)] == [True, False]
    lenders.link_up()
    assert lenders.hear("kiosk-1", 4)

    for number in range(LENDERS_MAX):
        lenders.know(f"kiosk-{number}")
    assert not lenders.hear("one-more", 5)


def test_more_lenders_than_can_be_watched_are_never_sure():
    """Beyond the limit a station cannot be watched, so nothing is sure any more."""
    lenders = Lenders([f"kiosk-{number}" for number in range(LENDERS_MAX)])
    for number in range(LENDERS_MAX):
        lenders.hear(f"kiosk-{number}", 0)
    assert lenders.all_heard(1)

    lenders.hear("one-more", 1)
    assert not lenders.all_heard(1)
