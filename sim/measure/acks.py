"""How long a station waits for its ack while a library works at an ordinary rate.

One fact a message, a hundred a second from twenty stations in turn, each sent when it is due
whether or not the ones before were answered. The wait is from the message handed to the client to
the ack in the client's thread, so broker and both clients are in it.
"""

import threading
import time
from dataclasses import dataclass, field

import paho.mqtt.client as mqtt

from circulation.sync.batch import make_batch
from circulation.wire.messages import Ack, decode_reply, encode
from circulation.wire.topics import Topics
from sim.errors import SimError
from sim.measure.library import LIBRARY, BusyStation

FACTS_PER_S = 100
QUIET_S_MAX = 120.0


@dataclass(slots=True)
class Due:
    """One fact in its message, and when it was sent."""

    topic: str
    seq: int
    payload: bytes
    sent_s: float = 0.0


@dataclass(slots=True)
class Waits:
    """Sends at an even rate and keeps how long each ack took, in milliseconds."""

    by_reply: dict[str, list[Due]]
    waits_ms: list[float] = field(default_factory=list)
    trouble: str = ""
    done: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def of(cls, stations: list[BusyStation]) -> "Waits":
        """Return what these stations have to send, one fact a message."""
        topics = Topics(LIBRARY)
        return cls({
            topics.reply(station.name): [
                Due(topics.journal(station.name), seq, encode(_message(station, seq)))
                for seq in range(1, station.journal.last_seq + 1)
            ]
            for station in stations
        })  # fmt: skip

    def send(self, client: mqtt.Client) -> None:
        """Send every message when it is due; return when the last was answered."""
        queues = list(self.by_reply.values())
        ordered = [due for same in zip(*queues, strict=True) for due in same]
        began, pause = time.perf_counter(), threading.Event()
        for number, due in enumerate(ordered):
            pause.wait(max(began + number / FACTS_PER_S - time.perf_counter(), 0))
            due.sent_s = time.perf_counter()
            client.publish(due.topic, due.payload, qos=1)
        if not self.done.wait(QUIET_S_MAX):
            raise SimError(f"{len(ordered) - len(self.waits_ms)} facts were not acknowledged")
        if self.trouble:
            raise SimError(self.trouble)

    def on_message(self, _client: mqtt.Client, _: object, message: mqtt.MQTTMessage) -> None:
        """Take an ack, which may answer several messages."""
        now_s = time.perf_counter()
        waiting = self.by_reply.get(message.topic)
        if waiting is None:
            return
        reply = decode_reply(bytes(message.payload))
        if not isinstance(reply, Ack):
            self.trouble = f"{message.topic}: {reply}"
            self.done.set()
            return
        while waiting and waiting[0].seq <= reply.hw and waiting[0].sent_s:
            self.waits_ms.append((now_s - waiting.pop(0).sent_s) * 1_000)
        if not any(self.by_reply.values()):
            self.done.set()


def _message(station: BusyStation, seq: int) -> object:
    clock = {"mono": 1, "wall": station.began_ms, "sure": True, "boot": station.boot}
    message, _ = make_batch(station.journal, first=seq, facts_max=1, is_raw=False, clock=clock)
    return message
