"""What a hand and a room do to the field: tags leave at any moment, metal, stacks, weak bits."""

import pytest

from hardware.ports import ISO15693, MIFARE_CLASSIC, NTAG
from sim.mfrc522.field import RadioField
from sim.mfrc522.frames import crc_a
from sim.tags import SimTag
from tests.sim.mfrc522.host import ERROR, REQA, RF_CFG, TX_CONTROL, WUPA, Host

UID, OTHER = "04a1b2c3d4e580", "04b1b2c3d4e581"
ACK = b"\x0a"
OLD, NEW = bytes.fromhex("11223344"), bytes.fromhex("aabbccdd")


def sticker(uid=UID):
    tag = SimTag(uid, technology=NTAG)
    tag.memory[:4] = OLD
    return tag


@pytest.fixture
def host():
    host = Host().start_radio()
    host.field.put(sticker())
    return host


def test_tags_come_and_go(host):
    """What is put down answers, what was taken away does not; twice is as once."""
    host.field.put(host.field.get(UID))
    assert [tag.uid for tag in host.field.tags()] == [UID]
    assert host.exchange(REQA, bits=7) == b"\x44\x00"

    host.field.take(UID)
    host.field.take(UID)

    assert host.field.tags() == []
    assert host.field.get(UID) is None
    assert host.exchange(REQA, bits=7) == b""


def test_a_tag_of_another_standard_is_refused(host):
    """An ISO 15693 tag cannot be heard at this antenna: a mistake in a test is said at once."""
    with pytest.raises(ValueError, match="ISO 15693"):
        host.field.put(SimTag("e004015000000001", technology=ISO15693))


def test_five_milliseconds_without_a_field_reset_a_tag(host):
    """Off for less, a halted tag stays halted; off for 5 ms, it answers REQA again."""
    host.select(UID)
    host.ask(0x50, 0x00)
    host.write(TX_CONTROL, 0x80)
    host.clock.advance(3)
    host.write(TX_CONTROL, 0x83)
    host.clock.advance(5)
    assert host.exchange(REQA, bits=7) == b""

    host.restart_field()

    assert host.exchange(REQA, bits=7) == b"\x44\x00"


def test_a_tag_put_down_again_has_forgotten_its_halt(host):
    """A hand that lifts a tag takes its power away."""
    tag = host.field.get(UID)
    host.select(UID)
    host.ask(0x50, 0x00)
    host.field.take(UID)
    host.field.put(tag)

    assert host.exchange(REQA, bits=7) == b"\x44\x00"


def test_a_field_may_need_time_before_tags_hear():
    """The standard gives a tag 5 ms from the carrier to its first answer."""
    host = Host(field=RadioField(ready_ns=5_000_000))
    host.field.put(sticker())
    host.start_radio()
    host.write(TX_CONTROL, 0x80)
    host.clock.advance(6)
    host.write(TX_CONTROL, 0x83)
    host.clock.advance(3)
    assert host.exchange(REQA, bits=7) == b""

    host.clock.advance(5)

    assert host.exchange(REQA, bits=7) == b"\x44\x00"


def write_page(host, uid=UID):
    host.select(uid)
    return host.ask(0xA2, 0x04, *NEW)


@pytest.mark.parametrize("written", range(5))
def test_a_write_is_torn_at_any_byte(host, written):
    """The tag leaves with that many of the four new bytes, and nobody acknowledges."""
    tag = host.field.get(UID)
    host.field.pull(UID, after_written=written)

    assert write_page(host) == b""
    assert tag.memory[:4] == NEW[:written] + OLD[written:]
    assert host.field.tags() == []


@pytest.mark.parametrize("written", [0, 1, 7, 15, 16])
def test_a_block_of_a_card_is_torn_at_any_byte(written):
    """Sixteen bytes at once, and the same hand."""
    host = Host().start_radio()
    tag = SimTag("deadbeef", technology=MIFARE_CLASSIC)
    host.field.put(tag)
    host.select("deadbeef")
    host.authenticate(0x60, 4, b"\xff" * 6, bytes.fromhex("deadbeef"))
    host.field.pull("deadbeef", after_written=written)
    host.ask(0xA0, 4)

    assert host.ask(*range(1, 17)) == b""
    assert tag.memory[:16] == bytes(range(1, written + 1)) + bytes(16 - written)


def test_bytes_written_before_the_pull_are_counted(host):
    """Two pages and a half: the third is torn in the middle."""
    tag = host.field.get(UID)
    host.field.pull(UID, after_written=10)
    host.select(UID)
    answers = [host.ask(0xA2, page, *NEW) for page in (4, 5, 6)]

    assert answers == [ACK, ACK, b""]
    assert tag.memory[:12] == NEW + NEW + NEW[:2] + bytes(2)


