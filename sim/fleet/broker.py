"""A broker in memory: sessions, retained messages, wills, and everything a broker may do wrong.

It delivers in order within a connection, a message to its own author too, as MQTT does. It
forgets when it restarts, drops what its queues have no room for, and notices a dead client only
when its keepalive has run out one and a half times. A client that comes again under its id takes
over: its old session ends at once or, as with some brokers, when the old socket dies, and then
publishes its will behind the new birth.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from circulation.link import Received
from sim.fleet.network import DOWN, UP, Channel, FleetLink
from sim.fleet.timeline import Timeline

if TYPE_CHECKING:
    from sim.fleet.bridge import Bridge

QUEUE_MAX = 1_000
NEWS_MAX = 30
LATE_WILL_MS = 4_000
DRAINS_MS = 100


class Session:
    """The broker's side of one connection. A session that has ended does nothing any more."""

    def __init__(self, broker: Broker, link: FleetLink) -> None:
        self.broker = broker
        self.link = link
        self.client_id = link.client_id
        self.filters: dict[str, int] = dict(link.filters)
        self.known: dict[str, bool] = {}
        self.will = link.will
        self.is_alive = True
        self.is_ghost = False
        self._up = Channel(link.wire, UP, self._take)
        self._down = Channel(link.wire, DOWN, self._hand)
        link.wire.on_cut.append(self._watch)
        link.wire.on_mended.append(self._mended)

    @property
    def queued(self) -> int:
        """How many messages are on their way to the client."""
        return self._down.waiting

    @property
    def unheard(self) -> int:
        """How many messages of the client's are on their way to the broker."""
        return self._up.waiting

    def send(self, message: tuple[Any, ...]) -> None:
        """Take a message from the client's end."""
        broker, up = self.broker, self._up
        up.send(message)
        broker.link_peak = max(broker.link_peak, up.waiting)

    def push(self, message: Received) -> None:
        """Send a message to the client, if there is room."""
        broker, down = self.broker, self._down
        if down.waiting >= broker.queue_max:
            return
        down.send(message)
        broker.queue_peak = max(broker.queue_peak, down.waiting)

    def forget_filters(self) -> None:
        """Go on without what the client listens to, and say nothing of it.

        Nor does it hear when the client is gone, until that comes again.
        """
        self.filters.clear()
        self.known.clear()
        self.is_ghost = True

    def goodbye(self) -> None:
        """The client has left in good order: no will."""
        self.will = None
        self._close()

    def abandoned(self, *, drains: bool = False) -> None:
        """The client is gone without a word; a socket that says so is heard, a cut wire not.

        drains: only its program is gone; what that had handed over still arrives.
        """
        if not drains:
            self._up.close()
        self._down.close()
        if not self.link.wire.is_cut and not self.is_ghost:
            self.broker.timeline.after(DRAINS_MS if drains else 1, self.die)

    def die(self) -> None:
        """End, and publish the will."""
        if not self.is_alive:
            return
        self._close()
        if self.will is not None and self.broker.is_up:
            self.broker.publish(*self.will, retained=True)

    def kick(self, *, late_will: bool) -> None:
        """Make room for a newer session of the same client."""
        link = self.link
        self._up.close()
        self._down.close()
        if late_will:
            self.broker.timeline.after(LATE_WILL_MS, self.die)
        else:
            self.die()
        if link.session is self:
            link.end("another connection has this client id")

    def vanish(self) -> None:
        """The broker itself is gone: no will, and the client finds out."""
        link = self.link
        self.will = None
        self._close()
        if link.session is self and not link.wire.is_cut:
            link.end("the broker closed the connection")

    def _close(self) -> None:
        if not self.is_alive:
            return
        self.is_alive = False
        self._up.close()
        self._down.close()
        self.link.wire.on_cut.remove(self._watch)
        self.link.wire.on_mended.remove(self._mended)
        self.broker.forget(self)

    def _take(self, message: tuple[Any, ...]) -> None:
        what, topic, payload, retained = message
        if what == "subscribe":
            self.filters.update(dict.fromkeys(topic, 1))
            self.known.clear()
            self.broker.send_kept(self, topic)
        else:
            self.broker.publish(topic, payload, retained)

    def _hand(self, message: Received) -> None:
        if self.link.session is self:
            self.link.hear(message)

    def _watch(self) -> None:
        patience_ms = self.link.keepalive_ms * 3 // 2
        self.broker.timeline.after(patience_ms, self._miss)

    def _miss(self) -> None:
        if self.is_alive and self.link.wire.is_cut:
            self.die()

    def _mended(self) -> None:
        if self.link.session is self:
            self._up.release()
            self._down.release()
        else:
            self.die()


