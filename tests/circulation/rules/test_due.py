"""How long a loan lasts."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circulation.calendar import Calendar, MakeUpDay, Now, Period, Span
from circulation.doc import Doc, PolicyInvalid
from circulation.due import Length, Unit, due_after_recall, due_at, due_today
from circulation.reasons import Reason

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = (
    "Europe/Berlin",
    "Asia/Shanghai",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Asia/Beirut",
)
WEEK = {day: ["08:00-17:00"] for day in ("mon", "tue", "wed", "thu", "fri")}
TERM = {"name": "autumn", "first": "2026-09-01", "last": "2026-12-20"}
HOLIDAYS = {"name": "holidays", "first": "2026-10-01", "last": "2026-10-11"}


def calendar(**table):
    return Calendar.from_doc(Doc({"hours": WEEK} | table, "calendar"), BERLIN)


def length(**table):
    return Length.from_doc(Doc(table, "loan"))


def now(text):
    return Now(dt.datetime.fromisoformat(text).replace(tzinfo=BERLIN))


def local(due):
    return due.at.astimezone(BERLIN).strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (1, "2026-09-15 17:00"),
        (4, "2026-09-18 17:00"),
        (5, "2026-09-21 17:00"),
        (7, "2026-09-21 17:00"),
        (16, "2026-09-30 17:00"),
        (17, "2026-10-12 17:00"),
        (28, "2026-10-12 17:00"),
        (29, "2026-10-13 17:00"),
    ],
)
def test_a_counted_loan_moves_on_to_the_next_open_day(days, expected):
    """Weekends and holidays give time, they do not take it."""
    found = due_at(length(days=days), now("2026-09-14 10:00"), calendar(closed=[HOLIDAYS]))

    assert local(found) == expected


@pytest.mark.parametrize(
    ("until", "expected"),
    [
        ("2026-09-30", "2026-09-30 17:00"),
        ("2026-10-01", "2026-09-30 17:00"),
        ("2026-10-11", "2026-09-30 17:00"),
        ("2026-10-12", "2026-10-12 17:00"),
        ("2026-09-14", "2026-09-14 17:00"),
        ("2026-09-13", "2026-09-14 17:00"),
        ("2020-01-01", "2026-09-14 17:00"),
    ],
)
def test_a_fixed_date_moves_back_and_never_into_the_past(until, expected):
    """A named day is a last day; when it is over, the next open day is due."""
    found = due_at(length(until=until), now("2026-09-14 10:00"), calendar(closed=[HOLIDAYS]))

    assert local(found) == expected


def test_a_fixed_date_after_closing_moves_to_the_next_open_day():
    """Friday evening: Friday's closing is past, so it is Monday's."""
    found = due_at(length(until="2026-09-18"), now("2026-09-18 17:00"), calendar())

    assert local(found) == "2026-09-21 17:00"


@pytest.mark.parametrize(
    ("instant", "expected"),
    [
        ("2026-09-14 10:00", "2026-12-18 17:00"),
        ("2026-12-18 16:59", "2026-12-18 17:00"),
        ("2026-12-18 17:00", "2026-12-21 17:00"),
        ("2026-08-20 10:00", "2026-12-18 17:00"),
    ],
)
def test_the_end_of_term_moves_back_to_an_open_day(instant, expected):
    """Term ends on a Sunday: books are due on the Friday before."""
    found = due_at(length(end_of="term"), now(instant), calendar(terms=[TERM]))

    assert local(found) == expected
    assert found.notices == ()


def test_without_a_term_the_usual_length_is_used_and_said():
    """A term nobody entered stops no lending; staff are told."""
    found = due_at(length(end_of="term"), now("2026-09-14 10:00"), calendar())

    assert local(found) == "2026-10-12 17:00"
    assert found.notices == (Reason.TERM_UNKNOWN,)


@pytest.mark.parametrize(
    ("instant", "hours", "expected"),
    [
        ("2026-09-14 10:00", 3, "2026-09-14 13:00"),
        ("2026-09-14 14:00", 3, "2026-09-14 17:00"),
        ("2026-09-14 14:01", 3, "2026-09-15 09:00"),
        ("2026-09-18 16:00", 3, "2026-09-21 09:00"),
        ("2026-09-14 05:00", 2, "2026-09-14 09:00"),
    ],
)
def test_a_loan_in_hours_that_ends_while_closed_is_due_after_opening(instant, hours, expected):
    """Nobody is late the moment the door opens."""
    assert local(due_at(length(hours=hours), now(instant), calendar())) == expected


def test_a_short_opening_ends_a_loan_in_hours():
    """The hour after opening never reaches past closing."""
    short = calendar(hours={"tue": ["12:00-12:30"], "mon": ["08:00-17:00"]})

    assert local(due_at(length(hours=4), now("2026-09-14 16:00"), short)) == "2026-09-15 12:30"


@pytest.mark.parametrize(
    ("instant", "expected"),
    [
        ("2026-09-14 10:00", "2026-09-14 17:00"),
        ("2026-09-14 16:59", "2026-09-14 17:00"),
        ("2026-09-14 17:00", "2026-09-15 17:00"),
        ("2026-09-19 10:00", "2026-09-21 17:00"),
    ],
)
def test_a_loan_on_site_is_due_the_same_day(instant, expected):
    """Until closing; lent after closing, on the next open day."""
    at = due_today(calendar(), now(instant).at)

    assert at.astimezone(BERLIN).strftime("%Y-%m-%d %H:%M") == expected


@pytest.mark.parametrize(
    ("not_after", "expected"),
    [("2026-10-12", "2026-10-12 17:00"), ("2026-10-11", "2026-10-09 17:00")],
)
def test_a_cap_moves_back(not_after, expected):
    """Capped at a closed day, a loan is due on the open day before."""
    cap = dt.date.fromisoformat(not_after)

    found = due_at(length(days=28), now("2026-09-14 10:00"), calendar(), not_after=cap)

    assert local(found) == expected


@pytest.mark.parametrize("table", [{"days": 7}, {"hours": 7}, {"until": "2026-05-05"}])
def test_a_library_closed_for_years_has_no_due_date(table):
    """No open day, no date; the caller refuses and says why."""
    shut = calendar(closed=[{"name": "gone", "first": "2026-01-01", "last": "2199-12-31"}])

    assert due_at(length(**table), now("2026-02-01 10:00"), shut).at is None
    assert (
        due_at(length(**table), now("2026-02-01 10:00"), shut, not_after=dt.date(2026, 3, 1)).at
        is None
    )


@pytest.mark.parametrize(
    ("notice_days", "expected"),
    [
        (3, "2026-09-17 17:00"),
        (6, "2026-09-18 17:00"),
        (14, "2026-09-28 17:00"),
        (15, "2026-09-29 17:00"),
        (40, "2026-09-29 17:00"),
    ],
)
def test_a_recall_moves_back_and_never_gives_more_time(notice_days, expected):
    """A recalled loan is due on the open day before the notice ends, or as it was."""
    due = now("2026-09-29 17:00").at

    at = due_after_recall(
        calendar(), due=due, notice_days=notice_days, now=now("2026-09-14 10:00").at
    )

    assert at.astimezone(BERLIN).strftime("%Y-%m-%d %H:%M") == expected


def test_a_recall_into_years_of_closure_changes_nothing():
    """Where no open day is known the old date stands."""
    shut = calendar(closed=[{"name": "gone", "first": "2026-01-01", "last": "2199-12-31"}])
    due = now("2026-09-29 17:00").at

    assert due_after_recall(shut, due=due, notice_days=3, now=now("2026-09-14 10:00").at) == due


@pytest.mark.parametrize(
    "table",
    [{"hours": 3}, {"days": 14}, {"until": "2027-06-25"}, {"end_of": "term"}],
)
def test_a_length_is_written_as_it_was_read(table):
    """Reading and writing are each other's inverse."""
    assert length(**table).to_doc() == table


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "loan: name exactly one of hours, days, until, end_of"),
        ({"days": 7, "hours": 1}, "loan: name exactly one of"),
        ({"days": 0}, "loan.days: 0 is not within 1 to 730"),
        ({"days": 731}, "loan.days: 731 is not within 1 to 730"),
        ({"hours": 241}, "loan.hours: 241 is not within 1 to 240"),
        ({"days": True}, "loan.days: expected a whole number, found bool"),
        ({"days": 1.5}, "loan.days: expected a whole number, found float"),
        ({"end_of": "year"}, "loan.end_of: 'year' is not one of term"),
        ({"days": 7, "until_": 1}, "loan: 'until_' is not an option"),
    ],
)
def test_a_length_that_cannot_be_is_refused(table, message):
    """Exactly one unit, within bounds."""
    with pytest.raises(PolicyInvalid) as caught:
        length(**table)

    assert message in str(caught.value)


