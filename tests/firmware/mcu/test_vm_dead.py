"""A gate on a real MicroPython that dies in the middle of an alarm: silence, and it is missed."""

import os
import signal

import pytest

from firmware.mcu.board_pico_w import WATCHDOG_MS
from sim.mcu.process import lay_out_device
from sim.proxy import Proxy
from tests.firmware.mcu.vm_gate import MOMO, UIDS, listener, vm_gate
from tests.support.brokers import mosquitto_broker
from tests.support.programs import stays, wait_until

KEEPALIVE_S = 5
BUSY_MS = 4_000
"""A busy machine looks at the board's watchdog late."""

pytestmark = [pytest.mark.needs("micropython"), pytest.mark.needs("mosquitto")]


@pytest.fixture(scope="module")
def code(tmp_path_factory):
    """A device's files: the firmware as it is, and the fakes of what touches the board."""
    return lay_out_device(tmp_path_factory.mktemp("code"))


def on_and_off(heard):
    """Return what was said of the gate, in order: that it is there, or that it is gone."""
    return [told["on"] for told in heard.of("status")]


def alarmed(gate, heard):
    """Carry a book out; return when the siren came on and the gate's status has been heard."""
    wait_until("its status", lambda: on_and_off(heard)[:1], [True])
    gate.walk_out(MOMO)
    wait_until("the siren", lambda: gate.hardware.siren.state)


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hung"])
def test_a_gate_that_dies_while_it_sounds_falls_silent_and_begins_anew(blow, code, tmp_path):
    """Whoever ends or stops the program: the watchdog switches everything off within its 8 s,
    and the next life tells of the alarm. Nobody at the gate or at the gateway has done a thing."""
    with (
        mosquitto_broker() as at,
        listener(at.port) as heard,
        vm_gate(code, tmp_path, at.port) as gate,
    ):
        alarmed(gate, heard)
        os.kill(gate.process.pid, blow)

        wait_until("a second life", lambda: gate.process.starts, 2)
        lamp = gate.hardware.lamp_red
        assert not gate.hardware.siren.state
        assert not lamp.state
        on_ms = next(at_ms for at_ms, state in lamp.history if state)
        off_ms = next(at_ms for at_ms, state in lamp.history if not state and at_ms > on_ms)
        assert off_ms - on_ms <= WATCHDOG_MS + BUSY_MS
        wait_until("it was missed", lambda: False in on_and_off(heard))
        wait_until("it is there again", lambda: on_and_off(heard)[-1])
        wait_until("its alarm", lambda: "alarm" in heard.journalled())
        assert heard.alarms() in ([UIDS[MOMO]], [])


def test_a_gate_whose_network_died_with_it_is_missed_within_two_keepalives(code, tmp_path):
    """Nothing ends its connection, as when the power of a whole door goes: the broker counts."""
    with mosquitto_broker() as at, listener(at.port) as heard:
        line = Proxy(("127.0.0.1", at.port))
        with vm_gate(code, tmp_path, line.port, keepalive_s=KEEPALIVE_S) as gate:
            wait_until("its status", lambda: on_and_off(heard)[:1], [True])
            line.half_open(near_stays=False)
            line.stall()
            gate.process.kill()

            missed = lambda: on_and_off(heard)[1:]  # noqa: E731
            stays("it is not missed yet", missed, [], for_s=1.0)
            wait_until("it is missed", missed, [False], within_s=2 * KEEPALIVE_S + 2)
        line.close()
