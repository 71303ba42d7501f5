"""The gateway's threads: one writer, and one builder of lists.

The link's threads only put messages on a bounded queue. If it is full a message is dropped and
counted, which loses nothing: stations send again until they are told that it is committed.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Protocol

import sqlalchemy as sa

from circulation.link import Connected, LinkEvent, Received
from gateway import lineage
from gateway.desk import DeskJournal
from gateway.errors import BuildAbandoned, Fenced, ListTooLarge
from gateway.hub import Heard, Hub
from gateway.outbox import Send
from gateway.ownership import Term
from gateway.retention import forget_readers, move_keep_from

INBOX_MIN, INBOX_MAX = 2_000, 20_000
INBOX_A_STATION = 5  # at a reconnect each says who it is, a batch, two questions and how it is
BATCH_MAX = 200  # messages a transaction
BATCH_BYTES_MAX = 160 * 1024  # some 500 facts: then pages never wait long, nor does an ack
TICK_S = 0.2
BUILD_EVERY_S = 5.0
FAILED_WAIT_S = 60.0
CHORES_EVERY_S = 3600.0
DECISION_TIMEOUT_S = 15.0
UNSENT_MAX = 10_000
_log = logging.getLogger(__name__)


def inbox_room(stations_known: int) -> int:
    """Return how many messages may wait at a gateway that knows so many stations.

    >>> inbox_room(10), inbox_room(1_000), inbox_room(1_000_000)
    (2000, 5000, 20000)
    """
    return min(max(INBOX_MIN, INBOX_A_STATION * stations_known), INBOX_MAX)


class Publishes(Protocol):
    """What the service needs of a link."""

    def start(self) -> None:
        """Begin to connect."""

    def stop(self) -> None:
        """Disconnect."""

    def subscribe(self, topic_filters: Iterable[str], *, qos: int = 1) -> None:
        """Listen to these filters."""

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retained: bool = False) -> bool:
        """Hand a message over."""


class Service:
    """Runs a hub on a link until told to stop."""

    def __init__(
        self,
        hub: Hub,
        desk: DeskJournal,
        *,
        beat: Callable[[], None],
        term: Term | None = None,
    ):
        """beat: called after every change that a page may want to show.

        term: ours as the library's owner, if workers share it; then nothing is said without it.
        """
        self.fenced = threading.Event()  # another worker has the library; nothing is said any more
        self._term = term
        self.hub = hub
        self.desk = desk
        self.dropped = 0
        self._beat = beat
        self._inbox: queue.SimpleQueue[LinkEvent | Future[None]] = queue.SimpleQueue()
        hub.credits.waiting = self._inbox.qsize
        self._unsent: deque[Send] = deque(maxlen=UNSENT_MAX)
        self._stopping = threading.Event()
        self._link: Publishes | None = None
        self._new_lists = threading.Event()
        self._desk_wrote = threading.Event()
        self._threads = [
            threading.Thread(target=self._write, name="gateway writer", daemon=True),
            threading.Thread(target=self._build, name="gateway lists", daemon=True),
        ]

    def deliver(self, event: LinkEvent) -> None:
        """Take an event from the link's thread; never waits.

        When a broker comes back all stations speak within a second: there is room for that, up
        to the memory of a small machine. What finds none is counted, and comes again.
        """
        if self._inbox.qsize() >= inbox_room(self.hub.outbox.stations_known):
            self.dropped += 1
            return
        self._inbox.put(event)

    def start(self, link: Publishes) -> None:
        """Start to listen and to write."""
        self._link = link
        link.subscribe(self.hub.filters())
        for thread in self._threads:
            thread.start()
        link.start()

    def join(self, link: Publishes) -> None:
        """Use a link without starting a thread: whoever calls `step` is the one thread."""
        self._link = link
        link.subscribe(self.hub.filters())

    def step(self) -> None:
        """Build the lists that are due and take what has come, without waiting for more."""
        self.build()
        self.take()

    def take(self, count_max: int = BATCH_MAX) -> int:
        """Take what has come, without waiting; return how many events that were."""
        events = self._events_here(count_max)
        self._handle(events)
        return len(events)

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits to be taken or to be sent."""
        return self._inbox.empty() and not self._unsent

    def build(self) -> None:
        """Build the lists that are due, and say so when a lost history is whole again."""
        self._build_due()
        lineage.settle(self.hub.store, self.hub.library_id)

    def do_chores(self) -> None:
        """Do what is due at the start and every hour: the desk's clock, what may be forgotten."""
        self.desk.compare_clock()
        self._desk_wrote.set()
        move_keep_from(self.hub.store, self.hub.library_id)
        forget_readers(self.hub.store, self.hub.library_id)

    def stop(self) -> None:
        """Finish what was begun and stop; what is not committed will be sent again."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        if self._link is not None:
            if not self.fenced.is_set():
                topic, payload = self.hub.will()
                self._link.publish(topic, payload, retained=True)
            self._link.stop()

    def decide(self, entry: str, state: str) -> str:
        """Write a staff decision and wait until it is applied; return its fact id."""
        fact_id = self.desk.decision(entry, state)
        done: Future[None] = Future()
        self._inbox.put(done)
        done.result(timeout=DECISION_TIMEOUT_S)
        return fact_id

    def _write(self) -> None:
        """Be the one writer: take what has come, commit, answer; never stop for an error."""
        while not self._stopping.is_set():
            events = self._next_events()
            try:
                self._handle(events)
            except Fenced as error:
                self._fall_silent(error)
                return
            except Exception:
                # Without this thread nothing is ever acknowledged; what it dropped comes again.
                _log.exception("the writer goes on after an error")
                self._stopping.wait(1.0)

    def _fall_silent(self, error: Fenced) -> None:
        """Another worker has the library: what was to be said is its to say."""
        _log.warning("%s", error)
        self.fenced.set()
        self._stopping.set()
        self._unsent.clear()

    def _next_events(self) -> list[LinkEvent | Future[None]]:
        try:
            first = self._inbox.get(timeout=TICK_S)
        except queue.Empty:
            return []
        return [first, *self._events_here(BATCH_MAX - 1)]

    def _events_here(self, count_max: int = BATCH_MAX) -> list[LinkEvent | Future[None]]:
        """Return what waits already, at most that much of it."""
        events: list[LinkEvent | Future[None]] = []
        size = 0
        with contextlib.suppress(queue.Empty):
            while len(events) < count_max and size < BATCH_BYTES_MAX:
                event = self._inbox.get_nowait()
                size += len(event.payload) if isinstance(event, Received) else 0
                events.append(event)
        return events

    def _handle(self, events: list[LinkEvent | Future[None]]) -> None:
        now_ms = self.hub.store.clock()
        if self._term is not None:
            self._term.keep()
        heard = [_heard(event) for event in events if isinstance(event, Received)]
        if any(isinstance(event, Connected) for event in events):
            self._publish(self.hub.on_connected())
        self._publish(self.hub.take(heard, now_ms))
        asked = [event for event in events if isinstance(event, Future)]
        if asked or self._desk_wrote.is_set():
            self._desk_wrote.clear()
            self._decide_now(asked)
        if self._new_lists.is_set():
            self._new_lists.clear()
            offered = self.hub.snapshots.all_offered()
            self._publish(self.hub.outbox.pointer(snapshot) for snapshot in offered)
        sent = self.hub.outbox.send_changes(self._hand_over)
        self._publish(self.hub.tick(now_ms, is_behind=bool(self._unsent)))
        self._publish(self.hub.applied())
        self._flush()
        if heard or sent or asked:
            self._beat()

    def _decide_now(self, asked: list[Future[None]]) -> None:
        try:
            self.desk.hand_over(self.hub.ingest)
        except Exception as error:
            for one in asked:
                one.set_exception(error)
            raise
        for one in asked:
            one.set_result(None)

    def _publish(self, sends: Iterable[Send]) -> None:
        """Hand messages over, in order behind those that could not be yet."""
        self._unsent.extend(sends)
        self._flush()

    def _flush(self) -> None:
        while self._unsent and self._hand_over(self._unsent[0]):
            self._unsent.popleft()

    def _hand_over(self, send: Send) -> bool:
        if self._link is None or not self._may_speak():
            return False
        return self._link.publish(send.topic, send.payload, retained=send.retained)

    def _may_speak(self) -> bool:
        return self._term is None or self._term.may_speak()

    def _build(self) -> None:
        """Build lists that are due; at the start and once an hour do the chores."""
        chores_at = time.monotonic()
        while not self._stopping.is_set():
            try:
                self._build_due()
                if time.monotonic() >= chores_at:
                    chores_at = time.monotonic() + CHORES_EVERY_S
                    self.do_chores()
                lineage.settle(self.hub.store, self.hub.library_id)
            except (BuildAbandoned, Fenced):
                return
            except (sa.exc.SQLAlchemyError, sqlite3.Error, OSError):
                # Most often a full disk; a large list is a minute's work each time.
                _log.exception("a list could not be built; trying again in a minute")
                self._stopping.wait(FAILED_WAIT_S)
            self._stopping.wait(BUILD_EVERY_S)

    def _build_due(self) -> None:
        self.hub.ages.update()
        for kind, format_name in self.hub.snapshots.due():
            try:
                self.hub.snapshots.build(kind, format_name)
            except ListTooLarge as error:
                _log.error("%s", error)
                continue
            self._new_lists.set()


def _heard(event: Received) -> Heard:
    return Heard(event.topic, event.payload, event.retained)


def now_ms() -> int:
    """Return the wall clock in milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000
