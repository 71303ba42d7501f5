"""The half of the MQTT client that waits: umqtt's names, its promises and its errors."""

import inspect

import pytest

from firmware.mcu.mqtt import MQTTClient, MQTTException
from tests.firmware.mcu.both.mqtt_bench import Line

ANSWERS = {  # by the type of what the client writes, one packet a write
    0x10: lambda _: b"\x20\x02\x00\x00",
    0x30: lambda packet: b"\x40\x02" + packet[7:9] if packet[0] & 2 else b"",
    0x80: lambda packet: b"\x90\x03" + packet[2:4] + b"\x01",
    0xC0: lambda _: b"\xd0\x00",
}


class Answering(Line):
    """A broker that answers each packet at once. Topics it is sent have three bytes."""

    def __init__(self):
        super().__init__()
        self.answers = dict(ANSWERS)

    def write(self, data):
        """Take a packet and let its answer come."""
        count = super().write(data)
        packet = bytes(data)
        self.incoming += self.answers.get(packet[0] & 0xF0, lambda _: b"")(packet)
        return count


@pytest.fixture
def line():
    """The broker's end."""
    return Answering()


@pytest.fixture
def client(line):
    """A client at the other end, and what its callback was called with."""
    made = MQTTClient(b"g1", "broker", net=lambda _server, _port: line)
    made.heard = []
    made.set_callback(lambda topic, message: made.heard.append((topic, message)))
    return made


UMQTT = {  # micropython-lib, umqtt.simple 1.8: parameters and defaults
    "__init__": "client_id server port=0 user=None password=None keepalive=0 ssl=None",
    "set_callback": "f",
    "set_last_will": "topic msg retain=False qos=0",
    "connect": "clean_session=True timeout=None",
    "disconnect": "",
    "ping": "",
    "publish": "topic msg retain=False qos=0",
    "subscribe": "topic qos=0",
    "wait_msg": "",
    "check_msg": "",
}


@pytest.mark.parametrize("name", UMQTT)
def test_every_method_of_umqtt_takes_the_same_arguments(name):
    """A program written for umqtt.simple calls ours the same way, by place or by name."""
    parameters = list(inspect.signature(getattr(MQTTClient, name)).parameters.values())[1:]
    shown = [
        one.name if one.default is one.empty else f"{one.name}={one.default}" for one in parameters
    ]

    assert shown[: len(UMQTT[name].split())] == UMQTT[name].split()
    assert shown[len(UMQTT[name].split()) :] == (["net=None"] if name == "__init__" else [])


def test_ports_are_those_of_mqtt():
    """Without a port it is 1883, with TLS 8883."""
    assert MQTTClient("g", "b").port == 1883
    assert MQTTClient("g", "b", ssl=object()).port == 8883
    assert MQTTClient("g", "b", 1234, ssl=object()).port == 1234


def test_connect_returns_whether_a_session_was_kept(client, line):
    """As umqtt's connect does: the session-present flag of CONNACK."""
    assert client.connect() is False
    line.answers[0x10] = lambda _: b"\x20\x02\x01\x00"
    assert client.connect(clean_session=False) is True
    assert line.writes[-1][9] == 0


def test_a_refusal_is_umqtts_exception(client, line):
    """MQTTException carries the return code."""
    line.answers[0x10] = lambda _: b"\x20\x02\x00\x05"

    with pytest.raises(MQTTException) as caught:
        client.connect()
    assert caught.value.args == (5,)


def test_publish_waits_for_its_acknowledgement(client, line):
    """At QoS 1 publish returns when PUBACK came; a message that came first is delivered."""
    client.connect()
    line.incoming += b"\x30\x06\x00\x03a/bx"

    assert client.publish(b"a/b", b"hello", qos=1) == 1
    assert line.writes[-1] == b"\x32\x0c\x00\x03a/b\x00\x01hello"
    assert client.heard == [(b"a/b", b"x")]


def test_a_callback_may_publish(client, line):
    """What hangs umqtt: an answer published from within the callback."""
    client.connect()
    client.set_callback(lambda topic, _message: client.publish(topic, b"answer", qos=1))
    line.incoming += b"\x30\x06\x00\x03a/bx"

    assert client.wait_msg() == 0x30
    assert line.writes[-1] == b"\x32\x0d\x00\x03a/b\x00\x01answer"


