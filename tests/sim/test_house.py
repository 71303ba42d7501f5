"""A whole site in one process: its clock, its cables, its power, and that it is the real thing."""

import json

import pytest

from circulation.link import Connected, Disconnected, NotConnected, Received
from sim.errors import WorldError
from sim.house.broker import Broker
from sim.house.clock import HouseClock
from sim.house.house import House
from sim.house.line import LineLink, SimLine

MOMO, DUNE = "30715000000015", "30715000000262"
LENA = "20715000000017"


@pytest.fixture
def house():
    with House(seed=1) as built:
        yield built


@pytest.fixture
def cable():
    """Two links to one broker, the first over a cable that can fail; and what each has heard."""
    return Cable()


class Cable:
    def __init__(self):
        self.clock, self.broker = HouseClock(), Broker()
        self.heard, self.others = [], []
        self.line = SimLine("a/link")
        self.link = self._link(self.heard.append, self.line)
        self.link.will = ("a/status", b"gone")
        self.other = self._link(self.others.append, SimLine("b/link"))
        for link in (self.link, self.other):
            link.subscribe(["#"])
            link.start()

    def _link(self, deliver, line):
        return LineLink(
            self.broker, deliver, line,
            clock=self.clock, keepalive_s=30, random_below=lambda below: below - 1,
        )  # fmt: skip

    def run(self, ms, step_ms=20):
        for _ in range(ms // step_ms):
            self.clock.advance(step_ms)
            self.link.tick()
            self.other.tick()

    def topics(self, heard):
        return [event.topic for event in heard if isinstance(event, Received)]


def test_a_book_is_lent_and_the_gateway_knows(house):
    """Kiosk, broker and gateway are the programs that run in a library."""
    house.world.move(LENA, "kiosk-1/card")
    house.run(800)
    house.world.move(MOMO, "kiosk-1/pad")
    house.run(2_000)

    assert [tile["state"] for tile in house.kiosks["kiosk-1"].view["items"]] == ["done"]
    assert house.gateway.item_state(MOMO) == "on_loan"
    assert house.gateway.item_state("none") is None


def test_no_socket_is_opened(house, monkeypatch):
    """A site of five programs needs no network at all, not even this machine's own."""

    def refuse(*_args, **_options):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr("socket.socket.connect", refuse)
    house.cut_power("kiosk-2")
    house.restore_power("kiosk-2")
    house.run(3_000)

    assert house.kiosks["kiosk-2"].view["online"]


def test_the_same_seed_is_the_same_day():
    """Everything that was sent, and when, is the same each time."""

    def day():
        with House(seed=5) as house:
            house.world.walk("gate-1", "lane-1", "out", [DUNE])
            house.run(3_000)
            sent = house.gates["gate-1"].link.sent
            return [(topic, json.loads(payload).get("boot")) for topic, payload in sent]

    assert day() == day()


def test_a_slow_device_holds_up_its_own_station_only(house):
    """A pad that needs a second an answer makes no gate miss anybody."""
    house.devices["kiosk-1/pad"].fail("slow", slow_ms=1_000)
    house.world.walk("gate-1", "lane-1", "out", [DUNE])
    before_ms = house.clock.now_ms()
    house.run(1_000)

    assert house.clock.now_ms() == before_ms + 1_000
    (rang_ms, on) = house.world.gates["gate-1"].siren.history[-1]
    assert on
    assert rang_ms - before_ms <= 600


def test_a_gate_that_waits_misses_what_passes_meanwhile(house):
    """Slowness is not free: an antenna that needs two seconds is not there for a walk of one."""
    house.devices["gate-1/lane-1/antenna"].fail("slow", slow_ms=2_000)
    house.run(30)
    house.world.walk("gate-1", "lane-1", "out", [DUNE])
    house.run(1_000)

    assert not house.world.gates["gate-1"].siren.state


def test_without_a_network_lists_cannot_be_fetched(house):
    """The cable carries everything: a kiosk that starts cut off has the lists of its disk."""
    kiosk = house.kiosks["kiosk-1"]
    kiosk.line.fail("off")
    house.cut_power("kiosk-1")
    house.restore_power("kiosk-1")
    house.run(2_000)

    assert not kiosk.view["online"]
    assert len(kiosk.engine.lists.versions()) == 3


def test_power_is_cut_once_and_given_once(house):
    """What has no power shows nothing; doing it twice is refused by name."""
    house.cut_power("gate-1")
    assert house.gates["gate-1"].health() == {"power": "off"}
    with pytest.raises(WorldError, match="gate-1: it has no power already"):
        house.cut_power("gate-1")
    house.restore_power("gate-1")
    with pytest.raises(WorldError, match="gate-1: it has power already"):
        house.restore_power("gate-1")
    with pytest.raises(WorldError, match="no such station; there are kiosk-1, kiosk-2"):
        house.cut_power("fridge")


def test_the_siren_of_a_gate_without_power_is_silent(house):
    """Outputs fall to their safe state."""
    house.world.walk("gate-1", "lane-1", "out", [DUNE])
    house.run(1_000)
    assert house.world.gates["gate-1"].siren.state
    house.cut_power("gate-1")

    assert not house.world.gates["gate-1"].siren.state


def test_a_folder_of_its_own_is_removed(tmp_path):
    """A house leaves nothing behind, but a folder that was given stays."""
    with House() as house:
        own = house.folder
    with House(folder=tmp_path) as house:
        pass

    assert not own.exists()
    assert (tmp_path / "gateway.db").exists()


def test_a_pulled_cable_is_noticed_at_once_and_tried_again(cable):
    """Disconnected, the will, vain tries with growing waits, and connected when it is back."""
    cable.line.fail("off")
    cable.run(5_000)
    assert cable.heard[0] == Connected()
    assert isinstance(cable.heard[1], Disconnected)
    tries = [event for event in cable.heard if isinstance(event, NotConnected)]
    assert 2 <= len(tries) <= 6
    assert cable.topics(cable.others) == ["a/status"]
    assert not cable.link.publish("a", b"1")

    cable.line.mend()
    cable.run(16_000)
    assert cable.heard[-2:] == [Connected(), Received("a/status", b"gone", True)]


def test_a_stalled_cable_holds_messages_until_it_is_mended(cable):
    """Nothing passes and nothing says so; mended within a keepalive and a half, all arrives."""
    cable.line.fail("stuck")
    cable.link.publish("a/1", b"1")
    cable.other.publish("b/1", b"1")
    cable.run(40_000)
    assert cable.topics(cable.others) == ["b/1"]
    assert cable.topics(cable.heard) == []

    cable.line.mend()
    cable.run(20)
    assert cable.topics(cable.others) == ["b/1", "a/1"]
    assert cable.topics(cable.heard) == ["b/1", "a/1"]


def test_a_cable_stalled_for_longer_loses_what_it_held(cable):
    """Both ends give up after a keepalive and a half, as with a router that has died."""
    cable.line.fail("stuck")
    cable.run(20)
    cable.link.publish("a/1", b"1")
    cable.run(45_100)
    cable.line.mend()
    cable.run(5_000)

    assert cable.topics(cable.others) == ["a/status"]
    assert any(isinstance(event, Disconnected) for event in cable.heard)
    assert cable.link.up


def test_a_slow_cable_delivers_in_order_and_late(cable):
    """Two seconds each way, nothing lost, nothing overtaken when it gets quick again."""
    cable.line.fail("slow", slow_ms=2_000)
    cable.link.publish("a/1", b"1")
    cable.line.mend()
    cable.link.publish("a/2", b"2")
    cable.run(1_980)
    assert cable.topics(cable.others) == []

    cable.run(40)
    assert cable.topics(cable.others) == ["a/1", "a/2"]


def test_an_intermittent_cable_loses_a_share(cable):
    """Some messages never arrive, although they were taken: no acknowledgement proves anything."""
    cable.line.fail("intermittent", share=0.5, seed=4)
    taken = [cable.link.publish(f"a/{number}", b"1") for number in range(100)]

    assert all(taken)
    assert 20 < len(cable.topics(cable.others)) < 80


def test_a_goodbye_publishes_no_will(cable):
    """Who leaves in order is not mourned."""
    cable.link.stop()
    cable.run(60_000)

    assert cable.topics(cable.others) == []
    assert not cable.link.up
