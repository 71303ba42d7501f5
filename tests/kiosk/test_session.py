"""The visit as a table: who may do what when, and what is forgotten."""

import copy
from dataclasses import replace

import pytest

from kiosk import session as session_module
from kiosk import visit
from kiosk.session import LEFT_AWAY_MS, Session, Timing
from kiosk.transitions import TRANSITIONS
from kiosk.visit import (
    ActionAsked,
    CardRefused,
    CheckIn,
    CheckOut,
    EndVisit,
    EventIllegal,
    FinishPressed,
    ItemAskedAgain,
    ItemFinished,
    ItemLifted,
    ItemPlaced,
    ItemRecorded,
    LendingResumed,
    LendingStopped,
    Mode,
    PadCleared,
    PatronIdentified,
    PinRefused,
    PinWanted,
    PlaySound,
    Renew,
    ReturnChosen,
    State,
    StayPressed,
    TileState,
    TimeRanOut,
    Touched,
    WarningDue,
)

ANNA = PatronIdentified("a" * 16, "Anna B.")
BEN = PatronIdentified("b" * 16, "Ben C.")
BOOK = ItemPlaced("book-1", "The Snow Goose", "Paul Gallico")
OTHER = ItemPlaced("book-2", "Momo", "Michael Ende")
EVENTS = {
    ANNA, PinWanted("a" * 16), PinRefused(2), CardRefused("notice_unknown_card"), ReturnChosen(),
    BOOK, ItemLifted("book-1"), PadCleared(), ItemRecorded("book-1", Mode.LEND, 1),
    ItemFinished("book-1"), ItemAskedAgain("book-1", "again"), Touched(), StayPressed(),
    FinishPressed(), WarningDue(), TimeRanOut(), LendingStopped("disk_full"), LendingResumed(),
    visit.ItemUnswitched("book-1"), visit.ItemHeld("book-1", 1), visit.ItemUndone("book-1"),
    visit.ItemNoticed("book-1", "notice_unknown_tag"), ActionAsked("book-1", Mode.RENEW),
    visit.ItemRefused("book-1", None),
}  # fmt: skip


def lending(*events, now_ms=0):
    session = Session()
    for event in (ANNA, *events):
        session.receive(event, now_ms)
    return session


def in_state(state):
    """A session that was put into this state by legal events alone."""
    roads = {
        State.IDLE: [],
        State.OFFERED: [BOOK],
        State.PIN: [PinWanted("a" * 16)],
        State.LENDING: [ANNA],
        State.LENDING_ENDS: [ANNA, WarningDue()],
        State.RETURNING: [ReturnChosen()],
        State.RETURNING_ENDS: [ReturnChosen(), WarningDue()],
        State.FAREWELL: [ANNA, FinishPressed()],
        State.STOPPED: [LendingStopped("disk_full")],
    }
    session = Session()
    for event in roads[state]:
        session.receive(event, 0)
    assert session.state is state
    return session


@pytest.mark.parametrize("state", list(State), ids=lambda state: state.value)
def test_an_illegal_event_raises_and_changes_nothing(state):
    """Whatever is not in the table leaves the visit exactly as it was."""
    for event in EVENTS:
        session = in_state(state)
        if session.accepts(type(event)):
            continue
        before = copy.deepcopy(session)

        with pytest.raises(EventIllegal):
            session.receive(event, 99)

        assert session == before


@pytest.mark.parametrize("state", list(State), ids=lambda state: state.value)
def test_a_legal_event_leads_where_the_table_says(state):
    """The table is the whole truth about states."""
    for event in EVENTS:
        session = in_state(state)
        if not session.accepts(type(event)):
            continue

        session.receive(event, 99)

        assert session.state is TRANSITIONS[(state, type(event))]


def test_every_event_means_something_somewhere():
    """No event of the vocabulary is dead, and the tests above know them all."""
    vocabulary = set(visit.Event.__args__)

    assert {event for _, event in TRANSITIONS} == vocabulary
    assert {type(event) for event in EVENTS} == vocabulary


