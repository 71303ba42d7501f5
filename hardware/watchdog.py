"""Who ends what is on for too long, when its program does not."""

import threading
from typing import Protocol


class Expiring(Protocol):
    """Something that ends by itself when it is asked often enough."""

    def expire(self) -> int:
        """End if the time is over; return how many milliseconds are left. Never raises."""


class Watchdog:
    """Calls `expire()` of outputs whose time is over, from one thread, started at the first one.

    The deadline is asked from the output each time: clocks may be virtual, so real time only says
    when to look again.
    """

    LOOK_AGAIN_S = 0.005

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._armed: set[Expiring] = set()
        self._thread: threading.Thread | None = None

    def arm(self, output: Expiring) -> None:
        """Watch this output until it is off."""
        with self._changed:
            self._armed.add(output)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="pin-watchdog", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def disarm(self, output: Expiring) -> None:
        """Watch it no more."""
        with self._changed:
            self._armed.discard(output)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._armed:
                    self._changed.wait()
                armed = tuple(self._armed)
            left_ms = min(output.expire() for output in armed)
            with self._changed:
                self._changed.wait(max(left_ms / 1000, self.LOOK_AGAIN_S))
