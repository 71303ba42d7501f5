"""How long a loan lasts and when it is due.

Laws: a due date lies on an open day and never in the past; a counted period moves *on* to the
next open day, a named day (a fixed date, the end of term, a recall) moves *back*.
"""

import datetime as dt
import enum
from dataclasses import dataclass
from itertools import takewhile

from circulation.calendar import Calendar, Now, days_from
from circulation.doc import Doc
from circulation.reasons import Reason

# A loan in hours that ends while it is closed: nobody shall be late the moment the door opens.
AFTER_OPENING_MINUTES = 60


class Unit(enum.Enum):
    """What a loan's length is counted in."""

    HOURS = "hours"
    DAYS = "days"
    UNTIL = "until"
    END_OF = "end_of"


@dataclass(frozen=True, slots=True)
class Length:
    """A loan's length: `count` of hours or days, or a day, or the end of term."""

    unit: Unit
    count: int = 0
    day: dt.date | None = None

    @classmethod
    def from_doc(cls, doc: Doc) -> "Length":
        """Read {hours = 3}, {days = 14}, {until = "2027-06-25"} or {end_of = "term"}."""
        units = [unit for unit in Unit if doc.has(unit.value)]
        if len(units) != 1:
            doc.fail("name exactly one of hours, days, until, end_of")
        unit, value = units[0], doc.at(units[0].value)
        doc.close()
        if unit is Unit.HOURS:
            return cls(unit, value.integer(1, 240))
        if unit is Unit.DAYS:
            return cls(unit, value.integer(1, 730))
        if unit is Unit.UNTIL:
            return cls(unit, day=value.day())
        value.choice(("term",))
        return cls(unit)

    def to_doc(self) -> dict[str, object]:
        """Return the table this length was read from."""
        if self.unit is Unit.UNTIL:
            return {"until": str(self.day)}
        return {self.unit.value: "term" if self.unit is Unit.END_OF else self.count}


USUAL_LENGTH = Length(Unit.DAYS, 28)


@dataclass(frozen=True, slots=True)
class Due:
    """When a loan is due, None if no open day is known, and what should be told about it."""

    at: dt.datetime | None
    notices: tuple[Reason, ...] = ()


def due_at(
    length: Length, now: Now, calendar: Calendar, *, not_after: dt.date | None = None
) -> Due:
    """Return when a loan of this length is due; `not_after` caps it, moved back if closed."""
    found = _due_at(length, now, calendar)
    if found.at is not None and not_after is not None:
        day, _ = calendar.local(found.at)
        if day > not_after:
            return Due(due_back(calendar, not_after, now.at), found.notices)
    return found


def _due_at(length: Length, now: Now, calendar: Calendar) -> Due:
    today, _ = calendar.local(now.at)
    if length.unit is Unit.HOURS:
        return Due(_due_in_hours(length.count, now.at, calendar))
    if length.unit is Unit.DAYS:
        return Due(due_on(calendar, today + dt.timedelta(days=length.count), now.at))
    if length.day is not None:
        return Due(due_back(calendar, length.day, now.at))
    term = calendar.term_from(today)
    if term is None:
        usual = due_on(calendar, today + dt.timedelta(days=USUAL_LENGTH.count), now.at)
        return Due(usual, (Reason.TERM_UNKNOWN,))
    return Due(due_back(calendar, term.last, now.at))


def _due_in_hours(hours: int, now: dt.datetime, calendar: Calendar) -> dt.datetime | None:
    end = (now + dt.timedelta(hours=hours)).replace(microsecond=0).astimezone(dt.UTC)
    if calendar.is_open_at(end):
        return end
    opening = calendar.next_opening(end)
    if opening is None:
        return None
    day, span = opening
    minute = min(span.since + AFTER_OPENING_MINUTES, span.until)
    return calendar.instant(day, minute, later=True)


def due_today(calendar: Calendar, now: dt.datetime) -> dt.datetime | None:
    """Return today's closing for a loan on site, or the next open day's if that is over."""
    return due_on(calendar, calendar.local(now)[0], now)


def due_on(calendar: Calendar, day: dt.date, now: dt.datetime) -> dt.datetime | None:
    """Return the closing of the first open day from a day on that lies in the future."""
    closings = (calendar.closing_at(later) for later in days_from(day, 1))
    return next((closing for closing in closings if closing is not None and closing > now), None)


def due_back(calendar: Calendar, day: dt.date, now: dt.datetime) -> dt.datetime | None:
    """Return the closing of the last open day up to a day; never past, so else the next one."""
    today, _ = calendar.local(now)
    earlier = takewhile(lambda past: past >= today, days_from(day, -1))
    closings = (calendar.closing_at(past) for past in earlier)
    ahead = (closing for closing in closings if closing is not None and closing > now)
    return next(ahead, None) or due_on(calendar, today, now)


def due_after_recall(
    calendar: Calendar, *, due: dt.datetime, notice_days: int, now: dt.datetime
) -> dt.datetime:
    """Return the due date after a recall: earlier than `due` if possible, never later.

    The reader has at least the days of notice, up to the open day before they end.
    """
    today, _ = calendar.local(now)
    recalled = due_back(calendar, today + dt.timedelta(days=notice_days), now)
    return due if recalled is None else min(due, recalled)
