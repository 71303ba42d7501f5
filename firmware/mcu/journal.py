"""A gate's journal in flash: the port of `circulation.sync.rows` on two rings.

Laws:
1. A row is written once. A new epoch copies nothing: where its rows begin is one of the marks,
   so a fork, like every other change of the journal, is one entry in one ring, whole or absent.
2. The oldest rows make room, acknowledged or not: a gate that has been alone for weeks keeps
   the newest alarms. That they are gone is on the flash before they are; the next batch
   declares them as `lost`.
3. No hash is kept with a row: the chain is computed from its bodies. Damaged rows are a hole
   that the next batch declares, and a hash that differs from the gateway's opens a new epoch,
   as with any other fork. What is at the very end has no row behind it that could declare it;
   it comes as an empty body, which the gateway parks and shows to staff.
4. If one of the two rings is not what was left there, a new epoch offers every row that is
   still readable again; their ids keep anything from being applied twice.
5. Only `append` refuses. What else changes is kept in memory while the flash cannot be written,
   and put down before the next row is: without it rows are sent again, which harms nothing.
6. Memory does not grow: two bytes for each record, sixteen for every eighth, whatever it holds.

An entry is 12 bytes, salt, patron and body; integers little-endian:
ordinal 4, number of the epoch it was written in 4, length of the body 2 with the highest bit
for one written short (abbreviation.py), length of the salt plus one 1, of the patron plus one 1;
0 means that there is none.
"""

import struct

from circulation.sync.rows import Epoch, Parent, Row
from circulation.wire.chain import HASH_BYTES, chain_hash, chain_start
from circulation.wire.errors import FactInvalid
from circulation.wire.fact import check_size
from circulation.wire.limits import BATCH_BYTES_MAX
from firmware.mcu import ring as rings
from firmware.mcu.abbreviation import abbreviated, spelled_out
from firmware.mcu.marks import Marks, newest_marks, pack_marks
from firmware.mcu.region import FileRegion
from firmware.mcu.ring import Ring, RingUnwritable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

RECORD_BYTES = 124  # an alarm written short is some 200 bytes: two records
_HEAD = "<IIHBB"
_HEAD_BYTES = 12
_SHORT = 0x8000
_STEP = 8
_GONE = 0xFFFF
_TEXT_BYTES_MAX = 254


