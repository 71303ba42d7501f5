"""The MQTT connection against bytes of the standard, on both Pythons: plain asserts, no pytest.

The packets are written out here as MQTT 3.1.1 (OASIS, 2014) lays them out; sections in brackets.
"""

import gc

from firmware.mcu.mqtt import MQTTClient
from tests.firmware.mcu.both.mqtt_bench import CONNACK, Bench, Line, assert_refused

PINGRESP = b"\xd0\x00"


def test_connect_is_one_write_as_the_standard_has_it():
    """CONNECT [3.1]: protocol name and level 4, clean session, keepalive, client id."""
    bench = Bench(keepalive=30)
    bench.client.begin(0)

    assert bench.turn() == []
    assert bench.written() == [b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x1e\x00\x02g1"]
    assert bench.turn(b"\x20\x02\x00\x00") == [("connected", False)]
    assert bench.client.is_up


def test_will_and_login_lie_behind_the_client_id():
    """CONNECT [3.1.3]: will topic, will message, user name, password, with their flags."""
    bench = Bench(user="u", password=b"p\xff")
    bench.client.set_last_will("w/t", "gone", retain=True, qos=1)
    bench.client.begin(0, clean_session=False)
    bench.turn()

    assert bench.written() == [
        b"\x10\x20\x00\x04MQTT\x04\xec\x00\x00\x00\x02g1"
        b"\x00\x03w/t\x00\x04gone\x00\x01u\x00\x02p\xff"
    ]
    assert bench.turn(b"\x20\x02\x01\x00") == [("connected", True)]


def test_a_user_name_may_come_without_a_password():
    """CONNECT [3.1.2.9]: the password flag is clear, and no password follows."""
    bench = Bench(user="u")
    bench.client.begin(0)
    bench.turn()

    assert bench.written() == [b"\x10\x11\x00\x04MQTT\x04\x82\x00\x00\x00\x02g1\x00\x01u"]


def test_a_message_is_one_write():
    """PUBLISH [3.3]: flags, topic, packet id at QoS 1, payload; sent without waiting for poll."""
    bench = Bench().up()

    assert bench.client.publish("a/b", b"\x00\xff") == 0
    assert bench.client.publish("a/b", "x", retain=True, qos=1) == 1
    assert bench.written() == [b"\x30\x07\x00\x03a/b\x00\xff", b"\x33\x08\x00\x03a/b\x00\x01x"]
    assert bench.turn(b"\x40\x02\x00\x01") == [("acked", 1)]


def test_a_long_message_has_its_length_in_several_bytes():
    """Remaining length [2.2.3]: 127 in one byte, 128 and 16,383 in two, 16,384 in three."""
    for size, header in (
        (127, b"\x30\x7f"),
        (128, b"\x30\x80\x01"),
        (16_383, b"\x30\xff\x7f"),
        (16_384, b"\x30\x80\x80\x01"),
    ):
        bench = Bench().up()
        bench.client.publish("t", bytes(size - 3))
        written = b"".join(bench.written())

        assert written[: len(header) + 3] == header + b"\x00\x01t"
        assert len(written) == len(header) + size


def test_what_the_socket_does_not_take_is_continued():
    """Partial writes: byte by byte the same bytes go out, in order and once."""
    bench = Bench().up()
    bench.line.room = 0
    bench.client.publish("a/b", "one", qos=1)
    bench.client.publish("a/b", "two")
    for _ in range(40):
        bench.line.room = 1
        assert bench.turn() == []

    assert b"".join(bench.written()) == b"\x32\x0a\x00\x03a/b\x00\x01one\x30\x08\x00\x03a/btwo"


def test_what_comes_byte_by_byte_means_the_same():
    """Partial reads: a whole session in single bytes gives the events it gives at once."""
    session = b"\x20\x02\x00\x00\x31\x08\x00\x03a/bone\x32\x0a\x00\x03a/b\x12\x34two"
    expected = [
        ("connected", False),
        ("message", "a/b", b"one", True),
        ("message", "a/b", b"two", False),
    ]
    for bytes_per_read in (1, 2, 3, 5, 1_000):
        bench = Bench()
        bench.client.begin(0)
        bench.turn()
        bench.line.bytes_per_read = bytes_per_read
        events = bench.turn(session)
        for _ in range(3):
            events += bench.turn()

        assert events == expected
        assert bench.written()[-1] == b"\x40\x02\x12\x34"


def test_filters_are_asked_for_at_every_connect():
    """SUBSCRIBE [3.8] after CONNACK, for all filters in one packet, on each new connection."""
    bench = Bench()
    bench.client.subscribe("a/+", 1)
    bench.client.subscribe("b/#")
    for pid in (b"\x00\x01", b"\x00\x02", b"\x00\x03"):
        bench.client.begin(bench.now_ms)
        bench.turn()
        bench.turn(CONNACK)
        assert bench.written()[1:] == [b"\x82\x0e" + pid + b"\x00\x03a/+\x01\x00\x03b/#\x00"]
        assert bench.turn(b"\x90\x04" + pid + b"\x01\x00") == []
    bench.client.subscribe("c", 1)
    bench.turn()

    assert bench.written() == [b"\x82\x06\x00\x04\x00\x01c\x01"]


def test_many_filters_are_asked_for_packet_by_packet():
    """64 filters of 100 bytes: the next SUBSCRIBE follows the SUBACK of the one before."""
    bench = Bench()
    names = [f"{number:02}" + "x" * 98 for number in range(64)]
    for name in names:
        bench.client.subscribe(name, 1)
    bench.client.begin(0)
    bench.turn()
    bench.written()
    bench.turn(CONNACK)
    asked = 0
    while asked < 64:
        (packet,) = bench.written()
        pid, count = packet[3:5], packet.count(b"\x00\x64")
        asked += count
        assert len(packet) < 1_250
        assert bench.turn(bytes((0x90, 2 + count)) + pid + b"\x01" * count) == []
    assert asked == 64
    assert_refused(lambda: bench.client.subscribe("one more"), "at most 64 topic filters")


def test_a_filter_the_broker_refuses_is_named():
    """SUBACK [3.9.3]: 0x80 is told, and the connection goes on."""
    bench = Bench()
    bench.client.subscribe("secret/#", 1)
    bench.client.subscribe("b", 1)
    bench.up()

    assert bench.turn(b"\x90\x04\x00\x01\x80\x01") == [("refused", "secret/#")]
    assert bench.client.is_up


def test_packet_ids_go_on_at_one_and_pass_over_those_in_flight():
    """70,000 publishes: 1 to 65,535 and again, never 0, never one that waits for its PUBACK."""
    bench = Bench().up()
    first = bench.client.publish("t", "kept open", qos=1)
    used, before = [], first
    for _ in range(70_000):
        pid = bench.client.publish("t", "x", qos=1)
        assert bench.turn(bytes((0x40, 2, pid >> 8, pid & 0xFF))) == [("acked", pid)]
        if pid != before + 1:
            used.append((before, pid))
        before = pid
        bench.line.writes = []

    assert first == 1
    assert used == [(65_535, 2)]  # 0 is no packet id, and 1 is in flight
    assert before == 70_000 - 65_535 + 2


def test_no_more_is_in_flight_than_eight():
    """The ninth QoS-1 message is not taken, definitely; an acknowledgement makes room."""
    bench = Bench().up()
    pids = [bench.client.publish("t", "x", qos=1) for _ in range(9)]
    bench.written()

    assert pids == [1, 2, 3, 4, 5, 6, 7, 8, None]
    assert bench.client.room == 0
    assert bench.turn(b"\x40\x02\x00\x05") == [("acked", 5)]
    assert bench.client.room == 1
    assert bench.client.publish("t", "x", qos=1) == 9
    assert len(bench.written()) == 1


def test_the_queue_is_short():
    """With a socket that takes nothing, 24 packets or 16 KiB wait, and no more are taken."""
    bench = Bench().up()
    bench.line.room = 0
    taken = [bench.client.publish("t", "x") for _ in range(30)]
    assert taken == [0] * 24 + [None] * 6

    bench = Bench().up()
    bench.line.room = 0
    taken = [bench.client.publish("t", bytes(6_000)) for _ in range(4)]
    assert taken == [0, 0, None, None]


def test_a_long_message_goes_alone():
    """Up to 16.5 KiB are taken when nothing else waits; more is ValueError, in any state."""
    bench = Bench().up()
    assert bench.client.publish("t", bytes(16_800)) == 0
    for client in (bench.client, Bench().client):
        says = "a message of 16910 bytes; at most 16896 are sent"
        assert_refused(lambda client=client: client.publish("t", bytes(16_900)), says)


def test_nothing_is_taken_without_a_connection():
    """Before CONNACK and after the end a message is refused, definitely."""
    bench = Bench()
    assert bench.client.publish("t", "x", qos=1) is None
    bench.client.begin(0)
    bench.turn()
    assert bench.client.publish("t", "x", qos=1) is None
    bench.turn(CONNACK)
    bench.line.is_ended = True
    assert bench.turn() == [("closed", "the broker closed the connection")]
    assert bench.client.publish("t", "x", qos=1) is None
    assert bench.turn() == []
    assert bench.line.closed > 0


def test_nothing_of_an_old_connection_is_sent_on_a_new_one():
    """What waited or was in flight is gone: the journal asks for it again, not the connection."""
    bench = Bench().up()
    bench.line.room = 3
    bench.client.publish("t", "half written", qos=1)
    bench.up()

    assert bench.client.room == 8
    assert bench.turn() == []
    assert bench.written() == []


def test_quiet_lines_are_pinged_at_half_the_keepalive():
    """PINGREQ [3.12] when nothing was sent or nothing came for 15 of 30 seconds."""
    bench = Bench(keepalive=30).up()
    assert bench.turn(after_ms=14_999) == []
    assert bench.written() == []
    bench.turn(after_ms=1)
    assert bench.written() == [b"\xc0\x00"]
    assert bench.turn(PINGRESP) == []
    for _ in range(3):  # we talk, the broker does not
        bench.turn(after_ms=5_000)
        bench.client.publish("t", "x")
    assert bench.written().count(b"\xc0\x00") == 1
    bench.turn(PINGRESP)
    for _ in range(3):  # the broker talks, we do not
        bench.turn(b"\x30\x04\x00\x01tx", after_ms=5_000)
    assert bench.written() == [b"\xc0\x00"]


def test_without_a_keepalive_nothing_is_pinged():
    """Keepalive 0 switches it off [3.1.2.10]."""
    bench = Bench().up()

    assert bench.turn(after_ms=10_000_000) == []
    assert bench.written() == []


def test_quiet_turns_leave_little_for_the_garbage_collector():
    """A poll in which nothing happens takes less than 200 bytes of heap (seen on MicroPython)."""
    taken = getattr(gc, "mem_alloc", lambda: 0)
    bench = Bench(keepalive=60).up()
    client, now_ms = bench.client, bench.now_ms
    gc.collect()
    gc.disable()
    try:
        before = taken()
        for _ in range(100):
            client.poll(now_ms)
        used = taken() - before
    finally:
        gc.enable()

    assert used < 100 * 200, used


def test_each_answer_has_a_deadline_of_its_own_name():
    """A broker that goes silent is noticed at the deadline, not before, and said by its name."""

    def write_held(bench):
        bench.client.begin(bench.now_ms)
        bench.turn()

    def publish(bench):
        bench.up().client.publish("t", "x", qos=1)

    def subscribe(bench):
        bench.up().client.subscribe("t")
        bench.turn()

    def ping(bench):
        bench.up().client.ping()

    def stall(bench):
        bench.up().line.room = 0
        bench.client.publish("t", "x")

    for prepare, why in (
        (write_held, "no CONNACK in time"),
        (publish, "no PUBACK in time"),
        (subscribe, "no SUBACK in time"),
        (ping, "no PINGRESP in time"),
        (stall, "the socket takes no bytes"),
    ):
        bench = Bench()
        prepare(bench)
        assert bench.turn(after_ms=9_999) == [], why
        assert bench.turn(after_ms=1) == [("closed", why)]
        assert bench.line.closed > 0
        assert bench.turn() == []


def test_opening_has_a_deadline():
    """A name that is not found and a CONNECT that cannot be written end after 10 s."""

    class Slow:
        """A socket module that is never asked, because the name is being looked up."""

        socket = None

    client = MQTTClient("g1", "broker.library", net=Slow)
    looked = []
    client.resolve = looked.append
    client.begin(0)
    assert client.poll(9_999) == []
    assert client.poll(10_000) == [("closed", "no connection in time")]
    assert looked == ["broker.library"] * 2

    held = Line()
    held.room = 0
    client = MQTTClient("g1", "broker", net=lambda _server, _port: held)
    client.begin(0)
    assert client.poll(9_999) == []
    assert client.poll(10_000) == [("closed", "no connection in time")]
    assert held.closed > 0


def test_a_half_keepalive_shorter_than_the_deadline_is_the_deadline_of_a_ping():
    """With a keepalive of 4 s a dead broker is noticed 4 s after its last word."""
    bench = Bench(keepalive=4).up()
    assert bench.turn(after_ms=2_000) == []
    assert bench.turn(after_ms=1_999) == []

    assert bench.turn(after_ms=1) == [("closed", "no PINGRESP in time")]


def test_leaving_sends_what_waits_and_then_disconnect():
    """DISCONNECT [3.14] is the last packet, so the will is not published."""
    bench = Bench().up()
    bench.line.room = 0
    bench.client.publish("t", "last", qos=1)
    bench.client.disconnect()
    assert bench.client.publish("t", "later", qos=1) is None
    assert bench.turn() == []
    bench.line.room = None

    assert bench.turn() == [("closed", "left")]
    assert b"".join(bench.written()) == b"\x32\x09\x00\x01t\x00\x01last\xe0\x00"


def test_leaving_takes_two_seconds_at_most():
    """A socket that takes nothing does not keep anybody."""
    bench = Bench().up()
    bench.line.room = 0
    bench.client.disconnect()
    assert bench.turn(after_ms=1_999) == []

    assert bench.turn(after_ms=1) == [("closed", "left, with messages unsent")]


def test_a_message_too_long_is_read_past():
    """It is acknowledged and counted, in whatever pieces it comes; the next one is delivered."""
    for bytes_per_read in (1, 100, 10_000):
        bench = Bench().up()
        bench.line.bytes_per_read = bytes_per_read
        bench.line.incoming += b"\x32\x87\x60\x00\x03a/b\x00\x07" + bytes(12_288)
        bench.line.incoming += b"\x30\x06\x00\x03a/bn"
        events = []
        for _ in range(3 + 12_300 // 32 // bytes_per_read):
            events += bench.turn()

        assert events == [("message", "a/b", b"n", False)]
        assert bench.client.skipped == 1
        assert bench.written() == [b"\x40\x02\x00\x07"]


def test_the_longest_message_of_the_protocol_is_taken():
    """4,096 bytes of payload under a topic of 256 are delivered; one byte more is not."""
    topic = b"t" * 256
    for size, skipped in ((4_096, 0), (4_097, 1)):
        bench = Bench().up()
        remaining = 2 + 256 + 2 + size
        header = bytes((0x32, remaining & 0x7F | 0x80, remaining >> 7))
        bench.line.incoming += header + b"\x01\x00" + topic + b"\x00\x09" + bytes(size)
        events = bench.turn() + bench.turn()

        expected = [("message", "t" * 256, bytes(size), False)]
        assert events == ([] if skipped else expected)
        assert bench.client.skipped == skipped
        assert bench.written() == [b"\x40\x02\x00\x09"]


def test_what_a_program_gives_wrongly_is_refused_at_once():
    """Wildcards, empty topics, NUL, QoS 2 and keepalives out of range are ValueError."""
    client = Bench().up().client
    for call in (
        lambda: client.publish("a/#", "x"),
        lambda: client.publish("a/+/b", "x"),
        lambda: client.publish("", "x"),
        lambda: client.publish("a\x00", "x"),
        lambda: client.publish("a", "x", qos=2),
        lambda: client.subscribe(""),
        lambda: client.subscribe("a", 2),
        lambda: client.set_last_will("a/#", "x"),
        lambda: client.set_last_will("a", "x", qos=3),
        lambda: MQTTClient("g", "b", keepalive=65_536, net=client.net),
        lambda: MQTTClient("g", "b", keepalive=-1, net=client.net),
    ):
        assert_refused(call)
