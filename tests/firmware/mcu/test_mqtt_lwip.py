"""The MQTT connection over sockets as lwIP has them, and the accidents that befall a network."""

import select
import socket
from contextlib import contextmanager

import pytest

from firmware.mcu.mqtt import MQTTClient
from sim.mcu.lwip import EAGAIN, ECONNRESET, EINPROGRESS, ENOMEM, ETIMEDOUT, Lwip
from tests.support.brokers import free_port

WAIT_MS = 2_000


class Peer:
    """The broker's end of a loopback connection, in the hands of the test."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(5)
        self.port = self.listener.getsockname()[1]
        self.connection = None
        self.opened = [self.listener]

    def accept(self):
        """Take the next connection."""
        self.connection, _ = self.listener.accept()
        self.connection.settimeout(5)
        self.opened.append(self.connection)

    def receive(self, count):
        """Wait for exactly that many bytes."""
        found = b""
        while len(found) < count:
            found += self.connection.recv(count - len(found))
        return found

    def close(self):
        """Close everything."""
        for one in self.opened:
            one.close()

    def reset(self):
        """Close the connection as a crashed broker does: RST instead of FIN."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.connection.close()


def errno_of(call):
    """Return the number of the OSError that this raises."""
    with pytest.raises(OSError, match="lwIP") as caught:
        call()
    return caught.value.errno


@pytest.fixture
def peer():
    """A listening peer."""
    made = Peer()
    yield made
    made.close()


@pytest.fixture
def net():
    """A board's network that knows the broker's name."""
    made = Lwip(send_bytes=64)
    made.names["broker.library"] = "127.0.0.1"
    return made


class Gate:
    """A client on a board, and its clock."""

    def __init__(self, net, port, **settings):
        self.client = MQTTClient("g1", "broker.library", port, net=net, **settings)
        self.now_ms = 0

    def until(self, kind):
        """Poll until this has happened; the clock stands still. Return all that happened."""
        events = []
        for _ in range(WAIT_MS):
            events += self.client.poll(self.now_ms)
            if kind in [event[0] for event in events]:
                return events
            if self.client.sock is not None:
                select.select([self.client.sock], [], [], 0.001)
        raise AssertionError(f"no {kind}: {events}")

    def connect(self, peer):
        """Connect to a peer that says yes."""
        self.client.begin(self.now_ms)
        self.client.poll(self.now_ms)
        peer.accept()
        for _ in range(10):
            self.client.poll(self.now_ms)
        size = 2 + 12 + 2
        assert peer.receive(size)[:2] == b"\x10\x0e"
        peer.connection.sendall(b"\x20\x02\x00\x00")
        assert self.until("connected") == [("connected", False)]
        return self


def test_a_message_passes_through_a_small_send_buffer(net, peer):
    """With room for 64 bytes at a time, 2,000 bytes go out over many polls, whole."""
    gate = Gate(net, peer.port).connect(peer)
    gate.client.publish("t", bytes(range(250)) * 8, qos=1)
    for _ in range(60):
        assert gate.client.poll(gate.now_ms) == []

    assert peer.receive(2_008) == b"\x32\xd5\x0f\x00\x01t\x00\x01" + bytes(range(250)) * 8


def test_a_packet_is_one_write(net, peer):
    """CONNECT, PUBLISH and SUBSCRIBE each reach the socket in one call."""
    gate = Gate(net, peer.port).connect(peer)
    before = gate.client.sock.writes
    gate.client.publish("t", "x", qos=1)
    gate.client.subscribe("a")
    gate.client.poll(0)

    assert (before, gate.client.sock.writes) == (1, 3)


def test_no_wait_is_ever_asked_for(net, peer):
    """In a whole connection no socket call may wait: the timeout is 0, all the time."""

    def refuse(_socket):
        raise AssertionError("the client would wait")

    net.wait = refuse
    gate = Gate(net, peer.port).connect(peer)
    gate.client.publish("t", bytes(500), qos=1)
    gate.client.poll(0)

    assert gate.client.sock.timeout_ms == 0


def test_a_name_nobody_knows_closes_with_a_reason(net, peer):
    """What the look-up raises ends the attempt; the next one looks again."""
    net.names.clear()
    gate = Gate(net, peer.port)
    for lookups in (1, 2):
        gate.client.begin(0)
        assert gate.client.poll(0) == [("closed", "OSError: [Errno -2] lwIP")]
        assert net.lookups == lookups
    assert net.opened == 0


def test_a_port_where_nobody_listens_closes_with_a_reason(net):
    """lwIP says ECONNRESET, at the first use after the refusal."""
    gate = Gate(net, free_port())
    gate.client.begin(0)

    ((kind, why),) = gate.until("closed")
    assert (kind, why) == ("closed", "ConnectionResetError: [Errno 104] lwIP")
    assert net.opened == 0


