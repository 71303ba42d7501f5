"""What a station does when its database is damaged: nothing is deleted, nothing goes unsaid.

Laws:
1. A damaged database is renamed, never deleted, and only when what takes its place is whole on
   the disk: a power cut in the middle of this leaves the one or the other.
2. Every row that proves itself (`circulation.carve`) goes into a new epoch with its id, so that
   nothing is applied twice. A row that does not is no fact.
3. What is missing between the rows is declared by a `lost` fact, and so is what was written
   behind the last of them: the *tip*, a small file beside the database, says how far the journal
   had come. It is written seldom and without waiting for the disk, so it may be behind, never
   ahead. It also tells of a database that is whole, but is an older one or an empty one.
"""

import contextlib
import hashlib
import json
import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from circulation.carve import (
    Found,
    frames_of,
    read_by_sqlite,
    rows_in_database,
    rows_in_frames,
    surely_committed,
)
from circulation.errors import JournalDamaged, JournalError
from circulation.journal import SqliteJournal, move_aside, open_station_db, transaction
from circulation.sync.batch import is_damaged
from circulation.sync.rows import Epoch, Parent
from circulation.wire.check import Hex, Integer
from circulation.wire.errors import FactInvalid
from circulation.wire.fact import decode_body, encode_body
from circulation.wire.kinds import LOST
from circulation.wire.limits import BATCH_FACTS_MAX

HOLES_MAX = 200
"""So many holes are declared one by one; of more, the last one names all that is missing."""
_MAGIC = b"SQLite format 3\0"
_OUTSIDE = frozenset(
    (
        sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
    )
)  # fmt: skip
"""Not the file's fault: moving it aside would not help."""

_log = logging.getLogger(__name__)


class Tip(NamedTuple):
    """How far a journal had come, as noted beside it: its epoch, its last row, and the acked."""

    epoch: str
    n: int
    seq: int
    acked: int


class Salvaged(NamedTuple):
    """What was saved of a damaged database, and what is known to be lost.

    aside: where the damaged one is. rows: in the order they were written. holes: [first,
    last] of rows of the newest epoch that nobody has, neither we nor the gateway. n: the newest
    epoch's number. acked: up to which of its rows the gateway had said to have them, or None.
    """

    aside: Path
    rows: list[Found]
    holes: list[tuple[int, int]]
    parent: Parent | None
    n: int
    acked: int | None

    def is_unsent(self, row: Found) -> bool:
        """Whether the gateway is known not to have a row."""
        return row.epoch_n == self.n and self.acked is not None and row.seq > self.acked

    @property
    def lost(self) -> int:
        """How many facts are known to be lost."""
        return sum(last - first + 1 for first, last in self.holes)

    def told(self) -> str:
        """Return what staff should know, in one sentence."""
        lost = f"{self.lost} are lost" if self.lost else "none is known to be lost"
        return (
            f"the database was damaged and is kept as {self.aside.name};"
            f" {len(self.rows)} facts were saved, {lost}"
        )


class Opened(NamedTuple):
    """A station's database, ready to be written; salvaged: None when it was in good order."""

    connection: sqlite3.Connection
    journal: SqliteJournal
    salvaged: Salvaged | None


class Born(NamedTuple):
    """Of this start of the program: what marks the facts that declare a loss.

    new_id: returns 16 random hex digits. boot: 8 of this start. wall_ms: since 1970 UTC.
    """

    new_id: Callable[[], str]
    boot: str
    wall_ms: int


def open_or_salvage(
    path: Path, born: Born, *, prove: Callable[[sqlite3.Connection], None] = lambda _: None
) -> Opened:
    """Open a station's database; a damaged one is moved aside and what can be read is saved.

    prove: makes and reads what else the program keeps in the file, and raises if it cannot.
    Raise JournalError only for what lies outside the file: no room, no rights, another program
    that has it open.
    """
    tip = read_tip(path)
    _finish_begun(path)
    try:
        return _opened(path, tip, born, prove)
    except (JournalError, sqlite3.Error, ValueError, TypeError, KeyError) as error:
        if _is_outside(error):
            raise
        _log.error("%s is damaged: %s", path, error)
    salvaged = salvage(path, tip)
    _build(_new_path(path), salvaged, born)
    salvaged = salvaged._replace(aside=move_aside(path))
    _finish_begun(path)
    opened = _opened(path, None, born, prove)
    write_tip(path, opened.journal)
    _log.error("%s: %s", path, salvaged.told())
    return opened._replace(salvaged=salvaged)


