"""The tap at a cable: what a broker took, what it delivered, and what came again."""

import json

import pytest

from sim.torture.packets import JournalTap, Packets, Tally, journal_message, mark_of
from sim.torture.tallies import carried

TOPIC = "lg/1/measured/7f/kiosk-1/journal"
REPLY = "lg/1/measured/7f/kiosk-1/reply"


def batch(seq0, count=2):
    """Return a journal message's payload."""
    return json.dumps({"epoch": "ab", "seq0": seq0, "events": ["{}"] * count}).encode()


def packet(first, body):
    """Return a packet with its length as MQTT writes it."""
    length, size = b"", len(body)
    while True:
        size, digit = size >> 7, size & 0x7F
        length += bytes([digit | (0x80 if size else 0)])
        if not size:
            return bytes([first]) + length + body


def publish(topic, packet_id, payload, qos=1):
    """Return a PUBLISH."""
    name = topic.encode()
    number = packet_id.to_bytes(2) if qos else b""
    return packet(0x30 | qos << 1, len(name).to_bytes(2) + name + number + payload)


def puback(packet_id):
    """Return a PUBACK."""
    return packet(0x40, packet_id.to_bytes(2))


@pytest.mark.parametrize("size", [1, 7, 100, 100_000])
def test_packets_are_found_in_pieces_of_any_size(size):
    """How the stream was cut on its way changes nothing; lengths of one to three bytes."""
    bodies = [b"", b"x" * 127, b"y" * 128, b"z" * 20_000]
    stream = b"".join(packet(0x30, body) for body in bodies)
    packets = Packets()

    found = [
        body
        for start in range(0, len(stream), size)
        for _, body in packets.feed(stream[start : start + size])
    ]

    assert found == bodies


def test_only_journal_messages_of_qos_1_count():
    """Heads, replies and telemetry pass unseen."""
    (journal,) = Packets().feed(publish(TOPIC, 3, b"{}"))
    (reply,) = Packets().feed(publish(REPLY, 3, b"{}"))
    (telemetry,) = Packets().feed(publish(TOPIC, 0, b"{}", qos=0))

    assert journal_message(*journal) == (3, TOPIC, b"{}")
    assert journal_message(*reply) is None
    assert journal_message(*telemetry) is None


@pytest.fixture
def tally(tmp_path):
    """A tally that is open, and its file."""
    tally = Tally(tmp_path / "tally.jsonl")
    yield tally
    tally.close()


def seen(tmp_path):
    return carried(tmp_path / "tally.jsonl").doc()


def test_a_message_that_was_taken_and_delivered_is_not_lost(tally, tmp_path):
    """PUBACK to the station, message to the gateway: the broker did what it said."""
    station, gateway = JournalTap(tally.write), JournalTap(tally.write)
    station.goes(publish(TOPIC, 1, batch(1)))
    station.came(puback(1))
    gateway.came(publish(TOPIC, 9, batch(1)))

    assert seen(tmp_path) == {
        "messages_taken": 1,
        "messages_delivered": 1,
        "messages_lost": 0,
        "facts_delivered": 2,
        "facts_again": 0,
    }


def test_a_puback_without_a_delivery_is_a_lost_message(tally, tmp_path):
    """So one loses facts who believes a broker; a message without a PUBACK is not counted."""
    station = JournalTap(tally.write)
    station.goes(publish(TOPIC, 1, batch(1)) + publish(TOPIC, 2, batch(3)))
    station.came(puback(2))

    assert (seen(tmp_path)["messages_taken"], seen(tmp_path)["messages_lost"]) == (1, 1)


def test_rows_that_come_again_are_counted(tally, tmp_path):
    """Another message with the same rows repeats them, whatever its bytes are."""
    gateway = JournalTap(tally.write)
    gateway.came(publish(TOPIC, 1, batch(1, count=3)))
    gateway.came(publish(TOPIC, 2, batch(2, count=4)))

    assert (seen(tmp_path)["facts_delivered"], seen(tmp_path)["facts_again"]) == (7, 2)


def test_a_message_nobody_can_read_is_delivered_all_the_same(tally, tmp_path):
    """A tap looks and never judges."""
    gateway = JournalTap(tally.write)
    gateway.came(publish(TOPIC, 1, b"\xff"))

    assert (seen(tmp_path)["messages_delivered"], seen(tmp_path)["facts_delivered"]) == (1, 0)


def test_a_line_torn_by_a_kill_is_left_out(tally, tmp_path):
    """The rest of the tally still counts."""
    tally.write(taken=mark_of(b"x"))
    with (tmp_path / "tally.jsonl").open("a") as file:
        file.write('{"tak')

    assert seen(tmp_path)["messages_taken"] == 1
