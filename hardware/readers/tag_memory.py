"""The half of `TagReader` that is about one tag's memory, for every reader of ISO 14443A tags.

Laws:
- The security state is one byte of user memory, at the place `tag_data.security_place` gives, as
  these tags have no AFI register. It is read back like everything that is written.
- What a weak field damaged is tried again, a few times. A refusal counts when it was repeated: a
  NAK has four bits and no checksum.
- A tag whose memory is another's (a foreign key, a password) has no content and no security for
  us; it is an error only to write to it, or to ask for its blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from hardware.chips import mifare, tag_data
from hardware.chips.iso14443a import (
    KeyRefused,
    ReadBackDiffers,
    TagFault,
    TagRefused,
    TagSilent,
)
from hardware.chips.tag_data import TagContent, TagDataInvalid
from hardware.errors import (
    BlockOutOfRange,
    SecurityUnsupported,
    TagLocked,
    TagLost,
    WriteFailed,
)
from hardware.ports import BLOCK_BYTES, ISO14443A, MIFARE_CLASSIC, Security

if TYPE_CHECKING:
    from hardware.chips.mifare import Memory

TRIES = 3
REFUSALS = 2
"""How many of those tries a tag must refuse: one NAK may be a damaged ACK, which has no CRC."""

NAKS_REFUSED = (0x0, 0x4)
"""NTAG data sheet, 9.3: invalid argument; MF1S50 data sheet, 10.1.2: operation not allowed. The
others say that the command was damaged on its way."""

CONTENT_BYTES = 40
"""The basic block of ISO 28560-3, whether more follows, and the block of the security byte."""
CONTENT_BYTES_MAX = 112
"""As much as a common library tag has: object encodings and extension blocks end before that."""

_WANTS_MORE = frozenset(
    (
        tag_data.FLAG_EXTENSION_TORN,
        tag_data.FLAG_LIST_CUT,
        tag_data.FLAG_PII_ELSEWHERE,
        tag_data.FLAG_INDEX_INCOMPLETE,
    )
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kind:
    """What a tag is: its technology, and the user memory it has for us, in bytes.

    `sectors`: of a MIFARE Classic, how many are used, the first included.
    """

    technology: str
    user_bytes: int = 0
    sectors: int = 0


OTHER = Kind(ISO14443A)
"""A card of the standard with nothing in it that we could use."""


def classic(sak: int) -> Kind | None:
    """Return what a MIFARE Classic with this SAK is; None for all other SAKs."""
    sectors = mifare.classic_sectors(sak)
    blocks = (sectors - mifare.USER_SECTOR_FIRST) * (mifare.SECTOR_BLOCKS - 1)
    return Kind(MIFARE_CLASSIC, blocks * mifare.BLOCK_BYTES, sectors) if sectors else None


class TagMemoryReader:
    """Reads and writes tags one at a time; a subclass says how one is reached."""

    def __init__(self, name: str, afi_in_stock: int, afi_on_loan: int) -> None:
        self.name = name
        self._afis = {Security.IN_STOCK: afi_in_stock, Security.ON_LOAN: afi_on_loan}

    def _reach(self, uid: str, raw: bytes, during: str, work: Callable[[Memory], T]) -> T:
        """Do something with the memory of one tag.

        Raises `TagLost` when it is not in the field, `TagFault` for what may be tried again.
        """
        raise NotImplementedError

    def read_content(self, uid: str) -> TagContent | None:
        """See `TagReader.read_content`; None also for a card whose memory is another's."""
        try:
            memory = self._with_tag(uid, "reading its content", _first_bytes)
        except TagLocked:
            return None
        return _decoded(memory)

    def get_security(self, uid: str) -> Security:
        """See `TagReader.get_security`; `Security.NONE` for tags without a place for it."""
        try:
            memory = self._with_tag(uid, "reading its security", _first_bytes)
        except TagLocked:
            return Security.NONE
        place = tag_data.security_place(memory)
        states = {afi: security for security, afi in self._afis.items()}
        return Security.NONE if place is None else states.get(memory[place], Security.NONE)

    def set_security(self, uid: str, security: Security) -> None:
        """See `TagReader.set_security`."""
        if security is Security.NONE:
            raise SecurityUnsupported(uid, "a tag is set in stock or on loan, not to none")
        value = bytes((self._afis[security],))

        def write(memory: Memory) -> None:
            place = tag_data.security_place(_first_bytes(memory))
            if place is None:
                raise SecurityUnsupported(
                    uid, "no room for a security byte in its memory; use another tag for this item"
                )
            mifare.write_bytes(memory, place, value)

        self._with_tag(uid, "setting its security", write)

    def read(self, uid: str, first: int, count: int) -> bytes:
        """See `TagReader.read`."""

        def read(memory: Memory) -> bytes:
            _check_range(uid, memory, first, count * BLOCK_BYTES)
            return mifare.read_bytes(memory, first * BLOCK_BYTES, count * BLOCK_BYTES)

        return self._with_tag(uid, f"reading block {first}", read)

    def write(self, uid: str, first: int, data: bytes) -> None:
        """See `TagReader.write`.

        A longer write from block 0 marks that block as broken off first and makes it good last:
        a tag pulled away in between says "broken off", and never half of each.
        """

        def write(memory: Memory) -> None:
            _check_range(uid, memory, first, len(data))
            mifare.write_bytes(memory, first * BLOCK_BYTES, data)

        self._with_tag(uid, f"writing block {first}", write)

    def _with_tag(self, uid: str, during: str, work: Callable[[Memory], T]) -> T:
        """Do something with a tag's memory; repeats what a weak field damaged."""
        try:
            raw = bytes.fromhex(uid)
        except ValueError:
            raise TagLost(uid, during) from None
        refusals = 0
        fault: TagFault = TagSilent()
        for _ in range(TRIES):
            try:
                return self._reach(uid, raw, during, work)
            except ReadBackDiffers as error:
                raise WriteFailed(uid, "reads back differently; place it again") from error
            except TagFault as error:
                fault = error
                refusals += isinstance(error, KeyRefused) or _is_refusal(error)
        if refusals < REFUSALS:
            raise TagLost(uid, during) from fault
        raise TagLocked(
            uid, f"{fault} while {during}: locked for good, or with another's key; use another tag"
        ) from fault


