"""From the bits on the antenna to the bytes in the FIFO: alignment, parity, CRC, collisions."""

from dataclasses import dataclass

from sim.mfrc522.field import Superposition
from sim.mfrc522.frames import crc_a

NO_POSITION = 0xA0 & 0x7F
"""CollReg without ValuesAfterColl: CollPosNotValid and no position."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the registers say about receiving, and what had been sent."""

    align: int = 0
    parity: bool = True
    crc: bool = False
    keep_after_collision: bool = True
    counts_uid: bool = False
    sent: bytes = b""
    sent_last_bits: int = 0


@dataclass(frozen=True, slots=True)
class Reception:
    """What ends up in the FIFO, in RxLastBits, in CollReg and in ErrorReg."""

    data: bytes
    last_bits: int
    coll: int = NO_POSITION
    collided: bool = False
    parity_error: bool = False
    crc_error: bool = False

    @property
    def bits(self) -> int:
        """Bits received, the room that RxAlign left counted."""
        return 8 * len(self.data) - (8 - self.last_bits if self.last_bits else 0)


def decode(heard: Superposition, settings: Settings) -> Reception:
    """Return what the receiver makes of it (data sheet 9.3.1.14 and 9.3.1.15)."""
    if not settings.parity:
        return _raw(heard, settings.align)
    bits, length, collisions, parity_ok = _without_parity(heard, settings.align)
    data = (bits << settings.align).to_bytes((length + settings.align + 7) // 8, "little")
    last_bits = (length + settings.align) % 8
    collided = bool(heard.collisions)
    coll = NO_POSITION
    if collided:
        first = (collisions & -collisions).bit_length() - 1 if collisions else length
        if not settings.keep_after_collision:
            kept = bits & ((1 << first) - 1)
            data = (kept << settings.align).to_bytes(len(data), "little")
        coll = _position(first, settings)
    crc_error = False
    if settings.crc:
        crc_error = last_bits != 0 or len(data) < 3 or crc_a(data[:-2]) != data[-2:]
        data = data[:-2] if last_bits == 0 and len(data) >= 3 else data
    return Reception(data, last_bits, coll, collided, not parity_ok and not collided, crc_error)


def _position(first: int, settings: Settings) -> int:
    """Return CollPos, or CollPosNotValid, of the bit that collided (from 0, in this frame).

    Two readings of one sentence of the data sheet; see `SimMfrc522`.
    """
    before = known_bits(settings) if settings.counts_uid else settings.align
    position = before + first + 1
    return position & 0x1F if position <= 32 else NO_POSITION


def known_bits(settings: Settings) -> int:
    """Return how many bits of the uid the frame that was sent had named already."""
    sent = settings.sent
    if len(sent) < 2 or sent[0] not in (0x93, 0x95, 0x97) or sent[1] >> 4 < 2:
        return settings.align
    return (sent[1] >> 4) * 8 + (sent[1] & 0x0F) - 16


def _without_parity(heard: Superposition, align: int) -> tuple[int, int, int, bool]:
    """Return data bits, how many, where they collided, and whether every parity was right."""
    word, left, collisions = heard.frame.word, heard.frame.length, heard.collisions
    bits = length = collided = 0
    parity_ok = True
    room = 8 - align
    while left > 0:
        count = min(room, left)
        chunk = word & ((1 << count) - 1)
        bits |= chunk << length
        collided |= (collisions & ((1 << count) - 1)) << length
        length += count
        if left > count and room == 8:
            # Nobody checks the parity of a split byte: its first part was ours.
            parity_ok = parity_ok and (chunk.bit_count() + (word >> count & 1)) % 2 == 1
        elif left == count == 8:
            parity_ok = False
        word, collisions, left = word >> count + 1, collisions >> count + 1, left - count - 1
        room = 8
    return bits, length, collided, parity_ok


def _raw(heard: Superposition, align: int) -> Reception:
    """Return the bits as they came: with ParityDisable a parity bit is a bit like another."""
    length = heard.frame.length + align
    data = (heard.frame.word << align).to_bytes((length + 7) // 8, "little")
    return Reception(data, length % 8, collided=bool(heard.collisions))
