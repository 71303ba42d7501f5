"""Facts of a station stand in the order it wrote them, by whichever of its epochs they came."""

import pytest
import sqlalchemy as sa

from circulation.facts import Fact
from circulation.fold.intervals import intervals
from circulation.wire.fact import decode_body
from gateway import schema
from gateway.copies import FactPlace, move_behind
from gateway.holdings import item_fold
from tests.gateway.conftest import LIBRARY, START_MS, Station

DUE_AT = START_MS + 14 * 86_400_000


def places(store):
    """Return at which place each fact counts."""
    with store.read() as connection:
        return {
            row.id: (row.epoch_n, row.seq) for row in connection.execute(sa.select(schema.FACT))
        }


def stored_intervals(store):
    """Return what the gateway keeps of each fact's interval."""
    with store.read() as connection:
        rows = connection.execute(sa.select(schema.FACT)).all()
    return {row.id: (row.earliest_ms, row.latest_ms) for row in rows}


def state_of(store, item):
    """Return the stored state of an item, and what its facts say when they are folded anew."""
    with store.read() as connection:
        row = connection.execute(
            sa.select(schema.HOLDING).where(schema.HOLDING.c.item_id == item)
        ).one()
        folded = item_fold(connection, LIBRARY, item)
    return (row.state, row.loan), (folded.holding.state.value, folded.holding.loan)


@pytest.fixture(params=["the time is known", "no time is known"])
def life(request, ingest, books, readers):
    """A kiosk whose second epoch a restored gateway was told of first.

    The gateway has two rows of the first epoch; the third, a return, it lacks.
    """
    book, kiosk, names = books["1001"], Station("kiosk-1"), {}
    if request.param == "the time is known":
        kiosk.ask_time(START_MS)
    else:
        kiosk.write("seen", item=book)
    names["first loan"] = kiosk.write(
        "checkout", item=book, patron=readers[0], due_at=DUE_AT, reach=3, saw=[]
    )
    ingest.take([kiosk.batch()])
    names["return"] = kiosk.write("checkin", item=book, saw=[])
    kiosk.journal.open_epoch(kiosk.journal.last_seq, "2" * 16, 2)
    names["second loan"] = kiosk.write(
        "checkout", item=book, patron=readers[1], due_at=DUE_AT, reach=3, saw=[]
    )
    ingest.take([kiosk.batch()])
    kiosk.journal.gather("3" * 16, 3)
    return book, kiosk, names


@pytest.mark.parametrize("facts_a_batch", [1, 2, 3, 50])
def test_what_a_restored_gateway_lacked_stands_before_what_was_written_after_it(
    store, ingest, life, facts_a_batch
):
    """The return lies between the loans, and the second of them stands; in whatever batches."""
    book, kiosk, names = life
    assert state_of(store, book)[0] == ("on_loan", names["second loan"])

    for first in range(1, kiosk.journal.last_seq + 1, facts_a_batch):
        ingest.take([kiosk.batch(first, facts_a_batch)])

    found = places(store)
    assert found[names["first loan"]] == (1, 2)
    assert found[names["return"]] == (3, 3)
    assert found[names["second loan"]] == (3, 4)
    stored, anew = state_of(store, book)
    assert stored == anew == ("on_loan", names["second loan"])


@pytest.mark.parametrize("facts_a_batch", [1, 2, 50])
def test_what_counts_at_another_place_happened_at_another_time_perhaps(
    store, ingest, life, facts_a_batch
):
    """Its neighbours bound it: all are placed as if they had come in this order at once."""
    _, kiosk, _ = life
    kiosk.ask_time(START_MS + kiosk.mono)

    for first in range(1, kiosk.journal.last_seq + 1, facts_a_batch):
        ingest.take([kiosk.batch(first, facts_a_batch)])

    whole = intervals(
        Fact.from_row(kiosk.name, 3, row.seq, decode_body(row.body), None)
        for row in kiosk.journal.rows(1, 100, 1 << 20)
    )
    assert stored_intervals(store) == {
        name: (one.earliest_ms, one.latest_ms) for name, one in whole.items()
    }


def test_copies_of_what_is_all_known_stay_where_they_are(store, ingest, books, readers):
    """A gateway that lacked nothing is told of it again under new places, and changes nothing."""
    kiosk = Station("kiosk-1")
    for barcode in ("1001", "1002"):
        kiosk.write(
            "checkout", item=books[barcode], patron=readers[0], due_at=DUE_AT, reach=3, saw=[]
        )
    ingest.take([kiosk.batch()])
    before = places(store)
    kiosk.journal.gather("2" * 16, 2)
    later = kiosk.write("seen", item=books["1001"])

    ingest.take([kiosk.batch()])

    assert places(store) == before | {later: (2, 3)}


def test_nobody_moves_the_facts_of_another_station(store, ingest, life):
    """A copy of somebody else's fact is only a copy."""
    _, _, names = life
    before = places(store)

    with store.write(LIBRARY) as write:
        copies = [FactPlace("kiosk-9", 7, 5, names["second loan"])]
        moved = move_behind(write, copies, [FactPlace("kiosk-9", 7, 4, "f" * 16)])

    assert (moved.stations, moved.items) == (frozenset(), frozenset())
    assert places(store) == before
