"""What a hostile or broken broker sends, on both Pythons: plain asserts, no pytest.

Sections in brackets are of MQTT 3.1.1 (OASIS, 2014).
"""

from firmware.mcu.mqtt import MQTTClient
from tests.firmware.mcu.both.mqtt_bench import CONNACK, Bench

REFUSALS = (
    (1, "it does not speak MQTT 3.1.1"),
    (2, "it does not take this client id"),
    (3, "its server is unavailable"),
    (4, "wrong user name or password"),
    (5, "not authorized"),
)


def test_a_refusal_says_why():
    """CONNACK [3.2.2.3]: each return code in words, and kept as a number."""
    for code, words in REFUSALS:
        bench = Bench()
        bench.client.begin(0)
        bench.turn()

        assert bench.turn(bytes((0x20, 2, 0, code))) == [
            ("closed", "the broker refused us: " + words)
        ]
        assert bench.client.refusal == code


BEFORE_CONNACK = (
    (b"\x30\x04\x00\x01tx", "the first packet is not CONNACK"),
    (b"\xd0\x00", "the first packet is not CONNACK"),
    (b"\x21\x02\x00\x00", "the first packet is not CONNACK"),
    (b"\x20\x03\x00\x00\x00", "a packet 20 of 3 bytes, out of place"),
    (b"\x20\x00", "a packet 20 of 0 bytes, out of place"),
    (b"\x20\xff\xff\xff\x7f", "a packet 20 of 268435455 bytes, out of place"),
    (b"\x20\x02\x02\x00", "CONNACK against the standard"),
    (b"\x20\x02\x00\x06", "CONNACK against the standard"),
    (b"\x20\x02\x01\x05", "CONNACK against the standard"),
    (b"HTTP/1.1 400 Bad Request\r\n", "the first packet is not CONNACK"),
    (b"\x15\x03\x01\x00\x02\x02\x16", "the first packet is not CONNACK"),
)
NO_TOPIC = "a message whose topic is against the standard"
AFTER_CONNACK = (
    (b"\x20\x02\x00\x00", "a packet that begins with 20, which no broker sends here"),
    (b"\x00\x00", "a packet that begins with 00, which no broker sends here"),
    (b"\x10\x00", "a packet that begins with 10, which no broker sends here"),
    (b"\x50\x02\x00\x01", "a packet that begins with 50, which no broker sends here"),
    (b"\xb0\x02\x00\x01", "a packet that begins with b0, which no broker sends here"),
    (b"\xe0\x00", "a packet that begins with e0, which no broker sends here"),
    (b"\xf0\x00", "a packet that begins with f0, which no broker sends here"),
    (b"\x41\x02\x00\x01", "a packet that begins with 41, which no broker sends here"),
    (b"\x40\x03\x00\x01\x00", "a packet 40 of 3 bytes, out of place"),
    (b"\x40\xff\xff\xff\x7f", "a packet 40 of 268435455 bytes, out of place"),
    (b"\x40\x02\x00\x02", "PUBACK for a message that is not in flight"),
    (b"\x40\x02\x00\x00", "PUBACK for a message that is not in flight"),
    (b"\x40\x02\x00\x01\x40\x02\x00\x01", "PUBACK for a message that is not in flight"),
    (b"\x90\x03\x00\x02\x01", "a packet 90 of 3 bytes, out of place"),
    (b"\xd0\x00", "PINGRESP that nobody asked for"),
    (b"\xd0\x01\x00", "a packet d0 of 1 bytes, out of place"),
    (b"\x30\xff\xff\xff\xff\x7f", "a remaining length of more than four bytes"),
    (b"\x30\xff\xff\xff\x7f", "a message longer than 262144 bytes"),
    (b"\x30\x02\x00\x01", "a packet 30 of 2 bytes, out of place"),
    (b"\x30\x03\x00\x00t", NO_TOPIC),
    (b"\x30\x03\x00\x02t", NO_TOPIC),
    (b"\x30\x03\xff\xfft", NO_TOPIC),
    (b"\x32\x05\x00\x03tx\x00", NO_TOPIC),
    (b"\x32\x05\x00\x01t\x00\x00", "a message with packet id 0"),
    (b"\x34\x06\x00\x01t\x00\x01x", "a message of QoS 2, which was not asked for"),
    (b"\x36\x06\x00\x01t\x00\x01x", "a message of QoS 2, which was not asked for"),
    (b"\x30\x04\x00\x01#x", NO_TOPIC),
    (b"\x30\x04\x00\x01+x", NO_TOPIC),
    (b"\x30\x04\x00\x01\x00x", NO_TOPIC),
    (b"\x30\x04\x00\x01\xffx", NO_TOPIC),
    (b"\x30\x05\x00\x02\xc0\x80x", NO_TOPIC),  # NUL in an overlong form
    (b"\x30\x06\x00\x03\xe0\x80\xafx", NO_TOPIC),  # / in overlong forms
    (b"\x30\x07\x00\x04\xf0\x80\x80\xafx", NO_TOPIC),
    (b"\x30\x05\x00\x02\xc3\x28x", NO_TOPIC),
    (b"\x30\x06\x00\x03\xed\xa0\x80x", NO_TOPIC),  # a surrogate [1.5.3]
    (b"\x30\x05\x00\x03\xe2\x82x", NO_TOPIC),
    (b"\x30\x07\x00\x04\xf4\x90\x80\x80x", NO_TOPIC),  # beyond U+10FFFF
    (b"\x32\xff\xff\x0f\xff\xff" + bytes(4_500), NO_TOPIC),  # too long, and no topic to be found
)


