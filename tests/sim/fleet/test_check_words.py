"""The rules about what stations, gates and gateway say: each sees the run that breaks it."""

import json
from dataclasses import replace

import pytest

from sim.fleet.acts import Act, Plan, Shape
from sim.fleet.check import check
from sim.fleet.outcome import (
    Alarm,
    Anew,
    Applied,
    Committed,
    Event,
    ItemState,
    Missing,
    Outcome,
    Position,
    PutBack,
    Review,
    StationEnd,
    Unbacked,
)

DUE_AT = 1_800_000_000_000


@pytest.fixture
def run():
    """A run in which reader-01 has book-001 until a day that everybody knows."""
    outcome = Outcome(Plan(7, Shape(kiosks=2, gates=1, items=2), (), ()), rested=True)
    write(outcome, 1, "checkout", patron="reader-01", due_at=DUE_AT)
    stand(outcome, "on_loan", "reader-01", "f1", DUE_AT)
    outcome.stations["kiosk-1"] = StationEnd("kiosk-1", 2, 9, 9, 0, "aa", connected=True)
    return outcome


def write(outcome, number, kind, *, station="kiosk-1", patron="", at_ms=None, **fields):
    """Let a fact be committed and applied, as it should be."""
    fact_id = f"f{number}"
    body = json.dumps({"id": fact_id, "kind": kind, **fields}).encode()
    at_ms = number * 10_000 if at_ms is None else at_ms
    outcome.committed.append(
        Committed(fact_id, station, 1, number, at_ms, body, "book-001", patron)
    )
    outcome.committed.sort(key=lambda one: one.at_ms)
    outcome.surviving.add(fact_id)
    outcome.applied.append(Applied(fact_id, station, 1, number, kind, "book-001", body))


def stand(outcome, *holding):
    """Let the catalogue have the item so, whichever way its facts came."""
    state, patron, loan, due_at = holding
    outcome.item_states["book-001"] = ItemState(
        "book-001", state, patron, loan, due_at=due_at, last=(), anew=Anew(*holding)
    )


def broken(outcome):
    return {violation.rule for violation in check(outcome)}


def excuse(outcome, *acts):
    outcome.plan = outcome.plan.with_acts(acts)


def test_a_run_in_which_nobody_says_what_is_not_so_breaks_nothing(run):
    """No rule sees ghosts."""
    assert check(run) == []


def test_an_ack_that_was_not_so_when_it_was_believed_is_found(run):
    """Though the row may have come to the gateway later."""
    run.unbacked.append(Unbacked(5_000, "kiosk-1", "e1", 4))

    [found] = check(run)
    assert (found.rule, found.who, found.at_ms) == ("backed", "kiosk-1", 5_000)


def test_an_old_card_that_goes_on_as_if_nothing_were_gone_is_found(run):
    """The gateway had row 9 of the epoch in which the card ends with row 5."""
    run.put_back.append(PutBack(5_000, "kiosk-1", 2, 5, 9))

    assert broken(run) == {"old_card"}


@pytest.mark.parametrize(
    "card", [PutBack(5_000, "kiosk-1", 1, 5, 9), PutBack(5, "kiosk-1", 2, 5, 5)]
)
def test_an_old_card_that_lacks_nothing_or_was_noticed_is_in_order(run, card):
    """A new epoch was begun, or the gateway had no more than the card."""
    run.put_back.append(card)

    assert check(run) == []


@pytest.mark.parametrize(
    ("restored_ms", "kept", "rules"),
    [
        (6_000, "aa", set()),
        (4_000, "aa", {"old_card"}),
        (6_000, "09", {"old_card"}),
        (None, "aa", {"old_card"}),
    ],
    ids=["forgotten", "restored before", "still there", "never restored"],
)
def test_an_old_card_of_which_nobody_knows_more_goes_on(run, restored_ms, kept, rules):
    """A backup took the rows from the gateway too, before it could say that it had them."""
    run.put_back.append(PutBack(5_000, "kiosk-1", 2, 5, 9, ("06", "07", "08", "09")))
    run.positions.append(Position("kiosk-1", "e2", 6, kept, "f1"))
    if restored_ms is not None:
        excuse(run, Act(restored_ms, "gateway", "restore_backup"))

    assert broken(run) & {"old_card"} == rules


