"""How much flash a gate at its fullest leaves, on MicroPython's own LittleFS2; prints JSON.

`micropython -m room BLOCKS LIST_BYTES SLOT_BYTES`, on a chip in memory.
"""

import json
import os
import sys

import vfs

from firmware.mcu.app import JOURNAL, PASSAGES
from firmware.mcu.journal import open_journal
from firmware.mcu.list_files import NAMES, PREFIX_BYTES
from firmware.mcu.passages import open_passages
from firmware.mcu.update_state import FILES, SLOTS
from sim.mcu.flash import NorFlash

KIB = bytes(1_024)


def put(name, size):
    """Write a file anew, as lists and updates are written: a first piece, then the others."""
    with open(name, "wb") as file:
        file.write(KIB[:12])
    with open(name, "ab") as file:
        for _ in range((size - 12) // len(KIB)):
            file.write(KIB)
        file.write(KIB[: (size - 12) % len(KIB)])


def free():
    """Return how many blocks are free."""
    return os.statvfs(".")[3]


def main(words):
    """Fill it, and then go on living: every file is written again, the journal turns."""
    blocks, list_bytes, slot_bytes = [int(word) for word in words]
    chip = NorFlash(blocks)
    vfs.VfsLfs2.mkfs(chip, progsize=256)
    vfs.mount(vfs.VfsLfs2(chip, progsize=256), "/flash")
    os.chdir("/flash")
    left = {"empty": free()}
    journal = open_journal(JOURNAL, epoch_id="0" * 16, rows_bytes_max=4_096)
    left["journal"] = free()
    open_passages(PASSAGES, station="gate-2", gate="gate-2", site="main")
    left["counts"] = free()
    for name in ("config.json", "config.new"):
        put(name, 2_048)
    for name in FILES:
        put(name, 272)
    left["settings"] = free()
    for name in NAMES:
        put(name, list_bytes + PREFIX_BYTES)
    left["lists"] = free()
    for name in SLOTS[1:]:
        put(name, slot_bytes)
    left["updates"] = free()
    for number in range(700):  # more than the ring keeps
        journal.append(b'{"v":1,"id":"%016x","kind":"alarm","x":"%s"}' % (number, b"x" * 200))
        journal.mark_acked(journal.last_seq, 1)
    for name in NAMES + SLOTS[1:] + FILES:
        put(name, os.stat(name)[6])
    left["later"] = free()
    print(json.dumps(left))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
