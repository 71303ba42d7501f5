"""The model of a board's flash: what a cut leaves, what is full, what things cost."""

import pytest

from firmware.mcu.ring import Ring
from sim.mcu.flash import FlashFiles, NorFlash, PowerCut, Supply
from sim.mcu.wear import wear


def written(files, content, cut_after=None):
    """Write content over /a, through a cut if so told; return what /a is afterwards."""
    with files.open("/a", "wb") as file:
        file.write(b"old content")
    if cut_after is not None:
        files.supply.cut_after(cut_after)
    try:
        with files.open("/a", "r+b") as file:
            file.write(content)
    except PowerCut:
        files.supply.restore()
    return bytes(files.contents["/a"])


def test_littlefs_keeps_a_file_as_it_was_synced():
    """Before the last byte of a sync the old content is there, then the new one."""
    found = [written(FlashFiles(), b"NEW", cut_after) for cut_after in (0, 5, 11, None)]

    assert found == [b"old content", b"old content", b"old content", b"NEW content"]


def test_fat_keeps_every_byte_and_spoils_the_one_in_flight():
    """What was written up to the cut is there; the byte being written is anything."""
    files = FlashFiles(is_torn=True)
    found = written(files, b"NEW", 1)

    assert (found[:1], found[2:]) == (b"N", b"d content")
    assert found[1:2] == bytes([Supply(1).random_byte()])


def test_without_power_nothing_runs():
    """Neither files nor the chip answer before the supply is back; open files are dead then."""
    supply = Supply()
    files, chip = FlashFiles(supply=supply), NorFlash(2, supply=supply)
    file = files.open("/a", "wb")
    supply.cut_after(0)
    with pytest.raises(PowerCut):
        chip.erase(0)

    for use in (lambda: files.open("/a"), lambda: chip.readblocks(0, bytearray(1)), file.flush):
        with pytest.raises(PowerCut):
            use()
    supply.restore()
    with pytest.raises(OSError, match="/a"):
        file.write(b"x")
    with pytest.raises(OSError, match="/a"):
        files.open("/a")


def test_writing_only_clears_bits():
    """NOR flash: a byte that was not erased comes out as both, and is counted as spoiled."""
    chip = NorFlash(1, block_bytes=16, page_bytes=1)
    chip.writeblocks(0, b"\xf0", 3)
    chip.writeblocks(0, b"\x3c", 3)
    found = bytearray(1)
    chip.readblocks(0, found, 3)

    assert (found, chip.spoiled) == (b"\x30", 1)
    chip.ioctl(6, 0)
    assert chip.image == b"\xff" * 16


@pytest.mark.parametrize(("offset", "size"), [(128, 256), (0, 128)])
def test_pages_are_programmed_whole(offset, size):
    """An RP2040 refuses a part of a page, and so does the model."""
    with pytest.raises(OSError, match="not whole pages"):
        NorFlash(1).writeblocks(0, bytes(size), offset)


def test_a_cut_erase_leaves_the_rest_of_the_block_in_doubt():
    """The part that was done is 0xFF; bits of the rest may be set, none is cleared."""
    chip = NorFlash(1, block_bytes=64)
    chip.image[:] = b"\x11" * 64
    chip.supply.cut_after(2)
    with pytest.raises(PowerCut):
        chip.erase(0)

    assert chip.image[:32] == b"\xff" * 32
    assert chip.image[32:] != b"\x11" * 32
    assert all(byte & 0x11 == 0x11 for byte in chip.image[32:])


def test_a_block_device_counts_its_blocks():
    """What LittleFS asks of it by ioctl; a write without an offset erases before."""
    chip = NorFlash(3, block_bytes=16, page_bytes=16)
    chip.writeblocks(1, b"\x00" * 16)
    chip.writeblocks(1, b"\x01" * 16)

    assert (chip.ioctl(4, 0), chip.ioctl(5, 0), chip.erases) == (3, 16, [0, 2, 0])
    assert chip.image[16:32] == b"\x01" * 16


def test_a_full_file_system_refuses_and_keeps_what_it_has():
    """A copy needs room beside the file that it replaces, as on LittleFS."""
    files = FlashFiles(6, block_bytes=16)
    with files.open("/a", "wb") as file:
        file.write(b"a" * 40)  # three blocks of four
    with (
        pytest.raises(OSError, match="No space left"),
        files.open("/a", "r+b") as file,
    ):
        file.write(b"b" * 40)

    assert files.contents["/a"] == b"a" * 40
    assert files.free_blocks == 1


def test_a_random_read_costs_300_bytes():
    """One byte somewhere in a large open file is 6.5 reads of the chip."""
    files = FlashFiles()
    with files.open("/a", "wb") as file:
        file.write(bytes(200_000))
    with files.open("/a", "rb") as file:
        before = files.bytes_read
        for place in range(1_000, 101_000, 1_000):
            file.seek(place)
            file.read(1)

    assert 290 * 100 <= files.bytes_read - before <= 320 * 100


def test_files_are_listed_renamed_and_removed():
    """The calls of os that firmware uses, each in one step."""
    files = FlashFiles()
    for name in ("/x/a", "/x/b", "/c"):
        files.open(name, "wb").close()
    files.rename("/x/a", "/c")
    files.remove("/x/b")

    assert (files.listdir("/"), files.listdir("/x")) == (["c"], [])
    assert files.stat("/c")[6] == 0
    with pytest.raises(OSError, match="/x/b"):
        files.stat("/x/b")
    files.supply.cut_after(0)
    with pytest.raises(PowerCut):
        files.remove("/c")
    files.supply.restore()
    assert files.listdir() == ["c"]


def test_a_file_opened_to_append_writes_at_its_end():
    """Wherever it was read before."""
    files = FlashFiles()
    with files.open("/a", "wb") as file:
        file.write(b"one")
    with files.open("/a", "a+b") as file:
        file.seek(0)
        assert file.read(1) == b"o"
        file.write(b" two")

    assert files.contents["/a"] == b"one two"


def test_the_flash_outlasts_the_gate():
    """A month of 100 alarms a day: decades in files, more than a century in raw flash."""
    assert wear(100) == [
        "files: 15227 erases a month over 34 free blocks, 18 years",
        "raw flash: 455 erases a month, 70 of the busiest block, 119 years",
    ]


def test_a_read_that_fails_is_an_erased_sector():
    """A flash that cannot be read at all is a new ring, never an exception."""

    class Deaf:
        """A region whose flash does not answer."""

        sectors, sector_bytes = 2, 256

        def read_into(self, *_):
            raise OSError(5, "Input/output error")

    assert Ring(Deaf(), record_bytes=32).state == "new"
