"""What every clock does."""


class ClockContract:
    """Inherit, give the fixture `clock` a clock, and have all of these."""

    def test_now_never_goes_back(self, clock):
        """Later questions get the same or later answers."""
        readings = [clock.now_ms() for _ in range(100)]

        assert readings == sorted(readings)
        assert all(isinstance(reading, int) for reading in readings)

    def test_sleeping_passes_time_on_both_clocks(self, clock):
        """After sleeping at least that long has passed, on the monotonic and the wall clock."""
        now_ms, wall_ms = clock.now_ms(), clock.wall_ms()
        clock.sleep_ms(3)

        assert clock.now_ms() - now_ms >= 3
        assert clock.wall_ms() - wall_ms >= 2

    def test_sleeping_for_nothing_returns(self, clock):
        """No duration is no error."""
        now_ms = clock.now_ms()
        clock.sleep_ms(0)

        assert clock.now_ms() >= now_ms

    def test_the_wall_clock_counts_from_1970(self, clock):
        """Wall time is in milliseconds, somewhere in this century."""
        assert 946_684_800_000 < clock.wall_ms() < 4_102_444_800_000

    def test_the_clock_knows_whether_it_is_sure(self, clock):
        """Sureness is a plain yes or no."""
        assert clock.wall_is_sure() in (True, False)
