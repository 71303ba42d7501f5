"""Gateway ingest through a real broker: stations, Mosquitto, the whole gateway program.

Stations keep the protocol's credit: no more batches under way than the gateway's ack allows.
Their messages are made beforehand, since this measures the gateway. A look at the dashboard
twice a second meanwhile: it must answer. The floor is the same messages sent and received by
bare clients through the same broker, with the same number under way.
"""

import contextlib
import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from circulation.wire.messages import Ack, GatewayStatus, decode, decode_reply, encode
from circulation.wire.topics import Topics
from gateway.credit import CREDIT_MAX
from sim.errors import SimError
from sim.http import HttpFailed, get_json
from sim.measure.acks import FACTS_PER_S, Waits
from sim.measure.bare import commits, ping
from sim.measure.broker import HOST, mosquitto
from sim.measure.children import gateway_process
from sim.measure.curves import Curve, Point
from sim.measure.library import LIBRARY, BusyStation, Filled, busy_stations, fill, settings_in
from sim.measure.machine import peak_rss_mb
from sim.measure.numbers import Stopwatch, p99, timed
from sim.measure.table import Bench, Row

STATIONS = 20
PATRONS = 2_000
FACTS, FACTS_QUICK = 10_000, 400
FACTS_OF_MANY = 20_000
SIZES = (10, 100, 1_000)
FACTS_PER_S_TARGET = 10_000
ACKS, ACKS_QUICK = 1_000, 40
ACK_MS_TARGET = 250.0
BOARD_MS_TARGET = 200.0
BOARD_EVERY_S = 0.5
QUIET_S_MAX = 60.0


@dataclass(slots=True)
class Upload:
    """One station's messages: the last seq of each, and how many are on their way."""

    topic: str
    messages: list[tuple[int, bytes]]
    sent: int = 0
    acked: int = 0

    def allowed(self, credit: int) -> Sequence[bytes]:
        """Return the messages that may be sent now, and count them as sent."""
        may = self.messages[self.sent : max(self.sent, self.acked + credit)]
        self.sent += len(may)
        return [payload for _, payload in may]

    def on_mark(self, hw: int) -> None:
        """The gateway has everything up to this seq."""
        while self.acked < len(self.messages) and self.messages[self.acked][0] <= hw:
            self.acked += 1

    @property
    def done(self) -> bool:
        """Whether the gateway has all of it."""
        return self.acked == len(self.messages)


def run(bench: Bench) -> list[Row]:
    """Measure facts per second from the first message sent to the last ack."""
    facts, acks = bench.times(FACTS, FACTS_QUICK), bench.times(ACKS, ACKS_QUICK)
    settings = settings_in(bench.folder)
    bench.say(f"writing {bench.items:,} items")
    filled = fill(settings, bench.items, min(PATRONS, bench.items))
    stations = busy_stations(filled, stations=STATIONS, facts=facts, is_online=True, seed=2)
    with mosquitto(bench.folder) as port:
        bench.say("bare messages through the broker")
        floor = send_bare(port, uploads_of(stations))
        there_and_back_ms = 2 * p99(ping(port, acks))
        floor_ms = there_and_back_ms + p99(commits(bench.folder / "bare.db", acks))
        with gateway_process(bench.folder, port) as (address, pid):
            bench.say(f"{facts:,} facts through the broker and the gateway")
            with Dashboard(f"{address}/api/board") as board:
                ours = send_all(port, uploads_of(stations))
            waits_ms = _acks_at_ease(bench, filled, port)
            memory_mb = peak_rss_mb(pid)
    rate, floor_rate = facts / ours.seconds, facts / floor.seconds
    return [
        Row(
            "facts through broker and gateway", rate, "facts/s", floor_rate,
            "the same messages, nobody thinking", f"≥ {FACTS_PER_S_TARGET:,} facts/s",
            rate >= FACTS_PER_S_TARGET,
            {"items": len(filled.items), "facts": facts, "gateway_peak_mb": memory_mb},
        ),
        Row(
            "dashboard meanwhile, p99", p99(board.busy_ms), "ms", board.idle_ms,
            "the dashboard at rest", f"≤ {BOARD_MS_TARGET:g} ms",
            p99(board.busy_ms) <= BOARD_MS_TARGET, {"looks": len(board.busy_ms)},
        ),
        Row(
            f"ack at {FACTS_PER_S} facts/s, p99", p99(waits_ms), "ms", floor_ms,
            "two bare messages and a bare commit, p99", f"≤ {ACK_MS_TARGET:g} ms",
            p99(waits_ms) <= ACK_MS_TARGET, {"facts": len(waits_ms)},
        ),
    ]  # fmt: skip


def curve(bench: Bench, sizes: Sequence[int] = SIZES) -> Curve:
    """Return how fast the same number of facts is taken, from ever more stations at once."""
    facts = bench.times(FACTS_OF_MANY, FACTS_QUICK)
    bench.say(f"writing {bench.items:,} items")
    filled = fill(settings_in(bench.folder), bench.items, min(PATRONS, bench.items))
    points = []
    for count in sizes:
        folder = bench.folder / f"of-{count}"
        settings = settings_in(folder)
        settings.database.parent.mkdir(parents=True)
        shutil.copy(settings_in(bench.folder).database, settings.database)
        stations = busy_stations(filled, stations=count, facts=facts, is_online=True, seed=2)
        bench.say(f"{facts:,} facts of {count:,} stations")
        with mosquitto(folder) as port:
            floor = send_bare(port, uploads_of(stations))
            with gateway_process(folder, port):
                ours = send_all(port, uploads_of(stations))
        points.append(Point(count, facts / ours.seconds, facts / floor.seconds))
    return Curve(
        "stations", f"{facts:,} facts through broker and gateway", "stations", "facts/s",
        "the same messages, nobody thinking", tuple(points),
    )  # fmt: skip


