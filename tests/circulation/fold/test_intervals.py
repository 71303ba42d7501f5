"""When facts happened, as far as journalled clock facts tell."""

import random

import pytest

from circulation.fold.intervals import Interval, intervals
from tests.circulation.fold.histories import checkin, clock, fact

HOUR_MS = 3_600_000
NOW = 1_700_000_000_000


def interval_of(fact_id, *facts):
    return intervals(facts)[fact_id]


def test_without_a_clock_fact_nothing_is_known():
    """A wall clock is a hint and never becomes an interval."""
    lone = checkin("a", wall_ms=NOW, sure=True)

    assert interval_of("a", lone) == Interval(None, None, False)


def test_an_instant_between_question_and_answer_is_as_wide_as_the_trip():
    """The gateway read its clock somewhere between asking and answering."""
    asked = clock("c", 1, boot="b1", mono_ms=1000, now_ms=NOW, trip_ms=100)

    assert interval_of("c", asked) == Interval(NOW - 0, NOW + 101, False)


def test_a_fact_an_hour_before_the_answer_is_known_to_drift():
    """200 ppm of an hour are 720.1 ms of a clock that ran slow, on either side."""
    early = checkin("a", seq=1, boot="b1", mono_ms=0)
    asked = clock("c", 2, boot="b1", mono_ms=HOUR_MS, now_ms=NOW)

    assert interval_of("a", early, asked) == Interval(
        NOW - HOUR_MS - 721, NOW - HOUR_MS + 721, False
    )


def test_a_slow_clock_is_further_off_than_what_it_counted_says():
    """After 100 days at -200 ppm, 200 ppm of what it counted are 345 ms too little."""
    passed_ms = 100 * 24 * HOUR_MS
    counted_ms = passed_ms - passed_ms * 200 // 1_000_000
    asked = clock("c", 1, boot="b1", mono_ms=0, now_ms=NOW)
    late = checkin("a", seq=2, boot="b1", mono_ms=counted_ms)

    assert interval_of("a", asked, late).latest_ms == NOW + passed_ms


def test_the_samples_on_either_side_say_most():
    """Two samples bound a fact between them more tightly than each alone."""
    before = clock("c1", 1, boot="b1", mono_ms=0, now_ms=NOW)
    middle = checkin("a", seq=2, boot="b1", mono_ms=HOUR_MS)
    after = clock("c2", 3, boot="b1", mono_ms=2 * HOUR_MS, now_ms=NOW + 2 * HOUR_MS + 700)

    assert interval_of("a", before, middle, after) == Interval(
        NOW + HOUR_MS - 21, NOW + HOUR_MS + 721, False
    )


def test_a_boot_without_a_clock_is_bounded_by_its_neighbours():
    """What was written between two known boots happened between them."""
    monday = clock("c1", 1, boot="b1", mono_ms=500, now_ms=NOW)
    weekend = checkin("a", seq=2, boot="b2", mono_ms=99_000)
    friday = clock("c2", 3, boot="b3", mono_ms=700, now_ms=NOW + 96 * HOUR_MS)

    assert interval_of("a", monday, weekend, friday) == Interval(NOW, NOW + 96 * HOUR_MS, False)


def test_the_last_boot_without_a_clock_has_no_end():
    """Nothing bounds from above what nothing known came after."""
    monday = clock("c1", 1, boot="b1", mono_ms=500, now_ms=NOW)
    later = checkin("a", seq=2, boot="b2", mono_ms=99_000)

    assert interval_of("a", monday, later) == Interval(NOW, None, False)


def test_journals_are_read_in_order_of_epoch_and_sequence():
    """A later epoch is later, however small its sequence numbers are."""
    old = clock("c1", 90, boot="b1", mono_ms=500, now_ms=NOW, epoch_n=1)
    new = checkin("a", seq=1, boot="b2", epoch_n=2)

    assert interval_of("a", new, old) == Interval(NOW, None, False)


def test_a_copied_fact_counts_at_its_first_position():
    """A fact copied into a new epoch happened when it was first written."""
    first = checkin("a", seq=1, boot="b1", epoch_n=1)
    asked = clock("c1", 2, boot="b2", mono_ms=500, now_ms=NOW, epoch_n=1)
    copied = checkin("a", seq=1, boot="b1", epoch_n=2)

    assert interval_of("a", copied, asked, first) == Interval(None, NOW, False)


