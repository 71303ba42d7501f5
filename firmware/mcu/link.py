"""The link to the broker: when to begin a connection, when to give it up, what to do meanwhile.

Laws:
- Nothing waits: each turn is one step of the client, which makes one step of the network.
- A message is sent on the connection that is open, or never: the journal is the queue.
- The first reconnect comes within 0.2 s, then with doubling jittered waits. A connection that
  ended soon after it began counts as a failure too, or two stations with one name would throw
  each other out for ever.
- A connection is begun while nobody passes: with TLS a step of the key exchange computes for
  some tenths of a second.
"""

from circulation.sync.backoff import Backoff

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

FIRST_MS_MAX = 200
RETRY_FIRST_MS = 500
RETRY_MS_MAX = 30_000
LASTING_MS = 10_000
QUIET_WAIT_MS_MAX = 10_000
"""Somebody always passes at a busy door: so long a connection is put off, and no longer."""

CONNECTED, MESSAGE, REFUSED, CLOSED = "connected", "message", "refused", "closed"


class Link:
    """One broker, one client, at most one connection."""

    def __init__(self, client: "Any", random_below: "Callable[[int], int]") -> None:
        """client: see `firmware/mcu/mqtt.py`; its will and login are set."""
        self.is_up = False
        self.unsent = 0
        self.why = ""
        self._client = client
        self._random_below = random_below
        self._backoff = Backoff(RETRY_FIRST_MS, RETRY_MS_MAX, random_below)
        self._is_open = False
        self._began_ms = 0
        self._begin_ms = 0
        self._wants_new = ""

    def listen(self, topic_filter: str) -> None:
        """Listen to a filter now and after every connect."""
        self._client.listen(topic_filter)

    def turn(self, now_ms: int, *, has_network: bool, is_quiet: bool) -> "list[tuple[Any, ...]]":
        """Make one step; return what happened: connected, messages, closed."""
        if not self._is_open:
            self._begin(now_ms, has_network, is_quiet)
            return []
        if self._wants_new or not has_network:
            return self._drop(now_ms)
        events: list[tuple[Any, ...]] = self._client.poll(now_ms)
        for event in events:
            if event[0] == CONNECTED:
                self.is_up = True
            elif event[0] == CLOSED:
                self._closed(str(event[1]), now_ms)
        return events

    def publish(self, topic: str, payload: bytes, *, retained: bool, qos: int) -> bool:
        """Hand a message over; return whether it was taken, which says nothing of its arrival."""
        taken = self.is_up and self._client.send(topic, payload, retained, qos) is not None
        if not taken:
            self.unsent += 1
        return bool(taken)

    def renew(self, why: str) -> None:
        """Close this connection in the next turn and open another one."""
        self._wants_new = why

    def leave(self) -> None:
        """Go on purpose; the client's next steps say so to the broker."""
        self._client.leave()

    def _begin(self, now_ms: int, has_network: bool, is_quiet: bool) -> None:
        if not has_network:
            self._begin_ms = max(self._begin_ms, now_ms)
            return
        if now_ms < self._begin_ms:
            return
        if not is_quiet and now_ms - self._begin_ms < QUIET_WAIT_MS_MAX:
            return
        self._is_open = True
        self._began_ms = now_ms
        self._wants_new = ""
        self._client.begin(now_ms)

    def _drop(self, now_ms: int) -> "list[tuple[Any, ...]]":
        why = self._wants_new or "no Wi-Fi"
        was_up = self.is_up
        self._client.leave()
        self._client.poll(now_ms)
        self._closed(why, now_ms)
        return [(CLOSED, why)] if was_up else []

    def _closed(self, why: str, now_ms: int) -> None:
        lasted = self.is_up and now_ms - self._began_ms >= LASTING_MS
        self.why = why[:80]
        self.is_up = False
        self._is_open = False
        self._wants_new = ""
        if lasted:
            self._backoff.reset()
            self._begin_ms = now_ms + self._random_below(FIRST_MS_MAX + 1)
        else:
            self._begin_ms = now_ms + self._backoff.next_ms()
