"""Staff decisions are facts, and facts they did not see open a new entry."""

import json

import pytest

from gateway.board import Desk
from gateway.desk import DeskJournal
from gateway.errors import DecisionInvalid
from tests.gateway.conftest import LIBRARY, START_MS, Station

DUE_AT = START_MS + 14 * 86_400_000


@pytest.fixture
def board(store):
    """What staff see."""
    return Desk(store, LIBRARY)


@pytest.fixture
def desk(store, tmp_path):
    """The desk's journal."""
    return DeskJournal(store, LIBRARY, tmp_path / "desk.db")


@pytest.fixture
def doubt(ingest, board, books, readers):
    """The entry of a book that two kiosks lent to two readers at once."""
    for name, reader in (("kiosk-1", readers[0]), ("kiosk-2", readers[1])):
        kiosk = Station(name)
        kiosk.write("checkout", item=books["1001"], patron=reader, due_at=DUE_AT, reach=3)
        ingest.take([kiosk.batch()])
    (entry,) = board.reviews()
    return entry


def test_a_decision_ends_a_doubt(ingest, desk, board, doubt):
    """What staff say is how it is, and the entry is settled."""
    desk.decision(doubt["key"], "available")
    desk.hand_over(ingest)

    item = board.item("1001")
    assert item["state"] == "available"
    assert board.reviews() == []
    assert [entry["key"] for entry in board.reviews(decided=True)] == [doubt["key"]]


def test_an_entry_says_what_happened_when_and_where(doubt):
    """Two entries about one book can be told apart, and neither names a reader."""
    said = [(one["kind"], one["station_name"]) for one in doubt["evidence"]]
    assert said == [("checkout", "kiosk-1"), ("checkout", "kiosk-2")]
    assert all(one["received_at"] == START_MS for one in doubt["evidence"])
    assert not {"patron", "patron_id", "body"} & set(doubt["evidence"][0])


def test_an_entry_offers_first_how_it_is_now(ingest, board, books, readers):
    """Whoever presses the button without looking twice changes nothing."""
    for name, reader in (("kiosk-1", readers[0]), ("kiosk-2", readers[1])):
        kiosk = Station(name)
        newest = board.item("1001")["last"]
        kiosk.write(
            "checkout", item=books["1001"], patron=reader, due_at=DUE_AT, reach=3, saw=newest
        )
        ingest.take([kiosk.batch()])

    (entry,) = board.reviews()
    assert (entry["rule"], entry["state"]) == ("implicit_return", "on_loan")


def test_a_decision_names_every_fact_it_considered(ingest, desk, board, doubt):
    """It replaces exactly what staff saw."""
    desk.decision(doubt["key"], "available")
    desk.hand_over(ingest)

    decision = next(f for f in board.item("1001")["facts"] if f["kind"] == "decision")
    assert sorted(json.loads(decision["body"])["saw"]) == sorted(doubt["facts"])


def test_a_fact_the_decision_did_not_see_opens_a_new_entry(ingest, desk, board, doubt, books):
    """A late journal does not quietly undo what a librarian decided."""
    desk.decision(doubt["key"], "missing")
    desk.hand_over(ingest)
    late = Station("kiosk-3")
    late.write("checkin", item=books["1001"])

    ingest.take([late.batch()])

    assert "unseen_by_decision" in [entry["rule"] for entry in board.reviews()]


@pytest.mark.parametrize(
    ("entry", "state", "complaint"),
    [
        ("nothing:1", "available", "no entry"),
        (None, "uncertain", "is none of"),
        (None, "on the moon", "is none of"),
    ],
)
def test_a_decision_that_cannot_be_taken_is_named(desk, doubt, entry, state, complaint):
    """A wrong entry or state changes nothing and says why."""
    with pytest.raises(DecisionInvalid, match=complaint):
        desk.decision(entry or doubt["key"], state)