def _prepared():
    """A connection with one message in flight."""
    bench = Bench().up()
    bench.client.publish("t", "x", qos=1)
    return bench


def test_what_is_against_the_standard_closes_and_says_so():
    """Each wrong packet ends the connection with its own reason, and raises nothing."""
    for raw, why in BEFORE_CONNACK:
        bench = Bench()
        bench.client.begin(0)
        bench.turn()
        assert bench.turn(raw) == [("closed", why)], raw
    for raw, why in AFTER_CONNACK:
        assert _prepared().turn(raw)[-1:] == [("closed", why)], raw


def test_a_topic_longer_than_its_packet_reads_nothing_of_the_one_before():
    """What an earlier message left in the buffer is never taken for a topic."""
    bench = Bench().up()
    assert bench.turn(b"\x30\x0c\x00\x01tabcdefghi")[-1][1] == "t"

    assert bench.turn(b"\x30\x03\x00\x04s") == [("closed", NO_TOPIC)]


def test_a_socket_that_cannot_connect_closes_at_once():
    """What connect itself raises, no route or no memory, is told and not waited for."""

    class Net:
        """A socket module without a route, and its only socket."""

        AF_INET = SOCK_STREAM = 1
        closed = 0

        def socket(self, _family, _kind):
            return self

        def getaddrinfo(self, host, port, *_wanted):
            return [(1, 1, 0, "", (host, port))]

        def setblocking(self, flag):
            assert not flag

        def setsockopt(self, *_option):
            pass

        def connect(self, _address):
            raise OSError(113, "no route")

        def close(self):
            self.closed += 1

    net = Net()
    client = MQTTClient("g1", "192.0.2.1", net=net)
    client.begin(0)
    ((kind, why),) = client.poll(0)

    assert (kind, why[:7]) == ("closed", "OSError")
    assert net.closed == 1


def test_topics_of_every_length_of_utf8_are_read():
    """One, two, three and four bytes a character, and the edges of their ranges."""
    for topic in ("\x01", "\x7f", "\x80", "ß", "\u07ff", "\u0800", "书", "\ud7ff", "\ue000"):
        _assert_read(topic)
    for topic in ("\uffff", "\U00010000", "📚", "\U0010ffff"):
        _assert_read(topic)


def _assert_read(topic):
    raw = topic.encode()
    packet = bytes((0x30, 3 + len(raw), 0, len(raw))) + raw + b"x"
    assert Bench().up().turn(packet) == [("message", topic, b"x", False)]


SESSION = (
    CONNACK + b"\x90\x03\x00\x01\x01\x31\x08\x00\x03a/bone\x32\x0a\x00\x03a/b\x12\x34two"
    b"\x40\x02\x00\x02"
)


