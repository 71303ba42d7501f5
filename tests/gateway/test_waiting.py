"""A book may be lent before anybody knows it; what was recorded counts when it is known."""

import pytest
import sqlalchemy as sa

from gateway import schema
from gateway.board import Desk
from gateway.catalogue import upsert_items
from tests.gateway.conftest import LIBRARY, START_MS, Station, go_back
from tests.support.lists import may_leave_document

DUE_AT = START_MS + 14 * 86_400_000
TAG, OTHER_TAG = "e004010000007777", "e004010000008888"


@pytest.fixture
def board(store):
    """What staff see."""
    return Desk(store, LIBRARY)


@pytest.fixture
def kiosk():
    """A kiosk that lends what it does not know."""
    return Station("kiosk-1")


def import_book(store, **fields):
    """Import one item; return its id."""
    with store.write(LIBRARY) as write:
        return upsert_items(write, [fields]).ids[0]


def count(store, table):
    """Return how many rows a table has."""
    with store.read() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


def lend(kiosk, reader, **fields):
    """Write the checkout of a book that has no item; return its id."""
    return kiosk.write("checkout", patron=reader, due_at=DUE_AT, reach=3, **fields)


def test_a_book_lent_before_it_was_known_is_on_loan_once_it_is(
    store, ingest, board, kiosk, readers
):
    """Lent offline by its label, imported later: on loan to its reader, once, and it may leave."""
    loan = lend(kiosk, readers[0], barcode="7777", uids=[TAG])
    ingest.take([kiosk.batch()])

    item = import_book(store, barcode="7777")
    import_book(store, barcode="7777", shelf_mark="Kin 7")

    found = board.item(item)
    assert (found["state"], found["loan"], found["patron_id"]) == ("on_loan", loan, readers[0])
    assert found["uids"] == [TAG]
    with store.read() as connection:
        assert may_leave_document(connection, LIBRARY)["keys"] == [[TAG, 3]]
    assert (count(store, schema.LOAN), count(store, schema.FACT)) == (1, 1)
    assert count(store, schema.WAITING) == 0


def test_the_entry_of_an_unknown_book_is_settled_not_deleted(store, ingest, board, kiosk, readers):
    """Staff need not do what the import has done; they can still see that it was so."""
    loan = lend(kiosk, readers[0], barcode="7777")
    ingest.take([kiosk.batch()])
    waiting = [entry["rule"] for entry in board.reviews()]

    import_book(store, barcode="7777")

    assert waiting == ["item_unknown"]
    assert board.reviews() == []
    with store.read() as connection:
        row = connection.execute(sa.select(schema.REVIEW)).one()
    assert (row.decided_at, row.settled_by) == (None, [loan])


def test_a_kiosk_follows_the_import_that_ends_the_waiting(store, ingest, kiosk, readers):
    """The change that brings the new item says that it is on loan already."""
    lend(kiosk, readers[0], barcode="7777")
    ingest.take([kiosk.batch()])

    item = import_book(store, barcode="7777")

    query = sa.select(schema.CHANGE.c.body).where(
        schema.CHANGE.c.kind == "catalogue", schema.CHANGE.c.key == item
    )
    with store.read() as connection:
        (body,) = connection.execute(query).scalars()
    assert '"state":"on_loan"' in body


def test_a_tag_taught_by_a_reader_ends_the_waiting(ingest, board, kiosk, books, readers):
    """Lent by its tag alone; later somebody scans the label with the tag on the pad."""
    loan = lend(kiosk, readers[0], uids=[OTHER_TAG])
    ingest.take([kiosk.batch()])
    lent_as = board.item("1001")["state"]

    kiosk.write("tag_seen", barcode="1001", uids=[OTHER_TAG])
    ingest.take([kiosk.batch(2)])

    found = board.item("1001")
    assert lent_as == "available"
    assert (found["state"], found["loan"]) == ("on_loan", loan)
    assert board.reviews() == []


def test_one_waiting_fact_may_teach_what_another_waits_for(store, ingest, board, kiosk, readers):
    """A tag seen with an unknown label, a loan by the tag alone: the import settles both."""
    kiosk.write("tag_seen", barcode="7777", uids=[TAG])
    loan = lend(kiosk, readers[0], uids=[TAG])
    ingest.take([kiosk.batch()])

    item = import_book(store, barcode="7777")

    assert board.item(item)["loan"] == loan
    assert count(store, schema.WAITING) == 0


def test_lent_and_returned_unknown_ends_on_the_shelf_cart(store, ingest, board, kiosk, readers):
    """All that waited happens in its order, also over several books in one import."""
    lent = lend(kiosk, readers[0], barcode="7777")
    kiosk.write("checkin", barcode="7777", saw=[lent])
    lend(kiosk, readers[1], barcode="7778")
    ingest.take([kiosk.batch()])

    with store.write(LIBRARY) as write:
        upsert_items(write, [{"barcode": "7777"}, {"barcode": "7778"}])

    states = [board.item(number)["state"] for number in ("7777", "7778")]
    assert states == ["to_be_shelved", "on_loan"]


def test_a_reader_who_may_not_is_told_of_when_the_book_is_known(
    store, ingest, board, kiosk, readers
):
    """What the rules say of the item is judged when the item is there to be judged."""
    lend(kiosk, readers[0], barcode="7777")
    ingest.take([kiosk.batch()])

    import_book(store, barcode="7777", not_for_loan=1)

    assert [entry["rule"] for entry in board.reviews()] == ["not_for_loan"]


def test_an_id_that_a_restored_gateway_lost_waits_too(store, ingest, board, kiosk, readers):
    """A fact names the item by an id that only the import after a restore brings back."""
    loan = lend(kiosk, readers[0], item="00000000000000b7")
    ingest.take([kiosk.batch()])

    import_book(store, item_id="00000000000000b7", barcode="7777")

    assert board.item("7777")["loan"] == loan


def test_what_an_older_program_kept_without_an_item_waits_after_migrating(
    store, ingest, kiosk, readers
):
    """The migration lets the facts of before wait like new ones."""
    lend(kiosk, readers[0], barcode="7777", uids=[TAG])
    ingest.take([kiosk.batch()])
    engine = sa.create_engine(store.url)
    with engine.begin() as connection:
        go_back(connection, "0003")
    engine.dispose()

    store.migrate()

    with store.read() as connection:
        numbers = connection.execute(sa.select(schema.WAITING.c.number)).scalars().all()
    assert sorted(numbers) == ["barcode:7777", f"uid:{TAG}"]
