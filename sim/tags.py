"""Simulated tags: memory, AFI and what has happened to them.

One tag object is carried by hand from pad to gate, whatever reads it there: the readers of
`sim/devices.py`, a serial pad, or the field of a simulated MFRC522.
"""

from collections import deque
from dataclasses import dataclass

from hardware.chips import tag_data
from hardware.chips.tag_data import TagContent
from hardware.errors import BlockOutOfRange, SecurityUnsupported, TagLocked, WriteFailed
from hardware.ports import (
    BLOCK_BYTES,
    ISO14443A,
    ISO15693,
    MIFARE_CLASSIC,
    NTAG,
    Security,
)

HISTORY_MAX = 1_000

CASCADE_TAG = 0x88
"""Announces that a uid goes on, so it may not stand where a uid begins or ends a level
(ISO 14443-3, 6.5.4)."""


@dataclass(frozen=True, slots=True)
class TagModel:
    """What a tag is sold as: its technology, its user memory, and the block it writes at once."""

    name: str
    technology: str
    memory_bytes: int
    block_bytes: int = BLOCK_BYTES


ICODE_SLIX = TagModel("ICODE SLIX", ISO15693, 28 * 4)
"""A common library tag (NXP SL2S2002 data sheet, 8.2)."""

ICODE_SLIX2 = TagModel("ICODE SLIX2", ISO15693, 79 * 4)
"""NXP SL2S2602 data sheet, 8.2: 80 blocks, the last of which holds a counter."""

FRAM_2K = TagModel("MB89R118C", ISO15693, 250 * 8, block_bytes=8)
"""Fujitsu's library tag with blocks of 8 bytes (data sheet, memory configuration)."""

NTAG213 = TagModel("NTAG213", NTAG, 36 * 4)
"""A sticker: pages 04h to 27h (NXP NTAG213/215/216 data sheet, 8.5, table 5)."""

NTAG215 = TagModel("NTAG215", NTAG, 126 * 4)
"""Pages 04h to 81h (same data sheet)."""

NTAG216 = TagModel("NTAG216", NTAG, 222 * 4)
"""Pages 04h to E1h (same data sheet)."""

CLASSIC_1K = TagModel("MIFARE Classic 1K", MIFARE_CLASSIC, 15 * 3 * 16, block_bytes=16)
"""The data blocks of sectors 1 to 15 in order, without trailers (NXP MF1S50 data sheet, 8.6)."""

PLAIN_CARD = TagModel("ISO 14443 card", ISO14443A, 0)
"""A card with a uid and no memory for us: a bank card, a telephone, a student card."""

TAG_MODELS = (
    *(ICODE_SLIX, ICODE_SLIX2, FRAM_2K),
    *(NTAG213, NTAG215, NTAG216, CLASSIC_1K, PLAIN_CARD),
)

ICODE_SLIX_BLOCKS = ICODE_SLIX.memory_bytes // BLOCK_BYTES
NTAG213_BLOCKS = NTAG213.memory_bytes // BLOCK_BYTES

_DELIVERED = {
    NTAG213: bytes.fromhex("0103a00c 340300fe"),
    NTAG215: bytes.fromhex("0300fe00"),
    NTAG216: bytes.fromhex("0300fe00"),
}
"""User memory as the maker delivers it: an empty NDEF message (NTAG data sheet, table 8)."""

_MODEL_OF_TECHNOLOGY = {
    ISO15693: ICODE_SLIX,
    NTAG: NTAG213,
    MIFARE_CLASSIC: CLASSIC_1K,
    ISO14443A: PLAIN_CARD,
}

_SECURITY_OF_AFI = {
    tag_data.AFI_IN_STOCK: Security.IN_STOCK,
    tag_data.AFI_ON_LOAN: Security.ON_LOAN,
}
AFI_OF_SECURITY = {security: afi for afi, security in _SECURITY_OF_AFI.items()}


