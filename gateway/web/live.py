"""Tells open pages that something changed, and shows all of them the same picture.

The service bumps a counter from its own threads; each page waits in the web server's event
loop. A page that is slow misses numbers, never the last one.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from starlette.concurrency import run_in_threadpool

QUIET_S = 0.25  # at most four pictures a second, however many facts arrive
REST = 4  # times as long as a picture takes: drawing leaves four fifths of a core to others


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


class Picture(NamedTuple):
    """What the sync page shows, part by part, and how many changes are in it."""

    changes: int
    parts: dict[str, str]
    begun_at: float  # by `time.monotonic`


class Pictures:
    """Makes what open pages show: one picture for all of them, however many look.

    With a thousand stations a picture is some 50 ms of a core; five open pages that drew their
    own, four times a second, would take what the stations' facts need.
    """

    def __init__(self, pulse: Pulse, draw: Callable[[], dict[str, str]]):
        """draw: returns the page's parts as they are now; called in a thread of its own."""
        self._pulse = pulse
        self._draw = draw
        self._lock = asyncio.Lock()
        self._newest = Picture(-1, {}, -QUIET_S)
        self._rest_until = 0.0

    async def newest(self) -> Picture:
        """Return a picture with everything that happened before the call."""
        count, oldest = self._pulse.count, time.monotonic() - QUIET_S
        async with self._lock:
            if self._newest.changes < count or self._newest.begun_at < oldest:
                await asyncio.sleep(self._rest_until - time.monotonic())
                began, count = time.monotonic(), self._pulse.count
                parts = await run_in_threadpool(self._draw)
                ended = time.monotonic()
                self._newest = Picture(count, parts, began)
                self._rest_until = ended + max(QUIET_S, REST * (ended - began))
            return self._newest
