"""When a library is open, which timetable a day follows, and when terms end.

A day's hours are decided by the first of these that says something: an exception for that very
day; a make-up day (a Saturday that counts as a Thursday), even inside a closed period; a closed
period; exam weeks with hours of their own; the hours of odd or even weeks; the weekly hours.
Instants are aware UTC; days and times of day are the library's own, in its time zone.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeVar
from zoneinfo import ZoneInfo

from circulation.doc import DAY_MINUTES, WEEKDAYS, Doc, clock

# How far a search for an open day goes: two years hold every closure a library plans for.
SEARCH_DAYS_MAX = 800
YEAR_MIN, YEAR_MAX = 1970, 2300
ODD, EVEN = "odd", "even"


@dataclass(frozen=True, slots=True)
class Now:
    """The instant a station decides at; unsure: the latest time it ever knew."""

    at: dt.datetime
    sure: bool = True

    def __post_init__(self) -> None:
        """Refuse a naive instant, and one that no calendar reaches."""
        if self.at.tzinfo is None:
            raise ValueError(f"{self.at} has no time zone; decide on aware instants only")
        if not YEAR_MIN <= self.at.year <= YEAR_MAX:
            raise ValueError(f"{self.at} is not within {YEAR_MIN} to {YEAR_MAX}")


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a day, in minutes since midnight; `until` 1440 is the end of the day."""

    since: int
    until: int

    @classmethod
    def from_doc(cls, doc: Doc) -> "Span":
        """Read 08:00-12:30."""
        since, dash, until = doc.text().partition("-")
        if not dash:
            doc.fail("write hours like 08:00-12:30")
        span = cls(Doc(since, doc.path).minutes(), Doc(until, doc.path).minutes())
        if span.since >= span.until:
            doc.fail("begins when or after it ends; split it at 24:00 if it crosses midnight")
        return span

    def to_doc(self) -> str:
        """Return 08:00-12:30."""
        return f"{clock(self.since)}-{clock(self.until)}"

    def holds(self, minute: int) -> bool:
        """Return whether a minute of the day lies in this span, its end not included."""
        return self.since <= minute < self.until


Hours = tuple[Span, ...]
Week = tuple[Hours, ...]


@dataclass(frozen=True, slots=True)
class Period:
    """Days from the first to the last, both included."""

    name: str
    first: dt.date
    last: dt.date

    @classmethod
    def from_doc(cls, doc: Doc) -> "Period":
        """Read {name, first, last}; without `last` it is a single day."""
        first = doc.at("first").day()
        period = cls(doc.at("name").text(), first, doc.at("last", first).day())
        if period.last < period.first:
            doc.fail(f"ends on {period.last}, before it begins on {period.first}")
        return period

    def to_doc(self) -> dict[str, object]:
        """Return {name, first, last}."""
        return {"name": self.name, "first": str(self.first), "last": str(self.last)}

    def holds(self, day: dt.date) -> bool:
        """Return whether a day lies in this period."""
        return self.first <= day <= self.last


@dataclass(frozen=True, slots=True)
class MakeUpDay:
    """A day that follows another weekday's timetable, and another week's if `week` says so."""

    weekday: int
    week: str | None


@dataclass(frozen=True, slots=True)
class ExamWeeks:
    """Exam weeks: hours of their own, if any, and what becomes of the class rota."""

    period: Period
    rota: str
    hours: Week | None


