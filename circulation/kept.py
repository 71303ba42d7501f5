"""What a station's journal still keeps, epoch by epoch, looked at without writing.

The running program has one journal, the newest epoch. Whoever carries facts away on a stick, or
looks at a card from another machine, wants every row that is left, at one moment. Give these a
connection that cannot write (`circulation.journal.open_reader`), inside one transaction.
"""

from typing import Any, NamedTuple

from circulation.sync.rows import Epoch, Parent, Row


class KeptEpoch:
    """One epoch's rows, as `circulation.sync.batch` wants to see a journal."""

    def __init__(self, connection: Any, epoch: Epoch, base: tuple[int, bytes], acked: int) -> None:
        """base: the last row that was pruned, and its hash. acked: what the gateway has."""
        self._connection = connection
        self._base = base
        self.epoch = epoch
        self.acked = acked

    @property
    def first_seq(self) -> int:
        """Return the seq after the last pruned row."""
        return self._base[0] + 1

    @property
    def last_seq(self) -> int:
        """Return the seq of the newest row, that of the last pruned one if none is left."""
        found = self._connection.execute(
            "SELECT max(seq) FROM journal WHERE epoch_n = ?", (self.epoch.n,)
        ).fetchone()
        return self._base[0] if found[0] is None else int(found[0])

    @property
    def count(self) -> int:
        """Return how many rows are kept."""
        query = "SELECT count(*) FROM journal WHERE epoch_n = ?"
        return int(self._connection.execute(query, (self.epoch.n,)).fetchone()[0])

    def rows(self, first_seq: int, count_max: int, bytes_max: int) -> list[Row]:
        """Return rows from first_seq on, ascending; at least one if there is one."""
        chosen: list[Row] = []
        for found in self._connection.execute(
            "SELECT seq, prev_hash, hash, body, salt, patron FROM journal"
            " WHERE epoch_n = ? AND seq >= ? ORDER BY seq LIMIT ?",
            (self.epoch.n, first_seq, count_max),
        ):
            row = Row(*found)
            bytes_max -= len(row.body)
            if bytes_max < 0 and chosen:
                break
            chosen.append(row)
        return chosen

    def hash_at(self, seq: int) -> bytes | None:
        """Return the row's hash, or None if it was never there or is gone."""
        if seq == self._base[0]:
            return self._base[1]
        found = self._connection.execute(
            "SELECT hash FROM journal WHERE epoch_n = ? AND seq = ?", (self.epoch.n, seq)
        ).fetchone()
        return None if found is None else bytes(found[0])


def kept_epochs(connection: Any) -> list[KeptEpoch]:
    """Return every epoch of the database, the oldest first, those without rows too."""
    rows = connection.execute(
        "SELECT n, id, parent_n, parent_epoch, parent_seq, parent_hash,"
        " base_seq, base_hash, acked FROM epoch ORDER BY n"
    ).fetchall()
    return [_kept(connection, _EpochRow(*row)) for row in rows]


class _EpochRow(NamedTuple):
    n: int
    id: str
    parent_n: int | None
    parent_epoch: str | None
    parent_seq: int | None
    parent_hash: bytes | None
    base_seq: int
    base_hash: bytes
    acked: int


def _kept(connection: Any, row: _EpochRow) -> KeptEpoch:
    parent = None
    if row.parent_n is not None:
        parent = Parent(row.parent_n, row.parent_epoch, row.parent_seq, row.parent_hash)
    base = (row.base_seq, bytes(row.base_hash))
    return KeptEpoch(connection, Epoch(row.n, row.id, parent), base, row.acked)
