"""List: the filter for microcontrollers: time to build it, its bytes, its misses, its reads.

Floors: the SHA-256 of the same keys, which any filter needs; a byte a key; the 1/256 that a
fingerprint of 8 bits must miss; three bytes read at random places by MicroPython's LittleFS.
"""

import hashlib
import random
import time
from collections.abc import Callable
from typing import Any

from circulation.wire.fuse import HEADER_BYTES, FuseFilter, decode_header
from firmware.mcu.list_files import ListSlots
from firmware.mcu.lists import FlashList
from gateway.fuse import build_list
from sim.errors import SimError
from sim.mcu.flash import FlashFiles
from sim.measure.table import Bench, Row

LISTED, LISTED_QUICK = 200_000, 500
STRANGERS, STRANGERS_QUICK = 1_000_000, 2_000
LOOK_UPS, LOOK_UPS_QUICK = 2_000, 100
SECONDS_TARGET, KB_TARGET, MISS_TARGET = 3.0, 230.0, 0.4
READS_TARGET = 25.0  # of flash; each is well below 0.2 ms on a Pico W, so five are a millisecond
LINEAGE = "00000000000000aa"


def run(bench: Bench) -> list[Row]:
    """Measure with as many listed items as the design names; raise SimError for a false alarm."""
    listed = bench.times(LISTED, LISTED_QUICK)
    chance = random.Random(1)
    numbers = chance.sample(range(1 << 40), listed + bench.times(STRANGERS, STRANGERS_QUICK))
    keys = [f"e00401{number:010x}" for number in numbers]
    keys, strangers = keys[:listed], keys[listed:]
    bench.say(f"a list of {listed:,} items that may leave")
    content, build = _build_row(keys)
    bench.say("misses and reads")
    return [
        build,
        _bytes_row(content, listed),
        _miss_row(content, keys, strangers),
        _reads_row(content, strangers[: bench.times(LOOK_UPS, LOOK_UPS_QUICK)]),
    ]


def _build_row(keys: list[str]) -> tuple[bytes, Row]:
    content, took_s = _timed(lambda: build_list(keys, [], lineage=LINEAGE, version=1, boundary=3))
    _, floor_s = _timed(lambda: [hashlib.sha256(key.encode()).digest() for key in keys])
    return content, Row(
        "list for microcontrollers, built", took_s, "s", floor_s, "SHA-256 of the same keys",
        f"≤ {SECONDS_TARGET:g} s", took_s <= SECONDS_TARGET,
        {"tries": decode_header(content).seed[-1] + 1.0, "keys": len(keys)},
    )  # fmt: skip


def _bytes_row(content: bytes, listed: int) -> Row:
    size_kb = len(content) / 1_000
    return Row(
        "its size", size_kb, "KB", listed / 1_000, "a byte a key",
        f"≤ {KB_TARGET:g} KB", size_kb <= KB_TARGET,
        {"bits_per_key": 8 * len(content) / listed},
    )  # fmt: skip


def _miss_row(content: bytes, keys: list[str], strangers: list[str]) -> Row:
    held = FuseFilter(decode_header(content), memoryview(content)[HEADER_BYTES:])
    if not all(held.has(key) for key in keys):
        raise SimError("an item that may leave is not found: a false alarm")
    missed = 100 * sum(held.has(key) for key in strangers) / len(strangers)
    return Row(
        "items that may not leave and pass", missed, "%", 100 / 256, "a fingerprint of 8 bits",
        f"≤ {MISS_TARGET:g} %, and no false alarm", missed <= MISS_TARGET,
        {"strangers": len(strangers), "false_alarms": 0},
    )  # fmt: skip


def _reads_row(content: bytes, strangers: list[str]) -> Row:
    """Count on the model of LittleFS, which was calibrated on MicroPython's own."""
    files = FlashFiles()
    slots = ListSlots("", files)
    slots.begin(slots.slots[0])
    slots.append(slots.slots[0], content)
    file = slots.open(slots.slots[0])
    if file is None:
        raise SimError("the list just written is not whole")
    held = FlashList(file)
    before = files.reads
    for key in strangers:
        held.reach(key)
    reads = (files.reads - before) / len(strangers)
    return Row(
        "reads of flash a look-up", reads, "reads", 3 * 6.5, "three bytes at random places",
        f"≤ {READS_TARGET:g}, some 5 ms", reads <= READS_TARGET,
        {"look_ups": len(strangers), "bytes_each": 45},
    )  # fmt: skip


def _timed(make: Callable[[], Any]) -> tuple[Any, float]:
    """Return what was made, and the processor time it took."""
    began = time.thread_time()
    return make(), time.thread_time() - began
