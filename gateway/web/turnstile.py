"""How many large lists are handed out at once, and when the others shall come again.

After a power cut in a whole city a thousand kiosks may want half a gigabyte each in the same
minute. All at once each would get a thousandth of the line, and none would be done for an hour.
So a few are served at full speed, and everybody else is given an appointment, in order.

Laws of this file:

1. A free place is given to whoever comes. Nothing is kept of an appointment.
2. Appointments are four times as close as places have become free lately. So one who comes finds
   a place taken rather than a place finds nobody, and whoever is put off waits no longer than
   those before it take. What that costs is an answer of a line for each of them.
3. How fast places become free is hoped for until it is known, and looked at all the time: a wrong
   guess is corrected with the next appointment, which is never far away.

No sockets and no clock here. Everything is called from one thread.
"""

from __future__ import annotations

PLACES = 8  # enough to fill a line though some of the stations are slow
OPEN_MAX = 64  # a quarter of a megabyte each is under way
PLACE_MS = 15_000
ASKS_A_PLACE = 4
HOPED_MS = 20.0  # between two places: 6 MB, packed, at half a gigabit a second
APART_MS_MIN = 5.0  # between two appointments: 200 answers a second cost a tenth of a processor
WAIT_MS_MIN, WAIT_MS_MAX = 1_000, 120_000
MEMORY = 8  # the last eight places or so
SPREAD = 0.618_034  # the golden section: its multiples lie evenly between whole numbers


class Turnstile:
    """Admits a few at a time.

    Whoever takes longer than `PLACE_MS` has a slow line, and takes too little of ours to count:
    its place is given to the next, up to `OPEN_MAX` downloads in all.
    """

    def __init__(self, *, places: int = PLACES, open_max: int = OPEN_MAX):
        """places: at once at full speed. open_max: at once in all."""
        self._places = places
        self._open_max = open_max
        self._inside: dict[int, int] = {}
        self._entered = 0
        self._free_every_ms = HOPED_MS
        self._freed_ms = 0
        self._next_ms = 0.0
        self._put_off = 0

    @property
    def inside(self) -> int:
        """How many are being served."""
        return len(self._inside)

    def enter(self, now_ms: int) -> int | None:
        """Return a ticket to `leave` with, or None when there is no place."""
        counted = sum(now_ms - entered_ms < PLACE_MS for entered_ms in self._inside.values())
        if counted >= self._places or len(self._inside) >= self._open_max:
            return None
        if not self._inside and not self._is_awaited(now_ms):
            self._free_every_ms = HOPED_MS  # it may be other lists by now, and other lines
        self._entered += 1
        self._inside[self._entered] = now_ms
        return self._entered

    def leave(self, ticket: int, now_ms: int) -> None:
        """Give a place back."""
        del self._inside[ticket]
        if self._is_awaited(now_ms):
            passed_ms = now_ms - self._freed_ms
            self._free_every_ms += (passed_ms - self._free_every_ms) / MEMORY
        self._freed_ms = now_ms

    def appointment_ms(self, now_ms: int) -> int:
        """Return how long to wait before coming again; the next one is told to come later."""
        if not self._is_awaited(now_ms):
            self._freed_ms = now_ms  # what there was before says nothing of those who come now
        apart_ms = max(self._free_every_ms / ASKS_A_PLACE, APART_MS_MIN)
        self._next_ms = max(self._next_ms, now_ms + WAIT_MS_MIN) + apart_ms
        self._put_off += 1
        # Told to come within two minutes, a thousand still come one after another.
        latest_ms = WAIT_MS_MAX * (1 + self._put_off * SPREAD % 1) / 2
        self._next_ms = min(self._next_ms, float(now_ms + WAIT_MS_MAX))
        return int(min(self._next_ms - now_ms, latest_ms))

    def _is_awaited(self, now_ms: int) -> bool:
        """Whether somebody is still to come to an appointment."""
        return self._next_ms > now_ms
