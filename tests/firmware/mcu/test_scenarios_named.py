"""The situations every gate is asked about first, through everything that decides or shows it.

All files of tests/scenarios/gate are played in each of these ways by tests of their own; here
the ones a library names are a list that cannot shrink unnoticed.
"""

import json
from pathlib import Path

import pytest

from sim.mcu import vm
from tests.firmware.gate.play import play
from tests.firmware.mcu.through_shell import play_through
from tests.firmware.pi.through_loop import differences

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "tests/scenarios/gate"
NAMED = {
    "returns-cart": "The returns cart stands beside the gate",
    "inbound-trolley": "New books are wheeled in",
    "two-lanes-one-portal": "Two lanes share a pedestal",
    "class-leaves": "Forty-five pupils leave at once",
    "foreign-book": "A reader carries another library's book",
    "shelf-too-near": "A shelf stands too near the antenna",
}
PROGRAM = "tests/firmware/mcu/vm_scenarios.py"
PLAYER = "tests/firmware/gate/play.py"


def scenario(name):
    """Return what the file of that name says."""
    return json.loads((FOLDER / f"{name}.json").read_text())


@pytest.fixture(scope="module")
def on_the_vm(tmp_path_factory):
    """What a real MicroPython with an ESP32's heap answered, by the name of the file."""
    more = {name: ROOT / name for name in (PLAYER, PROGRAM)}
    device = vm.lay_out(
        tmp_path_factory.mktemp("device"), parts=vm.DECISIONS, compiled=True, more=more
    )
    found = vm.find_vm()
    assert found is not None, vm.NO_VM
    ran = found.run(
        "tests.firmware.mcu.vm_scenarios",
        *(str(FOLDER / f"{name}.json") for name in NAMED),
        folders=[device],
        heap_bytes=vm.ESP32_HEAP_BYTES + vm.frozen_bytes(device),
    )
    assert (ran.code, ran.error) == (0, "")
    told = map(json.loads, ran.out.splitlines())
    return {Path(path).stem: wrong for path, wrong, _ in told}


@pytest.mark.parametrize("name", NAMED)
def test_the_situation_is_the_one_that_is_meant(name):
    """Its title is the story's, and what it promises stands in it."""
    assert scenario(name)["name"] == NAMED[name]


def test_a_class_is_forty_five_pupils():
    """As many different tags pass."""
    steps = scenario("class-leaves")["steps"]
    reads = [told[2] for _, told, _ in steps if told[0] == "TagsRead"]

    assert len({tag[0] for tags in reads for tag in tags}) == 45


@pytest.mark.parametrize("name", NAMED)
def test_the_machine_keeps_the_promise(name):
    """On this Python."""
    assert play(scenario(name)) == []


@pytest.mark.needs("micropython")
@pytest.mark.parametrize("name", NAMED)
def test_the_machine_keeps_it_on_micropython(name, on_the_vm):
    """On the VM, with the heap of the smaller board."""
    assert on_the_vm[name] == []


@pytest.mark.parametrize("name", NAMED)
def test_the_shell_of_a_pi_keeps_it(name):
    """Outputs and what is handed over, by the detection loop of a Pi."""
    assert differences(scenario(name)) == []


@pytest.mark.parametrize("name", NAMED)
def test_the_shell_of_a_microcontroller_keeps_it(name):
    """Pins, antennas and journal, by the turns of a board."""
    assert play_through(scenario(name)) == []
