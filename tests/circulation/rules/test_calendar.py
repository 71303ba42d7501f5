"""Days, hours and terms."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from circulation.calendar import Calendar, Now, Span
from circulation.doc import Doc, PolicyInvalid

BERLIN = ZoneInfo("Europe/Berlin")
WEEK = {day: ["08:00-17:00"] for day in ("mon", "tue", "wed", "thu", "fri")}


def calendar(zone=BERLIN, **table):
    return Calendar.from_doc(Doc({"hours": WEEK} | table, "calendar"), zone)


def day(text):
    return dt.date.fromisoformat(text)


def utc(text):
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def test_a_calendar_without_hours_is_always_open():
    """A library that sets nothing can lend."""
    always = Calendar.from_doc(Doc({}, "calendar"), BERLIN)

    assert always.is_open_at(utc("2026-01-01 03:00"))


@pytest.mark.parametrize(
    ("instant", "is_open", "leniently"),
    [
        ("2026-01-12 06:59", False, False),
        ("2026-01-12 07:00", True, True),
        ("2026-01-12 16:00", True, True),
        ("2026-01-12 16:01", False, True),
        ("2026-01-12 16:15", False, True),
        ("2026-01-12 16:16", False, False),
    ],
)
def test_the_queue_at_closing_time_is_still_served(instant, is_open, leniently):
    """Open from 08:00 to 17:00 local, and a quarter of an hour longer for those who wait."""
    assert calendar().is_open_at(utc(instant)) is is_open
    assert calendar().is_open_at(utc(instant), lenient=True) is leniently


def test_a_make_up_saturday_counts_as_a_thursday():
    """A working Saturday has the hours and the timetable of the day it stands for."""
    made_up = calendar(make_up=[{"day": "2026-10-10", "as": "thu"}])

    assert made_up.hours_on(day("2026-10-10")) == (Span(480, 1020),)
    assert made_up.timetable(day("2026-10-10")) == (3, "odd")


def test_a_make_up_day_may_stand_for_another_week():
    """The Saturday that makes up for a day of an even week follows the even week."""
    made_up = calendar(make_up=[{"day": "2026-10-10", "as": "thu", "week": "even"}])

    assert made_up.timetable(day("2026-10-10")) == (3, "even")


def test_a_make_up_day_opens_inside_a_closed_period():
    """The more exact entry decides."""
    found = calendar(
        closed=[{"name": "holidays", "first": "2026-10-01", "last": "2026-10-11"}],
        make_up=[{"day": "2026-10-10", "as": "thu"}],
    )

    assert found.hours_on(day("2026-10-09")) == ()
    assert found.hours_on(day("2026-10-10")) == (Span(480, 1020),)
    assert found.hours_on(day("2026-10-12")) == (Span(480, 1020),)


def test_an_exception_decides_before_everything():
    """A day named with its hours has those, and none if it names none."""
    found = calendar(
        closed=[{"name": "holidays", "first": "2026-10-01", "last": "2026-10-11"}],
        exceptions=[
            {"day": "2026-10-02", "hours": ["10:00-11:00"]},
            {"day": "2026-10-12", "hours": []},
        ],
    )

    assert found.hours_on(day("2026-10-02")) == (Span(600, 660),)
    assert found.hours_on(day("2026-10-12")) == ()


def test_odd_and_even_weeks_have_hours_of_their_own():
    """Saturdays of odd weeks only, by the ISO week."""
    found = calendar(hours_odd={"sat": ["09:00-12:00"]}, hours_even={"fri": []})

    assert found.hours_on(day("2026-10-10")) == (Span(540, 720),)
    assert found.hours_on(day("2026-10-17")) == ()
    assert found.hours_on(day("2026-10-09")) == (Span(480, 1020),)
    assert found.hours_on(day("2026-10-16")) == ()


def test_weeks_may_be_counted_from_the_first_of_term():
    """The week in which term begins is week one, whatever its weekday."""
    found = calendar(
        weeks="term", terms=[{"name": "autumn", "first": "2026-09-02", "last": "2026-12-18"}]
    )

    assert found.week_of(day("2026-09-02")) == "odd"
    assert found.week_of(day("2026-09-06")) == "odd"
    assert found.week_of(day("2026-09-07")) == "even"
    assert found.week_of(day("2026-12-21")) == "even"


def test_exam_weeks_may_have_longer_hours():
    """Exam weeks' hours replace the weekly ones, weekend included."""
    exams = [
        {
            "name": "exams",
            "first": "2026-06-01",
            "last": "2026-06-14",
            "hours": {"sun": ["10:00-20:00"]},
        },
        {"name": "retakes", "first": "2026-09-01", "last": "2026-09-02"},
    ]
    found = calendar(exams=exams)

    assert found.hours_on(day("2026-06-07")) == (Span(600, 1200),)
    assert found.hours_on(day("2026-06-08")) == ()
    assert found.hours_on(day("2026-09-01")) == (Span(480, 1020),)


@pytest.mark.parametrize(
    ("date", "closing"),
    [
        ("2026-03-27", "2026-03-27 16:00"),
        ("2026-03-30", "2026-03-30 15:00"),
        ("2026-10-23", "2026-10-23 15:00"),
        ("2026-10-26", "2026-10-26 16:00"),
    ],
)
def test_closing_stays_at_five_when_the_clocks_change(date, closing):
    """17:00 is 17:00 on the wall, before and after both changes of the clock."""
    assert calendar().closing_at(day(date)) == utc(closing)


