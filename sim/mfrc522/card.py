"""A tag's side of ISO 14443-3 type A: states, cascade levels, selection, halt.

States are those of the standard's figure 7: IDLE, READY at a level, ACTIVE, HALT, and their
starred versions, from which an error leads back to HALT instead of IDLE. What a tag does once it
is active is in `ntag.py` and `classic.py`.
"""

from dataclasses import dataclass

from sim.mfrc522.frames import (
    SHORT_FRAME_BITS,
    Frame,
    Heard,
    hear,
    nibble,
    tail,
    whole,
    with_crc,
)
from sim.mfrc522.timer import carrier_ns
from sim.tags import CASCADE_TAG, SimTag

REQA, WUPA, HLTA, RATS = 0x26, 0x52, 0x50, 0xE0
SEL = {1: 0x93, 2: 0x95, 3: 0x97}
CASCADE_BIT = 0x04

IDLE, READY, ACTIVE, HALT = "IDLE", "READY", "ACTIVE", "HALT"

DELAY_AFTER_1_NS = carrier_ns(1236)
DELAY_AFTER_0_NS = carrier_ns(1172)
"""Frame delay time PCD to PICC with n = 9 (ISO 14443-3, table 2): about 91 and 86 us."""

READ_NS = 250_000
"""An answer that needs the memory: well below the 5 ms the data sheets allow."""


@dataclass(frozen=True, slots=True)
class Programming:
    """Bytes on their way into the memory, from byte 0 of a block of the chip's own numbering."""

    block: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """What a tag answers, `delay_ns` after the frame it heard ended.

    `programming` is done during the delay: a tag that leaves meanwhile has done a part of it.
    """

    frame: Frame | None
    delay_ns: int
    programming: Programming | None = None


class Card:
    """The radio side of one tag; it lives as long as the tag lies in a field."""

    atqa_high = 0x03
    sak = 0x20

    def __init__(self, tag: SimTag) -> None:
        self.tag = tag
        self.uid = bytes.fromhex(tag.uid)
        self.state = IDLE
        self.starred = False
        self.level = 1
        self.crypto = False
        self._levels = cascade(self.uid)
        self._delay_ns = DELAY_AFTER_0_NS
        self._in_protocol = False

    @property
    def atqa(self) -> bytes:
        """The two bytes of ATQA, low byte first: uid size in bits 8 and 7 (table 3)."""
        return bytes((0x04 | len(self._levels) - 1 << 6, self.atqa_high))

    def lose_power(self) -> None:
        """Forget everything that is not in the memory."""
        self.state, self.starred, self.level = IDLE, False, 1
        self._in_protocol = False
        self.reset_session()

    def hear(self, frame: Frame) -> Reply | None:
        """Return the answer to a frame, None for silence."""
        last_bit = frame.word >> frame.length - 1 & 1 if frame.length else 0
        self._delay_ns = DELAY_AFTER_1_NS if last_bit else DELAY_AFTER_0_NS
        if frame.encrypted != self.crypto:
            # Noise: a session on one side only. The tag takes it for an error.
            return self._fail() if self.state != IDLE or self.crypto else None
        if frame.length == SHORT_FRAME_BITS and not self.crypto:
            return self._hear_short(frame.word)
        heard = hear(frame)
        if self.state == READY:
            return self._hear_ready(heard)
        if self.state == ACTIVE:
            return self._hear_active(heard)
        return None

    def answer(self, data: bytes, delay_ns: int = 0) -> Reply:
        """Return a reply with a CRC."""
        frame = whole(with_crc(data), encrypted=self.crypto)
        return Reply(frame, max(delay_ns, self._delay_ns))

    def ack(self, delay_ns: int = 0, programming: Programming | None = None) -> Reply:
        """Return the four bits of an ACK, after the bytes were programmed."""
        frame = nibble(0xA, encrypted=self.crypto)
        return Reply(frame, max(delay_ns, self._delay_ns), programming)

    def nak(self, code: int) -> Reply:
        """Return the four bits of a NAK and fall back to IDLE or HALT."""
        reply = Reply(nibble(code, encrypted=self.crypto), self._delay_ns)
        self._fail()
        return reply

    def execute(self, heard: Heard) -> Reply | None:
        """Return the answer to a command with a right CRC in the ACTIVE state."""
        if heard.data[0] == RATS and len(heard.data) == 4:
            # ISO 14443-4, 5.2: no more of that protocol than that the card speaks it.
            self._in_protocol = True
            return self.answer(bytes((0x05, 0x78, 0x80, 0x70, 0x02)), READ_NS)
        return None if self._in_protocol else self._fail()

    def broken(self, heard: Heard) -> Reply | None:
        """Return the answer to a frame with a wrong parity or CRC in the ACTIVE state."""
        return self._fail()

    def reset_session(self) -> None:
        """Forget the session: cipher, password, half a command."""
        self.crypto = False

    def program(self, programming: Programming, count: int) -> None:
        """Write the first `count` bytes of it into the memory."""
        raise NotImplementedError(f"{self.tag.uid}: a plain card has no memory")

    def _hear_short(self, command: int) -> Reply | None:
        wakes = command == WUPA or (command == REQA and self.state == IDLE)
        if wakes and self.state in (IDLE, HALT):
            self.starred = self.state == HALT
            self.state, self.level = READY, 1
            return Reply(whole(self.atqa), self._delay_ns)
        return self._fail() if self.state in (READY, ACTIVE) else None

    def _hear_ready(self, heard: Heard) -> Reply | None:
        data = heard.data
        if not heard.parity_ok or len(data) < 2 or data[0] != SEL[self.level]:
            return self._fail()
        level = self._levels[self.level - 1]
        if data[1] == 0x70:
            return self._select(level, heard)
        known = (data[1] >> 4) * 8 + (data[1] & 0x0F) - 16
        sent = 8 * (len(data) - 2) + heard.bits
        if data[1] & 0x08 or not 0 <= known < 40 or known != sent:
            return self._fail()
        value = int.from_bytes(data[2:], "little") | heard.rest << 8 * (len(data) - 2)
        if value != int.from_bytes(level, "little") & ((1 << known) - 1):
            return None  # another tag's branch: stay ready
        return Reply(tail(level, known), self._delay_ns)

    def _select(self, level: bytes, heard: Heard) -> Reply | None:
        if not heard.crc_ok or heard.data[2:-2] != level:
            return self._fail()
        if self.level < len(self._levels):
            self.level += 1
            return self.answer(bytes((self.sak | CASCADE_BIT,)))
        self.state = ACTIVE
        return self.answer(bytes((self.sak,)))

    def _hear_active(self, heard: Heard) -> Reply | None:
        if not (heard.parity_ok and heard.crc_ok):
            return self.broken(heard)
        if heard.data[:2] == bytes((HLTA, 0x00)) and len(heard.data) == 4:
            self.reset_session()
            self.state = HALT
            return None
        return self.execute(heard)

    def _fail(self) -> Reply | None:
        """Fall back without a word (figure 7, the transitions by error)."""
        self.state = HALT if self.starred or self.state == HALT else IDLE
        self._in_protocol = False
        self.reset_session()
        return None


def cascade(uid: bytes) -> tuple[bytes, ...]:
    """Return what the uid sends at each cascade level, its check byte last (6.5.4)."""
    parts = []
    while len(uid) > 4:
        parts.append(bytes((CASCADE_TAG,)) + uid[:3])
        uid = uid[3:]
    parts.append(uid)
    return tuple(part + bytes((part[0] ^ part[1] ^ part[2] ^ part[3],)) for part in parts)
