"""Bringing in what a station wrote onto a stick, by the same way as what comes over the network.

Laws:
1. `Ingest` judges every row: chain, duplicates, forks, poison. This file only stands in for the
   station, which is not there to answer.
2. Where a file's rows and ours differ, the station would open a new epoch. Here one is opened in
   its place, under a name that follows from the rows: the same file again finds it again.
3. Nothing is taken from a file that names another library, or epochs that cannot be ours.
4. The station learns of none of this. When it is online one day it is told how far it is applied,
   as always, and believes it by its own hashes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from circulation.errors import JournalFileInvalid
from circulation.journal_file import Head, JournalFile, batch_bodies
from circulation.sync.batch import make_batch
from circulation.sync.intake import ForkFound, Gap, Unreadable
from circulation.sync.memory import MemoryJournal
from circulation.sync.rows import Epoch, Parent
from circulation.wire.chain import chain_hash, chain_start
from circulation.wire.errors import FactInvalid
from circulation.wire.limits import BATCH_FACTS_MAX
from gateway import diary, schema
from gateway.desk import STATION as DESK
from gateway.ingest import Answer, Batch, Ingest
from gateway.stations import ensure_station
from gateway.store import Store

FORKS_MAX = 8
"""A card is rolled back once or twice in its life; more is a file made to loop."""


@dataclass(slots=True)
class Brought:
    """What became of a file's rows; `holes` are [first, last] that nobody has any more."""

    station: str
    rows: int
    applied: int = 0
    set_aside: int = 0
    forks: int = 0
    holes: list[list[int]] = field(default_factory=list)

    @property
    def known(self) -> int:
        """Rows that were here already."""
        return self.rows - self.applied - self.set_aside


