"""The table is complete, agrees with its own laws, and the documents show it as it is."""

from pathlib import Path

import pytest

from circulation.fold.holding import Holding, Rule
from circulation.fold.step import moves, step
from circulation.fold.table import DECLARATIONS, PLAIN, TRANSITIONS, Event, markdown
from circulation.items import ItemState
from circulation.wire import kinds
from tests.circulation.fold.histories import fact

PAGE = Path(__file__).parents[3] / "docs" / "fold.md"


def test_every_cell_is_filled():
    """Whatever happens in whatever state has an answer."""
    missing = [
        (state.value, event.value)
        for state in ItemState
        for event in Event
        if (state, event) not in TRANSITIONS
    ]

    assert missing == []


def test_every_moving_kind_has_an_event():
    """A kind that the wire calls moving is in the table, and nothing else is."""
    assert set(PLAIN) | {kinds.DECLARED} == kinds.MOVING
    assert set(DECLARATIONS) == {"missing", "lost", "claimed_returned", "damaged", "found"}


@pytest.mark.parametrize("kind", [*sorted(kinds.ALL - kinds.MOVING), "later_kind"])
def test_other_kinds_never_move_an_item(kind):
    """A tag that was seen, a charge, a card and an unknown kind leave the holding alone."""
    said = fact("a", kind, state="lost", patron="A", loan="x")

    assert not moves(said)
    for state in ItemState:
        assert step(Holding(state=state), said) == (Holding(state=state), ())


@pytest.mark.parametrize(
    ("kind", "word"),
    [("declared", "stolen"), ("declared", None), ("decision", "uncertain"), ("decision", "gone")],
)
def test_words_nobody_knows_never_move_an_item(kind, word):
    """A declaration or decision in a word of a later version is left for that version."""
    said = fact("a", kind, state=word)

    assert not moves(said)
    assert step(Holding(), said) == (Holding(), ())


@pytest.mark.parametrize("event", [Event.CHECKOUT, Event.CHECKIN, Event.USED_IN_HOUSE, Event.SEEN])
@pytest.mark.parametrize(
    ("state", "rule"),
    [
        (ItemState.MISSING, Rule.RETURNED_WHILE_MISSING),
        (ItemState.LOST, Rule.RETURNED_WHILE_LOST),
        (ItemState.CLAIMED_RETURNED, Rule.RETURNED_WHILE_CLAIMED),
        (ItemState.IN_TRANSIT, Rule.RETURNED_WHILE_IN_TRANSIT),
    ],
)
def test_what_shows_an_item_ends_its_absence(event, state, rule):
    """Any checkout, checkin, in-house use or sighting ends the state, with an entry."""
    cell = TRANSITIONS[state, event]

    assert cell.to not in (None, state)
    assert rule in cell.rules


@pytest.mark.parametrize(
    "event",
    [Event.SEEN, Event.USED_IN_HOUSE, Event.RECEIVED, Event.HOLD_SHELVED, Event.DECLARED_FOUND],
)
@pytest.mark.parametrize("state", [ItemState.ON_LOAN, ItemState.UNCERTAIN])
def test_being_seen_only_proposes_a_return(event, state):
    """A lent or doubtful item that is seen changes nothing but for an entry."""
    cell = TRANSITIONS[state, event]

    assert (cell.to, cell.rules) == (None, (Rule.RETURN_PROPOSED,))


@pytest.mark.parametrize("state", list(ItemState))
def test_a_checkout_always_lends_and_is_never_refused(state):
    """A physical fact is never refused: whatever stood before, the reader has the item."""
    assert TRANSITIONS[state, Event.CHECKOUT].to is ItemState.ON_LOAN


@pytest.mark.parametrize("event", list(Event))
def test_nothing_makes_an_item_uncertain_but_the_lack_of_an_order(event):
    """In the table uncertain follows from uncertain only."""
    certain = [state for state in ItemState if state is not ItemState.UNCERTAIN]

    assert [s for s in certain if TRANSITIONS[s, event].to is ItemState.UNCERTAIN] == []


def test_the_documents_show_the_table():
    """docs/fold.md holds the table exactly as the code has it."""
    assert markdown() in PAGE.read_text(encoding="utf-8")


def test_the_documents_explain_every_rule():
    """Each kind of entry is explained to developers."""
    page = PAGE.read_text(encoding="utf-8")

    assert [rule.value for rule in Rule if f"`{rule.value}`" not in page] == []
