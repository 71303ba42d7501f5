"""Programs as child processes of a test: started, killed and ended, none left behind.

with Programs(tmp_path) as programs:
    kiosk = programs.start("kiosk-1", "sim", "kiosk", "kiosk-1.toml", "--device-port", "4000")
    kiosk.kill()                    # SIGKILL, as a power cut of the program alone
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LAUNCHER = Path(__file__).with_name("launch.py")
STOP_S_MAX = 40.0
WITHIN_S = 60.0
"""What takes a second may take so long on a slow machine that does other work."""
LOOK_EVERY_S = 0.03


class NotSo(AssertionError):
    """Something that was waited for did not come about; the message says what was seen last."""


def wait_until(
    what: str,
    probe: Callable[[], Any],
    wanted: Any = True,
    *,
    within_s: float = WITHIN_S,
    meanwhile: Callable[[], None] = lambda: None,
) -> None:
    """Look at the real state until it is as wanted; raises `NotSo` at the deadline.

    meanwhile: called between looks; it raises when waiting has become pointless.
    """
    deadline = time.monotonic() + within_s
    pause = threading.Event()
    while (seen := probe()) != wanted:
        meanwhile()
        if time.monotonic() > deadline:
            raise NotSo(f"{what}: wanted {wanted!r}, seen {seen!r} after {within_s:.0f} s")
        pause.wait(LOOK_EVERY_S)


def stays(what: str, probe: Callable[[], Any], wanted: Any, *, for_s: float) -> None:
    """Watch that something is the same all the while; raises `NotSo` when it changes."""
    end = time.monotonic() + for_s
    pause = threading.Event()
    while time.monotonic() < end:
        if (seen := probe()) != wanted:
            raise NotSo(f"{what}: wanted {wanted!r} all the while, seen {seen!r}")
        pause.wait(LOOK_EVERY_S)


class Program:
    """One child process; what it says goes into a file of its own."""

    def __init__(
        self, name: str, arguments: tuple[str, ...], folder: Path, more_env: Mapping[str, str]
    ) -> None:
        self.name = name
        self.log = log = folder / f"{name}.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, str(LAUNCHER), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT), **more_env},
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def code(self) -> int | None:
        """The exit code, None while it runs."""
        return self._process.poll()

    def said(self) -> str:
        """Return everything it has said, in this life and earlier ones."""
        return self.log.read_text(errors="replace")

    def check(self) -> None:
        """Raise `NotSo` with its last words if it has ended."""
        if self.code is not None:
            raise NotSo(f"{self.name} ended with code {self.code}:\n{self.said()[-3_000:]}")

    def wait(self, within_s: float) -> int:
        """Wait until it ends by itself; return its exit code."""
        return self._process.wait(within_s)

    def kill(self) -> None:
        """End it as a power cut does, at once."""
        self._process.kill()
        self._process.wait(STOP_S_MAX)

    def stop(self) -> int:
        """Ask it to end and wait; return its exit code. Raises `NotSo` if it would not."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            return self._process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            self.kill()
            raise NotSo(f"{self.name} did not end within {STOP_S_MAX:.0f} s") from None


class Programs:
    """The programs of one test; leaving the context kills those that still run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._all: list[Program] = []

    def __enter__(self) -> "Programs":
        return self

    def __exit__(self, *_error: object) -> None:
        self.kill_all()

    def start(self, name: str, *arguments: str, **more_env: str) -> Program:
        """Start `python -m ARGUMENTS`; see `launch.py` for options before the module."""
        program = Program(name, arguments, self.folder, more_env)
        self._all.append(program)
        return program

    def kill_all(self) -> None:
        """Kill whatever still runs, and nothing else."""
        for program in self._all:
            if program.code is None:
                program.kill()