def test_two_journals_of_one_number_are_found(run):
    """By (number, row) nobody can tell which of two facts came first."""
    run.epochs += [("kiosk-1", 2, "aa"), ("kiosk-1", 2, "bb"), ("kiosk-2", 2, "cc")]

    [found] = check(run)
    assert (found.rule, found.who) == ("numbers", "kiosk-1")


def test_twins_may_number_their_journals_alike(run):
    """Neither can know of the other's."""
    run.epochs += [("kiosk-1", 2, "aa"), ("kiosk-1", 2, "bb")]
    excuse(run, Act(0, "kiosk-1", "twin", (60_000,)))

    assert check(run) == []


def test_a_history_without_a_restore_is_found(run):
    """Every gate would have to fetch its list anew."""
    run.events.append(Event(7_000, "gateway", "history", ("kiosk-1 was told 9 rows",)))

    assert broken(run) == {"history"}


def test_a_recovery_that_is_announced_too_soon_is_found(run):
    """Gates would let go of the list that knows last night's loans."""
    run.missing.append(Missing(8_000, "kiosk-1", "f1"))

    assert broken(run) == {"recovered"}


def test_nobody_waits_for_what_a_dead_card_took_with_it(run):
    """The gateway lost it and so did the station: staff are told, and all goes on."""
    run.missing.append(Missing(8_000, "kiosk-1", "f1"))
    excuse(run, Act(0, "kiosk-1", "new_card"))

    assert check(run) == []


def test_a_change_that_was_never_published_is_found(run):
    """Followers would notice with the next head only."""
    run.untold.append(("may_leave", 12))

    assert broken(run) == {"told"}


def test_a_station_that_is_said_to_be_dead_is_found(run):
    """Its last will stands, and it is there."""
    run.stations["kiosk-1"] = replace(run.stations["kiosk-1"], shown=False)

    assert broken(run) == {"shown"}


def test_a_catalogue_that_depends_on_the_order_of_arrival_is_found(run):
    """Its facts alone say that the book is on loan until another day."""
    item = run.item_states["book-001"]
    run.item_states["book-001"] = replace(item, anew=item.anew._replace(due_at=1))

    assert broken(run) == {"pure"}


def test_a_loan_that_a_strangers_renewal_extended_is_found(run):
    """The renewal names a loan that is over."""
    write(run, 2, "renewal", loan="f0", due_at=DUE_AT + 9)
    stand(run, "on_loan", "reader-01", "f1", DUE_AT + 9)

    assert broken(run) == {"due"}


def test_the_readers_own_renewal_moves_the_day(run):
    """The renewal names the loan."""
    write(run, 2, "renewal", loan="f1", due_at=DUE_AT + 9)
    stand(run, "on_loan", "reader-01", "f1", DUE_AT + 9)

    assert check(run) == []


DOUBT, UNCLEAR = ("uncertain", ("f1", "f2")), ("order_unclear", ("f1", "f2"))
LATER = DUE_AT + 9


@pytest.mark.parametrize(
    ("entry", "told", "due_at", "is_found"),
    [
        (DOUBT, "reader-01", LATER, False),
        (UNCLEAR, "reader-01", LATER, False),
        (None, "reader-01", LATER, True),
        (("uncertain", ("f1", "f4")), "reader-01", LATER, True),
        (("implicit_return", ("f1",)), "reader-01", LATER, True),
        (DOUBT, "reader-02", LATER, True),
        (DOUBT, "reader-01", LATER - 1, True),
        (DOUBT, "reader-01", DUE_AT - 1, True),
    ],
    ids=[
        "after a doubt",
        "after an unclear order",
        "no doubt",
        "within the doubt",
        "another entry",
        "told to somebody else",
        "told to nobody",
        "earlier",
    ],
)
def test_a_loan_after_a_doubt_may_be_due_on_a_later_day_told_before(
    run, entry, told, due_at, is_found
):
    """A doubt does not shorten what readers were told, though in truth that loan was over."""
    write(run, 2, "renewal", patron=told, loan="f1", due_at=LATER)
    write(run, 3, "checkin")
    write(run, 4, "checkout", station="kiosk-2", patron="reader-01", due_at=DUE_AT)
    stand(run, "on_loan", "reader-01", "f4", due_at)
    if entry is not None:
        rule, facts = entry
        run.reviews.append(Review("k", rule, "book-001", "", facts, "", "settled"))

    assert ("due" in broken(run)) is is_found


