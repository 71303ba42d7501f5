"""A station with a real link to a broker, which writes as much as a test tells it to."""

import queue
import time

from circulation.link import Connected, Endpoint, Link, Received
from circulation.sync.effects import Reconnect
from circulation.sync.uploader import Uploader
from circulation.wire.messages import Head, Journal, Status, decode, decode_reply, encode
from circulation.wire.topics import Topics, client_id
from tests.gateway.conftest import Station

TIMEOUT_S = 60


class LiveStation:
    """A station with a real link: its uploader's effects are carried out."""

    def __init__(self, name, port, library="main"):
        self.station = Station(name)
        self.library = library
        self.topics = Topics(library)
        self.events = queue.Queue()
        self.heads = []
        self.written = []
        journal = self.station.journal
        self.uploader = Uploader(
            journal,
            station=name,
            clock=lambda _: {"mono": 0, "wall": 0, "sure": False, "boot": self.station.boot},
            random_below=lambda _: 0,
        )
        self.link = Link(
            Endpoint("127.0.0.1", port),
            client_id=client_id(library, name),
            will=(self.topics.status(name), self.status(on=False)),
            deliver=self.events.put,
        )
        self.link.subscribe([self.topics.reply(name), self.topics.head()])
        self._started = time.monotonic()

    def status(self, *, on):
        journal = self.station.journal
        message = Status(
            self.station.name, on, self.station.boot, journal.epoch.id, journal.epoch.n,
            journal.last_seq, journal.acked, {}, journal.lineage, "1", "sure", "kiosk", "main",
            0, "Kiosk", None, None,
        )  # fmt: skip
        return encode(message)

    def play(self, until):
        """Carry out what the uploader says until a condition holds."""
        deadline = time.monotonic() + TIMEOUT_S
        while not until():
            assert time.monotonic() < deadline, "nothing more happened"
            self.step(wait_s=0.1)

    def step(self, wait_s=0.0):
        """Take what has come, one message; wait for it at most so long."""
        now_ms = int((time.monotonic() - self._started) * 1000)
        try:
            self._handle(self.events.get(wait_s > 0, wait_s or None), now_ms)
        except queue.Empty:
            self._do(self.uploader.tick(now_ms))

    def append(self, kind, **fields):
        """Write a fact into the journal and say so to the uploader."""
        self.written.append(self.station.write(kind, **fields))
        self._do(self.uploader.on_appended(int((time.monotonic() - self._started) * 1000)))

    def _handle(self, event, now_ms):
        if isinstance(event, Connected):
            self._do(self.uploader.on_connected(now_ms))
        if isinstance(event, Received) and event.topic == self.topics.head():
            self.heads.append(decode(Head, event.payload))
        elif isinstance(event, Received) and event.topic == self.topics.reply(self.station.name):
            self._do(self.uploader.on_reply(decode_reply(event.payload), now_ms))

    def _do(self, effects):
        name = self.station.name
        for effect in effects:
            if type(effect).__name__ == "SendStatus":
                self.link.publish(self.topics.status(name), self.status(on=True), retained=True)
            elif isinstance(getattr(effect, "message", None), Journal):
                self.link.publish(self.topics.journal(name), encode(effect.message))
            elif isinstance(effect, Reconnect):
                self.link.reconnect(effect.why)
