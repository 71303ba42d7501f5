"""The link to the broker, against real brokers."""

import contextlib
import queue
import time

import pytest

from circulation.errors import LinkUnavailable, LinkUncertain
from circulation.link import Connected, Disconnected, Endpoint, Link, NotConnected, Received
from tests.support.brokers import amqtt_broker, free_port, mosquitto_broker

WAIT_S = 40


class Ear:
    """What a station's queue heard from its link."""

    def __init__(self):
        self.events = queue.Queue()

    def next(self, kind):
        """Return the next event of this kind, dropping others."""
        deadline = time.monotonic() + WAIT_S
        while True:
            event = self.events.get(timeout=max(deadline - time.monotonic(), 0.01))
            if isinstance(event, kind):
                return event


@contextlib.contextmanager
def linked(broker, name, *, filters=(), will=None, deliver=None, keepalive_s=30):
    """Run a link that has connected; gives the link and its ear."""
    ear = Ear()

    def put(event):
        ear.events.put(event)
        if deliver is not None:
            deliver(event)

    link = Link(
        broker.endpoint, client_id=f"test/{name}", will=will, keepalive_s=keepalive_s, deliver=put
    )
    link.subscribe(filters)
    link.start()
    try:
        ear.next(Connected)
        yield link, ear
    finally:
        link.stop()


@pytest.fixture(
    params=[
        pytest.param(mosquitto_broker, marks=pytest.mark.needs("mosquitto"), id="mosquitto"),
        pytest.param(amqtt_broker, id="amqtt"),
    ]
)
def broker(request):
    """Each broker we ship with."""
    with request.param() as running:
        yield running


@pytest.fixture
def mosquitto():
    """The broker wherever a network is involved."""
    with mosquitto_broker() as running:
        yield running


def test_a_message_crosses(broker):
    """What one link publishes another one that subscribed receives, unchanged."""
    with (
        linked(broker, "a", filters=["lg/#"]) as (_, ear),
        linked(broker, "b") as (sender, _),
    ):
        assert sender.is_connected
        assert sender.trouble is None
        assert sender.publish("lg/1/x", b"\x00\xff")

        assert ear.next(Received) == Received("lg/1/x", b"\x00\xff", False)


def test_a_retained_message_says_so(broker):
    """Who subscribes later can tell an old message from contact."""
    with linked(broker, "a") as (sender, _):
        sender.publish_and_wait("lg/1/status", b"here", timeout_s=WAIT_S, retained=True)
        with linked(broker, "b", filters=["lg/1/status"]) as (_, ear):
            assert ear.next(Received) == Received("lg/1/status", b"here", True)


def test_a_failing_deliver_does_not_end_the_link(broker):
    """An exception in a station's own code costs one event, never the connection."""

    def fail(event):
        if isinstance(event, Received) and event.payload == b"bad":
            raise RuntimeError("a bug of ours")

    with linked(broker, "a", filters=["lg/x"], deliver=fail) as (link, ear):
        link.publish("lg/x", b"bad")
        link.publish("lg/x", b"good")

        assert ear.next(Received).payload == b"bad"
        assert ear.next(Received).payload == b"good"
        assert link.is_connected


@pytest.mark.needs("mosquitto")
def test_the_last_will_is_published_when_the_station_vanishes(mosquitto):
    """A broker tells the others of a station that it did not hear say goodbye."""
    with (
        linked(mosquitto, "watch", filters=["lg/status"]) as (_, ear),
        linked(mosquitto, "same", will=("lg/status", b"gone")),
        linked(mosquitto, "same"),  # the same id: the broker throws the first one out
    ):
        assert ear.next(Received).payload == b"gone"


@pytest.mark.needs("mosquitto")
def test_a_station_that_stops_in_order_leaves_no_will(mosquitto):
    """Its own last word stands; the broker does not add another."""
    with linked(mosquitto, "watch", filters=["lg/status"]) as (_, ear):
        with linked(mosquitto, "k", will=("lg/status", b"gone")) as (link, _):
            link.publish_and_wait("lg/status", b"closing", timeout_s=WAIT_S)
        with linked(mosquitto, "other") as (other, _):
            other.publish("lg/status", b"later")

            assert ear.next(Received).payload == b"closing"
            assert ear.next(Received).payload == b"later"


