"""How long a gate looks a tag up: a list of 200,000 on MicroPython's own LittleFS, every read of
the chip counted and priced as its data sheet says."""

import json
from pathlib import Path

import pytest

from gateway.fuse import build_list
from sim.mcu import vm

PROGRAM = "tests/firmware/mcu/list_on_littlefs.py"
FLASH = "sim/mcu/flash.py"
ROOT = Path(__file__).parents[3]
HEAP_BYTES = 16 * 1024 * 1024  # the chip lies in it, too
LISTED = [f"e00401{number:010x}" for number in range(200_000)]

CLOCK_MHZ = 50
COMMAND_BITS = 32
"""W25Q16JV, 8.2.6 and 9.6: Read Data (03h) is a command of 8 bits and an address of 24, at 50 MHz
at most; the slowest way to read it, and one bit a clock. Both boards are set up for quicker."""
CALL_US = 100
"""For each read, what a port's driver may add; the ESP32's stops its cache for some tens."""
PROGRAM_US = 500
"""Our Python and SHA-256, 80 µs on a Cortex-M3 at 125 MHz; LittleFS itself is compiled."""

pytestmark = pytest.mark.needs("micropython")


def microseconds(reads, size):
    """Return what so many reads of so many bytes in all take."""
    return PROGRAM_US + reads * (CALL_US + COMMAND_BITS / CLOCK_MHZ) + 8 * size / CLOCK_MHZ


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What the program on the VM found."""
    found = vm.find_vm()
    assert found is not None, vm.NO_VM
    more = {name: ROOT / name for name in (PROGRAM, FLASH)}
    device = vm.lay_out(tmp_path_factory.mktemp("device"), compiled=True, more=more)
    said = {"lineage": "8c0e5b7a1d94f263", "version": 1, "boundary": 3}
    (device / "list.fuse").write_bytes(build_list(LISTED, [], **said))
    ran = found.run(
        PROGRAM.removesuffix(".py").replace("/", "."),
        "list.fuse",
        folders=[device],
        heap_bytes=HEAP_BYTES,
    )
    assert (ran.code, ran.error) == (0, "")
    return json.loads(ran.out)


def test_no_look_up_takes_longer_than_five_milliseconds(told):
    """Not one of 300: neither what is listed nor what is not, with a journal in between."""
    asked = told["listed"], told["strangers"]
    longest_us = max(
        microseconds(reads, size)
        for one in asked
        for reads, size in zip(one["reads"], one["bytes"], strict=True)
    )

    assert longest_us <= 5_000
    assert min(min(one["reads"]) for one in asked) >= 3  # the flash was really asked


def test_the_list_on_littlefs_says_what_the_gateway_meant(told):
    """Every listed tag is found; of the strangers hardly one is."""
    assert told["spoiled"] == 0
    assert told["listed"]["may_leave"] == len(told["listed"]["reads"]) == 150
    assert told["strangers"]["may_leave"] <= 4
