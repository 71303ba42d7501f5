"""Two lists, two programs, journal and counts in one flash: counted on the real LittleFS2."""

import json
from pathlib import Path

import pytest

from firmware.mcu.update import slot_bytes
from firmware.mcu.update_install import RESERVE_BYTES
from sim.mcu import vm
from tests.firmware.mcu.list_bench import built, uids

ROOT = Path(__file__).parents[3]
PROGRAM = "tests/firmware/mcu/programs/room.py"
BLOCK_BYTES = 4_096
PICO_W_BYTES = 848 * 1024
LIST_KEYS = 200_000
LIST_BYTES = 229_452
"""Of 200,000 keys: `test_a_list_of_so_many_keys_is_so_long`."""

pytestmark = pytest.mark.needs("micropython")


def left(tmp_path, flash_bytes, list_bytes=LIST_BYTES):
    """Return how many blocks each step of filling a flash leaves."""
    more = {"room.py": ROOT / PROGRAM, "sim/mcu/flash.py": ROOT / "sim/mcu/flash.py"}
    device = vm.lay_out(tmp_path / "device", compiled=True, more=more)
    found = vm.find_vm()
    assert found is not None, vm.NO_VM
    words = [flash_bytes // BLOCK_BYTES, list_bytes, slot_bytes(flash_bytes)]
    ran = found.run("room", *map(str, words), folders=[device], heap_bytes=1 << 26)
    assert (ran.code, ran.error) == (0, "")
    return json.loads(ran.out)


def test_two_programs_fit_beside_the_largest_lists_of_a_pico_w(tmp_path):
    """56 KB each, beside two lists of 200,000 keys; and everything can still be written anew."""
    blocks = left(tmp_path, PICO_W_BYTES)

    assert slot_bytes(PICO_W_BYTES) == 57_232
    assert blocks["empty"] - blocks["journal"] == 34
    assert blocks["journal"] - blocks["counts"] == 28
    assert blocks["settings"] - blocks["lists"] == 2 * 57
    assert blocks["lists"] - blocks["updates"] == 2 * 14
    assert blocks["updates"] == 4
    second = (blocks["lists"] - 14) * BLOCK_BYTES
    assert second >= slot_bytes(PICO_W_BYTES) + RESERVE_BYTES
    assert blocks["later"] == blocks["updates"]


def test_a_list_of_so_many_keys_is_so_long():
    """What the other test fills the flash with is what the gateway makes of 200,000 tags."""
    assert len(built(uids(LIST_KEYS))) == LIST_BYTES
