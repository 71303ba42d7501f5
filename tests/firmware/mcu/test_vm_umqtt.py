"""A gate on a real MicroPython with micropython-lib's client in the place of its own.

What stands in for that client is `programs/umqtt_simple.py`: pip has only a version of years ago,
and cannot install it.
"""

from pathlib import Path
from shutil import copyfile

import pytest

from sim.mcu.process import lay_out_device
from sim.proxy import Proxy
from tests.firmware.mcu.vm_gate import KRABAT, MOMO, UIDS, gateway, vm_gate
from tests.support.brokers import mosquitto_broker
from tests.support.programs import stays, wait_until

DOUBLE = Path(__file__).parent / "programs/umqtt_simple.py"

pytestmark = [pytest.mark.needs("micropython"), pytest.mark.needs("mosquitto")]


@pytest.fixture(scope="module")
def code(tmp_path_factory):
    """A device's files, and umqtt.simple where mip puts it."""
    folder = lay_out_device(tmp_path_factory.mktemp("code"))
    (folder / "umqtt").mkdir()
    copyfile(DOUBLE, folder / "umqtt/simple.py")
    return folder


def test_a_gate_guards_over_umqtt_and_comes_back_after_a_cut(code, tmp_path):
    """It connects, gets its list in pieces, tells of an alarm; after a cut it joins again, and
    the facts that nobody could be told arrive."""
    with mosquitto_broker() as at, gateway(at.port, [UIDS[KRABAT]]) as held:
        line = Proxy(("127.0.0.1", at.port))
        with vm_gate(code, tmp_path, line.port, client="umqtt") as gate:
            state = lambda: [told["list_state"] for told in held.of("status")][-1:]  # noqa: E731
            wait_until("its list", state, ["FRESH"])
            gate.walk_out(KRABAT)
            stays("the siren", lambda: gate.hardware.siren.state, False, for_s=0.5)
            gate.walk_out(MOMO)
            wait_until("the alarm", held.alarms, [UIDS[MOMO]])

            line.cut()
            wait_until("it is missed", lambda: held.of("status")[-1]["on"], False)
            line.restore()
            wait_until("it is there", lambda: held.of("status")[-1]["on"])
            wait_until("its facts", lambda: "alarm" in held.journalled())
            assert (gate.board.problems, gate.process.starts) == ([], 1)
        line.close()


def test_a_board_without_it_says_what_is_missing(tmp_path):
    """Chosen, but not installed: the board waits in its setup and names the command."""
    folder = lay_out_device(tmp_path / "code")
    with mosquitto_broker() as at, vm_gate(folder, tmp_path, at.port, client="umqtt") as gate:
        wait_until(
            "it says so", lambda: "mpremote mip install umqtt.simple" in gate.process.said()
        )
