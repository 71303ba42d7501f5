"""The CRC coprocessor and the digital self test (data sheet 10.3.1.4 and 16.1.1)."""

import random
from collections.abc import Sequence

from sim.mfrc522.frames import crc16_reflected
from sim.mfrc522.timer import carrier_ns

PRESETS = (0x0000, 0x6363, 0xA671, 0xFFFF)
"""CRCPreset in ModeReg (table 54)."""

SELF_TEST = {
    0x90: "00 87 98 0f 49 ff 07 19 bf 22 30 49 59 63 ad ca 7f e3 4e 03 5c 4e 49 50"
    "47 9a 37 61 e7 e2 c6 2e 75 5a ed 04 3d 02 4b 78 32 ff 58 3b 7c e9 00 94"
    "b4 4a 59 5b fd c9 29 df 35 96 98 9e 4f 30 32 8d",
    0x91: "00 c6 37 d5 32 b7 57 5c c2 d8 7c 4d d9 70 c7 73 10 e6 d2 aa 5e a1 3e 5a"
    "14 af 30 61 c9 70 db 2e 64 22 72 b5 bd 65 f4 ec 22 bc d3 72 35 cd aa 41"
    "1f a7 f3 53 14 de 7e 02 d9 0f b5 5e 25 1d 29 79",
    0x92: "00 eb 66 ba 57 bf 23 95 d0 e3 0d 3d 27 89 5c de 9d 3b a7 00 21 5b 89 82"
    "51 3a eb 02 0c a5 00 49 7c 84 4d b3 cc d2 1b 81 5d 48 76 d5 71 61 21 a9"
    "86 96 83 38 cf 9d 5b 6d dc 15 ba 3e 7d 95 3b 2f",
    0x88: "00 d6 78 8c e2 aa 0c 18 2a b8 7a 7f d3 6a cf 0b b1 37 63 4b 69 ae 91 c7"
    "c3 97 ae 77 f4 37 d7 9b 7c f5 3c 11 8f 15 c3 d7 c1 5b 00 2a d0 75 de 9e"
    "51 64 ab 3e e9 15 b5 ab 56 9a 98 82 26 ea 2a 62",
}
"""What the FIFO holds after the self test, by version: 0x91 and 0x92 as the data sheet prints
them, 0x90 (Philips' preliminary chip) and 0x88 (the clone FM17522) as open drivers agree on."""


def _mirrored(byte: int) -> int:
    return int(f"{byte:08b}"[::-1], 2)


class Coprocessor:
    """A shift register of 16 bits that the host can feed through the FIFO."""

    SELF_TEST_NS = 1_000_000
    """How long the self test takes; the data sheet is silent."""

    def __init__(self, version: int, chance: random.Random) -> None:
        self.ready = True
        self.result = 0xFFFF
        self._msb_first = False
        self._version = version
        self._chance = chance

    def reset(self) -> None:
        """Return to the state after reset."""
        self.ready, self.result, self._msb_first = True, 0xFFFF, False

    def start(self, preset: int, *, msb_first: bool) -> None:
        """Load a preset; with MSBFirst the bits of each byte go in the other way round."""
        self.result = PRESETS[preset]
        self._msb_first = msb_first

    def feed(self, data: Sequence[int]) -> None:
        """Add bytes to the calculation."""
        turned = [_mirrored(byte) for byte in data] if self._msb_first else data
        self.result = crc16_reflected(turned, self.result)

    def duration_ns(self, count: int) -> int:
        """Return how long that many bytes take: a bit in each period of the carrier."""
        return carrier_ns(8 * max(1, count))

    def self_test(self, blank: bool) -> bytes:
        """Return the 64 bytes; without the blank buffer of the procedure they are others."""
        known = SELF_TEST.get(self._version)
        return bytes.fromhex(known) if known and blank else self._chance.randbytes(64)
