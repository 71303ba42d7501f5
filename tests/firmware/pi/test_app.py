"""The whole program of a gate, on simulated devices and a real broker."""

import json
import queue
import threading
from contextlib import contextmanager

import pytest

from circulation.errors import ConfigInvalid
from circulation.journal import SqliteJournal, open_station_db
from circulation.link import Connected, Endpoint, Link, Received
from circulation.wire.fact import decode_body
from circulation.wire.messages import (
    Journal,
    SiteAlarm,
    SiteAsk,
    SiteLoan,
    Status,
    decode,
    encode,
    sealed,
)
from circulation.wire.topics import Topics, parse
from firmware.pi import app
from hardware.ports import Security
from sim.clock import SystemClock
from tests.firmware.pi.bench import SITE_KEY, UID, Bench, book
from tests.firmware.pi.test_config import section
from tests.support.brokers import amqtt_broker, free_port, mosquitto_broker

TOPICS = Topics("school")
WAIT_S = 60
OTHER = "e004010000000002"


class Gate:
    """A running gate, and somebody walking through it."""

    def __init__(self, folder, port):
        self._looks = threading.Event()
        self.bench = Bench(SystemClock(), looked=self._looks.set)
        self.sounds = queue.Queue()
        self.bench.siren.watch = lambda what, _: self.sounds.put(what)
        self.stop = threading.Event()
        self.face = folder / "gate-status.json"
        self.section = section(
            site_key=SITE_KEY.hex(),
            store={"path": str(folder / "gate.db")},
            broker={"port": port},
            gateway_url=f"http://127.0.0.1:{free_port()}",
        )
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        app.run(self.section, self.bench.devices, clock=self.bench.clock, stop=self.stop)

    def wait_for_overlay(self, entries):
        """Return what the gate shows once it has heard that many loans of the site."""
        deadline = threading.Event()
        for _ in range(10 * WAIT_S):
            if self.face.exists():
                shown = json.loads(self.face.read_text())
                if shown["overlay"] >= entries:
                    return shown
            deadline.wait(0.1)
        raise AssertionError(f"the gate never heard of {entries} loans")

    def carry_out(self, *tags):
        """Carry books out of a gate that looks; the beam was broken 15 ms ago."""
        assert self._looks.wait(WAIT_S)
        now_ms = self.bench.clock.now_ms()
        for tag in tags:
            self.bench.antenna.place(tag)
        self.bench.inner.drive(True, now_ms - 15)
        self.bench.inner.drive(False, now_ms + 50)

    def end(self):
        self.stop.set()
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()


class Kiosk:
    """Somebody else at the broker, who hears everything."""

    def __init__(self, endpoint: Endpoint):
        self.heard, self.kept = queue.Queue(), []
        self.link = Link(endpoint, client_id="school/kiosk-1", will=None, deliver=self.heard.put)
        self.link.subscribe(["lg/1/school/#"])
        self.link.start()
        self.wait(lambda event: isinstance(event, Connected))

    def wait(self, fits):
        """Return the first event that fits, and keep the others for later."""
        for event in self.kept:
            if fits(event):
                self.kept.remove(event)
                return event
        while not fits(event := self.heard.get(timeout=WAIT_S)):
            self.kept.append(event)
        return event

    def wait_for(self, name, cls, fits=lambda _: True):
        """Return the first message of that topic and type that fits."""
        found = []

        def is_it(event):
            if isinstance(event, Received) and parse(event.topic).name == name:
                found.append(decode(cls, event.payload))
                return fits(found[-1])
            return False

        self.wait(is_it)
        return found[-1]


@contextmanager
def running(folder, broker):
    kiosk = Kiosk(broker.endpoint)
    gate = Gate(folder, broker.port)
    try:
        yield gate, kiosk
    finally:
        gate.end()
        kiosk.link.stop()


def kinds(batch):
    return [decode_body(body.encode())["kind"] for body in batch.events]


