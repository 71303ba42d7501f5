"""The journal of a station on disk: SQLite, one file, one writer.

Laws:
1. A row is on the disk when its transaction returns: WAL with synchronous=FULL, read back from
   the very connection that writes. FULL is one fsync a commit; NORMAL would lose commits that
   were already shown to a reader.
2. Every writing transaction begins IMMEDIATE. A deferred one that reads and then writes gets
   SQLITE_BUSY at once when another writer came between, whatever the timeout.
3. A fact and the loan it makes are written in one transaction on one file. Two attached WAL
   files are not atomic: after a power cut the one may have it and the other not.
4. A row's body is kept as the bytes its author wrote. Only salt and patron may be blanked.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from circulation.errors import JournalDamaged, JournalError, JournalFull, JournalMisused
from circulation.sync.batch import carried_body
from circulation.sync.rows import Epoch, Parent, Row
from circulation.wire.chain import chain_hash, chain_start
from circulation.wire.errors import FactInvalid
from circulation.wire.fact import check_size, decode_body

BUSY_TIMEOUT_MS = 5_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS epoch (
  n INTEGER PRIMARY KEY CHECK (n >= 1),
  id TEXT NOT NULL UNIQUE,
  parent_n INTEGER, parent_epoch TEXT, parent_seq INTEGER, parent_hash BLOB,
  base_seq INTEGER NOT NULL DEFAULT 0,
  base_hash BLOB NOT NULL CHECK (length(base_hash) = 16),
  acked INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS journal (
  epoch_n INTEGER NOT NULL REFERENCES epoch (n),
  seq INTEGER NOT NULL CHECK (seq >= 1),
  id TEXT NOT NULL,
  prev_hash BLOB NOT NULL CHECK (length(prev_hash) = 16),
  hash BLOB NOT NULL CHECK (length(hash) = 16),
  body BLOB NOT NULL,
  salt BLOB,
  patron TEXT,
  PRIMARY KEY (epoch_n, seq)
);
CREATE INDEX IF NOT EXISTS journal_id ON journal (id);
CREATE TABLE IF NOT EXISTS sync_state (key TEXT PRIMARY KEY, value TEXT NOT NULL);
"""

_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def open_station_db(path: Path | str) -> sqlite3.Connection:
    """Return the one writing connection to a station's database, made if it is not there.

    The connection is in autocommit mode: only `transaction` opens a transaction. Raise
    JournalDamaged if the file does not pass SQLite's quick check, JournalError if it cannot
    be opened or will not keep what is committed.
    """
    try:
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_MS / 1000, isolation_level=None)
        try:
            _prepare(connection, str(path))
        except BaseException:
            connection.close()
            raise
    except sqlite3.DatabaseError as error:
        _translate(str(path), error)
    return connection


