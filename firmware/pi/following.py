"""Keeping the machine's list up to date: deltas from the wire, whole lists in a side thread."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from circulation.gateway_http import Connect
from circulation.sync.changes import ChangeFollower
from circulation.sync.effects import ApplyChanges, FetchSnapshot, SendRequest
from circulation.wire.messages import Change, Head, Pointer, Request
from circulation.wire.topics import MAY_LEAVE
from firmware.gate.events import ListChanged, ListLoaded
from firmware.gate.lists import ExactList
from firmware.pi.lists import FORMAT, Fetched, ListFolder, NotFetched, fetch

_log = logging.getLogger(__name__)


class ListFollowing:
    """One list, one follower, at most one download at a time. Runs in the courier's thread."""

    def __init__(
        self,
        *,
        base_url: str,
        folder: ListFolder,
        tell: Callable[[Any], bool],
        arrived: Callable[[Fetched | NotFetched], None],
        random_below: Callable[[int], int],
        connect: Connect,
    ) -> None:
        """tell: gives the machine an event. arrived: takes a download, from its own thread.

        connect: opens a connection to the gateway's lists.
        """
        self.trouble = ""
        self._base_url = base_url
        self._folder = folder
        self._tell = tell
        self._arrived = arrived
        self._random_below = random_below
        self._connect = connect
        self._follower = ChangeFollower(MAY_LEAVE, random_below=random_below)
        self._pointer: Pointer | None = None
        self._history: str | None = None  # the lineage that the newest head named
        self._is_wanted = False
        self._again_ms: int | None = None
        self._thread: threading.Thread | None = None

    @property
    def lineage(self) -> str | None:
        """Return the lineage of the list in use."""
        return self._follower.lineage

    @property
    def version(self) -> int | None:
        """Return the version of the list in use, None without one."""
        return self._follower.version

    def start(self) -> None:
        """Use what lies on the disk, the history before this one first."""
        for kept in self._folder.kept():
            self._use(kept)

    def on_change(self, change: Change, now_ms: int) -> list[Any]:
        """Take a delta; return requests to send."""
        begins = self._follower.version
        requests = []
        for effect in self._follower.on_change(change, now_ms):
            if isinstance(effect, ApplyChanges):
                self._apply(ListChanged(self.lineage, begins, effect.version, effect.changes))
            else:
                requests += self._take([effect], now_ms)
        return requests

    def on_pointer(self, pointer: Pointer, now_ms: int) -> list[Any]:
        """Take the announcement of a whole list; return requests to send."""
        if pointer.kind != MAY_LEAVE or pointer.format != FORMAT:
            return []
        self._pointer = pointer
        if self._is_wanted:
            self._fetch()
        return self._take(self._follower.on_pointer(pointer, now_ms), now_ms)

    def on_head(self, head: Head, now_ms: int) -> list[Any]:
        """Compare versions; return requests to send."""
        self._history = head.lineage
        if head.recovered and head.lineage == self._follower.lineage:
            self._folder.recovered()
        return self._take(self._follower.on_head(head, now_ms), now_ms)

    def tick(self, now_ms: int) -> list[Any]:
        """Return requests that have become due; keep an appointment at the gateway."""
        if self._again_ms is not None and now_ms >= self._again_ms:
            self._again_ms = None
            self._fetch()
        return self._take(self._follower.tick(now_ms), now_ms)

    def on_arrived(self, result: Fetched | NotFetched, now_ms: int) -> None:
        """Take what the download brought."""
        self._thread = None
        if isinstance(result, NotFetched) and result.again_ms is not None:
            # Nothing is wrong. Appointments are given in whole seconds: come in the course of it.
            self._again_ms = now_ms + result.again_ms + self._random_below(1_000)
            return
        if isinstance(result, NotFetched):
            self.trouble = result.why[:120]
            _log.warning("%s", result.why)
            return
        self.trouble = ""
        is_same = result.list.lineage == self.lineage
        if not is_same or result.list.version > (self.version or 0):
            self._use(result.list)

    def wait(self) -> None:
        """Wait for a download that is under way."""
        if self._thread is not None:
            self._thread.join()

    def _use(self, new: ExactList) -> None:
        if self._tell(ListLoaded(new)):
            self._follower.on_loaded(new.lineage, new.version)
            return
        # The loop is far behind; as long as nothing is followed, a head fetches it again.
        self._follower = ChangeFollower(MAY_LEAVE, random_below=self._random_below)

    def _take(self, effects: list[Any], now_ms: int) -> list[Any]:
        requests = []
        for effect in effects:
            if isinstance(effect, FetchSnapshot):
                self._fetch()
                requests += self._where(now_ms)
            else:
                requests.append(effect)
        return requests

    def _where(self, now_ms: int) -> list[Any]:
        """Ask where the list of the present history is, if nobody has said: what the broker
        kept may be lost. A fetch is wanted once in a while only, see `ChangeFollower`."""
        pointer = self._pointer
        if self._history is None or (pointer is not None and pointer.lineage == self._history):
            return []
        name = f"w{self._random_below(1 << 30):08x}"
        return [
            SendRequest(Request(name, "since", now_ms, MAY_LEAVE, 0, None, None, None, FORMAT))
        ]

    def _apply(self, event: ListChanged) -> None:
        if not self._tell(event):
            self._follower = ChangeFollower(MAY_LEAVE, random_below=self._random_below)

    def _fetch(self) -> None:
        self._is_wanted = self._pointer is None
        if self._pointer is None or self._thread is not None or self._again_ms is not None:
            return
        self._begin(self._pointer)

    def _begin(self, pointer: Pointer) -> None:
        """Download in a thread of its own."""
        self._thread = threading.Thread(
            target=self.download, args=(pointer,), name="list download", daemon=True
        )
        self._thread.start()

    def download(self, pointer: Pointer) -> None:
        """Fetch a whole list and hand over how that went."""
        self._arrived(fetch(self._base_url, pointer, self._folder, self._connect))
