"""The microcontroller's MQTT client against real brokers: Mosquitto and amqtt."""

import gc
import select
import subprocess
import time

import pytest

from firmware.mcu.mqtt import MQTTClient, MQTTException
from firmware.mcu.streams import trusting
from sim.mcu import vm
from tests.support.brokers import amqtt_broker, mosquitto_broker

WITHIN_S = 20
PUBLISHES = 70_000
OPENED = []
VM_CLIENT = "tests/firmware/mcu/mqtt_vm_client.py"


class Station:
    """A client and all that happened to it."""

    def __init__(self, name, broker, **settings):
        OPENED.append(self)
        self.events = []
        self.client = MQTTClient(name, "127.0.0.1", broker.port, keepalive=30, **settings)

    def begin(self, **settings):
        """Start a connection at a clock that stands at 0."""
        self.client.begin(0, **settings)
        return self

    def step(self, now_ms=0):
        """Poll once; wait a moment for bytes."""
        self.events += self.client.poll(now_ms)
        if self.client.sock is not None:
            select.select([self.client.sock], [], [], 0.002)

    def until(self, count, kind):
        """Poll until so many of these happened; return them all, and forget everything."""
        deadline = time.monotonic() + WITHIN_S
        while len(found := [one for one in self.events if one[0] == kind]) < count:
            assert time.monotonic() < deadline, f"no {kind}: {self.events}"
            self.step()
        self.events = []
        return found

    def up(self, *filters):
        """Connect, listen, and wait until the broker has said so."""
        for topic_filter in filters:
            self.client.subscribe(topic_filter, 1)
        self.begin().until(1, "connected")
        while self.client._unasked or self.client._asked:
            self.step()
        return self

    def vanish(self):
        """Lose the connection without a word, as in a power cut."""
        self.client._drop()


@pytest.fixture(autouse=True)
def _none_left_open():
    yield
    while OPENED:
        OPENED.pop().vanish()
    gc.collect()  # what is left open shows here, at the test that left it


@pytest.fixture(scope="module", params=["mosquitto", "amqtt"])
def broker(request):
    """A running broker of each kind."""
    with (mosquitto_broker if request.param == "mosquitto" else amqtt_broker)() as running:
        yield running


pytestmark = pytest.mark.needs("mosquitto")


def test_messages_pass_at_qos_1_both_ways(broker):
    """In order, once, of every length; the broker acknowledges each of ours and we its."""
    station = Station("both-ways", broker).up("both/#")
    payloads = [b"", b"\x00", bytes(range(256)), b"x" * 4_096]
    pids = [station.client.publish(f"both/{len(one)}", one, qos=1) for one in payloads]
    events = station.events
    heard = [one[1:] for one in station.until(4, "message")]

    assert heard == [(f"both/{len(one)}", one, False) for one in payloads]
    assert pids == [2, 3, 4, 5]
    assert [one for one in events if one[0] == "closed"] == []


def test_a_retained_message_says_so_to_those_who_come_later(broker):
    """Live it comes without the flag, later with it; at QoS 1 a broker may say it twice."""
    station = Station("retaining", broker).up("kept")
    station.client.publish("kept", "here", retain=True, qos=1)
    assert set(station.until(1, "message")) == {("message", "kept", b"here", False)}
    later = Station("late", broker).up("kept")

    assert set(later.until(1, "message")) == {("message", "kept", b"here", True)}
    later.client.publish("kept", "", retain=True, qos=1)
    later.until(1, "acked")


def test_the_will_is_published_when_we_vanish_and_not_when_we_leave(broker):
    """A power cut publishes the last will; a goodbye does not."""
    watcher = Station("watcher", broker).up("will/+")
    for end in ("leaves", "vanishes"):
        station = Station(end, broker)
        station.client.set_last_will(f"will/{end}", "gone", qos=1)
        station.up()
        if end == "leaves":
            station.client.disconnect()
            station.client.poll(0)
        else:
            station.vanish()

    assert watcher.until(1, "message") == [("message", "will/vanishes", b"gone", False)]


