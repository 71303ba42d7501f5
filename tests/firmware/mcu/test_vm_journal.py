"""The journal on MicroPython's own LittleFS, whose supply fails while it writes."""

import json
from pathlib import Path

import pytest

from sim.mcu import vm

PROGRAM = "tests/firmware/mcu/journal_on_littlefs.py"
FLASH = "sim/mcu/flash.py"
ROOT = Path(__file__).parents[3]
HEAP_BYTES = 16 * 1024 * 1024  # the chip and an image of it lie in it, too

pytestmark = pytest.mark.needs("micropython")


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What the program on the VM found."""
    found = vm.find_vm()
    assert found is not None, vm.NO_VM
    more = {name: ROOT / name for name in (PROGRAM, FLASH)}
    device = vm.lay_out(tmp_path_factory.mktemp("device"), compiled=True, more=more)
    ran = found.run(
        PROGRAM.removesuffix(".py").replace("/", "."), folders=[device], heap_bytes=HEAP_BYTES
    )
    assert (ran.code, ran.error) == (0, "")
    return json.loads(ran.out)


def test_a_cut_anywhere_in_littlefs_loses_only_what_is_written(told):
    """Rows, an acknowledgement and a fork, cut every 41 bytes of what LittleFS programs."""
    assert told["wrong"] == []
    assert told["tried"] > 100
    assert told["spoiled"] == 0


def test_a_row_costs_one_erase(told):
    """All its records go into the file of a sector at once; a second erase now and then is the
    file system's own."""
    assert sorted(told["costs"])[:4] == [1, 1, 1, 1]
    assert max(told["costs"]) <= 2
