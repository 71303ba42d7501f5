"""A backup of the gateway in one file, made while it runs.

    manifest.json       what is in it, with sizes and SHA-256; read first
    database.db         catalogue, readers, facts, as of one moment
    desk.db             the desk's own journal: staff's decisions
    edits.jsonl         what staff changed that is no fact (`gateway.edits`)
    koc.jsonl           what was handed to Koha already (`gateway.koc`)
    gateway.toml        the configuration with its keys: without card_key no card is known again
    stations/*.toml     configurations of stations that were put beside it

Laws:
1. The database is copied in one read transaction: a backup is one moment, and the gateway goes
   on writing meanwhile. The desk's journal is copied after it, so it has all that the database
   has of it.
2. A file that is there is never written over. The backup appears under its name only whole.
3. It is a plain tar file, so that nobody needs this program to look into it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from gateway.errors import BackupInvalid, BackupRefused

VERSION = 1
MANIFEST = "manifest.json"
DATABASE, DESK, EDITS, KOC, CONFIG = (
    "database.db", "desk.db", "edits.jsonl", "koc.jsonl", "gateway.toml",
)  # fmt: skip
STATIONS = "stations"
_NAMES = re.compile(r"(database\.db|desk\.db|edits\.jsonl|koc\.jsonl|gateway\.toml"
                    r"|stations/[A-Za-z0-9][A-Za-z0-9._-]{0,63}\.toml)")  # fmt: skip
MANIFEST_BYTES_MAX = 1 << 20
PAGES_A_STEP = 1_024
BLOCK_BYTES = 1 << 20

Progress = Callable[[int, int], None]
"""Called with the bytes done and the bytes there are."""


@dataclass(frozen=True, slots=True)
class Sources:
    """The files a gateway lives by. Those that are not there are left out, but the database."""

    database: Path
    desk: Path
    edits: Path
    koc: Path
    config: Path

    @property
    def stations(self) -> Path:
        """The folder where staff may keep a copy of each station's configuration."""
        return self.config.parent / STATIONS


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself. lineage, version: the database's when it was made."""

    library: str
    lineage: str
    version: int
    made_at: int
    files: dict[str, tuple[int, str]]
    """Name to size in bytes and SHA-256."""


def write_backup(
    target: Path, sources: Sources, library: str, *, now_ms: int, progress: Progress
) -> Manifest:
    """Make a backup and return what it holds.

    Raise BackupRefused when the file is there, the disk has too little room, or the database
    does not pass SQLite's check; then nothing is left behind.
    """
    _refuse_taken(target)
    _check_room(target, sources)
    try:
        with _work_folder(target) as folder:
            _gather(folder, sources, progress)
            manifest = _describe(folder, library, now_ms)
            whole = folder / "whole.tar"
            _pack(whole, folder, manifest)
            _refuse_taken(target)
            whole.rename(target)
            _sync_folder(target.parent)
    except OSError as error:
        raise BackupRefused(f"{target}: cannot be written ({error.strerror})") from error
    return manifest


def copy_database(source: Path, target: Path, progress: Progress = lambda done, of: None) -> None:
    """Copy a database as it is at one moment, while others write; raise BackupRefused."""
    read = sqlite3.connect(source, timeout=30, isolation_level=None)
    written = sqlite3.connect(target, isolation_level=None)
    try:
        read.execute("PRAGMA query_only = ON")
        page_bytes = read.execute("PRAGMA page_size").fetchone()[0]
        # With a transaction open SQLite copies what it sees, and never starts again.
        read.execute("BEGIN")
        read.execute("SELECT count(*) FROM sqlite_master").fetchone()

        def tell(_status: int, left: int, pages: int) -> None:
            progress((pages - left) * page_bytes, pages * page_bytes)

        read.backup(written, pages=PAGES_A_STEP, progress=tell)
        written.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
        verdict = written.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise BackupRefused(f"{source}: {error}") from error
    finally:
        written.close()
        read.close()
    if verdict != "ok":
        raise BackupRefused(f"{source}: is damaged ({verdict}); no backup was made of it")


def unpack_backup(source: Path, folder: Path) -> Manifest:
    """Lay a backup's files into a folder, each checked; raise BackupInvalid."""
    try:
        with tarfile.open(source, "r:") as archive:
            members = iter(archive)
            manifest = _read_manifest(archive, next(members, None))
            for name in manifest.files:
                _unpack_one(archive, next(members, None), name, manifest, folder)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise BackupInvalid(f"{source}: {error}; is it whole?") from error
    except BackupInvalid as error:
        raise BackupInvalid(f"{source}: {error}") from error
    if DATABASE not in manifest.files:
        raise BackupInvalid(f"{source}: holds no database")
    return manifest


def _refuse_taken(target: Path) -> None:
    if target.exists():
        raise BackupRefused(f"{target}: is there already; a backup never replaces one")


