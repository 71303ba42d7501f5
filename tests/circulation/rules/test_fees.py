"""What a late or lost item costs."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circulation.fees import (
    IN_TIME,
    compensation_cents,
    late_days,
    late_outcome,
    may_remind,
    settled_until,
)
from circulation.terms import Late, Terms

TEN_CENTS = Terms(late=Late(fee_per_day_cents=10, max_fee_cents=300))
DAY_FOR_DAY = Terms(late=Late(suspension_days_per_day=2, max_suspension_days=9))


@pytest.fixture(scope="session")
def outcome(school):
    def decide(terms, returned, *, settled=None, price_cents=None, **more):
        at = school.local(returned)
        return late_outcome(
            school.loan(due_at=school.local("2026-09-11 17:00"), **more),
            terms,
            school.policy().calendar("main"),
            returned_at=at,
            settled=school.local(settled) if settled else at,
            price_cents=price_cents,
        )

    return decide


def test_out_of_the_box_a_late_return_costs_nothing(outcome):
    """Neither fee nor suspension; the days are known all the same."""
    found = outcome(Terms(), "2026-09-30 12:00")

    assert (found.days, found.fee_cents, found.suspended_until) == (13, 0, None)


@pytest.mark.parametrize(
    ("returned", "days"),
    [
        ("2026-09-11 17:00", 0),
        ("2026-09-11 18:00", 0),
        ("2026-09-13 12:00", 0),
        ("2026-09-14 08:00", 1),
        ("2026-09-14 16:00", 1),
        ("2026-09-15 08:00", 2),
    ],
)
def test_only_open_days_after_the_due_day_are_late(outcome, returned, days):
    """Due on Friday: the weekend is nobody's fault, and Friday evening is Friday."""
    assert outcome(TEN_CENTS, returned).fee_cents == days * 10


def test_closed_days_count_where_the_policy_says_so(outcome):
    """Then Saturday, Sunday and Monday are three."""
    late = Terms(late=Late(fee_per_day_cents=10, closed_days_count=True))

    assert outcome(late, "2026-09-14 08:00").fee_cents == 30


@pytest.mark.parametrize(("grace", "fee"), [(0, 20), (1, 10), (2, 0), (3, 0)])
def test_days_of_grace_are_free(outcome, grace, fee):
    """Tuesday is two days late, less those of grace."""
    terms = Terms(grace_days=grace, late=Late(fee_per_day_cents=10))

    assert outcome(terms, "2026-09-15 08:00").fee_cents == fee


@pytest.mark.parametrize(
    ("price", "fee"), [(None, 300), (299, 299), (300, 300), (5_000, 300), (0, 0)]
)
def test_a_fee_never_exceeds_the_cap_nor_the_price(outcome, price, fee):
    """A year late costs the cap, or the price if that is less."""
    assert outcome(TEN_CENTS, "2027-09-15 08:00", price_cents=price).fee_cents == fee


def test_a_suspension_runs_from_the_return_and_is_capped(outcome):
    """Two days for each day late, at most nine."""
    assert outcome(DAY_FOR_DAY, "2026-09-15 08:00").suspended_until == dt.date(2026, 9, 19)
    assert outcome(DAY_FOR_DAY, "2026-10-15 08:00").suspended_until == dt.date(2026, 10, 24)


def test_a_doubtful_loan_costs_nothing(outcome):
    """Its order is unclear: the reader owes nothing."""
    assert outcome(TEN_CENTS, "2026-09-30 12:00", doubtful=True) == IN_TIME


def test_a_fee_rests_only_on_what_has_arrived(outcome):
    """A kiosk was last heard on Monday: it may have had the book since."""
    assert outcome(TEN_CENTS, "2026-09-30 12:00", settled="2026-09-14 12:00").fee_cents == 10
    assert outcome(TEN_CENTS, "2026-09-30 12:00", settled="2026-09-11 12:00") == IN_TIME


def test_a_station_never_heard_stops_every_fee(school):
    """Nothing is settled while one station that takes returns was never heard."""
    now, monday = school.local("2026-09-30 12:00"), school.local("2026-09-14 12:00")
    calendar = school.policy().calendar("main")

    assert settled_until(now, []) == now
    assert settled_until(now, [monday, school.local("2026-10-30 12:00")]) == monday
    assert settled_until(now, [monday, None]) is None
    found = late_outcome(school.loan(), TEN_CENTS, calendar, returned_at=now, settled=None)
    assert found == IN_TIME


def test_forty_returns_at_an_offline_kiosk_bring_no_reminder(school):
    """Story 24: offline all weekend, so nobody is reminded until it was heard."""
    due = school.loan(due_at=school.local("2026-09-11 17:00"))
    monday, friday = school.local("2026-09-14 07:00"), school.local("2026-09-11 16:00")

    assert not may_remind(due, settled_until(monday, [friday]))
    assert not may_remind(due, None)
    assert may_remind(due, settled_until(monday, [monday]))
    assert not may_remind(school.loan(due_at=due.due_at, doubtful=True), monday)


@pytest.mark.parametrize(
    ("price", "percent", "expected"),
    [(None, 100, None), (999, 100, 999), (999, 150, 1498), (999, 0, 0)],
)
def test_a_lost_item_costs_its_price_times_a_factor(price, percent, expected):
    """Unknown prices are for staff to find out."""
    assert compensation_cents(price, Terms(lost_price_percent=percent)) == expected


def test_a_clock_of_the_next_century_bills_nobody_for_it(school):
    """Ten years at most are counted."""
    terms = Terms(late=Late(closed_days_count=True))
    calendar = school.policy().calendar("main")

    days = late_days(
        school.local("2026-09-11 17:00"), school.local("2106-09-11 18:00"), terms, calendar
    )

    assert days == 3_650


@given(
    days=st.integers(-10, 400),
    fee=st.integers(0, 1_000),
    cap=st.none() | st.integers(0, 5_000),
    price=st.none() | st.integers(0, 5_000),
)
def test_a_fee_is_never_negative_nor_above_any_cap(school, days, fee, cap, price):
    """Whatever the dates and amounts."""
    loan = school.loan()
    returned = loan.due_at + dt.timedelta(days=days)
    terms = Terms(late=Late(fee_per_day_cents=fee, max_fee_cents=cap))

    found = late_outcome(
        loan,
        terms,
        school.policy().calendar("main"),
        returned_at=returned,
        settled=returned,
        price_cents=price,
    )

    assert 0 <= found.fee_cents <= fee * max(days, 0)
    assert all(found.fee_cents <= limit for limit in (cap, price) if limit is not None)
