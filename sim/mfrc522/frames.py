"""Frames on the air: bits in one integer, the first bit lowest, parity among them.

ISO 14443-3 type A sends the lowest bit of a byte first and an odd parity bit after each whole
byte (6.2.3.2); a short frame has seven bits and no parity (6.2.3.1). An integer and a length hold
a frame, so that two tags answering at once are one `|` and one `&` apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass

CRC_A_PRESET = 0x6363
SHORT_FRAME_BITS = 7


def _with_parity(byte: int) -> int:
    """Return the nine bits of a byte and its odd parity."""
    return byte | (0 if byte.bit_count() % 2 else 0x100)


_NINE_BITS = tuple(_with_parity(byte) for byte in range(256))


@dataclass(frozen=True, slots=True)
class Frame:
    """Bits as they are modulated: `word` with the first bit lowest, `length` of them.

    `encrypted` stands for the Crypto1 stream: who is not in the same session hears noise.
    """

    word: int
    length: int
    encrypted: bool = False

    def cut(self, length: int) -> "Frame":
        """Return the beginning of the frame, as when a tag leaves in the middle of it."""
        kept = max(0, min(length, self.length))
        return Frame(self.word & ((1 << kept) - 1), kept, self.encrypted)


def crc16_reflected(data: Sequence[int], preset: int) -> int:
    """Return the CRC of polynomial 0x1021, lowest bit first (ISO 13239, ISO 14443-3 annex B)."""
    crc = preset
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x8408 if crc & 1 else 0)
    return crc


def crc_a(data: Sequence[int]) -> bytes:
    """Return the two bytes of CRC_A in the order they are sent (ISO 14443-3, annex B)."""
    return crc16_reflected(data, CRC_A_PRESET).to_bytes(2, "little")


def with_crc(data: Sequence[int]) -> bytes:
    """Return the data with its CRC_A."""
    return bytes(data) + crc_a(data)


def whole(data: Sequence[int], *, encrypted: bool = False) -> Frame:
    """Return a standard frame: whole bytes, a parity bit after each."""
    word = 0
    for index, byte in enumerate(data):
        word |= _NINE_BITS[byte] << 9 * index
    return Frame(word, 9 * len(data), encrypted)


def nibble(value: int, *, encrypted: bool = False) -> Frame:
    """Return the four bits of a MIFARE ACK or NAK, without parity."""
    return Frame(value & 0x0F, 4, encrypted)


def partial(data: Sequence[int], last_bits: int, *, encrypted: bool = False) -> Frame:
    """Return a frame whose last byte has only its lowest `last_bits` bits (0: all eight)."""
    if not last_bits or not data:
        return whole(data, encrypted=encrypted)
    head = whole(data[:-1])
    rest = data[-1] & ((1 << last_bits) - 1)
    return Frame(head.word | rest << head.length, head.length + last_bits, encrypted)


def without_parity(data: Sequence[int], last_bits: int) -> Frame:
    """Return the bits as they stand, for a chip that was told to add no parity."""
    word = int.from_bytes(bytes(data), "little")
    length = 8 * len(data) - (8 - last_bits if last_bits and data else 0)
    return Frame(word & ((1 << length) - 1), length)


@dataclass(frozen=True, slots=True)
class Heard:
    """What a tag makes of a frame: whole bytes, then `bits` loose ones in `rest`."""

    data: bytes
    rest: int
    bits: int
    parity_ok: bool

    @property
    def crc_ok(self) -> bool:
        """Whether the last two bytes are the CRC_A of those before."""
        whole_bytes = self.bits == 0 and len(self.data) > 2
        return whole_bytes and crc_a(self.data[:-2]) == self.data[-2:]


def hear(frame: Frame) -> Heard:
    """Return the frame as a tag splits it up."""
    data = bytearray()
    word, left, parity_ok = frame.word, frame.length, True
    while left >= 9:
        nine = word & 0x1FF
        parity_ok = parity_ok and _NINE_BITS[nine & 0xFF] == nine
        data.append(nine & 0xFF)
        word >>= 9
        left -= 9
    if left == 8:
        # A whole byte whose parity bit is missing: an error on the way.
        return Heard(bytes(data), word & 0xFF, left, False)
    return Heard(bytes(data), word, left, parity_ok)


def tail(data: Sequence[int], known_bits: int) -> Frame:
    """Return what is left of a frame after its first `known_bits` data bits.

    The split byte keeps the parity bit of the whole byte (ISO 14443-3, 6.2.3.3).
    """
    frame = whole(data)
    sent = known_bits + known_bits // 8
    return Frame(frame.word >> sent, frame.length - sent)