def tip_path(path: Path) -> Path:
    """Return where the tip of a database is noted."""
    return path.with_name(f"{path.name}.tip")


def write_tip(path: Path, journal: SqliteJournal) -> None:
    """Note how far a journal has come; a disk that refuses is no matter."""
    epoch = journal.epoch
    tip = Tip(epoch.id, epoch.n, journal.last_seq, journal.acked)
    part = path.with_name(f"{path.name}.tip-part")
    with contextlib.suppress(OSError):
        part.write_text(json.dumps({**tip._asdict(), "check": _check_of(tip)}), encoding="ascii")
        part.replace(tip_path(path))


def read_tip(path: Path) -> Tip | None:
    """Return the tip noted beside a database; None if there is none that can be read."""
    try:
        fields = json.loads(tip_path(path).read_bytes())
        tip = Tip(fields["epoch"], fields["n"], fields["seq"], fields["acked"])
        is_whole = fields["check"] == _check_of(tip)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return tip if is_whole else None


def _check_of(tip: Tip) -> str:
    return hashlib.sha256(repr(tuple(tip)).encode()).hexdigest()[:16]


def salvage(path: Path, tip: Tip | None) -> Salvaged:
    """Return what a damaged database still holds; it is only read."""
    content, log = _content(path), _content(path.with_name(f"{path.name}-wal"))
    committed = surely_committed(log, frames_of(log))
    found = {(row.epoch_n, row.seq): row for row in rows_in_frames(committed, content)}
    for row in rows_in_database(content):
        found.setdefault((row.epoch_n, row.seq), row)
    noted = _newest_noted(path, tip)
    n = max([1, *(place[0] for place in found), *([tip.n] if tip else [])])
    seqs = {seq for epoch_n, seq in found if epoch_n == n}
    top = max([0, *seqs, *([tip.seq] if tip and tip.n == n else [])])
    known = noted if noted is not None and noted.n == n else None
    start = known.acked + 1 if known else min(seqs, default=1)
    rows = _once([found[place] for place in sorted(found)])
    parent = _parent(found, known, (n, top))
    acked = known.acked if known else None
    return Salvaged(path, rows, _holes(seqs, start, top), parent, n, acked)


def _newest_noted(path: Path, tip: Tip | None) -> Tip | None:
    """Return what is known of the newest epoch, from the database itself or from the tip.

    Where they contradict each other the tip is right: it carries a checksum.
    """
    noted = _noted_by_sqlite(path)
    if noted is None or tip is None or noted.n > tip.n:
        return noted or tip
    return tip if noted.epoch != tip.epoch else tip._replace(acked=max(tip.acked, noted.acked))


def _opened(
    path: Path, tip: Tip | None, born: Born, prove: Callable[[sqlite3.Connection], None]
) -> Opened:
    """Open the database as it is; raise whatever shows that it is damaged."""
    _check_bytes(path)
    connection = open_station_db(path)
    try:
        journal = SqliteJournal(connection, epoch_id=born.new_id())
        epoch = journal.epoch
        is_later = tip is None or epoch.n > tip.n
        if tip and not is_later and (epoch.id != tip.epoch or journal.last_seq < tip.seq):
            raise JournalDamaged(
                f"{path}: ends at row {journal.last_seq}, and row {tip.seq} was written"
            )
        _check_chain(path, journal)
        prove(connection)
    except BaseException:
        connection.close()
        raise
    return Opened(connection, journal, None)


def _check_chain(path: Path, journal: SqliteJournal) -> None:
    """Raise JournalDamaged if a row that the gateway does not have is not what was written."""
    for first in range(journal.acked + 1, journal.last_seq + 1, BATCH_FACTS_MAX):
        if is_damaged(journal, first=first, facts_max=BATCH_FACTS_MAX):
            raise JournalDamaged(f"{path}: rows from {first} on are not as they were written")


def _check_bytes(path: Path) -> None:
    """Raise JournalDamaged for what SQLite would pass over in silence.

    A bad frame in the log ends what it reads; what was committed behind it would just be gone.
    """
    if not _is_header_sane(path):
        raise JournalDamaged(f"{path}: its header is not SQLite's")
    log = _content(path.with_name(f"{path.name}-wal"))
    frames = frames_of(log)
    taken = read_by_sqlite(log, frames)
    committed = surely_committed(log, frames)
    if len(committed) <= taken:
        return
    content = _content(path)
    seen = {row.hash for row in rows_in_frames(frames[:taken], content)}
    seen |= {row.hash for row in rows_in_database(content)}
    missing = [row for row in rows_in_frames(committed, content) if row.hash not in seen]
    if missing:
        raise JournalDamaged(f"{path}: its log is damaged before row {missing[-1].seq}")


