"""MIFARE Classic 1K once it is active.

Source: NXP MF1S50YYX_V1 product data sheet, rev. 3.2: memory 8.6, access conditions 8.7,
commands chapter 12. User memory of `SimTag` is the data blocks of sectors 1 to 15; sector 0 and
the trailers are in `SimTag.system`. The cipher itself is not computed: the MFRC522 does it inside,
and the bus never sees it. A flag on both sides keeps its consequences.
"""

from sim.mfrc522.card import READ_NS, Card, Programming, Reply
from sim.mfrc522.frames import Heard, whole
from sim.tags import SimTag

BLOCK = 16
BLOCKS = 64
SECTOR_BLOCKS = 4

AUTH_A, AUTH_B = 0x60, 0x61
READ, WRITE = 0x30, 0xA0
DECREMENT, INCREMENT, RESTORE, TRANSFER = 0xC0, 0xC1, 0xC2, 0xB0

NAK_OPERATION, NAK_CRC = 0x4, 0x5

WRITE_NS = 5_000_000
"""Programming one block; the data sheet gives 10 ms as the limit (12.3)."""

AUTHENTICATION_NS = 1_500_000
"""The second and third pass: a frame of eight bytes, one of four, and their delays (10.1.3)."""

TRAILER = bytes.fromhex("ffffffffffff ff078069 ffffffffffff")
"""The transport configuration: both keys FF, key A for everything (8.6.3)."""

NONCE = bytes.fromhex("01020304")
"""What the tag says first when it is to be authenticated; the bus never sees it."""

# For each C1 C2 C3 as three bits: which key (A 1, B 2, both 3, none 0) may do what (8.7.3).
_DATA_ACCESS = {  # read, write, increment, decrement or restore or transfer
    0b000: (3, 3, 3, 3),
    0b010: (3, 0, 0, 0),
    0b100: (3, 2, 0, 0),
    0b110: (3, 2, 2, 3),
    0b001: (3, 0, 0, 3),
    0b011: (2, 2, 0, 0),
    0b101: (2, 0, 0, 0),
    0b111: (0, 0, 0, 0),
}
_TRAILER_ACCESS = {  # write key A, read access bits, write them, read key B, write it
    0b000: (1, 1, 0, 1, 1),
    0b010: (0, 1, 0, 1, 0),
    0b100: (2, 3, 0, 0, 2),
    0b110: (0, 3, 0, 0, 0),
    0b001: (1, 1, 1, 1, 1),
    0b011: (2, 3, 2, 0, 2),
    0b101: (0, 3, 2, 0, 0),
    0b111: (0, 3, 0, 0, 0),
}


