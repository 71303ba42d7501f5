"""Simulated tags: memory, AFI and what has happened to them."""

from collections import deque

from hardware.chips import tag_data
from hardware.chips.tag_data import TagContent
from hardware.errors import BlockOutOfRange, SecurityUnsupported, TagLocked, WriteFailed
from hardware.ports import BLOCK_BYTES, ISO15693, NTAG, Security

HISTORY_MAX = 1_000

ICODE_SLIX_BLOCKS = 28
"""User memory of a common library tag: 28 blocks of 4 bytes (NXP SL2S2002 data sheet, 8.2)."""

NTAG213_BLOCKS = 36
"""User memory of an NTAG213 sticker: pages 4 to 39 (NXP NTAG213 data sheet, 8.5)."""

_SECURITY_OF_AFI = {
    tag_data.AFI_IN_STOCK: Security.IN_STOCK,
    tag_data.AFI_ON_LOAN: Security.ON_LOAN,
}
AFI_OF_SECURITY = {security: afi for afi, security in _SECURITY_OF_AFI.items()}


class SimTag:
    """One tag, on a book or a card.

    Its `history` lists in plain words what it went through: "placed", "read", "released",
    "secured", "written", "lifted".
    """

    def __init__(
        self,
        uid: str,
        *,
        technology: str = ISO15693,
        content: TagContent | None = None,
        security: Security = Security.NONE,
        blocks: int | None = None,
    ) -> None:
        self.uid = _uid(uid)
        self.technology = technology
        count = NTAG213_BLOCKS if technology == NTAG else ICODE_SLIX_BLOCKS
        self.memory = bytearray((blocks if blocks is not None else count) * BLOCK_BYTES)
        self.afi = 0x00
        self.locked_blocks: set[int] = set()
        self.history: deque[str] = deque(maxlen=HISTORY_MAX)
        self._writes_ignored = 0
        if content is not None:
            block = tag_data.encode(content)
            self.memory[: len(block)] = block
        if security is not Security.NONE:
            self._store_security(security)

    @property
    def content(self) -> TagContent | None:
        """What the memory says, None when blank or torn."""
        try:
            return tag_data.decode(bytes(self.memory))
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

    def set_security(self, security: Security) -> bool:
        """Write the security state; return False when the write did nothing."""
        if self._ignores_this_write():
            return False
        self._store_security(security)
        return True

    def ignore_writes(self, count: int) -> None:
        """Let the next writes do nothing, as a weak field does; reading back then shows it."""
        self._writes_ignored = count

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
        if not self._ignores_this_write():
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

    def _ignores_this_write(self) -> bool:
        if self._writes_ignored == 0:
            return False
        self._writes_ignored -= 1
        return True

    def _range(self, first: int, length: int) -> tuple[int, int]:
        start, end = first * BLOCK_BYTES, first * BLOCK_BYTES + length
        if first < 0 or length <= 0 or length % BLOCK_BYTES or end > len(self.memory):
            raise BlockOutOfRange(
                self.uid,
                f"{length} bytes from block {first}: the tag has {len(self.memory)} bytes "
                f"in blocks of {BLOCK_BYTES}",
            )
        return start, end


def _uid(text: str) -> str:
    """Return the uid, checked: 4, 7, 8 or 10 bytes of lower-case hex."""
    if len(text) not in (8, 14, 16, 20) or text != text.lower():
        raise ValueError(f"uid {text!r}: must be 4, 7, 8 or 10 bytes of lower-case hex")
    bytes.fromhex(text)
    return text
