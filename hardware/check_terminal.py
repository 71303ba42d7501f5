"""The person of `hardware-check`, at a terminal."""

from __future__ import annotations

import select
import sys
from collections.abc import Sequence
from typing import TextIO

from hardware.attendant import Patience
from hardware.check import Checkup, Item, run_check
from hardware.check_steps import STEPS
from hardware.ports import Clock

PATIENCE = Patience(round_ms=2_000, answer_ms=5_000, hang_ms=5_000)
"""A check has time; but a device that hangs must not hang it."""


class Terminal:
    """Somebody who reads lines and types answers; Enter skips what is being waited for."""

    def __init__(self, output: TextIO | None = None, keys: TextIO | None = None) -> None:
        """output and keys: the program's own, if not given.

        A program that was started without keys (`<&-`) has nobody who answers.
        """
        self._output = output or sys.stdout
        self._keys: TextIO | None = keys or sys.stdin

    def say(self, text: str) -> None:
        """See `Person.say`."""
        self._output.write(f"{text}\n")
        self._output.flush()

    def agrees(self, question: str) -> bool | None:
        """See `Person.agrees`: y or n; anything else is neither."""
        self._output.write(f"{question} [y/n, Enter skips] ")
        self._output.flush()
        answer = self._keys.readline().strip().lower() if self._keys else ""
        return {"y": True, "yes": True, "n": False, "no": False}.get(answer)

    def skips(self) -> bool:
        """See `Person.skips`: Enter was pressed, or nobody can press it any more."""
        if self._keys is None:
            return True
        readable, _, _ = select.select([self._keys], [], [], 0)
        if readable:
            self._keys.readline()
        return bool(readable)


class Nobody:
    """No person at all: lines are written, questions are not answered."""

    def __init__(self, output: TextIO | None = None) -> None:
        """output: the program's own, if not given."""
        self._output = output or sys.stdout

    def say(self, text: str) -> None:
        """See `Person.say`."""
        self._output.write(f"{text}\n")

    def agrees(self, question: str) -> bool | None:
        """See `Person.agrees`: nobody says anything."""
        return None

    def skips(self) -> bool:
        """See `Person.skips`: nobody is there to wait for."""
        return True


def check_at_terminal(items: Sequence[Item], clock: Clock, *, is_alone: bool) -> bool:
    """Check every device with whoever sits at the terminal; return whether nothing is wrong.

    is_alone: nobody is asked anything, and only what can be seen alone is checked.
    """
    person = Nobody() if is_alone else Terminal()
    return run_check(items, Checkup(person, clock, is_alone=is_alone), STEPS)