def test_publish_without_an_acknowledgement_ends_at_its_deadline(client, line):
    """A broker that went silent is OSError, never a hang."""
    client.connect(timeout=0.03)
    line.answers[0x30] = lambda _: b""

    with pytest.raises(OSError, match="no PUBACK in time"):
        client.publish(b"a/b", b"hello", qos=1)
    with pytest.raises(OSError, match="not connected"):
        client.publish(b"a/b", b"hello", qos=1)


def test_publish_waits_for_room(client, line):
    """A burst at QoS 0 larger than the queue is taken whole, one after the other."""
    client.connect()
    line.room = 60
    refill = line.readinto

    def readinto(buffer):
        line.room = 60
        return refill(buffer)

    line.readinto = readinto
    for number in range(60):
        client.publish(b"a/b", b"%02d" % number)
    while client.check_msg() or client._outbox:
        pass

    written = b"".join(line.writes[1:])
    assert written == b"".join(b"\x30\x07\x00\x03a/b%02d" % number for number in range(60))


def test_a_silent_broker_ends_connect_at_its_timeout(client, line):
    """connect(timeout=…) bounds the wait for CONNACK."""
    line.answers.clear()
    looks = iter(range(0, 1_000, 10))  # ms; looked at too often it ends with StopIteration
    client._clock = lambda: next(looks)

    with pytest.raises(OSError, match="no CONNACK in time"):
        client.connect(timeout=0.5)


def test_subscribe_waits_for_its_acknowledgement(client, line):
    """SUBACK ends it; a refused filter is MQTTException(128), as in umqtt."""
    client.connect()
    client.subscribe(b"a/b", 1)
    assert line.writes[-1] == b"\x82\x08\x00\x01\x00\x03a/b\x01"
    line.answers[0x80] = lambda packet: b"\x90\x03" + packet[2:4] + b"\x80"

    with pytest.raises(MQTTException) as caught:
        client.subscribe(b"c/d")
    assert caught.value.args == (128,)


def test_subscribe_wants_a_callback(line):
    """Without one, messages would be lost silently."""
    client = MQTTClient("g1", "broker", net=lambda _server, _port: line)
    client.connect()

    with pytest.raises(ValueError, match="set_callback"):
        client.subscribe("a")


def test_check_msg_takes_one_message_and_never_waits(client, line):
    """None when nothing is there; one call, one callback."""
    client.connect()
    assert client.check_msg() is None
    line.incoming += b"\x30\x06\x00\x03a/b1\x32\x08\x00\x03a/b\x00\x092"
    found = [client.check_msg() for _ in range(3)]

    assert found == [0x30, 0x30, None]
    assert client.heard == [(b"a/b", b"1"), (b"a/b", b"2")]
    assert line.writes[-1] == b"\x40\x02\x00\x09"


def test_the_end_of_the_connection_is_umqtts_error(client, line):
    """OSError(-1), as wait_msg of umqtt raises it, and the reason beside it."""
    client.connect()
    line.is_ended = True

    with pytest.raises(OSError, match="closed the connection") as caught:
        client.wait_msg()
    assert caught.value.args == (-1, "the broker closed the connection")
    with pytest.raises(OSError, match="not connected"):
        client.check_msg()


def test_ping_and_disconnect_are_one_packet_each(client, line):
    """PINGREQ and DISCONNECT, and the stream is closed."""
    client.connect()
    client.ping()
    assert line.writes[-1] == b"\xc0\x00"
    assert client.check_msg() is None
    client.disconnect()

    assert line.writes[-1] == b"\xe0\x00"
    assert line.closed > 0


def test_after_connect_a_new_begin_waits_no_more(client):
    """The gate's half and umqtt's half are chosen by how the connection was begun."""
    client.connect()
    client.begin(0)

    assert client.publish("a/b", "x", qos=1) is None
    client.subscribe("c")
    assert [event[0] for event in client.poll(0) + client.poll(0)] == ["connected"]
    assert client.publish("a/b", "x", qos=1) == 2
