"""The list in flash of a whole gate on a real MicroPython: fetched in pieces over real brokers."""

import pytest

from sim.mcu.process import lay_out_device
from tests.firmware.mcu.vm_gate import KRABAT, MOMO, UIDS, gateway, vm_gate
from tests.support.brokers import amqtt_broker, mosquitto_broker
from tests.support.programs import stays, wait_until

OTHERS = [f"e00402{number:010x}" for number in range(3_000)]
"""Books that are out already: the list is two pieces long."""

pytestmark = [pytest.mark.needs("micropython"), pytest.mark.needs("mosquitto")]


@pytest.fixture(scope="module")
def code(tmp_path_factory):
    """A device's files: the firmware as it is, and the fakes of what touches the board."""
    return lay_out_device(tmp_path_factory.mktemp("code"))


def states(heard):
    """Return list state and version of each status that the gate has said."""
    return [(told["list_state"], told["versions"].get("may_leave")) for told in heard.of("status")]


def passes_in_silence(gate, key):
    """Carry a book out and put it back on the shelf; the siren stays off."""
    gate.walk_out(key)
    gate.world.move(key, "shelf")
    stays("the siren", lambda: gate.hardware.siren.state, False, for_s=0.5)


def sounds(gate, key):
    """Carry a book out; the siren comes on."""
    before = len(gate.hardware.siren.history)
    gate.walk_out(key)
    wait_until("the siren", lambda: len(gate.hardware.siren.history) > before)
    gate.world.move(key, "shelf")
    wait_until("it is quiet", lambda: not gate.hardware.siren.state)


@pytest.mark.parametrize("broker", [mosquitto_broker, amqtt_broker], ids=["mosquitto", "amqtt"])
def test_a_list_comes_in_pieces_and_is_what_the_gate_decides_by(broker, code, tmp_path):
    """A gate that is blind asks; what the file lets go passes, and nothing else.

    How the next one takes its place is in test_vm_day.py, where five minutes take no time.
    """
    with (
        broker() as at,
        gateway(at.port, [*OTHERS, UIDS[MOMO]]) as held,
        vm_gate(code, tmp_path, at.port) as gate,
    ):
        wait_until("its list", lambda: states(held)[-1:], [("FRESH", 1_000)])
        passes_in_silence(gate, MOMO)
        sounds(gate, KRABAT)
        wait_until("the fact", lambda: "alarm" in held.journalled())
        assert (gate.board.problems, gate.process.starts) == ([], 1)
    kept = [path.stat().st_size for path in (tmp_path / "flash").glob("may_leave-*")]
    assert kept == [held.network.pointer.bytes + 12]
    assert held.network.pieces >= 2


def test_without_a_broker_the_list_in_flash_decides_from_the_first_moment(code, tmp_path):
    """Power cut while the broker is gone: after it the gate lets pass what its file lets pass,
    sounds for what it does not, and a turned bit in the file makes it blind, not wrong."""
    with mosquitto_broker() as at, vm_gate(code, tmp_path, at.port) as gate:
        with gateway(at.port, [*OTHERS, UIDS[MOMO]]) as held:
            wait_until("its list", lambda: states(held)[-1:], [("FRESH", 1_000)])
        at.kill()
        gate.board.power_cycle()
        wait_until("a second life", lambda: gate.process.starts, 2)
        gate.wait_until_it_detects()

        passes_in_silence(gate, MOMO)
        sounds(gate, KRABAT)

        (path,) = (tmp_path / "flash").glob("may_leave-*")
        content = bytearray(path.read_bytes())
        content[500] ^= 4
        path.write_bytes(content)
        gate.board.power_cycle()
        wait_until("a third life", lambda: gate.process.starts, 3)
        at.start()
        with gateway(at.port, [*OTHERS, UIDS[MOMO]]) as held:
            wait_until("it is fetched again", lambda: states(held)[-1:], [("FRESH", 1_000)])
            passes_in_silence(gate, MOMO)
