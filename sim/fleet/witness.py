"""What can only be seen while a fleet runs: whether a word that was given was true just then.

Much of what goes wrong is mended by a second line of defence before all has come to rest. Here
is noted what stations and gateway believed, beside what the gateway's disk had at that instant.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from circulation.wire.limits import INTEGER_MAX
from circulation.wire.messages import Change, decode
from sim.fleet.library import LIBRARY
from sim.fleet.outcome import Missing, PutBack, Unbacked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from circulation.journal import SqliteJournal

_PLACES = (
    "SELECT seq, hash FROM position WHERE library_id=? AND station=? AND epoch_id=?"
    " AND seq BETWEEN ? AND ?"
)
_ALL_PLACES = "SELECT station, epoch_id, seq, hash FROM position WHERE library_id=?"
_FACTS = "SELECT id, station FROM fact WHERE library_id=? AND station<>'desk'"
_FACT = "SELECT 1 FROM fact WHERE library_id=? AND id=?"
_LIBRARY = "SELECT recovered, published FROM library WHERE library_id=?"
_HW = "SELECT hw FROM epoch WHERE library_id=? AND station=? AND id=?"
_STEPS = "SELECT kind, version FROM step WHERE library_id=? AND version>? AND version<=?"

Place = tuple[str, str, int, bytes]


class Witness:
    """Looks at the gateway's database without its programs, and remembers what it once held."""

    def __init__(self, file: Path, now_ms: Callable[[], int]) -> None:
        """file: the gateway's database. now_ms: the true time."""
        self._file = file
        self._now_ms = now_ms
        self._kept: sqlite3.Connection | None = None
        self._had: dict[Place, bool] = {}
        self._awaited: dict[str, str] = {}
        self._said: dict[tuple[str, int], bool] = {}
        self._said_before = 0
        self.unbacked: list[Unbacked] = []
        self.cards: list[PutBack] = []
        self.missing: list[Missing] = []

    def acked(self, station: str, journal: SqliteJournal, after: int) -> None:
        """A station counts its rows behind `after` as acknowledged, up to its mark."""
        epoch, mark = journal.epoch.id, journal.acked
        asked = (LIBRARY, station, epoch, after + 1, mark)
        found = dict(self._database.execute(_PLACES, asked).fetchall())
        for row in journal.rows(after + 1, max(mark - after, 0), 1 << 40):
            place = (station, epoch, row.seq, row.hash)
            if found.get(row.seq) != row.hash and place not in self._had:
                self.unbacked.append(Unbacked(self._now_ms(), station, epoch, row.seq))

    def put_back(self, station: str, journal: SqliteJournal) -> None:
        """A station has started on an old card."""
        epoch, last = journal.epoch, journal.last_seq
        row = self._database.execute(_HW, (LIBRARY, station, epoch.id)).fetchone()
        later = (LIBRARY, station, epoch.id, last + 1, INTEGER_MAX)
        places = self._database.execute(_PLACES, later).fetchall()
        hw = 0 if row is None else int(row[0])
        gone = tuple(hashed.hex() for _, hashed in places)
        self.cards.append(PutBack(self._now_ms(), station, epoch.n, last, hw, gone))

    def has_applied(self, fact_id: str) -> bool:
        """Return whether the gateway has a fact just now."""
        return self._database.execute(_FACT, (LIBRARY, fact_id)).fetchone() is not None

    def before_restore(self) -> None:
        """The gateway's database is about to be replaced by an older one."""
        self._had.update(dict.fromkeys(self._database.execute(_ALL_PLACES, (LIBRARY,)), True))
        self._awaited.update(self._database.execute(_FACTS, (LIBRARY,)).fetchall())
        self.close()

    def after_restore(self) -> None:
        """It has been: what of it is gone must come back before all is said to be well."""
        for fact_id, _ in self._database.execute(_FACTS, (LIBRARY,)):
            self._awaited.pop(fact_id, None)
        self._said_before = self._database.execute(_LIBRARY, (LIBRARY,)).fetchone()[1]
        self._said.clear()

    def look_for_recovery(self) -> bool:
        """Return whether the gateway has come to say that all is back; note what is not."""
        if not self._awaited:
            return False
        if not self._database.execute(_LIBRARY, (LIBRARY,)).fetchone()[0]:
            return False
        there = dict(self._database.execute(_FACTS, (LIBRARY,)).fetchall())
        for fact_id, station in self._awaited.items():
            if fact_id not in there:
                self.missing.append(Missing(self._now_ms(), station, fact_id))
        self._awaited.clear()
        return True

    def changed(self, payload: bytes) -> None:
        """The gateway has handed a change to its broker."""
        change = decode(Change, payload)
        self._said[change.kind, change.to_version] = True

    def untold(self, kinds: tuple[str, ...]) -> list[tuple[str, int]]:
        """Return the changes of these lists that count as published and never were."""
        published = self._database.execute(_LIBRARY, (LIBRARY,)).fetchone()[1]
        steps = self._database.execute(_STEPS, (LIBRARY, self._said_before, published)).fetchall()
        return [step for step in sorted(steps) if step[0] in kinds and step not in self._said]

    def close(self) -> None:
        """Let go of the file; who looks again opens it again."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    @property
    def _database(self) -> sqlite3.Connection:
        """Return a connection that is kept: a new one reads the schema before anything else."""
        if self._kept is None:
            self._kept = sqlite3.connect(self._file, isolation_level=None)
            self._kept.execute("PRAGMA query_only=1")
        return self._kept
