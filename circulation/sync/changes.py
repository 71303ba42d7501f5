"""Following a list of the gateway's: from my version only, else ask, else take a snapshot.

Laws:
1. A delta is applied only if it begins at my version, in my lineage. Two lineages may both
   have a version 500, with different content; then nothing but a snapshot helps.
2. The last delta may be the one that was lost: a head that names a newer version is noticed.
3. Every question is asked again a few times, and then answered by a snapshot.
4. What all stations may notice at once, a delta that nobody got or a gateway's new history, is
   asked for at times of their own, over 30 ms for each station there is.
"""

from circulation.sync.backoff import Backoff
from circulation.sync.births import SPREAD_MS_MAX, SPREAD_MS_PER_STATION
from circulation.sync.effects import ApplyChanges, FetchSnapshot, SendRequest
from circulation.wire.messages import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

PATIENCE_MS = 3_000  # a head may overtake the delta that it counts
CONTINUE_MS = (
    250  # an answer is short for a gate's sake; so long after its last delta more is asked
)
RETRY_FIRST_MS = 10_000
RETRY_MS_MAX = 120_000
ASKED_MAX = 3
FETCH_REPEAT_MS = 60_000


class ChangeFollower:
    """Keeps one list up to date; a machine without I/O."""

    def __init__(
        self,
        kind: str,
        *,
        random_below: "Callable[[int], int]",
        format_name: "str | None" = None,
    ) -> None:
        """Start without any list. format_name: of whole lists, if not the one all have."""
        self._kind = kind
        self._format = format_name
        self._random_below = random_below
        self._backoff = Backoff(RETRY_FIRST_MS, RETRY_MS_MAX, random_below, RETRY_FIRST_MS // 2)
        self.lineage: str | None = None
        self.version: int | None = None
        self._asked = 0
        self._ask_ms: int | None = None
        self._newest = 0  # what a head of our lineage has named
        self._gap_ms = PATIENCE_MS
        self._fetched_ms: int | None = None
        self._fetch_ms: int | None = None
        self._spread_ms = 0

    def on_loaded(self, lineage: str, version: int) -> None:
        """The list now in use has this lineage and version."""
        self.lineage = lineage
        self.version = version
        self._newest = 0
        self._fetched_ms = None
        self._settle()

    def on_change(self, change: "Any", now_ms: int) -> "list[Any]":
        """Take a delta, from the change topic or in answer to `since`."""
        if change.kind != self._kind:
            return []
        if self.version is None or change.lineage != self.lineage:
            return self._fetch(now_ms)
        if change.to_version <= self.version:
            return []
        if change.from_version != self.version:
            return self._ask_later(now_ms)
        self.version = change.to_version
        self._settle()
        if self._newest > change.to_version:
            self._ask_ms = now_ms + self._gap_ms
        else:
            self._gap_ms = PATIENCE_MS
        return [ApplyChanges(self._kind, change.changes, change.to_version)]

    def on_pointer(self, pointer: "Any", now_ms: int) -> "list[Any]":
        """There is a snapshot; it is fetched if we have no list, or one of another lineage.

        Also the answer to a `since` that reached back too far.
        """
        if pointer.kind != self._kind:
            return []
        is_newer = self.version is None or pointer.version > self.version
        is_other = pointer.lineage != self.lineage
        is_answer = self._asked > 0 and is_newer
        if self.version is None or is_other or is_answer:
            return self._fetch(now_ms)
        return []

    def on_head(self, head: "Any", now_ms: int) -> "list[Any]":
        """Compare what the gateway has with what we have."""
        self._spread_ms = min(SPREAD_MS_PER_STATION * head.stations_known, SPREAD_MS_MAX)
        newest = head.versions.get(self._kind)
        if newest is None:
            return []
        if self.version is None or head.lineage != self.lineage:
            return self._fetch(now_ms)
        self._newest = newest
        if newest > self.version and self._ask_ms is None:
            self._ask_ms = now_ms + PATIENCE_MS + self._own_turn_ms()
        return []

    def tick(self, now_ms: int) -> "list[Any]":
        """Ask, or ask again, or give up asking; fetch when it is our turn."""
        if self._fetch_ms is not None and now_ms >= self._fetch_ms:
            self._fetch_ms = None
            return [FetchSnapshot(self._kind)]
        if self._ask_ms is None or now_ms < self._ask_ms:
            return []
        return self._ask(now_ms) if self._asked < ASKED_MAX else self._fetch(now_ms)

    def _own_turn_ms(self) -> int:
        """Return how long to wait so that not all stations ask at once."""
        return self._random_below(self._spread_ms + 1) if self._spread_ms else 0

    def _ask_later(self, now_ms: int) -> "list[Any]":
        """Ask for what lies between my version and a delta's, once, when it is our turn."""
        if self._asked or self._ask_ms is not None:
            return []
        turn_ms = self._own_turn_ms()
        if turn_ms == 0:
            return self._ask(now_ms)
        self._ask_ms = now_ms + turn_ms
        return []

    def _ask(self, now_ms: int) -> "list[Any]":
        self._asked += 1
        self._gap_ms = CONTINUE_MS
        self._ask_ms = now_ms + self._backoff.next_ms()
        name = f"c{self._random_below(1 << 30):08x}"
        request = Request(
            name, "since", now_ms, self._kind, self.version, self.lineage, None, None, self._format
        )
        return [SendRequest(request)]

    def _fetch(self, now_ms: int) -> "list[Any]":
        if self._fetched_ms is not None and now_ms - self._fetched_ms < FETCH_REPEAT_MS:
            return []
        self._settle()
        self._fetched_ms = now_ms
        # Without any list nothing can be lent or judged: then at once.
        turn_ms = 0 if self.version is None else self._own_turn_ms()
        if turn_ms == 0:
            return [FetchSnapshot(self._kind)]
        self._fetch_ms = now_ms + turn_ms
        return []

    def _settle(self) -> None:
        self._asked = 0
        self._ask_ms = None
        self._fetch_ms = None
        self._backoff.reset()
