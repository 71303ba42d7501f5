"""How many batches a station may have under way, so that no queue grows without bound.

A credit is absolute: batches beyond the high-water mark it is told with. So what is under way is
never more than the credits last told, plus one batch for each station that has just connected.

The more waits here, the less is granted; above a mark, nothing. A station that got nothing asks
again every two minutes by itself, but is told as soon as there is room, first come first served.
"""

from __future__ import annotations

from collections.abc import Callable

CREDIT_MAX = 4  # the next batch is here when this one is committed
WAITING_MAX = 1_000  # half of the least that the service's inbox holds
ACTIVE_MS = 60_000  # a station that sent within is counted as one that sends


class Credits:
    """What each station of a library was last granted."""

    def __init__(self, waiting_max: int = WAITING_MAX) -> None:
        """waiting_max: messages that may wait here; from then on nothing is granted.

        waiting, an attribute, is asked for how many do.
        """
        self.waiting: Callable[[], int] = lambda: 0
        self._waiting_max = waiting_max
        self._granted: dict[str, int] = {}
        self._active: dict[str, int] = {}  # when each last got an answer, the latest last
        self._hungry: dict[str, None] = {}  # stations that got nothing, longest first

    @property
    def under_way_max(self) -> int:
        """The most batches that stations who were answered may have under way."""
        return sum(self._granted.values())

    def grant(self, station: str, now_ms: int) -> int:
        """Return a station's credit, 0 while too much waits here."""
        self._note_active(station, now_ms)
        room = self._waiting_max - self.waiting()
        credit = max(min(room // len(self._active), CREDIT_MAX), 1) if room > 0 else 0
        self._granted[station] = credit
        self._hungry.pop(station, None)
        if credit == 0:
            self._hungry[station] = None
        return credit

    def _note_active(self, station: str, now_ms: int) -> None:
        self._active.pop(station, None)
        self._active[station] = now_ms
        while now_ms - next(iter(self._active.values())) > ACTIVE_MS:
            del self._active[next(iter(self._active))]

    def fed(self) -> list[str]:
        """Return the stations that got nothing and may be told of a credit: half is free."""
        room = self._waiting_max // 2 - self.waiting()
        return list(self._hungry)[: max(room, 0)]
