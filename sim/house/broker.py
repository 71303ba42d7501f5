"""MQTT in memory: a broker, and a link to it as `circulation.link.Link` is to its program.

The broker delivers at once and in order, keeps what is retained, publishes wills, and loses what
it is told to lose. It delivers a message to its own author too, as MQTT does.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

import paho.mqtt.client as paho

from circulation.link import Connected, Disconnected, LinkEvent, Received

Will = tuple[str, bytes]


class Hears(Protocol):
    """Whoever is connected to the broker."""

    def hear(self, topic: str, payload: bytes) -> None:
        """Take a message that is sent just now."""


class Broker:
    """Topics, retained messages and listeners. `lost` says which topics are lost on the way."""

    def __init__(self) -> None:
        self.links: list[Hears] = []
        self.retained: dict[str, bytes] = {}
        self.lost: Callable[[str], bool] = lambda topic: False

    def publish(self, topic: str, payload: bytes, retained: bool) -> None:
        """Carry a message to everybody who listens; keep it if asked."""
        if self.lost(topic):
            return
        if retained:
            self.retained[topic] = payload
        for link in list(self.links):
            link.hear(topic, payload)


class BusLink:
    """A link that is connected and disconnected by hand.

    `sent` lists (topic, payload) of everything that was handed over.
    """

    def __init__(self, broker: Broker, deliver: Callable[[LinkEvent], object]) -> None:
        self.broker, self.deliver = broker, deliver
        self.filters: list[str] = []
        self.up = False
        self.sent: list[tuple[str, bytes]] = []
        broker.links.append(self)

    def start(self) -> None:
        """Connect, and hear what was kept."""
        if not self.up:
            self.up = True
            self.deliver(Connected())
            self._hear_kept(self.filters)

    def stop(self) -> None:
        """Leave."""
        if self.up:
            self.up = False
            self.deliver(Disconnected("pulled"))

    def reconnect(self, why: str = "") -> None:
        """Leave and come again."""
        self.stop()
        self.start()

    def subscribe(self, topic_filters: Iterable[str], *, qos: int = 1) -> None:
        """Listen to more."""
        added = [one for one in topic_filters if one not in self.filters]
        self.filters += added
        if self.up:
            self._hear_kept(added)

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retained: bool = False) -> bool:
        """Hand over, when connected."""
        if self.up:
            self.sent.append((topic, payload))
            self.broker.publish(topic, payload, retained)
        return self.up

    def hear(self, topic: str, payload: bytes) -> None:
        """Take a message that is sent just now."""
        if self.up and listens(topic, self.filters):
            self.deliver(Received(topic, payload, False))

    def _hear_kept(self, filters: Iterable[str]) -> None:
        chosen = list(filters)
        for topic, payload in list(self.broker.retained.items()):
            if listens(topic, chosen):
                self.deliver(Received(topic, payload, True))


def listens(topic: str, filters: Iterable[str]) -> bool:
    """Return whether one of these topic filters takes this topic."""
    return any(paho.topic_matches_sub(one, topic) for one in filters)