def test_a_tag_leaves_after_any_bit_on_the_air(host):
    """Whatever the bit: the page is old or new, and the ACK is whole or there is none."""
    frames = 7 + 18 + (9 * 9 + 27) * 2 + 9 * 8 + 4  # wake, select twice, write, ACK
    seen = set()
    for bits in range(frames + 1):
        tag = sticker()
        host.field.take(UID)
        host.field.put(tag)
        host.field.pull(UID, after_bits=bits)
        acknowledged = write_page(host) == ACK
        seen.add((acknowledged, bytes(tag.memory[:4])))

    assert seen == {(False, OLD), (False, NEW), (True, NEW)}


def test_a_reply_is_cut_where_the_tag_left(host):
    """Half an answer reaches the FIFO, as many bits as were sent."""
    host.exchange(WUPA, bits=7)
    host.field.pull(UID, after_bits=18 + 20)

    assert host.exchange(b"\x93\x20").hex() == "880401"
    assert host.read(0x0C) & 0x07 == 2


def test_a_tag_leaves_at_a_transfer_of_the_bus(host):
    """Counted from the chip's first transfer: a tape recording says the number."""
    host.field.pull(UID, at_transfer=host.chip.transfers + 5)

    host.read(ERROR)
    assert host.field.get(UID) is not None
    for _ in range(4):
        host.read(ERROR)
    assert host.field.get(UID) is None


def test_a_write_that_does_nothing_is_acknowledged_all_the_same(host):
    """A weak field: the tag says ACK, and reading back shows the old page."""
    tag = host.field.get(UID)
    tag.ignore_writes(1)

    assert write_page(host) == ACK
    assert host.ask(0x30, 0x04)[:4] == OLD
    assert host.ask(0xA2, 0x04, *NEW) == ACK
    assert host.ask(0x30, 0x04)[:4] == NEW


def test_weak_bits_are_seeded():
    """The same seed flips the same bits; a mended tag flips none."""
    rounds = []
    for _ in range(2):
        host = Host(seed=5).start_radio()
        host.field.put(sticker())
        host.field.weaken(UID, 0.03)
        rounds.append([host.exchange(WUPA, bits=7) for _ in range(40)])
        host.field.weaken(UID, 0)
        host.restart_field()
        assert host.exchange(WUPA, bits=7) == b"\x44\x00"

    assert rounds[0] == rounds[1]
    assert len(set(rounds[0])) > 2


def test_a_disturbance_hits_the_bits_it_names(host):
    """Two bits of one byte: the parity stays right, and the CRC does not."""
    host.select(UID)
    host.field.disturb(UID, 0b101, beyond_bits=100)

    read = host.ask(0x30, 0x04)

    assert read[:4] == bytes((OLD[0] ^ 0b101,)) + OLD[1:]
    assert host.read(ERROR) == 0x00
    assert crc_a(read[:-2]) != read[-2:]
    host.field.disturb(UID, 0)
    assert host.ask(0x30, 0x04)[:4] == OLD


def test_metal_takes_the_power_away(host):
    """A shelf of steel: the tag is there and says nothing; without it, it answers."""
    host.field.metal = 90
    assert host.exchange(REQA, bits=7) == b""

    host.field.metal = 0

    assert host.exchange(REQA, bits=7) == b"\x44\x00"


def test_stacked_tags_detune_each_other(host):
    """Six stickers on top of each other have no power; side by side they answer."""
    host.field.take(UID)
    uids = [f"04a1b2c3d4e59{n}" for n in range(6)]
    for uid in uids:
        host.field.put(sticker(uid), stack="pile")
    assert host.exchange(REQA, bits=7) == b""

    for uid in uids:
        tag = host.field.get(uid)
        host.field.take(uid)
        host.field.put(tag)

    assert host.exchange(REQA, bits=7) == b"\x44\x00"


def failures(host):
    """How many of fifty frames went wrong."""
    wrong = 0
    for _ in range(50):
        host.restart_field()
        host.exchange(REQA, bits=7)
        wrong += host.exchange(b"\x93\x20").hex() != "8804a1b29f"
    return wrong


def test_more_gain_hears_a_distant_tag_better():
    """RxGain in RFCfgReg: a loosely coupled tag loses bits at 33 dB and none at 48."""
    host = Host().start_radio()
    host.field.put(sticker(), coupling=30)
    at_33_db = failures(host)
    host.write(RF_CFG, 0x70)

    assert failures(host) == 0
    assert at_33_db > 5


def test_a_tag_beyond_reach_has_no_power():
    """Coupled at less than a fifth: no gain of the receiver feeds a tag."""
    host = Host().start_radio()
    host.write(RF_CFG, 0x70)
    host.field.put(sticker(), coupling=15)

    assert host.exchange(REQA, bits=7) == b""


def test_two_chips_share_no_field():
    """A tag at one antenna is not at the other, and is carried with all it holds."""
    first, second = Host().start_radio(), Host().start_radio()
    tag = sticker()
    first.field.put(tag)
    assert second.exchange(REQA, bits=7) == b""
    write_page(first)

    first.field.take(UID)
    second.field.put(tag)

    second.select(UID)
    assert second.ask(0x30, 0x04)[:4] == NEW
    assert list(tag.history) == ["placed", "written", "lifted", "placed", "read"]
    assert OTHER not in [tag.uid for tag in second.field.tags()]
