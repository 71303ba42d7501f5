"""The flash of a board: a chip and a file system, both with a supply that fails on demand.

`NorFlash` is a block device of MicroPython with the physics of NOR flash: a write clears bits,
only an erase of a whole block sets them, and a cut leaves the byte or the block it met half
done. `FlashFiles` opens files as `open` does, on a file system that behaves as LittleFS does
(a file is what it was when last synced) or as FAT does (every byte is there at once).

    supply = Supply()
    files = FlashFiles(supply=supply)
    supply.cut_after(100)          # bytes; an erase, a rename and a removal count as some too
    with files.open("ring.0", "r+b") as file:
        file.write(record)         # raises PowerCut at the hundredth
    supply.restore()               # and whatever had not been synced is gone

What is counted, `reads`, `programs` and `erases`, was calibrated on MicroPython's own LittleFS2
with 4 KiB blocks and 256-byte pages: a random read of a byte from an open file is 6.5 reads of
some 45 bytes, opening a file 15 reads, and a change rewrites its block and all blocks behind it.

Runs on both Pythons.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ENOENT, EBADF, EINVAL, ENOSPC = 2, 9, 22, 28  # MicroPython's errno has no ENOSPC
BLOCK_BYTES = 4_096
PICO_W_BLOCKS = 212  # 848 KiB: the file system of the stock build
ERASE_STEPS = 4
READ_BYTES = 45
OPEN_READS = 15
RANDOM_READS_HALF = 13  # 6.5, in halves


class PowerCut(BaseException):
    """The supply failed; nothing runs until `Supply.restore`. No program can catch it by
    catching errors, as no program runs without power."""


class Supply:
    """The power of one board, counted in steps of what it still writes."""

    def __init__(self, seed: int = 1) -> None:
        """seed: of the bits that a cut leaves half written."""
        self.steps = 0
        self.is_on = True
        self._left: int | None = None
        self._chance = seed & 0x7FFFFFFF
        self._waiting: list[Any] = []

    def attach(self, part: "Any") -> None:
        """Tell part.on_restored() whenever the power is back."""
        self._waiting.append(part)

    def cut_after(self, steps: int) -> None:
        """Fail after so many more bytes, in the middle of the next one."""
        self._left = steps

    def spend(self) -> bool:
        """Take the power for one step; return False if it fails in the middle of it."""
        self.demand()
        if self._left is not None:
            if self._left == 0:
                self.is_on = False
                return False
            self._left -= 1
        self.steps += 1
        return True

    def spend_all(self, steps: int) -> None:
        """Take the power for so many steps at once. Raise PowerCut if it fails before the end."""
        self.demand()
        if self._left is not None and self._left < steps:
            self.is_on = False
            raise PowerCut
        self._left = None if self._left is None else self._left - steps
        self.steps += steps

    def demand(self) -> None:
        """Raise PowerCut while there is no power."""
        if not self.is_on:
            raise PowerCut

    def restore(self) -> None:
        """Switch on again, for good."""
        self.is_on = True
        self._left = None
        for part in self._waiting:
            part.on_restored()

    def random_byte(self) -> int:
        """Return a byte for what is half written; the same ones for the same seed."""
        self._chance = (self._chance * 25_173 + 13_849) & 0xFFFF
        return self._chance >> 8


class NorFlash:
    """A chip, or a partition of it: `rp2.Flash` and `esp32.Partition` to a ring or to LittleFS."""

    def __init__(
        self,
        blocks: int,
        *,
        block_bytes: int = BLOCK_BYTES,
        supply: "Supply | None" = None,
        page_bytes: int = 256,
    ) -> None:
        """Return an erased chip. page_bytes: what it programs at once, aligned."""
        self.page_bytes = page_bytes
        self.blocks = blocks
        self.block_bytes = block_bytes
        self.supply = supply or Supply()
        self.image = bytearray(b"\xff" * (blocks * block_bytes))
        self.reads = 0
        self.programs = 0
        self.erases = [0] * blocks
        self.spoiled = 0
        """Bytes that came out otherwise than asked, since they had not been erased."""

    def readblocks(self, block: int, buffer: "Any", offset: int = 0) -> None:
        """Fill buffer from there on."""
        self.supply.demand()
        self.reads += 1
        start = block * self.block_bytes + offset
        buffer[:] = self.image[start : start + len(buffer)]

    def writeblocks(self, block: int, content: "Any", offset: "int | None" = None) -> None:
        """Clear bits from there on; without an offset whole blocks are erased before."""
        if offset is None:
            offset = 0
            for index in range(len(content) // self.block_bytes):
                self.erase(block + index)
        if offset % self.page_bytes or len(content) % self.page_bytes:
            raise OSError(EINVAL, "not whole pages")
        self.programs += 1
        start = block * self.block_bytes + offset
        for index, byte in enumerate(content):
            if byte == 0xFF:
                continue  # a page is programmed whole: 0xFF beside a record asks for nothing
            place = start + index
            if not self.supply.spend():
                self.image[place] &= byte | self.supply.random_byte()
                raise PowerCut
            self.image[place] &= byte
            self.spoiled += self.image[place] != byte

    def ioctl(self, operation: int, argument: int) -> int:
        """Answer as `vfs.AbstractBlockDev`: 4 blocks, 5 bytes of one, 6 erase."""
        if operation == 4:
            return self.blocks
        if operation == 5:
            return self.block_bytes
        if operation == 6:
            self.erase(argument)
        return 0

    def erase(self, block: int) -> None:
        """Set every bit of a block; a cut leaves a part done and the rest in doubt."""
        start = block * self.block_bytes
        self.erases[block] += 1
        part = self.block_bytes // ERASE_STEPS
        for step in range(ERASE_STEPS):
            place = start + step * part
            if not self.supply.spend():
                for index in range(place, start + self.block_bytes):
                    self.image[index] |= self.supply.random_byte()
                raise PowerCut
            self.image[place : place + part] = b"\xff" * part


class FlashFiles:
    """A file system with `open` and the calls of `os` that firmware uses."""

    def __init__(
        self,
        blocks: int = PICO_W_BLOCKS,
        *,
        block_bytes: int = BLOCK_BYTES,
        supply: "Supply | None" = None,
        is_torn: bool = False,
    ) -> None:
        """is_torn: as FAT, every byte is there at once; else as LittleFS, a sync at a time."""
        self.blocks = blocks
        self.block_bytes = block_bytes
        self.supply = supply or Supply()
        self.is_torn = is_torn
        self.contents: dict[str, bytearray] = {}
        self.reads = 0
        self.programs = 0
        self.erases = 0
        self.starts = 0
        self.supply.attach(self)

    @property
    def free_blocks(self) -> int:
        """Return how many blocks no file has; two are the file system's own."""
        return self.blocks - 2 - sum(self.blocks_of(len(it)) for it in self.contents.values())

    @property
    def bytes_read(self) -> int:
        """Return about how many bytes all reads took from the chip."""
        return self.reads * READ_BYTES

    def open(self, path: str, mode: str = "rb") -> "FlashFile":
        """Open a file as the builtin does; only binary modes, and no `x`."""
        self.supply.demand()
        if "b" not in mode or mode.replace("b", "").replace("+", "") not in ("r", "w", "a"):
            raise ValueError(
                f"{mode}: files of the flash are opened rb, wb, ab, with or without +"
            )
        if path not in self.contents and "r" in mode:
            raise OSError(ENOENT, path)
        self.reads += OPEN_READS
        return FlashFile(self, path, mode)

    def remove(self, path: str) -> None:
        """Remove a file, in one step."""
        self._find(path)
        self._commit()
        del self.contents[path]

    def rename(self, path: str, new: str) -> None:
        """Rename a file over whatever has that name, in one step."""
        self._find(path)
        self._commit()
        self.contents[new] = self.contents.pop(path)

    def listdir(self, path: str = "/") -> "list[str]":
        """Return the names below a folder; a folder is there when a file in it is."""
        start = path.rstrip("/") + "/" if path.strip("/") else ""
        below = [name[len(start) :] for name in self.contents if name.startswith(start)]
        return sorted({name.lstrip("/").split("/")[0] for name in below})

    def mkdir(self, path: str) -> None:
        """Do nothing: folders come and go with their files."""
        self.supply.demand()

    def stat(self, path: str) -> "tuple[int, ...]":
        """Return what `os.stat` does: the size is the seventh."""
        self._find(path)
        return (0x8000, 0, 0, 0, 0, 0, len(self.contents[path]), 0, 0, 0)

    def sync(self) -> None:
        """Do nothing: closing and flushing a file syncs it."""
        self.supply.demand()

    def on_restored(self) -> None:
        """Forget every open file."""
        self.starts += 1

    def blocks_of(self, size: int) -> int:
        """Return the blocks that a file of that size takes."""
        return (size + self.block_bytes - 1) // self.block_bytes

    def claim(self, blocks: int) -> None:
        """Raise OSError if so many blocks are not free."""
        if blocks > self.free_blocks:
            raise OSError(ENOSPC, "No space left on device")

    def _find(self, path: str) -> None:
        self.supply.demand()
        if path not in self.contents:
            raise OSError(ENOENT, path)

    def _commit(self) -> None:
        self.programs += 1
        self.supply.spend_all(1)


