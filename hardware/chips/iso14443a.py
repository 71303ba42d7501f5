"""ISO/IEC 14443-3 type A: who is in the field, and one of them selected.

Laws:
- A UID is reported only after the tag answered SELECT of all its bytes with a SAK whose CRC is
  right. Nothing else that was received names a tag.
- The walk down the tree of UIDs does not trust the chip's collision position. Two readings of it
  are about (the MFRC522 data sheet, 9.3.1.15, counts "in a received frame"): counted in the
  received frame, or in the UID; the bits the chip skips in its first byte (RxAlign) may be in it
  or not. The walk takes the smallest position that any reading allows: all bits before it are
  sound under every reading, and going too few steps costs a question, never a tag.
- A tag that was read is halted, so the next request is answered only by those still unread. The
  round is over when a request stays unanswered twice: a tag that was left waiting in the middle
  of a walk takes the first request as an error (ISO/IEC 14443-3, 6.3) and answers the second.
- Whatever answered and could not be identified makes the round incomplete.

The link is whatever carries frames: `hardware/chips/rc522.py`, or any other reader chip. It has
`exchange(frame, last_bits=0, align=0, wait_us=…)`, which returns a `Reply`, or None in silence,
and `renew_field()`, after which every tag starts anew.

    TagFault                what a tag did wrong; retrying may help
    ├── TagSilent           no answer in time
    ├── TagGarbled          an answer damaged on its way, or not of the expected form
    ├── TagRefused          a NAK; `code` is its 4 bits
    ├── KeyRefused          the sector does not open with this key
    └── ReadBackDiffers     memory does not hold what was just written
"""

from collections import namedtuple

from hardware.chips.crc_a import has_crc, with_crc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NamedTuple, Protocol

REQA = 0x26
WUPA = 0x52
SELECT = (0x93, 0x95, 0x97)
"""SEL codes of cascade levels 1, 2 and 3 (ISO/IEC 14443-3, 6.5.3)."""
HLTA = b"\x50\x00"
CASCADE_TAG = 0x88
SAK_INCOMPLETE = 0x04
"""Bit 3 of SAK: the UID goes on in the next cascade level (ISO/IEC 14443-3, 6.5.3.4)."""

UID_LENGTHS = (4, 7, 10)
RANDOM_UID_FIRST = "08"

ANSWER_US = 600
"""Wait for ATQA, anticollision and SAK: they begin 86 or 91 us after the request, on the bit
grid (ISO/IEC 14443-3, 6.2.1.1); five bits more stop the timer. The rest is slack for clones."""
HALT_US = 1_000
"""HLTA is obeyed when nothing was answered for 1 ms (ISO/IEC 14443-3, 6.4.3)."""

_LEVEL_BITS = 32
_SHORT_FRAME_BITS = 7
_SELECT_TRIES = 4
_WALKS_MAX = 64
_FAILURES_MAX = 6
_REPEATS_MAX = 6
_ROUND_MS_MAX = 1_000
"""One round never takes longer: an RC522's antenna reaches some six tags, about 0.15 s."""


class TagFault(Exception):
    """What a tag did wrong."""


class TagSilent(TagFault):
    """No answer in time: the tag left, or never understood."""


class TagGarbled(TagFault):
    """An answer damaged on its way, or not of the form that was due."""


class TagRefused(TagFault):
    """A NAK. `code`: its 4 bits, in the meaning of the tag's data sheet."""

    def __init__(self, code: int) -> None:
        super().__init__(f"refused with NAK {code:#x}")
        self.code = code


class KeyRefused(TagFault):
    """The sector does not open with this key."""


class ReadBackDiffers(TagFault):
    """Memory does not hold what was just written."""


if TYPE_CHECKING:

    class Reply(NamedTuple):
        """What came back. See below."""

        data: bytes
        last_bits: int
        is_clean: bool
        collision: int | None

    class Link(Protocol):
        """What carries frames to the tags in the field and back."""

        def exchange(
            self, frame: bytes, last_bits: int = 0, align: int = 0, wait_us: int = 0
        ) -> Reply | None:
            """Send a frame; return the reply, None in silence. See `Rc522.exchange`."""

        def renew_field(self) -> None:
            """Switch the field off and on, long enough for every tag to start anew."""

        def now_ms(self) -> int:
            """Return milliseconds on a clock that never goes back."""