def _check_room(target: Path, sources: Sources) -> None:
    """The copies lie beside the backup until it is whole."""
    try:
        wanted = 2 * sum(
            file.stat().st_size
            for base in (sources.database, sources.desk)
            for file in (base, base.with_name(base.name + "-wal"))
            if file.exists()
        )
        free = shutil.disk_usage(target.parent).free
    except OSError as error:
        raise BackupRefused(f"{target}: {error.strerror}") from error
    if free < wanted:
        raise BackupRefused(
            f"{target.parent}: {free >> 20} MB are free, {wanted >> 20} MB are needed"
        )


@contextmanager
def _work_folder(target: Path) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _gather(folder: Path, sources: Sources, progress: Progress) -> None:
    if not sources.database.exists():
        raise BackupRefused(f"{sources.database}: there is no database; is the path right?")
    copy_database(sources.database, folder / DATABASE, progress)
    if sources.desk.exists():
        copy_database(sources.desk, folder / DESK)
    for name, source in ((EDITS, sources.edits), (KOC, sources.koc), (CONFIG, sources.config)):
        if source.exists():
            shutil.copyfile(source, folder / name)
    for source in sorted(sources.stations.glob("*.toml")):
        if _NAMES.fullmatch(f"{STATIONS}/{source.name}"):
            (folder / STATIONS).mkdir(exist_ok=True)
            shutil.copyfile(source, folder / STATIONS / source.name)


def _describe(folder: Path, library: str, now_ms: int) -> Manifest:
    connection = sqlite3.connect(folder / DATABASE)
    try:
        row = connection.execute(
            "SELECT lineage, version FROM library WHERE library_id = ?", (library,)
        ).fetchone()
    except sqlite3.DatabaseError as error:
        raise BackupRefused(f"the database is no gateway's: {error}") from error
    finally:
        connection.close()
    if row is None:
        raise BackupRefused(f"library {library!r} is not in the database")
    files = {
        str(file.relative_to(folder)): (file.stat().st_size, _sha256(file))
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }
    return Manifest(library, str(row[0]), int(row[1]), now_ms, files)


def _pack(whole: Path, folder: Path, manifest: Manifest) -> None:
    text = {
        "lendgate": "backup",
        "v": VERSION,
        "library": manifest.library,
        "lineage": manifest.lineage,
        "version": manifest.version,
        "made_at": manifest.made_at,
        "files": {name: list(about) for name, about in manifest.files.items()},
    }
    described = folder / MANIFEST
    described.write_text(json.dumps(text, indent=1), encoding="utf-8")
    with open(os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for name in (MANIFEST, *manifest.files):
                archive.add(folder / name, arcname=name, filter=_nobodys)
        file.flush()
        os.fsync(file.fileno())


def _nobodys(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Leave out whose file it was on this machine, and let only its owner read it."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o600
    return member


def _read_manifest(archive: tarfile.TarFile, member: tarfile.TarInfo | None) -> Manifest:
    if member is None or member.name != MANIFEST or member.size > MANIFEST_BYTES_MAX:
        raise BackupInvalid("is no backup of a gateway; `lendgate-gateway backup` makes one")
    try:
        fields = json.loads(_content(archive, member).read())
        if fields["lendgate"] != "backup":
            raise BackupInvalid("is no backup of a gateway")
        if fields["v"] != VERSION:
            raise BackupInvalid("was made by a newer program; update this one")
        files = {str(name): (int(about[0]), str(about[1])) for name, about in _files(fields)}
        return Manifest(
            str(fields["library"]), str(fields["lineage"]), int(fields["version"]),
            int(fields["made_at"]), files,
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, IndexError) as error:
        if isinstance(error, BackupInvalid):
            raise
        raise BackupInvalid("its manifest cannot be read") from error


def _files(fields: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, about in dict(fields["files"]).items():
        if not _NAMES.fullmatch(name):
            raise BackupInvalid(f"names a file {name[:80]!r} that no backup has")
        yield name, about


def _unpack_one(
    archive: tarfile.TarFile,
    member: tarfile.TarInfo | None,
    name: str,
    manifest: Manifest,
    folder: Path,
) -> None:
    size, digest = manifest.files[name]
    if member is None or member.name != name or not member.isreg() or member.size != size:
        raise BackupInvalid(f"{name} is missing or has another size than its manifest says")
    target = folder / name
    target.parent.mkdir(exist_ok=True)
    with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        shutil.copyfileobj(_content(archive, member), file, BLOCK_BYTES)
        file.flush()
        os.fsync(file.fileno())
    if target.stat().st_size != size or _sha256(target) != digest:
        raise BackupInvalid(f"{name} has changed since the backup was made")


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> BinaryIO:
    content = archive.extractfile(member)
    if content is None:
        raise BackupInvalid(f"{member.name[:80]!r} is no file")
    return content  # type: ignore[return-value]


def _sha256(file: Path) -> str:
    with file.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
