"""How long a board's flash lasts: a month of a gate, with every erase counted.

python -m sim.mcu.wear [ALARMS_A_DAY]
"""

import sys

from circulation.wire.fact import encode_body
from firmware.mcu.journal import RECORD_BYTES, FlashJournal, open_journal
from firmware.mcu.passages import RECORD_BYTES as SLOT_BYTES
from firmware.mcu.passages import PassageRing, open_passages
from firmware.mcu.region import BlockRegion
from firmware.mcu.ring import Ring
from firmware.mcu.shell import COUNTS_MS
from sim.mcu.flash import FlashFiles, NorFlash

DAYS = 30
SLOTS_A_DAY = 48  # twelve hours open
PUT_DOWN_A_SLOT = 900_000 // COUNTS_MS
ERASES_MAX = 100_000  # of a block: W25Q16JV, section 1
LISTS_BLOCKS = 2 * 58  # two lists of 230 KB, which are only read
EPOCH = "00000000000000e1"
STAMP = {"boot": "0a0b0c0d", "mono": 0, "wall": 0, "sure": True}
ALARM = {
    "kind": "alarm",
    "boot": "0a0b0c0d",
    "mono": 2_592_000_000,
    "wall": 1_790_000_000_000,
    "sure": True,
    "site": "main",
    "gate": "gate-1",
    "lane": "left",
    "direction": "out",
    "row": 4,
    "uid": "e004015012345678",
    "uids": ["e004015012345678"],
    "latency_ms": 120,
}


def play_month(journal: FlashJournal, passages: PassageRing, alarms_a_day: int) -> None:
    """Let a gate have its alarms, its people and its acknowledgements for a month."""
    number = 0
    for day in range(DAYS):
        for _ in range(alarms_a_day):
            number += 1
            journal.append(encode_body({"id": f"{number:016x}", **ALARM}))
            journal.mark_acked(journal.last_seq, journal.last_seq)
        for slot in range(day * SLOTS_A_DAY, (day + 1) * SLOTS_A_DAY):
            begun_ms = 1_790_000_100_000 + slot * 900_000
            fact = {"from": begun_ms, "until": begun_ms + 900_000}
            for people in range(10, 30, 30 // PUT_DOWN_A_SLOT):
                passages.put_down({**fact, "in": people}, STAMP)
            passages.keep({**fact, "in": 30}, STAMP)
            passages.move(journal)
            journal.mark_acked(journal.last_seq, journal.last_seq)


def years(erases_a_month: int, blocks: int) -> int:
    """Return for how many years so many erases, spread over the blocks, are allowed."""
    return ERASES_MAX * blocks // max(erases_a_month, 1) // 12


def wear(alarms_a_day: int) -> list[str]:
    """Return a line on files in the stock file system and one on rings in the flash itself."""
    files = FlashFiles()
    journal = open_journal("/journal", epoch_id=EPOCH, opener=files.open)
    passages = open_passages(
        "/counts", station="gate-1", gate="gate-1", site="main", opener=files.open
    )
    begun = files.erases
    play_month(journal, passages, alarms_a_day)
    free = files.free_blocks - LISTS_BLOCKS
    chips = [NorFlash(blocks) for blocks in (32, 2, 24, 2)]
    rings = [
        Ring(BlockRegion(chip, chip.blocks), record_bytes=size)
        for chip, size in zip(chips, (RECORD_BYTES, 128, SLOT_BYTES, SLOT_BYTES), strict=True)
    ]
    play_month(
        FlashJournal(rings[0], rings[1], epoch_id=EPOCH),
        PassageRing(rings[2], rings[3], station="gate-1", gate="gate-1", site="main"),
        alarms_a_day,
    )
    most = max(max(chip.erases) for chip in chips)
    return [
        f"files: {files.erases - begun} erases a month over {free} free blocks,"
        f" {years(files.erases - begun, free)} years",
        f"raw flash: {sum(sum(chip.erases) for chip in chips)} erases a month,"
        f" {most} of the busiest block, {years(most, 1)} years",
    ]


def main(arguments: list[str]) -> None:
    """Print how long the flash lasts."""
    alarms_a_day = int(arguments[0]) if arguments else 20
    sys.stdout.write("\n".join([f"{alarms_a_day} alarms a day", *wear(alarms_a_day), ""]))


if __name__ == "__main__":
    main(sys.argv[1:])
