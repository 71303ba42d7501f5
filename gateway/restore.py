"""Putting a backup in place: a new history begins, and the stations bring the rest.

Laws:
1. Everything in the backup is read and checked before anything here is touched.
2. Nothing is deleted: what a backup replaces is renamed, and the names are told.
3. The desk's own journal is a file of its own and newer than any backup: if it can be read it
   stays, and staff's decisions since the backup are applied again from it. So stay the notes of
   edits and of what Koha was given.
4. What staff changed since that is no fact is named, on the screen and on the sync page.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from circulation.errors import JournalError
from circulation.journal import open_station_db
from gateway import diary, lineage
from gateway.backup import (
    CONFIG,
    DATABASE,
    DESK,
    EDITS,
    KOC,
    STATIONS,
    Manifest,
    Sources,
    copy_database,
    unpack_backup,
)
from gateway.edits import Edit, edits_missing, reached
from gateway.errors import BackupInvalid, BackupRefused
from gateway.review import ReviewEntry, add_entries
from gateway.store import Store

WHY = "restored from a backup"
EDITS_SHOWN_MAX = 100


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did.

    aside: what it replaced. desk: whether our own journal was kept, taken from the backup, or
    none: "kept", "taken" or "none".
    """

    manifest: Manifest
    aside: tuple[Path, ...]
    desk: str


def take_configuration(source: Path, target: Path) -> None:
    """Write the configuration of a backup where there is none; raise BackupInvalid."""
    folder = Path(tempfile.mkdtemp(prefix=".restoring-", dir=target.parent))
    try:
        unpack_backup(source, folder)
        if not _take(folder / CONFIG, target):
            raise BackupInvalid(
                f"{source}: holds no configuration; write {target} first, with the keys that the"
                " stations have"
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def put_in_place(source: Path, sources: Sources, library: str) -> Restored:
    """Replace the database by a backup's; the gateway must not run.

    Raise BackupInvalid or BackupRefused before anything is touched.
    """
    home = sources.database.parent
    folder = Path(tempfile.mkdtemp(prefix=".restoring-", dir=home))
    try:
        manifest = unpack_backup(source, folder)
        if manifest.library != library:
            raise BackupInvalid(
                f"{source}: is of library {manifest.library!r}; the configuration says {library!r}"
            )
        copy_database(folder / DATABASE, folder / "checked.db")
        aside = _move_aside(sources.database)
        (folder / "checked.db").rename(sources.database)
        desk = "kept" if _is_readable(sources.desk) else "none"
        if desk == "none":
            aside += _move_aside(sources.desk)
            desk = "taken" if _take(folder / DESK, sources.desk) else "none"
        _take(folder / EDITS, sources.edits)
        _take(folder / KOC, sources.koc)
        _take_stations(folder / STATIONS, sources.stations)
        _sync_folder(home)
    except OSError as error:
        raise BackupRefused(f"{home}: cannot be written ({error.strerror})") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Restored(manifest, aside, desk)


def begin_anew(store: Store, library: str, edits: Path, made_at: int | None = None) -> list[Edit]:
    """Take a new lineage in a restored database; return the edits it does not have.

    edits: the notes of them; made_at: when the backup was made, None if nobody knows.
    """
    backup = reached(store, library)
    lineage.rotate(store, library, WHY)
    made_at = backup.written_at if made_at is None else made_at
    missing = edits_missing(edits, lineage=backup.lineage, version=backup.version, made_at=made_at)
    entries = [
        ReviewEntry(
            f"edit_missing:{edit.at_ms}:{edit.version}", "edit_missing", None, None, (),
            {"what": edit.what, "at": edit.at_ms},
        )
        for edit in missing[-EDITS_SHOWN_MAX:]
    ]  # fmt: skip
    with store.write(library) as write:
        diary.note(write, "restored", made=made_at, edits=len(missing))
        add_entries(write, entries)
    return missing


def begin_anew_if_older(store: Store, library: str, edits: Path) -> list[Edit]:
    """Begin anew if the notes know a later version of this history; return the edits missing.

    An edit is noted after it is done, so a database that has not come so far is an older one,
    put in place without a word. Call this before anything is written: the versions of what is
    written next are those that the lost edits had. Raise ConfigInvalid if the notes cannot be
    read.
    """
    then = reached(store, library)
    noted = edits_missing(
        edits, lineage=then.lineage, version=then.version, made_at=then.written_at
    )
    now = reached(store, library)  # an import may have come between that look and the notes
    if not any(edit.lineage == now.lineage and edit.version > now.version for edit in noted):
        return []
    return begin_anew(store, library, edits)


def _is_readable(desk: Path) -> bool:
    if not desk.exists():
        return False
    try:
        open_station_db(desk).close()
    except JournalError:
        return False
    return True


def _move_aside(file: Path) -> tuple[Path, ...]:
    """Rename a database and its log; return the new name, which no file had before."""
    if not file.exists():
        return ()
    number = 1
    while (aside := file.with_name(f"{file.name}.replaced-{number}")).exists():
        number += 1
    for suffix in ("", "-wal", "-shm"):
        part = file.with_name(file.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return (aside,)


def _take(source: Path, target: Path) -> bool:
    """Put a file of the backup where none is; return whether it was."""
    if target.exists() or not source.exists():
        return False
    shutil.move(source, target)
    return True


def _take_stations(source: Path, target: Path) -> None:
    if source.is_dir():
        target.mkdir(exist_ok=True)
        for file in sorted(source.iterdir()):
            _take(file, target / file.name)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