class ClassicCard(Card):
    """A MIFARE Classic 1K with a uid of 4 or 7 bytes."""

    atqa_high = 0x00
    sak = 0x08

    def __init__(self, tag: SimTag) -> None:
        super().__init__(tag)
        self._key = 0
        self._sector = -1
        self._half: tuple[int, int] | None = None
        self._transfer: bytes | None = None
        self._asked: tuple[int, int] | None = None
        self._make_system_blocks()

    @property
    def is_asked(self) -> bool:
        """Whether a reader began to authenticate and has the tag's nonce."""
        return self._asked is not None

    def authenticate(self, key: bytes, uid_tail: bytes) -> bool:
        """Return whether the second and third pass succeed; else the tag falls silent.

        `uid_tail` are four bytes that go into the cipher: the last of the uid (AN10927, 3.2.5).
        """
        asked, self._asked = self._asked, None
        if asked is None or self.uid[-4:] != uid_tail:
            self._fail()
            return False
        command, number = asked
        trailer = self.block(_trailer_of(number))
        access = _access_bits(trailer)
        if access is None or key != (trailer[:6] if command == AUTH_A else trailer[10:]):
            self._fail()
            return False
        # A key B that can be read serves as data: it opens the session and nothing else (8.7.2).
        serves_as_data = command == AUTH_B and _TRAILER_ACCESS[access[3]][3] != 0
        self.crypto = True
        self._key = 0 if serves_as_data else command - AUTH_A + 1
        self._sector = number // SECTOR_BLOCKS
        self._half = None
        return True

    def reset_session(self) -> None:
        """See `Card.reset_session`."""
        super().reset_session()
        self._key, self._sector = 0, -1
        self._half = self._transfer = self._asked = None

    def block(self, number: int) -> bytes:
        """Return the 16 bytes of a block as they are in the memory."""
        at = _user_offset(number)
        if at is None or at + BLOCK > len(self.tag.memory):
            return self.tag.system.get(number, bytes(BLOCK))
        return bytes(self.tag.memory[at : at + BLOCK])

    def program(self, programming: Programming, count: int) -> None:
        """See `Card.program`."""
        number = programming.block
        after = programming.data[:count] + self.block(number)[count:]
        at = _user_offset(number)
        if at is None or at + BLOCK > len(self.tag.memory):
            self.tag.system[number] = after
        else:
            self.tag.memory[at : at + BLOCK] = after

    def execute(self, heard: Heard) -> Reply | None:
        """See `Card.execute`."""
        data = heard.data[:-2]
        if self._half is not None:
            return self._second_half(data)
        if len(data) == 2 and data[0] in (AUTH_A, AUTH_B) and data[1] < BLOCKS:
            self._asked = (data[0], data[1])
            return Reply(whole(NONCE, encrypted=self.crypto), READ_NS)
        if len(data) != 2 or not self.crypto or data[1] // SECTOR_BLOCKS != self._sector:
            return self.nak(NAK_OPERATION)
        command, number = data
        if command in (READ, TRANSFER):
            return self._read(number) if command == READ else self._store_transfer(number)
        allowed = {
            WRITE: self._may_write(number),
            INCREMENT: self._may(number, 2),
            DECREMENT: self._may(number, 3),
            RESTORE: self._may(number, 3),
        }
        if not allowed.get(command, False):
            return self.nak(NAK_OPERATION)
        self._half = (command, number)
        return self.ack()

    def broken(self, heard: Heard) -> Reply | None:
        """See `Card.broken`."""
        return self.nak(NAK_CRC)

    def _read(self, number: int) -> Reply:
        if number % SECTOR_BLOCKS == SECTOR_BLOCKS - 1:
            shown = self._shown_trailer(number)
        elif self._may(number, 0):
            shown = self.block(number)
        else:
            return self.nak(NAK_OPERATION)
        self.tag.history.append("read")
        return self.answer(shown, READ_NS)

    def _shown_trailer(self, number: int) -> bytes:
        content = self.block(number)
        rights = self._trailer_rights(number)
        access = content[6:10] if rights[1] & self._key else bytes(4)
        key_b = content[10:] if rights[3] & self._key else bytes(6)
        return bytes(6) + access + key_b

    def _second_half(self, data: bytes) -> Reply | None:
        assert self._half is not None
        (command, number), self._half = self._half, None
        if command == WRITE:
            if len(data) != BLOCK:
                return self.nak(NAK_OPERATION)
            return self.ack(WRITE_NS, Programming(number, self._merged(number, data)))
        value = value_of(self.block(number))
        if value is None or len(data) != 4:
            return self.nak(NAK_OPERATION)
        change = int.from_bytes(data, "little", signed=True)
        sign = {INCREMENT: 1, DECREMENT: -1, RESTORE: 0}[command]
        self._transfer = value_block(value + sign * change, self.block(number)[12])
        return None  # value commands are answered by silence (12.4)

    def _store_transfer(self, number: int) -> Reply:
        if self._transfer is None or not self._may(number, 3):
            return self.nak(NAK_OPERATION)
        content, self._transfer = self._transfer, None
        return self.ack(WRITE_NS, Programming(number, content))

    def _may(self, number: int, right: int) -> bool:
        """Whether the session's key may read (0), write (1), increment (2) or decrement (3)."""
        access = _access_bits(self.block(_trailer_of(number)))
        if access is None or number % SECTOR_BLOCKS == SECTOR_BLOCKS - 1:
            return False
        return bool(_DATA_ACCESS[access[number % SECTOR_BLOCKS]][right] & self._key)

    def _may_write(self, number: int) -> bool:
        if number == 0 or self._is_locked(number):
            return False
        if number % SECTOR_BLOCKS == SECTOR_BLOCKS - 1:
            return any(self._trailer_rights(number)[right] & self._key for right in (0, 2, 4))
        return self._may(number, 1)

    def _is_locked(self, number: int) -> bool:
        at = _user_offset(number)
        if at is None:
            return False
        return any(at // 4 + step in self.tag.locked_blocks for step in range(4))

    def _trailer_rights(self, number: int) -> tuple[int, ...]:
        access = _access_bits(self.block(number))
        return (0, 0, 0, 0, 0) if access is None else _TRAILER_ACCESS[access[3]]

    def _merged(self, number: int, data: bytes) -> bytes:
        """Return what a write leaves: in a trailer only what the key may change."""
        if number % SECTOR_BLOCKS != SECTOR_BLOCKS - 1:
            return data
        before, rights = self.block(number), self._trailer_rights(number)
        key_a = data[:6] if rights[0] & self._key else before[:6]
        access = data[6:10] if rights[2] & self._key else before[6:10]
        key_b = data[10:] if rights[4] & self._key else before[10:]
        return key_a + access + key_b

    def _make_system_blocks(self) -> None:
        check = bytes((self.uid[0] ^ self.uid[1] ^ self.uid[2] ^ self.uid[3],))
        maker = self.uid + (check if len(self.uid) == 4 else b"") + bytes((self.sak,)) + self.atqa
        self.tag.system.setdefault(0, (maker + bytes(BLOCK))[:BLOCK])
        for number in (1, 2):
            self.tag.system.setdefault(number, bytes(BLOCK))
        for number in range(SECTOR_BLOCKS - 1, BLOCKS, SECTOR_BLOCKS):
            self.tag.system.setdefault(number, TRAILER)


def value_block(value: int, address: int) -> bytes:
    """Return a value block: the value, its complement, the value; four address bytes (8.6.2.1)."""
    raw = (value & 0xFFFFFFFF).to_bytes(4, "little")
    other = bytes(byte ^ 0xFF for byte in raw)
    return raw + other + raw + bytes((address, address ^ 0xFF, address, address ^ 0xFF))


def value_of(block: bytes) -> int | None:
    """Return the value of a value block, None when the block is none."""
    value = int.from_bytes(block[:4], "little", signed=True)
    return value if block == value_block(value, block[12]) else None


def _trailer_of(number: int) -> int:
    return number | SECTOR_BLOCKS - 1


def _user_offset(number: int) -> int | None:
    """Return where a data block of sectors 1 to 15 lies in the user memory."""
    sector, index = divmod(number, SECTOR_BLOCKS)
    if sector == 0 or index == SECTOR_BLOCKS - 1:
        return None
    return ((sector - 1) * (SECTOR_BLOCKS - 1) + index) * BLOCK


def _access_bits(trailer: bytes) -> tuple[int, int, int, int] | None:
    """Return C1 C2 C3 of the four blocks, None when the inverted copy disagrees (8.7.1)."""
    if len(trailer) != BLOCK:
        return None
    six, seven, eight = trailer[6:9]
    c1, c2, c3 = seven >> 4, eight & 0x0F, eight >> 4
    if (six & 0x0F, six >> 4, seven & 0x0F) != (c1 ^ 0x0F, c2 ^ 0x0F, c3 ^ 0x0F):
        return None
    bits = [(c1 >> n & 1) << 2 | (c2 >> n & 1) << 1 | (c3 >> n & 1) for n in range(4)]
    return bits[0], bits[1], bits[2], bits[3]