ROTA_IN_EXAMS = ("usual", "free", "off")
OPEN_ALWAYS: Week = ((Span(0, DAY_MINUTES),),) * 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """One site's days and hours in its time zone."""

    zone: ZoneInfo
    hours: Week = OPEN_ALWAYS
    hours_odd: Mapping[int, Hours] = field(default_factory=dict, hash=False)
    hours_even: Mapping[int, Hours] = field(default_factory=dict, hash=False)
    closed: tuple[Period, ...] = ()
    make_up: Mapping[dt.date, MakeUpDay] = field(default_factory=dict, hash=False)
    exceptions: Mapping[dt.date, Hours] = field(default_factory=dict, hash=False)
    terms: tuple[Period, ...] = ()
    exams: tuple[ExamWeeks, ...] = ()
    weeks: str = "iso"
    lenient_minutes: int = 15

    @classmethod
    def from_doc(cls, doc: Doc, zone: ZoneInfo) -> "Calendar":
        """Read a calendar's table; raises PolicyInvalid naming the path."""
        calendar = cls(
            zone=zone,
            hours=_week(doc.at("hours")) if doc.has("hours") else OPEN_ALWAYS,
            hours_odd=_some_weekdays(doc.at("hours_odd", {})),
            hours_even=_some_weekdays(doc.at("hours_even", {})),
            closed=tuple(_period(item) for item in doc.at("closed", []).items()),
            make_up=_by_day(doc.at("make_up", []), _make_up),
            exceptions=_by_day(doc.at("exceptions", []), lambda item: _hours(item.at("hours"))),
            terms=_terms(doc.at("terms", [])),
            exams=tuple(_exam_weeks(item) for item in doc.at("exams", []).items()),
            weeks=doc.at("weeks", "iso").choice(("iso", "term")),
            lenient_minutes=doc.at("lenient_minutes", 15).integer(0, 120),
        )
        doc.close()
        week = (*calendar.hours, *calendar.hours_odd.values(), *calendar.hours_even.values())
        if not any(week):
            doc.fail("is never open; name the hours of at least one weekday")
        return calendar

    def to_doc(self) -> dict[str, object]:
        """Return the table this calendar was read from, every option written out."""
        return {
            "hours": _week_to_doc(self.hours),
            "hours_odd": _weekdays_to_doc(self.hours_odd),
            "hours_even": _weekdays_to_doc(self.hours_even),
            "closed": [period.to_doc() for period in self.closed],
            "make_up": [
                {"day": str(day), "as": WEEKDAYS[made_up.weekday]}
                | ({"week": made_up.week} if made_up.week else {})
                for day, made_up in self.make_up.items()
            ],
            "exceptions": [
                {"day": str(day), "hours": _hours_to_doc(hours)}
                for day, hours in self.exceptions.items()
            ],
            "terms": [period.to_doc() for period in self.terms],
            "exams": [
                exam.period.to_doc()
                | {"rota": exam.rota}
                | ({} if exam.hours is None else {"hours": _week_to_doc(exam.hours)})
                for exam in self.exams
            ],
            "weeks": self.weeks,
            "lenient_minutes": self.lenient_minutes,
        }

    def local(self, at: dt.datetime) -> tuple[dt.date, int]:
        """Return the library's day and minute of the day at an instant."""
        wall = at.astimezone(self.zone)
        return wall.date(), wall.hour * 60 + wall.minute

    def instant(self, day: dt.date, minute: int, *, later: bool) -> dt.datetime:
        """Return a local time in UTC; `later` chooses when clock changes leave a choice.

        Minute 1440 is the day's last second, so that the instant still belongs to the day.
        """
        wall = dt.datetime.combine(day, dt.time())
        wall += dt.timedelta(minutes=minute) if minute < DAY_MINUTES else _LAST_SECOND
        both = [wall.replace(tzinfo=self.zone, fold=fold).astimezone(dt.UTC) for fold in (0, 1)]
        return max(both) if later else min(both)

    def week_of(self, day: dt.date) -> str:
        """Return "odd" or "even": by ISO week, or counted from the term's first week."""
        term = self.term_on(day) if self.weeks == "term" else None
        if term is None:
            return ODD if day.isocalendar().week % 2 else EVEN
        weeks = (_monday(day) - _monday(term.first)).days // 7
        return EVEN if weeks % 2 else ODD

    def timetable(self, day: dt.date) -> tuple[int, str]:
        """Return the weekday and the kind of week whose timetable a day follows."""
        made_up = self.make_up.get(day)
        if made_up is None:
            return day.weekday(), self.week_of(day)
        return made_up.weekday, made_up.week or self.week_of(day)

    def hours_on(self, day: dt.date) -> Hours:
        """Return a day's opening hours, earliest first; empty when closed."""
        if day in self.exceptions:
            return self.exceptions[day]
        if day not in self.make_up and any(period.holds(day) for period in self.closed):
            return ()
        weekday, week = self.timetable(day)
        exam = self.exam_on(day)
        if exam is not None and exam.hours is not None:
            return exam.hours[weekday]
        special = self.hours_odd if week == ODD else self.hours_even
        return special.get(weekday, self.hours[weekday])

    def is_open_at(self, at: dt.datetime, *, lenient: bool = False) -> bool:
        """Return whether it is open; lenient: the queue at closing time is still served."""
        day, minute = self.local(at)
        extra = self.lenient_minutes if lenient else 0
        return any(span.since <= minute <= span.until + extra for span in self.hours_on(day))

    def closing_at(self, day: dt.date) -> dt.datetime | None:
        """Return when a day's last opening ends, or None for a closed day."""
        hours = self.hours_on(day)
        return self.instant(day, hours[-1].until, later=True) if hours else None

    def next_opening(self, at: dt.datetime) -> tuple[dt.date, Span] | None:
        """Return the next span that begins after an instant, within the search's reach."""
        today, minute = self.local(at)
        for day in days_from(today, 1):
            for span in self.hours_on(day):
                if day > today or span.since > minute:
                    return day, span
        return None

    def open_day_before(self, day: dt.date) -> dt.date | None:
        """Return the last open day before a day."""
        return next(
            (past for past in days_from(day, -1) if past != day and self.hours_on(past)), None
        )

    def term_on(self, day: dt.date) -> Period | None:
        """Return the term a day lies in."""
        return next((term for term in self.terms if term.holds(day)), None)

    def term_from(self, day: dt.date) -> Period | None:
        """Return the term a day lies in, else the next one that begins."""
        return next((term for term in self.terms if term.last >= day), None)

    def exam_on(self, day: dt.date) -> ExamWeeks | None:
        """Return the exam weeks a day lies in."""
        return next((exam for exam in self.exams if exam.period.holds(day)), None)


