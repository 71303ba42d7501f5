"""Several tags at once: what is superposed, and what the registers say of it."""

import pytest

from hardware.ports import ISO14443A, MIFARE_CLASSIC, NTAG
from sim.mfrc522.field import Superposition
from sim.mfrc522.frames import whole
from sim.mfrc522.reception import Settings, decode
from sim.tags import SimTag
from tests.sim.mfrc522.host import COLL, COM_IRQ, CONTROL, ERROR, REQA, RX_MODE, Host

COLL_ERR, PARITY_ERR, CRC_ERR = 0x08, 0x02, 0x04
VALUES_AFTER_COLL, NOT_VALID = 0x80, 0x20


def lay(collpos, *uids):
    host = Host(collpos=collpos).start_radio()
    for uid in uids:
        host.field.put(SimTag(uid, technology=MIFARE_CLASSIC))
    host.exchange(REQA, bits=7)
    return host


@pytest.fixture(params=["frame", "uid"])
def collpos(request):
    return request.param


def test_one_tag_collides_with_nobody(collpos):
    """CollPosNotValid without a collision."""
    host = lay(collpos, "11223344")
    host.exchange(b"\x93\x20")

    assert host.read(COLL) == VALUES_AFTER_COLL | NOT_VALID
    assert host.read(ERROR) == 0x00


@pytest.mark.parametrize(
    ("one", "other", "position"),
    [
        ("10223344", "11223344", 1),  # the very first bit
        ("11223344", "91223344", 8),  # the eighth
        ("11223344", "11223144", 18),  # the second of the third byte
        ("11223344", "112233c4", 0),  # the 32nd reads as 0
    ],
)
def test_the_first_collision_has_the_number_of_its_bit(collpos, one, other, position):
    """Counted from 1 in the order sent; 32 reads as 00 (data sheet table 47)."""
    host = lay(collpos, one, other)
    host.exchange(b"\x93\x20")

    assert host.read(ERROR) == COLL_ERR
    assert host.read(COLL) == VALUES_AFTER_COLL | position


def test_with_values_after_collision_bits_are_superposed(collpos):
    """A bit is 1 where any tag sends 1; the frame has all its 40 bits."""
    host = lay(collpos, "12345678", "12345279")

    assert host.exchange(b"\x93\x20") == bytes((0x12, 0x34, 0x56, 0x79, 0x08 | 0x0D))


def test_without_them_everything_after_the_collision_is_zero(collpos):
    """ValuesAfterColl 0: what came before stands, the colliding bit and the rest are cleared."""
    host = lay(collpos, "12345678", "12345279")
    host.write(COLL, 0x00)

    assert host.exchange(b"\x93\x20").hex() == "1234020000"
    assert host.read(COLL) == 19


@pytest.mark.parametrize(("collpos", "position"), [("frame", 3), ("uid", 19)])
def test_the_two_readings_part_once_whole_bytes_are_known(collpos, position):
    """With 16 bits known the same collision is bit 3 of the frame, or bit 19 of the uid."""
    host = lay(collpos, "12345678", "12345279")
    host.exchange(b"\x93\x40\x12\x34")

    assert host.read(COLL) == VALUES_AFTER_COLL | position


@pytest.mark.parametrize(("collpos", "position"), [("frame", 8), ("uid", 24)])
def test_both_readings_count_rxalign_in(collpos, position):
    """With 18 bits known and RxAlign 2: bit 8 of the frame as stored, bit 24 of the uid."""
    host = lay(collpos, "12345678", "1234d679")
    host.exchange(b"\x93\x42\x12\x34\x02", bits=2, align=2)

    assert host.read(COLL) == VALUES_AFTER_COLL | position


