"""Fetches snapshots in a thread of its own, so that nobody waits for a network at the pad."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from circulation.errors import SnapshotBusy, SnapshotError
from circulation.wire.messages import Pointer
from kiosk.snapshot import Shelf

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SnapshotReady:
    """A list is here, whole and checked."""

    pointer: Pointer
    file: Path


@dataclass(frozen=True, slots=True)
class SnapshotFailed:
    """A list could not be fetched; lending goes on from the old one.

    again_ms: when the gateway said to come again, because others are served first.
    """

    kind: str
    why: str
    again_ms: int | None = None


Deliver = Callable[[SnapshotReady | SnapshotFailed], bool]


class Fetcher:
    """One thread that fetches one snapshot after another."""

    def __init__(self, shelf: Shelf, deliver: Deliver) -> None:
        self.shelf = shelf
        self._deliver = deliver
        self._wanted: queue.Queue[Pointer | None] = queue.Queue(maxsize=16)
        self._thread = threading.Thread(target=self._run, name="kiosk-fetcher", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def fetch(self, pointer: Pointer) -> bool:
        """Ask for a snapshot; False when too many are asked for already."""
        try:
            self._wanted.put_nowait(pointer)
        except queue.Full:
            return False
        return True

    def stop(self) -> None:
        """Finish what is under way and end; a half-fetched file is resumed next time."""
        self._wanted.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout=2)

    def take_wanted(self) -> list[Pointer]:
        """Return what was asked for and not begun, for whoever does `work` without the thread."""
        taken: list[Pointer] = []
        if self._wanted.empty():
            return taken
        with contextlib.suppress(queue.Empty):
            while (pointer := self._wanted.get_nowait()) is not None:
                taken.append(pointer)
        return taken

    def work(self, pointer: Pointer) -> None:
        """Fetch one snapshot and deliver how it went."""
        try:
            file = self.shelf.fetch(pointer)
        except SnapshotBusy as busy:
            self._deliver(SnapshotFailed(pointer.kind, str(busy), busy.again_ms))
            return
        except (SnapshotError, OSError) as error:
            _log.warning("snapshot %s: %s", pointer.kind, error)
            self._deliver(SnapshotFailed(pointer.kind, str(error)))
            return
        self._deliver(SnapshotReady(pointer, file))

    def _run(self) -> None:
        while (pointer := self._wanted.get()) is not None:
            self.work(pointer)
