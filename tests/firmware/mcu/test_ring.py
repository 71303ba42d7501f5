"""The ring against a list, against hostile content, and what it costs the flash."""

import struct
from binascii import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.mcu.region import BlockRegion, FileRegion
from firmware.mcu.ring import (
    GOOD,
    HEAD_BYTES,
    NEW,
    OTHER,
    UNREADABLE,
    WORN,
    Ring,
    RingUnwritable,
)
from sim.mcu.flash import FlashFiles, NorFlash, PowerCut, Supply

SECTOR, RECORD, SECTORS = 256, 32, 4  # eight records of 22 bytes in each of four sectors
KEPT_RECORDS = 24  # three of the four sectors


def chip_region(supply):
    """A ring in the flash itself."""
    return BlockRegion(
        NorFlash(SECTORS, block_bytes=SECTOR, supply=supply), SECTORS, sector_bytes=SECTOR
    )


def little_region(supply):
    """A file for each sector, on a file system that keeps what was synced."""
    files = FlashFiles(16, block_bytes=SECTOR, supply=supply)
    return FileRegion("/ring", SECTORS, sector_bytes=SECTOR, opener=files.open)


def torn_region(supply):
    """One file, on a file system that keeps every byte at once."""
    files = FlashFiles(16, block_bytes=SECTOR, supply=supply, is_torn=True)
    return FileRegion("/ring", SECTORS, sector_bytes=SECTOR, opener=files.open, is_split=False)


def ring_of(region):
    """What a start of the program finds."""
    return Ring(region, record_bytes=RECORD)


def kept(ring):
    """Every entry, oldest first."""
    return [ring.read(number) for number, _ in ring.entries()]