@pytest.mark.needs("mosquitto")
def test_a_link_comes_back_after_its_broker_and_listens_again(mosquitto):
    """Subscriptions outlive a broker that forgot them."""
    with linked(mosquitto, "a", filters=["lg/early"]) as (link, ear):
        link.subscribe(["lg/late"])
        mosquitto.kill()
        assert ear.next(Disconnected).why.startswith("the connection ended")
        assert not link.publish("lg/early", b"into the void")
        mosquitto.start()
        ear.next(Connected)

        link.publish("lg/early", b"1")
        link.publish("lg/late", b"2")

        assert [ear.next(Received).payload for _ in range(2)] == [b"1", b"2"]


@pytest.mark.needs("mosquitto")
def test_a_station_that_starts_before_its_broker_connects_later(mosquitto):
    """In the morning everything gets power at once; nobody has to press a button."""
    mosquitto.stop()
    ear = Ear()
    link = Link(mosquitto.endpoint, client_id="test/k", will=None, deliver=ear.events.put)
    link.start()
    link.start()

    assert not link.publish("lg/x", b"early")
    mosquitto.start()

    ear.next(Connected)
    link.stop()
    link.stop()


@pytest.mark.needs("mosquitto")
def test_a_link_can_be_closed_and_opened_anew(mosquitto):
    """A station whose gateway fell silent does not wait for the keepalive."""
    with linked(mosquitto, "a") as (link, ear):
        link.reconnect("no head for 60 s")

        assert ear.next(Disconnected) == Disconnected("no head for 60 s")
        assert ear.next(Connected) == Connected()


@pytest.mark.needs("mosquitto")
def test_a_frozen_broker_does_not_hold_the_link(mosquitto):
    """Even when no byte moves any more, the old connection is left; it waits for no keepalive."""
    with linked(mosquitto, "a", keepalive_s=600) as (link, ear):
        mosquitto.freeze()
        for _ in range(400):  # more than both ends of a socket hold
            link.publish("lg/x", b"x" * 60_000, qos=0)
        link.reconnect("three unanswered sends")

        assert ear.next(Disconnected).why == "three unanswered sends"
        mosquitto.thaw()
        assert ear.next(Connected)


@pytest.mark.needs("mosquitto")
def test_the_queue_of_a_link_is_bounded(mosquitto):
    """Beyond its bound a message is refused, definitely; the journal is the queue."""
    with linked(mosquitto, "a") as (link, _):
        mosquitto.freeze()
        taken = [link.publish("lg/x", b"x") for _ in range(200)]
        mosquitto.thaw()

        assert taken[0]
        assert not taken[-1]
        assert taken.count(True) <= 64 + 20


@pytest.mark.needs("mosquitto")
def test_a_last_word_the_broker_did_not_take_is_uncertain(mosquitto):
    """It may have arrived all the same, and the error says so."""
    with linked(mosquitto, "a") as (link, _):
        mosquitto.freeze()

        with pytest.raises(LinkUncertain, match=r"did not take lg/x within 0\.1 s; it may"):
            link.publish_and_wait("lg/x", b"x", timeout_s=0.1)

        mosquitto.thaw()


def test_a_link_that_is_not_connected_sends_nothing():
    """Definitely not sent, and the reason why there is no connection can be read."""
    endpoint = Endpoint("127.0.0.1", free_port())
    ear = Ear()
    link = Link(endpoint, client_id="test/k", will=None, deliver=ear.events.put)
    link.reconnect()
    link.start()

    assert not link.publish("lg/x", b"x")
    with pytest.raises(LinkUnavailable, match="test/k: not connected; nothing was sent"):
        link.publish_and_wait("lg/x", b"x", timeout_s=1)
    assert ear.next(NotConnected).why.startswith("cannot reach 127.0.0.1")
    assert link.trouble.startswith("cannot reach 127.0.0.1")
    link.stop()


@pytest.mark.needs("mosquitto")
def test_a_refused_station_is_told_why():
    """A broker that does not know us is named, and the attempts go on."""
    with mosquitto_broker("allow_anonymous false\n") as strict:
        ear = Ear()
        link = Link(strict.endpoint, client_id="test/k", will=None, deliver=ear.events.put)
        link.start()

        assert ear.next(NotConnected).why.startswith("the broker refused us: Not authorized")
        assert not link.is_connected
        link.stop()


def test_qos_2_is_refused():
    """Two handshakes would promise what our own ids promise anyway."""
    link = Link(Endpoint("127.0.0.1", 1), client_id="test/k", will=None, deliver=print)

    with pytest.raises(ValueError, match="QoS 2 is not used here"):
        link.publish("lg/x", b"x", qos=2)
