"""The ring and its flash, with plain asserts: the same on CPython and on MicroPython."""

from firmware.mcu import ring
from firmware.mcu.region import BlockRegion, FileRegion
from firmware.mcu.ring import Ring, RingUnwritable
from sim.mcu.flash import FlashFiles, NorFlash, PowerCut, Supply

SECTOR, RECORD = 512, 64  # eight records a sector, 54 bytes of an entry in each
SECTORS = 3


def chip_ring(chip):
    """Return what a start of the program makes of the chip."""
    return Ring(BlockRegion(chip, SECTORS, sector_bytes=SECTOR), record_bytes=RECORD)


def new_chip(supply=None):
    """Return an erased chip of three sectors."""
    return NorFlash(SECTORS, block_bytes=SECTOR, supply=supply)


def kept(found):
    """Return the entries of a ring in order."""
    return [found.read(number) for number, _ in found.entries()]


def entry(number, size=20):
    """Return an entry unlike any other."""
    return (b"%06d" % number * (size // 6 + 1))[:size]


def test_entries_come_back_in_order():
    """Short, long and empty entries are found by a later start as they were written."""
    chip = new_chip()
    first = chip_ring(chip)
    written = [entry(1), entry(2, 54), entry(3, 55), entry(4, 200), b"", b"\xff" * 60]
    numbers = [first.append(one) for one in written]

    later = chip_ring(chip)

    assert numbers == [1, 2, 3, 5, 9, 10]
    assert kept(later) == written
    assert (later.state, later.last, later.unreadable) == (ring.GOOD, 11, 0)


def test_the_newest_entries_are_kept():
    """Round after round the ring holds at least what two of its three sectors do."""
    chip = new_chip()
    found = chip_ring(chip)
    for number in range(1, 101):
        found.append(entry(number))
        assert kept(found)[-16:] == [entry(one) for one in range(max(1, number - 15), number + 1)]

    assert kept(chip_ring(chip)) == kept(found)
    assert chip.spoiled == 0


def test_a_cut_after_every_byte_loses_only_what_is_written():
    """Whatever byte or erase the supply fails at, every earlier entry is there."""
    for start in (6, 22):  # within a sector, and where one is entered
        before = new_chip()
        filled = chip_ring(before)
        for number in range(start):
            filled.append(entry(number))
        for steps in range(10_000):
            supply = Supply(seed=steps)
            chip = new_chip(supply)
            chip.image[:] = before.image
            written = [entry(number) for number in range(start)]
            if not cut_while_appending(chip_ring(chip), written, supply, steps):
                break
            expect_all_kept(chip, written)
        assert steps > 230


def cut_while_appending(found, written, supply, steps):
    """Append until the supply fails; return whether it did."""
    supply.cut_after(steps)
    try:
        for number, size in ((90, 20), (91, 120), (92, 54)):
            found.append(entry(number, size))
            written.append(entry(number, size))
    except PowerCut:
        supply.restore()
        return True
    return False


def expect_all_kept(chip, written):
    """Assert that a start finds what was written, and at most the next entry behind it."""
    later = chip_ring(chip)
    found = kept(later)
    tail = written[-6:]
    assert tail in (found[-6:], found[-7:-1]), (tail, found)
    later.append(b"after")
    found.append(b"after")
    assert kept(chip_ring(chip))[-6:] == found[-6:]
    assert chip.spoiled == 0


def test_a_supply_that_fails_at_every_start_takes_nothing():
    """Two hundred starts that all die while writing leave the newest entry where it was."""
    supply = Supply()
    chip = NorFlash(2, block_bytes=SECTOR, supply=supply)
    region = BlockRegion(chip, 2, sector_bytes=SECTOR)
    Ring(region, record_bytes=RECORD).append(b"the newest")
    for start in range(200):
        found = Ring(region, record_bytes=RECORD)
        supply.cut_after(start % 90)
        try:
            found.append(entry(start, 100))
            found.append(entry(start, 100))
        except PowerCut:
            pass
        supply.restore()

    assert kept(Ring(region, record_bytes=RECORD)) == [b"the newest"]


def test_files_hold_a_ring_as_a_chip_does():
    """A file for each sector, or one for all, on a file system of either kind."""
    for is_torn in (False, True):
        for is_split in (False, True):
            files = FlashFiles(16, block_bytes=SECTOR, is_torn=is_torn)
            for number in range(40):
                region = FileRegion(
                    "/r", 3, sector_bytes=SECTOR, opener=files.open, is_split=is_split
                )
                Ring(region, record_bytes=RECORD).append(entry(number))
            found = Ring(region, record_bytes=RECORD)
            assert kept(found)[-16:] == [entry(number) for number in range(24, 40)]
            assert files.free_blocks == 16 - 2 - 3


def why_refused(found):
    """Return what an append is refused with."""
    try:
        found.append(b"refused")
    except RingUnwritable as error:
        return str(error)
    return "not refused"


def test_a_full_disk_is_told_and_takes_no_room():
    """A write that the file system refuses changes nothing, however often it is tried."""
    files = FlashFiles(6, block_bytes=SECTOR)
    region = FileRegion("/r", 3, sector_bytes=SECTOR, opener=files.open)
    found = Ring(region, record_bytes=RECORD)
    found.append(b"before")
    with files.open("/other", "wb") as other:
        other.write(b"x" * SECTOR)
    for _ in range(50):
        assert "will be tried again" in why_refused(found)
    files.remove("/other")

    assert found.append(b"after") == 2
    assert kept(Ring(region, record_bytes=RECORD)) == [b"before", b"after"]
