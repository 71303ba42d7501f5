"""MIFARE Classic 1K by its data sheet, the cipher left to the two flags."""

import pytest

from hardware.ports import MIFARE_CLASSIC, NTAG
from sim.mfrc522.classic import value_block, value_of
from sim.tags import SimTag
from tests.sim.mfrc522.host import COM_IRQ, CONTROL, ERROR, REQA, STATUS2, WUPA, Host

UID = "deadbeef"
RAW = bytes.fromhex(UID)
KEY = b"\xff" * 6
KEY_A, KEY_B = 0x60, 0x61
ACK, NAK_OPERATION, NAK_CRC = b"\x0a", b"\x04", b"\x05"
PROTOCOL_ERR = 0x01


class CardHost(Host):
    """A host with one selected card in its field."""

    def __init__(self, uid=UID):
        super().__init__()
        self.start_radio()
        self.tag = SimTag(uid, technology=MIFARE_CLASSIC)
        self.field.put(self.tag)
        self.select(uid)

    def open(self, block, command=KEY_A, key=KEY):
        return self.authenticate(command, block, key, bytes.fromhex(self.tag.uid)[-4:])

    def block(self, number):
        return self.ask(0x30, number)[:-2]

    def put(self, number, data):
        first = self.ask(0xA0, number)
        return first if first != ACK else self.ask(*data)

    def again(self):
        self.write(STATUS2, 0x00)
        self.restart_field()
        self.select(self.tag.uid)
        return self


@pytest.fixture
def card():
    return CardHost()


def test_the_right_key_opens_a_sector(card):
    """MFAuthent ends by itself: idle, Crypto1On, no error, and no bytes in the FIFO."""
    assert card.open(4)
    assert card.read(COM_IRQ) & 0x10
    assert card.read(0x01) & 0x0F == 0
    assert card.read(ERROR) == 0x00
    assert card.read(0x0A) == 0
    assert card.block(4) == bytes(16)


@pytest.mark.parametrize("uid", ["deadbeef", "04a1b2c3d4e580"])
def test_the_last_four_bytes_of_the_uid_go_into_the_cipher(uid):
    """AN10927: of a uid of seven bytes those of its second level."""
    card = CardHost(uid)
    assert card.open(4)

    card.again()
    assert not card.authenticate(KEY_A, 4, KEY, bytes.fromhex(uid)[:4][::-1])


def test_a_wrong_key_ends_in_silence(card):
    """The tag says nothing more: the timer ends the wait, not the command."""
    assert not card.open(4, key=bytes(6))
    assert card.read(COM_IRQ) & 0x11 == 0x01
    assert card.read(0x01) & 0x0F == 0x0E
    assert card.block(4) == b""


@pytest.mark.parametrize("fifo", [b"\x60\x04" + KEY, b"\x30\x04" + KEY + RAW])
def test_an_authentication_that_is_none_is_a_protocol_error(card, fifo):
    """Fewer than twelve bytes, or no authentication command."""
    card.write(0x0A, 0x80)
    card.write(0x09, *fifo)
    card.write(0x01, 0x0E)

    assert card.read(ERROR) == PROTOCOL_ERR
    assert not card.read(STATUS2) & 0x08


def test_without_authentication_nothing_is_told(card):
    """READ of an active card that nobody authenticated: NAK, and the card falls back."""
    assert card.ask(0x30, 0x04) == NAK_OPERATION
    assert card.ask(0x30, 0x04) == b""


def test_a_block_is_written_in_two_steps(card):
    """A0 and ACK, 16 bytes and ACK; both four bits. Block 4 is byte 0 of the user memory."""
    card.open(4)

    assert card.ask(0xA0, 4) == ACK
    assert card.read(CONTROL) & 0x07 == 4
    assert card.tag.memory[:16] == bytes(16)
    assert card.ask(*b"0123456789abcdef") == ACK
    assert card.tag.memory[:16] == b"0123456789abcdef"
    assert card.block(4) == b"0123456789abcdef"


def test_user_memory_is_the_data_blocks_of_sectors_1_to_15(card):
    """Trailers and sector 0 are left out: block 8 follows block 6, block 62 is the last."""
    for number in (4, 6, 8, 62):
        card.open(number)
        assert card.put(number, bytes((number,)) * 16) == ACK
        card.again()

    assert card.tag.memory[0] == 4
    assert card.tag.memory[32:64] == bytes((6,)) * 16 + bytes((8,)) * 16
    assert card.tag.memory[-16:] == bytes((62,)) * 16


def test_the_first_block_is_the_makers(card):
    """Uid, check byte, SAK and ATQA; nobody writes it."""
    card.open(0)

    assert card.block(0)[:8].hex() == "deadbeef22080400"
    assert card.put(0, bytes(16)) == NAK_OPERATION


def test_another_sector_needs_its_own_authentication(card):
    """A block outside the open sector is refused, and the session ends."""
    card.open(4)

    assert card.ask(0x30, 0x08) == NAK_OPERATION
    assert card.ask(0x30, 0x04) == b""


def test_one_session_may_follow_another(card):
    """Nested authentication: the second goes out encrypted, and opens the next sector."""
    card.open(4)

    assert card.open(8)
    assert card.block(8) == bytes(16)


