"""What may wait at a gateway when thousands of stations speak within one second."""

import pytest

from circulation.link import Connected, Received
from circulation.wire.messages import encode
from gateway.desk import DeskJournal
from gateway.hub import Hub
from gateway.service import Service, inbox_room
from gateway.snapshots import Snapshots
from gateway.stations import ensure_stations
from tests.gateway.conftest import LIBRARY, Station


class Link:
    """Takes everything and brings nothing."""

    def start(self):
        """It is there."""

    def stop(self):
        """It stays there."""

    def subscribe(self, topic_filters, *, qos=1):
        """Nothing comes but what a test delivers."""

    def publish(self, topic, payload, *, qos=1, retained=False):
        """Take a message."""
        return True


@pytest.fixture
def service(store, tmp_path):
    """A service that knows nobody yet, and does what it is told in one thread."""
    hub = Hub(
        store, LIBRARY, Snapshots(store, LIBRARY, tmp_path / "s"), key=bytes(16), boot="b" * 8
    )
    service = Service(hub, DeskJournal(store, LIBRARY, tmp_path / "d.db"), beat=lambda: None)
    service.join(Link())
    return service


def know(service, count):
    """Let the library have had so many stations when its gateway connects."""
    with service.hub.store.write(LIBRARY) as write:
        ensure_stations(write, [f"kiosk-{n}" for n in range(count)])
    service.deliver(Connected())
    service.take()


def say(service, count):
    """Let so many messages come at once; return how many found no room."""
    before = service.dropped
    for _ in range(count):
        service.deliver(Received("lg/1/elsewhere/none", b"", retained=False))
    return service.dropped - before


@pytest.mark.parametrize(
    ("known", "room"),
    [(0, 2_000), (400, 2_000), (401, 2_005), (3_000, 15_000), (4_000, 20_000), (90_000, 20_000)],
)
def test_there_is_room_for_all_that_stations_say_at_a_reconnect(known, room):
    """Five messages each, never less than a small library needs, nor more than memory allows."""
    assert inbox_room(known) == room


def test_three_thousand_stations_that_come_back_at_once_all_find_room(service):
    """After a power cut of the broker nothing need be said twice; what is too much is counted."""
    know(service, 2_999)  # and the desk

    assert say(service, 15_000) == 0
    assert say(service, 7) == 7


def test_what_found_no_room_comes_again(service):
    """A station sends until it is told that its facts are applied."""
    know(service, 1)
    station = Station("kiosk-1")
    station.write("tally")
    batch = Received(
        service.hub.topics.journal("kiosk-1"), encode(station.batch().message), retained=False
    )
    say(service, 2_000)
    service.deliver(batch)
    assert service.dropped == 1
    while not service.is_idle:
        service.take()

    service.deliver(batch)
    service.take()

    with service.hub.store.read() as connection:
        applied = connection.exec_driver_sql("SELECT count(*) FROM fact").scalar()
    assert applied == 1
