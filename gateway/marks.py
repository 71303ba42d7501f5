"""How far every station's journal is applied: high-water mark, hashes, epochs.

Loaded once for a transaction, moved on row by row in memory, written back at its end.

A station only ever moves on to epochs with higher numbers, since facts are ordered by (epoch
number, seq). So one that sends new rows under a number that is not the newest (its card was
replaced, or rolled back to before a fork) is told of a fork, and moves them into a new epoch.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from circulation.sync.intake import ForkFound, Mark, fork_hashes, new_mark
from circulation.wire.chain import chain_start
from gateway.schema import EPOCH, POSITION
from gateway.statements import LIBRARY, Statement, among
from gateway.store import Write

_EPOCHS = Statement(
    sa.select(EPOCH).where(EPOCH.c.library_id == LIBRARY, among(EPOCH.c.station, "stations"))
)
_HASH = Statement(
    sa.select(POSITION.c.hash).where(
        POSITION.c.library_id == LIBRARY,
        POSITION.c.station == sa.bindparam("station"),
        POSITION.c.epoch_id == sa.bindparam("epoch"),
        POSITION.c.seq == sa.bindparam("seq"),
    )
)


class Progress:
    """One epoch of one station while a transaction works on it."""

    def __init__(self, station: str, n: int, epoch: str, hw: int, tip: bytes):
        self.station = station
        self.n = n
        self.epoch = epoch
        self.hw = hw
        self.tip = tip
        self.fresh: dict[int, bytes] = {}
        self.parent: Any = None
        self.is_new = False

    def advance(self, seq: int, row_hash: bytes) -> None:
        """Note a row; the high-water mark moves unless the row fills a hole below it."""
        self.fresh[seq] = row_hash
        if seq > self.hw:
            self.hw, self.tip = seq, row_hash


class Marks:
    """The epochs of the stations in one transaction, or in one look."""

    def __init__(self, connection: sa.Connection, library_id: str):
        self._connection = connection
        self._library_id = library_id
        self._epochs: dict[tuple[str, str], Progress] = {}
        self._newest: dict[str, Progress] = {}

    def load(self, stations: Iterable[str]) -> None:
        """Read every epoch of these stations."""
        names = sorted(set(stations))
        for row in _EPOCHS.rows(self._connection, library_id=self._library_id, stations=names):
            self._know(Progress(row.station, row.n, row.id, row.hw, row.hash))

    def _know(self, progress: Progress) -> None:
        self._epochs[progress.station, progress.epoch] = progress
        newest = self._newest.get(progress.station)
        if newest is None or progress.n > newest.n:
            self._newest[progress.station] = progress

    def newest(self, station: str) -> Progress | None:
        """Return a station's newest epoch, or None before its first fact."""
        return self._newest.get(station)

    def at(self, station: str, epoch: str) -> Progress | None:
        """Return an epoch by its id."""
        return self._epochs.get((station, epoch))

    def open(self, station: str, message: Any) -> Progress:
        """Begin the epoch of a batch, of which no row is known yet."""
        epoch = message.epoch
        progress = Progress(station, message.n, epoch, 0, chain_start(epoch))
        progress.is_new, progress.parent = True, message.parent
        self._know(progress)
        return progress

    def mark(self, station: str, epoch: str, n: int) -> Mark:
        """Return an epoch as intake wants to see it, known or not."""
        progress = self.at(station, epoch)
        if progress is None:
            return new_mark(epoch, n)

        def hash_at(seq: int) -> bytes | None:
            if seq == progress.hw:
                return progress.tip
            return progress.fresh.get(seq) or self._stored(progress, seq)

        return Mark(progress.epoch, progress.n, progress.hw, hash_at)

    def moved_on(self, station: str, epoch: str, n: int, top: int) -> ForkFound | None:
        """Return the fork to tell a station of that uses an epoch number of the past.

        top: the last seq it says to have.
        """
        newest = self.newest(station)
        if newest is None or newest.epoch == epoch or n > newest.n:
            return None
        mark = self.mark(station, epoch, n)
        return ForkFound(max(mark.hw, top) + 1, 0, fork_hashes(mark, mark.hw))

    def _stored(self, progress: Progress, seq: int) -> bytes | None:
        found: bytes | None = _HASH.value(
            self._connection,
            library_id=self._library_id,
            station=progress.station,
            epoch=progress.epoch,
            seq=seq,
        )
        return found

    def save(self, write: Write) -> dict[str, Progress]:
        """Write every epoch that moved; return the newest of each such station."""
        moved = [one for one in self._epochs.values() if one.fresh or one.is_new]
        write.upsert(EPOCH, [_row(one) for one in moved if one.parent is None])
        write.upsert(
            EPOCH, [_row(one) | _parent_columns(one.parent) for one in moved if one.parent]
        )
        return {one.station: self._newest[one.station] for one in moved}


def _row(progress: Progress) -> dict[str, Any]:
    return {
        "station": progress.station,
        "n": progress.n,
        "id": progress.epoch,
        "hw": progress.hw,
        "hash": progress.tip,
    }


def _parent_columns(parent: Any) -> dict[str, Any]:
    return {
        "parent_n": parent["n"],
        "parent_id": parent["epoch"],
        "parent_seq": parent["seq"],
        "parent_hash": bytes.fromhex(parent["hash"]),
    }
