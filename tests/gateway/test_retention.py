"""Readers are forgotten, counts are not."""

import json

import pytest
import sqlalchemy as sa

from gateway import schema
from gateway.board import Desk
from gateway.catalogue import upsert_patrons
from gateway.holdings import item_fold
from gateway.ingest import Ingest
from gateway.retention import DAY_MS, forget_readers, move_keep_from
from gateway.retention import keep_from as first_kept
from gateway.review import ReviewEntry, add_entries
from tests.gateway.conftest import LIBRARY, START_MS, Station

DUE_AT = START_MS + 14 * DAY_MS


@pytest.fixture
def closed(ingest, books, readers):
    """A kiosk whose one loan was returned."""
    kiosk = Station("kiosk-1")
    loan = kiosk.write("checkout", item=books["1001"], patron=readers[0], due_at=DUE_AT, reach=3)
    kiosk.write("checkin", item=books["1001"], saw=[loan])
    ingest.take([kiosk.batch()])
    return kiosk


def facts(store):
    """Return the facts in order."""
    with store.read() as connection:
        return connection.execute(sa.select(schema.FACT).order_by(schema.FACT.c.seq)).all()


def test_a_closed_loan_is_forgotten_after_ninety_days(store, clock, closed):
    """Salt and id go; body, hash and count stay."""
    before = facts(store)
    clock.now_ms += 91 * DAY_MS

    forgotten = forget_readers(store, LIBRARY)

    after = facts(store)
    assert forgotten == 1
    assert [(fact.salt, fact.patron_id) for fact in after] == [(None, None), (None, None)]
    assert [fact.body for fact in after] == [fact.body for fact in before]
    assert Desk(store, LIBRARY).board().totals.applied == 2


def test_a_loan_is_kept_until_then(store, clock, closed):
    """Until the day, staff can still answer a reader's question."""
    clock.now_ms += 89 * DAY_MS

    assert forget_readers(store, LIBRARY) == 0


def test_an_open_loan_is_never_forgotten(store, clock, ingest, books, readers):
    """Who has a book is known for as long as it takes."""
    kiosk = Station("kiosk-1")
    kiosk.write("checkout", item=books["1001"], patron=readers[0], due_at=DUE_AT, reach=3)
    ingest.take([kiosk.batch()])
    clock.now_ms += 1_000 * DAY_MS

    assert forget_readers(store, LIBRARY) == 0
    assert facts(store)[0].patron_id == readers[0]


def test_a_reader_with_a_debt_is_not_forgotten(store, clock, closed, readers):
    """What is owed must be explained."""
    with store.write(LIBRARY) as write:
        upsert_patrons(write, [{"patron_id": readers[0], "fee_cents": 100}])
    clock.now_ms += 91 * DAY_MS

    assert forget_readers(store, LIBRARY) == 0


def test_a_forgotten_reader_leaves_the_holding_as_it_was(store, clock, closed, books):
    """Folding the blanked facts again gives the same place for the book."""
    with store.read() as connection:
        before = item_fold(connection, LIBRARY, books["1001"]).holding
    clock.now_ms += 91 * DAY_MS
    forget_readers(store, LIBRARY)

    with store.read() as connection:
        after = item_fold(connection, LIBRARY, books["1001"])
    assert after.holding == before


def test_a_kiosk_sending_again_does_not_bring_a_reader_back(store, clock, closed, ingest):
    """A restored station's journal repeats ids, which are applied once for ever."""
    clock.now_ms += 91 * DAY_MS
    forget_readers(store, LIBRARY)
    closed.journal.open_epoch(0, "00000000000000f9", 2)

    Ingest(store, LIBRARY).take([closed.batch()])

    assert [fact.patron_id for fact in facts(store)] == [None, None]


def test_stations_keep_what_an_old_backup_may_lack(store, clock, closed):
    """Only what is older than our oldest useful backup may be pruned, by our clock."""
    epoch = closed.journal.epoch.id
    with store.read() as connection:
        fresh = first_kept(connection, LIBRARY, "kiosk-1", epoch, 2)
    clock.now_ms += 31 * DAY_MS
    move_keep_from(store, LIBRARY)
    with store.read() as connection:
        old = first_kept(connection, LIBRARY, "kiosk-1", epoch, 2)
        other = first_kept(connection, LIBRARY, "kiosk-1", "00000000000000aa", 2)

    assert (fresh, old, other) == (1, 3, 1)


def test_a_fact_that_a_kept_loan_needs_is_kept(store, clock, ingest, closed, readers):
    """The same reader has the same book again: who it was the first time stays known."""
    closed.write("checkout", barcode="1001", patron=readers[0], due_at=DUE_AT, reach=3)
    ingest.take([closed.batch(3)])
    clock.now_ms += 91 * DAY_MS

    assert forget_readers(store, LIBRARY) == 0
    assert [fact.patron_id for fact in facts(store) if fact.kind == "checkout"] == [readers[0]] * 2


def test_loans_that_must_stay_do_not_stop_the_others(store, clock, ingest, books, readers):
    """More disputed loans than a page holds, and behind them one that nobody asks about."""
    kiosk = Station("kiosk-1")
    saw = []
    for _ in range(510):
        loan = kiosk.write("checkout", item=books["1001"], patron=readers[0], reach=3, saw=saw)
        saw = [kiosk.write("checkin", item=books["1001"], saw=[loan])]
    loan = kiosk.write("checkout", item=books["1002"], patron=readers[1], reach=3)
    kiosk.write("checkin", item=books["1002"], saw=[loan])
    for first in range(1, kiosk.journal.last_seq + 1, 50):
        clock.now_ms += 1
        ingest.take([kiosk.batch(first)])
    with store.write(LIBRARY) as write:
        add_entries(write, [ReviewEntry("asked:1", "return_proposed", books["1001"])])
    clock.now_ms += 91 * DAY_MS

    assert forget_readers(store, LIBRARY) == 1


def test_a_holding_in_doubt_forgets_whom_it_told_a_day(store, clock, ingest, books, readers):
    """Staff put the question aside without an answer, and nobody ever came back to the book."""
    first, second = Station("kiosk-1"), Station("kiosk-2")
    first.write("checkout", item=books["1001"], patron=readers[0], due_at=DUE_AT, reach=3)
    second.write("checkin", item=books["1001"])
    ingest.take([first.batch()])
    ingest.take([second.batch()])
    with store.write(LIBRARY) as write:
        told_before = write.shelf.rows([books["1001"]])[books["1001"]]["doc"]["told"]
        write.execute(write.update(schema.REVIEW).values(decided_at=write.now_ms))
    clock.now_ms += 91 * DAY_MS

    forgotten = forget_readers(store, LIBRARY)

    with store.write(LIBRARY) as write:
        doc = write.shelf.rows([books["1001"]])[books["1001"]]["doc"]
        anew = item_fold(write.connection, LIBRARY, books["1001"]).holding
    assert told_before == [[readers[0], DUE_AT]]
    assert forgotten == 1
    assert readers[0] not in str(doc)
    assert doc == json.loads(json.dumps(anew.to_doc()))
