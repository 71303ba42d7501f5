"""Detection and the network: whatever the broker does, the siren is as quick as without it."""

import pytest

from circulation.wire.messages import Head, SiteLoan, Status
from circulation.wire.topics import Topics
from firmware.mcu.mqtt import MQTTClient
from firmware.mcu.shell import NETWORK_MS
from tests.firmware.mcu.bench import LIBRARY, LINEAGE, SITE, UID, Bench, book

TOPICS = Topics(LIBRARY)
HOUR_MS = 3_600_000


def alarm_latency_ms(bench):
    """Carry a book that may not leave through the beams; return beam to siren, or None."""
    bench.pad.place(book())
    bench.run(600)
    bench.out("siren").history.clear()
    began_ms = bench.clock.now_ms()
    bench.walk()
    sounded = [at for at, level in bench.out("siren").history if level == 1]
    bench.pad.lift(UID)
    bench.run(40_000, step_ms=500)
    return sounded[0] - began_ms if sounded else None


class Silent:
    """A stream whose broker accepts, says one thing, and then nothing for ever.

    Reads find nothing, writes are taken for a while and then no more: as a broker that hangs.
    """

    opened = 0

    def __init__(self, greets, room):
        type(self).opened += 1
        self.answer = b"\x20\x02\x00\x00" if greets else b""
        self.room = room

    def readinto(self, buffer):
        if not self.answer:
            return None
        count = min(len(buffer), len(self.answer))
        buffer[:count], self.answer = self.answer[:count], self.answer[count:]
        return count

    def write(self, data):
        taken = min(len(data), self.room)
        self.room -= taken
        return taken or None

    def close(self):
        pass


@pytest.mark.parametrize("greets", [True, False])
def test_a_broker_silent_for_an_hour_changes_no_latency(greets):
    """It accepts and then says nothing, through the real client: the alarm comes as ever."""
    bench = Bench()
    bench.client = MQTTClient(
        "school/gate-2", "192.168.1.10", keepalive=60, net=lambda *_: Silent(greets, 4_000)
    )
    bench.start()
    bench.clear()
    before_ms = alarm_latency_ms(bench)

    turns = turn_times(bench, HOUR_MS, step_ms=1_000)
    assert max(turns) == 0
    assert alarm_latency_ms(bench) == before_ms == 10
    assert Silent.opened > 20  # it went on trying


def test_a_slow_network_takes_its_share_and_no_more():
    """A flood of messages is taken a few a turn, and a tag among them is as quick as ever."""
    bench = Bench()
    bench.clear()
    bench.run(3_000)
    slow(bench, message_ms=4)
    bench.client.events = [("message", TOPICS.site_loan(SITE), b"{}", False) for _ in range(2_000)]

    turns = turn_times(bench, 2_000)
    assert max(turns) < NETWORK_MS + 4
    assert alarm_latency_ms(bench) <= 10 + NETWORK_MS + 4
    assert bench.shell.courier.rejected > 500


def test_messages_wait_in_the_socket_and_not_here():
    """While messages are being taken nothing more is fetched: what waits does not grow."""
    bench = Bench()
    bench.clear()
    bench.run(3_000)
    slow(bench, message_ms=20)
    polls = []
    poll = bench.client.poll
    bench.client.poll = lambda now_ms: polls.append(now_ms) or poll(now_ms)
    bench.client.events = [("message", TOPICS.site_loan(SITE), b"{}", False)] * 50

    bench.run(500)
    assert len(polls) < 25
    assert len(bench.shell._arrived) < 50


def test_without_wifi_nothing_is_begun_and_everything_is_detected():
    """A school whose network is down at night has a gate all the same."""
    bench = Bench()
    bench.wlan.is_there = False
    bench.clear()

    assert alarm_latency_ms(bench) == 10
    assert bench.client.begun == 0
    assert bench.wlan.calls.count("connect") > 1

    bench.wlan.is_there = True
    bench.run(90_000, step_ms=250)
    assert bench.client.begun >= 1
    assert TOPICS.status("gate-2") in [topic for topic, *_ in bench.client.sent]


