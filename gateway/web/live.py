"""Tells open pages that something changed: a counter, and whoever waits for it to rise.

The service bumps it from its own threads; each page waits in the web server's event loop. A
page that is slow misses numbers, never the last one.
"""

from __future__ import annotations

import asyncio
import threading


class Pulse:
    """A number that only rises, and can be waited for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    @property
    def count(self) -> int:
        """How often something has changed."""
        return self._count

    def beat(self) -> None:
        """Say that something changed; from any thread."""
        with self._lock:
            self._count += 1
            waiting = list(self._waiting)
            self._waiting.clear()
        for loop, event in waiting:
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

    async def after(self, seen: int, *, timeout_s: float) -> int:
        """Return the count once it is past ``seen``, or after the timeout as it is."""
        event = asyncio.Event()
        entry = (asyncio.get_running_loop(), event)
        with self._lock:
            if self._count > seen:
                return self._count
            self._waiting.add(entry)
        try:
            await asyncio.wait_for(event.wait(), timeout_s)
        except TimeoutError:
            pass
        finally:
            with self._lock:
                self._waiting.discard(entry)
        return self._count
