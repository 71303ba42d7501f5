"""What a return means."""

import datetime as dt

import pytest

from circulation.checkin import CheckinRequest, Route, decide_checkin
from circulation.holds import HoldView
from circulation.items import ItemState
from circulation.reasons import Reason


@pytest.fixture(scope="session")
def check_in(school):
    def decide(**more):
        given = {
            "item": school.item(state=ItemState.ON_LOAN, loan=school.loan(), home="main"),
            "policy": school.policy(members=["DE-1"]),
            "now": school.now("2026-09-14 10:00"),
            "site": "main",
        }
        return decide_checkin(CheckinRequest(**(given | more)))

    return decide


def hold(school, **more):
    given = {
        "hold": "hold-1",
        "title_id": "title-1",
        "patron": "ana",
        "pickup": "annex",
        "placed_at": school.local("2026-09-01 10:00"),
    }
    return HoldView(**(given | more))


def test_a_return_ends_the_loan_and_goes_to_the_shelf(school, check_in):
    """No card, no reader needed; it counts from now."""
    outcome = check_in()

    assert outcome.loan == school.loan()
    assert (outcome.route, outcome.route_to) == (Route.SHELF, None)
    assert outcome.counts_from == school.local("2026-09-14 10:00")
    assert not outcome.loan_stays_open
    assert outcome.warnings == ()


@pytest.mark.parametrize(
    ("owner", "reason"),
    [("", Reason.ITEM_UNKNOWN), ("DE-1", Reason.ITEM_UNKNOWN), ("DE-9", Reason.ITEM_FOREIGN)],
)
def test_an_unknown_item_is_taken_all_the_same(check_in, owner, reason):
    """It goes to the desk, and the screen says whether it is another library's."""
    outcome = check_in(item=None, owner=owner)

    assert (outcome.route, outcome.loan, outcome.warnings) == (Route.DESK, None, (reason,))
    assert not outcome.used_in_house


def test_without_listed_members_no_item_is_foreign(school, check_in):
    """A library that lists no members knows no strangers."""
    assert check_in(item=None, owner="DE-9", policy=school.policy()).warnings == (
        Reason.ITEM_UNKNOWN,
    )


@pytest.mark.parametrize(
    ("change", "route", "place"),
    [
        ({"owner": "DE-1"}, Route.SHELF, None),
        ({"owner": "DE-9"}, Route.OWNER, "DE-9"),
        ({"home": ""}, Route.SHELF, None),
        ({"home": "annex"}, Route.HOME, "annex"),
        ({"home": "annex", "deposit": "class-3-2"}, Route.DEPOSIT, "class-3-2"),
        ({"deposit": "class-3-2", "deposit_recalled": True}, Route.SHELF, None),
        ({"state": ItemState.DAMAGED}, Route.DESK, None),
        ({"state": ItemState.WITHDRAWN}, Route.DESK, None),
        ({"state": ItemState.IN_REPAIR}, Route.DESK, None),
    ],
)
def test_a_returned_item_is_sent_where_it_belongs(school, check_in, change, route, place):
    """Desk, owner, class corner, home site or shelf."""
    outcome = check_in(item=school.item(**({"home": "main"} | change)))

    assert (outcome.route, outcome.route_to) == (route, place)


def test_a_return_proposes_the_oldest_hold(school, check_in):
    """The kiosk only proposes; the route is the place of pickup."""
    late = hold(school, hold="hold-2", placed_at=school.local("2026-09-02 10:00"))

    outcome = check_in(holds=(late, hold(school)))

    assert (outcome.hold_proposed, outcome.route, outcome.route_to) == (
        "hold-1",
        Route.HOLD,
        "annex",
    )


@pytest.mark.parametrize(
    "change",
    [
        {"state": ItemState.DAMAGED},
        {"parts_total": 2},
        {"reference": True},
        {"not_for_loan": True},
    ],
)
def test_what_cannot_be_lent_fills_no_hold(school, check_in, change):
    """Damaged, incomplete, or for use here only."""
    outcome = check_in(
        item=school.item(home="main", **change), holds=(hold(school),), parts_read=frozenset({1})
    )

    assert outcome.hold_proposed is None


def test_a_set_without_a_part_is_taken_and_the_loan_stays_open_for_it(school, check_in):
    """The part is named; the rest is back."""
    box = school.item(
        state=ItemState.ON_LOAN, loan=school.loan(), parts_total=2, part_names={2: "CD"}
    )

    outcome = check_in(item=box, parts_read=frozenset({1}))

    assert outcome.parts_missing == (2,)
    assert outcome.loan_stays_open
    assert outcome.route is Route.DESK
    assert outcome.details == {Reason.PARTS_MISSING: {"parts": "2 (CD)", "total": 2}}


