"""How many large lists are handed out at once, and when the others shall come again.

After a power cut in a whole city a thousand kiosks may want half a gigabyte each in the same
minute. All at once each would get a thousandth of the line, and none would be done for an hour.
So a few are served at full speed, and everybody else is told when it is their turn: an
appointment, given out in order and as far apart as places become free.

No sockets and no clock here. Everything is called from one thread.
"""

from __future__ import annotations

PLACES = 8  # enough to fill a line though some of the stations are slow
OPEN_MAX = 64  # a quarter of a megabyte each is under way
PLACE_MS = 60_000
FIRST_GUESS_MS = 5_000
WAIT_MS_MIN, WAIT_MS_MAX = 1_000, 3_600_000
MEMORY = 8  # what a place took lately: the last eight or so


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
        self._held_ms = float(FIRST_GUESS_MS)
        self._next_ms = 0.0

    @property
    def inside(self) -> int:
        """How many are being served."""
        return len(self._inside)

    def enter(self, now_ms: int) -> int | None:
        """Return a ticket to `leave` with, or None when there is no place."""
        counted = sum(now_ms - entered_ms < PLACE_MS for entered_ms in self._inside.values())
        if counted >= self._places or len(self._inside) >= self._open_max:
            return None
        self._entered += 1
        self._inside[self._entered] = now_ms
        return self._entered

    def leave(self, ticket: int, now_ms: int) -> None:
        """Give a place back."""
        held_ms = min(now_ms - self._inside.pop(ticket), PLACE_MS)
        self._held_ms += (held_ms - self._held_ms) / MEMORY

    def appointment_ms(self, now_ms: int) -> int:
        """Return how long to wait before coming again; the next one is told to come later.

        Nothing is kept for it: whoever comes when a place is free has it.
        """
        apart_ms = max(self._held_ms, 1.0) / self._places
        self._next_ms = max(self._next_ms, float(now_ms)) + apart_ms
        return int(min(max(self._next_ms - now_ms, WAIT_MS_MIN), WAIT_MS_MAX))
