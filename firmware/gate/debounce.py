"""A level one can believe, made of raw edges.

Backends disagree about "debounce": one reports the first edge and mutes what follows, another
waits for the level to settle, and a 2 ms pulse train then is "every other edge" or "none". So
every backend delivers raw edges and the settling is done here: a level counts once it has
lasted `stable_ms`, and it counts from the edge that began it.
"""

CHATTER_EDGES_MAX = 1_200  # in one minute; sixty people with noisy edges make about 500
CHATTER_WINDOW_MS = 60_000


class Debounce:
    """One input; `level` is the settled level."""

    def __init__(self, stable_ms: int) -> None:
        """Start clear."""
        self.level = False
        self._stable_ms = stable_ms
        self._raw = False
        self._since_ms = 0
        self._window = 0
        self._edges = 0

    def edge(self, level: bool, at_ms: int) -> "int | None":
        """Take a raw edge; return since when the level before it had settled, if it just did.

        Edges that claim to be older than the one before them count as simultaneous with it.
        """
        at_ms = max(at_ms, self._since_ms)
        settled = self.settle(at_ms)
        self._count(at_ms)
        if level != self._raw:
            self._raw = level
            self._since_ms = at_ms
        return settled

    def settle(self, now_ms: int) -> "int | None":
        """Return since when there is a new settled level, None if there is none."""
        if self._raw == self.level or now_ms - self._since_ms < self._stable_ms:
            return None
        self.level = self._raw
        return self._since_ms

    def is_chattering(self, now_ms: int) -> bool:
        """Return whether this input changes more often than people can make it."""
        recent = now_ms // CHATTER_WINDOW_MS - self._window <= 1
        return recent and self._edges > CHATTER_EDGES_MAX

    def _count(self, at_ms: int) -> None:
        window = at_ms // CHATTER_WINDOW_MS
        if window != self._window:
            self._window = window
            self._edges = 0
        self._edges += 1
