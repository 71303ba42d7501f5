"""Whether the list that a gate decides by is the gateway's newest.

Only a head that came just now, and later in count than the last, is contact. A retained
message says nothing about now, and a bridge may replay an old head.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FRESH = "FRESH"
STALE = "STALE"
BLIND = "BLIND"

FRESH_MS = 60_000


class HeadWatch:
    """Remembers the newest head."""

    def __init__(self) -> None:
        """Start without contact."""
        self._head: Any = None
        self._heard_ms = 0

    @property
    def head(self) -> "Any":
        """Return the newest Head, or None before the first."""
        return self._head

    def on_head(self, head: "Any", now_ms: int, *, is_retained: bool = False) -> bool:
        """Take a head; return whether it was contact."""
        if is_retained or not self._is_newer(head):
            return False
        self._head = head
        self._heard_ms = now_ms
        return True

    def heard_within(self, span_ms: int, now_ms: int) -> bool:
        """Return whether a head arrived in the last span_ms."""
        return self._head is not None and now_ms - self._heard_ms <= span_ms

    def state(
        self, *, kind: str, lineage: "str | None", version: "int | None", now_ms: int
    ) -> str:
        """Return FRESH, STALE or BLIND for a list of this lineage and version, or of none.

        The version must not be behind the head's: the *last* delta may be the one that was
        lost. It may be ahead of it for as long as the next head takes, since changes go out at
        once and heads every 15 s; without another head it is stale soon enough.
        """
        if version is None:
            return BLIND
        if not self.heard_within(FRESH_MS, now_ms) or self._head.lineage != lineage:
            return STALE
        announced = self._head.versions.get(kind)
        is_behind = announced is None or version < announced
        return STALE if is_behind else FRESH

    def _is_newer(self, head: "Any") -> bool:
        # Another lineage counts anew: a restored gateway has forgotten how far it was.
        if self._head is None or self._head.lineage != head.lineage:
            return True
        is_newer: bool = head.n > self._head.n
        return is_newer