@pytest.mark.parametrize(("read", "warnings"), [({1, 2}, ()), (None, (Reason.PARTS_BY_EYE,))])
def test_a_complete_set_ends_its_loan(school, check_in, read, warnings):
    """All parts read, or one label and a look by eye."""
    box = school.item(state=ItemState.ON_LOAN, loan=school.loan(), parts_total=2, home="main")

    outcome = check_in(item=box, parts_read=None if read is None else frozenset(read))

    assert not outcome.loan_stays_open
    assert outcome.warnings == warnings


@pytest.mark.parametrize(
    ("state", "rule", "used"),
    [
        (ItemState.AVAILABLE, {}, True),
        (ItemState.TO_BE_SHELVED, {}, True),
        (ItemState.AVAILABLE, {"count_in_house": False}, False),
        (ItemState.IN_TRANSIT, {}, False),
    ],
)
def test_an_item_that_was_not_on_loan_counts_as_read_here(school, check_in, state, rule, used):
    """A book left on a table was used; one from the courier was not."""
    outcome = check_in(item=school.item(state=state), policy=school.policy(rule))

    assert outcome.used_in_house is used


def test_a_book_from_the_drop_was_not_read_here(school, check_in):
    """Somebody brought it back."""
    assert not check_in(item=school.item(), from_drop=True).used_in_house


def test_a_missing_item_that_comes_back_is_welcomed(school, check_in):
    """The screen says so; staff see whether something was paid."""
    outcome = check_in(item=school.item(state=ItemState.LOST, loan=school.loan()))

    assert outcome.warnings == (Reason.ITEM_WAS_MISSING,)
    assert not outcome.used_in_house


def test_an_unsure_clock_is_said_on_a_return_too(school, check_in):
    """The time on the slip may be behind."""
    assert check_in(now=school.now("2026-09-14 10:00", sure=False)).warnings == (
        Reason.TIME_UNSURE,
    )


@pytest.mark.parametrize(
    ("scanned", "emptied", "counts_from"),
    [
        ("2026-09-14 08:05", None, "2026-09-11 17:00"),
        ("2026-09-14 07:00", None, "2026-09-11 17:00"),
        ("2026-09-14 15:00", "2026-09-14 08:10", "2026-09-14 08:10"),
        ("2026-09-14 08:05", "2026-09-11 12:00", "2026-09-11 17:00"),
        ("2026-09-14 08:05", "2026-09-15 12:00", "2026-09-11 17:00"),
        ("2026-09-16 12:00", None, "2026-09-15 17:00"),
        ("2026-09-13 12:00", None, "2026-09-11 17:00"),
    ],
)
def test_the_friday_night_book_drop_scanned_on_monday_is_not_late(
    school, check_in, scanned, emptied, counts_from
):
    """Story 24: it counts from the start of the closed period, or from the last emptying."""
    outcome = check_in(
        now=school.now(scanned),
        from_drop=True,
        drop_emptied_at=school.local(emptied) if emptied else None,
    )

    assert outcome.counts_from == school.local(counts_from)


def test_a_book_drop_never_counts_from_before_the_loan(school, check_in):
    """Lent on Monday at eight, dropped and scanned at nine: not returned last Friday."""
    fresh = school.loan(checked_out_at=school.local("2026-09-14 08:30"))
    outcome = check_in(
        item=school.item(state=ItemState.ON_LOAN, loan=fresh),
        now=school.now("2026-09-14 09:00"),
        from_drop=True,
    )

    assert outcome.counts_from == school.local("2026-09-14 08:30")


def test_a_book_drop_never_counts_from_the_future(school, check_in):
    """A loan dated after now, by another station's clock, is returned now."""
    fast = school.loan(checked_out_at=school.local("2026-09-20 08:30"))
    outcome = check_in(item=school.item(state=ItemState.ON_LOAN, loan=fast), from_drop=True)

    assert outcome.counts_from == school.local("2026-09-14 10:00")


def test_a_book_drop_of_a_library_that_never_opened_counts_from_now(school, check_in):
    """Nothing better is known."""
    shut = [{"name": "x", "first": "2020-01-01", "last": "2199-01-01"}]
    policy = school.policy(calendars={"*": {"hours": school.week, "closed": shut}})

    outcome = check_in(item=school.item(), policy=policy, from_drop=True)

    assert outcome.counts_from == dt.datetime(2026, 9, 14, 8, 0, tzinfo=dt.UTC)
