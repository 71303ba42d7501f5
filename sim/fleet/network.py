"""The cables: what of a message's way is chance, and a station's end of its connection.

A message may be lost, doubled, late; what comes behind it on the same connection stays behind
it, as TCP promises, so it is the links that overtake each other. Which message meets what is
decided by a hash of seed, link, direction and its number there: taking an act out of a plan
moves the fate of no message of another link.

A cut link says nothing. What is sent over it is held, as TCP holds it, and arrives if the cut is
short; after the keepalive the station gives up, after one and a half the broker does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from circulation.link import (
    CONNECT_TIMEOUT_S,
    FIRST_RECONNECT_MS_MAX,
    INFLIGHT_MESSAGES_MAX,
    LASTING_S,
    QUEUED_MESSAGES_MAX,
    RECONNECT_FIRST_MS,
    RECONNECT_MS_MAX,
    Connected,
    Disconnected,
    LinkEvent,
    NotConnected,
    Received,
)
from circulation.sync.backoff import Backoff
from sim.fleet.timeline import Timeline

if TYPE_CHECKING:
    from sim.fleet.acts import Rate
    from sim.fleet.broker import Broker, Session

UP, DOWN = "up", "down"
LATENCY_MS = 3
LATENCY_SPAN_MS = 30
DELAY_MS_MAX = 30_000
REORDER_MS_MAX = 2_000
EVERY = "*"
HANDED_OVER_MAX = INFLIGHT_MESSAGES_MAX + QUEUED_MESSAGES_MAX
"""What a link takes before the broker has any of it."""


class Wire:
    """The cable between one station and its broker: who holds it cut, and what it does."""

    def __init__(self, name: str, timeline: Timeline, *, seed: int, rates: Iterable[Rate]) -> None:
        self.name = name
        self.timeline = timeline
        self.faults: Callable[[str], None] = lambda kind: None
        self._seed = seed
        self._rates = [rate for rate in rates if rate.link in (name, EVERY)]
        self._cuts: dict[str, bool] = {}
        self.is_cut = False
        """Whether nothing passes."""
        self._numbers = {UP: 0, DOWN: 0}
        self.on_cut: list[Callable[[], None]] = []
        self.on_mended: list[Callable[[], None]] = []

    def cut(self, why: str) -> None:
        """Let nothing pass; several reasons may hold it cut."""
        was_cut = self.is_cut
        self._cuts[why] = self.is_cut = True
        if not was_cut:
            for listener in list(self.on_cut):
                listener()

    def mend(self, why: str | None = None) -> None:
        """Take one reason away, or all of them."""
        was_cut = self.is_cut
        if why is None:
            self._cuts.clear()
        else:
            self._cuts.pop(why, None)
        self.is_cut = bool(self._cuts)
        if was_cut and not self.is_cut:
            for listener in list(self.on_mended):
                listener()

    def calm(self) -> None:
        """End every chance; what is under way stays as it is."""
        self._rates = []

    def fate(self, direction: str) -> list[int]:
        """Return how many milliseconds late each copy of the next message arrives."""
        number = self._numbers[direction] = self._numbers[direction] + 1
        if self._rates:
            now_ms = self.timeline.now_ms
            rates = [rate for rate in self._rates if rate.from_ms <= now_ms < rate.to_ms]
            if rates:
                return self._fate(rates, direction, number)
        return [LATENCY_MS + (number * 7919) % LATENCY_SPAN_MS]

    def _fate(self, rates: list[Rate], direction: str, number: int) -> list[int]:
        text = f"{self._seed} {self.name} {direction} {number}"
        draws = hashlib.blake2b(text.encode(), digest_size=24).digest()
        late_ms = LATENCY_MS + draws[23] % LATENCY_SPAN_MS
        copies = 1
        for rate in rates:
            place = _PLACES[rate.kind]
            drawn = int.from_bytes(draws[place : place + 4], "big") % 1_000_000
            if drawn >= rate.per_million:
                continue
            self.faults(rate.kind)
            if rate.kind == "loss":
                copies = 0
            elif rate.kind == "duplicate":
                copies *= 2
            else:
                span_ms = DELAY_MS_MAX if rate.kind == "delay" else REORDER_MS_MAX
                late_ms += int.from_bytes(draws[16:20], "big") % span_ms
        return [late_ms] * copies


_PLACES = {"loss": 0, "duplicate": 4, "delay": 8, "reorder": 12}


class Channel:
    """One direction of one connection: in order, at the wire's mercy, closed once and for all."""

    def __init__(self, wire: Wire, direction: str, arrive: Callable[[Any], None]) -> None:
        self.is_open = True
        self.waiting = 0
        self._wire = wire
        self._direction = direction
        self._arrive = arrive
        self._last_ms = 0
        self._held: list[Any] = []

    def send(self, message: Any) -> None:
        """Send a message; it arrives, arrives twice, arrives late, or does not."""
        for late_ms in self._wire.fate(self._direction):
            self.waiting += 1
            if self._wire.is_cut:
                self._held.append(message)
            else:
                self._carry(message, late_ms)

    def close(self) -> None:
        """Lose what is under way."""
        self.is_open = False
        self._held.clear()

    def release(self) -> None:
        """Let what was held go on its way."""
        held, self._held = self._held, []
        for message in held:
            self._carry(message, LATENCY_MS)

    def _carry(self, message: Any, late_ms: int) -> None:
        timeline = self._wire.timeline
        at_ms = timeline.now_ms + late_ms
        self._last_ms = max(self._last_ms, at_ms)
        timeline.at(self._last_ms, partial(self._land, message))

    def _land(self, message: Any) -> None:
        if not self.is_open:
            return
        if self._wire.is_cut:
            self._held.append(message)
            return
        self.waiting -= 1
        self._arrive(message)


