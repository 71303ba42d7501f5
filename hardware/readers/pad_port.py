"""The port `TagReader` over any serial pad for ISO 15693 tags: what all of them have in common.

Laws:
- What was written is read back, block by block and bit by bit; only that is success. A field is
  weak now and then, so writing and reading are tried `tries` times before an error says so.
- A tag that does not answer is `TagLost`; one that answers and refuses every try is `TagLocked`;
  one that took nothing is `WriteFailed`. A pad that cannot be understood is a `DeviceError`.
- Uids are believed as far as the pad's checksums and the standard go: eight bytes, e0 first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from hardware.chips import tag_data
from hardware.chips.pad_errors import (
    BlockLocked,
    BlockMissing,
    CommandUnknown,
    PadError,
    TagRefused,
    TagSilent,
)
from hardware.errors import (
    BlockOutOfRange,
    DeviceError,
    SecurityUnsupported,
    TagError,
    TagLocked,
    TagLost,
    WriteFailed,
)
from hardware.ports import (
    BLOCK_BYTES,
    ISO15693,
    Clock,
    Health,
    Inventory,
    Security,
    TagContent,
    TagSeen,
)
from hardware.readers.pad_line import PadLine, Question
from hardware.serial_line import SerialLine

BLOCKS_MAX = 256
"""Block numbers have one byte on the wire, and in ISO/IEC 15693-3."""

CONTENT_BLOCKS = 9
"""36 bytes: the basic block of ISO 28560-3, and behind it whether more follows."""
CONTENT_BLOCKS_MAX = 28
"""All of a common library tag: object encodings and extension blocks are that long at most."""
_WANTS_MORE = frozenset(
    (
        tag_data.FLAG_EXTENSION_TORN,
        tag_data.FLAG_LIST_CUT,
        tag_data.FLAG_PII_ELSEWHERE,
        tag_data.FLAG_INDEX_INCOMPLETE,
    )
)
"""What reading on may answer: the rest of an extension, or of a list of elements."""

NXP = 0x04
"""Byte 1 of the uid: the one maker whose tags have an EAS bit (ISO/IEC 7816-6, SL2S2002)."""

AFI, EAS, BOTH = "afi", "eas", "both"
SECURITY_BY = (AFI, EAS, BOTH)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PadOptions:
    """How a site uses a pad.

    `security_by`: what gates listen to: "afi", the "eas" bit of NXP's tags, or "both". `only_afi`:
    let inventories list only tags with this AFI, so that a gate's round is one frame; not all pads
    can. `timeout_ms`: how long an answer may take. `tries`: how often a weak field is tried.
    `address`: a Feig reader's own on a bus, 255 for the only one. `rf_reset`: switch a Feig
    reader's field off before each inventory, which it needs unless its setting ONT is 0.
    """

    security_by: str = AFI
    only_afi: int | None = None
    timeout_ms: int = 1_000
    tries: int = 3
    address: int = 255
    rf_reset: bool = True

    def __post_init__(self) -> None:
        if self.security_by not in SECURITY_BY:
            raise ValueError(f"security_by {self.security_by!r}: must be afi, eas or both")


class SerialPad:
    """A `TagReader` over a serial line; a subclass speaks one maker's language.

    A subclass asks with `_ask` and raises `PadError` where a tag says no. All of its methods mean
    the tag's memory in blocks of 4 bytes.
    """

    def __init__(
        self,
        line: SerialLine,
        clock: Clock,
        *,
        name: str = "pad",
        afi_in_stock: int = tag_data.AFI_IN_STOCK,
        afi_on_loan: int = tag_data.AFI_ON_LOAN,
        options: PadOptions | None = None,
    ) -> None:
        self.name = name
        self.options = options if options is not None else PadOptions()
        self._afis = {Security.IN_STOCK: afi_in_stock, Security.ON_LOAN: afi_on_loan}
        self._pad = self._speak(line, clock)

    # The port

    def inventory(self) -> Inventory:
        """See `TagReader.inventory`."""
        try:
            uids, complete = self._list_uids()
        except PadError as error:
            raise self._device_error(error) from error
        return Inventory(
            tuple(TagSeen(uid, ISO15693) for uid in sorted({uid.hex() for uid in uids})),
            complete=complete,
        )

    def read_content(self, uid: str) -> TagContent | None:
        """See `TagReader.read_content`; reads on where the first blocks say that more follows."""
        tag = self._tag(uid, "reading its content")
        memory = self._memory(uid, tag, 0, CONTENT_BLOCKS)
        if tag_data.is_blank(memory):
            return None
        dsfid = self._told_dsfid(tag)
        content = _decoded(memory, dsfid)
        is_all = len(memory) < CONTENT_BLOCKS * BLOCK_BYTES
        if not is_all and (content is None or _WANTS_MORE.intersection(content.flags)):
            blocks = CONTENT_BLOCKS_MAX - CONTENT_BLOCKS
            memory += self._memory(uid, tag, CONTENT_BLOCKS, blocks)
            content = _decoded(memory, dsfid)
        if dsfid is None and (content is None or tag_data.FLAG_FORMAT_GUESSED in content.flags):
            dsfid = self._tried(uid, "reading its content", lambda: self._ask_dsfid(tag))
            content = _decoded(memory, dsfid)
        return content

    def get_security(self, uid: str) -> Security:
        """See `TagReader.get_security`; where AFI and EAS shall both tell and differ, none."""
        during = "reading its security"
        tag = self._tag(uid, during)
        return self._tried(uid, during, lambda: self._security(tag), SecurityUnsupported)

    def set_security(self, uid: str, security: Security) -> None:
        """See `TagReader.set_security`."""
        if security is Security.NONE:
            raise SecurityUnsupported(uid, "a tag is set in stock or on loan, not to none")
        tag = self._tag(uid, "setting its security")
        if not self._places(tag):
            raise SecurityUnsupported(uid, "has no EAS bit; use a tag of NXP for this item")
        refused = 0
        for _ in range(self.options.tries):
            try:
                self._write_security(tag, security)
            except TagSilent:
                pass  # it may have happened all the same: reading back tells
            except BlockLocked as error:
                raise TagLocked(uid, "its AFI is locked; use another tag for this item") from error
            except TagRefused:
                refused += 1
            except PadError as error:
                raise self._device_error(error) from error
            if (
                self._tried(uid, "reading back", lambda: self._security(tag), SecurityUnsupported)
                is security
            ):
                return
        if refused == self.options.tries:
            raise TagLocked(uid, "refuses to change its security; use another tag for this item")
        raise WriteFailed(uid, f"still not {security.value}; place it again")

    def read(self, uid: str, first: int, count: int) -> bytes:
        """See `TagReader.read`."""
        _check_range(uid, first, count * BLOCK_BYTES)
        tag = self._tag(uid, f"reading block {first}")
        memory = self._memory(uid, tag, first, count)
        if len(memory) < count * BLOCK_BYTES:
            last = first + len(memory) // BLOCK_BYTES
            raise BlockOutOfRange(uid, f"the tag has no block {last}")
        return memory

    def write(self, uid: str, first: int, data: bytes) -> None:
        """See `TagReader.write`; of a second try only blocks are written that did not take."""
        _check_range(uid, first, len(data))
        tag = self._tag(uid, f"writing block {first}")
        held, refused = b"", 0
        for _ in range(self.options.tries):
            try:
                for at, piece in _differing(held, data):
                    self._write_blocks(tag, first + at, piece)
            except TagSilent:
                pass  # some blocks may be written: reading back tells which
            except BlockMissing as error:
                raise BlockOutOfRange(uid, _NO_ROOM.format(len(data), first)) from error
            except TagRefused:
                refused += 1  # perhaps a locked block that holds the bytes already
            except PadError as error:
                raise self._device_error(error) from error
            held = self._read_back(uid, tag, first, data)
            if held == data:
                return
        if refused == self.options.tries:
            raise TagLocked(uid, f"refuses to be written at block {first}; use another tag")
        raise WriteFailed(uid, f"block {first} reads back differently; place it again")

    @property
    def version(self) -> str:
        """The firmware's version, asked now; raises `DeviceError`."""
        try:
            return self._ask_version()
        except PadError as error:
            raise self._device_error(error) from error

    def health(self) -> Health:
        """See `TagReader.health`."""
        return self._pad.health()

    def close(self) -> None:
        """See `TagReader.close`."""
        self._pad.close()

    # What a subclass says

    def _speak(self, line: SerialLine, clock: Clock) -> PadLine:
        """Return the exchange in this pad's language."""
        raise NotImplementedError

    def _ask_version(self) -> str:
        """Return the firmware's version."""
        raise NotImplementedError

    def _list_uids(self) -> tuple[list[bytes], bool]:
        """Return the uids in the field and whether they are all."""
        raise NotImplementedError

    def _read_blocks(self, tag: bytes, first: int, length: int) -> bytes:
        """Return `length` bytes from block `first`, or fewer where the memory ends."""
        raise NotImplementedError

    def _write_blocks(self, tag: bytes, first: int, data: bytes) -> None:
        """Write whole blocks once."""
        raise NotImplementedError

    def _locked_blocks(self, tag: bytes, first: int, count: int) -> list[int]:
        """Return which of these blocks are locked, as far as the pad can tell."""
        raise NotImplementedError

    def _told_dsfid(self, tag: bytes) -> int | None:
        """Return the DSFID that reading this tag's blocks told by the way, None if it did not."""
        raise NotImplementedError

    def _ask_dsfid(self, tag: bytes) -> int | None:
        """Return the tag's DSFID, None if the pad cannot ask for it."""
        raise NotImplementedError

    def _read_afi(self, tag: bytes) -> int:
        """Return the tag's AFI."""
        raise NotImplementedError

    def _write_afi(self, tag: bytes, afi: int) -> None:
        """Write the tag's AFI once."""
        raise NotImplementedError

    def _read_eas(self, tag: bytes) -> bool:
        """Return the tag's EAS bit."""
        raise NotImplementedError

    def _write_eas(self, tag: bytes, eas: bool) -> None:
        """Write the tag's EAS bit once."""
        raise NotImplementedError

    def _ask(self, frame: bytes, understand: Callable[[bytes], T]) -> T:
        return self._pad.ask(Question(frame, understand))

    # Inside

    def _tag(self, uid: str, during: str) -> bytes:
        """Return the uid's bytes; no pad for ISO 15693 has a tag in its field with another one."""
        try:
            tag = bytes.fromhex(uid)
        except ValueError:
            tag = b""
        if len(tag) != 8 or tag.hex() != uid:
            raise TagLost(uid, during)
        return tag

    def _places(self, tag: bytes) -> tuple[str, ...]:
        """Return where this tag keeps its security at this site: its AFI, its EAS bit, or both."""
        wanted = (AFI, EAS) if self.options.security_by == BOTH else (self.options.security_by,)
        return tuple(place for place in wanted if place == AFI or tag[1] == NXP)

    def _security(self, tag: bytes) -> Security:
        told = set()
        for place in self._places(tag):
            if place == EAS:
                told.add(Security.IN_STOCK if self._read_eas(tag) else Security.ON_LOAN)
                continue
            afi = self._read_afi(tag)
            told.add(next((s for s, value in self._afis.items() if value == afi), Security.NONE))
        return told.pop() if len(told) == 1 else Security.NONE

    def _write_security(self, tag: bytes, security: Security) -> None:
        for place in self._places(tag):
            if place == EAS:
                self._write_eas(tag, security is Security.IN_STOCK)
            else:
                self._write_afi(tag, self._afis[security])

    def _memory(self, uid: str, tag: bytes, first: int, count: int) -> bytes:
        """Return blocks as they are, fewer where the memory ends."""
        during = f"reading block {first}"
        length = count * BLOCK_BYTES
        return self._tried(uid, during, lambda: self._read_blocks(tag, first, length))

    def _tried(
        self,
        uid: str,
        during: str,
        action: Callable[[], T],
        refusal: type[TagError] = BlockOutOfRange,
    ) -> T:
        """Return what the action returns; a weak field is tried again, then the tag is lost."""
        for _ in range(self.options.tries):
            try:
                return action()
            except TagSilent:
                continue
            except TagRefused as error:
                message = f"{during}: the tag refuses ({error}); use another tag for this item"
                raise refusal(uid, message) from error
            except PadError as error:
                raise self._device_error(error) from error
        raise TagLost(uid, during)

    def _read_back(self, uid: str, tag: bytes, first: int, data: bytes) -> bytes:
        """Return what the blocks hold after a write; raises why they can never hold the data."""
        length = len(data)
        held = self._tried(uid, "reading back", lambda: self._read_blocks(tag, first, length))
        if len(held) < length:
            raise BlockOutOfRange(uid, _NO_ROOM.format(length, first))
        wrong = [first + at + n for at, piece in _differing(held, data) for n in _numbers(piece)]
        if wrong:
            count = length // BLOCK_BYTES
            locked = self._tried(
                uid, "reading back", lambda: self._locked_blocks(tag, first, count)
            )
            for block in wrong:
                if block in locked:
                    raise TagLocked(uid, _LOCKED.format(block))
        return held

    def _device_error(self, error: PadError) -> DeviceError:
        if isinstance(error, CommandUnknown):
            return DeviceError(
                f"{self.name}: {error}; set it to ISO host mode, or take another model"
            )
        return DeviceError(f"{self.name}: {error}; pull its plug and put it in again")


