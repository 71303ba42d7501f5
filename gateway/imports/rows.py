"""What an import reads out of a file, before anything is written.

Readers yield rows and problems in file order. A problem never stops an import: the rest goes in,
and the report names the place and the reason.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Fields = dict[str, Any]
"""Column → value as `gateway.catalogue` takes them; what the source does not say is absent."""


@dataclass(frozen=True, slots=True)
class TitleRow:
    """A title, with the copies that its record names.

    ``fields["control_no"]`` is the source's own name for the record: importing the same file
    twice finds the same titles by it.
    """

    place: str
    fields: Fields
    copies: tuple[Fields, ...] = ()


@dataclass(frozen=True, slots=True)
class PatronRow:
    """A reader as the library's own list names her; ``cards`` are ids as a card reader gives."""

    place: str
    fields: Fields
    cards: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in the file that did not go in, or went in and deserves a look.

    ``place`` is what a person can find again: "record 28" or "line 7".
    """

    place: str
    reason: str
    refused: bool = True

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


@dataclass(slots=True)
class Report:
    """What an import did, or in a dry run would do."""

    dry_run: bool = False
    read: int = 0
    refused: int = 0
    created: dict[str, int] = field(default_factory=dict)
    updated: dict[str, int] = field(default_factory=dict)
    unchanged: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def note(self, problem: Problem) -> None:
        """Keep a problem, in file order."""
        self.problems.append(problem)
        if problem.refused:
            self.refused += 1

    def count(self, what: str, outcome: str, number: int = 1) -> None:
        """Add to one of ``created``, ``updated``, ``unchanged``."""
        counts: dict[str, int] = getattr(self, outcome)
        counts[what] = counts.get(what, 0) + number

    def lines(self) -> Iterable[str]:
        """Yield the report as a person reads it, the problems last."""
        yield f"{self.read} read, {self.refused} refused"
        for verb, counts in (
            ("would create" if self.dry_run else "created", self.created),
            ("would update" if self.dry_run else "updated", self.updated),
            ("already there", self.unchanged),
        ):
            for what, number in counts.items():
                yield f"  {verb}: {number} {what}"
        for problem in self.problems:
            yield f"  {'refused' if problem.refused else 'note'} · {problem}"
