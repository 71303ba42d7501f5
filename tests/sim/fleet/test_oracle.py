"""The oracle: what became of every item, by the true order of its facts."""

import ast
import json
from pathlib import Path

import pytest

from sim.fleet import oracle
from sim.fleet.oracle import truth
from sim.fleet.outcome import Committed

BOOK = "book-001"


def a_fact(at_ms, kind, patron="", *, station="kiosk-1", **fields):
    """Return a fact of book-001; its id is the instant it was written at."""
    body = json.dumps({"id": f"f{at_ms}", "kind": kind, **fields}).encode()
    return Committed(f"f{at_ms}", station, 1, at_ms, at_ms, body, BOOK, patron)


def book(*facts, **options):
    return truth(facts, **options)[BOOK]


def test_the_oracle_uses_nothing_of_the_fold():
    """Two programs that share a mistake would agree."""
    tree = ast.parse(Path(oracle.__file__).read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}

    assert not [name for name in imported if name.startswith(("circulation", "gateway", "kiosk"))]


def test_a_book_that_was_lent_is_on_loan():
    """The checkout names loan and reader."""
    found = book(a_fact(1, "checkout", "reader-01"))

    assert (found.state, found.patron, found.loans) == ("on_loan", "reader-01", ["f1"])


def test_the_order_in_which_facts_were_written_decides():
    """Lent, returned, lent to another: the last has it."""
    found = book(
        a_fact(1, "checkout", "reader-01"),
        a_fact(2, "checkin", station="kiosk-2"),
        a_fact(3, "checkout", "reader-02", station="kiosk-3"),
    )

    assert (found.state, found.patron, found.lent_by) == ("on_loan", "reader-02", "kiosk-3")


def test_a_second_checkout_to_the_same_reader_goes_on_with_the_loan():
    """Both checkouts are names of it."""
    found = book(a_fact(1, "checkout", "reader-01"), a_fact(2, "checkout", "reader-01"))

    assert found.loans == ["f1", "f2"]


def test_a_book_handed_to_a_friend_is_the_friends():
    """A checkout ends whatever loan there was."""
    found = book(a_fact(1, "checkout", "reader-01"), a_fact(2, "checkout", "reader-02"))

    assert (found.patron, found.loans) == ("reader-02", ["f2"])


def test_a_loan_nobody_saw_never_was():
    """The kiosk took it back: the book stands as before."""
    found = book(
        a_fact(1, "checkin"),
        a_fact(2, "checkout", "reader-01"),
        a_fact(3, "not_shown", loan="f2"),
    )

    assert (found.state, found.last) == ("to_be_shelved", "f1")


def test_a_station_takes_back_only_its_own_loans():
    """Another's `not_shown` undoes nothing."""
    found = book(
        a_fact(1, "checkout", "reader-01"), a_fact(2, "not_shown", station="kiosk-2", loan="f1")
    )

    assert found.state == "on_loan"


@pytest.mark.parametrize(
    ("before", "kind", "after"),
    [
        ("on_loan", "used_in_house", "on_loan"),
        ("on_loan", "seen", "on_loan"),
        ("on_loan", "renewal", "on_loan"),
        ("to_be_shelved", "seen", "available"),
        ("missing", "used_in_house", "to_be_shelved"),
        ("missing", "checkin", "to_be_shelved"),
        ("lost", "seen", "available"),
        ("damaged", "checkin", "damaged"),
        ("in_repair", "checkin", "to_be_shelved"),
        ("on_hold_shelf", "seen", "on_hold_shelf"),
        ("withdrawn", "checkin", "withdrawn"),
        ("withdrawn", "checkout", "on_loan"),
        ("on_loan", "tag_written", "on_loan"),
        ("on_loan", "no_such_kind", "on_loan"),
    ],
)
def test_what_each_kind_makes_of_a_book(before, kind, after):
    """The design's words, not the fold's table."""
    found = book(a_fact(1, "decision", state=before), a_fact(2, kind))

    assert found.state == after


def test_staff_say_how_it_is():
    """A decision for a loan names its reader and which checkout is meant."""
    decided = a_fact(2, "decision", "reader-01", state="on_loan", loan="f1")

    found = book(a_fact(1, "checkout", "reader-01"), decided, a_fact(3, "renewal"))

    assert (found.state, found.patron, found.loans, found.last) == (
        "on_loan",
        "reader-01",
        ["f1"],
        "f2",
    )


def test_a_decision_that_only_takes_note_changes_nothing():
    """Noted is not a state."""
    assert book(a_fact(1, "checkout", "reader-01"), a_fact(2, "decision")).state == "on_loan"


def test_the_past_can_be_asked_for():
    """What was written at that instant counts, nothing later."""
    facts = (a_fact(1, "checkout", "reader-01"), a_fact(2, "checkin"))

    assert book(*facts, until_ms=1).state == "on_loan"


def test_what_cannot_be_read_says_nothing():
    """Poison is nobody's loan."""
    bad = Committed("f1", "kiosk-1", 1, 1, 1, b"\xff{", BOOK)
    odd = Committed("f2", "kiosk-1", 1, 2, 2, b"[1]", BOOK)

    assert truth([bad, odd]) == {}