class FleetLink:
    """A program's link, as `circulation.link.Link` is, over a wire to a broker in memory."""

    def __init__(
        self,
        broker: Broker,
        wire: Wire,
        deliver: Callable[[LinkEvent], object],
        *,
        client_id: str,
        keepalive_s: int,
        random_below: Callable[[int], int],
    ) -> None:
        self.broker = broker
        self.wire = wire
        self.client_id = client_id
        self.keepalive_ms = keepalive_s * 1_000
        self.will: tuple[str, bytes] | None = None
        self.filters: dict[str, int] = {}
        self.published: Callable[[str, bytes], None] = lambda topic, payload: None
        self._deliver = deliver
        self._random_below = random_below
        self._waits = Backoff(RECONNECT_FIRST_MS, RECONNECT_MS_MAX, random_below)
        self._is_first_wait = True
        self._began_ms = 0
        self._run = 0  # counts connections and attempts: what belongs to an older one is void
        self._is_running = False
        self.session: Session | None = None
        wire.on_cut.append(self._watch)
        wire.on_mended.append(self._find_reset)

    @property
    def up(self) -> bool:
        """Whether this end believes in its connection."""
        return self.session is not None

    def start(self) -> None:
        """Begin to connect, and go on trying."""
        if not self._is_running:
            self._is_running = True
            self._try()

    def stop(self) -> None:
        """Say goodbye, so that no will is published, and try no more."""
        self._is_running = False
        self._run += 1
        session, self.session = self.session, None
        if session is not None:
            session.goodbye()

    def lose_power(self, *, drains: bool = False) -> None:
        """Be gone without a word; the broker finds out when its patience ends, or sooner.

        drains: only the program is gone; what it had handed over still arrives.
        """
        self._is_running = False
        self._run += 1
        self.wire.on_cut.remove(self._watch)
        self.wire.on_mended.remove(self._find_reset)
        session, self.session = self.session, None
        if session is not None:
            session.abandoned(drains=drains)

    def reconnect(self, why: str = "") -> None:
        """Close this connection and open a new one soon."""
        session = self.session
        if session is not None:
            session.abandoned()
            self.end(why)

    def subscribe(self, topic_filters: Iterable[str], *, qos: int = 1) -> None:
        """Listen to more, now and after every reconnect."""
        added = [one for one in topic_filters if one not in self.filters]
        self.filters.update(dict.fromkeys(added, qos))
        if added and self.session is not None:
            self.session.send(("subscribe", tuple(added), b"", False))

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retained: bool = False) -> bool:
        """Hand over, when connected and not full; that it arrives is another matter."""
        if self.session is None:
            return False
        if qos and self.session.unheard >= HANDED_OVER_MAX:
            return False
        self.session.send(("publish", topic, payload, retained))
        self.published(topic, payload)
        return True

    def hear(self, message: Received) -> None:
        """Take a message that has arrived."""
        self._deliver(message)

    def end(self, why: str) -> None:
        """Find the connection gone; try again."""
        self.session = None
        self._run += 1
        if self.wire.timeline.now_ms - self._began_ms >= LASTING_S * 1_000:
            self._waits.reset()
            self._is_first_wait = True
        self._deliver(Disconnected(why))
        self._again()

    def _again(self) -> None:
        wait_ms = self._waits.next_ms()
        if self._is_first_wait:
            wait_ms = self._random_below(FIRST_RECONNECT_MS_MAX + 1)
        self._is_first_wait = False
        run = self._run
        self.wire.timeline.after(wait_ms, lambda: self._try() if run == self._run else None)

    def _try(self) -> None:
        if not self._is_running or self.session is not None:
            return
        self._run += 1
        run = self._run
        self._began_ms = self.wire.timeline.now_ms
        if self.wire.is_cut:
            wait_ms = CONNECT_TIMEOUT_S * 1_000
            self.wire.timeline.after(wait_ms, lambda: self._failed(run, "no answer"))
        else:
            self.wire.timeline.after(2 * LATENCY_MS, lambda: self._answered(run))

    def _answered(self, run: int) -> None:
        if run != self._run or not self._is_running:
            return
        if self.wire.is_cut or not self.broker.is_up:
            self._failed(run, "the broker cannot be reached")
            return
        self.session = self.broker.accept(self)
        self._deliver(Connected())

    def _failed(self, run: int, why: str) -> None:
        if run == self._run and self._is_running:
            self._run += 1
            self._deliver(NotConnected(why))
            self._again()

    def _watch(self) -> None:
        """The wire was cut: nobody says so, and the keepalive runs out."""
        session = self.session
        if session is None:
            return
        patience_ms = self.keepalive_ms + self._random_below(self.keepalive_ms)
        self.wire.timeline.after(patience_ms, lambda: self._miss(session))

    def _miss(self, session: Session) -> None:
        if self.session is session and self.wire.is_cut:
            self.end("keepalive timeout")

    def _find_reset(self) -> None:
        """The wire is whole again: a broker that gave up meanwhile refuses the old connection."""
        if self.session is not None and not self.session.is_alive:
            self.end("the broker knows nothing of this connection")