class FlashJournal:
    """The journal that an `Uploader` sends; every change is in flash when its call returns."""

    def __init__(
        self, rows: Ring, marks: Ring, *, epoch_id: str, rows_bytes_max: int = BATCH_BYTES_MAX
    ) -> None:
        """epoch_id: for an epoch that has to begin. rows_bytes_max: of one answer of `rows`."""
        self._trouble = ""
        self._refusal = ""
        self._rows = rows
        self._ring = marks
        self._rows_bytes_max = rows_bytes_max
        self._slots = bytearray(b"\xff" * (2 * rows.slots))
        self._hashes = bytearray(HASH_BYTES * (rows.slots // _STEP + 2))
        self._last = 0  # the ordinal of the newest row
        self._tip = b""
        self._is_chained = False
        self._is_marked = False
        self._marks = self._found_marks(epoch_id)
        self._chain()
        rows.before_erase = self._on_erase
        if not self._is_marked:
            self._write(self._marks)

    @property
    def trouble(self) -> str:
        """Return what staff should know: what was found at the start, or is refused now."""
        return self._refusal or self._trouble

    @property
    def epoch(self) -> Epoch:
        """Return the newest epoch."""
        epoch: Epoch = self._marks.epoch
        return epoch

    @property
    def last_seq(self) -> int:
        """Return the seq of the newest row, 0 before the first."""
        return self._last - self._offset

    @property
    def acked(self) -> int:
        """Return up to where the gateway has applied this epoch."""
        return int(self._marks.acked)

    @property
    def lineage(self) -> "str | None":
        """Return the gateway's history that `acked` belongs to."""
        lineage: str | None = self._marks.lineage
        return lineage

    @property
    def has_older(self) -> bool:
        """Return whether rows of earlier epochs are still kept."""
        return bool(self._marks.floor <= self._marks.offset)

    @property
    def overrun(self) -> int:
        """Return how many rows of this epoch made room before the gateway had them."""
        return max(self._base - self.acked, 0)

    def append(self, body: bytes, salt: "bytes | None" = None, patron: "str | None" = None) -> Row:
        """Add a row at the end and return it.

        Raise FactInvalid, or RingUnwritable: then the journal is as it was before.
        """
        check_size(body)
        named = None if patron is None else patron.encode()
        if max(len(salt or b""), len(named or b"")) > _TEXT_BYTES_MAX:
            raise FactInvalid(f"fact: salt and patron may have {_TEXT_BYTES_MAX} bytes at most")
        self._mark()
        ordinal = self._last + 1
        sizes = [0 if text is None else len(text) + 1 for text in (salt, named)]
        short = abbreviated(body)
        size = len(body) if short is None else len(body) | _SHORT
        head = struct.pack(_HEAD, ordinal, self.epoch.n, size, sizes[0], sizes[1])
        written = body if short is None else short
        number = self._rows.append(head + (salt or b"") + (named or b"") + written)
        self._set_slot(ordinal, (number - 1) % self._rows.slots)
        prev_hash, seq = self._tip, self.last_seq + 1
        self._last = ordinal
        self._tip = chain_hash(prev_hash, seq, body)
        self._keep_hash(ordinal, self._tip)
        return Row(seq, prev_hash, self._tip, body, salt, patron)

    def rows(self, first_seq: int, count_max: int, bytes_max: int) -> "list[Row]":
        """Return rows from first_seq on, ascending; at least one if there is one."""
        chosen: list[Row] = []
        left = min(bytes_max, self._rows_bytes_max)
        ordinal = max(self._offset + first_seq, self._first)
        if ordinal > self._last:
            return chosen
        chained = self._hash(ordinal - 1)
        while ordinal <= self._last and len(chosen) < count_max:
            found = self._entry(ordinal)
            seq = ordinal - self._offset
            row = _row(found or b"", seq, chained)
            chained = row.hash
            if found is not None or (ordinal == self._last and not chosen):
                left -= len(row.body)
                if left < 0 and chosen:
                    break
                chosen.append(row)
            ordinal += 1
        return chosen

    def hash_at(self, seq: int) -> "bytes | None":
        """Return the row's hash, or None if it was never there or is gone."""
        if seq == 0:
            return chain_start(self.epoch.id)
        ordinal = self._offset + seq
        if seq < 0 or not self._first - 1 <= ordinal <= self._last:
            return None
        return self._hash(ordinal)

    def mark_acked(self, seq: int, keep_from: int) -> None:
        """Note what the gateway has; prune below keep_from, as far as it has that."""
        marks = self._marks
        acked = max(self.acked, seq)
        floor = int(marks.floor)
        gone = min(keep_from - 1, acked)
        if gone > 0 and self.hash_at(gone) is not None:
            floor = max(floor, marks.offset + gone + 1)
        if keep_from > 1:
            floor = max(floor, marks.offset + 1)
        if acked != self.acked or floor != marks.floor:
            self._write(self._moved(acked, floor))

    def set_lineage(self, lineage: str, acked: int) -> None:
        """Begin to count for another history of the gateway."""
        marks = self._marks
        if (lineage, acked) != (marks.lineage, marks.acked):
            base = (marks.offset, marks.floor, marks.base_hash)
            self._write(Marks(marks.epoch, lineage, acked, *base))

    def open_epoch(self, common_seq: int, epoch_id: str, n: int) -> Epoch:
        """Open epoch n, in which every row after common_seq has a new place."""
        known = self.hash_at(common_seq)
        if known is None:
            common_seq = self._base
            known = self._hash(self._first - 1)
        parent = Parent(self.epoch.n, self.epoch.id, common_seq, known)
        return self._begin(Epoch(n, epoch_id, parent), max(common_seq, self._base))

    def gather(self, epoch_id: str, n: int) -> Epoch:
        """Open epoch n, in which every row still kept has a place, whatever its epoch was."""
        parent = Parent(self.epoch.n, self.epoch.id, 0, chain_start(self.epoch.id))
        marks = self._marks
        return self._begin(Epoch(n, epoch_id, parent), marks.floor - 1 - marks.offset)

    @property
    def _offset(self) -> int:
        """The ordinal of seq 0."""
        return int(self._marks.offset)

    @property
    def _first(self) -> int:
        """The ordinal of the first row of this epoch that is kept."""
        return int(max(self._marks.offset + 1, self._marks.floor))

    @property
    def _base(self) -> int:
        """The seq before that row's."""
        return self._first - 1 - self._offset

    def _begin(self, epoch: Epoch, behind: int) -> Epoch:
        marks = self._marks
        offset = marks.offset + behind
        self._write(Marks(epoch, marks.lineage, 0, offset, marks.floor, b""))
        self._chain()
        return epoch

    def _moved(self, acked: int, floor: int) -> Marks:
        """Return the marks with another acked and a higher floor."""
        marks = self._marks
        base_hash = self._hash(floor - 1) if floor - 1 > marks.offset else b""
        return Marks(marks.epoch, marks.lineage, acked, marks.offset, floor, base_hash)

    def _write(self, marks: Marks) -> None:
        self._marks = marks
        self._is_marked = False
        try:
            self._mark()
        except RingUnwritable as error:
            self._refusal = str(error)

    def _on_erase(self, oldest: int) -> None:
        """The ring is about to lose every record before `oldest`: say so first."""
        floor = int(self._marks.floor)
        while floor <= self._last:
            slot = self._slot(floor)
            if slot != _GONE and self._rows.number_at(slot) >= oldest:
                break
            floor += 1
        if floor != self._marks.floor:
            marks = self._moved(self.acked, floor)
            self._ring.append(pack_marks(marks))
            self._marks = marks

    def _slot(self, ordinal: int) -> int:
        place = ordinal % self._rows.slots * 2
        return self._slots[place] | self._slots[place + 1] << 8

    def _set_slot(self, ordinal: int, slot: int) -> None:
        place = ordinal % self._rows.slots * 2
        self._slots[place] = slot & 0xFF
        self._slots[place + 1] = slot >> 8

    def _entry(self, ordinal: int) -> "bytes | None":
        """Return a row's entry, or None if it does not read back."""
        slot = self._slot(ordinal)
        found = None if slot == _GONE else self._rows.read(self._rows.number_at(slot))
        if found is None or len(found) < _HEAD_BYTES:
            return None
        return found if struct.unpack_from("<I", found, 0)[0] == ordinal else None

    def _hash(self, ordinal: int) -> bytes:
        """Return the hash of a row from the one before the first kept to the last."""
        marks, first = self._marks, self._first
        if ordinal == self._last and self._is_chained:
            return self._tip
        known = ordinal - ordinal % _STEP
        if known >= first:
            place = known // _STEP % (len(self._hashes) // HASH_BYTES) * HASH_BYTES
            chained = bytes(self._hashes[place : place + HASH_BYTES])
        else:
            known = first - 1
            is_start = known == marks.offset
            chained = chain_start(marks.epoch.id) if is_start else bytes(marks.base_hash)
        for after in range(known + 1, ordinal + 1):
            body = _body(self._entry(after) or b"")
            chained = chain_hash(chained, after - self._offset, body)
        return chained

    def _keep_hash(self, ordinal: int, chained: bytes) -> None:
        if ordinal % _STEP == 0:
            place = ordinal // _STEP % (len(self._hashes) // HASH_BYTES) * HASH_BYTES
            self._hashes[place : place + HASH_BYTES] = chained

    def _chain(self) -> None:
        """Compute every hash of this epoch, once at the start and for a new epoch."""
        self._is_chained = False
        first = self._first
        chained = self._hash(first - 1)
        for ordinal in range(first, self._last + 1):
            body = _body(self._entry(ordinal) or b"")
            chained = chain_hash(chained, ordinal - self._offset, body)
            self._keep_hash(ordinal, chained)
        self._tip = chained
        self._is_chained = True

    def _mark(self) -> None:
        """Put down where the journal stands if that is not in flash yet."""
        if self._is_marked:
            return
        if self._rows.last == 0:
            self._rows.append(b"")  # from here on, no rows at all are rows that were lost
        self._ring.append(pack_marks(self._marks))
        self._is_marked = True
        self._refusal = ""

    def _found_marks(self, epoch_id: str) -> Marks:
        """Find where the journal stands; never raises, whatever is in the flash."""
        found = newest_marks(self._ring)
        first, n = self._find_rows(found.floor if found else 1)
        if found is not None and self._fits(found, first, n):
            self._last = max(self._last, found.floor - 1)
            self._is_marked = True
            return found
        old = found or Marks(Epoch(0, epoch_id, None), None, 0, 0, 1, b"")
        if found is not None or first or self._rows.state not in (rings.NEW, rings.GOOD):
            self._trouble = (
                f"rows {self._rows.state}, marks {self._ring.state}: a new epoch begins"
            )
        if not first:
            self._last = max(self._last, old.offset + old.acked, old.floor - 1)
            first = self._last + 1
        parent = None if found is None else _root(old.epoch)
        epoch = Epoch(max(n, old.epoch.n) + 1, epoch_id, parent)
        return Marks(epoch, old.lineage, 0, first - 1, first, b"")

    def _fits(self, marks: Marks, first: int, n: int) -> bool:
        """Return whether the rows are those that the marks were made for."""
        known = max(marks.offset + marks.acked, marks.floor - 1)
        last = self._last if first else marks.floor - 1
        is_sane = n <= marks.epoch.n and last - marks.floor < self._rows.slots
        return bool(is_sane and known <= last and self._rows.last > 0)

    def _find_rows(self, floor: int) -> "tuple[int, int]":
        """Note where every row lies; return the first ordinal from floor on and the greatest
        number of an epoch, zeros if there is none."""
        first = newest_n = 0
        for number, head in self._rows.entries():
            if len(head) < _HEAD_BYTES:
                continue
            ordinal, n = struct.unpack_from("<II", head, 0)
            newest_n = max(newest_n, n)
            if ordinal >= floor:
                self._set_slot(ordinal, (number - 1) % self._rows.slots)
                first = first if 0 < first < ordinal else ordinal
                self._last = ordinal
        self._rows.forget()
        return first, newest_n


def _root(epoch: Epoch) -> Parent:
    """Return the start of an epoch as the parent of another."""
    return Parent(epoch.n, epoch.id, 0, chain_start(epoch.id))


def _row(entry: bytes, seq: int, prev_hash: bytes) -> Row:
    """Return the row that an entry holds; an empty entry is a row that cannot be read."""
    body, salt, patron = _body(entry), None, None
    if entry:
        middle = _HEAD_BYTES + max(entry[10] - 1, 0)
        salt = entry[_HEAD_BYTES:middle] if entry[10] else None
        patron = entry[middle : middle + entry[11] - 1].decode() if entry[11] else None
    return Row(seq, prev_hash, chain_hash(prev_hash, seq, body), body, salt, patron)


def _body(entry: bytes) -> bytes:
    """Return the body of an entry."""
    if not entry:
        return entry
    written = entry[_HEAD_BYTES + max(entry[10] - 1, 0) + max(entry[11] - 1, 0) :]
    return spelled_out(written) if entry[9] & _SHORT >> 8 else written


def open_journal(
    path: str,
    *,
    epoch_id: str,
    sectors: int = 32,
    opener: "Callable[[str, str], Any]" = open,
    on_sector: "Callable[[], object] | None" = None,
    rows_bytes_max: int = BATCH_BYTES_MAX,
) -> FlashJournal:
    """Return the journal in the files `path.0` … and `path-marks.0`, `.1`; made if need be.

    sectors: of 4 KiB; 32 keep 510 alarms of up to 365 bytes. epoch_id: 16 random hex digits,
    others at every start. Raise OSError if there is no room for the files, nothing else.
    """
    rows = FileRegion(path, sectors, opener=opener, on_sector=on_sector)
    marks = FileRegion(f"{path}-marks", 2, opener=opener, on_sector=on_sector)
    return FlashJournal(
        Ring(rows, record_bytes=RECORD_BYTES),
        Ring(marks),
        epoch_id=epoch_id,
        rows_bytes_max=rows_bytes_max,
    )
