"""Tags that do what ISO 14443-3 says, answering a link directly: no chip, no registers, no time.

For the walk down the tree of UIDs alone, so that it can be tried on every way a reader chip may
tell the position of a collision, and on chips that tell none.
"""

from hardware.chips.crc_a import with_crc
from hardware.chips.iso14443a import Reply, block_check, levels_of

SEL = (0x93, 0x95, 0x97)

POSITIONS = {
    "in the frame, skipped bits included": lambda at, known: at - 8 * (known // 8),
    "in the frame, skipped bits left out": lambda at, known: at - known,
    "in the uid": lambda at, known: at,
    "not told": lambda at, known: 0,
    "always the first bit": lambda at, known: 1,
    "always the last bit": lambda at, known: 32,
}


class IdealTag:
    """One tag: `state` is idle, ready, active or halt; `level` counts from 0."""

    def __init__(self, uid, sak=0x08):
        self.uid = bytes.fromhex(uid)
        self.parts = levels_of(self.uid)
        self.sak = sak
        self.forget()

    def forget(self):
        """Lose power."""
        self.state, self.level = "idle", 0

    def hear(self, frame, last_bits):
        """Return (data bits, their number) of the answer, or None."""
        if len(frame) == 1 and last_bits == 7:
            if self.state == "idle" or (frame == b"\x52" and self.state == "halt"):
                self.state, self.level = "ready", 0
                return 0x0044, 16
        elif self.state == "active" and frame == with_crc(b"\x50\x00"):
            self.state = "halt"
            return None
        elif self.state == "ready" and frame[0] == SEL[self.level]:
            return self._select(frame) if frame[1] == 0x70 else self._tail(frame)
        if self.state in ("ready", "active"):
            self.state = "idle"
        return None

    def _select(self, frame):
        part = self.parts[self.level]
        if frame != with_crc(bytes((SEL[self.level], 0x70)) + part + bytes((block_check(part),))):
            self.state = "idle"
            return None
        is_last = self.level == len(self.parts) - 1
        self.state = "active" if is_last else "ready"
        self.level += not is_last
        answer = with_crc(bytes((self.sak if is_last else self.sak | 0x04,)))
        return int.from_bytes(answer, "little"), 24

    def _tail(self, frame):
        known = (frame[1] >> 4) * 8 - 16 + (frame[1] & 0x0F)
        part = self.parts[self.level]
        level = int.from_bytes(part + bytes((block_check(part),)), "little")
        asked = int.from_bytes(frame[2:], "little")
        if (level ^ asked) & (1 << known) - 1:
            return None
        return level >> known, 40 - known


class IdealLink:
    """A chip without quirks but one: how it tells where a collision was.

    `clears`: bits from the collision on read as zero (ValuesAfterColl off), else as one where any
    tag sent one. `heard` counts exchanges. `disturb(reply)` may damage what is received.
    """

    def __init__(self, tags, position, *, clears=True, disturb=None):
        self.tags = tags
        self.heard = 0
        self._position = POSITIONS[position]
        self._clears = clears
        self._disturb = disturb or (lambda reply: reply)

    def now_ms(self):
        """Return milliseconds: two for an exchange, as on a Pi."""
        return 2 * self.heard

    def renew_field(self):
        """See `Link.renew_field`."""
        for tag in self.tags:
            tag.forget()

    def exchange(self, frame, last_bits=0, align=0, wait_us=0):
        """See `Link.exchange`."""
        self.heard += 1
        answers = [answer for tag in self.tags if (answer := tag.hear(frame, last_bits))]
        if not answers:
            return None
        length = max(bits for _, bits in answers)
        ones = zeros = 0
        for value, bits in answers:
            ones |= value
            zeros |= value ^ (1 << bits) - 1
        return self._disturb(self._reply(ones, ones & zeros, length, align, frame))

    def _reply(self, ones, collided, length, align, frame):
        collision = None
        if collided:
            first = (collided & -collided).bit_length() - 1
            ones &= (1 << first) - 1 if self._clears else -1
            known = (frame[1] >> 4) * 8 - 16 + (frame[1] & 0x0F) if len(frame) > 1 else 0
            collision = self._position(known + first + 1, known) if known < 32 else 0
            collision = collision if 0 < collision <= 32 else 0
        data = (ones << align).to_bytes((align + length + 7) // 8, "little")
        return Reply(data, (align + length) % 8, collision is None, collision)