def _acks_at_ease(bench: Bench, filled: Filled, port: int) -> list[float]:
    """Return how long acks take while stations send no more than a busy library does."""
    facts = bench.times(ACKS, ACKS_QUICK)
    bench.say(f"{facts} facts, {FACTS_PER_S} a second")
    stations = busy_stations(filled, stations=STATIONS, facts=facts, is_online=True, seed=3)
    for station in stations:
        station.name = f"other-{station.name}"  # those of before have other journals
    waits = Waits.of(stations)
    client = _connected(port, sorted(waits.by_reply), waits.on_message)
    try:
        waits.send(client)
    finally:
        _close(client)
    return waits.waits_ms


def uploads_of(stations: list[BusyStation]) -> dict[str, Upload]:
    """Return what each station has to send, by the topic on which it is answered."""
    topics = Topics(LIBRARY)
    made = {}
    for station in stations:
        messages = [
            (batch.message.seq0 + len(batch.message.events) - 1, encode(batch.message))
            for batch in station.batches()
        ]
        made[topics.reply(station.name)] = Upload(topics.journal(station.name), messages)
    return made


class _Stations:
    """All stations in one client: they answer acks and nothing else."""

    def __init__(self, uploads: dict[str, Upload]) -> None:
        self.uploads = uploads
        self.there = threading.Event()  # the gateway listens
        self.finished = threading.Event()
        self.heard = threading.Event()
        self.trouble = ""

    def begin(self, client: mqtt.Client) -> None:
        """Send what a station may send before it has heard anything."""
        for upload in self.uploads.values():
            for payload in upload.allowed(1):
                client.publish(upload.topic, payload, qos=1)

    def await_all(self) -> None:
        """Wait for the last ack; raises `SimError` when the gateway falls silent."""
        while not self.finished.wait(QUIET_S_MAX):
            if not self.heard.is_set():
                raise SimError(f"the gateway has said nothing for {QUIET_S_MAX:.0f} s")
            self.heard.clear()

    def on_message(self, client: mqtt.Client, _: object, message: mqtt.MQTTMessage) -> None:
        """Take a reply; called in the client's thread, where nobody sees an exception."""
        upload = self.uploads.get(message.topic)
        if upload is None:
            if decode(GatewayStatus, bytes(message.payload)).on:
                self.there.set()
            return
        self.heard.set()
        reply = decode_reply(bytes(message.payload))
        if isinstance(reply, Ack):
            upload.on_mark(reply.hw)
            for payload in upload.allowed(reply.credit):
                client.publish(upload.topic, payload, qos=1)
        else:
            self.trouble = f"{message.topic}: {reply}"
        if self.trouble or all(one.done for one in self.uploads.values()):
            self.finished.set()


def send_all(port: int, uploads: dict[str, Upload]) -> Stopwatch:
    """Send everything as credit allows; return when all of it was acknowledged."""
    stations = _Stations(uploads)
    status = Topics(LIBRARY).gateway_status()
    client = _connected(port, [status, *sorted(uploads)], stations.on_message)
    try:
        if not stations.there.wait(QUIET_S_MAX):
            raise SimError("the gateway did not come to the broker")
        with timed() as watch:
            stations.begin(client)
            stations.await_all()
    finally:
        _close(client)
    if stations.trouble:
        raise SimError(f"the gateway refused facts: {stations.trouble[:300]}")
    return watch


def send_bare(port: int, uploads: dict[str, Upload]) -> Stopwatch:
    """Send the same messages to a client that only counts them."""
    payloads = [(one.topic, payload) for one in uploads.values() for _, payload in one.messages]
    under_way = threading.Semaphore(CREDIT_MAX * len(uploads))
    arrived = threading.Semaphore(0)

    def on_message(*_: object) -> None:
        under_way.release()
        arrived.release()

    listener = _connected(port, sorted({topic for topic, _ in payloads}), on_message)
    sender = _connected(port, [], on_message)
    try:
        with timed() as watch:
            for topic, payload in payloads:
                _acquire(under_way)
                sender.publish(topic, payload, qos=1)
            for _ in payloads:
                _acquire(arrived)
    finally:
        _close(sender)
        _close(listener)
    return watch


def _acquire(counted: threading.Semaphore) -> None:
    if not counted.acquire(timeout=QUIET_S_MAX):
        raise SimError("the broker lost a message")


def _connected(port: int, topics: list[str], on_message: mqtt.CallbackOnMessage) -> mqtt.Client:
    """Return a running client that listens to these topics."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.on_message = on_message
    client.max_queued_messages_set(0)
    subscribed = threading.Event()
    client.on_subscribe = lambda *_: subscribed.set()
    client.connect(HOST, port)
    client.loop_start()
    if topics:
        client.subscribe([(topic, 1) for topic in topics])
        if not subscribed.wait(QUIET_S_MAX):
            raise SimError("the broker did not confirm a subscription")
    return client


def _close(client: mqtt.Client) -> None:
    client.disconnect()
    client.loop_stop()


class Dashboard:
    """Somebody who looks at the dashboard again and again, in a thread of its own."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, name="dashboard")
        self.busy_ms: list[float] = []
        self._one_look()  # the first look compiles its queries
        self.idle_ms = min(self._one_look() for _ in range(5))

    def __enter__(self) -> "Dashboard":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while True:
            self.busy_ms.append(self._one_look())
            if self._stop.wait(BOARD_EVERY_S):
                return

    def _one_look(self) -> float:
        """Return how long a look took; one without an answer took as long as it was waited."""
        began = time.perf_counter()
        with contextlib.suppress(HttpFailed):
            get_json(self._url)
        return (time.perf_counter() - began) * 1_000