def test_a_failed_second_session_ends_the_first(card):
    """A wrong key after a right one: once the host gives up, the chip encrypts no more."""
    card.open(4)
    assert card.read(STATUS2) & 0x08
    card.open(8, key=bytes(6))

    card.write(0x01, 0x00)

    assert card.read(STATUS2) & 0x08 == 0
    assert card.exchange(WUPA, bits=7).hex() == "0400"


def test_forgotten_crypto_mutes_every_tag(card):
    """The chip goes on encrypting: nothing understands it until Crypto1On is cleared."""
    card.open(4)
    card.field.put(SimTag("04a1b2c3d4e580", technology=NTAG))
    card.restart_field()

    assert card.exchange(REQA, bits=7) == b""
    assert card.exchange(WUPA, bits=7) == b""
    card.write(STATUS2, 0x00)
    assert card.exchange(WUPA, bits=7) != b""


def test_a_tag_left_in_its_session_takes_plain_words_for_noise(card):
    """StopCrypto1 on one side only: the first call is lost, the next is heard."""
    card.open(4)
    card.write(STATUS2, 0x00)

    assert card.exchange(WUPA, bits=7) == b""
    assert card.exchange(WUPA, bits=7).hex() == "0400"


def test_halting_ends_the_session(card):
    """HLTA, encrypted as it must be; then WUPA in plain words."""
    card.open(4)
    card.ask(0x50, 0x00)
    card.write(STATUS2, 0x00)

    assert card.exchange(REQA, bits=7) == b""
    assert card.exchange(WUPA, bits=7).hex() == "0400"


def test_a_trailer_shows_neither_key_a_nor_a_hidden_key_b(card):
    """Transport configuration: key A reads as zeros, access bits and key B as they are."""
    card.open(4)

    assert card.block(7).hex() == "000000000000ff078069ffffffffffff"


TRAILER_B_WRITES = bytes.fromhex("a0a1a2a3a4a5 78778869 b0b1b2b3b4b5")
"""Data blocks 100: A and B read, B writes; trailer 011: B writes keys, nobody reads them."""


def test_access_bits_say_which_key_may_write(card):
    """After C1 C2 C3 = 100 for the data blocks key A reads and key B writes."""
    card.open(4)
    assert card.put(7, TRAILER_B_WRITES) == ACK

    key_a, key_b = TRAILER_B_WRITES[:6], TRAILER_B_WRITES[10:]
    assert not card.again().open(4)
    assert card.again().open(4, KEY_A, key_a)
    assert card.block(4) == bytes(16)
    assert card.put(4, b"0123456789abcdef") == NAK_OPERATION
    assert card.again().open(4, KEY_B, key_b)
    assert card.put(4, b"0123456789abcdef") == ACK
    assert card.block(7).hex() == "000000000000" + "78778869" + "000000000000"


def test_a_key_b_that_can_be_read_opens_nothing(card):
    """In transport configuration key B is data: it authenticates, and every access is refused."""
    assert card.open(4, KEY_B)

    assert card.ask(0x30, 0x04) == NAK_OPERATION


def test_access_bits_that_contradict_themselves_block_the_sector(card):
    """The inverted copy does not match: the sector is lost for good (8.7.1)."""
    card.open(4)
    card.put(7, KEY + bytes.fromhex("00000069") + KEY)

    assert not card.again().open(4)
    assert card.again().open(8)


def test_a_broken_frame_gets_its_nak(card):
    """CRC error 5 for a card that nobody authenticated."""
    assert card.exchange(b"\x30\x04\x00\x00") == NAK_CRC


def test_a_short_write_is_refused(card):
    """The second step wants 16 bytes; the block keeps what it had."""
    card.open(4)
    card.ask(0xA0, 4)

    assert card.ask(*b"0123") == NAK_OPERATION
    assert card.tag.memory[:16] == bytes(16)


def test_a_locked_block_is_refused(card):
    """`locked_blocks` counts in fours, as the port does; any of them locks the sixteen."""
    card.tag.locked_blocks.add(5)
    card.open(5)

    assert card.put(5, bytes(16)) == NAK_OPERATION


def test_value_blocks_count(card):
    """INCREMENT and DECREMENT into the transfer buffer, TRANSFER into the block."""
    card.open(4)
    card.put(4, value_block(100, 4))
    assert card.ask(0xC1, 4) == ACK
    assert card.ask(7, 0, 0, 0) == b""
    assert value_of(bytes(card.tag.memory[:16])) == 100

    assert card.ask(0xB0, 4) == ACK
    assert value_of(bytes(card.tag.memory[:16])) == 107
    card.ask(0xC0, 4)
    card.ask(8, 0, 0, 0)
    assert card.ask(0xB0, 5) == ACK
    assert value_of(bytes(card.tag.memory[16:32])) == 99


def test_what_is_no_value_does_not_count(card):
    """A block of other data refuses, and so does TRANSFER without anything to transfer."""
    card.open(4)
    card.ask(0xC1, 4)
    assert card.ask(7, 0, 0, 0) == NAK_OPERATION

    card.again().open(4)
    assert card.ask(0xB0, 4) == NAK_OPERATION


def test_touching_the_fifo_while_authenticating_is_an_error(card):
    """MFAuthent blocks the FIFO: WrErr, for writing and for reading."""
    card.write(0x0A, 0x80)
    card.write(0x09, KEY_A, 4, *KEY, *RAW)
    card.write(0x01, 0x0E)
    card.write(0x09, 0x55)

    assert card.read(ERROR) & 0x80
