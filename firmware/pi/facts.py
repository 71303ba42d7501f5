"""Writing the gate's facts into its journal, and the time they bear.

Laws:
- A fact bears the moment it was decided, not the moment it was written.
- What the disk refuses waits in memory, in order, at most 1,000 facts; beyond that the newest
  are counted as lost, and health says so.
- A wall clock nobody vouches for is marked unsure; the gateway's answer makes it sure.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Any

from circulation.errors import JournalError
from circulation.journal import SqliteJournal
from circulation.sync.rows import Row
from circulation.wire.errors import FactInvalid
from circulation.wire.fact import decode_body, encode_body
from hardware.ports import Clock

WAITING_MAX = 1_000

_log = logging.getLogger(__name__)


class StationTime:
    """Milliseconds since this program began, and the best wall time."""

    def __init__(self, clock: Clock, *, boot: str) -> None:
        """boot: 8 random hex digits of this start."""
        self.boot = boot
        self._clock = clock
        self._start_ms = clock.now_ms()
        self._told_offset_ms: int | None = None

    def mono_ms(self, at_ms: int | None = None) -> int:
        """Return the milliseconds from this program's start to that moment, or to now."""
        return (self._clock.now_ms() if at_ms is None else at_ms) - self._start_ms

    def learn(self, *, mono_sent: int, mono_received: int, gateway_now: int) -> None:
        """Take the gateway's clock: it was read somewhere between asking and hearing."""
        self._told_offset_ms = gateway_now - (mono_sent + mono_received) // 2

    def wall_ms(self, mono_ms: int) -> tuple[int, bool]:
        """Return the wall time of a moment of this program, and whether it is sure."""
        if self._clock.wall_is_sure() or self._told_offset_ms is None:
            ago_ms = self.mono_ms() - mono_ms
            return self._clock.wall_ms() - ago_ms, self._clock.wall_is_sure()
        return mono_ms + self._told_offset_ms, True

    def stamp(self, mono_ms: int) -> dict[str, Any]:
        """Return the fields that date a fact, and a batch: boot, mono, wall, sure."""
        wall_ms, is_sure = self.wall_ms(mono_ms)
        return {"boot": self.boot, "mono": mono_ms, "wall": wall_ms, "sure": is_sure}


class FactWriter:
    """Appends facts to the journal, later if the disk refuses now."""

    def __init__(
        self, journal: SqliteJournal, time: StationTime, *, site: str, new_id: Callable[[], str]
    ) -> None:
        """new_id: returns 16 random hex digits."""
        self.lost = 0
        self.trouble = ""
        self.journal = journal
        self.time = time
        self._site = site
        self._new_id = new_id
        self._waiting: deque[bytes] = deque()
        self._oldest: tuple[tuple[str, int], int | None] = (("", 0), None)

    @property
    def waiting(self) -> int:
        """Return how many facts are not on the disk yet."""
        return len(self._waiting)

    def waiting_since(self) -> int | None:
        """Return when the oldest fact that the gateway does not have was written, if known.

        By this station's clock. Asked once a second, and no row of a journal ever changes.
        """
        journal = self.journal
        if journal.last_seq <= journal.acked:
            return None
        place = (journal.epoch.id, journal.acked)
        if place != self._oldest[0]:
            self._oldest = (place, _wall_of(journal.rows(journal.acked + 1, 1, 1)))
        return self._oldest[1]

    def write(self, fields: dict[str, Any], mono_ms: int, fact: str | None = None) -> bool:
        """Journal a fact; return whether the journal has new rows now."""
        body = {"id": fact or self._new_id(), **self.time.stamp(mono_ms), "site": self._site}
        try:
            encoded = encode_body(body | fields)
        except FactInvalid as error:
            _log.error("a fact cannot be written: %s", error)
            self.lost += 1
            return False
        if len(self._waiting) >= WAITING_MAX:
            self.lost += 1
        else:
            self._waiting.append(encoded)
        return self.flush()

    def flush(self) -> bool:
        """Write what waits; return whether anything was written."""
        written = False
        while self._waiting:
            try:
                self.journal.append(self._waiting[0])
            except JournalError as error:
                self.trouble = str(error)[:120]
                return written
            self._waiting.popleft()
            written = True
        self.trouble = ""
        return written

    def health(self) -> dict[str, str]:
        """Return what staff should know."""
        found = {}
        if self.trouble:
            found["journal"] = self.trouble
        if self.lost:
            found["facts"] = f"{self.lost} facts could not be kept"
        return found


def _wall_of(rows: list[Row]) -> int | None:
    """Return the wall time in the first row; None without one, or if nobody can read it."""
    try:
        wall = decode_body(rows[0].body).get("wall") if rows else None
    except FactInvalid:
        return None
    return wall if isinstance(wall, int) else None