def test_umqtts_names_work_with_real_brokers(broker):
    """connect, subscribe, publish, wait_msg, check_msg, ping, disconnect."""
    heard = []
    station = Station(b"waiting", broker)
    client = station.client
    client.set_callback(lambda topic, message: heard.append((topic, message)))
    assert client.connect(timeout=WITHIN_S) is False
    client.subscribe(b"waiting/#", qos=1)
    client.ping()
    client.publish(b"waiting/1", b"one", qos=1)
    client.publish(b"waiting/2", b"two")
    while len(heard) < 2:
        client.wait_msg()
    assert client.check_msg() is None
    client.disconnect()

    assert heard == [(b"waiting/1", b"one"), (b"waiting/2", b"two")]


@pytest.mark.parametrize("kind", [mosquitto_broker, amqtt_broker])
def test_after_a_restart_of_the_broker_we_listen_again(kind):
    """Killed, it is noticed at once; begun again, the filters are asked for without a word."""
    with kind() as broker:
        station = Station("restarted", broker).up("again/+")
        broker.kill()
        assert "closed" in [one[0] for one in station.until(1, "closed")]
        ((_, why),) = station.begin().until(1, "closed")
        assert why.startswith("ConnectionRefusedError")
        broker.start()
        station.begin().until(1, "connected")
        while station.client._unasked or station.client._asked:
            station.step()
        station.client.publish("again/1", "x", qos=1)

        assert station.until(1, "message") == [("message", "again/1", b"x", False)]


@pytest.mark.parametrize("kind", [mosquitto_broker, amqtt_broker])
def test_a_broker_that_goes_silent_is_noticed_by_the_clock_alone(kind):
    """Stopped in its tracks: PUBACK, PINGRESP and CONNACK are each missed at their deadline."""
    with kind() as broker:
        publishing, listening = Station("p", broker).up(), Station("l", broker).up()
        broker.freeze()
        publishing.client.publish("t", "x", qos=1)
        connecting = Station("c", broker).begin()
        connecting.step()
        connecting.step()
        for station in (publishing, listening, connecting):
            station.step(9_999)
            assert station.events == []
        listening.step(15_000)
        for station in (publishing, connecting, listening):
            station.step(25_000)
        broker.thaw()

        assert publishing.events == [("closed", "no PUBACK in time")]
        assert connecting.events == [("closed", "no CONNACK in time")]
        assert listening.events == [("closed", "no PINGRESP in time")]


class Counting:
    """A station that publishes numbers to itself and counts them in again."""

    def __init__(self, station):
        self.client = station.client
        self.sent = self.acked = self.heard = 0

    def turn(self):
        """Take what came, and send while there is room."""
        for event in self.client.poll(0):
            if event[0] == "acked":
                self.acked += 1
            else:
                assert event == ("message", "many", b"%d" % self.heard, False)
                self.heard += 1
        while self.sent < PUBLISHES and self.client.publish("many", str(self.sent), qos=1):
            self.sent += 1
        if not self.client.room:
            select.select([self.client.sock], [], [], 1)


def test_seventy_thousand_publishes_arrive_exactly():
    """Past the end of the packet ids, pipelined: each once, in order, each acknowledged."""
    with mosquitto_broker("set_tcp_nodelay true\n") as broker:
        station = Station("many", broker)
        station.client.subscribe("many", 0)
        station.begin().until(1, "connected")
        counting = Counting(station)
        while counting.acked < PUBLISHES or counting.heard < PUBLISHES:
            counting.turn()

    assert (counting.sent, counting.acked, counting.heard) == (70_000, 70_000, 70_000)
    assert station.client.pid == 70_001 - 65_535  # and one was SUBSCRIBE's


def test_a_wrong_password_is_said_in_words(tmp_path):
    """CONNACK 5 of a real broker, for both halves of the client."""
    settings = f"allow_anonymous false\npassword_file {tmp_path / 'nobody'}\n"
    (tmp_path / "nobody").write_text("")
    (tmp_path / "nobody").chmod(0o600)
    with mosquitto_broker(settings) as broker:
        station = Station("s", broker, user="u", password="wrong").begin()
        assert station.until(1, "closed") == [("closed", "the broker refused us: not authorized")]
        with pytest.raises(MQTTException) as caught:
            MQTTClient("s", "127.0.0.1", broker.port, user="u", password="wrong").connect()

    assert caught.value.args == (5,)


