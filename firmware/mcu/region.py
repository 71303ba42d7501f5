"""Where a ring lies: a row of erase sectors in files, or in the flash itself.

A region is a duck with three methods; what is erased reads as 0xFF.

    sectors, sector_bytes
    read_into(sector, offset, buffer)    what was never written, or is gone, reads as 0xFF
    write(sector, offset, content)       onto erased bytes only; durable when it returns
    erase(sector)                        durable when it returns

Laws:
- Every byte a ring will ever need is claimed when the region is made: a list that is being
  downloaded cannot take the alarms' room.
- `OSError` is the only thing that comes out, and a ring turns it into `RingUnwritable`.

Why a file for each sector: LittleFS keeps a file as a list linked backwards, so a change in the
middle rewrites everything behind it. Counted on MicroPython's own LittleFS2 (4 KiB blocks): one
record into the middle of a file of 160 KiB costs 21 to 41 erases, into a file of one sector 1.
On a Pico W that is two seconds without detection against 50 ms.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

SECTOR_BYTES = 4_096
"""What NOR flash erases at once, on both boards (W25Q16JV §8.2.15; ESP-IDF, SPI flash)."""
PAGE_BYTES = 256
"""What an RP2040 programs at once, aligned (pico-sdk, flash_range_program)."""
_BLANK = b"\xff" * 256
"""Written again and again: in a heap in use for weeks a whole sector may find no place."""
_ERASE_BLOCK = 6  # ioctl of MicroPython's block devices: vfs.AbstractBlockDev


class FileRegion:
    """Sectors as files `path.0`, `path.1` …, or all in one file."""

    def __init__(
        self,
        path: str,
        sectors: int,
        *,
        sector_bytes: int = SECTOR_BYTES,
        opener: "Callable[[str, str], Any]" = open,
        is_split: bool = True,
        on_sector: "Callable[[], object] | None" = None,
    ) -> None:
        """Claim the room. Raise OSError if the disk is too full.

        on_sector: called after each sector that was made; a first start takes some 50 ms each.
        is_split=False is for file systems that write in place, such as FAT.
        """
        self.sectors = sectors
        self.sector_bytes = sector_bytes
        self._path = path
        self._open = opener
        self._is_split = is_split
        for sector in range(sectors):
            name, start = self._place(sector)
            if self._size(name) < start + sector_bytes:
                self._put(name, start + sector_bytes, b"")
                if on_sector is not None:
                    on_sector()

    def read_into(self, sector: int, offset: int, buffer: "Any") -> None:
        """Fill buffer with what is there; a file cut short reads as erased behind its end."""
        name, start = self._place(sector)
        got = 0
        try:
            with self._open(name, "rb") as file:
                file.seek(start + offset)
                got = file.readinto(buffer) or 0
        except OSError:
            got = 0  # a file that cannot be read is an erased sector; the ring says what is lost
        for index in range(got, len(buffer)):
            buffer[index] = 0xFF

    def write(self, sector: int, offset: int, content: bytes) -> None:
        """Write onto erased bytes. Raise OSError if the file system cannot."""
        name, start = self._place(sector)
        self._put(name, start + offset, content)

    def erase(self, sector: int) -> None:
        """Make a sector's bytes 0xFF. Raise OSError if the file system cannot."""
        name, start = self._place(sector)
        self._put(name, start, _BLANK, self.sector_bytes)

    def _place(self, sector: int) -> "tuple[str, int]":
        if self._is_split:
            return f"{self._path}.{sector}", 0
        return self._path, sector * self.sector_bytes

    def _size(self, name: str) -> int:
        try:
            with self._open(name, "rb") as file:
                size: int = file.seek(0, 2)
        except OSError:
            return 0
        return size

    def _put(self, name: str, place: int, content: bytes, repeated_to: int = 0) -> None:
        """Write at that place; what is missing before it, or all of the file, is made."""
        size = self._size(name)
        with self._open(name, "r+b" if size else "wb") as file:
            file.seek(min(size, place))
            while size < place:
                size += file.write(_BLANK[: min(place - size, len(_BLANK))])
            for _ in range(max(1, repeated_to // len(_BLANK))):
                file.write(content)
            file.flush()


class BlockRegion:
    """Sectors of the flash itself: `rp2.Flash(start=…, len=…)` or an `esp32.Partition`.

    An append programs a page and erases nothing; only every sector_bytes of records an erase
    is due. For images whose partition table leaves room beside the file system.
    """

    def __init__(self, device: "Any", sectors: int, *, sector_bytes: int = SECTOR_BYTES) -> None:
        """device: a block device of MicroPython with the extended interface."""
        self.sectors = sectors
        self.sector_bytes = sector_bytes
        self._device = device

    def read_into(self, sector: int, offset: int, buffer: "Any") -> None:
        """Fill buffer from the flash."""
        self._device.readblocks(sector, buffer, offset)

    def write(self, sector: int, offset: int, content: bytes) -> None:
        """Program whole pages; 0xFF leaves the bits of a neighbour as they are."""
        start = offset - offset % PAGE_BYTES
        end = offset + len(content)
        whole = bytearray(b"\xff" * (end - start + -end % PAGE_BYTES))
        whole[offset - start : end - start] = content
        self._device.writeblocks(sector, whole, start)

    def erase(self, sector: int) -> None:
        """Erase one sector."""
        self._device.ioctl(_ERASE_BLOCK, sector)
