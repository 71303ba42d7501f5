"""Who may place a hold, and which one an item is for."""

import datetime as dt

import pytest

from circulation.holds import (
    HoldPermitted,
    HoldRequest,
    HoldView,
    decide_hold,
    next_hold,
    shelf_until,
)
from circulation.items import ItemState
from circulation.reasons import Reason, Refused


def hold(school, number=1, **more):
    given = {
        "hold": f"hold-{number}",
        "title_id": "title-1",
        "patron": "li",
        "pickup": "main",
        "placed_at": school.local(f"2026-09-0{number} 10:00"),
    }
    return HoldView(**(given | more))


@pytest.fixture(scope="session")
def ask(school):
    def decide(**more):
        given = {
            "patron": school.patron(),
            "title_id": "title-1",
            "copies": (school.item(state=ItemState.ON_LOAN),),
            "policy": school.policy(),
            "now": school.now("2026-09-14 10:00"),
            "site": "main",
            "pickup": "main",
        }
        return decide_hold(HoldRequest(**(given | more)))

    return decide


def reasons(decision):
    return decision.reasons if isinstance(decision, Refused) else ()


def test_a_reader_reserves_what_is_on_loan(ask):
    """On the version in force."""
    assert ask() == HoldPermitted("main", 1)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"not_for_loan": True}, {}),
        ({"reference": True}, {}),
        ({"state": ItemState.WITHDRAWN}, {}),
        ({}, {"holds": False}),
        ({}, {"may_borrow": False}),
    ],
)
def test_what_cannot_be_lent_cannot_be_reserved(school, ask, change, rule):
    """No copy that this reader could borrow, no hold; and a title without copies neither."""
    copies = (school.item(**change),)

    assert reasons(ask(copies=copies, policy=school.policy(rule))) == (Reason.HOLD_NOT_ALLOWED,)
    assert reasons(ask(copies=())) == (Reason.HOLD_NOT_ALLOWED,)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, (Reason.HOLD_ON_SHELF,)),
        ({"held_for": "ana"}, ()),
        ({"state": ItemState.TO_BE_SHELVED}, ()),
    ],
)
def test_what_stands_on_the_shelf_may_have_to_be_fetched(school, ask, change, expected):
    """Where holds on shelved copies are off, a free copy on the shelf is no case for a hold."""
    copies = (school.item(**change),)

    assert reasons(ask(copies=copies, policy=school.policy({"holds_on_shelf": False}))) == expected
    assert reasons(ask(copies=copies)) == ()


def test_one_hold_a_title_and_none_on_what_one_has(school, ask):
    """Both are named."""
    decision = ask(own_holds=(hold(school),), open_loans=(school.loan(9, title_id="title-1"),))

    assert reasons(decision) == (Reason.HOLD_EXISTS, Reason.HOLD_ALREADY_LENT)


@pytest.mark.parametrize(
    ("limit", "expected"), [(3, ()), (2, (Reason.TOO_MANY_HOLDS,)), ("none", ())]
)
def test_a_readers_holds_are_limited(school, ask, limit, expected):
    """Two of three: one more; two of two: none."""
    own = tuple(hold(school, number, title_id=f"other-{number}") for number in (1, 2))

    assert reasons(ask(own_holds=own, policy=school.policy({"max_holds": limit}))) == expected


@pytest.mark.parametrize(
    ("limit", "expected"), [(3, ()), (2, (Reason.HOLD_QUEUE_FULL,)), ("none", ())]
)
def test_a_queue_is_limited(school, ask, limit, expected):
    """Two are waiting for this title."""
    queue = tuple(hold(school, number, patron="ana") for number in (1, 2))
    decision = ask(queue=queue, policy=school.policy({"max_hold_queue": limit}))

    assert reasons(decision) == expected
    if expected:
        assert decision.details[Reason.HOLD_QUEUE_FULL] == {"count": 2, "limit": 2}


def test_a_place_of_pickup_must_be_a_site(school, ask):
    """Where sites are listed."""
    assert reasons(ask(pickup="moon", policy=school.policy(sites=["main"]))) == (
        Reason.HOLD_PICKUP_UNKNOWN,
    )


def test_staff_may_place_a_hold_over_the_limit(school, ask):
    """The override is recorded."""
    decision = ask(
        policy=school.policy({"max_holds": 0}), staff_override=frozenset({Reason.TOO_MANY_HOLDS})
    )

    assert decision.overridden == (Reason.TOO_MANY_HOLDS,)


def test_the_oldest_fitting_hold_is_next(school):
    """Suspended ones wait, one for another copy does not fit, one for this very copy does."""
    holds = [
        hold(school, 1, suspended=True),
        hold(school, 2, title_id="title-9"),
        hold(school, 3, item_id="item-9"),
        hold(school, 4, item_id="item-1", title_id="title-9"),
        hold(school, 5),
    ]

    assert next_hold(holds, school.item()).hold == "hold-4"
    assert next_hold(holds[:3], school.item()) is None


def test_a_hold_waits_until_a_closing(school):
    """Seven days later, on an open day."""
    calendar = school.policy().calendar("main")

    assert shelf_until(calendar, school.local("2026-09-12 10:00"), 7) == school.local(
        "2026-09-21 17:00"
    )
    assert shelf_until(calendar, dt.datetime(2026, 9, 14, tzinfo=dt.UTC), 1) == school.local(
        "2026-09-15 17:00"
    )
