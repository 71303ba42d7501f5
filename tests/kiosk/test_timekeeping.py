"""What time it is after a night without power."""

from kiosk.timekeeping import StationTime
from sim.clock import VirtualClock

MONDAY_MS = 1_757_404_800_000
HOUR_MS = 3_600_000


def test_a_clock_that_fell_back_never_undercuts_what_was_known():
    """After a power cut no due date lies before the last fact (04:00 instead of 09:00)."""
    clock = VirtualClock(wall_ms=MONDAY_MS - 5 * HOUR_MS, sure=False)
    time = StationTime(clock, latest_known_ms=MONDAY_MS)
    clock.advance(60_000)

    assert time.wall_ms() == 1_757_404_860_000
    assert not time.sure


def test_an_unsure_clock_a_little_ahead_is_the_better_guess():
    """A machine that was off for a night has a clock that went on."""
    clock = VirtualClock(wall_ms=MONDAY_MS + 14 * HOUR_MS, sure=False)

    assert StationTime(clock, latest_known_ms=MONDAY_MS).wall_ms() == 1_757_455_200_000


def test_a_clock_that_jumped_to_2106_is_not_believed():
    """No slip says 2106."""
    clock = VirtualClock(wall_ms=4_294_967_295_000, sure=False)

    assert StationTime(clock, latest_known_ms=MONDAY_MS).wall_ms() == 1_757_404_800_000


def test_the_gateways_answer_makes_the_time_sure():
    """One answer from the gateway settles the time for this boot."""
    clock = VirtualClock(wall_ms=0, sure=False)
    time = StationTime(clock, latest_known_ms=MONDAY_MS)
    clock.advance(1_000)

    taken = time.learn(MONDAY_MS + HOUR_MS, mono_sent_ms=900, mono_received_ms=1_000)
    clock.advance(50)

    assert taken
    assert time.sure
    assert time.wall_ms() == 1_757_408_400_100


def test_an_answer_that_took_too_long_teaches_nothing():
    """A time reply from a queue of yesterday must not set the clock."""
    time = StationTime(VirtualClock(sure=False), latest_known_ms=MONDAY_MS)

    assert not time.learn(1, mono_sent_ms=0, mono_received_ms=30_001)
    assert not time.learn(1, mono_sent_ms=5, mono_received_ms=4)
    assert not time.sure


def test_a_time_server_is_believed_even_when_it_corrects_backwards():
    """A sure clock beats everything an unsure one once claimed."""
    clock = VirtualClock(wall_ms=MONDAY_MS, sure=True)

    assert StationTime(clock, latest_known_ms=MONDAY_MS + HOUR_MS).wall_ms() == 1_757_404_800_000
