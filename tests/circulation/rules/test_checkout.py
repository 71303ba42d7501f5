"""May this reader take this item?"""

import dataclasses
import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circulation.checkout import Permitted, Refused, decide_checkout
from circulation.items import ItemState
from circulation.patrons import CardStatus, Identity, Pin
from circulation.reasons import Reason, in_order

AT_NOON = [{"on": ["tue"], "time": "12:00-13:00", "classes": ["3(2)"]}]


def reasons(request):
    decision = decide_checkout(request)
    return decision.reasons if isinstance(decision, Refused) else ()


def test_a_pupil_takes_a_book_for_four_weeks(school):
    """Nothing against it: due on a closing, free to leave, on the version in force."""
    decision = decide_checkout(school.checkout())

    assert decision == Permitted(
        due_at=school.local("2026-10-12 17:00"), reach=3, on_site=False, policy_version=1
    )


# Each change brings exactly one reason; any set of them must bring exactly that set.
SPOILERS = {
    Reason.CARD_LOST: lambda s, r: {"identity": identity(r, card=CardStatus.LOST)},
    Reason.PIN_WRONG: lambda s, r: {"identity": identity(r, pin=Pin.WRONG)},
    Reason.PATRON_EXPIRED: lambda s, r: patron(r, expires_on=dt.date(2026, 9, 13)),
    Reason.PATRON_BLOCKED: lambda s, r: patron(r, blocked=("talk to me",)),
    Reason.PATRON_LEFT: lambda s, r: patron(r, left=True),
    Reason.PATRON_SUSPENDED: lambda s, r: patron(r, suspended_until=dt.date(2026, 9, 14)),
    Reason.DEBT: lambda s, r: patron(r, fee_cents=501),
    Reason.OVERDUE_ITEMS: lambda s, r: loans(r, s.loan(90, due_at=s.local("2026-09-13 17:00"))),
    Reason.NOT_FOR_LOAN: lambda s, r: item(r, not_for_loan=True),
    Reason.ITEM_DAMAGED: lambda s, r: item(r, state=ItemState.DAMAGED),
    Reason.HELD_FOR_OTHER: lambda s, r: item(r, held_for="ana"),
    Reason.NOT_FOR_THIS_READER: lambda s, r: item(r, item_type="game"),
    Reason.ITEM_FOREIGN: lambda s, r: item(r, owner="DE-9"),
    Reason.PARTS_MISSING: lambda s, r: item(r, parts_total=3),
    Reason.PARTS_UNEXPECTED: lambda s, r: {"parts_read": r.parts_read | {7}},
    Reason.TOO_MANY_LOANS: lambda s, r: loans(
        r, *(s.loan(n, item_type="film") for n in (50, 51, 52))
    ),
    Reason.TOO_YOUNG: lambda s, r: patron(r, age_reached=6),
    Reason.CLOSED_NOW: lambda s, r: {"now": s.now("2026-09-14 18:00")},
}


def identity(request, **change):
    return dataclasses.replace(request.identity, **change)


def patron(request, **change):
    return {"patron": dataclasses.replace(request.patron, **change)}


def item(request, **change):
    return {"item": dataclasses.replace(request.item, **change)}


def loans(request, *more):
    return {"open_loans": (*request.open_loans, *more)}


def spoilt(school, names):
    policy = school.policy(
        {"minimum_age": 7, "max_debt_cents": 500, "max_overdue": 0, "max_loans": 3},
        {"item_type": "game", "may_borrow": False},
        members=["DE-1"],
    )
    request = school.checkout(
        policy=policy,
        patron=school.patron(age_reached=7, fee_cents=500),
        item=school.item(parts_total=2, owner="DE-1"),
        parts_read=frozenset({1, 2}),
        identity=Identity(),
    )
    for name in names:
        request = dataclasses.replace(request, **SPOILERS[name](school, request))
    return request


@pytest.mark.parametrize("reason", SPOILERS)
def test_each_reason_is_found_on_its_own(school, reason):
    """One thing is wrong, one reason is returned."""
    assert reasons(spoilt(school, [reason])) == (reason,)


@given(names=st.sets(st.sampled_from(sorted(SPOILERS, key=lambda reason: reason.value))))
def test_all_reasons_are_returned_and_none_hides_another(school, names):
    """The reasons for several troubles are the union of the reasons for each, in order."""
    assert reasons(spoilt(school, names)) == in_order(names)


@given(names=st.sets(st.sampled_from(sorted(SPOILERS, key=lambda reason: reason.value))))
def test_staff_may_wave_all_of_these_through(school, names):
    """Overridden reasons are recorded, each of them, and the loan is made."""
    request = dataclasses.replace(spoilt(school, names), staff_override=frozenset(names))

    decision = decide_checkout(request)

    assert isinstance(decision, Permitted)
    assert decision.overridden == in_order(names)


