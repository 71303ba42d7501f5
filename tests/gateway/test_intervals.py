"""Intervals are the same whatever batches the facts came in, also when our own clock was wrong."""

import pytest
import sqlalchemy as sa

from circulation.facts import Fact
from circulation.fold.intervals import intervals
from circulation.wire.fact import decode_body
from gateway import schema
from gateway.ingest import Batch
from tests.gateway.conftest import START_MS, Station

YEARS_MS = 80 * 365 * 24 * 3_600_000
HOUR_MS = 3_600_000


@pytest.fixture
def kiosk():
    """A kiosk that met a gateway in 2106 for a morning, and a sound one before and after."""
    station = Station("kiosk-1")
    for hour, wrong_ms in enumerate((0, YEARS_MS, YEARS_MS, YEARS_MS, 0, 0, 0, 0, 0)):
        station.boot = "aaaaaaaa" if hour < 2 else "bbbbbbbb"
        station.ask_time(START_MS + hour * HOUR_MS + wrong_ms)
        station.write("seen", item="00000000000000aa")
        station.mono += HOUR_MS
    return station


def stored(store):
    """Return what the gateway keeps of each fact's interval, by fact."""
    table = schema.FACT
    with store.read() as connection:
        rows = connection.execute(sa.select(table)).all()
    return {row.id: (row.earliest_ms, row.latest_ms, bool(row.flagged)) for row in rows}


def of_the_whole(kiosk):
    """Return what one reading of the whole journal gives, by fact."""
    facts = [
        Fact.from_row(kiosk.name, 1, row.seq, decode_body(row.body), None)
        for row in kiosk.journal.rows(1, 100, 1 << 20)
    ]
    return {
        name: (interval.earliest_ms, interval.latest_ms, interval.flagged)
        for name, interval in intervals(facts).items()
    }


@pytest.mark.parametrize("facts_a_batch", [1, 2, 5, 50])
def test_batches_do_not_change_when_something_happened(store, ingest, kiosk, facts_a_batch):
    """Each sample outvotes or is outvoted as if all of the journal had come at once."""
    for first in range(1, kiosk.journal.last_seq + 1, facts_a_batch):
        ingest.take([kiosk.batch(first, facts_a_batch)])

    assert stored(store) == of_the_whole(kiosk)
    assert max(latest for _, latest, _ in stored(store).values()) < START_MS + 10 * HOUR_MS


def restarted_without_the_gateway(station):
    """Start twice with nobody to tell the time."""
    station.ask_time(START_MS)
    station.mono += HOUR_MS
    for boot in ("bbbbbbbb", "cccccccc"):
        station.write("seen", item="00000000000000aa")
        station.boot, station.mono = boot, 0
        station.write("seen", item="00000000000000aa")


def met_again(station):
    """Do the same, and then meet the gateway again."""
    restarted_without_the_gateway(station)
    station.ask_time(START_MS + 5 * HOUR_MS)
    station.write("seen", item="00000000000000aa")


def counting_backwards(station):
    """Write a fact that claims to be older than the one before it, and go on."""
    station.ask_time(START_MS)
    for mono in (9 * HOUR_MS, 10 * HOUR_MS, HOUR_MS, 2 * HOUR_MS, 11 * HOUR_MS):
        station.mono = mono
        station.write("seen", item="00000000000000aa")


def back_in_an_earlier_boot(station):
    """Write in a boot of which something is known, after one of which nothing is."""
    station.ask_time(START_MS)
    first = station.boot, station.mono
    station.boot, station.mono = "bbbbbbbb", 0
    station.write("seen", item="00000000000000aa")
    station.boot, station.mono = first
    station.write("seen", item="00000000000000aa")
    station.write("seen", item="00000000000000aa")


def measured_before(station):
    """Go on in a boot that was measured before another of the same name was."""
    back_in_an_earlier_boot(station)
    first = station.boot, station.mono + HOUR_MS
    station.boot, station.mono = "cccccccc", 0
    station.ask_time(START_MS + HOUR_MS)
    station.boot, station.mono = first
    station.write("seen", item="00000000000000aa")
    station.write("seen", item="00000000000000aa")


@pytest.mark.parametrize("facts_a_batch", [1, 3])
@pytest.mark.parametrize(
    "live",
    [
        *(restarted_without_the_gateway, met_again, counting_backwards),
        *(back_in_an_earlier_boot, measured_before),
    ],
)
def test_a_fact_alone_is_placed_as_if_all_had_come_at_once(store, ingest, live, facts_a_batch):
    """A fact at the end is looked at beside its neighbours only, unless it says more."""
    station = Station("kiosk-1")
    live(station)

    for first in range(1, station.journal.last_seq + 1, facts_a_batch):
        ingest.take([station.batch(first, facts_a_batch)])

    assert stored(store) == of_the_whole(station)


def test_a_fact_that_fills_a_hole_is_placed_among_its_neighbours(store, ingest):
    """Rows that were declared lost turn up again; what was written after them is there already."""
    station = Station("kiosk-1")
    station.ask_time(START_MS)
    seen = []
    for _ in range(5):
        station.mono += HOUR_MS
        seen.append(station.write("seen", item="00000000000000aa"))
    behind = station.batch(6)

    ingest.take([station.batch(1, 3)])
    ingest.take([Batch(station.name, behind.message._replace(lost=[4, 5]))])
    ingest.take([station.batch(4, 1)])

    assert stored(store)[seen[2]] == of_the_whole(station)[seen[2]]