DAYS = st.dates(dt.date(2025, 1, 1), dt.date(2027, 12, 31))
SPANS = st.tuples(st.integers(0, 1439), st.integers(1, 1440)).filter(lambda s: s[0] < s[1])
HOURS = st.one_of(st.just(()), SPANS.map(lambda s: (Span(*s),)))
PERIODS = st.tuples(DAYS, st.integers(0, 40)).map(
    lambda p: Period("closed", p[0], p[0] + dt.timedelta(days=p[1]))
)
CALENDARS = st.builds(
    Calendar,
    zone=st.sampled_from(ZONES).map(ZoneInfo),
    hours=st.tuples(*[HOURS] * 7).filter(any),
    hours_odd=st.dictionaries(st.integers(0, 6), HOURS, max_size=2),
    closed=st.lists(PERIODS, max_size=4).map(tuple),
    make_up=st.dictionaries(DAYS, st.builds(MakeUpDay, st.integers(0, 6), st.none()), max_size=3),
    exceptions=st.dictionaries(DAYS, HOURS, max_size=3),
    terms=st.lists(PERIODS, max_size=1).map(tuple),
)
LENGTHS = st.one_of(
    st.integers(1, 240).map(lambda count: Length(Unit.HOURS, count)),
    st.integers(1, 100).map(lambda count: Length(Unit.DAYS, count)),
    DAYS.map(lambda day: Length(Unit.UNTIL, day=day)),
    st.just(Length(Unit.END_OF)),
)
NOWS = st.datetimes(dt.datetime(2025, 1, 1), dt.datetime(2027, 12, 31), timezones=st.just(dt.UTC))


@given(CALENDARS, LENGTHS, NOWS, st.none() | DAYS)
def test_a_due_date_lies_on_an_open_day_and_never_in_the_past(calendar, length, at, not_after):
    """Whatever the calendar, the zone, the clock change and the length."""
    due = due_at(length, Now(at), calendar, not_after=not_after).at

    if due is not None:
        assert due > at
        assert calendar.hours_on(calendar.local(due)[0])


@given(CALENDARS, NOWS)
def test_a_loan_on_site_is_due_in_the_future_on_an_open_day(calendar, at):
    """The same law for loans on site."""
    due = due_today(calendar, at)

    if due is not None:
        assert due > at
        assert calendar.hours_on(calendar.local(due)[0])
