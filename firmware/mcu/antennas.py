"""A gate's antennas on a board: asked in one turn, heard in a later one.

Laws:
- Nobody waits for a serial antenna: `hear` takes what bytes have come, `ask` writes one question.
  Between the two the machine is told, so what it wants to know is the very next question.
- What came before a question is thrown away. After silence, damage or a foreign answer an antenna
  may be a question late: it is believed again when two different questions were answered.
- The chip of an RC522 board is on the same desk: its round is some 15 ms a tag, and is bounded.
- A failing antenna is named in `trouble`, tried again twice a second, and delays nobody.

What was heard lies in `reads` (`TagRead`s) and `contents` (uid, whether it was read, item's
identifier, owner) until `hear` is called again.
"""

from binascii import hexlify, unhexlify

from firmware.gate.events import IN_STOCK, NO_SECURITY, ON_LOAN, TagRead
from firmware.mcu.languages import AFI, Language3m, LanguageFeig, has_security, security
from hardware.chips import mifare, tag_data
from hardware.chips.iso14443a import TagFault, TypeA
from hardware.chips.pad_errors import AnswerInvalid, PadError
from hardware.chips.rc522 import ChipFault, ChipReset, Rc522
from hardware.chips.tag_data import AFI_IN_STOCK, AFI_ON_LOAN, TagDataInvalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

ANSWER_MS = 400
"""How long an antenna may take: a 3M pad needs 200 ms for a field of twenty tags."""
AGAIN_MS = 500
QUIET_MS = 100
"""After trouble an older answer may still be on its way, for as long as its longest frame."""
GREET_MS = 2_000
"""How often something else is asked between two inventories: see the second law."""
SECURITY_AGAIN_MS = 1_000
TAGS_MAX = 64
WANTED_MAX = 8
BYTES_PER_TURN = 512

_SECURITIES = {AFI_IN_STOCK: IN_STOCK, AFI_ON_LOAN: ON_LOAN}


