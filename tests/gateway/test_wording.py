"""What staff read about when something happened: never surer than the facts are."""

import pytest

from gateway import wording
from gateway.board import Desk
from tests.gateway.conftest import LIBRARY, START_MS, Station

MORNING_MS = 1_700_000_040_000
MINUTE_MS = 60_000


def around(middle_ms, half_ms):
    """Return a fact's row whose interval is that wide on either side."""
    return {"earliest_ms": middle_ms - half_ms, "latest_ms": middle_ms + half_ms}


def test_an_instant_known_to_the_minute_is_shown_as_one():
    """A fact of a boot that met the gateway needs no bounds beside it."""
    assert wording.when(around(MORNING_MS, MINUTE_MS)) == wording.clock(MORNING_MS)


@pytest.mark.parametrize(
    ("half_ms", "bounds"),
    [
        (MINUTE_MS + 1, "± 2 min"),
        (25 * MINUTE_MS, "± 25 min"),
        (90 * MINUTE_MS, "± 90 min"),
        (91 * MINUTE_MS, "± 2 h"),
        (36 * 60 * MINUTE_MS, "± 36 h"),
        (37 * 60 * MINUTE_MS, "± 2 days"),
    ],
)
def test_a_wide_interval_is_a_middle_and_its_bounds(half_ms, bounds):
    """Bounds are rounded up: what is shown contains what is known."""
    about = f"about {wording.clock(MORNING_MS)} {bounds}"

    assert wording.when(around(MORNING_MS, half_ms)) == about


def test_with_one_bound_only_that_is_said():
    """The newest facts of a boot that never met the gateway have nothing behind them yet."""
    at = wording.clock(MORNING_MS)

    assert wording.when({"earliest_ms": MORNING_MS, "latest_ms": None}) == f"after {at}"
    assert wording.when({"earliest_ms": None, "latest_ms": MORNING_MS}) == f"before {at}"


def test_a_stations_own_clock_is_named_as_the_source():
    """Without any bound the wall clock is all there is, and it proves nothing."""
    at = wording.clock(MORNING_MS)

    assert wording.when({"wall_ms": MORNING_MS}) == f"about {at} by the station's own clock"
    assert wording.when({"received_at": MORNING_MS}) == f"before {at}"
    assert wording.when({"wall_ms": 1 << 62}).startswith("about unknown")


def test_a_clock_that_contradicts_the_order_is_said_so():
    """The order is believed, and staff see that the clock was not."""
    row = {**around(MORNING_MS, 30 * MINUTE_MS), "flagged": 1}

    assert wording.when(row) == (
        f"about {wording.clock(MORNING_MS)} ± 30 min; its clock contradicts the order of writing"
    )


@pytest.mark.parametrize("facts_a_batch", [1, 50])
def test_a_boot_that_never_met_the_gateway_lies_between_its_neighbours(
    store, ingest, books, facts_a_batch
):
    """Two boots with a clock fact bound the one between them, whatever batches they came in."""
    hour_ms = 3_600_000
    kiosk = Station("kiosk-1")
    kiosk.ask_time(START_MS)
    kiosk.boot, kiosk.mono = "bbbbbbbb", 0
    seen = kiosk.write("seen", item=books["1001"])
    kiosk.boot, kiosk.mono = "cccccccc", 0
    kiosk.ask_time(START_MS + hour_ms)
    for first in range(1, kiosk.journal.last_seq + 1, facts_a_batch):
        ingest.take([kiosk.batch(first, facts_a_batch)])

    (row,) = [one for one in Desk(store, LIBRARY).facts("kiosk-1") if one["id"] == seen]

    assert wording.when(row) == f"about {wording.clock(START_MS + hour_ms // 2)} ± 31 min"
