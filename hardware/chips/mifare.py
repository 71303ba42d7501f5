"""Memory of the two kinds of ISO 14443A tag a library can write: NTAG stickers, MIFARE Classic.

Laws:
- Every answer's length and CRC are checked; a 4-bit answer is an ACK only if it is 1010.
- A write is read back, whole, before it counts.
- A write that begins at the start of the memory and is longer than one unit sets the first byte
  to 00 first and to what it shall be last: no library's format begins with 00. So a tag that is
  pulled away in between says "broken off", and is never a mixture of two contents that happens
  to look like one.
- Lock bytes, capability container, configuration and sector trailers are never written: what is
  addressed here is user memory alone, counted in bytes from 0.

Sources: NXP NTAG213/215/216 data sheet, rev. 3.2, chapters 8.5 and 10; NXP MF1S50YYX_V1 data
sheet, rev. 3.2, chapters 8.6 to 10 and 12.
"""

from hardware.chips.crc_a import CRC_LENGTH, has_crc, with_crc
from hardware.chips.iso14443a import (
    KeyRefused,
    ReadBackDiffers,
    TagGarbled,
    TagRefused,
    TagSilent,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from hardware.chips.iso14443a import Link

    class Cipher(Link, Protocol):
        """A link that also speaks MIFARE Classic's cipher: the chip, which alone knows it."""

        def authenticate(self, command: int, block: int, key: bytes, uid: bytes) -> bool:
            """Open a sector. See `Rc522.authenticate`."""

    class Memory(Protocol):
        """User memory of one selected tag, in units that are written at once."""

        unit: int
        units: int

        def fetch(self, first: int, count: int) -> bytes:
            """Return whole units."""

        def store(self, index: int, data: bytes) -> None:
            """Write one unit."""


GET_VERSION, READ, WRITE_PAGE = 0x60, 0x30, 0xA2
AUTHENTICATE_A, WRITE_BLOCK = 0x60, 0xA0
ACK = 0x0A

READ_US, WRITE_US = 6_000, 12_000
"""NTAG data sheet, tables 28 and 32: 5 ms and 10 ms. MIFARE Classic, 12.4: 5 ms and 10 ms."""

PAGE_BYTES, BLOCK_BYTES, READ_BYTES = 4, 16, 16
USER_PAGE_FIRST = 4
SECTOR_BLOCKS = 4
USER_SECTOR_FIRST = 1
KEY_DEFAULT = b"\xff\xff\xff\xff\xff\xff"
KEY_LENGTH = 6

_USER_BYTES = {0x0B: 48, 0x0E: 128, 0x0F: 144, 0x11: 504, 0x13: 888}
"""User memory by GET_VERSION's storage size: NTAG210, 212, 213, 215, 216; MIFARE Ultralight EV1
has the first two sizes, and the same commands."""

_CLASSIC_SECTORS = {0x08: 16, 0x88: 16, 0x28: 16, 0x18: 16, 0x98: 16, 0x38: 16, 0x09: 5}
"""Sectors we use, by SAK (NXP AN10833, table 5): 1K, 4K of which the first 1K, and Mini."""


def ask(link: "Link", frame: bytes, length: int, wait_us: int = READ_US) -> bytes:
    """Send a command and return its `length` bytes of answer, CRC checked and cut off.

    Raises `TagSilent`, `TagGarbled` or `TagRefused`.
    """
    reply = link.exchange(with_crc(frame), wait_us=wait_us)
    if reply is None:
        raise TagSilent("no answer to a command")
    if reply.is_clean and len(reply.data) == 1 and reply.last_bits == 4:
        raise TagRefused(reply.data[0] & 0x0F)
    if not reply.is_clean or reply.last_bits or len(reply.data) != length + CRC_LENGTH:
        raise TagGarbled("an answer of another length than was due")
    if not has_crc(reply.data):
        raise TagGarbled("a wrong CRC")
    return reply.data[:length]


def tell(link: "Link", frame: bytes, wait_us: int = WRITE_US) -> None:
    """Send a command or its data and wait for the ACK.

    Raises `TagSilent`, `TagGarbled`, or `TagRefused` with the NAK.
    """
    reply = link.exchange(with_crc(frame), wait_us=wait_us)
    if reply is None:
        raise TagSilent("no acknowledgement")
    if not reply.is_clean or len(reply.data) != 1 or reply.last_bits != 4:
        raise TagGarbled("an acknowledgement that is not 4 bits")
    if reply.data[0] & 0x0F != ACK:
        raise TagRefused(reply.data[0] & 0x0F)


def get_version(link: "Link") -> bytes:
    """Return the 8 bytes of GET_VERSION (NTAG data sheet, 10.1).

    Only for tags whose SAK is 00: on MIFARE Classic the same byte means authenticate.
    """
    return ask(link, bytes((GET_VERSION,)), 8)


def ntag_user_bytes(version: bytes) -> int:
    """Return the size of the user memory by GET_VERSION's answer; 0 for other chips.

    NXP (04), NTAG (04) or Ultralight EV1 (03), 17 or 50 pF (01, 02): an NTAG I2C has another
    subtype, the same storage sizes and another layout.
    """
    if version[1] != 0x04 or version[2] not in (0x03, 0x04) or version[3] not in (0x01, 0x02):
        return 0
    return _USER_BYTES.get(version[6], 0)


def classic_sectors(sak: int) -> int:
    """Return how many sectors of a MIFARE Classic we use, the first included; 0 for others."""
    return _CLASSIC_SECTORS.get(sak, 0)


class NtagMemory:
    """User memory of a selected NTAG: pages from 4 on, four bytes each."""

    unit = PAGE_BYTES

    def __init__(self, link: "Link", user_bytes: int, uid: bytes) -> None:
        """`user_bytes`: as `ntag_user_bytes` says. `uid`: of the tag that is selected."""
        self.units = user_bytes // PAGE_BYTES
        self._link = link
        self._page_0 = uid[:3] + bytes((0x88 ^ uid[0] ^ uid[1] ^ uid[2],))

    def fetch(self, first: int, count: int) -> bytes:
        """Return whole pages.

        READ gives four pages and begins again at page 0 behind the last readable one, which is
        earlier on a tag with a password (data sheet, 10.2). So pages that look like page 0 are
        read once more, alone.
        """
        data = b""
        while len(data) < count * PAGE_BYTES:
            page = USER_PAGE_FIRST + first + len(data) // PAGE_BYTES
            four = ask(self._link, bytes((READ, page)), READ_BYTES)
            at = four.find(self._page_0, PAGE_BYTES)
            whole = READ_BYTES if at < 0 else max(PAGE_BYTES, at // PAGE_BYTES * PAGE_BYTES)
            data += four[:whole]
        return data[: count * PAGE_BYTES]

    def store(self, index: int, data: bytes) -> None:
        """Write one page."""
        tell(self._link, bytes((WRITE_PAGE, USER_PAGE_FIRST + index)) + data)


class ClassicMemory:
    """User memory of a selected MIFARE Classic: data blocks of the sectors from 1 on.

    Sector 0 is left alone (its first block is the maker's), trailers are skipped.
    """

    unit = BLOCK_BYTES

    def __init__(self, chip: "Cipher", sectors: int, uid: bytes, key: bytes = KEY_DEFAULT) -> None:
        """`uid`: the tag that is selected; `key`: key A of every sector used."""
        self.units = (sectors - USER_SECTOR_FIRST) * (SECTOR_BLOCKS - 1)
        self._chip = chip
        self._uid = uid[-4:]
        self._key = key
        self._open = -1

    def fetch(self, first: int, count: int) -> bytes:
        """Return whole blocks."""
        data = b""
        for index in range(first, first + count):
            block = self._opened(index)
            data += ask(self._chip, bytes((READ, block)), READ_BYTES)
        return data

    def store(self, index: int, data: bytes) -> None:
        """Write one block, in its two steps: address, then data."""
        block = self._opened(index)
        tell(self._chip, bytes((WRITE_BLOCK, block)))
        tell(self._chip, data)

    def _opened(self, index: int) -> int:
        """Return the number of a block after its sector was opened; raises `KeyRefused`."""
        sector = USER_SECTOR_FIRST + index // (SECTOR_BLOCKS - 1)
        block = sector * SECTOR_BLOCKS + index % (SECTOR_BLOCKS - 1)
        if sector != self._open:
            if not self._chip.authenticate(AUTHENTICATE_A, block, self._key, self._uid):
                raise KeyRefused(f"sector {sector} does not open with this key")
            self._open = sector
        return block


def size(memory: "Memory") -> int:
    """Return the user memory's size in bytes."""
    return memory.unit * memory.units


def read_bytes(memory: "Memory", at: int, length: int) -> bytes:
    """Return bytes of user memory; the caller has checked that they are there."""
    if length == 0:
        return b""
    first = at // memory.unit
    end = -(-(at + length) // memory.unit)
    data = memory.fetch(first, end - first)
    return data[at - first * memory.unit :][:length]


def write_bytes(memory: "Memory", at: int, data: bytes) -> None:
    """Write bytes of user memory, keep what lies beside them, and read all of it back.

    Units that hold already what they shall are not written. Raises `ReadBackDiffers`, and
    whatever the tag does wrong; see the laws above.
    """
    unit = memory.unit
    first = at // unit
    end = -(-(at + len(data)) // unit)
    old = memory.fetch(first, end - first)
    start = at - first * unit
    new = old[:start] + data + old[start + len(data) :]
    rest = [
        index
        for index in range(1, end - first)
        if new[index * unit :][:unit] != old[index * unit :][:unit]
    ]
    head = old[:unit]
    broken_off = b"\x00" + new[1:unit]
    if first == 0 and rest and head != broken_off:
        head = broken_off
        memory.store(0, head)
    for index in rest:
        memory.store(first + index, new[index * unit :][:unit])
    if new[:unit] != head:
        memory.store(first, new[:unit])
    if memory.fetch(first, end - first) != new:
        raise ReadBackDiffers("memory reads back differently")
