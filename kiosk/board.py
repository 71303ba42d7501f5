"""What the screen shows now, handed from the engine's thread to whoever draws it.

The engine puts whole views up; readers always get the newest and may miss those between. Nothing
here waits for a reader, so a stuck browser never holds up a loan.
"""

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

View = dict[str, Any]
WATCHERS_MAX = 16
"""A kiosk has one screen; a bench and some tests may look on. More are turned away."""


class BoardFull(Exception):
    """Too many look at this screen already."""


class Board:
    """The newest view, and who wants to hear of the next."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latest: View = {"state": "starting"}
        self._number = 0
        self._watchers: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self._closed = False

    @property
    def latest(self) -> View:
        """The view the screen shows now."""
        return self._latest

    def put(self, view: View) -> bool:
        """Show this view; False when it is what was shown already."""
        with self._lock:
            if view == self._latest:
                return False
            self._latest, self._number = view, self._number + 1
            self._wake()
        return True

    def close(self) -> None:
        """Let everybody who watches go home."""
        with self._lock:
            self._closed = True
            self._wake()

    async def watch(self, beat_s: float) -> AsyncIterator[View | None]:
        """Yield the newest view now and after each change, None after `beat_s` without one."""
        event = self._enter()
        try:
            shown = -1
            while not self._closed:
                event.clear()
                if shown != self._number:
                    shown = self._number
                    yield self._latest
                    continue
                try:
                    await asyncio.wait_for(event.wait(), beat_s)
                except TimeoutError:
                    yield None
        finally:
            with self._lock:
                del self._watchers[event]

    def _enter(self) -> asyncio.Event:
        event = asyncio.Event()
        with self._lock:
            if len(self._watchers) >= WATCHERS_MAX:
                raise BoardFull(f"{WATCHERS_MAX} screens are open already; close one")
            self._watchers[event] = asyncio.get_running_loop()
        return event

    def _wake(self) -> None:
        for event, loop in self._watchers.items():
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)
