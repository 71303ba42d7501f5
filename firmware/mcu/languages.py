"""What a gate asks a serial antenna, as conversations: each yields a question, is sent the answer.

A conversation returns its result when it ends; what an antenna refuses it raises as `PadError`.
So the same lines serve a shell that never waits. The frames are those of `hardware/chips`.

    version()    the antenna answers: nothing else matters
    inventory()  the uids in the field
    afi(uid)     a tag's AFI, 0 if it has none
    eas(uid)     whether the EAS bit of a tag that has one is set: it alarms
    content(uid) (memory, DSFID or None): as much of the memory as it takes to know the owner
"""

from firmware.gate.events import IN_STOCK, NO_SECURITY, ON_LOAN
from hardware.chips import pad_3m, pad_feig, tag_data
from hardware.chips.pad_errors import AnswerForeign, CommandUnknown, TagRefused
from hardware.chips.tag_data import AFI_IN_STOCK, AFI_ON_LOAN, TagDataInvalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    Talk = Generator[bytes, bytes, Any]

FIRST_BYTES = 32
"""A whole basic block of ISO 28560-3 if the owner's code is short: one frame of either antenna."""
STEP_BYTES = 32
CONTENT_BYTES_MAX = 96
ROUNDS_MAX = 8
BLOCK_BYTES = 4
SILENCES = 3

NXP = 0x04
"""Byte 1 of the uid: the one maker whose tags have an EAS bit (ISO/IEC 7816-6, SL2S2002)."""
AFI, EAS, BOTH = "afi", "eas", "both"
SECURITY_BY = (AFI, EAS, BOTH)
"""What a site's gates listen to, as hardware/readers/pad_port.py has it on a Pi."""

_OF_AFI = {AFI_IN_STOCK: IN_STOCK, AFI_ON_LOAN: ON_LOAN}

_WANTS_MORE = (
    tag_data.FLAG_EXTENSION_TORN,
    tag_data.FLAG_LIST_CUT,
    tag_data.FLAG_PII_ELSEWHERE,
    tag_data.FLAG_INDEX_INCOMPLETE,
)


class Language3m:
    """A 3M antenna, or one that speaks the same: 19200 baud, 8N1."""

    baudrate, parity = pad_3m.BAUDRATE, pad_3m.PARITY
    parser = pad_3m.FrameParser

    def version(self) -> "Talk":
        """Ask for the firmware's version."""
        return pad_3m.version((yield pad_3m.ask_version()))

    def inventory(self) -> "Talk":
        """Ask for every uid in the field."""
        uids, _ = pad_3m.inventory((yield pad_3m.ask_inventory()))
        return uids

    def afi(self, uid: bytes) -> "Talk":
        """Ask for one tag's AFI."""
        answer = yield pad_3m.ask_afi(uid)
        try:
            return pad_3m.afi(answer, uid)
        except TagRefused:
            return 0  # a tag without AFI

    def eas(self, uid: bytes) -> "Talk":
        """Ask for one tag's EAS bit."""
        return pad_3m.eas((yield pad_3m.ask_eas(uid)), uid)

    def content(self, uid: bytes) -> "Talk":
        """Read a tag's memory, 8 blocks at a time."""
        memory = b""
        while needs_more(memory, None):
            first = len(memory) // BLOCK_BYTES
            answer = yield pad_3m.ask_read(uid, first, pad_3m.BLOCKS_PER_FRAME)
            try:
                found = pad_3m.blocks(answer, uid, first, pad_3m.BLOCKS_PER_FRAME)
            except TagRefused:
                if not memory:
                    raise
                break  # behind the memory's end
            memory += b"".join([content for content, _ in found])
            if len(found) < pad_3m.BLOCKS_PER_FRAME:
                break
        return memory, None


