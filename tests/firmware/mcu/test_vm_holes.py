"""A gate whose heap is full of holes: what it needs in one piece it has taken at its start."""

import json
from pathlib import Path

import pytest

from firmware.mcu.list_files import ListSlots
from sim.mcu import vm
from tests.firmware.mcu.list_bench import LINEAGE, OTHER, built, put_in_place, uids

ROOT = Path(__file__).parents[3]
PROGRAM = "tests/firmware/mcu/programs/holes.py"
HEAP_BYTES = 1024 * 1024

pytestmark = pytest.mark.needs("micropython")


def test_a_crowd_and_a_second_list_need_no_long_block(tmp_path):
    """64 tags at once and the list of another history, on a heap without 600 bytes in a row:
    every tag is watched and forgotten, both lists are there and answer."""
    device = vm.lay_out(tmp_path, compiled=True, more={"holes.py": ROOT / PROGRAM})
    slots = ListSlots(str(device))
    for lineage in (LINEAGE, OTHER):
        put_in_place(None, built(uids(100), lineage=lineage), slots).close()
    found = vm.find_vm()
    assert found is not None, vm.NO_VM

    ran = found.run("holes", folders=[device], heap_bytes=HEAP_BYTES)

    assert (ran.code, ran.error) == (0, "")
    told = json.loads(ran.out)
    assert told["is_whole"] is False
    assert told["lists"] == [LINEAGE, OTHER]
    assert told["listed"] == 2 * 64
    assert told["strangers"] <= 4
    assert told["ignored"] == ""
