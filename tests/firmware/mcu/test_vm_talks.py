"""A gate on a real MicroPython that has talked for years: its packet ids begin anew."""

import json
from pathlib import Path

import pytest

from sim.mcu import vm
from tests.firmware.mcu.vm_gate import gateway
from tests.support.brokers import amqtt_broker, mosquitto_broker

ROOT = Path(__file__).parents[3]
PROGRAMS = "tests/firmware/mcu/programs"
OF_THE_GATE = "lg/1/school/+/gate-2/#"
SCRIPT_HEAP_BYTES = 48 * 1024
"""What script, devices and the sockets' imitation take of the heap; no device has them."""

pytestmark = [
    pytest.mark.needs("micropython"),
    pytest.mark.needs("mosquitto"),
    pytest.mark.long,
]


@pytest.fixture(scope="module")
def code(tmp_path_factory):
    """A device's files, and the program that talks."""
    more = {f"{name}.py": ROOT / PROGRAMS / f"{name}.py" for name in ("gate_day", "gate_talks")}
    more |= {name: ROOT / name for name in ("sim/__init__.py", "sim/mcu/__init__.py")}
    more["sim/mcu/lwip.py"] = ROOT / "sim/mcu/lwip.py"
    return vm.lay_out(tmp_path_factory.mktemp("device"), compiled=True, more=more)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("broker", "first", "count"),
    [(mosquitto_broker, 0, 70_000), (amqtt_broker, 62_000, 5_000)],
    ids=["mosquitto", "amqtt"],
)
def test_packet_ids_begin_anew_and_nobody_notices(broker, first, count, code, tmp_path):
    """Every message of a whole gate is acknowledged, on the one connection; and each of ten books
    carried out meanwhile is heard, while the network has as much to do as it can."""
    (code / "main.py").write_text("import sys, gate_talks\ngate_talks.main(sys.argv[1:])\n")
    found = vm.find_vm()
    assert found is not None, vm.NO_VM
    heap_bytes = vm.PICO_W_HEAP_BYTES + vm.frozen_bytes(code) + SCRIPT_HEAP_BYTES
    with broker() as at, gateway(at.port, topics=OF_THE_GATE):
        ran = found.run(
            *("main", str(at.port), str(first), str(count)),
            folders=[code],
            heap_bytes=heap_bytes,
            within_s=240.0,
        )

    assert (ran.code, ran.error) == (0, "")
    told = json.loads(ran.out)
    assert told["failed"] == ""
    assert (told["closed"], told["renewed"]) == ([], "")
    assert (told["sent"], told["alarms"]) == (count, 10)
    assert told["acked"] >= count
    assert told["pid"] < count
