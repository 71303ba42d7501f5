"""A board's antennas against the simulator's: 3M and Feig on a serial port, an RC522 on a bus."""

import pytest

from firmware.mcu.antennas import AGAIN_MS, ANSWER_MS, ChipAntenna, SerialAntenna
from firmware.mcu.drivers import SpiBus
from firmware.mcu.languages import Language3m, LanguageFeig
from hardware.chips.rc522 import Rc522
from hardware.chips.tag_data import new_content
from hardware.ports import NTAG, Security
from sim.clock import VirtualClock
from sim.faults import DELAYED, GARBAGE, OFF
from sim.mfrc522.chip import SimMfrc522
from sim.serial.pad_3m import SimPad3M
from sim.serial.pad_feig import SimPadFeig
from sim.tags import SimTag
from tests.firmware.mcu.bench import Machine, Pin, Spi, Uart

UID = "e004010000000001"
OTHER = "e004010000000002"


def tag(uid=UID, security=Security.IN_STOCK, pii="30001", owner="DE1"):
    return SimTag(uid, content=new_content(pii, owner), security=security)


class Stand:
    """One antenna and the pad at the end of its cable."""

    def __init__(self, pad, language, parity):
        self.clock = pad.clock
        self.pad = pad
        self.uart = Uart(pad, language.baudrate, parity)
        self.antenna = SerialAntenna("lane-1", self.uart, language)
        self.reads, self.contents = [], []

    def run(self, duration_ms, step_ms=10, wish=None):
        """Let turns follow each other; return what was read of tags meanwhile.

        wish: whose content the machine wants as soon as a tag was told.
        """
        self.reads, self.contents = [], []
        end_ms = self.clock.now_ms() + duration_ms
        while self.clock.now_ms() < end_ms:
            began_ms = self.clock.now_ms()
            self.antenna.hear(began_ms)
            self.reads += self.antenna.reads
            self.contents += self.antenna.contents
            if self.antenna.reads and wish:
                self.antenna.want(wish)
                self.wished_ms, wish = began_ms, None
            if self.antenna.contents:
                self.told_ms = began_ms
            self.antenna.ask(self.clock.now_ms())
            assert self.clock.now_ms() == began_ms  # nobody waited
            self.clock.advance(step_ms)
        return [(read.uid, read.security) for read in self.reads]


def stand_3m():
    return Stand(SimPad3M(VirtualClock(), paced=True), Language3m(), None)


def stand_feig():
    return Stand(SimPadFeig(VirtualClock(), paced=True), LanguageFeig(), 0)


@pytest.fixture(params=[stand_3m, stand_feig], ids=["3m", "feig"])
def stand(request):
    return request.param()


def test_an_empty_field_is_asked_again_and_again(stand):
    """Nothing is read, nothing is wrong."""
    assert stand.run(1_000) == []
    assert (stand.antenna.trouble, stand.antenna.errors) == ("", 0)
    assert len(stand.pad.history) > 20


def test_a_tag_is_told_with_its_security(stand):
    """By its AFI, each time the field is looked at, and again when it changes."""
    stand.pad.place(tag())
    stand.pad.place(tag(OTHER, Security.ON_LOAN))

    reads = stand.run(1_000)
    assert set(reads) == {(UID, "in_stock"), (OTHER, "on_loan")}
    assert reads.count((UID, "in_stock")) > 5
    assert stand.antenna.trouble == ""


def test_a_security_that_changes_is_seen_within_a_second(stand):
    """A book that is secured again while it stands there is not believed to be lent."""
    stand.pad.place(tag(security=Security.ON_LOAN))
    stand.run(500)
    stand.pad.field.get(UID).afi = 0x07

    assert (UID, "in_stock") in stand.run(1_500)


def test_a_tag_that_left_is_told_no_more(stand):
    """What is read is what is there."""
    stand.pad.place(tag())
    stand.run(500)
    stand.pad.lift(UID)
    stand.run(200)

    assert stand.run(500) == []


def test_a_content_is_the_very_next_question(stand):
    """Whose a tag is, is known 60 ms after the machine wanted it."""
    stand.pad.place(tag())
    stand.run(1_000, wish=UID)

    assert stand.contents == [(UID, True, "30001", "DE1")]
    assert stand.told_ms - stand.wished_ms <= 60


def test_a_content_is_read_before_the_others_are_looked_at(stand):
    """Ten books come at once: an alarm that waits for an owner waits for no other tag."""
    for number in range(10):
        stand.pad.place(tag(f"e0040100000000{number:02x}"))
    stand.run(1_000, wish="e004010000000000")

    assert stand.contents == [("e004010000000000", True, "30001", "DE1")]
    assert stand.told_ms - stand.wished_ms <= 60


def test_a_long_owner_is_read_to_its_end(stand):
    """A code of 13 characters reaches beyond the first frame."""
    stand.pad.place(tag(owner="DEABCDEFGHIJK"))
    stand.antenna.want(UID)
    stand.run(500)

    assert stand.contents == [(UID, True, "30001", "DEABCDEFGHIJK")]


def test_a_blank_tag_says_nothing(stand):
    """It was read, and names nobody."""
    stand.pad.place(SimTag(UID))
    stand.antenna.want(UID)
    stand.run(300)

    assert stand.contents == [(UID, True, None, None)]


def test_the_content_of_a_tag_that_left_is_not_read(stand):
    """The machine is told so, and the antenna is not blamed."""
    stand.antenna.want(UID)
    stand.run(300)

    assert stand.contents == [(UID, False, None, None)]
    assert stand.antenna.errors == 0


def test_many_tags_are_read_one_after_another(stand):
    """Twenty books: each has its security, none is forgotten."""
    for number in range(20):
        stand.pad.place(tag(f"e0040100000000{number:02x}"))

    assert len(set(stand.run(1_500))) == 20