def test_a_loan_that_a_doubt_shortened_is_found(run):
    """The reader renewed it and has it still; the kiosk of the second checkout knew of neither."""
    write(run, 2, "renewal", patron="reader-01", loan="f1", due_at=LATER)
    write(run, 3, "checkout", station="kiosk-2", patron="reader-01", due_at=DUE_AT)
    stand(run, "on_loan", "reader-01", "f3", DUE_AT)
    run.reviews.append(Review("k", "uncertain", "book-001", "", ("f1", "f2"), "", "settled"))

    assert broken(run) == {"due"}


def test_a_reader_who_would_pay_for_a_book_that_is_here_is_found(run):
    """Not even an entry beside it makes that right."""
    write(run, 2, "checkin")
    run.reviews.append(Review("k", "order_unclear", "book-001", "", ("f1", "f2"), "", "open"))

    assert broken(run) == {"billed"}


def test_a_needless_doubt_is_found(run):
    """Whoever took it back had seen the loan."""
    write(run, 2, "checkin", station="kiosk-2", saw=["f1"])
    stand(run, "uncertain", "", "", 0)
    item = run.item_states["book-001"]
    run.item_states["book-001"] = replace(item, siblings=("to_be_shelved",))
    run.reviews.append(Review("k", "uncertain", "book-001", "", ("f1",), "", "open"))

    assert broken(run) == {"needless"}


def test_a_decision_that_did_not_know_of_a_return_is_told(run):
    """The return was a kiosk's that nobody had heard from; staff must look again."""
    write(run, 2, "checkin", station="kiosk-2", saw=["f1"])
    write(run, 3, "decision", station="desk", state="available", saw=["f1"])
    stand(run, "available", "", "", 0)

    silent = broken(run)
    run.reviews.append(Review("k", "unseen_by_decision", "book-001", "", ("f2",), "", "settled"))

    assert silent == {"surprise"}
    assert check(run) == []


ALARM = Alarm(50_000, "gate-1", "book-001", 6, "reader-01", ("f1",))


def test_an_alarm_for_a_loan_that_the_gate_was_told_of_is_found(run):
    """Whatever has happened to the network since."""
    run.alarms.append(ALARM)

    [found] = check(run)
    assert (found.rule, found.who, found.about) == ("heard", "gate-1", "book-001")


@pytest.mark.parametrize(
    "alarm",
    [replace(ALARM, heard=()), replace(ALARM, heard=("f0",)), replace(ALARM, holder="reader-02")],
    ids=["never told", "told of another loan", "somebody else"],
)
def test_an_alarm_that_the_gate_could_not_help_is_in_order(run, alarm):
    """Promised is what it was told of this very loan."""
    run.alarms.append(alarm)

    assert check(run) == []


@pytest.mark.parametrize(("applied", "rules"), [(True, set()), (False, {"heard"})])
def test_another_kiosks_word_counts_only_once_the_gateway_has_both(run, applied, rules):
    """A return the lender knew nothing of: while the list lacks the loan the site's "on" wins."""
    write(run, 2, "checkin", station="kiosk-2", at_ms=9_000)
    stand(run, "on_loan", "reader-01", "f1", DUE_AT)
    run.alarms.append(replace(ALARM, applied=applied))

    assert broken(run) == rules
