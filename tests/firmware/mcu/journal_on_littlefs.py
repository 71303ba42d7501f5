"""Runs on MicroPython: the journal on its own LittleFS, on a chip whose supply fails.

Prints a JSON object: the cuts tried, what an append costs, and every cut after which the journal
was not what it should be.
"""

import gc
import json

import vfs

from firmware.mcu.journal import open_journal
from sim.mcu.flash import NorFlash, PowerCut, Supply

BLOCKS, SECTORS = 24, 8
FACT = b'{"v":1,"id":"%016x","kind":"alarm","gate":"%s"}'
BODIES = [FACT % (number, b"x" * 250) for number in range(1, 60)]


OPENED = []


def opened(path, mode):
    """Open a file and hold on to it: a program that died by a cut closes nothing, and neither
    may this one's garbage collector."""
    file = open(path, mode)  # noqa: SIM115
    if mode != "rb":
        OPENED.append(file)
    return file


def mounted(chip):
    """Return the journal that a start of the program finds."""
    vfs.mount(vfs.VfsLfs2(chip, progsize=256), "/flash")
    return open_journal(
        "/flash/journal", epoch_id="00000000000000e1", sectors=SECTORS, opener=opened
    )


def work(journal, begin):
    """Write two rows, what the gateway has, and another epoch; return the numbers of rows."""
    for number in (begin, begin + 1):
        journal.append(BODIES[number])
        yield number
    journal.mark_acked(journal.last_seq - 1, 1)
    journal.open_epoch(journal.last_seq - 1, f"{begin:016x}", journal.epoch.n + 1)


def cut(supply, chip, steps, begin):
    """Let the supply fail within `work`; return what is wrong after the next start, or ""."""
    journal = mounted(chip)
    before = [row.body for row in journal.rows(1, 99, 1 << 20)]
    supply.cut_after(steps)
    written = []
    try:
        for number in work(journal, begin):
            written.append(number)
    except PowerCut:
        pass
    is_cut = not supply.is_on
    supply.restore()
    vfs.umount("/flash")
    journal = mounted(chip)
    rows = [row.body for row in journal.rows(1, 99, 1 << 20)]
    vfs.umount("/flash")
    whole = before + [BODIES[number] for number in (begin, begin + 1)]
    allowed = [whole[: len(before) + count] for count in (len(written), len(written) + 1)]
    if journal.trouble:
        return is_cut, journal.trouble
    right = rows == whole[-1:] or rows in allowed
    return is_cut, "" if right else f"{len(rows)} rows, {len(written)} written"


def main():
    """Make a disk, write rows, then cut at many places, each time on the same disk again."""
    supply = Supply()
    chip = NorFlash(BLOCKS, supply=supply)
    vfs.VfsLfs2.mkfs(chip, progsize=256)
    journal = mounted(chip)
    costs = []
    for number in range(6):
        before = sum(chip.erases)
        journal.append(BODIES[number])
        costs.append(sum(chip.erases) - before)
    vfs.umount("/flash")
    image = bytes(chip.image)
    wrong, tried, steps = [], 0, 0
    while True:
        chip.image[:] = image
        gc.collect()
        is_cut, fault = cut(supply, chip, steps, 6)
        if fault:
            wrong.append([steps, fault])
        if not is_cut:
            break
        tried += 1
        steps += 41
    print(  # noqa: T201
        json.dumps({"tried": tried, "wrong": wrong, "costs": costs, "spoiled": chip.spoiled})
    )


if __name__ == "__main__":
    main()
