"""What the bytes of messages say, kept while a fleet runs: many programs hear the same.

To decode a message and to look at its mac are functions of its bytes. Every program of a fleet
does both by production's code, the first that hears the bytes for all of them. None may change
what it was given; a test decodes everything anew at the end of a run and compares.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from circulation.wire.messages import remember_in

KEPT_MAX = 4_096
"""More than are ever under way between stations; what is forgotten is decoded again."""


class Memory(dict[Any, Any]):
    """A dict that begins anew when it is full."""

    def __setitem__(self, key: Any, value: Any) -> None:
        """Keep a value."""
        if len(self) >= KEPT_MAX:
            self.clear()
        super().__setitem__(key, value)


@contextmanager
def sharing(memory: Memory) -> Iterator[None]:
    """Let all programs of this process share what they decode, until the end of the block."""
    before = remember_in(memory)
    try:
        yield
    finally:
        remember_in(before)