def test_closing_in_the_hour_that_comes_twice_is_the_second():
    """02:30 comes twice on 25 October 2026: the reader has until the later one."""
    night = calendar(hours={"sun": ["00:00-02:30"]})

    assert night.closing_at(day("2026-10-25")) == utc("2026-10-25 01:30")
    assert night.instant(day("2026-10-25"), 150, later=False) == utc("2026-10-25 00:30")


def test_closing_in_the_hour_that_is_skipped_is_not_earlier():
    """02:30 does not exist on 29 March 2026: closing is then 03:30, never 01:30."""
    night = calendar(hours={"sun": ["00:00-02:30"]})

    assert night.closing_at(day("2026-03-29")) == utc("2026-03-29 01:30")


def test_midnight_at_the_end_of_a_day_belongs_to_that_day():
    """24:00 is kept as the last second, so that the due date reads as that day."""
    late = calendar(hours={"mon": ["08:00-24:00"]})

    assert late.closing_at(day("2026-01-12")) == utc("2026-01-12 22:59:59")


def test_a_closed_day_has_no_closing():
    """There is nothing to close."""
    assert calendar().closing_at(day("2026-01-11")) is None


@pytest.mark.parametrize(
    ("instant", "opening"),
    [
        ("2026-01-12 05:00", ("2026-01-12", 480)),
        ("2026-01-12 07:00", ("2026-01-12", 780)),
        ("2026-01-12 12:00", ("2026-01-13", 480)),
        ("2026-01-16 12:00", ("2026-01-19", 480)),
    ],
)
def test_the_next_opening_may_be_today_or_after_the_weekend(instant, opening):
    """A closed door says when it opens."""
    split = calendar(hours={name: ["08:00-12:00", "13:00-17:00"] for name in WEEK})

    found = split.next_opening(utc(instant))

    assert (found[0].isoformat(), found[1].since) == opening


def test_a_search_for_an_open_day_ends():
    """A calendar closed for years is answered, not searched for ever."""
    shut = calendar(closed=[{"name": "rebuilding", "first": "2026-01-01", "last": "2199-12-31"}])

    assert shut.next_opening(utc("2026-02-01 12:00")) is None
    assert shut.open_day_before(day("2030-01-01")) is None


def test_terms_are_found_by_day_and_by_what_comes_next():
    """Between terms the next one counts; after the last there is none."""
    found = calendar(
        terms=[
            {"name": "spring", "first": "2027-02-01", "last": "2027-06-25"},
            {"name": "autumn", "first": "2026-09-01", "last": "2026-12-18"},
        ]
    )

    assert found.term_on(day("2026-12-18")).name == "autumn"
    assert found.term_on(day("2026-12-19")) is None
    assert found.term_from(day("2026-12-19")).name == "spring"
    assert found.term_from(day("2027-06-26")) is None


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"hours": {"mon": ["8-17"]}}, "calendar.hours.mon[0]: '8' is no time of day"),
        ({"hours": {"mon": ["08:00"]}}, "calendar.hours.mon[0]: write hours like 08:00-12:30"),
        ({"hours": {"mon": ["17:00-08:00"]}}, "begins when or after it ends"),
        ({"hours": {"mon": ["08:00-08:00"]}}, "begins when or after it ends"),
        ({"hours": {"mon": ["08:60-09:00"]}}, "'08:60' is no time of day"),
        ({"hours": {"mon": ["08:00-24:01"]}}, "'24:01' is no time of day"),
        (
            {"hours": {"mon": ["08:00-12:00", "11:59-13:00"]}},
            "begins before 08:00-12:00 has ended",
        ),
        ({"hours": {"mo": ["08:00-12:00"]}}, "'mo' is not an option; did you mean 'mon'?"),
        ({"hours": {}}, "calendar: is never open"),
        ({"closed": [{"name": "x", "first": "2026-02-30"}]}, "'2026-02-30' is no date"),
        ({"closed": [{"name": "x", "first": "20260201"}]}, "'20260201' is no date"),
        ({"closed": [{"name": "x", "first": "1969-12-31"}]}, "not within 1970 to 2200"),
        (
            {"closed": [{"name": "x", "first": "2026-02-02", "last": "2026-02-01"}]},
            "before it beg",
        ),
        ({"closed": [{"first": "2026-02-02"}]}, "calendar.closed[0]: 'name' is missing"),
        ({"make_up": [{"day": "2026-02-02", "as": "thursday"}]}, "make_up[0].as: 'thursday'"),
        ({"exceptions": [{"day": "2026-02-02", "hours": []}] * 2}, "2026-02-02 is named twice"),
        (
            {
                "terms": [
                    {"name": "a", "first": "2026-01-01", "last": "2026-05-01"},
                    {"name": "b", "first": "2026-05-01", "last": "2026-07-01"},
                ]
            },
            "calendar.terms: 'b' begins before 'a' has ended",
        ),
        ({"lenient_minutes": 121}, "calendar.lenient_minutes: 121 is not within 0 to 120"),
        ({"wekks": "iso"}, "calendar: 'wekks' is not an option; did you mean 'weeks'?"),
    ],
)
def test_a_mistake_in_a_calendar_is_named_with_its_path(table, message):
    """Every mistake says where it is and what is expected."""
    with pytest.raises(PolicyInvalid) as caught:
        calendar(**table)

    assert message in str(caught.value)


@pytest.mark.parametrize(
    "instant",
    [dt.datetime(2026, 1, 1), utc("1969-12-31 23:00"), utc("2301-01-01 00:00")],
)
def test_an_instant_that_nothing_can_be_decided_at_is_refused(instant):
    """A naive instant, or one no calendar reaches, is an error of the caller."""
    with pytest.raises(ValueError, match=r"time zone|not within"):
        Now(instant)
