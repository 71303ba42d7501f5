"""Books whose tag opens the gates: a set that gates hold exactly, and so a small one."""

import pytest
import sqlalchemy as sa

from gateway import schema
from gateway.board import Desk
from gateway.catalogue import upsert_items
from tests.gateway.conftest import LIBRARY, Station
from tests.support.lists import may_leave_document

MAX = 1_000


@pytest.fixture
def board(store):
    """What staff see."""
    return Desk(store, LIBRARY)


@pytest.fixture
def shelf(store):
    """More books than gates can be told of."""
    with store.write(LIBRARY, bulk=True) as write:
        rows = [{"barcode": f"b{n:04}", "uids": [f"e0{n:014x}"]} for n in range(MAX + 50)]
        return upsert_items(write, rows).ids


def fail_to_switch(ingest, kiosk, items):
    """Return books whose tags could not be switched, fifty in a batch."""
    first = kiosk.journal.last_seq + 1
    for item in items:
        kiosk.write("checkin", item=item, unsecured=True)
    for start in range(first, kiosk.journal.last_seq + 1, 50):
        ingest.take([kiosk.batch(start)])


def unsecured(store):
    """Return the set as a gate would fetch it."""
    with store.read() as connection:
        return may_leave_document(connection, LIBRARY)["unsecured"]


def rows_since(store, version):
    """Return the change rows that gates were sent after a version."""
    table = schema.CHANGE
    query = sa.select(table.c.body).where(table.c.kind == "may_leave", table.c.version > version)
    with store.read() as connection:
        return list(connection.execute(query.order_by(table.c.version)).scalars())


def test_a_full_set_lets_its_oldest_go(store, ingest, board, shelf):
    """At the thousand-and-first book the gates are told to forget the first, and staff once."""
    kiosk = Station("kiosk-1")
    fail_to_switch(ingest, kiosk, shelf[:MAX])
    full, quiet, version = unsecured(store), board.reviews(), board.board().version

    fail_to_switch(ingest, kiosk, shelf[MAX : MAX + 2])
    fail_to_switch(ingest, kiosk, shelf[MAX + 2 : MAX + 3])

    tags = [f"e0{n:014x}" for n in range(MAX + 3)]
    assert (full, quiet) == (tags[:MAX], [])
    assert unsecured(store) == tags[3:]
    sent = rows_since(store, version)
    assert [f'["u","{tag}",0]' in sent for tag in tags[:4]] == [True, True, True, False]
    assert [entry["rule"] for entry in board.reviews()] == ["unsecured_full"]
    assert board.board().unsecured == MAX


def test_a_book_that_was_switched_after_all_makes_room(store, ingest, board, shelf):
    """Only what is unsecured now counts."""
    kiosk = Station("kiosk-1")
    fail_to_switch(ingest, kiosk, shelf[:MAX])
    kiosk.write("checkin", item=shelf[5], unsecured=False)
    ingest.take([kiosk.batch(MAX + 1)])

    fail_to_switch(ingest, kiosk, shelf[MAX : MAX + 1])

    assert len(unsecured(store)) == MAX
    assert f"e0{0:014x}" in unsecured(store)
    assert board.reviews() == []
