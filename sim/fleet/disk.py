"""A station's card: a folder of real files, cut off at any write, copied, put back, destroyed.

The files are SQLite's own, written by the station's production code. What a power cut leaves is
what the files held at that write; with `torn`, the last write to the log is there only up to
some sector, as a card leaves it that was writing when the power went.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import dbapi2
from typing import Any

from circulation.carve import FRAME_HEADER_BYTES, LOG_HEADER_BYTES
from circulation.journal import SqliteJournal

EXCLUSIVE = "unix-excl"
SECTOR_BYTES = 512
BEFORE_COMMIT, AFTER_COMMIT, DURING_WRITE = "before_commit", "after_commit", "during_write"

Files = dict[str, bytes]


class PowerCut(BaseException):
    """The power went in the middle of a program; nothing of it runs any more."""


class Card:
    """The card of one station, in a folder of its own."""

    def __init__(self, folder: Path, database: str) -> None:
        """database: the name of the file whose writes a power cut may interrupt."""
        self.folder = folder
        self.database = folder / database
        self.is_full = False
        self.held_is_whole = True
        self._left: Files | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def wal(self) -> Path:
        """The write-ahead log beside the database."""
        return self.database.with_name(self.database.name + "-wal")

    def image(self) -> Files:
        """Return every file as it is now, by its path within the folder."""
        return {
            str(file.relative_to(self.folder)): file.read_bytes()
            for file in sorted(self.folder.rglob("*"))
            if file.is_file() and not file.name.endswith("-shm")
        }

    def hold(self, database: bytes | None = None, wal: bytes | None = None) -> None:
        """Keep the files as they are now for when the program has been cleared away.

        database, wal: what these two hold instead, where a write was interrupted.
        """
        files = self.image()
        for file, content in ((self.database, database), (self.wal, wal)):
            if content is not None:
                files[file.name] = content
        self._left = files
        self.held_is_whole = database is None

    @property
    def is_held(self) -> bool:
        """Whether the files of the moment of a cut are kept."""
        return self._left is not None

    def take_held(self) -> Files:
        """Return the files that were held; nothing is held any more."""
        held, self._left = self._left or {}, None
        return held

    def settle(self) -> None:
        """Put the files as they were held; closing a database tidies up what a cut does not."""
        if self._left is not None:
            self.write(self.take_held())

    def write(self, files: Files) -> None:
        """Make the card hold these files and no others."""
        shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True)
        for name, content in files.items():
            file = self.folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)


class Tap:
    """A writing connection that can be cut off at its next commit; else it is the connection."""

    def __init__(
        self, connection: sqlite3.Connection, card: Card, random_below: Callable[[int], int]
    ) -> None:
        self.armed: str | None = None
        self.is_torn = False
        self._connection = connection
        self._card = card
        self._random_below = random_below

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        """Run a statement; the one that commits may be the last."""
        if self._card.is_full and statement.startswith(("INSERT", "UPDATE")):
            raise _full()
        if self.armed is not None and statement == "COMMIT":
            self._cut()
        return self._connection.execute(statement, *values)

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return self._connection.in_transaction

    @property
    def total_changes(self) -> int:
        """How many rows were ever changed through the connection."""
        return self._connection.total_changes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def _cut(self) -> None:
        step, self.armed = self.armed, None
        card = self._card
        if step == BEFORE_COMMIT:
            card.hold()
            raise PowerCut
        database, wal = card.database.read_bytes(), _bytes_of(card.wal)
        self._connection.execute("COMMIT")
        if step == AFTER_COMMIT:
            card.hold()
            raise PowerCut
        after = _bytes_of(card.wal)
        if card.database.read_bytes() != database:
            card.hold()  # the log had been moved into the database: the write was over
        else:
            card.hold(database, self._torn(wal, after))
        raise PowerCut

    def _torn(self, before: bytes, after: bytes) -> bytes:
        """Return the log with the last write done up to some sector, or some byte."""
        begin = start_of_write(before, after)
        written = self._random_below(max(len(after) - begin, 0) + 1)
        if not self.is_torn:
            written -= written % SECTOR_BYTES
        end = begin + written
        return after[:end] + before[end:]


def tap(journal: SqliteJournal, card: Card, random_below: Callable[[int], int]) -> Tap:
    """Return a tap on a journal's connection, which the journal now writes through."""
    found = Tap(journal._connection, card, random_below)
    journal._connection = found  # type: ignore[assignment]
    return found


@contextmanager
def exclusive() -> Iterator[None]:
    """Let no other process open what this one opens until the end of the block.

    All programs of a fleet are in one process. SQLite then keeps the locks between their
    connections in memory and asks the system for none, which are two fifths of a run's system
    calls. What it reads, writes and refuses stays the same; whoever looks from outside sees
    "database is locked". https://www.sqlite.org/vfs.html, 2.1: unix-excl.
    """
    connect = sqlite3.connect

    def connect_alone(database: Any, *values: Any, uri: bool = False, **named: Any) -> Any:
        address = str(database) if uri else Path(database).absolute().as_uri()
        separator = "&" if "?" in address else "?"
        return connect(f"{address}{separator}vfs={EXCLUSIVE}", *values, uri=True, **named)

    modules: tuple[Any, ...] = (sqlite3, dbapi2)  # SQLAlchemy asks the second
    for module in modules:
        module.connect = connect_alone
    try:
        yield
    finally:
        for module in modules:
            module.connect = connect


def start_of_write(before: bytes, after: bytes) -> int:
    """Return at which byte of a log the last write to it began: a frame's first, or 0.

    Not the first byte that differs: salts and sums are drawn by SQLite, and now and then one of
    their bytes is what it was before. A seed would not be played twice alike.
    """
    frames = _same_bytes(before, after) - LOG_HEADER_BYTES
    if frames < 0:
        return 0
    page_bytes = int.from_bytes(after[8:12], "big")
    return LOG_HEADER_BYTES + frames - frames % (FRAME_HEADER_BYTES + page_bytes)


def _same_bytes(one: bytes, other: bytes) -> int:
    """Return with how many bytes that are the same two files begin."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _bytes_of(file: Path) -> bytes:
    return file.read_bytes() if file.exists() else b""


def _full() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    error.sqlite_errorname = "SQLITE_FULL"
    return error
