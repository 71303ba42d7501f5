"""What the rules make of a loan that was made anyway."""

import pytest

from gateway.board import Desk
from gateway.catalogue import upsert_items, upsert_patrons
from gateway.policies import save_policy
from tests.gateway.conftest import LIBRARY, START_MS, Station

DUE_AT = START_MS + 14 * 86_400_000


@pytest.fixture
def limit(store):
    """Rules by which a reader has at most two books."""
    with store.write(LIBRARY) as write:
        save_policy(
            write,
            {
                "zone": "UTC",
                "versions": [{"version": 1, "from": "2020-01-01", "rules": [{"max_loans": 2}]}],
            },
        )


def lend(kiosk, item, patron, **fields):
    """Write a checkout."""
    fields = {"due_at": DUE_AT, "reach": 3, "site": "main", **fields}
    return kiosk.write("checkout", item=item, patron=patron, **fields)


def rules(store):
    """Return why staff are shown entries, in order of rule."""
    return sorted(entry["rule"] for entry in Desk(store, LIBRARY).reviews())


def test_a_loan_over_the_limit_stands_with_an_entry(store, ingest, limit, books, readers):
    """Three books within one batch, limit two: all are lent, the third has an entry."""
    kiosk = Station("kiosk-1")
    for number in ("1001", "1002"):
        lend(kiosk, books[number], readers[0])
    with store.write(LIBRARY) as write:
        (third,) = upsert_items(write, [{"barcode": "1004"}]).ids
    lend(kiosk, third, readers[0])

    ingest.take([kiosk.batch()])

    assert Desk(store, LIBRARY).item("1004")["state"] == "on_loan"
    assert rules(store) == ["too_many_loans"]


def test_what_a_reader_has_had_for_long_counts(store, ingest, limit, books, readers):
    """Two books since an earlier day: a third is over the limit."""
    kiosk = Station("kiosk-1")
    for number in ("1001", "1002"):
        lend(kiosk, books[number], readers[0])
    ingest.take([kiosk.batch()])
    with store.write(LIBRARY) as write:
        (third,) = upsert_items(write, [{"barcode": "1004"}]).ids

    lend(kiosk, third, readers[0])
    ingest.take([kiosk.batch()])

    assert rules(store) == ["too_many_loans"]


def test_a_book_given_back_in_between_does_not_count(store, ingest, limit, books, readers):
    """A batch is judged in its own order."""
    kiosk = Station("kiosk-1")
    for number in ("1001", "1002"):
        lend(kiosk, books[number], readers[0])
    kiosk.write("checkin", item=books["1001"])
    with store.write(LIBRARY) as write:
        (third,) = upsert_items(write, [{"barcode": "1004"}]).ids
    lend(kiosk, third, readers[0])

    ingest.take([kiosk.batch()])

    assert rules(store) == []


def test_a_verdict_is_never_withdrawn(store, ingest, limit, books, readers):
    """A fact that arrives later changes what is known, not what was said."""
    kiosk, late = Station("kiosk-1"), Station("kiosk-2")
    with store.write(LIBRARY) as write:
        (third,) = upsert_items(write, [{"barcode": "1004"}]).ids
    loan = lend(kiosk, books["1001"], readers[0])
    lend(kiosk, books["1002"], readers[0])
    lend(kiosk, third, readers[0])
    ingest.take([kiosk.batch()])

    late.write("checkin", item=books["1001"], saw=[loan])
    ingest.take([late.batch()])

    assert rules(store) == ["too_many_loans"]


def test_a_blocked_reader_and_a_waived_reason(store, ingest, books, readers):
    """What staff waved through at the kiosk is no entry; what they did not see is one."""
    with store.write(LIBRARY) as write:
        upsert_patrons(write, [{"patron_id": readers[0], "blocked": ["lost book"]}])
    kiosk = Station("kiosk-1")
    lend(kiosk, books["1001"], readers[0], overridden=["patron_blocked"])
    lend(kiosk, books["1002"], readers[0])

    ingest.take([kiosk.batch()])

    (entry,) = Desk(store, LIBRARY).reviews()
    assert (entry["rule"], entry["item_id"]) == ("patron_blocked", books["1002"])


def test_a_reference_book_lent_out_of_the_house(store, ingest, books, readers):
    """It may be used here; carried home it is for staff to know."""
    kiosk = Station("kiosk-1")
    lend(kiosk, books["1003"], readers[0], reach=3)

    ingest.take([kiosk.batch()])

    assert "reference_left" in rules(store)


@pytest.mark.parametrize("wall", [-(2**53), 0, 2**53], ids=["long ago", "1970", "far ahead"])
def test_a_senseless_clock_is_no_obstacle(store, ingest, books, readers, wall):
    """A year no calendar reaches is an unsure time, and the loan stands."""
    kiosk = Station("kiosk-1")
    lend(kiosk, books["1001"], readers[0], wall=wall, due_at=wall)

    ingest.take([kiosk.batch()])

    assert Desk(store, LIBRARY).item("1001")["state"] == "on_loan"
    assert Desk(store, LIBRARY).parked() == []