@pytest.mark.parametrize(("bit", "position"), [(31, 0), (32, NOT_VALID), (39, NOT_VALID)])
def test_a_collision_behind_the_32nd_bit_has_no_position(bit, position):
    """Out of the range of CollPos: the collision stands, its position is not valid."""
    frame = whole(bytes(6))
    heard = Superposition(frame, 1 << bit + bit // 8, starts_ns=0)

    reception = decode(heard, Settings())

    assert reception.collided
    assert reception.coll == position


def test_only_the_branch_that_was_named_answers(collpos):
    """The bits in the frame choose; the rest of the uid comes back, aligned as asked."""
    host = lay(collpos, "12345678", "12345279")
    # Bits 1 to 19 known, the last one 1: 12 34 and three bits of 56.
    got = host.exchange(b"\x93\x43\x12\x34\x06", bits=3, align=3)

    assert (got[0] | 0x06, got[1:]) == (0x56, b"\x78\x08")
    assert got[0] & 0x07 == 0
    assert host.read(ERROR) == 0x00
    assert host.read(CONTROL) & 0x07 == 0


def test_the_unnamed_branch_waits(collpos):
    """A tag whose bits do not match stays ready and answers when its branch is walked."""
    host = lay(collpos, "12345678", "12345279")
    host.exchange(b"\x93\x43\x12\x34\x06", bits=3, align=3)

    got = host.exchange(b"\x93\x43\x12\x34\x02", bits=3, align=3)

    assert (got[0] | 0x02, got[1:]) == (0x52, b"\x79\x0d")


def test_three_tags_are_told_apart_down_to_the_last_bit(collpos):
    """Near-identical uids: the collision sits where the data sheet puts it, again and again."""
    host = lay(collpos, "11111101", "11111102", "11111181")
    host.exchange(b"\x93\x20")
    assert host.read(COLL) == VALUES_AFTER_COLL | 25

    # 25 bits known, the last one 1: two of the three are left, and differ in the last bit.
    host.exchange(b"\x93\x51\x11\x11\x11\x01", bits=1, align=1)
    assert host.read(ERROR) == COLL_ERR


def test_different_kinds_collide_in_their_first_answer(collpos):
    """ATQA of a sticker and of a card differ: CollErr is presence, not failure."""
    host = Host(collpos=collpos).start_radio()
    host.field.put(SimTag("04a1b2c3d4e580", technology=NTAG))
    host.field.put(SimTag("deadbeef", technology=MIFARE_CLASSIC))

    assert host.exchange(REQA, bits=7).hex() == "4400"
    assert host.read(ERROR) == COLL_ERR
    assert host.read(COLL) == VALUES_AFTER_COLL | 7


def test_a_wrong_alignment_gives_wrong_bits(collpos):
    """RxAlign is the host's word: the chip does not know where the split byte was."""
    host = lay(collpos, "12345678")
    right = host.exchange(b"\x93\x43\x12\x34\x06", bits=3, align=3)
    wrong = host.exchange(b"\x93\x43\x12\x34\x06", bits=3, align=0)

    assert wrong != right


def test_a_flipped_bit_is_a_parity_error():
    """One tag alone and a weak field: no collision, but a byte whose parity is wrong."""
    host = lay("frame", "11223344")
    host.field.weaken("11223344", 0.02)
    errors = set()
    for _ in range(200):
        host.exchange(REQA, bits=7)
        if host.exchange(b"\x93\x20"):
            errors.add(host.read(ERROR))

    assert errors == {0x00, PARITY_ERR}


def test_the_chip_checks_and_takes_off_the_crc():
    """RxCRCEn: a right CRC does not reach the FIFO; four bits of NAK are a CRC error."""
    host = lay("frame", "deadbeef")
    host.exchange(b"\x93\x20")
    host.write(RX_MODE, 0x80)

    assert host.ask(0x93, 0x70, 0xDE, 0xAD, 0xBE, 0xEF, 0x22).hex() == "08"
    assert host.read(ERROR) == 0x00
    assert host.ask(0x30, 0x04).hex() == "04"
    assert host.read(ERROR) == CRC_ERR
    assert host.read(CONTROL) & 0x07 == 4


def test_the_chip_appends_the_crc():
    """TxCRCEn: the host sends the command alone."""
    host = lay("frame", "deadbeef")
    host.exchange(b"\x93\x20")
    host.write(0x12, 0x80)

    assert host.exchange(b"\x93\x70\xde\xad\xbe\xef\x22").hex() == "08b6dd"


@pytest.mark.parametrize(("register", "value"), [(0x15, 0x00), (0x12, 0x10), (0x13, 0x10)])
def test_what_is_no_type_a_at_106_kbit_is_not_understood(register, value):
    """Without full modulation, or at another speed, the air is silent."""
    host = Host().start_radio()
    host.field.put(SimTag("deadbeef", technology=ISO14443A))
    host.write(register, value)

    assert host.exchange(REQA, bits=7) == b""
    assert host.read(COM_IRQ) & 0x01


def test_without_parity_the_bits_come_raw():
    """ParityDisable: nine bits a byte reach the FIFO, and nobody checks them."""
    host = Host().start_radio()
    host.field.put(SimTag("deadbeef", technology=MIFARE_CLASSIC))
    host.write(0x1D, 0x10)
    raw = host.exchange(REQA, bits=7)

    # 04 with parity 0, 00 with parity 1: 18 bits, the lowest first.
    assert int.from_bytes(raw, "little") == 0x04 | 1 << 17
    assert host.read(CONTROL) & 0x07 == 2