def open_reader(path: Path | str) -> sqlite3.Connection:
    """Return a connection to a station's database that cannot write."""
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_MS / 1000, isolation_level=None)
    connection.execute("PRAGMA query_only = ON")
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Begin IMMEDIATE; commit at the end, or roll back whatever the exception."""
    if connection.in_transaction:
        raise JournalMisused("journal: a transaction is already open; join it instead")
    try:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            # A full disk has already rolled back; a second ROLLBACK would hide why.
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    except sqlite3.DatabaseError as error:
        _translate("journal", error)


def move_aside(path: Path | str) -> Path:
    """Rename a damaged database and its WAL; return the new name, which no file had before."""
    path = Path(path)
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside


class _Standing(NamedTuple):
    """How the journal stands: its newest epoch, how far it is acked, where it begins and ends."""

    epoch: Epoch
    acked: int
    base: tuple[int, bytes]
    tip: tuple[int, bytes]
    lineage: str | None


class SqliteJournal:
    """The journal port on a station's database.

    Methods that write join the caller's transaction when one is open; else each is one of its
    own. How the journal stands is asked for several times by every message that comes, so it is
    remembered until this object writes: nobody else does. From then on it is read anew, and not
    remembered again before the transaction is over: what the caller rolls back was never there.
    """

    def __init__(
        self, connection: sqlite3.Connection, *, epoch_id: str, first: Epoch | None = None
    ) -> None:
        """Create the tables if need be; epoch_id names the first epoch of a new journal.

        first: that epoch itself, for a journal that takes the place of a lost one.
        """
        self._connection = connection
        self._known: _Standing | None = None
        with self._writing():
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
            if connection.execute("SELECT 1 FROM epoch").fetchone() is None:
                self._insert_epoch(first or Epoch(1, epoch_id, None))

    @property
    def epoch(self) -> Epoch:
        """Return the newest epoch."""
        return self._standing().epoch

    @property
    def last_seq(self) -> int:
        """Return the seq of the newest row, 0 before the first."""
        return self._standing().tip[0]

    @property
    def acked(self) -> int:
        """Return up to where the gateway has applied this epoch."""
        return self._standing().acked

    @property
    def lineage(self) -> str | None:
        """Return the gateway's history that `acked` belongs to."""
        return self._standing().lineage

    @property
    def has_older(self) -> bool:
        """Return whether rows of earlier epochs are still kept."""
        found = self._one("SELECT EXISTS (SELECT 1 FROM journal WHERE epoch_n < ?)", self._n)
        return bool(found[0])

    def append(self, body: bytes, salt: bytes | None = None, patron: str | None = None) -> Row:
        """Add a row at the end and return it, on disk once the transaction is."""
        check_size(body)
        with self._writing():
            standing = self._standing()
            seq, prev_hash = standing.tip
            row = Row(seq + 1, prev_hash, chain_hash(prev_hash, seq + 1, body), body, salt, patron)
            self._write(
                "INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (standing.epoch.n, row.seq, _id_of(body), prev_hash, row.hash, body, salt, patron),
            )
        return row

    def rows(self, first_seq: int, count_max: int, bytes_max: int) -> list[Row]:
        """Return rows from first_seq on, ascending; at least one if there is one."""
        chosen: list[Row] = []
        for found in self._connection.execute(
            "SELECT seq, prev_hash, hash, body, salt, patron FROM journal"
            " WHERE epoch_n = ? AND seq >= ? ORDER BY seq LIMIT ?",
            (self._n, first_seq, count_max),
        ):
            row = Row(*found)
            bytes_max -= len(row.body)
            if bytes_max < 0 and chosen:
                break
            chosen.append(row)
        return chosen

    def hash_at(self, seq: int) -> bytes | None:
        """Return the row's hash, or None if it was never there or is gone."""
        epoch, _, (base_seq, base_hash), (last_seq, last_hash), _ = self._standing()
        if seq == base_seq:
            return base_hash
        if seq == last_seq:
            return last_hash
        if seq == 0:
            return chain_start(epoch.id)
        found = self._connection.execute(
            "SELECT hash FROM journal WHERE epoch_n = ? AND seq = ?", (epoch.n, seq)
        ).fetchone()
        return None if found is None else bytes(found[0])

    def mark_acked(self, seq: int, keep_from: int) -> None:
        """Note what the gateway has; prune below keep_from, as far as it has that.

        Whoever says who it is is told of a mark, mostly the one it knows: that costs no commit.
        """
        if self._is_noted(seq, keep_from):
            return
        with self._writing() as connection:
            n, acked = self._n, max(self.acked, seq)
            last = min(keep_from - 1, acked)
            base_hash = self.hash_at(last) if last > 0 else None
            self._write("UPDATE epoch SET acked = ? WHERE n = ?", (acked, n))
            if base_hash is not None:
                connection.execute(
                    "UPDATE epoch SET base_seq = ?, base_hash = ? WHERE n = ? AND base_seq < ?",
                    (last, base_hash, n, last),
                )
                connection.execute("DELETE FROM journal WHERE epoch_n = ? AND seq <= ?", (n, last))
            if keep_from > 1:
                connection.execute("DELETE FROM journal WHERE epoch_n < ?", (n,))

    def set_lineage(self, lineage: str, acked: int) -> None:
        """Begin to count for another history of the gateway."""
        with self._writing() as connection:
            n = self._n
            self._write(
                "INSERT INTO sync_state VALUES ('lineage', ?)"
                " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                (lineage,),
            )
            connection.execute("UPDATE epoch SET acked = ? WHERE n = ?", (acked, n))

    def open_epoch(self, common_seq: int, epoch_id: str, n: int) -> Epoch:
        """Open epoch n and move every row after common_seq into it."""
        with self._writing():
            known = self.hash_at(common_seq)
            if known is None:
                common_seq, known = self._standing().base
            parent = Parent(self._n, self.epoch.id, common_seq, known)
            moved = self._take("epoch_n = ? AND seq > ?", (self._n, common_seq))
            return self._start(Epoch(n, epoch_id, parent), moved)

    def gather(self, epoch_id: str, n: int) -> Epoch:
        """Open epoch n and move every row still kept into it, whatever its epoch."""
        with self._writing():
            parent = Parent(self._n, self.epoch.id, 0, chain_start(self.epoch.id))
            return self._start(Epoch(n, epoch_id, parent), self._take("seq >= ?", (1,)))

    def blank(self, fact_ids: Iterable[str]) -> None:
        """Forget salt and patron of these facts, in every epoch; bodies and hashes stay."""
        with self._writing() as connection:
            connection.executemany(
                "UPDATE journal SET salt = NULL, patron = NULL WHERE id = ?",
                [(fact_id,) for fact_id in fact_ids],
            )

    @property
    def _n(self) -> int:
        n: int = self._standing().epoch.n
        return n

    def _standing(self) -> _Standing:
        """Return how the journal stands, from memory if nothing was written since."""
        if self._known is not None:
            return self._known
        standing = self._read_standing()
        if not self._connection.in_transaction:
            self._known = standing
        return standing

    def _read_standing(self) -> _Standing:
        n, name, base_seq, base_hash, acked, *parent = self._one(
            "SELECT n, id, base_seq, base_hash, acked, parent_n, parent_epoch, parent_seq,"
            " parent_hash FROM epoch ORDER BY n DESC LIMIT 1"
        )
        base = (base_seq, bytes(base_hash))
        tip = self._connection.execute(
            "SELECT seq, hash FROM journal WHERE epoch_n = ? ORDER BY seq DESC LIMIT 1", (n,)
        ).fetchone()
        lineage = self._connection.execute(
            "SELECT value FROM sync_state WHERE key = 'lineage'"
        ).fetchone()
        return _Standing(
            Epoch(n, name, None if parent[0] is None else Parent(*parent)),
            acked,
            base,
            base if tip is None else (tip[0], bytes(tip[1])),
            None if lineage is None else str(lineage[0]),
        )

    def _is_noted(self, seq: int, keep_from: int) -> bool:
        """Return whether a mark moves nothing and lets nothing go that is still kept."""
        standing = self._standing()
        if seq > standing.acked or min(keep_from - 1, standing.acked) > standing.base[0]:
            return False
        return keep_from <= 1 or not self.has_older

    def _take(self, where: str, values: tuple[int, ...]) -> list[Row]:
        # Moved, not copied: the same facts twice in one file would be gathered twice later.
        taken = self._connection.execute(
            "SELECT seq, prev_hash, hash, body, salt, patron FROM journal"
            f" WHERE {where} ORDER BY epoch_n, seq",
            values,
        ).fetchall()
        self._write(f"DELETE FROM journal WHERE {where}", values)
        return [Row(*row) for row in taken]

    def _start(self, epoch: Epoch, moved: list[Row]) -> Epoch:
        self._insert_epoch(epoch)
        for row in moved:
            self.append(carried_body(row), row.salt, row.patron)
        return epoch

    def _insert_epoch(self, epoch: Epoch) -> None:
        parent = epoch.parent or (None, None, None, None)
        self._write(
            "INSERT INTO epoch (n, id, parent_n, parent_epoch, parent_seq, parent_hash, base_hash)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (epoch.n, epoch.id, *parent, chain_start(epoch.id)),
        )

    def _one(self, statement: str, *values: object) -> tuple[Any, ...]:
        found: tuple[Any, ...] = self._connection.execute(statement, values).fetchone()
        return found

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        """Change how the journal stands; whether it stays so is the transaction's affair."""
        self._known = None
        self._connection.execute(statement, values)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        if self._connection.in_transaction:
            yield self._connection
        else:
            with transaction(self._connection):
                yield self._connection


def _prepare(connection: sqlite3.Connection, path: str) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    synchronous = connection.execute("PRAGMA synchronous").fetchone()[0]
    if mode != "wal" or synchronous != 2:
        raise JournalError(
            f"{path}: SQLite runs it in mode {mode}, synchronous {synchronous}, and would not"
            " keep what is committed; put it on a local disk"
        )
    verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise JournalDamaged(f"{path}: {verdict}; move it aside and start a new epoch")


def _translate(what: str, error: sqlite3.DatabaseError) -> NoReturn:
    """Raise what an error of SQLite's means for a journal, or the error itself."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary code
    if code == sqlite3.SQLITE_FULL:
        raise JournalFull(f"{what}: the disk is full; nothing was written") from error
    if code in _DAMAGED:
        raise JournalDamaged(f"{what}: {error}; move it aside") from error
    if isinstance(error, sqlite3.OperationalError):
        raise JournalError(f"{what}: {error}") from error
    raise error


def _id_of(body: bytes) -> str:
    # A body that nobody can read is a physical fact all the same; it is sent and parked.
    try:
        return str(decode_body(body)["id"])
    except FactInvalid:
        return ""