def _is_refusal(fault: TagFault) -> bool:
    """Whether a tag will not, rather than did not understand."""
    return isinstance(fault, TagRefused) and fault.code in NAKS_REFUSED


def _first_bytes(memory: Memory) -> bytes:
    """Return as much of the memory as it takes to know what the tag says."""
    length = mifare.size(memory)
    data = mifare.read_bytes(memory, 0, min(CONTENT_BYTES, length))
    more = min(CONTENT_BYTES_MAX, length) - len(data)
    if more and not tag_data.is_blank(data) and not _is_all(_decoded(data)):
        data += mifare.read_bytes(memory, len(data), more)
    return data


def _is_all(content: TagContent | None) -> bool:
    """Whether a basic block says everything, so that nothing behind it matters."""
    return (
        content is not None
        and content.format == tag_data.FORMAT
        and not _WANTS_MORE.intersection(content.flags)
    )


def _decoded(memory: bytes) -> TagContent | None:
    """Return what the memory says; None when it is blank, torn, or no library's."""
    if tag_data.is_blank(memory):
        return None
    try:
        return tag_data.decode(memory, security_byte=True)
    except TagDataInvalid:
        return None


def _check_range(uid: str, memory: Memory, first: int, length: int) -> None:
    user_bytes = mifare.size(memory)
    end = first * BLOCK_BYTES + length
    if first < 0 or length <= 0 or length % BLOCK_BYTES or end > user_bytes:
        raise BlockOutOfRange(
            uid,
            f"{length} bytes from block {first}: the tag has {user_bytes} bytes for us, "
            f"in blocks of {BLOCK_BYTES}",
        )
