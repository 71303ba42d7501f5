"""A time that never wraps, made of ticks that do; runs on both Pythons."""

from firmware.mcu.clock import StationTime, Ticks

PERIOD = 1 << 30  # of ticks_ms on a board: py/smallint.h of a 32-bit port


class Board:
    """Ticks as a board counts them."""

    def __init__(self, at):
        self.at = at

    def ticks_ms(self):
        return self.at % PERIOD

    def ticks_diff(self, new, old):
        return (new - old + PERIOD // 2) % PERIOD - PERIOD // 2


def ticks_from(at):
    board = Board(at)
    return board, Ticks(board.ticks_ms, board.ticks_diff)


def test_time_goes_on_where_ticks_begin_anew():
    """Across the wrap of the board's counter each millisecond is one millisecond."""
    board, ticks = ticks_from(PERIOD - 3)

    seen = []
    for _ in range(6):
        seen.append(ticks.now_ms())
        board.at += 1
    assert seen == [0, 1, 2, 3, 4, 5]


def test_time_goes_on_over_many_wraps():
    """Ten years of looks a day apart are ten years, and never a step back."""
    board, ticks = ticks_from(PERIOD - 1)
    day_ms = 86_400_000

    last = -1
    for day in range(3_650):
        now_ms = ticks.now_ms()
        assert now_ms == day * day_ms
        assert now_ms > last
        last = now_ms
        board.at += day_ms
    assert board.at // PERIOD == 294


def test_a_stamp_before_the_wrap_is_in_the_past():
    """An edge stamped just before the counter began anew happened just before now."""
    board, ticks = ticks_from(PERIOD - 100)
    board.at += 90
    ticks.now_ms()
    stamp = ticks.stamp()
    board.at += 30

    assert stamp == PERIOD - 10
    assert ticks.at_ms(stamp) == 90
    assert ticks.now_ms() == 120


def test_a_stamp_newer_than_the_last_look_is_now():
    """An interrupt that comes while time is being read is not in the future."""
    board, ticks = ticks_from(500)
    board.at += 10
    ticks.now_ms()

    assert ticks.at_ms(board.ticks_ms() + 2) == 10
    assert ticks.at_ms(400) == 0  # nor before the start


def test_wall_time_is_the_latest_known_until_the_gateway_tells():
    """What no gateway has confirmed is marked as unsure; an answer makes it sure."""
    time = StationTime(lambda: 0, boot="00000001", last_known_ms=1_757_404_800_000)
    assert time.stamp(1_500) == {
        "boot": "00000001",
        "mono": 1_500,
        "wall": 1_757_404_801_500,
        "sure": False,
    }

    time.learn(mono_sent=2_000, mono_received=2_100, gateway_now=1_757_500_000_000)
    assert time.wall_ms(2_050) == 1_757_500_000_000
    assert time.stamp(3_050)["wall"] == 1_757_500_001_000
    assert time.is_sure