_LOCKED = "block {} is locked; use another tag for this item"
_NO_ROOM = "no room for {} bytes at block {}"


def _numbers(piece: bytes) -> range:
    return range(len(piece) // BLOCK_BYTES)


def _differing(held: bytes, data: bytes) -> list[tuple[int, bytes]]:
    """Return each run of blocks that do not hold the data: its first block, and its bytes."""
    runs: list[tuple[int, bytes]] = []
    for number in range(len(data) // BLOCK_BYTES):
        block = slice(number * BLOCK_BYTES, (number + 1) * BLOCK_BYTES)
        if held[block] == data[block]:
            continue
        if runs and runs[-1][0] + len(runs[-1][1]) // BLOCK_BYTES == number:
            runs[-1] = (runs[-1][0], runs[-1][1] + data[block])
        else:
            runs.append((number, data[block]))
    return runs


def _check_range(uid: str, first: int, length: int) -> None:
    blocks = length // BLOCK_BYTES
    if first < 0 or length <= 0 or length % BLOCK_BYTES or first + blocks > BLOCKS_MAX:
        raise BlockOutOfRange(
            uid, f"{length} bytes from block {first}: not whole blocks of {BLOCK_BYTES} below 256"
        )


def _decoded(memory: bytes, dsfid: int | None) -> TagContent | None:
    """Return what the memory says; None when it is blank, torn, or no library's."""
    if tag_data.is_blank(memory):
        return None
    try:
        return tag_data.decode(memory, dsfid)
    except tag_data.TagDataInvalid:
        return None
