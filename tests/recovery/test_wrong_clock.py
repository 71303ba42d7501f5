"""Clocks are wrong by years: lending goes on, nothing is pruned, and times come right again."""

import pytest

from sim.house.clock import HouseClock
from tests.recovery.conftest import DUNE, EMIL, GATE, HOBBIT, KIOSK, MOMO

YEAR_MS = 365 * 24 * 3_600_000
BEGINNING_MS = 0
"""1970: a Pi without a clock chip or a saved time."""
END_MS = 4_291_747_200_000
"""January 2106, where 32 bits of seconds end."""


class WrongClock:
    """A station's own clock: the house's time, and a wall time that is wrong and unsure."""

    def __init__(self, clock: HouseClock, wall_ms: int) -> None:
        self._clock = clock
        self._wrong_by = wall_ms - clock.wall_ms()

    def jump(self, by_ms: int) -> None:
        """Let the wall time jump while the program runs."""
        self._wrong_by += by_ms

    def wall_ms(self) -> int:
        """Return the wrong time."""
        return self._clock.wall_ms() + self._wrong_by

    def wall_is_sure(self) -> bool:
        """Nobody vouches for it."""
        return False

    def __getattr__(self, name: str):
        return getattr(self._clock, name)


def start_wrong(day, name, wall_ms):
    """Start a station, off the network, with such a clock; return the clock."""
    house, station = day.house, day.house.station(name)
    if station.powered:
        house.cut_power(name)
    station.line.fail("off")
    clock = WrongClock(house.clock, wall_ms)
    station.power_on(house.broker, clock, house._serve_to(station.line))
    return clock


@pytest.mark.parametrize("wall_ms", [BEGINNING_MS, END_MS], ids=["1970", "2106"])
def test_a_kiosk_whose_clock_is_years_off_lends_and_is_dated_rightly_afterwards(day, wall_ms):
    """Nobody is refused for time's sake, due dates stay sane, and staff see the true time."""
    true_ms = day.house.clock.wall_ms()
    start_wrong(day, KIOSK, wall_ms)
    day.run(2_000)
    kiosk = day.house.kiosks[KIOSK]
    marked = kiosk.view["clock"]
    said = day.lend(MOMO)
    due_at = day.house.kiosks[KIOSK].engine.lists.beliefs.by_barcode(MOMO).item.loan.due_at
    rows = kiosk.engine.store.journal.last_seq

    kiosk.line.mend()
    day.catch_up()

    (loan,) = [row for row in day.gateway.board.facts(KIOSK) if row["kind"] == "checkout"]
    middle = (loan["earliest_ms"] + loan["latest_ms"]) // 2
    assert marked == "unsure"
    assert said == "done"
    assert -1 * YEAR_MS < due_at.timestamp() * 1000 - true_ms < 2 * YEAR_MS
    assert abs(middle - true_ms) < 120_000
    assert loan["latest_ms"] - loan["earliest_ms"] < 120_000
    assert kiosk.view["clock"] == "sure"
    assert kiosk.engine.store.journal.hash_at(1) is not None
    assert kiosk.engine.store.journal.last_seq > rows
    assert day.state(MOMO) == "on_loan"


def test_a_clock_that_jumps_in_the_middle_of_a_boot_changes_no_order(day):
    """Back by a year, on by eighty: the facts keep their order and their true time."""
    true_ms = day.house.clock.wall_ms()
    clock = start_wrong(day, KIOSK, true_ms)
    day.run(2_000)

    said = [day.lend(MOMO)]
    clock.jump(-YEAR_MS)
    said.append(day.take_back(MOMO))
    clock.jump(80 * YEAR_MS)
    said.append(day.lend(MOMO, EMIL))
    day.house.kiosks[KIOSK].line.mend()
    day.catch_up()

    moved = [
        row for row in day.gateway.board.facts(KIOSK) if row["kind"] in ("checkout", "checkin")
    ][::-1]
    middles = [(row["earliest_ms"] + row["latest_ms"]) // 2 for row in moved]
    assert said == ["done"] * 3
    assert [row["kind"] for row in moved] == ["checkout", "checkin", "checkout"]
    assert middles == sorted(middles)
    assert all(abs(middle - true_ms) < 300_000 for middle in middles)
    assert day.state(MOMO) == "on_loan"
    assert day.gateway.board.reviews() == []


@pytest.mark.parametrize("wall_ms", [END_MS], ids=["2106"])
def test_a_gate_whose_clock_is_years_off_decides_as_ever(gate_day, wall_ms):
    """Alarm and silence need no date; the alarm's time is right once the gateway was heard."""
    day = gate_day
    assert day.lend(DUNE, EMIL) == "done"
    day.run(2_000)
    true_ms = day.house.clock.wall_ms()
    start_wrong(day, GATE, wall_ms)
    day.run(1_000)

    honest, thief = day.walk_out(DUNE), day.walk_out(HOBBIT)
    day.house.gates[GATE].line.mend()
    day.until(lambda: len(day.gateway.board.alarms()) == 1)
    day.run(2_000)

    (alarm,) = [row for row in day.gateway.board.facts(GATE) if row["kind"] == "alarm"]
    middle = (alarm["earliest_ms"] + alarm["latest_ms"]) // 2
    assert (honest, thief) == (False, True)
    assert abs(middle - true_ms) < 120_000