class LanguageFeig:
    """A Feig OBID reader in ISO host mode: 38400 baud, 8E1."""

    baudrate, parity = pad_feig.BAUDRATE, pad_feig.PARITY
    parser = pad_feig.FrameParser

    def __init__(self, address: int = pad_feig.ANY_ADDRESS) -> None:
        """address: the reader's own, 255 for any."""
        self._address = address
        self._resets = True

    def version(self) -> "Talk":
        """Ask for the software's version."""
        return pad_feig.version(self._mine((yield pad_feig.ask_version(self._address))))

    def inventory(self) -> "Talk":
        """Ask for every uid in the field, after the field was off so that all answer again."""
        if self._resets:
            answer = self._mine((yield pad_feig.ask_rf_reset(self._address)))
            try:
                pad_feig.rf_was_reset(answer)
            except CommandUnknown:
                self._resets = False
        uids: list[bytes] = []
        more = False
        for _ in range(ROUNDS_MAX):
            answer = yield pad_feig.ask_inventory(more, self._address)
            listed = pad_feig.inventory(self._mine(answer))
            uids += listed.uids
            more = listed.more
            if not (more and listed.uids):
                break
        return uids

    def afi(self, uid: bytes) -> "Talk":
        """Ask for one tag's system information, which holds its AFI."""
        answer = self._mine((yield pad_feig.ask_system(uid, self._address)))
        try:
            return pad_feig.system(answer, uid).afi
        except TagRefused:
            return 0

    def eas(self, uid: bytes) -> "Talk":
        """Ask whether a tag alarms.

        Silence is a clear bit or a missed answer, so it counts when the tag answers everything
        else around it and is silent three times.
        """
        for _ in range(SILENCES):
            yield from self.afi(uid)
            if pad_feig.eas(self._mine((yield pad_feig.ask_eas(uid, self._address)))):
                return True
        yield from self.afi(uid)
        return False

    def content(self, uid: bytes) -> "Talk":
        """Read a tag's memory.

        The answer about blocks names neither tag nor block, so each stands behind a question
        whose answer does.
        """
        memory, dsfid = b"", None
        while needs_more(memory, dsfid):
            answer = self._mine((yield pad_feig.ask_system(uid, self._address)))
            system = pad_feig.system(answer, uid)
            dsfid, size = system.dsfid, system.block_bytes
            first, count = len(memory) // size, max(FIRST_BYTES // size, 1)
            if system.blocks:
                count = min(count, system.blocks - first)
            if count <= 0:
                break
            question = pad_feig.ask_read(uid, first, count, address=self._address)
            answer = self._mine((yield question))
            found = pad_feig.blocks(answer, count, size)
            memory += b"".join([content for content, _ in found])
        return memory, dsfid

    def _mine(self, answer: bytes) -> bytes:
        if self._address not in (pad_feig.ANY_ADDRESS, answer[0]):
            raise AnswerForeign(f"reader {answer[0]} answers for reader {self._address}")
        return answer


def has_security(uid: bytes, by: str) -> bool:
    """Return whether a tag of that uid keeps any security at this site."""
    return by != EAS or uid[1] == NXP


def security(language: "Language3m | LanguageFeig", uid: bytes, by: str) -> "Talk":
    """Ask for one tag's security; where AFI and EAS shall both tell and differ, there is none.

    by: one of SECURITY_BY; the tag is one that `has_security`. Where it has no EAS bit, `both`
    means its AFI.
    """
    told = set()
    if by != EAS:
        told.add(_OF_AFI.get((yield from language.afi(uid)), NO_SECURITY))
    if by != AFI and uid[1] == NXP:
        told.add(IN_STOCK if (yield from language.eas(uid)) else ON_LOAN)
    return told.pop() if len(told) == 1 else NO_SECURITY


def needs_more(memory: bytes, dsfid: "int | None") -> bool:
    """Return whether more of the memory would tell more about item and owner."""
    if len(memory) < FIRST_BYTES:
        return not memory
    if len(memory) >= CONTENT_BYTES_MAX or tag_data.is_blank(memory):
        return False
    try:
        content = tag_data.decode(memory, dsfid)
    except TagDataInvalid:
        return True
    return True in [flag in _WANTS_MORE for flag in content.flags]
