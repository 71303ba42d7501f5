"""The fleet's cables and brokers: what may go wrong there does, and nothing else."""

import random

from circulation.link import Connected, Disconnected, Received
from sim.fleet.acts import Rate
from sim.fleet.bridge import PATIENCE_MS, Bridge
from sim.fleet.broker import Broker
from sim.fleet.network import DOWN, UP, Channel, FleetLink, Wire
from sim.fleet.timeline import Timeline

TOPIC = "lg/1/fleet/site/site-1/loan"
ALWAYS = 1_000_000


class Client:
    """A program that only listens and remembers."""

    def __init__(self, broker, wire, name="kiosk-1", *, filters=(TOPIC,), will=None):
        self.heard = []
        self.link = FleetLink(
            broker,
            wire,
            self.heard.append,
            client_id=f"fleet/{name}",
            keepalive_s=30,
            random_below=random.Random(name).randrange,
        )
        self.link.will = will
        self.link.subscribe(filters)
        self.link.start()

    @property
    def payloads(self):
        """What came, in order."""
        return [event.payload for event in self.heard if isinstance(event, Received)]


def make(*rates, names=("kiosk-1", "gate-1")):
    timeline = Timeline()
    broker = Broker("site-1", timeline)
    wires = {name: Wire(name, timeline, seed=7, rates=rates) for name in names}
    clients = {name: Client(broker, wire, name) for name, wire in wires.items()}
    timeline.run(1_000)
    return timeline, broker, wires, clients


def say(client, *payloads):
    for payload in payloads:
        client.link.publish(TOPIC, payload)


def test_messages_of_a_connection_stay_in_order_however_late_they_are():
    """TCP delays, and never overtakes itself."""
    timeline, _, _, clients = make(Rate("delay", "kiosk-1", 0, 10**9, 500_000))
    wanted = [b"%d" % number for number in range(40)]

    say(clients["kiosk-1"], *wanted)
    timeline.run(2_000_000)

    assert clients["gate-1"].payloads == wanted


def test_links_overtake_each_other():
    """Of two stations the later to speak may be heard first."""
    timeline, _, _, clients = make(Rate("delay", "kiosk-1", 0, 10**9, ALWAYS))

    say(clients["kiosk-1"], b"first")
    say(clients["gate-1"], b"second")
    timeline.run(100_000)

    assert clients["gate-1"].payloads == [b"second", b"first"]


def test_what_is_lost_is_lost_in_silence():
    """Whoever published was told that it was handed over."""
    timeline, _, wires, clients = make(Rate("loss", "kiosk-1", 0, 10**9, ALWAYS))
    counted = []
    wires["kiosk-1"].faults = counted.append

    assert clients["kiosk-1"].link.publish(TOPIC, b"gone")
    timeline.run(100_000)

    assert clients["gate-1"].payloads == []
    assert counted == ["loss"]


def test_a_doubled_message_arrives_twice_in_a_row():
    """QoS 1 delivers at least once."""
    timeline, _, _, clients = make(Rate("duplicate", "kiosk-1", 0, 10**9, ALWAYS))

    say(clients["kiosk-1"], b"a", b"b")
    timeline.run(100_000)

    assert clients["gate-1"].payloads == [b"a", b"a", b"b", b"b"]


def test_a_messages_fate_depends_on_its_own_link_alone():
    """Taking an act out of a plan moves no other link's faults."""
    rates = (Rate("loss", "*", 0, 10**9, 300_000),)
    quiet, busy = (Wire("gate-1", Timeline(), seed=7, rates=rates) for _ in range(2))
    other = Wire("kiosk-1", Timeline(), seed=7, rates=rates)

    fates = []
    for _ in range(50):
        other.fate(UP)
        busy.fate(DOWN)
        fates.append((quiet.fate(UP), busy.fate(UP)))

    assert all(one == another for one, another in fates)
    assert {len(one) for one, _ in fates} == {0, 1}


def test_a_short_cut_holds_messages_and_a_long_one_ends_the_connection():
    """A cut wire says nothing; the keepalive does."""
    timeline, _, wires, clients = make()
    wires["gate-1"].cut("partition")
    say(clients["kiosk-1"], b"held")
    timeline.run(11_000)
    wires["gate-1"].mend("partition")
    timeline.run(12_000)

    assert clients["gate-1"].payloads == [b"held"]

    wires["gate-1"].cut("partition")
    say(clients["kiosk-1"], b"lost")
    timeline.run(112_000)
    wires["gate-1"].mend("partition")
    timeline.run(200_000)

    events = clients["gate-1"].heard
    assert clients["gate-1"].payloads == [b"held"]
    assert any(isinstance(event, Disconnected) for event in events)
    assert isinstance(events[-1], Connected)


