"""Several libraries over several workers on one server: each library is run by one of them.

Every worker is told of every library. Which it runs follows from `gateway.ownership`; a worker
that has libraries already waits a while for each before it takes another, so that those which
have fewer come first, and all share without speaking to each other.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Protocol

import sqlalchemy as sa

from circulation.errors import ConfigInvalid
from gateway.errors import Fenced, StoreUnusable

SHARE_MS = 2_000  # for each library a worker has, before it takes another
LOOK_S = 1.0
_log = logging.getLogger(__name__)


class Running(Protocol):
    """A library's gateway, as a worker runs it."""

    @property
    def is_fenced(self) -> bool:
        """Whether another worker has taken the library."""

    def stop(self) -> None:
        """Stop it and let another take the library."""


class Shared(Protocol):
    """A library that several workers know."""

    @property
    def name(self) -> str:
        """The library's id."""

    def is_free(self) -> bool:
        """Return whether no worker has it."""

    def start(self, worker: str) -> Running:
        """Become its owner and run it; raise `Fenced` if another was quicker."""

    def close(self) -> None:
        """Look no more."""


class Worker:
    """Runs the libraries it gets hold of; whoever calls `step` is its one thread."""

    def __init__(self, name: str, libraries: Iterable[Shared], *, clock: Callable[[], int]):
        """name: one no other worker has. clock: any that runs, in milliseconds."""
        self.name = name
        self.running: dict[str, Running] = {}
        self._libraries = {library.name: library for library in libraries}
        self._clock = clock
        self._free_since: dict[str, int] = {}

    def step(self) -> None:
        """Let go of what others have taken; take what has been free long enough."""
        for name, library in self._libraries.items():
            running = self.running.get(name)
            try:
                if running is not None and running.is_fenced:
                    del self.running[name]
                    running.stop()
                elif running is None and self._is_due(library):
                    self.running[name] = library.start(self.name)
                    _log.warning("%s: library %r is ours", self.name, name)
            except Fenced as error:
                _log.warning("%s", error)
                self._free_since.pop(name, None)
            except (StoreUnusable, ConfigInvalid, sa.exc.DBAPIError) as error:
                # A server that is away comes back; one that ended our session takes a new one.
                _log.error("%s: library %r cannot be run here: %s", self.name, name, error)
                self._free_since.pop(name, None)

    def _is_due(self, library: Shared) -> bool:
        if not library.is_free():
            self._free_since.pop(library.name, None)
            return False
        since_ms = self._free_since.setdefault(library.name, self._clock())
        return self._clock() - since_ms >= SHARE_MS * len(self.running)

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop; then let others have the libraries at once."""
        while not stop.is_set():
            self.step()
            stop.wait(LOOK_S)
        self.close()

    def close(self) -> None:
        """Stop everything."""
        running, self.running = self.running, {}
        for gateway in running.values():
            gateway.stop()
        for library in self._libraries.values():
            library.close()