def test_a_cable_out_while_connecting_ends_at_the_deadline(net, peer):
    """SYN is never answered; lwIP takes CONNECT into its buffer, and no CONNACK comes."""
    net.is_cut = True
    net.names.clear()
    gate = Gate(net, peer.port)
    gate.client.server = "127.0.0.1"
    gate.client.begin(0)
    for now_ms in (0, 5_000, 9_999):
        assert gate.client.poll(now_ms) == []

    assert gate.client.poll(10_000) == [("closed", "no CONNACK in time")]
    assert net.opened == 0


def test_a_cable_out_is_noticed_within_one_keepalive(net, peer):
    """Nobody is told when a cable is pulled: the unanswered PINGREQ tells."""
    gate = Gate(net, peer.port, keepalive=30).connect(peer)
    net.is_cut = True
    assert gate.client.poll(14_999) == []
    assert gate.client.poll(15_000) == []
    assert gate.client.poll(24_999) == []

    assert gate.client.poll(25_000) == [("closed", "no PINGRESP in time")]


def test_a_peer_that_reads_no_more_ends_at_the_deadline(net, peer):
    """The send buffer fills, nothing is taken, and the packet that waits says so."""
    gate = Gate(net, peer.port).connect(peer)
    net.is_stalled = True
    gate.client.publish("t", bytes(500))
    assert gate.client.poll(9_999) == []

    assert gate.client.poll(10_000) == [("closed", "the socket takes no bytes")]


def test_a_peer_that_was_restarted_resets_a_half_open_connection(net, peer):
    """While the cable was out the broker forgot us; the first bytes afterwards are reset."""
    gate = Gate(net, peer.port).connect(peer)
    net.is_cut = True
    peer.reset()
    gate.client.publish("t", "x", qos=1)
    assert gate.client.poll(0) == []
    net.is_cut = False

    ((kind, why),) = gate.until("closed")
    assert (kind, why) == ("closed", "ConnectionResetError: [Errno 104] lwIP")


def test_a_hundred_connections_leave_no_socket_behind(net, peer):
    """lwIP has five: every end, by either side and at any stage, gives its socket back."""
    gate = Gate(net, peer.port)
    for number in range(100):
        gate.connect(peer)
        if number % 3 == 0:
            peer.connection.close()
            gate.until("closed")
        elif number % 3 == 1:
            gate.client.disconnect()
            gate.until("closed")
        gate.client.begin(0)
        gate.client.poll(0)
        peer.accept()
        assert net.opened == 1


@contextmanager
def pair(net, peer, timeout):
    """A connected socket of a board, with this timeout."""
    made = net.socket()
    made.settimeout(timeout)
    made.connect(("127.0.0.1", peer.port))
    peer.accept()
    yield made
    made.close()


def test_lwip_forgets_the_timeout_on_setblocking(net, peer):
    """What the unix port hides: after setblocking(True) a read waits for ever."""
    looks = []
    with pair(net, peer, 0.05) as made:
        assert errno_of(lambda: made.read(1)) == ETIMEDOUT
        made.setblocking(True)

        def give_up(_socket):
            looks.append(1)
            if len(looks) == 100:
                raise InterruptedError

        net.wait = give_up
        with pytest.raises(InterruptedError):
            made.read(1)
    assert len(looks) == 100


def test_lwip_connects_in_progress(net, peer):
    """A connect that may not wait raises 115, and so does one whose time is over."""
    made = net.socket()
    made.setblocking(False)
    net.is_cut = True
    assert errno_of(lambda: made.connect(("127.0.0.1", peer.port))) == EINPROGRESS
    late = net.socket()
    late.settimeout(0.02)
    assert errno_of(lambda: late.connect(("127.0.0.1", peer.port))) == EINPROGRESS
    made.close()
    late.close()


def test_lwip_takes_what_fits(net, peer):
    """write: a part, then None; send: EAGAIN; what was taken goes on when the stack runs."""
    with pair(net, peer, 5) as made:
        made.setblocking(False)
        net.is_stalled = True
        assert made.write(bytes(100)) == 64
        assert made.write(b"x") is None
        assert errno_of(lambda: made.send(b"x")) == EAGAIN
        net.is_stalled = False

        assert made.send(b"xyz") == 3
        assert made.readinto(bytearray(1)) is None
        assert peer.receive(67) == bytes(64) + b"xyz"


def test_lwip_has_five_sockets(net):
    """The sixth raises ENOMEM; a closed one makes room."""
    opened = [net.socket() for _ in range(5)]
    assert errno_of(net.socket) == ENOMEM
    opened[0].close()
    opened[0].close()
    opened.append(net.socket())
    for one in opened:
        one.close()
    assert net.opened == 0


def test_lwip_reads_to_the_end_and_reports_a_reset(net, peer):
    """The last bytes come before the 0 of the end; a reset is 104."""
    with pair(net, peer, 5) as made:
        peer.connection.sendall(b"end")
        peer.connection.close()
        assert (made.read(10), made.read(10), made.read(10)) == (b"end", b"", b"")
    with pair(net, peer, 5) as made:
        peer.reset()
        assert errno_of(lambda: made.read(1)) == ECONNRESET
