"""What is seen at a station's cable: that it is connected, and what it was told."""

from sim.torture.building import CableTap

CONNACK = bytes.fromhex("20020000")


def publish(topic, payload, *, qos):
    """Return a short PUBLISH."""
    body = len(topic).to_bytes(2) + topic + (b"\x00\x07" if qos else b"") + payload
    return bytes([0x30 | qos << 1, len(body)]) + body


def test_a_cable_shows_when_its_station_is_connected():
    """The broker's CONNACK counts, not the attempt."""
    times = []
    tap = CableTap(lambda: times.append("now"), lambda topic, payload: None)

    tap.goes(bytes.fromhex("100c00044d5154540402001e0000"))
    assert times == []
    tap.came(CONNACK[:2])
    tap.came(CONNACK[2:])

    assert times == ["now"]


def test_a_cable_shows_what_its_station_is_told():
    """Topic and payload, with and without a packet id."""
    told = []
    tap = CableTap(lambda: None, lambda topic, payload: told.append((topic, payload)))

    tap.came(publish(b"a/loan", b"{}", qos=1) + publish(b"b", b"x", qos=0))

    assert told == [("a/loan", b"{}"), ("b", b"x")]