class SimTag:
    """One tag, on a book or a card.

    `memory` is its user memory, counted from the first byte a program may write. What the chip
    keeps around it (header pages, lock bytes, sector trailers) is in `system`, by the chip's own
    block number; the simulated MFRC522 fills it when it first meets the tag. Blocks in arguments
    have 4 bytes like those of `TagReader`; `block_bytes` is what the chip writes at once.

    Its `history` lists in plain words what it went through: "placed", "read", "released",
    "secured", "written", "lifted".
    """

    def __init__(
        self,
        uid: str,
        *,
        technology: str = ISO15693,
        model: TagModel | None = None,
        content: TagContent | None = None,
        security: Security = Security.NONE,
        blocks: int | None = None,
    ) -> None:
        self.model = model if model is not None else _MODEL_OF_TECHNOLOGY[technology]
        self.technology = self.model.technology
        self.uid = _uid(uid, self.technology)
        length = self.model.memory_bytes if blocks is None else blocks * BLOCK_BYTES
        self.memory = bytearray(length)
        self.block_bytes = self.model.block_bytes
        self.system: dict[int, bytes] = {}
        self.afi = 0x00
        self.afi_locked = False
        self.dsfid = 0x00
        self.eas = False
        self.locked_blocks: set[int] = set()
        self.history: deque[str] = deque(maxlen=HISTORY_MAX)
        self._writes_ignored = 0
        if content is not None:
            block = tag_data.encode(content, security_byte=self.technology != ISO15693)
            if len(block) > length:
                raise ValueError(f"tag {uid}: {length} bytes of memory hold no library data")
            self.memory[: len(block)] = block
            self.dsfid = tag_data.dsfid_of(content)
        if security is not Security.NONE:
            self._store_security(security)

    @property
    def content(self) -> TagContent | None:
        """What the memory says, None when blank or torn."""
        try:
            memory, keeps_byte = bytes(self.memory), self.technology != ISO15693
            return tag_data.decode(memory, security_byte=keeps_byte)
        except tag_data.TagDataInvalid:
            return None

    @property
    def security(self) -> Security:
        """What the tag tells a gate now."""
        if self.technology == ISO15693:
            return _SECURITY_OF_AFI.get(self.afi, Security.NONE)
        if len(self.memory) <= tag_data.SECURITY_OFFSET:
            return Security.NONE
        return _SECURITY_OF_AFI.get(self.memory[tag_data.SECURITY_OFFSET], Security.NONE)

    def make_as_delivered(self) -> None:
        """Fill the memory as the maker delivers it: a new sticker is not all zeros."""
        start = _DELIVERED.get(self.model, b"")
        self.memory[:] = start + bytes(len(self.memory) - len(start))

    def set_security(self, security: Security) -> bool:
        """Write the security state; return False when the write did nothing.

        Raises `TagLocked` when somebody locked the AFI for good.
        """
        if self.technology == ISO15693 and self.afi_locked:
            raise TagLocked(self.uid, "its AFI is locked; use another tag for this item")
        if self.ignores_this_write():
            return False
        self._store_security(security)
        return True

    def ignore_writes(self, count: int) -> None:
        """Let the next writes do nothing, as a weak field does; reading back then shows it."""
        self._writes_ignored = count

    def ignores_this_write(self) -> bool:
        """Return whether the next write does nothing, and count it; see `ignore_writes`."""
        if self._writes_ignored == 0:
            return False
        self._writes_ignored -= 1
        return True

    def read(self, first: int, count: int) -> bytes:
        """Return whole blocks of the user memory."""
        start, end = self._range(first, count * BLOCK_BYTES)
        return bytes(self.memory[start:end])

    def check_range(self, first: int, length: int) -> None:
        """Raise `BlockOutOfRange` unless these are whole blocks that the memory has."""
        self._range(first, length)

    def write_block(self, block: int, data: bytes) -> None:
        """Write one block, as the air interface does: four bytes, or nothing."""
        start, end = self._range(block, len(data))
        if block in self.locked_blocks:
            raise TagLocked(self.uid, f"block {block} is locked; use another tag for this item")
        if not self.ignores_this_write():
            self.memory[start:end] = data

    def verify(self, first: int, data: bytes) -> None:
        """Raise `WriteFailed` unless the memory holds these bytes from that block."""
        if self.read(first, len(data) // BLOCK_BYTES) != data:
            raise WriteFailed(self.uid, f"block {first} reads back differently; place it again")

    def _store_security(self, security: Security) -> None:
        if security is Security.NONE:
            raise SecurityUnsupported(self.uid, "a tag is set in stock or on loan, not to none")
        if self.technology == ISO15693:
            self.afi = AFI_OF_SECURITY[security]
        elif len(self.memory) > tag_data.SECURITY_OFFSET:
            self.memory[tag_data.SECURITY_OFFSET] = AFI_OF_SECURITY[security]
        else:
            raise SecurityUnsupported(
                self.uid, f"{len(self.memory)} bytes of memory leave no room for a security byte"
            )

    def _range(self, first: int, length: int) -> tuple[int, int]:
        start, end = first * BLOCK_BYTES, first * BLOCK_BYTES + length
        if first < 0 or length <= 0 or length % BLOCK_BYTES or end > len(self.memory):
            raise BlockOutOfRange(
                self.uid,
                f"{length} bytes from block {first}: the tag has {len(self.memory)} bytes "
                f"in blocks of {BLOCK_BYTES}",
            )
        return start, end


def _uid(text: str, technology: str) -> str:
    """Return the uid, checked: 4, 7, 8 or 10 bytes of lower-case hex, and legal to be made."""
    if len(text) not in (8, 14, 16, 20) or text != text.lower():
        raise ValueError(f"uid {text!r}: must be 4, 7, 8 or 10 bytes of lower-case hex")
    raw = bytes.fromhex(text)
    if technology != ISO15693:
        begins = {4: 0, 7: 3}.get(len(raw))
        if begins is not None and raw[begins] == CASCADE_TAG:
            raise ValueError(f"uid {text}: byte {begins} may not be 88, the cascade tag")
    return text
