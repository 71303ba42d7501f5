"""The story: what a librarian would have seen, in sentences."""

import json

import pytest

from sim.fleet.acts import Plan, Shape
from sim.fleet.faults import KINDS
from sim.fleet.outcome import Committed, Event, ItemState, Outcome
from sim.fleet.story import book, clock, reader, tell
from sim.fleet.verdict import Violation


def a_fact(number, at_ms, kind, patron="", station="kiosk-1"):
    body = json.dumps({"id": f"f{number}", "kind": kind}).encode()
    return Committed(f"f{number}", station, 1, number, at_ms, body, "book-001", patron)


def told(*events, committed=(), violation=None, **said):
    outcome = Outcome(Plan(7, Shape(), (), ()), events=list(events), committed=list(committed))
    outcome.item_states.update(said.get("items", {}))
    wrong = violation or Violation("certain", "gateway", 0, "book-001 is lent", "")
    return tell(outcome, wrong).splitlines()


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        (
            Event(60_000, "kiosk-1", "lent", ("reader-01", "book-001", "f1")),
            "08:01:00  Anna borrows “Heidi” (book-001) at kiosk-1 and sees the tick.",
        ),
        (
            Event(61_500, "kiosk-2", "returned", ("book-002", "f2")),
            "08:01:01  “Emma” (book-002) is returned at kiosk-2.",
        ),
        (
            Event(0, "gate-1", "carried_out", ("book-001", "reader-02", 1)),
            "08:00:00  Bilal carries “Heidi” (book-001) out through gate-1, and it sounds.",
        ),
        (
            Event(0, "gate-1", "carried_in", ("book-001", "", 0)),
            "08:00:00  Somebody brings “Heidi” (book-001) in through gate-1.",
        ),
        (
            Event(0, "kiosk-1", "refused", ("lend", "book-001", "disk_full")),
            "08:00:00  Kiosk-1 refuses to lend “Heidi” (book-001): disk_full.",
        ),
        (
            Event(0, "gateway", "decided", ("book-001", "uncertain:f1", "available", "f9")),
            "08:00:00  Staff decide “uncertain”: “Heidi” (book-001) is available.",
        ),
        (
            Event(0, "kiosk-1", "fault", ("roll_back",)),
            "08:00:00  An old copy is put in place of the card of kiosk-1.",
        ),
        (
            Event(0, "kiosk-1", "stopped", ("power cut",)),
            "08:00:00  Kiosk-1 stops: power cut.",
        ),
        (
            Event(0, "kiosk-1", "sang", ("a", 2)),
            "08:00:00  Kiosk-1: sang a, 2.",
        ),
    ],
    ids=lambda value: value.what if isinstance(value, Event) else "",
)
def test_each_event_is_a_sentence(event, sentence):
    """Times of day, names of people, titles of books."""
    assert told(event)[0] == sentence


def test_what_only_programs_care_for_is_left_out():
    """Rows and rest tell a librarian nothing."""
    lines = told(Event(0, "kiosk-1", "committed", ("f1", 1, 1)), Event(9, "fleet", "rest"))

    assert lines[0] == ""


def test_it_ends_with_what_was_found_and_what_was_promised():
    """The last two lines are the reason for telling."""
    wrong = Violation("holder", "gateway", 0, "book-001 was lent to reader-03", "")

    assert told(violation=wrong)[-2:] == [
        "Found:    book-001 was lent to reader-03 (Chen).",
        "Promised: who has an item without doubt truly has it.",
    ]


def test_the_book_concerned_is_told_by_its_facts():
    """What was written, in the order it was, and what the catalogue makes of it."""
    facts = [a_fact(1, 60_000, "checkout", "reader-01"), a_fact(2, 90_000, "checkin")]
    items = {"book-001": ItemState("book-001", "on_loan", "reader-01", "f1", ("f1",))}
    wrong = Violation("certain", "gateway", 0, "told", "book-001")

    lines = told(committed=facts, violation=wrong, items=items)
    assert lines[1:5] == [
        "What was written of “Heidi” (book-001), in the order it was:",
        "  08:01:00  checkout to Anna at kiosk-1, row 1/1; the gateway does not have it",
        "  08:01:30  checkin at kiosk-1, row 1/2; the gateway does not have it",
        "  So it is to_be_shelved, and the catalogue says on_loan.",
    ]


def test_a_fact_concerned_tells_the_story_of_its_book():
    """A violation may name a fact instead of an item."""
    wrong = Violation("survivors", "kiosk-1", 0, "told", "f1")

    lines = told(committed=[a_fact(1, 0, "checkin")], violation=wrong)
    assert "What was written of “Heidi” (book-001), in the order it was:" in lines


def test_names_never_run_out():
    """The twenty-first reader is a second Anna."""
    assert [reader("reader-20"), reader("reader-21")] == ["Tomas", "Anna 2"]
    assert book("book-021") == "“Heidi 2” (book-021)"


def test_a_second_day_is_named():
    """A day of 24 hours has two eights o'clock."""
    assert clock(24 * 3_600_000) == "08:00:00 (day 2)"


def test_every_fault_reads_as_a_sentence():
    """No fault of the table leaves a brace unfilled."""
    for kind in KINDS:
        line = told(Event(0, "kiosk-1", "fault", (kind,)))[0]
        assert line.endswith(".")
        assert "{" not in line
