"""Asking the gateway for the time, at connect and then hourly.

Only a journalled answer counts: the interval in which a fact happened is derived from `clock`
facts, and so stays the same when the facts are sent again, to whomever, years later. The
answer lies somewhere between asking and hearing; both are recorded, none is guessed at.
"""

from circulation.sync.backoff import Backoff
from circulation.sync.effects import RecordClock, SendRequest
from circulation.wire import kinds
from circulation.wire.messages import Request, TimeReply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

EVERY_MS = 3_600_000
RETRY_FIRST_MS = 10_000
RETRY_MS_MAX = 300_000
ROUND_TRIP_MS_MAX = 60_000  # a wider answer bounds less than the neighbours of a fact do


class ClockSync:
    """Asks for the time and says what to journal; `now_ms` counts from the program's start."""

    def __init__(self, *, random_below: "Callable[[int], int]") -> None:
        """Ask nothing before the first connection."""
        self._random_below = random_below
        self._backoff = Backoff(RETRY_FIRST_MS, RETRY_MS_MAX, random_below, RETRY_FIRST_MS // 2)
        self._asked: str | None = None
        self._next_ms: int | None = None

    def on_connected(self, now_ms: int) -> "list[Any]":
        """Ask at once: the gateway may be away again soon."""
        self._backoff.reset()
        return self._ask(now_ms)

    def on_disconnected(self) -> None:
        """Ask nothing, and believe no late answer, until there is a connection."""
        self._asked = None
        self._next_ms = None

    def tick(self, now_ms: int) -> "list[Any]":
        """Ask again an hour after the last answer, or sooner when none came."""
        if self._next_ms is None or now_ms < self._next_ms:
            return []
        return self._ask(now_ms)

    def on_reply(self, message: "Any", now_ms: int) -> "list[Any]":
        """Return the clock fact of an answer to our latest question; ignore any other."""
        if not isinstance(message, TimeReply) or message.id != self._asked:
            return []
        is_usable = 0 <= now_ms - message.mono_sent <= ROUND_TRIP_MS_MAX
        if not is_usable:
            return []  # `tick` asks again
        self._asked = None
        self._next_ms = now_ms + EVERY_MS
        self._backoff.reset()
        fields = {
            "kind": kinds.CLOCK,
            "mono_sent": message.mono_sent,
            "mono_received": now_ms,
            "gateway_now": message.gateway_now,
        }
        return [RecordClock(fields)]

    def _ask(self, now_ms: int) -> "list[Any]":
        self._asked = f"t{self._random_below(1 << 30):08x}"
        self._next_ms = now_ms + self._backoff.next_ms()
        return [
            SendRequest(Request(self._asked, "time", now_ms, None, None, None, None, None, None))
        ]