class Broker:
    """One broker, and the bridges that join it with others."""

    def __init__(self, site: str, timeline: Timeline) -> None:
        self.site = site
        self.timeline = timeline
        self.is_up = True
        self.queue_max = QUEUE_MAX
        self.queue_peak = 0
        self.link_peak = 0
        self.sessions: dict[str, Session] = {}
        self.retained: dict[str, bytes] = {}
        self.takeovers = 0
        self.bridges: list[Bridge] = []
        self._news: deque[tuple[str, bytes]] = deque(maxlen=NEWS_MAX)

    def accept(self, link: FleetLink) -> Session:
        """Open a session; it hears at once what is retained for it."""
        old = self.sessions.pop(link.client_id, None)
        if old is not None:
            self.takeovers += 1
            old.kick(late_will=old.is_ghost or self.takeovers % 2 == 0)
        session = self.sessions[link.client_id] = Session(self, link)
        self.timeline.after(0, lambda: self.send_kept(session, tuple(session.filters)))
        return session

    def forget(self, session: Session) -> None:
        """A session has ended."""
        if self.sessions.get(session.client_id) is session:
            del self.sessions[session.client_id]

    def publish(
        self, topic: str, payload: bytes, retained: bool = False, *, origin: Bridge | None = None
    ) -> None:
        """Carry a message to everybody who listens; keep it if asked."""
        if not self.is_up:
            return
        if retained:
            self.retained[topic] = payload
        elif topic.endswith("/loan"):
            self._news.append((topic, payload))
        message = Received(topic, payload, False)
        for session in list(self.sessions.values()):
            listens = session.known.get(topic)
            if listens is None:
                listens = session.known[topic] = listens_to(topic, session.filters)
            if listens:
                session.push(message)
        for bridge in self.bridges:
            if bridge is not origin:
                bridge.carry(self, (topic, payload, retained))

    def replay(self) -> bool:
        """Tell news of the site's kiosks once more, but not the newest of them; return whether
        there are any."""
        news = list(self._news)[: len(self._news) // 2 + 1]
        for topic, payload in news:
            self.publish(topic, payload)
        return bool(news) and self.is_up

    def send_kept(self, session: Session, filters: tuple[str, ...]) -> None:
        """Send what is retained for these filters."""
        if session.is_alive:
            chosen = dict.fromkeys(filters, 1)
            for topic, payload in list(self.retained.items()):
                if listens_to(topic, chosen):
                    session.push(Received(topic, payload, True))

    def restart(self, down_ms: int) -> None:
        """Forget everything, and be away for a moment."""
        self.is_up = False
        self.retained.clear()
        for session in list(self.sessions.values()):
            session.vanish()
        self.sessions.clear()
        for bridge in self.bridges:
            bridge.drop()
        self.timeline.after(down_ms, self._come_back)

    def overflow(self, length: int, for_ms: int) -> None:
        """Have room for so few messages to each client, for a while."""
        self.queue_max = length
        self.timeline.after(for_ms, self.have_room)

    def have_room(self) -> None:
        """Have as much room as brokers have."""
        self.queue_max = QUEUE_MAX

    def _come_back(self) -> None:
        self.is_up = True


def listens_to(topic: str, filters: dict[str, int]) -> bool:
    """Return whether one of these filters takes a topic."""
    return topic in filters or any(matches(one, topic) for one in filters if "+" in one)


def matches(topic_filter: str, topic: str) -> bool:
    """Return whether a filter with `+` takes a topic; nobody here uses `#`."""
    wanted, parts = topic_filter.split("/"), topic.split("/")
    return len(wanted) == len(parts) and all(
        one in ("+", part) for one, part in zip(wanted, parts, strict=True)
    )