def test_every_state_can_be_left():
    """No visit gets stuck."""
    for state in State:
        assert any(
            target is not state for (origin, _), target in TRANSITIONS.items() if origin is state
        )


def test_the_tick_follows_only_the_finished_event():
    """No other event turns a tile into the tick."""
    session = lending(BOOK, ItemRecorded("book-1", Mode.LEND, 5))
    assert session.tile("book-1").state is TileState.RECORDED

    commands = session.receive(ItemFinished("book-1"), 0)

    assert session.tile("book-1").state is TileState.DONE
    assert commands == [PlaySound("done")]


def test_books_placed_before_the_card_are_lent_once_it_is_shown():
    """A reader may put the books down first."""
    session = Session()
    assert session.receive(BOOK, 0) == []
    assert session.state is State.OFFERED

    commands = session.receive(ANNA, 10)

    assert commands == [CheckOut("book-1")]


def test_books_placed_first_are_returned_when_return_is_chosen():
    """Without a card the button decides."""
    session = Session()
    session.receive(BOOK, 0)

    commands = session.receive(ReturnChosen(), 10)

    assert commands == [CheckIn("book-1")]
    assert session.state is State.RETURNING


def test_a_renewal_is_asked_for_the_one_loan():
    """A button on a loan works on that loan."""
    session = lending()

    assert session.receive(ActionAsked("book-9", Mode.RENEW, "Emil"), 0) == [Renew("book-9")]


def test_a_book_the_last_reader_left_is_not_lent_to_the_next():
    """Ghost tags never move into the next reader's visit."""
    session = lending(BOOK, ItemRecorded("book-1", Mode.LEND, 5), ItemFinished("book-1"))
    session.receive(FinishPressed(), 1)

    commands = session.receive(BEN, 2)

    assert commands == []
    assert session.tiles == ()
    assert session.left_over == {"book-1"}


def test_a_left_book_counts_again_once_it_was_lifted_and_placed():
    """The next hand decides anew, once the book was away for as long as a hand needs."""
    session = lending(BOOK, ItemRecorded("book-1", Mode.LEND, 5), ItemFinished("book-1"))
    session.receive(FinishPressed(), 1)
    session.receive(ItemLifted("book-1"), 2)
    session.receive(BEN, 3)
    session.tick(2 + LEFT_AWAY_MS)

    assert session.receive(BOOK, 1_600) == [CheckOut("book-1")]
    assert session.left_over == frozenset()


@pytest.mark.parametrize("before", [(), (BEN,), (ReturnChosen(),)])
def test_a_left_book_that_flickers_is_no_new_one(before):
    """Nobody has touched it; neither lends it the next card nor returns it the next button."""
    session = lending(BOOK, ItemRecorded("book-1", Mode.LEND, 5), ItemFinished("book-1"))
    session.receive(FinishPressed(), 1)
    session.tick(10_000)
    for event in before:
        session.receive(event, 10_001)
    state = session.state
    session.receive(ItemLifted("book-1"), 10_002)
    session.tick(10_001 + LEFT_AWAY_MS)

    assert session.receive(BOOK, 10_001 + LEFT_AWAY_MS) == []
    assert (session.state, session.tiles) == (state, ())
    session.tick(60_000)
    assert session.left_over == {"book-1"}


def test_scanning_a_left_books_label_confirms_it():
    """Who holds the label under the scanner has the book in hand."""
    session = lending(BOOK, ItemRecorded("book-1", Mode.LEND, 5), ItemFinished("book-1"))
    session.receive(FinishPressed(), 1)
    session.receive(BEN, 2)

    scanned = replace(BOOK, on_pad=False)
    assert session.receive(scanned, 3) == [CheckOut("book-1")]
    assert session.left_over == frozenset()