class SerialAntenna:
    """A 3M or Feig antenna on a serial port."""

    def __init__(
        self,
        name: str,
        uart: "Any",
        language: "Language3m | LanguageFeig",
        security_by: str = AFI,
    ) -> None:
        """uart: reading and writing return at once. language: what it understands.

        security_by: where its tags keep their security, see `firmware/mcu/languages.py`.
        """
        self.name = name
        self.reads: list[Any] = []
        self.contents: list[tuple[str, bool, str | None, str | None]] = []
        self.errors = 0
        self.trouble = ""
        self._uart = uart
        self._language = language
        self._security_by = security_by
        self._parser: Any = None
        self._talk: Any = None
        self._then: Callable[[Any, int], None] = self._greeted
        self._about = b""
        self._is_content = False
        self._deadline_ms = 0
        self._quiet_until_ms = 0
        self._greeted_ms: int | None = None
        self._failures = 0
        self._seen: dict[bytes, tuple[str, int]] = {}
        self._due: list[bytes] = []
        self._wanted: list[bytes] = []

    def want(self, uid: str) -> None:
        """Have this tag's data block read next."""
        tag = unhexlify(uid)
        if len(self._wanted) < WANTED_MAX and tag not in self._wanted:
            self._wanted.append(tag)

    def hear(self, now_ms: int) -> None:
        """Take what has come."""
        self.reads = []
        self.contents = []
        if self._talk is not None:
            self._listen(now_ms)
        elif now_ms < self._quiet_until_ms:
            self._uart.read(BYTES_PER_TURN)

    def ask(self, now_ms: int) -> None:
        """Ask what is next, if nothing is under way."""
        if self._talk is None and now_ms >= self._quiet_until_ms:
            self._begin(now_ms)

    def _begin(self, now_ms: int) -> None:
        if self._greeted_ms is None or now_ms - self._greeted_ms >= GREET_MS:
            # The two of them differ, so an antenna that is one question late fails at the second.
            self._greeted_ms = None
            self._start(self._language.version(), self._greeted, now_ms)
        elif self._wanted:
            self._about = self._wanted.pop(0)
            self._start(self._language.content(self._about), self._told_content, now_ms)
            self._is_content = True
        elif self._due:
            self._about = self._due.pop(0)
            talk = security(self._language, self._about, self._security_by)
            self._start(talk, self._told_security, now_ms)
        else:
            self._start(self._language.inventory(), self._told_field, now_ms)

    def _start(self, talk: "Any", then: "Callable[[Any, int], None]", now_ms: int) -> None:
        self._talk = talk
        self._then = then
        self._is_content = False
        self._say(next(talk), now_ms)

    def _say(self, question: bytes, now_ms: int) -> None:
        self._uart.read(BYTES_PER_TURN)
        self._parser = self._language.parser()
        self._deadline_ms = now_ms + ANSWER_MS
        self._uart.write(question)

    def _listen(self, now_ms: int) -> None:
        piece = self._uart.read(BYTES_PER_TURN) if self._uart.any() else None
        if piece:
            self._parser.feed(piece)
        answer = self._parser.take()
        if self._parser.broken:
            self._fail("an answer came damaged; check its cable, baud rate and parity", now_ms)
        elif answer is not None:
            self._answer(answer, now_ms)
        elif now_ms >= self._deadline_ms:
            self._fail("no answer; check its power, its cable and its driver", now_ms)

    def _answer(self, answer: bytes, now_ms: int) -> None:
        """Let the conversation go on with this answer, or end."""
        try:
            self._say(self._talk.send(answer), now_ms)
            return
        except StopIteration as ended:
            result = ended.value
        except AnswerInvalid:
            self._fail("it answers another question than it was asked", now_ms)
            return
        except PadError:
            result = None  # the antenna works; the tag is gone, or cannot do this
        self._talk = None
        self._failures = 0
        self.trouble = ""
        self._then(result, now_ms)

    def _fail(self, why: str, now_ms: int) -> None:
        self.errors += 1
        self._failures += 1
        if self._failures > 1:  # one spark on the cable is no trouble
            self.trouble = f"{self.name}: {why}"
        if self._is_content:
            self._tell_content(None)
        self._talk = None
        self._greeted_ms = None
        self._due = []
        self._quiet_until_ms = now_ms + (QUIET_MS if self._failures == 1 else AGAIN_MS)

    def _greeted(self, result: "Any", now_ms: int) -> None:
        self._greeted_ms = now_ms

    def _told_field(self, uids: "list[bytes] | None", now_ms: int) -> None:
        if uids is None:
            return
        gone = [tag for tag in self._seen if tag not in uids]
        for tag in gone:
            if now_ms - self._seen[tag][1] >= SECURITY_AGAIN_MS:
                del self._seen[tag]
        for tag in uids[:TAGS_MAX]:
            known = self._seen.get(tag)
            if known is not None and now_ms - known[1] < SECURITY_AGAIN_MS:
                self._tell_read(tag, known[0])
            elif has_security(tag, self._security_by):
                self._due.append(tag)
            else:
                self._tell_read(tag, NO_SECURITY)

    def _told_security(self, told: "str | None", now_ms: int) -> None:
        if told is None:
            return  # gone again; if it passed, another round has read it
        if len(self._seen) >= TAGS_MAX:
            self._seen = {}
        self._seen[self._about] = (told, now_ms)
        self._tell_read(self._about, told)

    def _told_content(self, memory: "Any", now_ms: int) -> None:
        self._tell_content(memory)

    def _tell_read(self, tag: bytes, security: str) -> None:
        self.reads.append(TagRead(hexlify(tag).decode(), security, None, None))

    def _tell_content(self, memory: "Any") -> None:
        uid = hexlify(self._about).decode()
        if memory is None:
            self.contents.append((uid, False, None, None))
            return
        content = decoded(memory[0], memory[1])
        pii, owner = (None, None) if content is None else (content.pii, content.owner)
        self.contents.append((uid, True, pii or None, owner or None))


def decoded(memory: bytes, dsfid: "int | None") -> "Any":
    """Return what a memory says, None when it is blank, torn, or no library's."""
    if tag_data.is_blank(memory):
        return None
    try:
        return tag_data.decode(memory, dsfid, security_byte=dsfid is None)
    except TagDataInvalid:
        return None


