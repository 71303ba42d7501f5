"""Child processes of the demo: started, watched, and stopped, all of them and nothing else.

Laws:
- Each child leads a process group of its own, so Ctrl-C reaches the demo alone and the demo ends
  its children in order; only groups started here are ever signalled.
- On Linux a child is told to end when the demo itself is killed.
- What a child says goes to a file of its own; when it fails, its last lines are shown.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from sim.errors import DemoFailed

STOP_S_MAX = 30.0
LOOK_EVERY_S = 0.03
TAIL_LINES = 12

_PR_SET_PDEATHSIG = 1


class Child:
    """One program of the demo."""

    def __init__(
        self, name: str, arguments: list[str], log: Path, *, program: str = sys.executable
    ) -> None:
        self.name = name
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # The demo has one thread, so running Python between fork and exec is safe.
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def check(self) -> None:
        """Raise `DemoFailed` with its last words if it has ended."""
        code = self._process.poll()
        if code is not None:
            raise DemoFailed(f"{self.name} ended with code {code}; its last words:\n{self.tail()}")

    def tail(self) -> str:
        """Return the last lines it said, and where the rest is."""
        lines = self._log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
        return "\n".join([*(f"    {line}" for line in lines), f"    (all of it: {self._log})"])

    def finish(self, within_s: float) -> None:
        """Wait until it has done its work; raises `DemoFailed` if it failed or takes longer."""
        try:
            code = self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            raise DemoFailed(f"{self.name} is not done after {within_s:.0f} s") from None
        if code != 0:
            self.check()

    def kill(self) -> None:
        """End it at once and without a word, and wait until it is gone."""
        self._signal(signal.SIGKILL)
        self._process.wait()

    def signal_stop(self) -> None:
        """Ask it to end."""
        self._signal(signal.SIGTERM)

    def wait_stopped(self, deadline: float) -> bool:
        """Wait until it has ended, with force at the deadline; return whether it ended itself."""
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._process.wait()
            return False
        return True

    def _signal(self, number: int) -> None:
        if self.running:
            os.killpg(self._process.pid, number)


class Family:
    """The children of one demo, stopped in the opposite order of their start.

    Waiting for them ends early, with `DemoFailed`, when `stop` is set.
    """

    def __init__(
        self, logs: Path, stop: threading.Event, *, stop_s_max: float = STOP_S_MAX
    ) -> None:
        self._logs = logs
        self._stop_s_max = stop_s_max
        self._stop = stop
        self._children: list[Child] = []

    def start(self, name: str, *arguments: str) -> Child:
        """Start `python …` as a child."""
        child = Child(name, list(arguments), self._logs / f"{name}.log")
        self._children.append(child)
        return child

    def check(self) -> None:
        """Raise `DemoFailed` if any of them has ended."""
        for child in self._children:
            child.check()

    def run(self, name: str, *arguments: str, within_s: float = 120.0) -> None:
        """Run `python …` to its end; raises `DemoFailed` if it fails."""
        child = self.start(name, *arguments)
        child.finish(within_s)
        self._children.remove(child)

    def wait_until(self, what: str, ready: Callable[[], bool], *, within_s: float = 120.0) -> None:
        """Wait until something is so; raises `DemoFailed` when it takes longer or a child ends."""
        deadline = time.monotonic() + within_s
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise DemoFailed(f"{what}: not so after {within_s:.0f} s; see {self._logs}")
            if self._stop.wait(LOOK_EVERY_S):
                raise DemoFailed("stopped while starting")

    def stop(self) -> list[str]:
        """End every child; return the names of those that had to be forced."""
        deadline = time.monotonic() + self._stop_s_max
        forced = []
        for child in reversed(self._children):
            child.signal_stop()
        for child in reversed(self._children):
            if not child.wait_stopped(deadline):
                forced.append(child.name)
        self._children.clear()
        return forced


def _end_with_parent() -> None:
    """Ask Linux to send SIGTERM to this process when its parent dies, also of SIGKILL."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
