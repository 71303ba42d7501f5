"""A journal in memory: for tests, for the fleet simulation, for a gate without a disk."""

from circulation.sync.batch import carried_body
from circulation.sync.rows import Epoch, Parent, Row
from circulation.wire.chain import chain_hash, chain_start
from circulation.wire.fact import check_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class MemoryJournal:
    """A journal that forgets everything when the program ends.

    `copy` is what a card image is: restoring one plays the card that was rolled back.
    """

    def __init__(self, epoch_id: str) -> None:
        """Start the station's first epoch."""
        self.epoch = Epoch(1, epoch_id, None)
        self.acked = 0
        self.lineage: str | None = None
        self._base_seq = 0
        self._base_hash = chain_start(epoch_id)
        self._rows: list[Any] = []
        self._older: list[Any] = []

    @property
    def last_seq(self) -> int:
        """Return the seq of the newest row, 0 before the first."""
        return self._base_seq + len(self._rows)

    @property
    def has_older(self) -> bool:
        """Return whether rows of earlier epochs are still kept."""
        return bool(self._older)

    def append(self, body: bytes, salt: "bytes | None" = None, patron: "str | None" = None) -> Row:
        """Add a row at the end and return it."""
        check_size(body)
        seq = self.last_seq + 1
        prev_hash = self._rows[-1].hash if self._rows else self._base_hash
        row = Row(seq, prev_hash, chain_hash(prev_hash, seq, body), body, salt, patron)
        self._rows.append(row)
        return row

    def rows(self, first_seq: int, count_max: int, bytes_max: int) -> "list[Row]":
        """Return rows from first_seq on, ascending; at least one if there is one."""
        chosen: list[Row] = []
        start = max(first_seq - self._base_seq - 1, 0)
        for row in self._rows[start : start + count_max]:
            bytes_max -= len(row.body)
            if bytes_max < 0 and chosen:
                break
            chosen.append(row)
        return chosen

    def hash_at(self, seq: int) -> "bytes | None":
        """Return the row's hash, or None if it was never there or is gone."""
        if seq == self._base_seq:
            return self._base_hash
        if seq == 0:
            return chain_start(self.epoch.id)
        if self._base_seq < seq <= self.last_seq:
            found: bytes = self._rows[seq - self._base_seq - 1].hash
            return found
        return None

    def mark_acked(self, seq: int, keep_from: int) -> None:
        """Note what the gateway has; prune below keep_from, as far as it has that."""
        self.acked = max(self.acked, seq)
        gone = min(keep_from - 1, self.acked) - self._base_seq
        if gone > 0:
            last = self._rows[gone - 1]
            self._base_seq, self._base_hash = last.seq, last.hash
            self._rows = self._rows[gone:]
        if keep_from > 1:
            self._older = []

    def set_lineage(self, lineage: str, acked: int) -> None:
        """Begin to count for another history of the gateway."""
        self.lineage = lineage
        self.acked = acked

    def open_epoch(self, common_seq: int, epoch_id: str, n: int) -> Epoch:
        """Open epoch n and copy every row after common_seq into it."""
        copied = [row for row in self._rows if row.seq > common_seq]
        older = [row for row in self._rows if row.seq <= common_seq]
        parent = self._parent(common_seq)
        self._older = self._older + older
        return self._start(Epoch(n, epoch_id, parent), copied)

    def gather(self, epoch_id: str, n: int) -> Epoch:
        """Open epoch n and copy every row still kept into it, whatever its epoch."""
        copied = self.kept()
        self._older = []
        return self._start(Epoch(n, epoch_id, self._parent(0)), copied)

    def kept(self) -> "list[Row]":
        """Return every row still kept, of every epoch."""
        return self._older + self._rows

    def copy(self) -> "MemoryJournal":
        """Return a journal with the same content, as an image of a card has."""
        twin = MemoryJournal(self.epoch.id)
        twin.epoch = self.epoch
        twin.acked = self.acked
        twin.lineage = self.lineage
        twin._base_seq = self._base_seq
        twin._base_hash = self._base_hash
        twin._rows = list(self._rows)
        twin._older = list(self._older)
        return twin

    def _parent(self, seq: int) -> Parent:
        known = self.hash_at(seq)
        if known is None:
            seq, known = self._base_seq, self._base_hash
        return Parent(self.epoch.n, self.epoch.id, seq, known)

    def _start(self, epoch: Epoch, copied: "list[Any]") -> Epoch:
        self.epoch = epoch
        self.acked = 0
        self._base_seq = 0
        self._base_hash = chain_start(epoch.id)
        self._rows = []
        for row in copied:
            self.append(carried_body(row), row.salt, row.patron)
        return epoch
