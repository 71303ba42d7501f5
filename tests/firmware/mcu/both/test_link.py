"""When the link begins and gives up a connection, and when the radio joins; on both Pythons."""

from firmware.mcu.link import Link
from firmware.mcu.wifi import JOIN_MS, Wifi


class Client:
    """A client whose broker is the test."""

    def __init__(self):
        self.begun, self.events, self.sent, self.left = [], [], [], 0

    def begin(self, now_ms):
        self.begun.append(now_ms)

    def poll(self, now_ms):
        events, self.events = self.events, []
        return events

    def send(self, topic, payload, retained, qos):
        self.sent.append(topic)
        return 1

    def leave(self):
        self.left += 1


class Wlan:
    """A radio."""

    def __init__(self):
        self.up, self.calls, self.refuses = False, [], False

    def active(self, on):
        self.calls.append("active")

    def isconnected(self):
        return self.up

    def connect(self, ssid, password):
        self.calls.append("connect")
        if self.refuses:
            raise OSError(1)

    def disconnect(self):
        self.calls.append("disconnect")


class Options:
    ssid, password = "school", "12345678"


def longest(limit):
    return limit - 1


def run(link, until_ms, step_ms=100, begin_ms=0, **more):
    given = {"has_network": True, "is_quiet": True}
    given.update(more)
    events = []
    for now_ms in range(begin_ms, until_ms, step_ms):
        events += link.turn(now_ms, **given)
    return events


def test_a_message_goes_out_on_an_open_connection_or_never():
    """Before the broker has accepted us nothing is sent, and afterwards nothing is sent late."""
    client = Client()
    link = Link(client, longest)
    assert not link.publish("a", b"1", retained=False, qos=1)

    run(link, 200)
    client.events = [("connected", False)]
    assert run(link, 300, begin_ms=200) == [("connected", False)]
    assert link.publish("b", b"2", retained=False, qos=1)
    assert client.sent == ["b"]
    assert link.unsent == 1


def test_the_first_reconnect_is_quick_and_the_next_ones_are_not():
    """A lasting connection is renewed within 0.2 s; short ones wait twice as long each time."""
    client = Client()
    link = Link(client, longest)
    run(link, 100)
    client.events = [("connected", False)]
    run(link, 20_000, begin_ms=100)
    client.events = [("closed", "gone")]
    run(link, 20_500, begin_ms=20_000)
    assert client.begun == [0, 20_200]

    for _ in range(6):
        client.events = [("closed", "again")]
        run(link, client.begun[-1] + 60_000, begin_ms=client.begun[-1] + 100)
    waits = [b - a for a, b in zip(client.begun[1:], client.begun[2:])]  # noqa: B905
    assert waits == [600, 1_100, 2_100, 4_100, 8_100, 16_100]


def test_without_a_network_nothing_is_begun_and_an_open_one_is_closed():
    """The radio's loss ends the connection at once, and says so once."""
    client = Client()
    link = Link(client, longest)
    run(link, 60_000, has_network=False)
    assert client.begun == []

    run(link, 60_200, begin_ms=60_000)
    client.events = [("connected", False)]
    run(link, 60_300, begin_ms=60_200)
    assert run(link, 61_000, begin_ms=60_300, has_network=False) == [("closed", "no Wi-Fi")]
    assert not link.is_up


def test_a_busy_door_puts_a_connection_off_and_not_for_ever():
    """Somebody always passes: after ten seconds it is begun all the same."""
    client = Client()
    link = Link(client, longest)
    run(link, 30_000, is_quiet=False)

    assert client.begun == [10_000]


def test_a_connection_may_be_asked_to_be_renewed():
    """The old one is left in order, and its end is told."""
    client = Client()
    link = Link(client, longest)
    run(link, 100)
    client.events = [("connected", False)]
    run(link, 200, begin_ms=100)
    link.renew("no head for 60 s")

    assert run(link, 300, begin_ms=200) == [("closed", "no head for 60 s")]
    assert client.left == 1
    assert link.why == "no head for 60 s"


def test_the_radio_is_asked_again_and_never_waited_for():
    """A try that hangs is given up after its time; tries come slower and slower."""
    wlan = Wlan()
    wifi = Wifi(wlan, Options, longest)
    for now_ms in range(0, 10 * 60_000, 100):
        assert not wifi.turn(now_ms)

    assert wlan.calls[0] == "connect"
    assert wlan.calls[1] == "disconnect"
    assert 8 <= wifi.tries <= 14
    wlan.up = True
    assert wifi.turn(11 * 60_000)


def test_a_radio_in_the_middle_of_something_is_asked_later():
    """What the driver raises is no end of anything."""
    wlan = Wlan()
    wlan.refuses = True
    wifi = Wifi(wlan, Options, longest)
    for now_ms in range(0, JOIN_MS, 100):
        wifi.turn(now_ms)

    assert wlan.calls.count("connect") in (4, 5)


def test_a_network_that_comes_back_is_joined_at_once():
    """After a good time the waits begin anew."""
    wlan = Wlan()
    wifi = Wifi(wlan, Options, longest)
    wifi.turn(0)
    wlan.up = True
    assert wifi.turn(500)
    wlan.up = False
    assert not wifi.turn(1_000)

    assert wlan.calls == ["connect", "connect"]