else:

    class Reply(namedtuple("Reply", ("data", "last_bits", "is_clean", "collision"))):
        """What came back.

        `last_bits`: how many bits of the last byte count, 0 for all. `is_clean`: no error of any
        kind. `collision`: None, or the position as the chip gives it (1 to 32), 0 if it has none.
        """


def is_random_uid(uid: str) -> bool:
    """Return whether the tag will have another UID the next time.

    Four bytes that begin with 08 (ISO/IEC 14443-3, 6.5.4, table 10): phones and passports. Such
    a UID names nobody, so it must never become a patron's card. `uid` is hex.
    """
    return len(uid) == 8 and uid[:2] == RANDOM_UID_FIRST


def levels_of(uid: bytes) -> "list[bytes]":
    """Return the four bytes each cascade level selects; empty for what is no legal UID.

    Legal: 4, 7 or 10 bytes, and no 88 where a cascade tag could stand, which is the first byte of
    levels 1 and 2 (ISO/IEC 14443-3, 6.5.4).
    """
    if len(uid) not in UID_LENGTHS:
        return []
    parts = []
    while len(uid) > 4:
        parts.append(bytes((CASCADE_TAG,)) + uid[:3])
        uid = uid[3:]
    parts.append(uid)
    return parts if uid[0] != CASCADE_TAG or len(parts) == len(SELECT) else []


def block_check(part: bytes) -> int:
    """Return the BCC: the exclusive or of the four bytes of one cascade level."""
    return part[0] ^ part[1] ^ part[2] ^ part[3]


