"""Every loan has a beginning and an end in the table that statistics and retention read."""

import pytest
import sqlalchemy as sa

from gateway import schema
from tests.gateway.conftest import START_MS, Station

DUE_AT = START_MS + 14 * 86_400_000
LOAN = schema.LOAN


@pytest.fixture
def kiosk():
    """A kiosk that writes facts."""
    return Station("kiosk-1")


def lend(kiosk, item, reader, **fields):
    """Write a checkout; return its id."""
    return kiosk.write("checkout", item=item, patron=reader, due_at=DUE_AT, reach=3, **fields)


def open_loans(store):
    """Return the loans that have not ended."""
    with store.read() as connection:
        query = sa.select(LOAN.c.loan).where(LOAN.c.closed_at.is_(None))
        return set(connection.execute(query).scalars())


def test_a_loan_is_open_until_its_book_comes_back(store, ingest, kiosk, books, readers):
    """Lent in one transaction and returned in another."""
    first = lend(kiosk, books["1001"], readers[0])
    ingest.take([kiosk.batch()])
    before = open_loans(store)

    kiosk.write("checkin", item=books["1001"], saw=[first])
    ingest.take([kiosk.batch()])

    assert (before, open_loans(store)) == ({first}, set())


def test_a_loan_that_came_and_went_in_one_transaction_has_ended(
    store, ingest, kiosk, books, readers
):
    """Lent, given back and lent to somebody else within one batch: the last stands."""
    first = lend(kiosk, books["1001"], readers[0])
    back = kiosk.write("checkin", item=books["1001"], saw=[first])
    second = lend(kiosk, books["1001"], readers[1], saw=[back])

    ingest.take([kiosk.batch()])

    assert open_loans(store) == {second}


def test_a_loan_that_another_ends_has_ended(store, ingest, kiosk, books, readers):
    """Nobody returned the book, and somebody else has it now."""
    first = lend(kiosk, books["1001"], readers[0])
    ingest.take([kiosk.batch()])
    second = lend(kiosk, books["1001"], readers[1], saw=[first])

    ingest.take([kiosk.batch()])

    assert open_loans(store) == {second}


def test_what_a_reader_takes_again_stays_one_open_loan(store, ingest, kiosk, books, readers):
    """Both checkouts name the loan that is open, until the book comes back; then neither does."""
    first = lend(kiosk, books["1001"], readers[0])
    ingest.take([kiosk.batch()])
    again = lend(kiosk, books["1001"], readers[0], saw=[first])
    ingest.take([kiosk.batch()])
    before = open_loans(store)

    kiosk.write("checkin", item=books["1001"], saw=[again])
    ingest.take([kiosk.batch()])

    assert (before, open_loans(store)) == ({first, again}, set())


def test_a_loan_in_doubt_has_ended_and_opens_again_with_certainty(
    store, ingest, kiosk, books, readers
):
    """Two kiosks lent one book and knew nothing of each other; staff say who has it."""
    other = Station("kiosk-2")
    other.mono = 5_000_000
    first = lend(kiosk, books["1001"], readers[0])
    ingest.take([kiosk.batch()])
    second = lend(other, books["1001"], readers[1])
    ingest.take([other.batch()])
    doubted = open_loans(store)

    desk = Station("desk")
    desk.write(
        "decision", item=books["1001"], patron=readers[0], state="on_loan", loan=first,
        saw=[first, second],
    )  # fmt: skip
    ingest.take([desk.batch()])

    assert (doubted, open_loans(store)) == (set(), {first})
