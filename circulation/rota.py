"""Which class may borrow when.

A slot is a time of one weekday and the classes or grades whose turn it is; a class may have
several slots. Free periods are everybody's. The rota binds only the classes it names, so a
class somebody forgot is not locked out; exempt categories (teachers) are never bound. It
speaks of borrowing alone: returning works at any time, and so does reading on site.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from circulation.calendar import EVEN, ODD, Calendar, Span
from circulation.doc import WEEKDAYS, Doc

WEEKS = ("every", ODD, EVEN)
# A slot in odd weeks comes round within two weeks; holidays may take several more.
TURN_SEARCH_DAYS_MAX = 120


@dataclass(frozen=True, slots=True)
class Slot:
    """A time on some weekdays; `names` are classes or grades, empty for a free period."""

    weekdays: tuple[int, ...]
    span: Span
    week: str = "every"
    classes: tuple[str, ...] = ()
    grades: tuple[str, ...] = ()

    @classmethod
    def from_doc(cls, doc: Doc, *, free: bool) -> "Slot":
        """Read {on, time, week, classes, grades}; a free period names no class."""
        weekdays = tuple(sorted({day.weekday() for day in doc.at("on").items()}))
        slot = cls(
            weekdays,
            Span.from_doc(doc.at("time")),
            doc.at("week", "every").choice(WEEKS),
            () if free else doc.at("classes", []).texts(),
            () if free else doc.at("grades", []).texts(),
        )
        doc.close()
        if not weekdays:
            doc.fail("name at least one weekday in 'on'")
        if not free and not slot.classes and not slot.grades:
            doc.fail("name classes or grades, or make it a free period")
        return slot

    def to_doc(self) -> dict[str, object]:
        """Return the table this slot was read from."""
        doc: dict[str, object] = {
            "on": [WEEKDAYS[weekday] for weekday in self.weekdays],
            "time": self.span.to_doc(),
            "week": self.week,
        }
        if self.classes or self.grades:
            doc |= {"classes": list(self.classes), "grades": list(self.grades)}
        return doc

    def is_on(self, weekday: int, week: str) -> bool:
        """Return whether the slot takes place on such a day."""
        return weekday in self.weekdays and self.week in ("every", week)

    def serves(self, class_name: str, grade: str | None) -> bool:
        """Return whether it is this class's slot."""
        return class_name in self.classes or (grade is not None and grade in self.grades)


@dataclass(frozen=True, slots=True)
class Turn:
    """A time on a day at which a class may borrow."""

    day: dt.date
    span: Span


@dataclass(frozen=True, slots=True)
class Rota:
    """One site's class rota; without slots nobody is bound."""

    slots: tuple[Slot, ...] = ()
    free: tuple[Slot, ...] = ()

    @classmethod
    def from_doc(cls, doc: Doc) -> "Rota":
        """Read {slots, free}; raises PolicyInvalid naming the path."""
        rota = cls(
            tuple(Slot.from_doc(item, free=False) for item in doc.at("slots", []).items()),
            tuple(Slot.from_doc(item, free=True) for item in doc.at("free", []).items()),
        )
        doc.close()
        return rota

    def to_doc(self) -> dict[str, object]:
        """Return the table this rota was read from."""
        return {
            "slots": [slot.to_doc() for slot in self.slots],
            "free": [slot.to_doc() for slot in self.free],
        }

    def slots_of(self, class_name: str, grade: str | None) -> tuple[Slot, ...]:
        """Return the slots of a class, empty if the rota does not bind it."""
        return tuple(slot for slot in self.slots if slot.serves(class_name, grade))

    def allows(
        self, at: dt.datetime, calendar: Calendar, *, class_name: str | None, grade: str | None
    ) -> bool:
        """Return whether a reader of this class may borrow now, as far as the rota goes."""
        own = self.slots_of(class_name, grade) if class_name else ()
        if not own:
            return True
        day, minute = calendar.local(at)
        return any(span.holds(minute) for span in self._spans(own, day, calendar))

    def next_turn(
        self, at: dt.datetime, calendar: Calendar, *, class_name: str, grade: str | None
    ) -> Turn | None:
        """Return the next time this class may borrow that begins after an instant."""
        own = self.slots_of(class_name, grade)
        today, minute = calendar.local(at)
        for days in range(TURN_SEARCH_DAYS_MAX):
            day = today + dt.timedelta(days=days)
            spans = self._spans(own, day, calendar)
            later = [span for span in spans if days > 0 or span.since > minute]
            if later and calendar.hours_on(day):
                return Turn(day, min(later, key=lambda span: span.since))
        return None

    def _spans(self, own: Iterable[Slot], day: dt.date, calendar: Calendar) -> list[Span]:
        exam = calendar.exam_on(day)
        if exam is not None and exam.rota != "usual":
            return list(calendar.hours_on(day)) if exam.rota == "free" else []
        weekday, week = calendar.timetable(day)
        return [slot.span for slot in (*own, *self.free) if slot.is_on(weekday, week)]