def test_an_unknown_card_and_an_unknown_item_are_both_named(school):
    """Also where there is neither reader nor item; staff cannot wave that through."""
    override = frozenset({Reason.CARD_UNKNOWN, Reason.ITEM_UNKNOWN})
    request = school.checkout(patron=None, item=None, staff_override=override)

    assert reasons(request) == (Reason.CARD_UNKNOWN, Reason.ITEM_UNKNOWN)


@pytest.mark.parametrize(
    ("rule", "typed", "pin", "expected"),
    [
        ({}, False, Pin.NOT_GIVEN, ()),
        ({}, True, Pin.NOT_GIVEN, (Reason.PIN_NEEDED,)),
        ({}, True, Pin.RIGHT, ()),
        ({}, False, Pin.WRONG, (Reason.PIN_WRONG,)),
        ({"pin_needed": True}, False, Pin.NOT_GIVEN, (Reason.PIN_NEEDED,)),
        ({"pin_needed": True}, False, Pin.RIGHT, ()),
        ({"category": "teacher", "pin_needed": True}, False, Pin.NOT_GIVEN, ()),
    ],
)
def test_a_pin_is_needed_where_the_policy_says_and_for_typed_numbers(
    school, rule, typed, pin, expected
):
    """A card is a name and no proof; a typed number is not even a card."""
    request = school.checkout(policy=school.policy(rule), identity=Identity(typed=typed, pin=pin))

    assert reasons(request) == expected


def test_a_voided_card_is_named(school):
    """The old card of somebody who has a new one."""
    assert reasons(school.checkout(identity=Identity(card=CardStatus.VOID))) == (Reason.CARD_VOID,)


@pytest.mark.parametrize(
    ("day", "expected"),
    [("2026-09-13", (Reason.PATRON_EXPIRED,)), ("2026-09-14", ()), ("2026-09-15", ())],
)
def test_a_card_is_valid_on_its_last_day(school, day, expected):
    """Expired means the day before today."""
    reader = school.patron(expires_on=dt.date.fromisoformat(day))

    assert reasons(school.checkout(patron=reader)) == expected


@pytest.mark.parametrize(
    ("day", "expected"), [("2026-09-13", ()), ("2026-09-14", (Reason.PATRON_SUSPENDED,))]
)
def test_a_pause_includes_its_last_day(school, day, expected):
    """Suspended until the 14th: again from the 15th on."""
    reader = school.patron(suspended_until=dt.date.fromisoformat(day))

    assert reasons(school.checkout(patron=reader)) == expected


@pytest.mark.parametrize(("count", "expected"), [(2, ()), (3, (Reason.TOO_MANY_LOANS,))])
def test_the_limit_is_reached_and_not_passed(school, count, expected):
    """With a limit of three, a third is lent and a fourth is not."""
    running = tuple(school.loan(number) for number in range(10, 10 + count))
    request = school.checkout(policy=school.policy({"max_loans": 3}), open_loans=running)

    decision = decide_checkout(request)

    assert reasons(request) == expected
    if expected:
        assert decision.details[Reason.TOO_MANY_LOANS] == {"count": 3, "limit": 3}


def test_a_limit_per_type_counts_that_type_alone(school):
    """Two films are enough; a book is still lent."""
    policy = school.policy({"item_type": "film", "max_of_type": 2})
    running = (school.loan(10, item_type="film"), school.loan(11, item_type="film"))

    film = school.checkout(policy=policy, open_loans=running, item=school.item(item_type="film"))
    book = school.checkout(policy=policy, open_loans=running)

    assert reasons(film) == (Reason.TOO_MANY_OF_TYPE,)
    assert reasons(book) == ()


def test_loans_on_site_and_loans_away_have_limits_of_their_own(school):
    """Three books on the reading-room desk do not count against the bag."""
    policy = school.policy({"max_loans": 1, "max_on_site": 1})
    here, away = school.loan(10, on_site=True), school.loan(11)

    def ask(running, **more):
        return reasons(school.checkout(policy=policy, open_loans=(running,), **more))

    assert ask(here) == ()
    assert ask(here, on_site=True) == (Reason.TOO_MANY_ON_SITE,)
    assert ask(away, on_site=True) == ()
    assert ask(away) == (Reason.TOO_MANY_LOANS,)