def test_a_connection_is_begun_while_nobody_passes():
    """With TLS a step computes for a while: it waits for a quiet moment, and not for ever."""
    bench = Bench()
    bench.clear()
    for _ in range(8):
        bench.input("beam_1").drive(1)
        bench.run(500)
        assert bench.client.begun == 0
        bench.input("beam_1").drive(0)
        bench.run(500)
    for _ in range(6):
        bench.input("beam_1").drive(1)
        bench.run(500)
        bench.input("beam_1").drive(0)
        bench.run(500)

    assert bench.client.begun == 1


def test_a_gateway_that_says_nothing_gets_a_new_connection():
    """Connected for a minute without a head: the connection is closed and another one opened."""
    bench = Bench()
    bench.clear()
    bench.run(140_000, step_ms=250)

    assert bench.client.begun in (2, 3)


def test_two_with_one_name_do_not_throw_each_other_out_for_ever():
    """A connection that ends at once makes the next wait longer, up to half a minute."""
    bench = Bench()
    bench.clear()
    bench.random_below = lambda limit: limit - 1
    bench.start()
    begin = bench.client.begin

    def begin_and_lose(now_ms):
        begin(now_ms)
        bench.client.events.append(("closed", "thrown out"))

    bench.client.begin = begin_and_lose
    bench.run(600_000, step_ms=400)
    assert bench.client.begun < 30


def test_a_loan_at_the_kiosk_opens_the_gate_without_the_gateway():
    """A message of the site, genuine and fresh, lets the book go; a forged one does not."""
    loan = SiteLoan("kiosk-1", 1, 1, "0" * 16, [UID], "on", 3, [], "1" * 16, 0, None, "")
    bench = Bench()
    bench.clear()
    bench.run(3_000)
    bench.client.events.append(("message", TOPICS.site_loan(SITE), encode_forged(loan), False))
    assert alarm_latency_ms(bench) == 10

    bench.tell(TOPICS.site_loan(SITE), loan)
    bench.run(200)
    assert alarm_latency_ms(bench) is None


def test_a_fresh_list_and_heard_kiosks_are_what_row_6_needs():
    """A head of the gateway and a word of every kiosk: the lamp and the status say FRESH."""
    bench = Bench()
    bench.clear()
    bench.run(3_000)
    bench.tell(TOPICS.head(), Head(LINEAGE, 1, 0, {"may_leave": 1}, 3, False, ""))
    bench.tell(TOPICS.status("kiosk-1"), kiosk("kiosk-1"))
    bench.run(3_000)

    assert bench.shell.list_state() == "FRESH"
    assert TOPICS.telemetry("kiosk-1") in bench.client.filters
    assert bench.shell.is_synced


def kiosk(station):
    names = dict.fromkeys(Status._fields)
    names |= {"station": station, "on": True, "boot": "0" * 8, "epoch": "0" * 16, "n": 1}
    names |= {"seq_last": 0, "acked": 0, "versions": {}, "firmware": "x", "clock": "sure"}
    names |= {"role": "kiosk", "site": SITE, "config_version": 0, "name": station}
    return Status(**names)


def encode_forged(message):
    from circulation.wire.messages import encode, sealed

    return encode(sealed(message, b"another site's key"))


def turn_times(bench, duration_ms, step_ms=10):
    """Let turns follow each other; return what each took of the virtual time."""
    took = []
    end_ms = bench.clock.now_ms() + duration_ms
    while bench.clock.now_ms() < end_ms:
        began_ms = bench.clock.now_ms()
        bench.shell.turn()
        took.append(bench.clock.now_ms() - began_ms)
        bench.clock.advance(step_ms)
    return took


def slow(bench, *, message_ms):
    """Let every message take that long, as parsing does on a board."""
    on_event = bench.shell.courier.on_event

    def slowly(event, now_ms):
        bench.clock.advance(message_ms)
        on_event(event, now_ms)

    bench.shell.courier.on_event = slowly
