"""What stations said to have, and what a dead or rolled back disk took of it.

A birth names the newest row of a journal. If the next birth shows less of it, or another journal
that does not follow it, the rows between what was applied and what was named are nowhere.
Of a journal that has forked, no row behind the last common one was applied: at their places
stand others, of the card as it was before.
"""

from __future__ import annotations

from typing import NamedTuple

from circulation.wire.messages import Status
from gateway import diary
from gateway.review import ReviewEntry, add_entries
from gateway.store import Write


class Journal(NamedTuple):
    """A journal as a birth named it.

    common: the last row that is ours too, if it was seen that those behind it are not.
    """

    n: int
    epoch: str
    seq_last: int
    common: int | None = None

    def applied(self, hw: int) -> int:
        """Return how far its own rows are applied. hw: how far those of its epoch are."""
        return hw if self.common is None else min(hw, self.common)


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
        if now.epoch != before.epoch or now.seq_last < before.seq_last:
            return before
        self._journals[status.station] = now._replace(common=before.common)
        return None

    def forked(self, station: str, epoch: str, common: int) -> None:
        """A batch was not ours behind this row. common: 0 if it is not known which is the last."""
        before = self._journals.get(station)
        if before is not None and before.epoch == epoch and common > 0:
            self._journals[station] = before._replace(common=common)

    def remember(self, status: Status) -> None:
        """Take a kept status, which may be older than what is known."""
        journal = Journal(status.n, status.epoch, status.seq_last)
        before = self._journals.get(status.station)
        if before is None:
            self._journals[status.station] = journal
        elif before.epoch == journal.epoch and before.seq_last < journal.seq_last:
            self._journals[status.station] = before._replace(seq_last=journal.seq_last)


def tell_loss(write: Write, status: Status, before: Journal, hw: int) -> bool:
    """Write down which rows of a journal are gone; return whether there are any.

    hw: how far rows of that journal's epoch were applied.
    """
    there = status.seq_last if status.epoch == before.epoch else 0
    first = max(before.applied(hw), there) + 1
    if first > before.seq_last:
        return False
    station = status.station
    detail = {"first": first, "last": before.seq_last}
    diary.note(write, "lost", station, **detail)
    key = f"facts_lost:{station}:{before.epoch}:{first}"
    add_entries(write, [ReviewEntry(key, "facts_lost", None, station, (), detail)])
    return True