def test_a_doubtful_loan_counts_against_nobody(school):
    """Doubt favours the reader: its order is unclear, so it fills no limit and is not late."""
    unclear = school.loan(10, doubtful=True, due_at=school.local("2026-09-01 17:00"))
    policy = school.policy({"max_loans": 1, "max_overdue": 0})

    assert reasons(school.checkout(policy=policy, open_loans=(unclear,))) == ()


def test_an_overdue_item_only_warns_where_the_list_may_be_old(school):
    """Its return may lie in a journal that has not arrived."""
    late = school.loan(10, due_at=school.local("2026-09-13 17:00"))
    request = school.checkout(policy=school.policy({"max_overdue": 0}), open_loans=(late,))

    decision = decide_checkout(dataclasses.replace(request, stale=True))

    assert reasons(request) == (Reason.OVERDUE_ITEMS,)
    assert decision.warnings == (Reason.OVERDUE_ITEMS,)
    assert decision.details[Reason.OVERDUE_ITEMS] == {"count": 1}


@pytest.mark.parametrize(
    ("reached", "youngest", "expected"),
    [
        (None, None, (Reason.AGE_UNKNOWN,)),
        (None, 15, (Reason.TOO_YOUNG,)),
        (None, 16, ()),
        (12, None, (Reason.TOO_YOUNG,)),
        (16, None, ()),
        (12, 16, ()),
        (16, 6, ()),
    ],
)
def test_an_age_limit_is_checked_without_a_birth_date(school, reached, youngest, expected):
    """By the limit a reader is known to have reached, or by what all of a category have."""
    kind = {} if youngest is None else {"youngest": youngest}
    policy = school.policy({"item_type": "film", "minimum_age": 16}, categories={"pupil": kind})
    request = school.checkout(
        policy=policy,
        patron=school.patron(age_reached=reached),
        item=school.item(item_type="film"),
    )

    assert reasons(request) == expected


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (ItemState.AVAILABLE, ()),
        (ItemState.TO_BE_SHELVED, ()),
        (ItemState.ON_HOLD_SHELF, ()),
        (ItemState.UNCERTAIN, ()),
        (ItemState.WITHDRAWN, (Reason.ITEM_WITHDRAWN,)),
        (ItemState.IN_REPAIR, (Reason.ITEM_IN_REPAIR,)),
        (ItemState.DAMAGED, (Reason.ITEM_DAMAGED,)),
    ],
)
def test_the_state_of_an_item_refuses_only_what_must_not_go_out(school, state, expected):
    """What is to be mended or written off stays; the rest is lent."""
    assert reasons(school.checkout(item=school.item(state=state))) == expected


@pytest.mark.parametrize(
    ("state", "warning"),
    [
        (ItemState.MISSING, Reason.ITEM_WAS_MISSING),
        (ItemState.LOST, Reason.ITEM_WAS_MISSING),
        (ItemState.CLAIMED_RETURNED, Reason.ITEM_WAS_MISSING),
        (ItemState.IN_TRANSIT, Reason.ITEM_IN_TRANSIT),
    ],
)
def test_an_item_thought_to_be_elsewhere_is_lent_with_a_word(school, state, warning):
    """It is here, in the reader's hand; the lists were wrong, not the reader."""
    assert decide_checkout(school.checkout(item=school.item(state=state))).warnings == (warning,)


def test_an_item_held_for_this_very_reader_is_lent(school):
    """The hold is theirs."""
    assert reasons(school.checkout(item=school.item(held_for="li"))) == ()


def on_loan_to(school, who, **more):
    return school.item(state=ItemState.ON_LOAN, loan=school.loan(patron=who, **more))


def test_an_item_on_anothers_account_ends_that_loan(school):
    """An implicit return, said as a warning, with the loan that ends."""
    decision = decide_checkout(school.checkout(item=on_loan_to(school, "ana")))

    assert decision.warnings == (Reason.ON_LOAN_TO_OTHER,)
    assert decision.ends == "loan-1"


def test_a_library_may_want_it_returned_first(school):
    """Where taking over is off, the item is refused until it was returned."""
    policy = school.policy({"take_over": False})

    assert reasons(school.checkout(policy=policy, item=on_loan_to(school, "ana"))) == (
        Reason.ON_LOAN_TO_OTHER,
    )


def test_an_item_read_twice_in_one_session_is_the_same_loan(school):
    """The pad reads it again and again; the due date stays as told."""
    taken = on_loan_to(school, "li", session="s1", policy_version=1)

    again = decide_checkout(school.checkout(item=taken, session="s1"))

    assert again.repeats == "loan-1"
    assert again.due_at == school.local("2026-09-29 17:00")