class JournalImport:
    """Brings journals of stations into one library."""

    def __init__(self, store: Store, library_id: str):
        self._store = store
        self._library_id = library_id
        self._ingest = Ingest(store, library_id)

    def check(self, file: JournalFile) -> None:
        """Raise JournalFileInvalid for a file that cannot be of this library; write nothing."""
        head = file.head
        if head.library != self._library_id:
            raise JournalFileInvalid(
                f"is a journal of library {head.library!r}; this is {self._library_id!r}"
            )
        if head.station == DESK:
            raise JournalFileInvalid("is the desk's own journal, which no stick brings")
        numbers = {row.id: row.n for row in self._epochs(head.station)}
        for batch in file.batches:
            if numbers.get(batch.epoch, batch.n) != batch.n:
                raise JournalFileInvalid(
                    f"calls epoch {batch.epoch} number {batch.n}; here it is number"
                    f" {numbers[batch.epoch]}"
                )

    def bring(
        self, file: JournalFile, name: str, *, progress: Callable[[int], None] = lambda _: None
    ) -> Brought:
        """Apply a file's rows and return what became of them.

        name: the file's, for staff. progress: told the rows of each epoch that was brought.
        """
        self.check(file)
        head = file.head
        brought = Brought(head.station, file.rows)
        before = self._counts(head)
        for _, grouped in groupby(file.batches, key=lambda batch: str(batch.epoch)):
            batches = list(grouped)
            self._take_epoch(brought, batches)
            progress(sum(len(batch_bodies(batch)) for batch in batches))
        after = self._counts(head)
        brought.applied, brought.set_aside = after[0] - before[0], after[1] - before[1]
        if brought.applied or brought.set_aside:
            with self._store.write(self._library_id) as write:
                diary.note(
                    write, "imported", head.station, rows=file.rows, applied=brought.applied,
                    file=name[:120],
                )  # fmt: skip
        return brought

    def _take_epoch(self, brought: Brought, batches: list[Any], forks: int = 0) -> None:
        """Apply the batches of one epoch; from a fork on, those of one opened in its place."""
        for batch in batches:
            answer = self._take(brought, batch)
            if isinstance(answer.verdict, ForkFound):
                if forks == FORKS_MAX:
                    raise JournalFileInvalid(f"epoch {batch.epoch} forks again and again")
                brought.forks += 1
                self._take_epoch(brought, self._forked(batches, answer), forks + 1)
                return

    def _take(self, brought: Brought, batch: Any) -> Answer:
        answer = self._ingest.take([Batch(brought.station, batch)])[0]
        if isinstance(answer.verdict, Gap):
            # What lies between has been pruned there and lost here: say so and go on.
            hole = [answer.verdict.hw + 1, batch.seq0 - 1]
            brought.holes.append(hole)
            batch = batch._replace(lost=hole)
            answer = self._ingest.take([Batch(brought.station, batch)])[0]
        if isinstance(answer.verdict, Unreadable):
            raise JournalFileInvalid(f"row {batch.seq0}: {answer.verdict.why}")
        return answer

    def _forked(self, batches: list[Any], answer: Answer) -> list[Any]:
        """Return the rows after the last one both share, as batches of an epoch of their own."""
        first = batches[0]
        own = _hashes(batches)
        theirs = {int(seq): str(text) for seq, text in answer.verdict.hashes}
        shared = [seq for seq, text in theirs.items() if own.get(seq, b"").hex() == text]
        common = max(shared, default=first.seq0 - 1)
        parent = Parent(first.n, first.epoch, common, own[common])
        journal = MemoryJournal(_derived_id(parent))
        number = self._number(answer, journal.epoch.id, first.n)
        journal.epoch = Epoch(number, journal.epoch.id, parent)
        try:
            for seq, body, salt, patron in _rows(batches):
                if seq > common:
                    journal.append(body, salt, patron)
        except FactInvalid as error:
            raise JournalFileInvalid(str(error)) from error
        return _batches(journal, first.clock)

    def _number(self, answer: Answer, epoch: str, n: int) -> int:
        known = {row.id: int(row.n) for row in self._epochs(answer.station)}
        return known.get(epoch) or max([n, *known.values()]) + 1

    def _epochs(self, station: str) -> list[Any]:
        table = schema.EPOCH
        query = sa.select(table.c.id, table.c.n).where(
            table.c.library_id == self._library_id, table.c.station == station
        )
        with self._store.read() as connection:
            return list(connection.execute(query))

    def _counts(self, head: Head) -> tuple[int, int]:
        """Return how many facts of a station are applied and set aside; make its row if new."""
        table = schema.STATION_TABLE
        with self._store.write(self._library_id) as write:
            ensure_station(write, head.station, role=head.role, site=head.site, name=head.name)
            row = write.execute(write.select(table, station=head.station)).one()
        return int(row.facts), int(row.parked)


def _hashes(batches: list[Any]) -> dict[int, bytes]:
    """Return the hash of every row of an epoch, and of the one before its first."""
    first = batches[0]
    hashes = {0: chain_start(first.epoch)} | {first.seq0 - 1: bytes.fromhex(first.prev_hash)}
    for batch in batches:
        chained = bytes.fromhex(batch.prev_hash)
        for seq, body in enumerate(batch_bodies(batch), batch.seq0):
            chained = chain_hash(chained, seq, body)
            hashes[seq] = chained
    return hashes


def _rows(batches: list[Any]) -> list[tuple[int, bytes, bytes | None, str | None]]:
    rows = []
    for batch in batches:
        for index, body in enumerate(batch_bodies(batch)):
            salt, patron = batch.patrons.get(str(index)) or (None, None)
            beside = None if salt is None else bytes.fromhex(salt)
            rows.append((batch.seq0 + index, body, beside, patron))
    return rows


def _derived_id(parent: Parent) -> str:
    """Return the name of the epoch that stands on a fork; the same fork has the same name."""
    text = f"lendgate import {parent.epoch} {parent.seq} ".encode() + parent.hash
    return hashlib.sha256(text).digest()[:8].hex()


def _batches(journal: MemoryJournal, clock: Any) -> list[Any]:
    batches, first = [], 1
    while first <= journal.last_seq:
        batch, last = make_batch(
            journal, first=first, facts_max=BATCH_FACTS_MAX, is_raw=False, clock=clock
        )
        batches.append(batch)
        first = last + 1
    return batches
