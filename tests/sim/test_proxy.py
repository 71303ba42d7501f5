"""A cable with a plug: cut, stalled and restored, as a whole or one connection at a time."""

import queue
import socket
import threading

import pytest

from sim.proxy import LineState, Proxy

WAIT_S = 60.0
SILENCE_S = 0.15


@pytest.fixture
def ended():
    """Return a queue of how the server's connections ended."""
    return queue.Queue()


@pytest.fixture
def echo(ended):
    """Return the address of a server that answers every byte with itself."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer(connection):
        with connection:
            try:
                while chunk := connection.recv(65_536):
                    connection.sendall(chunk)
            except OSError:
                ended.put("reset")
            else:
                ended.put("end")

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(WAIT_S)


@pytest.fixture
def proxy(echo):
    proxy = Proxy(echo)
    yield proxy
    proxy.close()


@pytest.fixture
def dial(proxy):
    """Return a function that opens a connection through the proxy."""
    opened = []

    def connect():
        connection = socket.create_connection(("127.0.0.1", proxy.port), timeout=WAIT_S)
        opened.append(connection)
        return connection

    yield connect
    for connection in opened:
        connection.close()


def ask(connection, text=b"hello"):
    """Send and return what comes back."""
    connection.sendall(text)
    return connection.recv(65_536)


def hears_nothing(connection):
    """Return whether nothing arrives for a moment."""
    connection.settimeout(SILENCE_S)
    try:
        connection.recv(1)
    except TimeoutError:
        return True
    finally:
        connection.settimeout(WAIT_S)
    return False


def test_bytes_pass_both_ways(dial):
    """An unharmed line is invisible, also for more than one chunk."""
    connection = dial()
    sent = bytes(range(256)) * 1_000
    writer = threading.Thread(target=connection.sendall, args=(sent,))
    writer.start()

    received = b""
    while len(received) < len(sent):
        received += connection.recv(65_536)
    writer.join()

    assert received == sent


def test_the_end_of_one_half_reaches_the_other_side(dial):
    """Closing for writing passes through, and the answer still comes back."""
    connection = dial()
    connection.sendall(b"last words")
    connection.shutdown(socket.SHUT_WR)

    assert connection.recv(100) == b"last words"
    assert connection.recv(100) == b""


def test_a_cut_resets_and_refuses(proxy, dial):
    """After a cut the old connection is reset and a new one refused at once."""
    connection = dial()
    ask(connection)
    proxy.cut()
    proxy.cut()

    assert proxy.state is LineState.CUT
    with pytest.raises(ConnectionResetError):
        connection.recv(1)
    with pytest.raises(ConnectionRefusedError):
        dial()
    assert proxy.connections == ()


def test_a_restored_line_keeps_its_port(proxy, dial):
    """After a cut the same port answers again."""
    proxy.cut()
    proxy.restore()

    assert proxy.state is LineState.UP
    assert ask(dial()) == b"hello"


def test_a_stalled_line_is_silent_and_loses_nothing(proxy, dial):
    """While stalled nothing passes and nothing is lost; afterwards all of it arrives."""
    connection = dial()
    ask(connection)
    proxy.stall()
    connection.sendall(b"held back")
    assert hears_nothing(connection)

    proxy.restore()

    assert connection.recv(100) == b"held back"


def test_a_connection_made_on_a_stalled_line_waits(proxy, dial):
    """A new connection on a pulled cable hears nothing until the cable is back."""
    proxy.stall()
    connection = dial()
    connection.sendall(b"hello")
    assert hears_nothing(connection)

    proxy.restore()

    assert connection.recv(100) == b"hello"


def test_a_cut_line_can_be_stalled(proxy, dial):
    """From refused to silent: the port listens again and says nothing."""
    proxy.cut()
    proxy.stall()
    connection = dial()
    connection.sendall(b"hello")

    assert hears_nothing(connection)


def test_a_stalled_line_can_be_cut(proxy, dial):
    """Cutting ends also the connections that a stall had frozen."""
    connection = dial()
    ask(connection)
    proxy.stall()
    proxy.cut()

    with pytest.raises(ConnectionResetError):
        connection.recv(1)


def test_one_connection_is_cut_alone(proxy, dial):
    """Cutting one connection leaves its neighbour."""
    first, second = dial(), dial()
    ask(first)
    ask(second)
    proxy.connections[0].cut()

    with pytest.raises(ConnectionResetError):
        first.recv(1)
    assert ask(second) == b"hello"


def test_one_connection_is_stalled_alone(proxy, dial):
    """Stalling one connection leaves its neighbour, and it can be restored alone."""
    first, second = dial(), dial()
    ask(first)
    ask(second)
    held = proxy.connections[0]
    held.stall()
    first.sendall(b"held")
    assert hears_nothing(first)
    assert ask(second) == b"hello"

    held.restore()
    assert first.recv(100) == b"held"


def test_a_drop_resets_and_the_next_connection_passes(proxy, dial):
    """Losing a connection is no refusal: the next one is made at once."""
    connection = dial()
    ask(connection)
    proxy.drop()

    with pytest.raises(ConnectionResetError):
        connection.recv(1)
    assert ask(dial()) == b"hello"


def test_a_slow_line_loses_nothing(proxy, dial):
    """Pieces of a twentieth of a second's bytes arrive one by one, and all of them.

    Who is held up for longer than that finds two of them at once.
    """
    proxy.slow(200)
    connection = dial()
    connection.sendall(bytes(150))

    received = []
    while sum(received) < 150:
        received.append(len(connection.recv(65_536)))

    assert proxy.state is LineState.SLOW
    assert sum(received) == 150
    assert min(received) == 10
    assert {size % 10 for size in received} == {0}


def test_a_slow_line_is_restored(proxy, dial):
    """Afterwards a chunk passes whole, also on a connection that was slow."""
    connection = dial()
    ask(connection)
    proxy.slow(20)
    proxy.restore()

    assert ask(connection, bytes(1_000)) == bytes(1_000)


def test_the_caller_of_a_half_open_connection_talks_to_nobody(proxy, dial, ended):
    """The target hears a reset; the caller's end stays, and what it says is lost."""
    connection = dial()
    ask(connection)
    proxy.half_open(near_stays=True)
    connection.sendall(b"is anybody there?")

    assert ended.get(timeout=WAIT_S) == "reset"
    assert hears_nothing(connection)
    assert ask(dial()) == b"hello"