def _is_header_sane(path: Path) -> bool:
    """Whether SQLite would take the file for its own, and write it; an empty one is a new one."""
    try:
        with path.open("rb") as file:
            head = file.read(24)
    except FileNotFoundError:
        return True
    versions = set(head[18:20])
    return not head or (
        head[:16] == _MAGIC and versions <= {1, 2} and head[21:] == b"\x40\x20\x20"
    )


def _is_outside(error: BaseException) -> bool:
    """Whether the file is not to blame: then it stays where it is."""
    cause = error if isinstance(error, sqlite3.Error) else error.__cause__
    if cause is None:
        return isinstance(error, JournalError) and not isinstance(error, JournalDamaged)
    return getattr(cause, "sqlite_errorcode", -1) & 0xFF in _OUTSIDE


def _new_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.new")


def _build(path: Path, salvaged: Salvaged, born: Born) -> None:
    """Make the database that takes the place of a damaged one, whole on the disk."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    connection = open_station_db(path)
    try:
        with transaction(connection):
            first = Epoch(salvaged.n + 1, born.new_id(), salvaged.parent)
            _refill(SqliteJournal(connection, epoch_id=first.id, first=first), salvaged, born)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()


def _finish_begun(path: Path) -> None:
    """Put the new database in the place of the one that was moved aside; see law 1.

    A log that was left there is of the old one: SQLite would play it into the new one.
    """
    if path.exists() or not _new_path(path).exists():
        return
    for suffix in ("-wal", "-shm"):
        stray = path.with_name(path.name + suffix)
        if stray.exists():
            stray.rename(path.with_name(f"{path.name}.stray{suffix}"))
    _new_path(path).rename(path)


def _refill(journal: SqliteJournal, salvaged: Salvaged, born: Born) -> None:
    """Write the saved rows into a new journal, and what declares the rest as lost."""
    for row in salvaged.rows:
        journal.append(row.body, row.salt, row.patron)
    holes = salvaged.holes
    if len(holes) > HOLES_MAX:
        holes = [*holes[: HOLES_MAX - 1], (holes[HOLES_MAX - 1][0], holes[-1][1])]
    for first, last in holes:
        fields = {"id": born.new_id(), "kind": LOST, "boot": born.boot, "mono": 0}
        fields |= {"wall": born.wall_ms, "sure": False, "first": first, "last": last}
        journal.append(encode_body(fields))


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _noted_by_sqlite(path: Path) -> Tip | None:
    """Return what the database itself says of its newest epoch, if that can be read."""
    query = "SELECT id, n, base_seq, acked FROM epoch ORDER BY n DESC LIMIT 1"
    with contextlib.suppress(sqlite3.Error, ValueError, TypeError, OSError):
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            row: Any = connection.execute(query).fetchone()
        finally:
            connection.close()
        if row and Hex(16)(row[0]) is None and not any(map(Integer(), row[1:])):
            return Tip(*row)
    return None


def _once(rows: list[Found]) -> list[Found]:
    """Leave out what was moved into a newer epoch: the older place of the same fact."""
    newest: dict[str, int] = {}
    names = [_id_of(row.body) for row in rows]
    for place, name in enumerate(names):
        newest[name] = place
    return [row for n, row in enumerate(rows) if not names[n] or newest[names[n]] == n]


def _id_of(body: bytes) -> str:
    try:
        return str(decode_body(body)["id"])
    except FactInvalid:
        return ""


def _holes(seqs: set[int], start: int, top: int) -> list[tuple[int, int]]:
    """Return the ranges from start to top of which there is no row."""
    holes: list[tuple[int, int]] = []
    expected = start
    for seq in [*sorted(seq for seq in seqs if seq >= start), top + 1]:
        if seq > expected:
            holes.append((expected, seq - 1))
        expected = seq + 1
    return holes


def _parent(
    found: dict[tuple[int, int], Found], known: Tip | None, newest: tuple[int, int]
) -> Parent | None:
    """Return the last row of the epoch that ends here, if it was read and its epoch has a name."""
    row = found.get(newest)
    return Parent(row.epoch_n, known.epoch, row.seq, row.hash) if row and known else None