class TypeA:
    """The reader's side of ISO/IEC 14443-3 type A, over one link."""

    def __init__(self, link: "Link") -> None:
        """Nothing is sent before the first question."""
        self.link = link
        self._above: list[tuple[int, bytes]] = []

    def inventory(
        self, look: "Callable[[bytes, int], None]", tries: int = 1
    ) -> "tuple[list[tuple[bytes, int]], bool]":
        """Return the (uid, SAK) of every tag in the field, and whether those are all.

        `look(uid, sak)` is called once per answer, while that tag is selected; it may talk to the
        tag and must not raise `TagFault`. `tries`: requests before an empty field is believed.
        Order is that of the walk. Afterwards all listed tags are halted.
        """
        self.link.renew_field()
        began_ms = self.link.now_ms()
        found: list[tuple[bytes, int]] = []
        failures = in_a_row = repeats = 0
        for _ in range(_WALKS_MAX):
            if not self._is_answered(tries):
                return found, failures == 0
            tries = 3 if failures else 2  # where answers are damaged, so are requests
            if in_a_row > _FAILURES_MAX or repeats > _REPEATS_MAX:
                break
            if self.link.now_ms() - began_ms > _ROUND_MS_MAX:
                break
            try:
                tag = self._find(in_a_row % 2 == 1)
            except TagFault:
                failures += 1
                in_a_row += 1
                continue
            in_a_row = 0
            if tag in found:
                repeats += 1
            else:
                found.append(tag)
            look(tag[0], tag[1])
            self.halt()
        return found, False

    def select(self, uid: bytes) -> int:
        """Wake the tag with this UID, select it and return its SAK.

        Raises `TagSilent` when it does not answer: it is not in the field, or no legal UID. The
        field is switched off and on before the last try, for tags that are out of step.
        """
        parts = levels_of(uid)
        if not parts:
            raise TagSilent("no tag can have this UID")
        last = TagFault()
        for attempt in range(_SELECT_TRIES):
            if attempt == _SELECT_TRIES - 1:
                self.link.renew_field()
            if not self._request(WUPA):
                last = TagSilent("no answer to WUPA")  # one that is selected only loses its place
                continue
            try:
                return self._select_levels(parts)
            except TagFault as fault:
                last = fault
        raise last

    def halt(self) -> None:
        """Send the selected tag to sleep until the field is renewed or it is woken.

        There is no answer to HLTA, so nothing is known about its effect: a tag that did not hear
        it answers the next request again.
        """
        self.link.exchange(with_crc(HLTA), wait_us=HALT_US)

    def _request(self, command: int) -> bool:
        """Send REQA or WUPA; return whether anything at all was heard."""
        frame = bytes((command,))
        return self.link.exchange(frame, _SHORT_FRAME_BITS, wait_us=ANSWER_US) is not None

    def _is_answered(self, tries: int) -> bool:
        return any(self._request(REQA) for _ in range(tries))

    def _select_levels(self, parts: "list[bytes]") -> int:
        for level, part in enumerate(parts):
            sak = self._select_level(SELECT[level], part)
            if level == len(parts) - 1:
                if sak is None:
                    raise TagGarbled("a damaged SAK")
                if sak & SAK_INCOMPLETE:
                    break
                return sak
        raise TagGarbled("the UID is longer than it looked")

    def _select_level(self, code: int, part: bytes) -> "int | None":
        """Select four bytes; return the SAK, None for one that several tags answered at once.

        Tags that share these bytes are all selected, and their different SAKs collide. That is
        harmless before the last level, where no two tags are alike.
        """
        reply = self.link.exchange(
            with_crc(bytes((code, 0x70)) + part + bytes((block_check(part),))), wait_us=ANSWER_US
        )
        if reply is None:
            raise TagSilent("no answer to SELECT")
        whole = reply.is_clean and reply.last_bits == 0 and len(reply.data) == 3
        return reply.data[0] if whole and has_crc(reply.data) else None

    def _find(self, bitwise: bool) -> "tuple[bytes, int]":
        """Walk down to one tag that answered a request, and leave it selected.

        `bitwise`: take one step of one bit at a time, whatever the chip says about collisions.
        """
        uid = b""
        self._above = []
        for code in SELECT:
            part = self._walk(code, bitwise)
            sak = self._select_level(code, part)
            self._above.append((code, part))
            if part[0] == CASCADE_TAG and code != SELECT[-1]:
                if sak is not None and not sak & SAK_INCOMPLETE:
                    raise TagGarbled("a UID that begins with the cascade tag")
                uid += part[1:]
                continue
            if sak is None or sak & SAK_INCOMPLETE:
                raise TagGarbled("a SAK that does not fit its UID")
            return uid + part, sak
        raise AssertionError("the last level returns or raises")

    def _walk(self, code: int, bitwise: bool) -> bytes:
        """Return four bytes that some tag has in this cascade level, its BCC checked.

        `known` holds the first `bits` bits of the level, the first bit lowest.
        """
        known = bits = 0
        is_turned = True
        while bits < _LEVEL_BITS:
            reply = self._anticollision(code, known, bits)
            if reply is None:
                # The last bit was no tag's: the other one is, or the tag has left.
                if is_turned:
                    raise TagSilent("no answer to anticollision")
                known ^= 1 << (bits - 1)
                is_turned = True
                self._come_back()
                continue
            received = _merged(known, bits, reply.data)
            if reply.collision is None:
                return _part(reply, received, bits)
            step = bits + 1 if bitwise else _first_doubtful(bits, reply.collision)
            known = received & ((1 << step) - 1)
            bits = step
            is_turned = False
        return _bytes_of(known)

    def _anticollision(self, code: int, known: int, bits: int) -> "Reply | None":
        """Ask every tag whose level begins with these bits for the rest of it."""
        whole, rest = bits // 8, bits % 8
        frame = bytes((code, (2 + whole) << 4 | rest)) + _bytes_of(known)[: whole + (rest > 0)]
        return self.link.exchange(frame, rest, rest, ANSWER_US)

    def _come_back(self) -> None:
        """Bring the tags back to where the walk was; a wrong bit may have sent them away."""
        self._is_answered(2)
        for code, part in self._above:
            self._select_level(code, part)


def _bytes_of(known: int) -> bytes:
    return bytes([known >> shift & 0xFF for shift in (0, 8, 16, 24)])


def _merged(known: int, bits: int, data: bytes) -> int:
    """Return the level with what was received after the known bits, as far as it goes."""
    first = bits // 8
    received = 0
    for at, byte in enumerate(data[: 4 - first]):
        received |= byte << 8 * (first + at)
    mask = (1 << bits) - 1
    return known | received & ~mask


def _part(reply: Reply, received: int, bits: int) -> bytes:
    """Return the four bytes of an answer without collision; raises `TagGarbled`."""
    if not reply.is_clean or reply.last_bits or len(reply.data) != 5 - bits // 8:
        raise TagGarbled("a damaged answer to anticollision")
    part = _bytes_of(received)
    if reply.data[-1] != block_check(part):
        raise TagGarbled("a wrong BCC")
    return part


def _first_doubtful(bits: int, position: int) -> int:
    """Return how many bits to go to: the smallest position any reading of the chip's allows.

    Positions count from 1; 0 stands for a collision whose place the chip does not tell.
    """
    if position == 0:
        return bits + 1
    readings = (position, 8 * (bits // 8) + position, bits + position)
    possible = [reading for reading in readings if bits < reading <= _LEVEL_BITS]
    return min(possible) if possible else bits + 1
