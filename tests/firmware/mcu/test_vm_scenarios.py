"""Every scenario of tests/scenarios/gate on a real MicroPython with a microcontroller's heap."""

import json
from pathlib import Path

import pytest

from sim.mcu import vm
from tests.firmware.mcu import vm_scenarios

ROOT = Path(__file__).parents[3]
FILES = sorted((ROOT / "tests/scenarios/gate").glob("*.json"))
PROGRAM = "tests/firmware/mcu/vm_scenarios.py"
PLAYER = "tests/firmware/gate/play.py"

pytestmark = pytest.mark.needs("micropython")


@pytest.fixture(scope="module")
def device(tmp_path_factory):
    """A device's files, and the player beside them."""
    more = {name: ROOT / name for name in (PLAYER, PROGRAM)}
    folder = tmp_path_factory.mktemp("device")
    return vm.lay_out(folder, parts=vm.DECISIONS, compiled=True, more=more)


@pytest.fixture(scope="module", params=["pico_w", "esp32"])
def played(request, device):
    """What one VM, of one board's heap, printed for each scenario, all in one life."""
    heap_bytes = {
        "pico_w": vm.PICO_W_HEAP_BYTES,  # with all of its code in it
        "esp32": vm.ESP32_HEAP_BYTES + vm.frozen_bytes(device),
    }
    found = vm.find_vm()
    assert found is not None, vm.NO_VM
    ran = found.run(
        "tests.firmware.mcu.vm_scenarios",
        *map(str, FILES),
        folders=[device],
        heap_bytes=heap_bytes[request.param],
    )
    assert (ran.code, ran.error) == (0, ""), ran.out[-500:] + ran.error
    return {path: (wrong, done) for path, wrong, done in map(json.loads, ran.out.splitlines())}


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_the_gate_on_micropython_keeps_the_promise_of_the_scenario(path, played):
    """The machine answers each step with the commands written beside it, within a small heap."""
    wrong, _ = played[str(path)]

    assert wrong == []


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_both_pythons_decide_alike(path, played):
    """Command by command, field by field, MicroPython does what CPython does."""
    _, done = played[str(path)]

    assert done == json.loads(json.dumps(vm_scenarios.done(json.loads(path.read_text()))))