@pytest.mark.parametrize("session", ["s2", ""])
def test_an_item_the_reader_has_already_is_a_renewal(school, session):
    """Another session, or none: more time, by the rules of renewing."""
    taken = on_loan_to(school, "li", session="s1")
    request = school.checkout(item=taken, session=session)

    assert decide_checkout(request).renews == "loan-1"
    assert decide_checkout(request).due_at == school.local("2026-10-12 17:00")


@pytest.mark.parametrize(
    ("read", "known_missing", "expected"),
    [
        ({1, 2, 3}, set(), ()),
        ({1, 3}, set(), (Reason.PARTS_MISSING,)),
        (set(), set(), (Reason.PARTS_MISSING,)),
        ({1, 3}, {2}, ()),
        ({1, 2, 3, 4}, set(), (Reason.PARTS_UNEXPECTED,)),
        ({1, 4}, set(), (Reason.PARTS_MISSING, Reason.PARTS_UNEXPECTED)),
    ],
)
def test_a_set_is_lent_with_all_its_parts(school, read, known_missing, expected):
    """n of n, without asking for a part that is known to be gone."""
    box = school.item(parts_total=3, parts_missing=frozenset(known_missing))

    assert reasons(school.checkout(item=box, parts_read=frozenset(read))) == expected


def test_missing_parts_are_named(school):
    """Not "a part is missing" but which."""
    box = school.item(parts_total=3, part_names={2: "CD", 3: "map"})

    refused = decide_checkout(school.checkout(item=box, parts_read=frozenset({1})))

    assert refused.details == {Reason.PARTS_MISSING: {"parts": "2 (CD), 3 (map)", "total": 3}}


def test_a_library_may_lend_incomplete_sets(school):
    """With a warning that names the parts."""
    policy = school.policy({"parts_complete": False})
    request = school.checkout(
        policy=policy, item=school.item(parts_total=2), parts_read=frozenset({1})
    )

    assert decide_checkout(request).warnings == (Reason.PARTS_MISSING,)


def test_a_set_scanned_by_barcode_is_checked_by_eye(school):
    """One label for all parts: the reader is asked to look."""
    decision = decide_checkout(school.checkout(item=school.item(parts_total=2)))

    assert decision.warnings == (Reason.PARTS_BY_EYE,)


@pytest.mark.parametrize(
    ("instant", "expected"),
    [
        ("2026-09-14 07:59", (Reason.CLOSED_NOW,)),
        ("2026-09-14 08:00", ()),
        ("2026-09-14 17:15", ()),
        ("2026-09-14 17:16", (Reason.CLOSED_NOW,)),
        ("2026-09-13 12:00", (Reason.CLOSED_NOW,)),
    ],
)
def test_nothing_is_lent_while_it_is_closed(school, instant, expected):
    """Outside opening hours, with a quarter of an hour for the queue."""
    assert reasons(school.checkout(now=school.now(instant))) == expected


def test_a_closed_library_says_when_it_opens(school):
    """The next step has a day and hours."""
    refused = decide_checkout(school.checkout(now=school.now("2026-09-12 12:00")))

    assert refused.details[Reason.CLOSED_NOW] == {
        "day": "2026-09-14",
        "from": "08:00",
        "to": "17:00",
    }


def test_a_library_without_any_open_day_cannot_lend(school):
    """No due date can be promised; not even staff can override that."""
    shut = {
        "*": {
            "hours": school.week,
            "closed": [{"name": "x", "first": "2026-01-01", "last": "2199-01-01"}],
        }
    }
    request = school.checkout(
        policy=school.policy(calendars=shut), staff_override=frozenset(Reason)
    )

    assert reasons(request) == (Reason.NO_OPEN_DAY,)
    assert Reason.CLOSED_NOW not in decide_checkout(school.checkout(policy=request.policy)).details


def rota_request(school, instant, *, sure=True, **more):
    policy = school.policy(rotas={"*": {"slots": AT_NOON}})
    reader = school.patron(**({"class_name": "3(2)"} | more))
    return school.checkout(policy=policy, patron=reader, now=school.now(instant, sure))


@pytest.mark.parametrize(
    ("instant", "expected"),
    [
        ("2026-09-15 11:59", (Reason.NOT_YOUR_TURN,)),
        ("2026-09-15 12:00", ()),
        ("2026-09-15 13:00", (Reason.NOT_YOUR_TURN,)),
    ],
)
def test_a_class_borrows_when_it_is_its_turn(school, instant, expected):
    """The rota is enforced offline, to the minute."""
    assert reasons(rota_request(school, instant)) == expected


