"""A station of a storm that is told to end leaves nothing half said."""

import queue
import threading
from contextlib import closing

import pytest

from circulation.journal import SqliteJournal, open_station_db
from circulation.link import Connected, Link, Received
from circulation.wire.messages import Ack, Journal, Request, TimeReply, decode, encode
from circulation.wire.topics import Topics
from sim.torture.station import Orders, Station
from tests.support.brokers import amqtt_broker

TOPICS = Topics("town")
WAIT_S = 60.0
GATEWAY_NOW = 1_760_000_000_000


class Desk:
    """A gateway that answers when the test wants it to."""

    def __init__(self, endpoint):
        self._events = queue.Queue()
        self._link = Link(
            endpoint, client_id="gateway", will=("gone", b"gone"), deliver=self._events.put
        )
        self._link.subscribe([TOPICS.journal("kiosk-1"), TOPICS.request("kiosk-1")])
        self._link.start()
        self._next(Connected)

    def hear(self, kind):
        """Return the next message of this kind."""
        topic = {Journal: TOPICS.journal, Request: TOPICS.request}[kind]("kiosk-1")
        while (event := self._next(Received)).topic != topic:
            pass
        return decode(kind, event.payload)

    def say(self, message):
        """Send a reply to the station."""
        self._link.publish(TOPICS.reply("kiosk-1"), encode(message))

    def close(self):
        self._link.stop()

    def _next(self, kind):
        while not isinstance(event := self._events.get(timeout=WAIT_S), kind):
            pass
        return event


@pytest.fixture
def broker():
    """The demo's broker."""
    with amqtt_broker() as running:
        yield running


@pytest.fixture
def desk(broker):
    """A gateway that only the test speaks for."""
    made = Desk(broker.endpoint)
    yield made
    made.close()


def orders(folder, port):
    """Return those of a station that lends nothing."""
    return Orders(
        library="town", site="main", site_key="00" * 32, station="kiosk-1", seed=1, port=port,
        journal=str(folder / "journal.db"), witness=str(folder / "witness"), facts=0,
        facts_per_s=100.0, items=["i1", "i2"], patrons=["p1"],
    )  # fmt: skip


def read(folder, question):
    """Return what the station's journal answers to a question about its position."""
    with closing(open_station_db(folder / "journal.db")) as connection:
        return question(SqliteJournal(connection, epoch_id="ff"))


def test_what_was_written_before_the_end_is_acknowledged_before_it(broker, desk, tmp_path):
    """It learns the time and writes it down, is told to end, and stays for the answer."""
    stop = threading.Event()
    station = threading.Thread(target=lambda: Station(orders(tmp_path, broker.port)).run(stop))
    station.start()
    asked = desk.hear(Request)
    desk.say(TimeReply(asked.id, asked.mono_sent, GATEWAY_NOW))
    batch = desk.hear(Journal)
    stop.set()
    station.join(1.0)
    assert station.is_alive()

    known = read(tmp_path, lambda journal: journal.hash_at(1)).hex()
    desk.say(Ack(batch.epoch, 1, known, "ab" * 8, 64, 0, GATEWAY_NOW))
    station.join(WAIT_S)
    assert not station.is_alive()
    assert read(tmp_path, lambda journal: (journal.last_seq, journal.acked)) == (1, 1)
