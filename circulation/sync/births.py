"""When to say who one is: births of stations, heads of the gateway.

A gateway that restarts needs every station's birth, but not all within the same second.
"""

from circulation.sync.effects import SendHead, SendStatus, StaffNotice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

SPREAD_MS_PER_STATION = 30
SPREAD_MS_MAX = 30_000
REPEAT_MS = 5_000  # two stations with one name would answer each other for ever

HEAD_EVERY_MS = 15_000
HEAD_GAP_MS = 1_000


class Births:
    """Decides when a station publishes its status again, beyond every connect."""

    def __init__(self, *, boot: str, random_below: "Callable[[int], int]") -> None:
        """boot: of this start of the program, by which a station knows its own messages."""
        self._boot = boot
        self._random_below = random_below
        self._gateway_boot: str | None = None
        self._stations_known: int | None = None
        self._due_ms: int | None = None
        self._repeated_ms = -REPEAT_MS

    def on_disconnected(self) -> None:
        """The next connection publishes a birth anyway."""
        self._due_ms = None

    def on_head(self, head: "Any") -> None:
        """Learn over how many stations births are to be spread."""
        self._stations_known = head.stations_known

    def on_gateway_status(self, status: "Any", now_ms: int) -> None:
        """A gateway with another boot has restarted and wants our birth, after a while."""
        if not status.on or status.boot == self._gateway_boot:
            return
        is_restart = self._gateway_boot is not None
        self._gateway_boot = status.boot
        if is_restart:
            self._due_ms = now_ms + self._random_below(self._spread_ms() + 1)

    def on_own_status(self, status: "Any", now_ms: int) -> "list[Any]":
        """Our own topic says something else than we would: our will, or another station."""
        if status.on and status.boot == self._boot:
            return []
        if now_ms - self._repeated_ms < REPEAT_MS:
            return []
        self._repeated_ms = now_ms
        if not status.on:
            # An old half-open connection of ours has died at last; its will calls us dead.
            return [SendStatus("own will seen")]
        detail = f"{status.station}: another station, boot {status.boot}, has our name"
        return [StaffNotice("two_stations", detail), SendStatus("another station's birth seen")]

    def tick(self, now_ms: int) -> "list[Any]":
        """Publish a birth that has become due."""
        if self._due_ms is None or now_ms < self._due_ms:
            return []
        self._due_ms = None
        return [SendStatus("the gateway restarted")]

    def _spread_ms(self) -> int:
        if self._stations_known is None:
            return SPREAD_MS_MAX
        return min(SPREAD_MS_PER_STATION * self._stations_known, SPREAD_MS_MAX)


class HeadBeat:
    """Decides when the gateway publishes its head: every 15 s, and soon after news."""

    def __init__(self) -> None:
        """Due at once, since a gateway that starts says so."""
        self._wanted: str | None = "start"
        self._sent_ms: int | None = None

    def on_birth(self) -> None:
        """A station has come; it should not wait 15 s to know how things stand."""
        self._wanted = self._wanted or "birth"

    def tick(self, now_ms: int) -> "list[Any]":
        """Return SendHead when one is due, at most one a second."""
        since_ms = None if self._sent_ms is None else now_ms - self._sent_ms
        why = self._wanted
        if since_ms is not None and since_ms >= HEAD_EVERY_MS:
            why = "time"
        if why is None or (since_ms is not None and since_ms < HEAD_GAP_MS):
            return []
        self._sent_ms = now_ms
        self._wanted = None
        return [SendHead(why)]
