"""The cables of a storm do what they are asked, and say when they cannot."""

import socket
import threading

import pytest

from sim.demo import free_ports
from sim.errors import SimError
from sim.torture.cables import BEGIN, Cables, ask
from sim.torture.faults import CABLE, KINDS, STATION

WAIT_S = 60.0


@pytest.fixture
def far():
    """A server that accepts, and what it accepted."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def ports(far, tmp_path):
    """Cables with one line; its port, and the one for orders."""
    line, control = free_ports(2)
    plan = {
        "control": control,
        "tally": str(tmp_path / "tally.jsonl"),
        "lines": {"kiosk-1": [line, far.getsockname()[1]]},
    }
    cables = Cables(plan)
    thread = threading.Thread(target=cables.serve)
    thread.start()
    yield line, control
    cables.close()
    thread.join(WAIT_S)


def dial(port):
    """Return a connection through the line."""
    return socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)


def test_every_fault_of_a_cable_can_be_asked_for():
    """No storm names what its cables do not know."""
    wanted = {kind for kind, what in KINDS.items() if what.meets in (CABLE, STATION)}

    assert wanted - {"kill_station"} == set(BEGIN)


def test_a_line_is_cut_and_restored_by_asking(ports):
    """A cut line refuses, a restored one takes again."""
    line, control = ports
    ask(control, "kiosk-1", "cut")
    with pytest.raises(ConnectionRefusedError):
        dial(line)

    ask(control, "kiosk-1", "restore")

    dial(line).close()


@pytest.mark.parametrize(("line", "act"), [("kiosk-9", "cut"), ("kiosk-1", "bite")])
def test_what_is_not_there_is_refused(ports, line, act):
    """An unknown line or act is told, and the next order is taken."""
    _, control = ports
    with pytest.raises(SimError, match="not understood"):
        ask(control, line, act)

    ask(control, "kiosk-1", "restore")


def test_dead_cables_do_not_answer():
    """Whoever asks them hears so at once."""
    (port,) = free_ports(1)

    with pytest.raises(SimError, match="do not answer"):
        ask(port, "kiosk-1", "cut")