@pytest.mark.parametrize(
    "way_out", [FinishPressed(), LendingStopped("disk_full"), BEN, PinWanted("c" * 16)]
)
def test_every_way_out_of_a_visit_settles_it_and_forgets_the_reader(way_out):
    """Nothing about a person outlives the visit."""
    session = lending(BOOK)

    commands = session.receive(way_out, 5)

    assert commands[0] == EndVisit("a" * 16, commands[0].tiles)
    assert [tile.key for tile in commands[0].tiles] == ["book-1"]
    assert session.tiles == ()
    assert session.patron is None or session.patron == BEN


def test_another_card_ends_the_visit_and_opens_its_own():
    """The next card never works on the last reader's books."""
    session = lending(BOOK)

    commands = session.receive(BEN, 5)

    assert [type(command) for command in commands] == [EndVisit]
    assert session.patron == BEN


def test_the_same_card_again_keeps_the_visit():
    """A card that lies on the reader may flicker."""
    session = lending(BOOK)

    assert session.receive(ANNA, 5) == []
    assert [tile.key for tile in session.tiles] == ["book-1"]


def test_a_quiet_visit_is_warned_then_ended():
    """No timeout comes without its warning, and no visit stays open."""
    session = Session(Timing(quiet_ms=1_000, countdown_ms=500))
    session.receive(ANNA, 0)

    session.tick(999)
    assert session.state is State.LENDING
    session.tick(1_000)
    assert session.state is State.LENDING_ENDS
    assert session.countdown_ms(1_200) == 300
    commands = session.tick(1_500)

    assert session.state is State.FAREWELL
    assert isinstance(commands[0], EndVisit)


def test_asking_for_more_time_starts_the_clock_anew():
    """The countdown can always be stopped."""
    session = Session(Timing(quiet_ms=1_000, countdown_ms=500))
    session.receive(ANNA, 0)
    session.tick(1_000)

    session.receive(StayPressed(), 1_400)

    assert session.state is State.LENDING
    assert session.tick(2_399) == []
    assert session.state is State.LENDING


def test_lifting_a_book_does_not_keep_a_visit_open():
    """Taking the books is leaving, not being there."""
    session = Session(Timing(quiet_ms=1_000, countdown_ms=500))
    session.receive(ANNA, 0)
    session.receive(BOOK, 100)

    session.receive(ItemLifted("book-1"), 1_000)
    session.tick(1_100)

    assert session.state is State.LENDING_ENDS


def test_offered_books_are_not_kept_for_ever():
    """Books somebody put down and left belong to nobody's card."""
    session = Session(Timing(offered_ms=1_000))
    session.receive(BOOK, 0)

    session.tick(1_000)

    assert session.state is State.IDLE
    assert session.receive(ANNA, 1_001) == []


def test_taking_the_books_away_goes_back_to_the_first_screen():
    """An empty pad with nobody there is the start again."""
    session = Session()
    session.receive(BOOK, 0)
    session.receive(ItemLifted("book-1"), 1)

    session.receive(PadCleared(), 1)

    assert session.state is State.IDLE


def test_the_farewell_counts_and_names_nobody():
    """The last screen of a visit is fit for the next reader's eyes."""
    session = lending(BOOK, OTHER, ItemRecorded("book-1", Mode.LEND, 5), ItemFinished("book-1"))
    session.receive(visit.ItemUnswitched("book-2"), 1)

    session.receive(FinishPressed(), 2)

    assert session.farewell == session_module.Farewell(2, 0, 1)
    assert session.patron is None
    assert session.tiles == ()


def test_a_notice_goes_by_itself():
    """A message somebody has read does not stay for the next reader."""
    session = Session()
    session.receive(CardRefused("notice_unknown_card"), 0)
    session.tick(7_999)
    assert session.notice == "notice_unknown_card"

    session.tick(8_000)

    assert session.notice == ""


def test_more_parts_of_a_refused_set_are_decided_anew():
    """Placing the missing disc of a set is a new try."""
    session = lending(BOOK)
    session.receive(visit.ItemRefused("book-1", None), 1)

    assert session.receive(BOOK, 2) == [CheckOut("book-1")]
