"""Read a policy document value by value, so that every mistake is named with its path.

A document is what JSON or TOML gives: tables, lists, texts, whole numbers, booleans and, from
TOML, dates and times. Every value is bounded where it is read; an entry nobody read is an error,
so a typing mistake never becomes a default.
"""

import datetime as dt
import difflib
import re
from collections.abc import Collection, Mapping
from typing import NoReturn

from circulation.errors import CirculationError

TEXT_LENGTH_MAX = 200
LIST_LENGTH_MAX = 5_000
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES = 24 * 60
_CLOCK = re.compile(r"([0-9]{2}):([0-9]{2})")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MISSING = object()


class PolicyInvalid(CirculationError, ValueError):
    """A policy that cannot be used; the message names the path and what to do."""


class Doc:
    """One value of a document and the path to it."""

    def __init__(self, value: object, path: str) -> None:
        self.value = value
        self.path = path
        self._read: set[str] = set()

    def fail(self, why: str) -> NoReturn:
        """Raise `PolicyInvalid` naming this value's path."""
        raise PolicyInvalid(f"{self.path}: {why}")

    def table(self) -> Mapping[str, object]:
        """Return this value as a table with text keys."""
        if not isinstance(self.value, Mapping):
            self.fail(f"expected a table, found {_kind(self.value)}")
        if len(self.value) > LIST_LENGTH_MAX:
            self.fail(f"more than {LIST_LENGTH_MAX} entries")
        for key in self.value:
            if not isinstance(key, str):
                self.fail(f"a key is {_kind(key)}, expected text")
        return self.value

    def has(self, key: str) -> bool:
        """Return whether the table names this key; asking makes it an option."""
        self._read.add(key)
        return key in self.table()

    def at(self, key: str, default: object = _MISSING) -> "Doc":
        """Return the value under a key; without a default it must be there."""
        self._read.add(key)
        value = self.table().get(key, default)
        if value is _MISSING:
            self.fail(f"{key!r} is missing")
        return Doc(value, f"{self.path}.{key}")

    def entries(self) -> dict[str, "Doc"]:
        """Return every entry of a table whose keys are names the library chose."""
        names = self.table()
        for name in names:
            Doc(name, f"{self.path} (a name)").text()
        self._read.update(names)
        return {name: Doc(value, f"{self.path}.{name}") for name, value in names.items()}

    def items(self) -> list["Doc"]:
        """Return the elements of a list."""
        if not isinstance(self.value, list | tuple):
            self.fail(f"expected a list, found {_kind(self.value)}")
        if len(self.value) > LIST_LENGTH_MAX:
            self.fail(f"more than {LIST_LENGTH_MAX} elements")
        return [Doc(value, f"{self.path}[{place}]") for place, value in enumerate(self.value)]

    def close(self) -> None:
        """Refuse the table if it holds an entry that nobody read."""
        for key in self.table():
            if key not in self._read:
                near = difflib.get_close_matches(key, self._read, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                self.fail(f"{key!r} is not an option{hint}")

    def integer(self, minimum: int, maximum: int) -> int:
        """Return a whole number within bounds, both included."""
        if isinstance(self.value, bool) or not isinstance(self.value, int):
            self.fail(f"expected a whole number, found {_kind(self.value)}")
        if not minimum <= self.value <= maximum:
            self.fail(f"{_short(self.value)} is not within {minimum} to {maximum}")
        return self.value

    def integer_or_none(self, minimum: int, maximum: int) -> int | None:
        """Return a whole number, or None for "none" (no limit) or JSON's null."""
        return None if self.value in (None, "none") else self.integer(minimum, maximum)

    def boolean(self) -> bool:
        """Return true or false."""
        if not isinstance(self.value, bool):
            self.fail(f"expected true or false, found {_kind(self.value)}")
        return self.value

    def text(self) -> str:
        """Return a printable text of 1 to 200 characters without blanks at its ends."""
        if not isinstance(self.value, str):
            self.fail(f"expected a text, found {_kind(self.value)}")
        if not 1 <= len(self.value) <= TEXT_LENGTH_MAX:
            self.fail(f"expected 1 to {TEXT_LENGTH_MAX} characters, found {len(self.value)}")
        if not self.value.isprintable() or self.value.strip() != self.value:
            self.fail("holds a control character, or begins or ends with a blank")
        return self.value

    def texts(self) -> tuple[str, ...]:
        """Return a list of texts, each once."""
        found = tuple(item.text() for item in self.items())
        if len(set(found)) != len(found):
            self.fail("names something twice")
        return found

    def choice(self, allowed: Collection[str]) -> str:
        """Return a text that must be one of those allowed."""
        found = self.text()
        if found not in allowed:
            near = difflib.get_close_matches(found, allowed, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            self.fail(f"{found!r} is not one of {', '.join(allowed)}{hint}")
        return found

    def weekday(self) -> int:
        """Return a weekday, 0 for mon to 6 for sun."""
        return WEEKDAYS.index(self.choice(WEEKDAYS))

    def day(self) -> dt.date:
        """Return a date: 2026-08-31, as text or as TOML writes it."""
        if isinstance(self.value, dt.date) and not isinstance(self.value, dt.datetime):
            found = self.value
        else:
            found = self._day_from_text()
        if not 1970 <= found.year <= 2200:
            self.fail(f"{found} is not within 1970 to 2200")
        return found

    def _day_from_text(self) -> dt.date:
        text = self.text()
        try:
            # Only this shape: Python reads 20260831 too, and who else does?
            return dt.date.fromisoformat(text if _DAY.fullmatch(text) else "")
        except ValueError:
            self.fail(f"{text!r} is no date; write it like 2026-08-31")

    def minutes(self) -> int:
        """Return a time of day like 08:30, in minutes since midnight; 24:00 ends a day."""
        if isinstance(self.value, dt.time):
            return self.value.hour * 60 + self.value.minute
        text = self.text()
        found = _CLOCK.fullmatch(text)
        minutes = int(found[1]) * 60 + int(found[2]) if found else -1
        if found is None or int(found[2]) > 59 or minutes > DAY_MINUTES:
            self.fail(f"{text!r} is no time of day; write it like 08:30")
        return minutes


def _kind(value: object) -> str:
    return "nothing" if value is None else type(value).__name__


def _short(value: object) -> str:
    text = repr(value) if not isinstance(value, int) or abs(value) < 10**20 else "a huge number"
    return text if len(text) <= 40 else text[:37] + "…"


def clock(minutes: int) -> str:
    """Return minutes since midnight as 08:30."""
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