def test_a_pupil_is_told_the_classs_next_turn(school):
    """The refusal names the day and the time, if there is one in sight."""
    refused = decide_checkout(rota_request(school, "2026-09-15 13:30"))
    gone = {
        "*": {
            "hours": school.week,
            "exams": [{"name": "e", "first": "2026-09-01", "last": "2027-09-01", "rota": "off"}],
        }
    }
    policy = school.policy(rotas={"*": {"slots": AT_NOON}}, calendars=gone)
    never = school.checkout(policy=policy, patron=school.patron(class_name="3(2)"))

    assert refused.details[Reason.NOT_YOUR_TURN] == {
        "day": "2026-09-22",
        "from": "12:00",
        "to": "13:00",
    }
    assert reasons(never) == (Reason.NOT_YOUR_TURN,)
    assert decide_checkout(never).details == {}


def test_teachers_and_readers_on_site_are_not_bound_by_the_rota(school):
    """The rota shares out the lending desk among pupils, nothing else."""
    teacher = rota_request(school, "2026-09-15 10:00", category="teacher")
    on_site = dataclasses.replace(rota_request(school, "2026-09-15 10:00"), on_site=True)

    assert reasons(teacher) == ()
    assert reasons(on_site) == ()


def test_a_reading_room_lends_for_the_day(school):
    """A station in a reading room makes loans on site; due at closing, not past the room."""
    policy = school.policy(reading_rooms=["reading-room"])

    decision = decide_checkout(school.checkout(policy=policy, room="reading-room"))

    assert decision.on_site
    assert decision.due_at == school.local("2026-09-14 17:00")
    assert decision.reach == 0


def test_a_reference_item_is_lent_on_site_or_not_at_all(school):
    """Due the same day; where loans on site are off, the reader is sent to the reading room."""
    atlas = school.item(reference=True)
    off = school.policy({"on_site_loans": False})

    assert decide_checkout(school.checkout(item=atlas)).on_site
    assert reasons(school.checkout(policy=off, item=atlas)) == (Reason.REFERENCE_ONLY,)
    assert not decide_checkout(school.checkout(policy=off, on_site=True)).on_site


def test_a_loan_may_be_capped_at_the_end_of_term_and_of_the_card(school):
    """The earlier of the two, moved back to an open day."""
    term = [{"name": "t", "first": "2026-09-01", "last": "2026-10-04"}]
    calendars = {"*": {"hours": school.week, "terms": term}}

    def due(rule, expires_on, calendars=calendars):
        policy = school.policy(rule, calendars=calendars)
        day = dt.date.fromisoformat(expires_on)
        override = frozenset({Reason.PATRON_EXPIRED})
        request = school.checkout(
            policy=policy, patron=school.patron(expires_on=day), staff_override=override
        )
        return decide_checkout(request).due_at

    both = {"not_beyond_term": True, "not_beyond_expiry": True}
    full = school.local("2026-10-12 17:00")
    assert due({}, "2026-09-16") == full
    assert due(both, "2027-01-01") == school.local("2026-10-02 17:00")
    assert due(both, "2026-09-16") == school.local("2026-09-16 17:00")
    assert due({"not_beyond_expiry": True}, "2026-09-01") == full
    assert due({"not_beyond_term": True}, "2027-01-01", {"*": {"hours": school.week}}) == full


def test_a_loan_without_a_term_in_the_calendar_warns(school):
    """The reader gets the usual length; staff see why."""
    policy = school.policy({"loan": {"end_of": "term"}})

    assert decide_checkout(school.checkout(policy=policy)).warnings == (Reason.TERM_UNKNOWN,)


@given(
    steps=st.lists(
        st.tuples(st.integers(0, 11), st.sampled_from(["book", "film"]), st.booleans()),
        max_size=40,
    )
)
def test_a_limit_is_never_exceeded_at_one_kiosk(school, steps):
    """Whatever is tried in whatever order, against the kiosk's own loans."""
    policy = school.policy(
        {"max_loans": 4, "max_on_site": 2}, {"item_type": "film", "max_of_type": 2}
    )
    running = {}
    for number, kind, on_site in steps:
        if number in running:
            del running[number]  # it is returned
            continue
        wanted = school.item(number, item_type=kind)
        decision = decide_checkout(
            school.checkout(
                policy=policy, item=wanted, on_site=on_site, open_loans=tuple(running.values())
            )
        )
        if isinstance(decision, Permitted):
            running[number] = school.loan(
                number, item_type=kind, on_site=decision.on_site, due_at=decision.due_at
            )
        away = [loan for loan in running.values() if not loan.on_site]
        assert len(away) <= 4
        assert len(running) - len(away) <= 2
        assert sum(loan.item_type == "film" for loan in away) <= 2