def records_of(entry):
    """How many records an entry takes."""
    return max(1, -(-len(entry) // (RECORD - HEAD_BYTES)))


def expect_newest(found, written, room=KEPT_RECORDS):
    """The ring holds the newest of what was written, as many as there is room for."""
    promised = 0
    for entry in reversed(written):
        room -= records_of(entry)
        if room < 0:
            break
        promised += 1
    assert len(found) >= promised
    assert found == written[len(written) - len(found) :]


STEPS = st.lists(
    st.one_of(
        st.binary(max_size=80),  # append it
        st.just("restart"),
        st.tuples(st.integers(0, 300), st.binary(max_size=80)),  # cut while appending it
    ),
    max_size=60,
)


@pytest.mark.parametrize("make", [chip_region, little_region, torn_region])
@settings(max_examples=60, deadline=None)
@given(steps=STEPS, seed=st.integers(1, 30_000))
def test_a_ring_is_the_end_of_a_list(make, steps, seed):
    """Appends, restarts and cuts in any order: what is found is the end of what was written."""
    supply = Supply(seed)
    region = make(supply)
    ring, written, room = ring_of(region), [], KEPT_RECORDS
    for index, step in enumerate(steps):
        if step == "restart":
            ring = ring_of(region)
            continue
        cut_after, content = (None, step) if isinstance(step, bytes) else step
        entry = b"%d:" % index + content
        if cut_after is not None:
            supply.cut_after(cut_after)
        try:
            ring.append(entry)
            written.append(entry)
        except PowerCut:
            supply.restore()
            ring = ring_of(region)
            room -= records_of(entry)  # what a cut leaves takes room for a round
            if kept(ring)[-1:] == [entry]:
                written.append(entry)  # it was cut behind its last byte
        supply.restore()
        ring = ring_of(region) if cut_after is not None else ring
        expect_newest(kept(ring), written, room)
        assert kept(ring) or not written


@settings(max_examples=150, deadline=None)
@given(content=st.binary(max_size=SECTOR * SECTORS), entries=st.lists(st.binary(max_size=60)))
def test_no_content_of_the_flash_raises(content, entries):
    """A ring over random bytes is a new ring that says so, and keeps what is written next."""
    region = chip_region(Supply())
    region._device.image[: len(content)] = content
    ring = ring_of(region)

    assert ring.state == (UNREADABLE if content.strip(b"\xff") else NEW)
    assert kept(ring) == []
    for entry in entries:
        ring.append(entry)
    expect_newest(kept(ring_of(region)), entries)


@settings(max_examples=150, deadline=None)
@given(places=st.lists(st.integers(0, SECTOR * SECTORS - 1), min_size=1, max_size=30))
def test_flipped_bytes_cost_only_the_entries_they_hit(places):
    """Whatever is damaged, the rest reads back, and the ring goes on."""
    region = chip_region(Supply())
    ring = ring_of(region)
    written = [b"%04d" % number * 6 for number in range(40)]  # two records each
    for entry in written:
        ring.append(entry)
    for place in places:
        region._device.image[place] ^= 0x10
    after = ring_of(region)

    assert set(kept(after)) <= set(written)
    assert len(kept(after)) >= len(kept(ring_of(region))) >= 12 - len(places)
    after.append(b"goes on")
    assert kept(ring_of(region))[-1] == b"goes on"


def test_what_is_found_has_a_name():
    """New, good, worn by damage, another version's, and unreadable rings are told apart."""
    chip = NorFlash(SECTORS, block_bytes=SECTOR)
    region = BlockRegion(chip, SECTORS, sector_bytes=SECTOR)
    states = [ring_of(region).state]
    ring = ring_of(region)
    ring.append(b"one")
    ring.append(b"two")
    states.append(ring_of(region).state)
    chip.image[HEAD_BYTES] ^= 1
    states += [ring_of(region).state, ring_of(region).unreadable, kept(ring_of(region))]

    assert states == [NEW, GOOD, WORN, 1, [b"two"]]


def test_another_version_is_told_and_begun_again():
    """A record that another program's format made sound is no entry of ours."""
    chip = NorFlash(SECTORS, block_bytes=SECTOR)
    head = struct.pack("<BBI", 0xB3, 5, 1)
    record = head + struct.pack("<I", crc32(b"other", crc32(head))) + b"other"
    chip.image[: len(record)] = record
    ring = ring_of(BlockRegion(chip, SECTORS, sector_bytes=SECTOR))

    assert (ring.state, kept(ring)) == (OTHER, [])
    assert (ring.append(b"ours"), kept(ring)) == (1, [b"ours"])


@pytest.mark.parametrize(
    ("left", "readable"), [(0, 0), (1, 0), (16, 0), (17, 1), (112, 3), (113, 4), (255, 6)]
)
def test_a_file_cut_short_costs_what_was_behind(left, readable):
    """Entries of 17 bytes, 32 apart, before the cut are read; the file is made whole again."""
    files = FlashFiles(16, block_bytes=SECTOR)

    def start():
        return ring_of(FileRegion("/ring", SECTORS, sector_bytes=SECTOR, opener=files.open))

    for number in range(6):
        start().append(b"entry %d" % number)
    del files.contents["/ring.0"][left:]
    ring = start()

    assert kept(ring) == [b"entry %d" % number for number in range(readable)]
    assert len(files.contents["/ring.0"]) == SECTOR
    ring.append(b"after")
    assert kept(start())[-1] == b"after"


def test_what_is_not_there_reads_as_erased():
    """A file that somebody removed, or cut short, never leaves anything in the buffer."""
    files = FlashFiles(16, block_bytes=SECTOR)
    region = FileRegion("/ring", 2, sector_bytes=SECTOR, opener=files.open)
    region.write(1, 0, b"abc")
    files.remove("/ring.0")
    del files.contents["/ring.1"][2:]
    found = [bytearray(b"zzzz"), bytearray(b"zzzz")]
    for sector in (0, 1):
        region.read_into(sector, 0, found[sector])

    assert found == [b"\xff\xff\xff\xff", b"ab\xff\xff"]


def test_a_disk_too_full_to_enter_a_sector_costs_no_entry():
    """However often it is tried, the oldest are still there, and then the sector is entered."""
    files = FlashFiles(8, block_bytes=SECTOR)
    ring = ring_of(FileRegion("/ring", SECTORS, sector_bytes=SECTOR, opener=files.open))
    for number in range(32):
        ring.append(b"%d" % number)
    with files.open("/other", "wb") as other:
        other.write(bytes(files.free_blocks * SECTOR))
    for _ in range(50):
        with pytest.raises(RingUnwritable, match="tried again"):
            ring.append(b"refused")
    assert kept(ring) == [b"%d" % number for number in range(32)]
    files.remove("/other")

    assert ring.append(b"after") == 33
    assert kept(ring) == [*(b"%d" % number for number in range(8, 32)), b"after"]


def test_an_entry_too_long_for_the_ring_is_refused():
    """It would push out the newest ones; nothing is written of it."""
    ring = ring_of(chip_region(Supply()))
    ring.append(b"before")

    with pytest.raises(RingUnwritable, match="177 bytes; 176 fit"):
        ring.append(b"x" * 177)

    ring.append(b"y" * 176)
    assert kept(ring) == [b"before", b"y" * 176]


def test_a_worn_slot_is_passed_over():
    """A record that does not read back is written again behind; a dead flash is told."""
    chip = NorFlash(SECTORS, block_bytes=SECTOR)
    ring = ring_of(BlockRegion(chip, SECTORS, sector_bytes=SECTOR))
    ring.append(b"one")
    chip.image[RECORD + 20] = 0  # a stuck byte in the next slot
    ring.append(b"a long enough entry")

    assert kept(ring) == [b"one", b"a long enough entry"]
    chip.writeblocks = lambda block, content, offset: None
    with pytest.raises(RingUnwritable, match="worn out"):
        ring.append(b"never there")
    assert kept(ring) == [b"one", b"a long enough entry"]


def test_wear_is_even():
    """Round after round each sector is erased as often as the others."""
    chip = NorFlash(SECTORS, block_bytes=SECTOR)
    for number in range(1_000):
        ring_of(BlockRegion(chip, SECTORS, sector_bytes=SECTOR)).append(b"%d" % number)

    assert sum(chip.erases) == 125
    assert max(chip.erases) - min(chip.erases) == 1
    assert chip.spoiled == 0


def test_an_append_costs_little_of_a_file_system():
    """In files of one sector an append rewrites one block; in one large file it rewrites all
    that is behind, which is why sectors are files."""
    costs = {}
    for is_split in (True, False):
        files = FlashFiles()
        region = FileRegion("/ring", 40, opener=files.open, is_split=is_split)
        ring = Ring(region)
        ring.append(b"x" * 100)
        before = files.erases
        ring.append(b"y" * 100)
        costs[is_split] = files.erases - before

    assert costs == {True: 1, False: 40}


def test_numbers_of_an_append_are_the_slots_they_lie_in():
    """`number_at` finds the newest entry of each slot."""
    ring = ring_of(chip_region(Supply()))
    numbers = [ring.append(b"%d" % number) for number in range(75)]

    for number in numbers[-KEPT_RECORDS:]:
        assert ring.number_at((number - 1) % ring.slots) == number


@pytest.mark.parametrize(("sectors", "record_bytes"), [(1, 32), (4, 15), (4, 257), (4, 65)])
def test_a_ring_that_could_not_work_is_refused(sectors, record_bytes):
    """One sector has no room beside the newest entry; a record fits its length byte."""
    chip = NorFlash(4, block_bytes=SECTOR)

    with pytest.raises(ValueError, match="two sectors or more"):
        Ring(BlockRegion(chip, sectors, sector_bytes=SECTOR), record_bytes=record_bytes)