def test_a_link_takes_no_more_than_the_real_one_while_nothing_gets_through():
    """Then it says so at once, as paho does; what asks for no ack is not counted there."""
    timeline, _, wires, clients = make()
    wires["kiosk-1"].cut("partition")

    taken = [clients["kiosk-1"].link.publish(TOPIC, b"%d" % number) for number in range(100)]
    without_ack = clients["kiosk-1"].link.publish(TOPIC, b"depth", qos=0)
    wires["kiosk-1"].mend()
    timeline.run(5_000)

    assert taken == [True] * 84 + [False] * 16
    assert without_ack
    assert clients["gate-1"].payloads == [*(b"%d" % number for number in range(84)), b"depth"]
    assert clients["kiosk-1"].link.publish(TOPIC, b"again")


def test_a_cut_has_as_many_reasons_as_acts():
    """A link in a swizzle stays cut when only its partition is healed."""
    _, _, wires, _ = make()
    wire = wires["gate-1"]

    wire.cut("partition")
    wire.cut("swizzle")
    wire.mend("partition")

    assert wire.is_cut
    wire.mend("swizzle")
    assert not wire.is_cut


def test_a_dead_client_is_told_of_by_its_will_and_one_that_leaves_is_not():
    """The broker publishes the will of whoever goes without a word."""
    timeline, broker, wires, clients = make()
    will = (TOPIC, b"dead")
    wire = Wire("kiosk-2", timeline, seed=7, rates=())
    dies = Client(broker, wire, "kiosk-2", will=will)
    timeline.run(2_000)

    dies.link.lose_power()
    timeline.run(3_000)
    assert clients["gate-1"].payloads == [b"dead"]

    leaves = Client(broker, wire, "kiosk-2", will=(TOPIC, b"left"))
    timeline.run(4_000)
    leaves.link.stop()
    timeline.run(300_000)
    assert clients["gate-1"].payloads == [b"dead"]
    assert wires["gate-1"].is_cut is False


def test_two_clients_of_one_name_throw_each_other_out():
    """A second station with this name takes over, again and again."""
    timeline, broker, _, clients = make()
    twin = Client(broker, Wire("kiosk-1-twin", timeline, seed=7, rates=()), "kiosk-1")
    timeline.run(60_000)

    for client in (clients["kiosk-1"], twin):
        assert sum(isinstance(event, Disconnected) for event in client.heard) >= 2
    assert broker.takeovers >= 4


def test_a_restarted_broker_has_forgotten_everything():
    """Nothing retained is left, and everybody has to come again."""
    timeline, broker, _, clients = make()
    clients["kiosk-1"].link.publish(TOPIC, b"kept", retained=True)
    timeline.run(2_000)
    assert broker.retained == {TOPIC: b"kept"}

    broker.restart(2_000)
    timeline.run(60_000)

    assert broker.retained == {}
    assert clients["gate-1"].link.up


def test_an_overflowing_queue_drops_what_comes_last():
    """A broker without room loses what it has taken."""
    timeline, broker, wires, clients = make()
    broker.overflow(2, 20_000)
    wires["gate-1"].cut("partition")
    say(clients["kiosk-1"], b"1", b"2", b"3")
    timeline.run(10_000)
    wires["gate-1"].mend()
    timeline.run(11_000)

    assert clients["gate-1"].payloads == [b"1", b"2"]
    timeline.run(30_000)
    assert broker.queue_max == 1_000


def test_a_closed_channel_delivers_nothing_any_more():
    """What was under way when a connection ended is gone."""
    timeline = Timeline()
    arrived = []
    channel = Channel(Wire("kiosk-1", timeline, seed=7, rates=()), UP, arrived.append)

    channel.send("a")
    timeline.run(1_000)
    channel.send("b")
    channel.close()
    timeline.run(2_000)

    assert arrived == ["a"]


def test_a_site_goes_on_while_its_line_to_the_gateway_is_cut():
    """Kiosks, gates and broker of a site hear each other; the gateway hears of it later."""
    timeline = Timeline()
    site, main = Broker("site-1", timeline), Broker("main", timeline)
    line = Wire("site-1", timeline, seed=7, rates=())
    Bridge(site, main, line)
    kiosk, gate, gateway = (
        Client(broker, Wire(name, timeline, seed=7, rates=()), name)
        for name, broker in (("kiosk-1", site), ("gate-1", site), ("gateway", main))
    )
    timeline.run(1_000)
    line.cut("partition")
    say(kiosk, b"lent")
    timeline.run(PATIENCE_MS // 2)

    assert (gate.payloads, gateway.payloads) == ([b"lent"], [])

    line.mend("partition")
    timeline.run(PATIENCE_MS)
    assert gateway.payloads == [b"lent"]
    assert kiosk.payloads == [b"lent"], "a bridge takes nothing back to where it came from"


def test_what_is_retained_crosses_the_bridge_again_after_a_long_cut():
    """A line that was away for long has lost what was under way, but nothing retained."""
    timeline = Timeline()
    site, main = Broker("site-1", timeline), Broker("main", timeline)
    line = Wire("site-1", timeline, seed=7, rates=())
    Bridge(site, main, line)
    line.cut("partition")
    site.publish(TOPIC, b"kept", True)
    site.publish(TOPIC + "x", b"lost")
    timeline.run(3 * PATIENCE_MS)
    line.mend("partition")
    timeline.run(4 * PATIENCE_MS)

    assert main.retained == {TOPIC: b"kept"}
