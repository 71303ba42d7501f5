"""A gate on a heap in use for weeks: many holes, and none as long as `HOLE_BYTES` twice.

The gate is made first, as at a start; then the heap is filled, and every second piece let go.
Prints a JSON object of what the gate still could do.
"""

import gc
import json

from firmware.gate.config import gate_config
from firmware.gate.events import ON_LOAN, TagRead, TagsRead
from firmware.gate.machine import GateMachine
from firmware.mcu import board_esp32
from firmware.mcu.list_files import ListSlots
from firmware.mcu.list_store import ListStore

HOLE_BYTES = 280
STEP_MS = 20
CROWD = board_esp32.LIMITS.tags


def lowest(limit):
    """Be no random number."""
    return 0


def break_up():
    """Take all memory in small pieces and let every second of them go; return the others."""
    kept = dropped = ()
    try:
        while True:
            dropped = (dropped, bytearray(HOLE_BYTES))
            kept = (kept, bytearray(HOLE_BYTES))
    except MemoryError:
        del dropped
    gc.collect()
    return kept


def has_long_block():
    """Return whether the heap still has a block twice as long as its holes."""
    try:
        return len(bytearray(2 * HOLE_BYTES + 64)) > 0
    except MemoryError:
        return False


def main():
    """Make the gate, break the heap up, then let a crowd pass and a second list come."""
    config = gate_config(gate="gate-2", lanes=[("lane-1", 0)])
    gate = GateMachine(config, bytes(16), lambda: "0" * 16, board_esp32.LIMITS)
    slots = ListSlots(".")
    store = ListStore(slots, 3, lowest, board_esp32.ROOM_BYTES, board_esp32.PIECE_BYTES)
    reads = [TagRead(f"e00401{number:010x}", ON_LOAN, None, None) for number in range(CROWD)]
    gate.tick(0)
    kept = break_up()
    is_whole = has_long_block()
    lists = store.kept()
    for read in reads:
        gate.receive(TagsRead("lane-1", (read,)), 0)
    for number in range(20):  # longer than an owner is waited for: all pass at once
        gate.receive(TagsRead("lane-1", reads), STEP_MS * number)
    gate.tick(31_000)  # all of them have left
    listed = strangers = 0
    for held in lists:
        for number in range(CROWD):
            listed += held.reach(reads[number].uid) == 3
            strangers += held.reach(f"e00402{number:010x}") == 3
    del kept
    told = {"is_whole": is_whole, "lists": [held.lineage for held in lists]}
    told["listed"], told["strangers"] = listed, strangers
    told["ignored"] = gate.health(31_000).get("tags", "")
    print(json.dumps(told))  # noqa: T201 (what the test reads)


if __name__ == "__main__":
    main()