Found = TypeVar("Found")
_LAST_SECOND = dt.timedelta(hours=23, minutes=59, seconds=59)


def days_from(day: dt.date, step: int) -> Iterator[dt.date]:
    """Return the days from a day on, forward (1) or back (-1), as far as a search goes."""
    return (day + dt.timedelta(days=step * count) for count in range(SEARCH_DAYS_MAX))


def _monday(day: dt.date) -> dt.date:
    return day - dt.timedelta(days=day.weekday())


def _hours(doc: Doc) -> Hours:
    spans = tuple(Span.from_doc(item) for item in doc.items())
    for earlier, later in pairwise(spans):
        if later.since < earlier.until:
            doc.fail(f"{later.to_doc()} begins before {earlier.to_doc()} has ended")
    return spans


def _some_weekdays(doc: Doc) -> dict[int, Hours]:
    found = {place: _hours(doc.at(day)) for place, day in enumerate(WEEKDAYS) if doc.has(day)}
    doc.close()
    return found


def _week(doc: Doc) -> Week:
    named = _some_weekdays(doc)
    return tuple(named.get(weekday, ()) for weekday in range(7))


def _period(doc: Doc) -> Period:
    period = Period.from_doc(doc)
    doc.close()
    return period


def _terms(doc: Doc) -> tuple[Period, ...]:
    terms = tuple(sorted((_period(item) for item in doc.items()), key=lambda term: term.first))
    for earlier, later in pairwise(terms):
        if later.first <= earlier.last:
            doc.fail(f"{later.name!r} begins before {earlier.name!r} has ended")
    return terms


def _make_up(doc: Doc) -> MakeUpDay:
    week = doc.at("week").choice((ODD, EVEN)) if doc.has("week") else None
    return MakeUpDay(doc.at("as").weekday(), week)


def _exam_weeks(doc: Doc) -> ExamWeeks:
    exam = ExamWeeks(
        Period.from_doc(doc),
        doc.at("rota", "usual").choice(ROTA_IN_EXAMS),
        _week(doc.at("hours")) if doc.has("hours") else None,
    )
    doc.close()
    return exam


def _by_day(doc: Doc, read: Callable[[Doc], Found]) -> dict[dt.date, Found]:
    found: dict[dt.date, Found] = {}
    for item in doc.items():
        day = item.at("day").day()
        if day in found:
            item.fail(f"{day} is named twice")
        found[day] = read(item)
        item.close()
    return found


def _hours_to_doc(hours: Hours) -> list[str]:
    return [span.to_doc() for span in hours]


def _weekdays_to_doc(days: Mapping[int, Hours]) -> dict[str, object]:
    return {WEEKDAYS[weekday]: _hours_to_doc(hours) for weekday, hours in days.items()}


def _week_to_doc(week: Week) -> dict[str, object]:
    return _weekdays_to_doc({weekday: hours for weekday, hours in enumerate(week) if hours})