class FlashFile:
    """An open file of `FlashFiles`; also a context manager."""

    def __init__(self, files: FlashFiles, path: str, mode: str) -> None:
        """Made by `FlashFiles.open`."""
        self._files = files
        self._path = path
        self._start = files.starts
        self._may_write = "r" not in mode or "+" in mode
        self._may_read = "r" in mode or "+" in mode
        self._appends = "a" in mode
        self._is_open = True
        self._place = 0
        self._read_to = -1
        is_new = "w" in mode or path not in files.contents
        self._bytes = bytearray() if is_new else bytearray(files.contents[path])
        self._changed: int | None = 0 if is_new else None  # the first changed byte
        if is_new and files.is_torn:
            files.contents[path] = self._bytes
        elif files.is_torn:
            self._bytes = files.contents[path]

    def __enter__(self) -> "FlashFile":
        """Return the file."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it; a file without power is not synced by that."""
        self.close()

    def read(self, count: int = -1) -> bytes:
        """Return up to count bytes, all that are left without one."""
        self._check(self._may_read)
        end = len(self._bytes) if count < 0 else min(self._place + count, len(self._bytes))
        found = bytes(self._bytes[self._place : end])
        halves = 2 * (len(found) // READ_BYTES)
        if self._place != self._read_to:
            halves += RANDOM_READS_HALF
        self._files.reads += (halves + 1) // 2
        self._place = self._read_to = max(end, self._place)
        return found

    def readinto(self, buffer: "Any") -> int:
        """Fill buffer as far as there is something; return the number of bytes."""
        found = self.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def readline(self, count: int) -> bytes:
        """Return the bytes up to the next line feed and with it, at most so many."""
        end = bytes(self._bytes).find(b"\n", self._place) + 1
        return self.read(count if not end else min(count, end - self._place))

    def write(self, content: "Any") -> int:
        """Write there; return the number of bytes. Raise OSError if the disk is full."""
        self._check(self._may_write)
        if self._appends:
            self._place = len(self._bytes)
        size = len(self._bytes)
        more = self._place + len(content)
        if more > size:
            files = self._files
            files.claim(files.blocks_of(more) - files.blocks_of(size))
            self._bytes.extend(b"\0" * (max(self._place, size) - size))
        changed = min(self._place, size)
        self._changed = changed if self._changed is None else min(changed, self._changed)
        if self._files.is_torn:
            self._write_torn(bytes(content))
        else:
            self._bytes[self._place : more] = content
        self._place = more
        return len(content)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move; whence 0 from the start, 1 from here, 2 from the end. Return the place."""
        self._check(True)
        self._place = (0, self._place, len(self._bytes))[whence] + offset
        return self._place

    def tell(self) -> int:
        """Return the place."""
        return self._place

    def flush(self) -> None:
        """Sync: from here on a cut leaves this content."""
        self._check(True)
        if self._changed is None:
            return
        files = self._files
        rewritten = files.blocks_of(len(self._bytes)) - self._changed // files.block_bytes
        if not files.is_torn:
            files.claim(rewritten)
            files.supply.spend_all(self._copied())
        files.erases += rewritten
        files.programs += rewritten + 1
        files.supply.spend_all(1)
        files.contents[self._path] = self._bytes if files.is_torn else bytearray(self._bytes)
        self._changed = None

    def close(self) -> None:
        """Sync and close; may be called again."""
        is_alive = self._files.supply.is_on and self._start == self._files.starts
        if self._is_open and is_alive:
            self.flush()
        self._is_open = False

    def _check(self, may: bool) -> None:
        self._files.supply.demand()
        if not self._is_open or self._start != self._files.starts or not may:
            raise OSError(EBADF, self._path)

    def _copied(self) -> int:
        """Return how many bytes a sync programs: the blocks from the first change on."""
        first = (self._changed or 0) // self._files.block_bytes * self._files.block_bytes
        return len(self._bytes) - first

    def _write_torn(self, content: bytes) -> None:
        for index, byte in enumerate(content):
            place = self._place + index
            is_whole = self._files.supply.spend()
            landed = byte if is_whole else self._files.supply.random_byte()
            if place < len(self._bytes):
                self._bytes[place] = landed
            else:
                self._bytes.append(landed)
            if not is_whole:
                raise PowerCut
