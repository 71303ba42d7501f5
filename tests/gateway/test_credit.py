"""A gateway that is slow is never sent more than it said it would take."""

from circulation.link import Received
from circulation.wire.messages import Ack, decode_reply, encode
from gateway.credit import ACTIVE_MS, CREDIT_MAX, Credits
from gateway.desk import DeskJournal
from gateway.hub import Hub
from gateway.service import Service
from gateway.snapshots import Snapshots
from tests.gateway.conftest import LIBRARY, Station

STATIONS, BATCHES = 200, 6
WAITING_MAX = 60
TAKEN_AT_ONCE = 7  # of what waits, each time everybody else has had a turn
TURNS_MAX = 3_000


def granted(waiting, stations, now_ms=0):
    """Return what the last of so many stations is granted while so much waits."""
    credits = Credits(waiting_max=100)
    credits.waiting = lambda: waiting
    return [credits.grant(f"kiosk-{n}", now_ms) for n in range(stations)][-1]


def test_the_more_waits_the_less_is_granted():
    """Nothing from the mark on; never more than keeps a station busy."""
    found = [granted(waiting, stations=30) for waiting in (0, 10, 40, 99, 100, 500)]

    assert found == [3, 3, 2, 1, 0, 0]
    assert granted(0, stations=1) == CREDIT_MAX
    assert granted(0, stations=500) == 1


def test_stations_that_fell_silent_leave_their_share_to_others():
    """A day with a hundred stations does not slow the evening's two."""
    credits = Credits(waiting_max=100)
    for number in range(100):
        credits.grant(f"kiosk-{number}", 0)

    assert credits.grant("kiosk-7", 1) == 1
    assert credits.grant("kiosk-7", ACTIVE_MS + 2) == CREDIT_MAX


def test_who_got_nothing_is_told_first_come_first_served_when_half_is_free():
    """As many as there is room for; the two minutes until they ask are not waited."""
    waiting = 100
    credits = Credits(waiting_max=100)
    credits.waiting = lambda: waiting
    for number in range(20):
        credits.grant(f"kiosk-{number}", 0)
    assert credits.fed() == []

    waiting = 48

    assert credits.fed() == ["kiosk-0", "kiosk-1"]
    credits.grant("kiosk-0", 1)
    assert credits.fed()[0] == "kiosk-1"


class Sender:
    """A station with a full journal, which keeps to the credit it was last told."""

    def __init__(self, name):
        station = Station(name)
        for _ in range(BATCHES):
            station.write("tally")
        self.messages = [encode(station.batch(n + 1, 1).message) for n in range(BATCHES)]
        self.credit, self.sent, self.acked = 1, 0, 0

    @property
    def under_way(self):
        return self.sent - self.acked

    def turn(self):
        """Return what it sends now."""
        may = self.messages[self.sent : max(self.sent, self.acked + self.credit)]
        self.sent += len(may)
        return may


class Air:
    """The way between the service and all stations; nothing is lost on it."""

    def __init__(self, hub):
        names = [f"kiosk-{n}" for n in range(STATIONS)]
        self.senders = {hub.topics.reply(name): Sender(name) for name in names}
        self.topics = {hub.topics.reply(name): hub.topics.journal(name) for name in names}

    def start(self):
        """It is there."""

    def stop(self):
        """It stays there."""

    def subscribe(self, topic_filters, *, qos=1):
        """Everything is heard."""

    def publish(self, topic, payload, *, qos=1, retained=False):
        """Bring an answer to its station."""
        sender = self.senders.get(topic)
        if sender is not None:
            ack = decode_reply(payload)
            assert isinstance(ack, Ack)
            sender.acked, sender.credit = max(sender.acked, ack.hw), ack.credit
        return True

    def turn(self, service):
        """Let every station send what it may; return how many messages are under way."""
        for reply, sender in self.senders.items():
            for payload in sender.turn():
                service.deliver(Received(self.topics[reply], payload, retained=False))
        return sum(sender.under_way for sender in self.senders.values())


def test_what_is_under_way_stays_within_the_credits_of_a_slow_gateway(store, clock, tmp_path):
    """Hundreds of stations after an outage: no queue grows, nothing is dropped, all arrives."""
    hub = Hub(
        store, LIBRARY, Snapshots(store, LIBRARY, tmp_path / "s"), key=bytes(16), boot="b" * 8
    )
    hub.credits = Credits(waiting_max=WAITING_MAX)
    service = Service(hub, DeskJournal(store, LIBRARY, tmp_path / "d.db"), beat=lambda: None)
    air = Air(hub)
    service.join(air)

    most, none_granted = 0, False
    for _ in range(TURNS_MAX):
        under_way = air.turn(service)
        allowed = sum(max(one.credit, one.under_way > 0) for one in air.senders.values())
        assert under_way <= allowed
        most = max(most, under_way)
        service.take(TAKEN_AT_ONCE)
        none_granted |= any(one.credit == 0 for one in air.senders.values())
        clock.now_ms += 10
        if all(one.acked == BATCHES for one in air.senders.values()):
            break

    assert [one.acked for one in air.senders.values()] == [BATCHES] * STATIONS
    assert (most, service.dropped, none_granted) == (STATIONS, 0, True)
