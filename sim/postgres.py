"""A PostgreSQL of one's own for a test or a benchmark: made in a folder, gone with it.

Debian's package `postgresql` brings the programs, outside everybody's path, and starts a server
of its own, which is left alone. A server refuses to run as root, so there it runs as another
user. It listens on a socket in its folder and on no network.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sim.errors import SimError

Command = list[str | Path]
PROGRAMS = "/usr/lib/postgresql"
USER = "lendgate"
START_S_MAX = 30.0
STOP_S_MAX = 10.0
SETTINGS = """\
listen_addresses = ''
unix_socket_directories = '{folder}'
max_connections = 40
shared_buffers = 128MB
max_wal_size = 2GB
log_min_messages = warning
fsync = {durable}
synchronous_commit = {durable}
full_page_writes = {durable}
"""


def postgres_path() -> Path | None:
    """Return the folder of the newest installed server's programs, or None."""
    found = sorted(Path(PROGRAMS).glob("*/bin/postgres"), key=_version)
    beside = shutil.which("postgres")
    if not found and beside is None:
        return None
    return found[-1].parent if found else Path(str(beside)).resolve().parent


def _version(program: Path) -> float:
    number = program.parent.parent.name
    return float(number) if number.replace(".", "", 1).isdigit() else 0.0


@contextmanager
def postgres(*, durable: bool) -> Iterator[str]:
    """Run a server while the block lasts; gives the address of its database `postgres`.

    durable: whether a commit waits for the disk, as in earnest. Raises `SimError` without the
    programs, or if the server does not start.
    """
    programs = postgres_path()
    if programs is None:
        raise SimError("postgresql is not installed; `make system` installs it")
    folder = Path(tempfile.mkdtemp(prefix="lendgate-pg-"))  # a socket's path has 107 bytes at most
    try:
        with _Server(programs, folder, durable=durable):
            yield database_url(folder, "postgres")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def database_url(folder: Path, name: str) -> str:
    """Return the address of a database of the server in a folder."""
    return f"postgresql+psycopg://{USER}@/{name}?host={folder}"


class _Server:
    """A server's process, from its first file to its end."""

    def __init__(self, programs: Path, folder: Path, *, durable: bool):
        self._programs = programs
        self._folder = folder
        self._as: dict[str, Any] = {"cwd": folder}
        if os.geteuid() == 0:
            account = _account()
            os.chown(folder, account.pw_uid, account.pw_gid)
            self._as |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        self._settings = SETTINGS.format(folder=folder, durable="on" if durable else "off")

    def __enter__(self) -> _Server:
        files = self._folder / "files"
        initdb: Command = [
            self._programs / "initdb",
            "--pgdata",
            files,
            "--username",
            USER,
            "--no-sync",
        ]
        initdb += ["--auth", "trust", "--encoding", "UTF8", "--locale", "C"]
        made = subprocess.run(initdb, capture_output=True, text=True, check=False, **self._as)
        if made.returncode:
            raise SimError(f"initdb failed: {made.stderr.strip()[-500:]}")
        with (files / "postgresql.conf").open("a") as config:
            config.write(self._settings)
        self._log = self._folder / "log"
        with self._log.open("wb") as log:
            command: Command = [self._programs / "postgres", "-D", files]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, **self._as)
        try:
            self._await()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _await(self) -> None:
        ready: Command = [self._programs / "pg_isready", "--host", self._folder, "--quiet"]
        deadline, pause = time.monotonic() + START_S_MAX, threading.Event()
        while self._process.poll() is None and time.monotonic() < deadline:
            if subprocess.run(ready, check=False).returncode == 0:
                return
            pause.wait(0.05)
        raise SimError(f"postgres did not start: {self._log.read_text()[-500:]}")

    def __exit__(self, *_error: object) -> None:
        self._process.send_signal(signal.SIGINT)  # a fast end: whoever is connected is sent off
        try:
            self._process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _account() -> pwd.struct_passwd:
    """Return whom the server may run as instead of root."""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise SimError("postgres does not run as root, and there is no user postgres or nobody")