def test_a_dead_antenna_is_named_and_comes_back(stand):
    """Silent for a second it is in trouble; with power again it is not."""
    stand.run(300)
    stand.pad.fail(OFF)
    stand.run(2 * (ANSWER_MS + AGAIN_MS))
    assert "no answer" in stand.antenna.trouble
    assert stand.antenna.errors >= 2

    stand.pad.mend()
    stand.pad.place(tag())
    assert (UID, "in_stock") in stand.run(2 * AGAIN_MS + ANSWER_MS)
    assert stand.antenna.trouble == ""


def test_one_spark_on_the_cable_is_no_trouble(stand):
    """A damaged answer is asked for again; staff are not told of one."""
    stand.pad.place(tag())
    stand.run(500)
    stand.pad.make_noise(b"\xd6\x00\x05\xfe\x00\x00\x01\x02\x06\x00")
    stand.run(200)

    assert stand.antenna.trouble == ""
    assert (UID, "in_stock") in stand.run(1_000)


def test_a_cable_of_nothing_but_garbage_names_no_tag(stand):
    """Whatever comes, no tag is made of it that is not there."""
    stand.pad.place(tag())
    stand.run(300)
    stand.pad.fail(GARBAGE)
    reads = stand.run(10_000)

    assert {uid for uid, _ in reads} <= {UID}
    assert stand.antenna.errors > 2


def test_an_antenna_one_question_late_is_not_believed(stand):
    """It answers the question before: no tag is given another's security."""
    stand.pad.place(tag())
    stand.pad.place(tag(OTHER, Security.ON_LOAN))
    stand.run(300)
    stand.pad.fail(DELAYED)
    reads = stand.run(10_000)

    assert set(reads) <= {(UID, "in_stock"), (OTHER, "on_loan")}
    assert stand.antenna.trouble != ""


def test_answers_that_come_in_pieces_are_put_together(stand):
    """A slow cable delivers bytes in any pieces."""
    stand.pad.split_answers(1, 2, 5, gap_ms=15)
    stand.pad.place(tag())

    assert (UID, "in_stock") in stand.run(2_000)
    assert stand.antenna.errors == 0


def test_a_wrong_parity_is_named():
    """A Feig reader behind a port without parity: what to check is said."""
    pad = SimPadFeig(VirtualClock(), paced=True)
    stand = Stand(pad, LanguageFeig(), None)
    stand.run(5_000)

    assert "check its" in stand.antenna.trouble or "no answer" in stand.antenna.trouble


class ChipStand:
    """An RC522 board on the bus of a board."""

    def __init__(self):
        self.clock = VirtualClock()
        self.chip = SimMfrc522(self.clock)
        bus = SpiBus(Spi(self.chip), Pin(Machine(self.clock), 21))
        driver = Rc522(bus, self.clock.now_ms, self.clock.sleep_ms)
        self.antenna = ChipAntenna("lane-1", driver)

    def run(self, duration_ms):
        reads = []
        end_ms = self.clock.now_ms() + duration_ms
        while self.clock.now_ms() < end_ms:
            self.antenna.hear(self.clock.now_ms())
            reads += self.antenna.reads
            self.clock.advance(10)
        return reads


def sticker(uid="04a1b2c3d4e580", **more):
    return SimTag(uid, technology=NTAG, content=new_content("30001", "DE1"), **more)


def test_a_sticker_tells_everything_in_the_round_that_finds_it():
    """Security, item and owner come with the uid, and nobody has to ask."""
    stand = ChipStand()
    stand.chip.field.put(sticker(security=Security.IN_STOCK))
    read = stand.run(500)[0]

    assert tuple(read) == ("04a1b2c3d4e580", "in_stock", "30001", "DE1")
    assert stand.antenna.trouble == ""


def test_an_empty_field_costs_a_turn_little():
    """Over nothing the chip takes some 13 ms, four times in a tenth of a second at most."""
    stand = ChipStand()
    stand.run(200)
    stand.clock.advance(100)
    began_ms = stand.clock.now_ms()
    stand.antenna.hear(began_ms)

    assert stand.clock.now_ms() - began_ms <= 20


def test_a_chip_without_power_is_named_and_set_up_again():
    """Its plug pulled and put back: trouble, and then tags as before."""
    stand = ChipStand()
    stand.chip.field.put(sticker(security=Security.ON_LOAN))
    stand.run(300)
    stand.chip.power(False)
    stand.run(1_200)
    assert stand.antenna.trouble.startswith("lane-1: VersionReg reads")

    stand.chip.power(True)
    reads = stand.run(1_500)
    assert ("04a1b2c3d4e580", "on_loan") in [(read.uid, read.security) for read in reads]
    assert stand.antenna.trouble == ""


def test_a_card_without_room_for_us_is_a_uid():
    """A patron's card names nobody's item; it may still be a staff card."""
    stand = ChipStand()
    stand.chip.field.put(SimTag("04a1b2c3d4e580", technology=NTAG))

    assert {tuple(read) for read in stand.run(300)} == {("04a1b2c3d4e580", "none", None, None)}


def test_the_chip_answers_a_wish_in_its_next_round():
    """A blank sticker is read again when the machine wants to know whose it is."""
    stand = ChipStand()
    stand.chip.field.put(SimTag("04a1b2c3d4e580", technology=NTAG))
    stand.run(100)
    stand.antenna.want("04a1b2c3d4e580")
    contents = []
    for _ in range(20):
        stand.antenna.hear(stand.clock.now_ms())
        contents += stand.antenna.contents
        stand.clock.advance(10)

    assert contents == [("04a1b2c3d4e580", True, None, None)]