def test_an_entry_is_decided_once(ingest, desk, doubt):
    """Two librarians with the same page open do not both decide."""
    desk.decision(doubt["key"], "available")
    desk.hand_over(ingest)

    with pytest.raises(DecisionInvalid, match="already"):
        desk.decision(doubt["key"], "missing")


def test_a_decision_survives_a_crash_before_it_was_applied(store, ingest, desk, board, doubt):
    """It is in the desk's journal first, like any fact at any station."""
    desk.decision(doubt["key"], "available")

    reopened = DeskJournal(store, LIBRARY, desk._path)
    brought = reopened.hand_over(ingest)

    assert brought == 1
    assert board.item("1001")["state"] == "available"


def test_an_entry_without_an_item_is_noted(ingest, desk, board):
    """Some things only need to be seen."""
    kiosk = Station("kiosk-1")
    kiosk.write("checkin", barcode="unknown-7")
    ingest.take([kiosk.batch()])
    (entry,) = board.reviews()

    desk.decision(entry["key"], "noted")
    desk.hand_over(ingest)

    assert entry["rule"] == "item_unknown"
    assert board.reviews() == []


def test_decisions_are_ordered_in_time(ingest, desk, board, doubt):
    """The desk compares its own clock, so a decision lies between the minutes it was made in."""
    desk.compare_clock()
    desk.decision(doubt["key"], "available")
    desk.hand_over(ingest)

    decision = next(f for f in board.item("1001")["facts"] if f["kind"] == "decision")
    assert START_MS <= decision["earliest_ms"] <= START_MS + 1_000
    assert decision["flagged"] == 0


def test_a_return_after_a_decision_needs_no_new_entry(ingest, clock, desk, board, doubt):
    """Clocks order what did not see each other: the kiosk's return was an hour later."""
    desk.compare_clock()
    desk.decision(doubt["key"], "on_loan")
    clock.now_ms += 60_000
    desk.compare_clock()
    desk.hand_over(ingest)
    kiosk = Station("kiosk-3")
    kiosk.ask_time(START_MS + 3_600_000)
    kiosk.write("checkin", item=board.item("1001")["item_id"])

    ingest.take([kiosk.batch()])

    assert board.item("1001")["state"] == "to_be_shelved"
    assert "unseen_by_decision" not in [entry["rule"] for entry in board.reviews()]


def test_a_decision_names_as_many_facts_as_a_body_may(ingest, desk, board, books, readers):
    """260 kiosks that lent one book in an hour are more than a decision can name."""
    kiosks = [Station(f"kiosk-{number}") for number in range(260)]
    for kiosk in kiosks:
        kiosk.write("checkout", item=books["1001"], patron=readers[0], due_at=DUE_AT, reach=3)
    ingest.take([kiosk.batch() for kiosk in kiosks])

    entry = next(one for one in board.reviews() if one["rule"] == "uncertain")
    desk.decision(entry["key"], "available")
    desk.hand_over(ingest)

    decision = next(f for f in board.facts("desk") if f["kind"] == "decision")
    assert len(json.loads(decision["body"])["saw"]) == 256


def test_what_later_facts_settled_is_not_decided(ingest, desk, board, doubt, books):
    """A page that was open for long does not overrule what has happened since."""
    last = board.item("1001")["last"]
    kiosk = Station("kiosk-3")
    first = kiosk.write("checkin", item=books["1001"], saw=last[:1])
    ingest.take([kiosk.batch()])
    other = Station("kiosk-4")
    other.write("seen", item=books["1001"], saw=[*last[1:]])
    kiosk.write("declared", item=books["1001"], state="found", saw=[first])
    ingest.take([kiosk.batch(2), other.batch()])
    end = Station("kiosk-5")
    end.ask_time(START_MS + 9_000_000)
    for station in (kiosk, other):
        station.ask_time(START_MS + 8_000_000)
        ingest.take([station.batch(station.journal.last_seq)])
    end.write("checkin", item=books["1001"])

    ingest.take([end.batch()])

    with pytest.raises(DecisionInvalid, match="settled"):
        desk.decision(doubt["key"], "missing")
