"""Writing a station's journal onto a stick, while the station runs.

Laws:
1. The journal is only read, in one transaction: the file shows one moment, and the running
   program never waits for it.
2. The file appears under its name only whole: written beside it, forced to the stick, renamed.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from circulation.errors import JournalDamaged, JournalError, JournalFileInvalid
from circulation.journal import open_reader
from circulation.journal_file import (
    FILE_BYTES_MAX,
    LINE_BYTES_MAX,
    Head,
    JournalFile,
    file_name,
    journal_lines,
    read_journal_file,
)
from circulation.kept import kept_epochs


class Exported(NamedTuple):
    """What was written where; `waiting` of the rows the gateway has not acknowledged yet."""

    path: Path
    rows: int
    waiting: int
    size_bytes: int

    def __str__(self) -> str:
        """Return what whoever holds the stick is told."""
        return (
            f"{self.path}: {self.rows} facts, {self.waiting} of them not known to be at the "
            f"gateway ({self.size_bytes} bytes); the stick may be pulled"
        )


def export_journal(store: Path, target: Path, head: Head, *, key: bytes) -> Exported:
    """Write every row a station keeps into a file, and return what was written.

    target: a folder, where the file is named after station and last row and replaces one of the
    same name; or a file that does not exist yet. Raise JournalError when the journal cannot be
    read or the file not be written; then no file is left behind.
    """
    if not store.is_file():
        raise JournalError(f"{store}: there is no journal; has this station ever run?")
    connection = open_reader(store)
    try:
        connection.execute("BEGIN")
        epochs = kept_epochs(connection)
        path = target / file_name(head, epochs) if target.is_dir() else target
        if path.exists() and not target.is_dir():
            raise JournalError(f"{path}: is there already; name another file, or a folder")
        size_bytes = _write_whole(path, journal_lines(head, epochs, key=key))
        newest = epochs[-1]
        waiting = newest.last_seq - max(newest.acked, newest.first_seq - 1)
        return Exported(path, sum(epoch.count for epoch in epochs), waiting, size_bytes)
    except sqlite3.DatabaseError as error:
        raise JournalDamaged(
            f"{store}: {error}; start the station once, it saves what can be read, then try again"
        ) from error
    finally:
        connection.close()


def read_exported(path: Path, *, key: bytes) -> JournalFile:
    """Return what a file on a stick holds; raise JournalFileInvalid with the file's name."""
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise JournalFileInvalid(f"larger than {FILE_BYTES_MAX} bytes")
        with path.open("rb") as file:
            return read_journal_file(iter(lambda: file.readline(LINE_BYTES_MAX), b""), key=key)
    except OSError as error:
        raise JournalFileInvalid(f"{path}: cannot be read: {error.strerror}") from error
    except JournalFileInvalid as error:
        raise JournalFileInvalid(f"{path.name}: {error}") from error


def _write_whole(path: Path, lines: Iterable[bytes]) -> int:
    """Write a file that exists only whole; return its size in bytes."""
    part = path.with_name(path.name + ".part")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
            size_bytes = file.tell()
        part.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        _remove(part)
        raise JournalError(
            f"{path}: cannot be written ({error.strerror}); nothing was left there"
        ) from error
    except BaseException:
        _remove(part)
        raise
    return size_bytes


def _remove(part: Path) -> None:
    with contextlib.suppress(OSError):
        part.unlink()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # FAT, as sticks have it, may not know how
            os.fsync(handle)
    finally:
        os.close(handle)