def check_a_day_at_the_gate(gate, kiosk):
    """Birth, a question to the site, an honest borrower, a thief, and the facts of it."""
    birth = kiosk.wait_for("status", Status)
    assert (birth.role, birth.on, birth.list_state) == ("gate", True, "BLIND")
    assert kiosk.wait_for("site_ask", SiteAsk).version == 0

    loan = SiteLoan("kiosk-1", 1, 1, None, [UID], "on", 3, [], "00000000000000f1", 0, None, "")
    kiosk.link.publish(TOPICS.site_loan("main"), encode(sealed(loan, SITE_KEY)))
    shown = gate.wait_for_overlay(1)
    assert shown["list"] == "BLIND"
    gate.carry_out(book(UID), book(OTHER))
    assert gate.sounds.get(timeout=WAIT_S) == "on"
    batch = kiosk.wait_for("journal", Journal, lambda batch: "alarm" in kinds(batch))
    assert batch.seq0 >= 1
    alarm = kiosk.wait_for("site_alarm", SiteAlarm)
    assert (alarm.uid, alarm.row) == (OTHER, 4)


@pytest.mark.needs("mosquitto")
def test_a_day_at_the_gate(tmp_path):
    """What the gate decides is heard, told, journalled and offered through a real broker."""
    with mosquitto_broker() as broker, running(tmp_path, broker) as (gate, kiosk):
        check_a_day_at_the_gate(gate, kiosk)


def test_a_day_at_the_gate_with_the_demos_broker(tmp_path):
    """The same through amqtt, the broker of the demo."""
    with amqtt_broker() as broker, running(tmp_path, broker) as (gate, kiosk):
        check_a_day_at_the_gate(gate, kiosk)


def test_a_dead_network_changes_no_decision(tmp_path):
    """Without any broker the siren sounds, the fact is on disk, and stopping is in order."""
    gate = Gate(tmp_path, free_port())
    gate.carry_out(book())
    assert gate.sounds.get(timeout=WAIT_S) == "on"
    gate.end()

    assert gate.bench.siren.state is False
    connection = open_station_db(tmp_path / "gate.db")
    rows = SqliteJournal(connection, epoch_id="00000000000000e9").rows(1, 10, 100_000)
    connection.close()
    assert [decode_body(row.body)["kind"] for row in rows] == ["alarm"]


@pytest.mark.needs("mosquitto")
def test_what_happened_while_the_broker_was_dead_arrives_later(tmp_path):
    """An alarm in the dark is offered as soon as there is a broker again."""
    with mosquitto_broker() as broker:
        gate = Gate(tmp_path, broker.port)
        broker.kill()
        gate.carry_out(book(security=Security.IN_STOCK))
        assert gate.sounds.get(timeout=WAIT_S) == "on"
        broker.start()
        kiosk = Kiosk(broker.endpoint)
        try:
            kiosk.wait_for("journal", Journal, lambda batch: "alarm" in kinds(batch))
        finally:
            gate.end()
            kiosk.link.stop()


def test_a_wrong_configuration_starts_nothing(tmp_path):
    """An option nobody knows is an error before anything runs; the outputs are safe."""
    bench = Bench()
    bench.siren.on()

    with pytest.raises(ConfigInvalid, match="colour"):
        app.run(section(colour="red"), bench.devices, clock=bench.clock, stop=threading.Event())
    assert bench.siren.state is False


def test_a_damaged_store_is_moved_aside(tmp_path):
    """A gate whose card has rotted starts with a new journal and keeps the old file."""
    (tmp_path / "gate.db").write_bytes(b"this is no database at all" * 100)
    gate = Gate(tmp_path, free_port())
    gate.carry_out(book())
    assert gate.sounds.get(timeout=WAIT_S) == "on"
    gate.end()

    assert len(list(tmp_path.glob("gate.db.damaged-*"))) == 1
    assert (tmp_path / "gate.db").exists()


def test_without_a_store_the_gate_still_decides(tmp_path):
    """Where no file can be made, nothing is recorded and the siren works all the same."""
    (tmp_path / "file").write_text("not a folder")
    gate = Gate(tmp_path / "file", free_port())
    gate.carry_out(book())

    assert gate.sounds.get(timeout=WAIT_S) == "on"
    gate.end()
