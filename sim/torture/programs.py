"""The programs of a storm: started, killed without a word, and started again.

Each life of a program has a log of its own. A program that ends without having been told to is a
finding, and raises.
"""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from sim.errors import SimError
from sim.processes import Child

STOP_S_MAX = 40.0


class Programs:
    """Programs by name; leaving the context kills those that still run."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._commands: dict[str, tuple[str, list[str]]] = {}
        self._running: dict[str, Child] = {}
        self._lives: dict[str, int] = {}

    def __enter__(self) -> "Programs":
        return self

    def __exit__(self, *_error: object) -> None:
        self.kill_all()

    def kill_all(self) -> None:
        """End whatever still runs."""
        for name in list(self._running):
            self.kill(name)

    def start(self, name: str, command: tuple[str, list[str]] | None = None) -> None:
        """Start a program, or start it again as it was started first."""
        program, arguments = self._commands.setdefault(name, command or ("", []))
        life = self._lives[name] = self._lives.get(name, 0) + 1
        log = self._logs / f"{name}.{life}.log"
        self._running[name] = Child(name, arguments, log, program=program)

    def kill(self, name: str) -> None:
        """End a program as a power cut does; what does not run stays so."""
        child = self._running.pop(name, None)
        if child is not None:
            child.kill()

    def stop(self, name: str) -> None:
        """End a program in order; raises `SimError` if it must be forced."""
        child = self._running.pop(name)
        child.signal_stop()
        if not child.wait_stopped(time.monotonic() + STOP_S_MAX):
            raise SimError(f"{name} did not stop within {STOP_S_MAX:.0f} s:\n{child.tail()}")

    def runs(self, name: str) -> bool:
        """Return whether a program was started and neither killed nor stopped since."""
        return name in self._running

    def check(self) -> None:
        """Raise `SimError` with its last words if a program has ended by itself."""
        for child in self._running.values():
            child.check()


def glance(database: Path, query: str, *values: object) -> int | None:
    """Return one number from a database that a program is writing; None when it cannot be had.

    Read-only, so that a killed program's write-ahead log is left to the program to recover.
    """
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=1)) as reader:
            found = reader.execute(query, values).fetchone()
    except sqlite3.OperationalError:
        return None
    return None if found is None else int(found[0])
