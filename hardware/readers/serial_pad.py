"""Serial pads and gate antennas for ISO 15693 tags: 3M 210/810 and Feig OBID, behind `TagReader`.

A gate's antenna is the same class with other `PadOptions`. UHF readers have the same port, and no
driver until a maker's manual is at hand.

Frames for one lending of a book that was put down, each with an answer (the first use after the
plug was put in costs two more, and so does trouble on the line):

    |                            | 3M 210/810          | Feig OBID                              |
    |----------------------------|---------------------|----------------------------------------|
    | inventory, a gate's round  | 1                   | 2: RF reset, inventory                 |
    | content, 36 bytes          | 2: blocks 0-7, 8    | 2: system information, blocks          |
    | security by AFI            | 1                   | 1: system information                  |
    | switching by AFI           | 2: write, read      | 2: write, system information           |
    | lending: two inventories,  |                     |                                        |
    | content, security, switch  | 7, 144 ms           | 9, 85 ms                               |
    | writing 36 bytes           | 5                   | 4                                      |
    | security by EAS            | 1                   | 2 when set, 7 when clear               |

The times are those of the bytes on the line (19,200 8N1, 38,400 8E1), without the radio and the
pad's own. tests/hardware/readers/test_serial_pad_frames.py counts them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from hardware.chips import pad_3m, pad_feig
from hardware.chips.pad_errors import AnswerForeign, BlockMissing, CommandUnknown, TagRefused
from hardware.errors import DeviceTimeout
from hardware.ports import BLOCK_BYTES, Clock
from hardware.readers.pad_line import Language, PadLine, Question
from hardware.readers.pad_port import PadOptions, SerialPad
from hardware.serial_line import SerialLine

__all__ = ["Pad3m", "PadFeig", "PadOptions"]

ROUNDS_MAX = 32
"""Inventory answers to one round: more than 250 tags lie on no pad and pass no gate."""


SILENCES = 3
"""In a field that misses every tenth question a set bit is then still missed once in a hundred
readings: prefer the AFI, which a tag tells, to an alarm that it may fail to raise."""


T = TypeVar("T")


class Pad3m(SerialPad):
    """A 3M pad 210 or 810, or a gate antenna that speaks the same: 19200 8N1.

    With `only_afi` an inventory lists only tags with that AFI, in one frame.
    """

    _has_dsfid = True

    def _speak(self, line: SerialLine, clock: Clock) -> PadLine:
        afi = self.options.only_afi or 0
        self._round = _inventory_of(afi)
        version = Question(pad_3m.ask_version(), pad_3m.version)
        another = _inventory_of(0xFF if afi == 0 else 0)  # FF is nobody's, so no tag answers
        language = Language(pad_3m.FrameParser, (version, self._round), another)
        return PadLine(line, clock, language, name=self.name, timeout_ms=self.options.timeout_ms)

    def _ask_version(self) -> str:
        return self._ask(pad_3m.ask_version(), pad_3m.version)

    def _list_uids(self) -> tuple[list[bytes], bool]:
        return self._pad.ask(self._round)

    def _read_blocks(self, tag: bytes, first: int, length: int) -> bytes:
        found = b""
        for block, count in _spans(first, length // BLOCK_BYTES, pad_3m.BLOCKS_PER_FRAME):
            entries = self._entries(tag, block, count)
            found += b"".join(content for content, _ in entries)
            if len(entries) < count:
                break
        return found

    def _entries(self, tag: bytes, first: int, count: int) -> list[tuple[bytes, bool]]:
        """Return up to 8 blocks and their locks; none behind the memory's end.

        Which error says that a block is missing nobody has published.
        """
        try:
            return self._ask(
                pad_3m.ask_read(tag, first, count),
                lambda answer: pad_3m.blocks(answer, tag, first, count),
            )
        except TagRefused:
            if first == 0:
                raise
            return []

    def _write_blocks(self, tag: bytes, first: int, data: bytes) -> None:
        last = first + len(data) // BLOCK_BYTES - 1
        if not self._entries(tag, last, 1):
            raise BlockMissing(f"the tag has no block {last}", 0)
        for block, count in _spans(first, len(data) // BLOCK_BYTES, pad_3m.BLOCKS_PER_FRAME):
            at = (block - first) * BLOCK_BYTES
            piece = data[at : at + count * BLOCK_BYTES]
            self._write_frame(tag, block, piece)

    def _write_frame(self, tag: bytes, first: int, piece: bytes) -> None:
        count = len(piece) // BLOCK_BYTES
        self._ask(
            pad_3m.ask_write(tag, first, piece),
            lambda answer: pad_3m.written(answer, tag, first, count),
        )

    def _locked_blocks(self, tag: bytes, first: int, count: int) -> list[int]:
        locked = []
        for block, blocks in _spans(first, count, pad_3m.BLOCKS_PER_FRAME):
            entries = self._entries(tag, block, blocks)
            locked += [block + number for number, (_, lock) in enumerate(entries) if lock]
        return locked

    def _told_dsfid(self, tag: bytes) -> int | None:
        return None

    def _ask_dsfid(self, tag: bytes) -> int | None:
        """Ask for the DSFID; a pad that cannot is not asked again."""
        if not self._has_dsfid:
            return None
        try:
            return self._ask(pad_3m.ask_dsfid(tag), lambda answer: pad_3m.dsfid(answer, tag))
        except (TagRefused, DeviceTimeout):
            self._has_dsfid = False
            return None

    def _read_afi(self, tag: bytes) -> int:
        return self._ask(pad_3m.ask_afi(tag), lambda answer: pad_3m.afi(answer, tag))

    def _write_afi(self, tag: bytes, afi: int) -> None:
        self._ask(pad_3m.ask_write_afi(tag, afi), lambda answer: pad_3m.afi_written(answer, tag))

    def _read_eas(self, tag: bytes) -> bool:
        return self._ask(pad_3m.ask_eas(tag), lambda answer: pad_3m.eas(answer, tag))

    def _write_eas(self, tag: bytes, eas: bool) -> None:
        self._ask(pad_3m.ask_write_eas(tag, eas), lambda answer: pad_3m.eas_written(answer, tag))


class PadFeig(SerialPad):
    """A Feig OBID reader in ISO host mode: CPR pads, MR, PR and LR gates: 38400 8E1.

    Its answers about blocks name neither tag nor block, so each is asked behind a question whose
    answer looks different and names the tag: one that came a question late is never believed.
    """

    _resets = True

    def _speak(self, line: SerialLine, clock: Clock) -> PadLine:
        if self.options.only_afi is not None:
            raise ValueError(f"{self.name}: a Feig reader's inventory cannot choose by AFI")
        self._address = self.options.address
        self._last_system: tuple[bytes, pad_feig.System] | None = None
        version = self._question(pad_feig.ask_version(self._address), pad_feig.version)
        self._round = self._question(
            pad_feig.ask_inventory(address=self._address), pad_feig.inventory, repeats=True
        )
        self._more = self._question(
            pad_feig.ask_inventory(True, self._address), pad_feig.inventory, repeats=True
        )
        language = Language(pad_feig.FrameParser, (version, self._round), version)
        return PadLine(line, clock, language, name=self.name, timeout_ms=self.options.timeout_ms)

    def _ask_version(self) -> str:
        return self._ask(pad_feig.ask_version(self._address), pad_feig.version)

    def _ask(self, frame: bytes, understand: Callable[[bytes], T]) -> T:
        return self._pad.ask(self._question(frame, understand))

    def _question(
        self, frame: bytes, understand: Callable[[bytes], T], repeats: bool = False
    ) -> Question[T]:
        """Return a question that only the reader called by its address can answer."""

        def understand_this(answer: bytes) -> T:
            if self._address not in (pad_feig.ANY_ADDRESS, answer[0]):
                raise AnswerForeign(f"reader {answer[0]} answers for reader {self._address}")
            return understand(answer)

        return Question(frame, understand_this, repeats)

    def _list_uids(self) -> tuple[list[bytes], bool]:
        self._reset_field()
        listed = self._pad.ask(self._round)
        found, complete = listed.uids, listed.complete
        for _ in range(ROUNDS_MAX):
            if not (listed.more and listed.uids):
                break
            listed = self._pad.ask(self._more)
            found, complete = found + listed.uids, complete and listed.complete
        return found, complete and not listed.more

    def _reset_field(self) -> None:
        """Let every tag answer again; a reader that knows no such command is not asked twice."""
        if not (self._resets and self.options.rf_reset):
            return
        try:
            self._ask(pad_feig.ask_rf_reset(self._address), pad_feig.rf_was_reset)
        except CommandUnknown:
            self._resets = False

    def _system(self, tag: bytes) -> pad_feig.System:
        found = self._ask(
            pad_feig.ask_system(tag, self._address), lambda answer: pad_feig.system(answer, tag)
        )
        self._last_system = (tag, found)
        return found

    def _read_blocks(self, tag: bytes, first: int, length: int) -> bytes:
        start, found = first * BLOCK_BYTES, b""
        while len(found) < length:
            system = self._system(tag)
            piece = self._read_some(tag, system, start + len(found), length - len(found))
            if not piece:
                break
            found += piece
        return found

    def _read_some(self, tag: bytes, system: pad_feig.System, start: int, length: int) -> bytes:
        """Return bytes from offset `start`, as many as one answer holds; none behind the end."""
        size = system.block_bytes
        block, skip = divmod(start, size)
        count = min(-(-(skip + length) // size), pad_feig.BLOCKS_PER_FRAME * BLOCK_BYTES // size)
        count = min(count, system.blocks - block) if system.blocks else count
        if count <= 0:
            return b""
        entries = self._entries(tag, block, count, size)
        return b"".join(content for content, _ in entries)[skip : skip + length]

    def _entries(
        self, tag: bytes, block: int, count: int, size: int, locks: bool = False
    ) -> list[tuple[bytes, bool]]:
        return self._ask(
            pad_feig.ask_read(tag, block, count, locks, self._address),
            lambda answer: pad_feig.blocks(answer, count, size),
        )

    def _write_blocks(self, tag: bytes, first: int, data: bytes) -> None:
        system = self._system(tag)
        size = system.block_bytes
        if system.blocks and first * BLOCK_BYTES + len(data) > system.blocks * size:
            raise BlockMissing(f"the tag has {system.blocks * size} bytes", 0)
        start, end = first * BLOCK_BYTES, first * BLOCK_BYTES + len(data)
        head, tail = start % size, -end % size
        if head or tail:
            whole = self._read_blocks(tag, (start - head) // BLOCK_BYTES, head + len(data) + tail)
            data = whole[:head] + data + whole[head + len(data) :]
        for block, count in _spans(
            (start - head) // size, len(data) // size, pad_feig.BLOCKS_PER_FRAME * 4 // size
        ):
            at = block * size - (start - head)
            piece = data[at : at + count * size]
            self._ask(pad_feig.ask_write(tag, block, piece, size, self._address), pad_feig.written)

    def _locked_blocks(self, tag: bytes, first: int, count: int) -> list[int]:
        size = self._system(tag).block_bytes
        each = size // BLOCK_BYTES or 1
        last = first + count - 1
        native = range(first // each, last // each + 1)
        locked: list[int] = []
        for block in native:
            self._system(tag)
            try:
                entries = self._entries(tag, block, 1, size, locks=True)
            except TagRefused:
                return []  # a tag that does not tell its locks
            if entries[0][1]:
                locked += range(block * each, (block + 1) * each)
        return locked

    def _told_dsfid(self, tag: bytes) -> int | None:
        if self._last_system is None or self._last_system[0] != tag:
            return None
        return self._last_system[1].dsfid

    def _ask_dsfid(self, tag: bytes) -> int | None:
        return self._system(tag).dsfid

    def _read_afi(self, tag: bytes) -> int:
        return self._system(tag).afi

    def _write_afi(self, tag: bytes, afi: int) -> None:
        self._ask(pad_feig.ask_write_afi(tag, afi, self._address), pad_feig.written)

    def _read_eas(self, tag: bytes) -> bool:
        """Return whether the tag alarms.

        Silence is a clear bit or a missed answer, so it counts when the tag answers everything
        else around it and is silent three times.
        """
        for _ in range(SILENCES):
            self._system(tag)
            if self._ask(pad_feig.ask_eas(tag, self._address), pad_feig.eas):
                return True
        self._system(tag)
        return False

    def _write_eas(self, tag: bytes, eas: bool) -> None:
        self._ask(pad_feig.ask_write_eas(tag, eas, self._address), pad_feig.eas_written)


def _inventory_of(afi: int) -> Question[tuple[list[bytes], bool]]:
    return Question(
        pad_3m.ask_inventory(afi), lambda answer: pad_3m.inventory(answer, afi), repeats=True
    )


def _spans(first: int, count: int, most: int) -> list[tuple[int, int]]:
    """Return blocks in pieces: each its first block and how many."""
    end = first + count
    return [(block, min(most, end - block)) for block in range(first, end, most)]
