"""Intervals are the same whatever batches the facts came in, also when our own clock was wrong."""

import pytest
import sqlalchemy as sa

from circulation.facts import Fact
from circulation.fold.intervals import intervals
from circulation.wire.fact import decode_body
from gateway import schema
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
