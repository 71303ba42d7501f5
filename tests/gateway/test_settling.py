"""An entry that later facts have answered waits for nobody, and is still there to be read."""

import pytest

from gateway.board import Desk
from gateway.desk import DeskJournal
from tests.gateway.conftest import LIBRARY, START_MS, Station

DUE_AT = START_MS + 14 * 86_400_000
HOUR_MS = 3_600_000


@pytest.fixture
def board(store):
    """What staff see."""
    return Desk(store, LIBRARY)


@pytest.fixture
def desk(store, tmp_path):
    """Where staff decide."""
    return DeskJournal(store, LIBRARY, tmp_path / "desk.db")


@pytest.fixture
def pair(ingest, books, readers):
    """Two kiosks that lent one book to two readers and knew nothing of each other."""
    pair = Station("kiosk-1"), Station("kiosk-2")
    pair[1].mono = 5_000_000
    for kiosk, reader in zip(pair, readers, strict=True):
        kiosk.loan = lend(kiosk, books["1001"], reader)
        ingest.take([kiosk.batch()])
    return pair


def lend(kiosk, item, reader, **fields):
    """Write a checkout; return its id."""
    return kiosk.write("checkout", item=item, patron=reader, due_at=DUE_AT, reach=3, **fields)


def waiting(board):
    """Return the rules of the entries that wait for staff."""
    return [entry["rule"] for entry in board.reviews()]


def entry_of(board, rule):
    """Return an item's entry, whether it waits or not."""
    return next(entry for entry in board.item("1001")["entries"] if entry["rule"] == rule)


def test_a_doubt_waits_for_staff_while_it_lasts(board, pair):
    """Nobody knows who has the book: a decision is needed."""
    assert waiting(board) == ["uncertain"]


def test_a_later_return_settles_a_doubt(ingest, board, pair, books):
    """Once the book was seen to come back it does not matter who had it."""
    back = Station("kiosk-3")
    returned = back.write("checkin", item=books["1001"], saw=[pair[0].loan])
    pair[1].write("checkin", item=books["1001"], saw=[returned])

    ingest.take([back.batch()])
    between = waiting(board)
    ingest.take([pair[1].batch(2)])

    assert between == ["uncertain"]
    assert board.item("1001")["state"] == "to_be_shelved"
    assert "uncertain" not in waiting(board)
    assert entry_of(board, "uncertain")["settled_by"]


@pytest.mark.parametrize("later", ["used_in_house", "seen", "checkin"])
def test_an_unclear_order_is_not_settled_by_being_seen(ingest, board, books, readers, later):
    """Returned at two kiosks that knew nothing of each other, then scanned from a trolley: only
    a loan or a return says that it no longer matters which came first."""
    pair = Station("kiosk-1"), Station("kiosk-2")
    pair[1].mono = 5_000_000
    loan = lend(pair[0], books["1001"], readers[0])
    returned = [kiosk.write("checkin", item=books["1001"], saw=[loan]) for kiosk in pair]
    ingest.take([kiosk.batch() for kiosk in pair])
    before = waiting(board)

    third = Station("kiosk-3")
    third.write(later, item=books["1001"], saw=returned)
    ingest.take([third.batch()])
    third.write("tag_written", item=books["1001"])
    ingest.take([third.batch(2)])

    assert before == ["order_unclear"]
    assert ("order_unclear" in waiting(board)) == (later != "checkin")


def test_clocks_that_were_compared_settle_a_doubt(ingest, board, pair):
    """When the order is known, that settles it: no fact more, and nobody's decision."""
    pair[0].ask_time(START_MS)
    pair[1].ask_time(START_MS + HOUR_MS)
    ingest.take([pair[0].batch(2), pair[1].batch(2)])

    entry = entry_of(board, "uncertain")
    assert "uncertain" not in waiting(board)
    assert (entry["settled_at"], entry["settled_by"]) == (START_MS, [])
    assert entry["decided_at"] is None


def test_a_settled_entry_waits_again_when_the_doubt_comes_back(
    ingest, board, pair, books, readers
):
    """A third journal makes the item uncertain again: there is an entry that says so."""
    pair[0].ask_time(START_MS)
    pair[1].ask_time(START_MS + HOUR_MS)
    ingest.take([pair[0].batch(2), pair[1].batch(2)])
    third = Station("kiosk-3")
    lend(third, books["1001"], readers[0])

    ingest.take([third.batch()])

    assert board.item("1001")["state"] == "uncertain"
    assert waiting(board).count("uncertain") == 1


def test_a_decided_entry_stays_decided(ingest, board, desk, pair, books):
    """What staff said is never marked as settled by something else."""
    (entry,) = board.reviews()
    decision = desk.decision(entry["key"], "available")
    desk.hand_over(ingest)
    later = Station("kiosk-3")
    later.write("seen", item=books["1001"], saw=[decision])

    ingest.take([later.batch()])

    assert entry_of(board, "uncertain")["decided_by"] == decision
    assert [one["key"] for one in board.reviews(decided=True)] == [entry["key"]]


def test_one_decision_ends_every_doubt_of_its_item(ingest, board, desk, pair, books):
    """An entry of the same doubt that was not clicked on does not go on waiting."""
    pair[0].write("seen", item=books["1001"])
    ingest.take([pair[0].batch(2)])
    entry = next(one for one in board.reviews() if one["rule"] == "uncertain")

    desk.decision(entry["key"], "available")
    desk.hand_over(ingest)

    assert board.item("1001")["state"] == "available"
    assert "uncertain" not in waiting(board)


def test_a_proposed_return_waits_until_the_loan_ends(ingest, board, books, readers):
    """Seen on the shelf while on loan asks a question that the checkin answers."""
    kiosk = Station("kiosk-1")
    loan = lend(kiosk, books["1001"], readers[0])
    seen = kiosk.write("seen", item=books["1001"], saw=[loan])
    ingest.take([kiosk.batch()])
    before = waiting(board)

    returned = kiosk.write("checkin", item=books["1001"], saw=[seen])
    ingest.take([kiosk.batch(3)])

    assert before == ["return_proposed"]
    assert waiting(board) == []
    assert entry_of(board, "return_proposed")["settled_by"] == [returned]


def test_a_question_of_money_waits_for_staff(ingest, board, books):
    """That a lost book turned up and was lent again does not pay the fee back."""
    kiosk = Station("kiosk-1")
    lost = kiosk.write("declared", item=books["1001"], state="lost")
    back = kiosk.write("checkin", item=books["1001"], saw=[lost])
    kiosk.write("seen", item=books["1001"], saw=[back])

    ingest.take([kiosk.batch()])

    assert waiting(board) == ["returned_while_lost"]