def test_one_wrong_gateway_clock_does_not_void_the_years_around_it():
    """A gateway that once believed it was 2106 is outvoted, and the rest keeps its bounds."""
    wrong = 4_300_000_000_000
    facts = [
        clock("c1", 1, boot="b1", mono_ms=0, now_ms=NOW),
        clock("c2", 2, boot="b2", mono_ms=0, now_ms=wrong),
        checkin("a", seq=3, boot="b2", mono_ms=10),
        clock("c3", 4, boot="b3", mono_ms=0, now_ms=NOW + HOUR_MS),
        clock("c4", 5, boot="b4", mono_ms=0, now_ms=NOW + 2 * HOUR_MS),
    ]

    found = intervals(facts)

    assert found["a"] == Interval(NOW, NOW + HOUR_MS, False)
    assert found["c4"] == Interval(NOW + 2 * HOUR_MS, NOW + 2 * HOUR_MS, False)


def test_two_samples_at_one_instant_are_both_believed():
    """Time that stands still between two answers has not gone back."""
    facts = [
        clock("c1", 1, boot="b1", mono_ms=0, now_ms=NOW),
        clock("c2", 2, boot="b2", mono_ms=0, now_ms=NOW),
    ]

    assert interval_of("c1", *facts) == Interval(NOW, NOW, False)


def test_samples_of_one_boot_that_exclude_each_other_leave_everything_between_them():
    """When the gateway's clock was set by an hour in between, both readings stay possible."""
    facts = [
        clock("c1", 1, boot="b1", mono_ms=0, now_ms=NOW),
        checkin("a", seq=2, boot="b1", mono_ms=1000),
        clock("c2", 3, boot="b1", mono_ms=2000, now_ms=NOW + HOUR_MS),
    ]

    assert interval_of("a", *facts) == Interval(NOW + 999, NOW + HOUR_MS - 999, True)


def test_an_instant_that_contradicts_the_order_of_writing_is_widened_and_flagged():
    """The order is believed: who was written between two facts happened between them."""
    facts = [
        clock("c1", 1, boot="b1", mono_ms=1000, now_ms=NOW),
        checkin("a", seq=2, boot="b1", mono_ms=900_000_000),
        checkin("b", seq=3, boot="b1", mono_ms=2000),
        clock("c2", 4, boot="b1", mono_ms=3000, now_ms=NOW + 2000),
    ]

    found = intervals(facts)

    assert found["a"] == Interval(NOW, NOW + 1001, True)
    assert found["b"] == Interval(NOW + 999, NOW + 1001, False)


def test_a_clock_fact_without_readings_measures_nothing():
    """A clock fact that lacks its sample is a fact like any other."""
    assert interval_of("c", fact("c", "clock")) == Interval(None, None, False)


@pytest.mark.parametrize("drift_ppm", [-200, -50, 0, 50, 200])
def test_the_true_instant_is_always_inside(seed, drift_ppm):
    """For any crystal within 200 ppm and any network, no interval excludes the truth."""
    source = random.Random(seed)
    truths, facts = {}, []
    true_ms = NOW
    for boot in range(6):
        has_clock = source.random() < 0.6
        started_ms = true_ms
        for number in range(8):
            true_ms += source.randint(0, 8 * HOUR_MS)
            elapsed = true_ms - started_ms
            mono_ms = elapsed + elapsed * drift_ppm // 1_000_000
            seq = boot * 8 + number + 1
            name = f"{seq:02d}"
            truths[name] = true_ms
            if has_clock and source.random() < 0.4:
                trip = source.randint(0, 900)
                now_ms = true_ms - source.randint(0, trip)
                facts.append(
                    clock(name, seq, boot=f"b{boot}", mono_ms=mono_ms, now_ms=now_ms, trip_ms=trip)
                )
            else:
                facts.append(checkin(name, seq=seq, boot=f"b{boot}", mono_ms=mono_ms))

    found = intervals(facts)

    for name, interval in found.items():
        assert not interval.flagged
        assert interval.earliest_ms is None or interval.earliest_ms <= truths[name] + 1
        assert interval.latest_ms is None or interval.latest_ms >= truths[name] - 1
