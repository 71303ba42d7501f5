"""The small broker serves this machine and no other."""

import queue

import pytest

from circulation.link import Connected, Endpoint, Link, Received
from gateway.broker import SmallBroker, SteadyDict
from gateway.errors import BrokerRefused

WAIT_S = 60


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "library.example"])
def test_another_address_is_refused(host):
    """It asks for no password, so nobody else may reach it."""
    with pytest.raises(BrokerRefused, match=r"127\.0\.0\.1"):
        SmallBroker(host)


def test_a_port_in_use_is_a_clear_message():
    """Two brokers on one port is the commonest mistake of all."""
    with SmallBroker() as first, pytest.raises(BrokerRefused, match="another broker"):
        SmallBroker(port=first.port).start()


def test_a_message_comes_through():
    """What one client publishes another one hears; stopping twice is harmless."""
    with SmallBroker() as broker:
        events = queue.Queue()
        link = Link(
            Endpoint("127.0.0.1", broker.port),
            client_id="main/one",
            will=None,
            deliver=events.put,
        )
        link.subscribe(["a/+"])
        link.start()
        assert isinstance(events.get(timeout=WAIT_S), Connected)
        link.publish("a/b", b"hello")

        assert events.get(timeout=WAIT_S) == Received("a/b", b"hello", False)
        link.stop()
    broker.stop()


def test_a_filter_that_is_new_while_a_client_is_greeted_ends_nothing():
    """Clients that come at once are all heard: the walk through the filters goes on."""
    filters = SteadyDict(first=[], second=[])

    walked = [filters.setdefault(f"{key}/new", key) for key in filters]
    handed_on = [filters.setdefault(f"{key}/next", key) for key, _ in filters.items()]

    assert walked == ["first", "second"]
    assert handed_on == ["first", "second", "first/new", "second/new"]