class Authority:
    """Certificates made for one test run, by openssl."""

    def __init__(self, folder):
        self.folder = folder
        self.ca = folder / "ca.der"
        self._make("ca", "/CN=Library test CA", "-x509")
        self._run("x509", "-in", "ca.pem", "-outform", "DER", "-out", "ca.der")
        self._make("localhost", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
        self._run(
            *("x509", "-req", "-in", "localhost.pem", "-CA", "ca.pem", "-CAkey", "ca.key"),
            *("-copy_extensions", "copyall", "-days", "2", "-out", "localhost.crt"),
        )
        for path in folder.iterdir():
            path.chmod(0o644)
        folder.chmod(0o755)

    def _make(self, name, subject, *more):
        self._run(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", subject, *more),
        )

    def _run(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)

    @property
    def settings(self):
        """What makes Mosquitto's listener TLS."""
        return f"certfile {self.folder}/localhost.crt\nkeyfile {self.folder}/localhost.key\n"

    def context(self):
        """Return what trusts this authority and nobody else."""
        return trusting(self.ca.read_bytes())


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A certification authority of our own."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def secure_broker(authority):
    """Mosquitto with a certificate for localhost."""
    with mosquitto_broker(authority.settings) as running:
        yield running


@pytest.mark.needs("openssl")
def test_tls_shakes_hands_in_steps(secure_broker, authority):
    """The handshake takes several polls, none of which waits, and then all is as without."""
    station = Station("tls", secure_broker, ssl=authority.context())
    station.client.server = "localhost"
    station.client.subscribe("tls/#", 1)
    station.begin()
    polls = 0
    while not station.client.is_up:
        station.step()
        polls += 1
        assert polls < 1_000, station.events
    for number in range(200):
        station.client.publish(f"tls/{number}", bytes(number * 10), qos=1)
        station.until(1, "message")

    assert polls > 2


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    """Another authority, which nobody here trusts."""
    return Authority(tmp_path_factory.mktemp("foreign"))


@pytest.mark.needs("openssl")
@pytest.mark.parametrize(("name", "who"), [("localhost", "foreign"), ("elsewhere", "authority")])
def test_tls_refuses_whom_it_cannot_trust(secure_broker, name, who, request):
    """A foreign authority, or a certificate for another name, closes with the reason."""
    station = Station("tls", secure_broker, ssl=request.getfixturevalue(who).context())
    station.client.server = name
    station.client.resolve = lambda _name: "127.0.0.1"
    ((_, why),) = station.begin().until(1, "closed")

    assert "CERTIFICATE_VERIFY_FAILED" in why


@pytest.fixture(scope="module")
def device(tmp_path_factory):
    """A device's files, and a program beside them."""
    beside = (VM_CLIENT, "sim/__init__.py", "sim/mcu/__init__.py", "sim/mcu/lwip.py")
    more = {name: vm.ROOT / name for name in beside}
    return vm.lay_out(tmp_path_factory.mktemp("device"), compiled=True, more=more)


@pytest.fixture
def on_micropython(secure_broker, device, request):
    """Runs the program on the VM; returns what it printed."""

    def run(name, who, send_bytes):
        found = vm.find_vm()
        assert found is not None, vm.NO_VM
        ran = found.run(
            VM_CLIENT.removesuffix(".py").replace("/", "."),
            *(str(secure_broker.port), str(request.getfixturevalue(who).ca), name, "500"),
            str(send_bytes),
            folders=[device],
        )
        assert (ran.code, ran.error) == (0, "")
        return ran.out

    return run


ON_MICROPYTHON = [
    ("localhost", "authority", 0, "sent 500 acked 500 heard 500"),
    ("localhost", "authority", 100, "sent 500 acked 500 heard 500"),
    ("localhost", "foreign", 0, "not correctly signed by the trusted CA"),
    ("localhost", "foreign", 100, "not correctly signed by the trusted CA"),
    ("elsewhere", "authority", 0, "does not match with the expected CN"),
]


@pytest.mark.needs("openssl", "micropython")
@pytest.mark.parametrize(("name", "who", "send_bytes", "says"), ON_MICROPYTHON)
def test_tls_on_micropython(on_micropython, name, who, send_bytes, says):
    """mbedTLS in the VM: 500 messages there and back, and trust in nobody else.

    Also in 100 bytes at a time, over sockets as a board has them.
    """
    assert says in on_micropython(name, who, send_bytes)