CHIP_EVERY_MS = 40
CONTENT_BYTES = 40
"""The basic block of ISO 28560-3 and the security byte behind it."""


class ChipAntenna:
    """An RC522 board: a lane's antenna for NTAG stickers, or the spot for staff cards.

    A tag's data block is read in the very round that finds it, so nobody has to ask for it.
    """

    def __init__(self, name: str, chip: Rc522, every_ms: int = CHIP_EVERY_MS) -> None:
        """chip: touched when it is first heard. every_ms: from one round to the next."""
        self.name = name
        self.reads: list[Any] = []
        self.contents: list[tuple[str, bool, str | None, str | None]] = []
        self.errors = 0
        self.trouble = ""
        self._chip = chip
        self._type_a = TypeA(chip)
        self._every_ms = every_ms
        self._again_ms = 0
        self._now_ms = 0
        self._tries = 1
        self._seen: dict[bytes, tuple[Any, int]] = {}
        self._wanted: list[str] = []

    def want(self, uid: str) -> None:
        """Have this tag's data block read in the next round, if it is there."""
        self._seen.pop(unhexlify(uid), None)
        if len(self._wanted) < WANTED_MAX:
            self._wanted.append(uid)

    def ask(self, now_ms: int) -> None:
        """Do nothing: the chip answers while it is asked."""

    def hear(self, now_ms: int) -> None:
        """Look into the field if it is time to."""
        self.reads = []
        self.contents = []
        if now_ms < self._again_ms:
            return
        self._again_ms = now_ms + self._every_ms
        self._now_ms = now_ms
        try:
            found = self._round()
        except ChipFault as fault:
            self._chip.version = None
            self.errors += 1
            self.trouble = f"{self.name}: {fault}"
            self._again_ms = now_ms + AGAIN_MS
            return
        self.trouble = ""
        self._tell(found)

    def _round(self) -> "list[tuple[bytes, int]]":
        try:
            if self._chip.version is None:
                self._chip.start()
            else:
                self._chip.check()
        except ChipReset:
            self._chip.start()
        found, _ = self._type_a.inventory(self._look, self._tries)
        self._tries = 2 if found else 1  # a field that was not empty is asked twice
        return found

    def _tell(self, found: "list[tuple[bytes, int]]") -> None:
        for uid, _ in found:
            known = self._seen.get(uid)
            if known is not None:
                self.reads.append(known[0])
        for wanted in self._wanted:
            known = self._seen.get(unhexlify(wanted))
            read = known[0] if known is not None else TagRead(wanted, NO_SECURITY, None, None)
            self.contents.append((wanted, known is not None, read.pii, read.owner))
        self._wanted = []
        if len(self._seen) > TAGS_MAX:
            self._seen = {}

    def _look(self, uid: bytes, sak: int) -> None:
        """Read a tag while it is selected; one that was read within a second is known."""
        known = self._seen.get(uid)
        if known is not None and self._now_ms - known[1] < SECURITY_AGAIN_MS:
            return
        name = hexlify(uid).decode()
        try:
            memory = self._memory(uid, sak)
            size = min(CONTENT_BYTES, 0 if memory is None else mifare.size(memory))
            content = mifare.read_bytes(memory, 0, size) if size else b""
        except TagFault:
            content = b""
        self._seen[uid] = (_read(name, content), self._now_ms)

    def _memory(self, uid: bytes, sak: int) -> "Any":
        """Return the selected tag's memory, None for a card with nothing for us in it."""
        if sak != 0:
            return None
        user_bytes = mifare.ntag_user_bytes(mifare.get_version(self._chip))
        return mifare.NtagMemory(self._chip, user_bytes, uid) if user_bytes else None


def _read(uid: str, memory: bytes) -> TagRead:
    place = tag_data.security_place(memory) if memory else None
    held = NO_SECURITY if place is None else _SECURITIES.get(memory[place], NO_SECURITY)
    content = decoded(memory, None) if memory else None
    if content is None:
        return TagRead(uid, held, None, None)
    return TagRead(uid, held, content.pii or None, content.owner or None)
