"""What stations said to have, and what a dead or rolled back disk took of it.

A birth names the newest row of a journal. If the next birth shows less of it, or another journal
that does not follow it, the rows between what was applied and what was named are nowhere.
"""

from __future__ import annotations

from typing import NamedTuple

from circulation.wire.messages import Status
from gateway import diary
from gateway.review import ReviewEntry, add_entries
from gateway.store import Write


class Journal(NamedTuple):
    """A journal as a birth named it."""

    n: int
    epoch: str
    seq_last: int


class Announced:
    """The newest journal each station named, births kept by the broker included."""

    def __init__(self) -> None:
        self._journals: dict[str, Journal] = {}

    def hear(self, status: Status) -> Journal | None:
        """Take a birth; return the journal that this one is no successor of, None if it is."""
        before = self._journals.get(status.station)
        now = Journal(status.n, status.epoch, status.seq_last)
        self._journals[status.station] = now
        if before is None or (now.epoch != before.epoch and now.n > before.n):
            return None
        is_less = now.epoch != before.epoch or now.seq_last < before.seq_last
        return before if is_less else None

    def remember(self, status: Status) -> None:
        """Take a kept status, which may be older than what is known."""
        journal = Journal(status.n, status.epoch, status.seq_last)
        before = self._journals.get(status.station)
        if before is None or (before.epoch == journal.epoch and before < journal):
            self._journals[status.station] = journal


def tell_loss(write: Write, status: Status, before: Journal, hw: int) -> bool:
    """Write down which rows of a journal are gone; return whether there are any.

    hw: how far that journal was applied.
    """
    there = status.seq_last if status.epoch == before.epoch else 0
    first = max(hw, there) + 1
    if first > before.seq_last:
        return False
    station = status.station
    detail = {"first": first, "last": before.seq_last}
    diary.note(write, "lost", station, **detail)
    key = f"facts_lost:{station}:{before.epoch}:{first}"
    add_entries(write, [ReviewEntry(key, "facts_lost", None, station, (), detail)])
    return True
