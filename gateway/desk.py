"""Staff decisions: facts like any other, in the desk's own journal.

A decision names every fact it considered, so that it replaces exactly those; one that arrives
later and that it did not see makes a new entry.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from circulation.items import ItemState
from circulation.journal import SqliteJournal, open_station_db
from circulation.sync.batch import make_batch
from circulation.wire import kinds
from circulation.wire.fact import encode_body
from circulation.wire.limits import BATCH_FACTS_MAX, SAW_MAX
from gateway import schema
from gateway.errors import DecisionInvalid
from gateway.holdings import item_fold
from gateway.ingest import Batch, Ingest
from gateway.stations import ensure_station
from gateway.store import Store

STATION = "desk"
NOTED = "noted"
DECIDABLE = tuple(state.value for state in ItemState if state is not ItemState.UNCERTAIN)


def monotonic_ms() -> int:
    """Return the machine's monotonic clock in milliseconds."""
    return time.monotonic_ns() // 1_000_000


class DeskJournal:
    """The gateway's own station: its journal is a file beside the database."""

    def __init__(
        self,
        store: Store,
        library_id: str,
        path: Path | str,
        *,
        boot: str | None = None,
        monotonic_ms: Callable[[], int] = monotonic_ms,
    ):
        """boot: 8 random hex digits of this start of the program, made here if not given."""
        self.store = store
        self.library_id = library_id
        self._path = path
        self._lock = threading.Lock()
        self._boot = boot or secrets.token_hex(4)
        self._monotonic_ms = monotonic_ms
        self._started_ms = monotonic_ms()
        with store.write(library_id) as write:
            ensure_station(write, STATION, role="desk", name="Desk")

    def decision(self, entry: str, state: str) -> str:
        """Write the decision on an entry into the journal; return its fact id."""
        fields = self._fields(entry, state)
        return self.write(fields)

    def _fields(self, entry: str, state: str) -> dict[str, Any]:
        """Return the body of a decision; raise `DecisionInvalid` if there is nothing to decide."""
        with self.store.read() as connection:
            table = schema.REVIEW
            query = table.select().where(
                table.c.library_id == self.library_id, table.c.key == entry
            )
            row = connection.execute(query).first()
            if row is None:
                raise DecisionInvalid(f"no entry {entry[:80]!r}; look at the list again")
            if row.decided_at is not None:
                raise DecisionInvalid("somebody has decided this already; look at the list again")
            if row.settled_at is not None:
                raise DecisionInvalid("later facts have settled this; look at the list again")
            if row.item_id is None or state == NOTED:
                return {"kind": kinds.DECISION, "entry": entry, "saw": list(row.facts)[:SAW_MAX]}
            if state not in DECIDABLE:
                raise DecisionInvalid(f"{state[:40]!r} is none of {', '.join(DECIDABLE)}")
            folded = item_fold(connection, self.library_id, row.item_id)
        return {
            "kind": kinds.DECISION,
            "item": row.item_id,
            "entry": entry,
            "state": state,
            "saw": list(folded.considered),
        }

    def compare_clock(self) -> str:
        """Write what the gateway's clock says now, so that decisions have their place in time."""
        sent, now_ms = self._mono_ms(), self.store.clock()
        sample = {"mono_sent": sent, "mono_received": self._mono_ms(), "gateway_now": now_ms}
        return self.write({"kind": kinds.CLOCK, **sample})

    def _mono_ms(self) -> int:
        return self._monotonic_ms() - self._started_ms

    def write(self, fields: dict[str, Any]) -> str:
        """Append a fact of the desk; return its id."""
        fact_id = self.store.new_id()
        body = {
            "id": fact_id,
            "boot": self._boot,
            "mono": self._mono_ms(),
            "wall": self.store.clock(),
            "sure": True,
            **fields,
        }
        with self._lock:
            self._with_journal(lambda journal: journal.append(encode_body(body)))
        return fact_id

    def hand_over(self, ingest: Ingest) -> int:
        """Bring what the journal has and the library does not; return how many facts."""
        brought = 0
        while batch := self._next_batch():
            answer = ingest.take([batch])[0]
            brought += answer.rows
            with self._lock:
                self._with_journal(lambda journal: journal.mark_acked(answer.hw, 1))  # noqa: B023
            if not answer.rows:
                return brought
        return brought

    def _next_batch(self) -> Batch | None:
        with self._lock:
            found: Batch | None = self._with_journal(self._unsent)
        return found

    def _unsent(self, journal: SqliteJournal) -> Batch | None:
        hw = self._shared(journal)
        if journal.last_seq <= hw:
            return None
        clock = {"mono": 0, "wall": self.store.clock(), "sure": True, "boot": self._boot}
        message, _ = make_batch(
            journal, first=hw + 1, facts_max=BATCH_FACTS_MAX, is_raw=False, clock=clock
        )
        return Batch(STATION, message)

    def _shared(self, journal: SqliteJournal) -> int:
        """Return up to where the library has this journal; where they differ, open an epoch.

        The database and the journal are two files: a backup may bring back either without the
        other, and then a place proves nothing. What the library knows already it knows by id.
        """
        with self.store.read() as connection:
            table = schema.EPOCH
            query = table.select().where(
                table.c.library_id == self.library_id, table.c.station == STATION
            )
            epochs = {row.id: row for row in connection.execute(query)}
        newest = max((row.n for row in epochs.values()), default=0)
        own, mark = journal.epoch, epochs.get(journal.epoch.id)
        if mark is None and newest < own.n:
            return 0
        if mark is not None and newest == own.n and journal.hash_at(mark.hw) == mark.hash:
            return int(mark.hw)
        journal.open_epoch(0, self.store.new_id(), max(newest, own.n) + 1)
        return 0

    def _with_journal(self, action: Callable[[SqliteJournal], Any]) -> Any:
        """Open, act, close: a decision comes a few times a day, from any thread."""
        connection = open_station_db(self._path)
        try:
            return action(SqliteJournal(connection, epoch_id=self.store.new_id()))
        finally:
            connection.close()
