"""A station's network cable, and its MQTT link over that cable.

    off           pulled: the connection ends at once, the broker publishes the will
    stuck         nothing passes and nothing says so; after one and a half keepalives both ends
                  give up, and what was held back is lost. Before that it arrives when mended
    slow          everything arrives `slow_ms` late, both ways
    intermittent  a `share` of the messages never arrives: brokers that keep their queue in memory
                  lose what they have acknowledged, which is why an acknowledgement proves nothing

An ended connection is tried again as `circulation.link` does it: within 0.2 s, then with doubling
jittered waits of at most 30 s.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from circulation.link import (
    FIRST_RECONNECT_MS_MAX,
    RECONNECT_FIRST_MS,
    RECONNECT_MS_MAX,
    Disconnected,
    LinkEvent,
    NotConnected,
)
from circulation.sync.backoff import Backoff
from hardware.ports import Clock
from sim.faults import INTERMITTENT, OFF, SLOW, STUCK, Faulty
from sim.house.broker import Broker, BusLink, Will

HELD_MAX = 10_000


class SimLine(Faulty):
    """A network cable; `is_open` says whether a new connection can be made over it."""

    faults_known = frozenset((OFF, STUCK, SLOW, INTERMITTENT))

    @property
    def is_open(self) -> bool:
        """Whether anything gets through, if late or not all of it."""
        return self.fault not in (OFF, STUCK)


@dataclass(frozen=True, slots=True)
class _Held:
    """A message on its way: when it is due, and what then happens."""

    due_ms: int
    arrive: Callable[[], None]


class LineLink(BusLink):
    """A link over a cable, to be ticked as time passes."""

    def __init__(
        self,
        broker: Broker,
        deliver: Callable[[LinkEvent], object],
        line: SimLine,
        *,
        clock: Clock,
        keepalive_s: int,
        random_below: Callable[[int], int],
    ) -> None:
        super().__init__(broker, deliver)
        self.line = line
        self.will: Will | None = None
        self._clock = clock
        self._give_up_ms = keepalive_s * 1_500
        self._random_below = random_below
        self._waits = Backoff(RECONNECT_FIRST_MS, RECONNECT_MS_MAX, random_below)
        self._next_try_ms: int | None = None
        self._stuck_ms: int | None = None
        self._held: deque[_Held] = deque(maxlen=HELD_MAX)

    def start(self) -> None:
        """Begin to connect, and go on trying."""
        if self._next_try_ms is None and not self.up:
            self._next_try_ms = self._clock.now_ms()
            self.tick()

    def stop(self) -> None:
        """Say goodbye, so that no will is published, and try no more."""
        self._next_try_ms = None
        if self.up:
            self._end("stopped")
            self._next_try_ms = None

    def reconnect(self, why: str = "") -> None:
        """Close this connection and open a new one soon."""
        if self.up:
            self._end(why)

    def lose_power(self) -> None:
        """Be gone without a word; the broker publishes the will."""
        was_up, self.up = self.up, False
        self._next_try_ms = None
        self.broker.links.remove(self)
        if was_up:
            self._publish_will()

    def tick(self) -> None:
        """Carry what is due, notice what the cable does, try to connect."""
        now_ms = self._clock.now_ms()
        if self.up:
            self._watch_line(now_ms)
        while self.line.is_open and self._held and self._held[0].due_ms <= now_ms:
            self._held.popleft().arrive()
        if not self.up and self._next_try_ms is not None and now_ms >= self._next_try_ms:
            self._try(now_ms)

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retained: bool = False) -> bool:
        """Hand over, when connected; that it arrives is another matter."""
        if not self.up:
            return False
        self.sent.append((topic, payload))
        self._carry(lambda: self.broker.publish(topic, payload, retained))
        return True

    def hear(self, topic: str, payload: bytes) -> None:
        """Take a message as the cable lets it through."""
        if self.up:
            self._carry(lambda: super(LineLink, self).hear(topic, payload))

    def _carry(self, arrive: Callable[[], None]) -> None:
        if self.line.strikes():
            return
        if self.line.fault == STUCK or self.line.slow_ms or self._held:
            last_ms = self._held[-1].due_ms if self._held else 0
            due_ms = max(last_ms, self._clock.now_ms() + self.line.slow_ms)
            self._held.append(_Held(due_ms, arrive))
        else:
            arrive()

    def _watch_line(self, now_ms: int) -> None:
        if self.line.fault == OFF:
            self._break("connection reset")
        elif self.line.fault != STUCK:
            self._stuck_ms = None
        elif self._stuck_ms is None:
            self._stuck_ms = now_ms
        elif now_ms - self._stuck_ms >= self._give_up_ms:
            self._break("keepalive timeout")

    def _break(self, why: str) -> None:
        self._end(why)
        self._publish_will()

    def _end(self, why: str) -> None:
        self.up = False
        self._stuck_ms = None
        self._held.clear()
        self._next_try_ms = self._clock.now_ms() + self._random_below(FIRST_RECONNECT_MS_MAX + 1)
        self.deliver(Disconnected(why))

    def _try(self, now_ms: int) -> None:
        if self.line.is_open:
            self._waits.reset()
            self._next_try_ms = None
            super().start()
        else:
            self._next_try_ms = now_ms + self._waits.next_ms()
            self.deliver(NotConnected("the broker cannot be reached"))

    def _publish_will(self) -> None:
        if self.will is not None:
            self.broker.publish(*self.will, True)
