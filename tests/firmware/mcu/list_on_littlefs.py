"""Runs on MicroPython: a list of a city's size on its own LittleFS, on a chip that counts.

`micropython -m tests.firmware.mcu.list_on_littlefs FILE` takes the file that a gateway has built
of the tags e00401 and ten digits, 0 to 199,999, in pieces as from the wire, while facts are
written beside it; then it asks. Prints a JSON object: what was found, and for each look-up the
reads of flash and their bytes.
"""

import json
import sys

import vfs

from firmware.mcu.journal import open_journal
from firmware.mcu.list_files import ListSlots
from firmware.mcu.lists import FlashList
from sim.mcu.flash import PICO_W_BLOCKS, NorFlash

PIECE_BYTES = 2_048
LISTED, STRANGERS, LOOK_UPS = 200_000, 1 << 30, 150


class Counted(NorFlash):
    """A chip that knows how much was read."""

    bytes = 0

    def readblocks(self, block, buffer, offset=0):
        """Fill buffer from there on."""
        self.bytes += len(buffer)
        NorFlash.readblocks(self, block, buffer, offset)


def fetched(content):
    """Put the file into a slot in pieces, an alarm after every tenth; return the list."""
    journal = open_journal("/flash/journal", epoch_id="00000000000000e1")
    slots = ListSlots("/flash")
    slot = slots.slots[0]
    slots.begin(slot)
    for number, begin in enumerate(range(0, len(content), PIECE_BYTES)):
        slots.append(slot, content[begin : begin + PIECE_BYTES])
        if number % 10 == 0:
            journal.append(b'{"v":1,"id":"%016x","kind":"alarm"}' % number)
    return FlashList(slots.open(slot))


def asked(chip, held, first, step):
    """Ask for so many tags; return how many may leave, and what each look-up read."""
    may_leave, reads, sizes = 0, [], []
    for number in range(LOOK_UPS):
        before = (chip.reads, chip.bytes)
        may_leave += held.reach(f"e00401{first + number * step:010x}") == 3
        reads.append(chip.reads - before[0])
        sizes.append(chip.bytes - before[1])
    return {"may_leave": may_leave, "reads": reads, "bytes": sizes}


def main(path):
    """Fetch, then ask."""
    chip = Counted(PICO_W_BLOCKS)
    vfs.VfsLfs2.mkfs(chip, progsize=256)
    vfs.mount(vfs.VfsLfs2(chip, progsize=256), "/flash")
    with open(path, "rb") as file:
        content = file.read()
    held = fetched(content)
    told = {
        "listed": asked(chip, held, 0, LISTED // LOOK_UPS),
        "strangers": asked(chip, held, STRANGERS, 7_919),
        "spoiled": chip.spoiled,
    }
    print(json.dumps(told))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1])