def _played(raw, *, is_ended=True):
    """Play the broker's side of a session; return the events and the bench."""
    bench = Bench()
    bench.client.subscribe("a/b", 1)
    bench.client.begin(0)
    bench.turn()
    events = []
    for place in range(len(raw)):
        events += bench.turn(raw[place : place + 1])
        if bench.client.is_up and bench.client.pid == 1:
            bench.client.publish("t", "x", qos=1)
    bench.line.is_ended = is_ended
    return events + bench.turn(), bench


def test_a_session_cut_at_any_byte_ends_with_a_reason():
    """After each byte the line may end; what was whole before is told, and then the end."""
    whole, _ = _played(SESSION)
    assert [event[0] for event in whole] == ["connected", "message", "message", "acked", "closed"]
    for cut in range(len(SESSION)):
        events, bench = _played(SESSION[:cut])
        assert events[-1] == ("closed", "the broker closed the connection")
        assert events[:-1] == whole[: len(events) - 1]
        assert bench.line.closed > 0


def test_a_session_with_any_byte_changed_never_raises():
    """Each byte of a session in turn becomes 8 others: it goes on, or closes with a reason."""
    ends = {}
    for place in range(len(SESSION)):
        for bit in range(8):
            raw = bytearray(SESSION)
            raw[place] ^= 1 << bit
            events, _ = _played(bytes(raw))
            assert [event[0] for event in events].count("closed") == 1
            assert events[-1][0] == "closed"
            assert isinstance(events[-1][1], str)
            ends[events[-1][1]] = True
    assert len(ends) >= 10


def test_noise_never_raises():
    """Pseudo-random bytes, after CONNACK and before it, end in a reason or in silence."""
    state, closed = 12_345, 0
    for round_ in range(300):
        noise = bytearray()
        for _ in range(64):
            state = (state * 1_103_515_245 + 12_345) & 0x3FFFFFFF
            noise.append(state >> 16 & 0xFF)
        bench = _prepared() if round_ % 2 else Bench()
        bench.client.begin(bench.now_ms) if not round_ % 2 else None
        bench.turn()
        events = bench.turn(bytes(noise)) + bench.turn(after_ms=10_000)
        closed += [event[0] for event in events].count("closed")
    assert closed == 300


def test_errors_of_the_socket_close_with_a_reason():
    """Whatever the platform raises is told at the next poll, also when publish met it."""
    for error in (OSError(104), OSError(-29312, "MBEDTLS"), ValueError("bad cert"), MemoryError()):
        bench = Bench().up()
        bench.line.error = error
        assert bench.client.publish("t", "x", qos=1) == 1
        ((kind, why),) = bench.turn()
        assert kind == "closed"
        assert why

        bench = Bench().up()
        bench.line.error = error
        ((kind, why),) = bench.turn()
        assert kind == "closed"
        assert why.startswith(type(error).__name__)


def test_a_line_that_cannot_be_opened_closes_with_a_reason():
    """A dial that raises ends the attempt; the next begin tries again."""

    def no_route(_server, _port):
        raise OSError(113, "no route")

    client = MQTTClient("g1", "broker", net=no_route)
    for _ in range(3):
        client.begin(0)
        ((kind, why),) = client.poll(0)
        assert kind == "closed"
        assert why.startswith("OSError")
        assert client.poll(1) == []


def test_a_flood_does_not_keep_the_caller():
    """One poll reads a bounded number of packets; the rest comes with the next ones."""
    bench = Bench().up()
    bench.line.incoming += b"\x30\x04\x00\x01tx" * 100
    first = bench.turn()
    rest = []
    for _ in range(20):
        rest += bench.turn()

    assert 0 < len(first) <= 16
    assert len(first) + len(rest) == 100


def test_acknowledgements_that_cannot_be_written_stop_the_reading():
    """With a full queue nothing more is read: what the broker sends waits at its side."""
    bench = Bench().up()
    bench.line.room = 0
    bench.line.incoming += b"\x32\x06\x00\x01t\x00\x01x" * 200
    events = []
    for _ in range(50):
        events += bench.turn()
    assert len(events) <= 40
    bench.line.room = None
    for _ in range(50):
        events += bench.turn()

    assert len(events) == 200
    assert bench.written() == [b"\x40\x02\x00\x01"] * 200