def test_the_target_of_a_half_open_connection_waits_for_nobody(proxy, dial, ended):
    """The caller hears a reset and comes again; the target goes on waiting for the old one."""
    connection = dial()
    ask(connection)
    proxy.half_open(near_stays=False)

    with pytest.raises(ConnectionResetError):
        connection.recv(1)
    assert ask(dial()) == b"hello"
    assert ended.empty()


def test_an_end_left_alone_is_reset_when_the_line_is_restored(proxy, dial):
    """A router that is back answers what it does not know with a reset."""
    connection = dial()
    ask(connection)
    proxy.half_open(near_stays=True)
    proxy.restore()

    with pytest.raises(ConnectionResetError):
        connection.recv(1)
    assert proxy.connections == ()


def test_a_watch_sees_what_passes(echo):
    """A tap hears each way of each connection apart."""
    seen = queue.Queue()

    class Tap:
        def goes(self, chunk):
            seen.put(("goes", chunk))

        def came(self, chunk):
            seen.put(("came", chunk))

    watched = Proxy(echo, watch=Tap)
    with socket.create_connection(("127.0.0.1", watched.port), timeout=WAIT_S) as connection:
        ask(connection)
        heard = {seen.get(timeout=WAIT_S), seen.get(timeout=WAIT_S)}
    watched.close()

    assert heard == {("goes", b"hello"), ("came", b"hello")}


def test_a_missing_target_is_a_reset():
    """When nobody is at the other end the caller hears so, and the line goes on."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        target = unused.getsockname()
    lonely = Proxy(target)

    # The reset may arrive before the connection is even handed over.
    with (
        pytest.raises(ConnectionResetError),
        socket.create_connection(("127.0.0.1", lonely.port), timeout=WAIT_S) as connection,
    ):
        connection.recv(1)
    lonely.close()


def test_closing_frees_the_port(proxy, dial):
    """A closed line resets its connections, frees its port, and may be closed twice."""
    connection = dial()
    ask(connection)
    proxy.close()
    proxy.close()
    proxy.restore()

    with pytest.raises(ConnectionResetError):
        connection.recv(1)
    with socket.create_server(("127.0.0.1", proxy.port)):
        pass
