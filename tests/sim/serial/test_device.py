"""What every simulated serial device does: time, faults, the line and its plug."""

import random

import pytest

from sim.clock import VirtualClock
from sim.errors import FaultUnknown
from sim.serial.device import SimSerialDevice
from sim.serial.line import LineSettings, heard
from sim.serial.pad_3m import SimPad3M
from sim.serial.pad_feig import SimPadFeig
from sim.tags import SimTag
from tests.sim.serial.wire import (
    BOOK,
    OTHER,
    answer_of,
    ask_3m,
    ask_feig,
    genibus,
    of_3m,
    of_feig,
    tag,
)

PROBE = bytes.fromhex("d500050400118c66")
PROBE_ANSWER = bytes.fromhex("d500090400110a0500027250")


@pytest.fixture
def pad():
    return SimPad3M(VirtualClock())


class TestTime:
    """When bytes arrive."""

    def test_an_answer_comes_after_its_latency(self, pad):
        """Not a millisecond earlier, and then whole."""
        pad.receive(PROBE)

        assert pad.take() == b""
        assert pad.next_at_ms() == 5
        pad.clock.advance(4)
        assert pad.take() == b""
        pad.clock.advance(1)
        assert pad.take() == PROBE_ANSWER
        assert pad.next_at_ms() is None

    def test_on_a_paced_line_every_byte_takes_its_time(self):
        """19200 baud, ten bits a byte: 8 bytes in, 12 out, half a millisecond each."""
        pad = SimPad3M(VirtualClock(), paced=True)
        pad.receive(PROBE)
        arrived = []
        for _ in range(20):
            pad.clock.advance(1)
            arrived.append(len(pad.take()))

        assert arrived == [0] * 10 + [1, 2, 2, 2, 2, 2, 1, 0, 0, 0]

    def test_an_answer_can_come_in_pieces(self, pad):
        """Two bytes, three bytes, the rest, with a gap between them."""
        pad.split_answers(2, 3, gap_ms=50)
        pad.receive(PROBE)
        arrived = []
        for _ in range(4):
            pad.clock.advance(50)
            arrived.append(pad.take())

        assert arrived == [PROBE_ANSWER[:2], PROBE_ANSWER[2:5], PROBE_ANSWER[5:], b""]

    def test_a_part_can_be_taken(self, pad):
        """`take` leaves what it has no room for."""
        pad.receive(PROBE)
        pad.clock.advance(5)

        assert pad.waiting() == 12
        assert pad.take(5) == PROBE_ANSWER[:5]
        assert pad.waiting() == 7
        assert pad.take() == PROBE_ANSWER[5:]

    def test_a_host_that_never_reads_fills_no_memory(self, pad):
        """As with a tty, what has no room is lost."""
        for _ in range(80):
            pad.say(b"x" * 1_000)
            pad.clock.advance(1)

        assert pad.waiting() == 65_536
        assert len(pad.take(65_000)) == 65_000
        pad.say(b"y" * 1_000)
        assert pad.waiting() == 536 + 1_000


class Patient(SimSerialDevice):
    """A device that waits for the end of a frame for ever."""

    def _next_frame(self, buffer):
        return None


def test_a_frame_without_end_takes_no_memory():
    """Whatever a device makes of its bytes, it keeps the last 4096."""
    device = Patient(VirtualClock())
    for _ in range(100):
        device.receive(b"x" * 1_000)

    assert len(device._input) == 4_096
    assert device.take() == b""


class TestPlug:
    """Pulling the plug and putting it in."""

    def test_what_is_on_its_way_is_lost_with_the_plug(self, pad):
        """Neither half a question nor an answer survives."""
        pad.receive(PROBE)
        pad.unplug()
        pad.plug_in()

        assert answer_of(pad, PROBE[:4]) == b""
        pad.unplug()
        pad.receive(PROBE)
        pad.plug_in()
        pad.clock.advance(100)
        assert pad.take() == b""
        assert answer_of(pad, PROBE) == PROBE_ANSWER

    def test_a_device_that_boots_is_deaf(self):
        """Until it has started, what it is asked is lost."""
        pad = SimPad3M(VirtualClock(), boot_ms=700)
        pad.unplug()
        pad.plug_in()

        assert answer_of(pad, PROBE, wait_ms=600) == b""
        assert answer_of(pad, PROBE, wait_ms=100) == b""
        assert answer_of(pad, PROBE) == PROBE_ANSWER

    def test_a_plug_forgets_what_the_pad_was_told(self):
        """Quiet and selected tags, the field switched off: gone with the power."""
        pad = SimPadFeig(VirtualClock())
        pad.place(tag())
        ask_feig(pad, "6a00")
        pad.unplug()
        pad.plug_in()

        assert ask_feig(pad, "b00100") == "00010300" + BOOK


class TestLine:
    """What is heard when both ends are set differently."""

    @pytest.mark.parametrize("parity", ["N", "E", "O", "M", "S"])
    def test_the_same_settings_are_heard_as_they_are(self, parity):
        """Bit by bit as well: another number of stop bits changes nothing for the listener."""
        sender = LineSettings(19_200, parity, stopbits=2)
        listener = LineSettings(19_200, parity)
        data = bytes(range(256))

        assert heard(data, sender=sender, listener=listener, broken=b"?") == data

    def test_three_per_cent_are_forgiven(self):
        """A UART samples in the middle of a bit; ten bits later it is still the right one."""
        sender, listener = LineSettings(19_200), LineSettings(19_700)

        assert heard(b"\x00U\xff", sender=sender, listener=listener, broken=b"?") == b"\x00U\xff"

    def test_at_half_the_rate_two_bits_are_heard_as_one(self):
        """19200 sent, 9600 heard: the letter U becomes a byte of its own making."""
        sender, listener = LineSettings(19_200), LineSettings(9_600)

        assert heard(b"\xff\xff", sender=sender, listener=listener, broken=b"?") != b"\xff\xff"
        assert heard(b"\x98", sender=sender, listener=listener, broken=b"?") == b"\xfa"

    def test_a_pulse_too_short_for_a_start_bit_is_nothing(self):
        """115200 sent, 9600 heard: of FF only the start bit is low, a twelfth of a bit."""
        sender, listener = LineSettings(115_200), LineSettings(9_600)

        assert heard(b"\xff\xff", sender=sender, listener=listener, broken=b"?") == b""

    def test_a_missing_parity_bit_breaks_every_other_byte(self):
        """Sent without, heard with even parity: a stop bit is taken for the parity bit."""
        sender, listener = LineSettings(38_400), LineSettings(38_400, "E")

        found = [
            heard(bytes((byte,)), sender=sender, listener=listener, broken=b"?")
            for byte in (0x00, 0x01, 0x03, 0x07)
        ]

        assert found == [b"?", b"\x01", b"?", b"\x07"]

    def test_any_two_settings_end_in_some_bytes(self, seed):
        """Nothing hangs and nothing is raised, whatever the two ends are set to."""
        chance = random.Random(seed)
        for _ in range(300):
            sender, listener = (
                LineSettings(
                    chance.choice([0, 1, 50, 300, 9_600, 19_200, 115_200, 4_000_000]),
                    chance.choice("NEOMS"),
                    chance.choice([5, 6, 7, 8]),
                    chance.choice([1, 1.5, 2]),
                )
                for _ in range(2)
            )
            data = chance.randbytes(5)
            found = heard(data, sender=sender, listener=listener, broken=b"?")
            assert found == data or sender != listener
            assert len(found) <= 5 * 7  # a byte for each falling edge at most

    def test_a_line_that_was_hung_up_carries_nothing(self):
        """Baud rate 0."""
        dead = LineSettings(0)

        assert heard(b"abc", sender=dead, listener=LineSettings(), broken=b"?") == b""
        assert heard(b"abc", sender=LineSettings(), listener=dead, broken=b"?") == b""

    def test_a_wrong_rate_is_silence_and_rubbish(self, pad):
        """The pad hears nothing it understands, and what it says is not understood."""
        pad.host_settings = LineSettings(9_600)
        assert answer_of(pad, PROBE) == b""
        pad.say(PROBE_ANSWER)
        rubbish = pad.take()

        assert rubbish not in (b"", PROBE_ANSWER)

    def test_feig_without_parity_is_not_understood(self):
        """8E1 is easily forgotten; the reader then says nothing."""
        pad = SimPadFeig(VirtualClock())
        pad.host_settings = LineSettings(38_400, "N")

        assert answer_of(pad, of_feig("65")) == b""
        pad.host_settings = LineSettings(38_400, "E")
        assert answer_of(pad, of_feig("65")) != b""


class TestFaults:
    """One vocabulary for all devices."""

    def test_an_unknown_fault_is_refused(self, pad):
        """A fault that is silently ignored proves nothing."""
        with pytest.raises(FaultUnknown, match="paper_out"):
            pad.fail("paper_out")

    def test_off_is_a_port_without_an_answer(self, pad):
        """The cable is there, the power is not; mended, it works."""
        pad.fail("off")
        assert answer_of(pad, PROBE) == b""
        pad.mend()

        assert answer_of(pad, PROBE) == PROBE_ANSWER

    def test_stuck_repeats_the_last_inventory(self, pad):
        """And nothing about any tag."""
        pad.place(tag())
        before = ask_3m(pad, "fe0005")
        pad.fail("stuck")
        pad.lift(BOOK)

        assert ask_3m(pad, "fe0005") == before == "fe00000501" + BOOK
        assert ask_3m(pad, "0a" + BOOK) == ""
        pad.mend()
        assert ask_3m(pad, "fe0005") == "fe00000500"

    def test_a_stuck_feig_reader_does_the_same(self):
        """The last list for ever."""
        pad = SimPadFeig(VirtualClock())
        pad.place(tag())
        ask_feig(pad, "b00100")
        pad.fail("stuck")
        pad.lift(BOOK)

        assert ask_feig(pad, "b00100") == "00010300" + BOOK
        assert ask_feig(pad, "b02b01" + BOOK) == ""

    def test_garbage_never_has_a_right_checksum(self, pad):
        """Of a hundred answers not one is a frame, and they differ."""
        pad.fail("garbage")
        answers = [answer_of(pad, of_3m("fe0005")) for _ in range(100)]

        assert len(set(answers)) > 50
        for answer in answers:
            right = answer[:1] == b"\xd6" and genibus(answer[1:-2]) == int.from_bytes(
                answer[-2:], "big"
            )
            assert not right

    def test_wrong_is_well_formed_and_untrue(self, pad):
        """Uids have their last bit turned, AFI and EAS are the opposite, memory is as it is."""
        book = tag(memory="61626364")
        book.afi = 0x07
        pad.place(book)
        pad.fail("wrong")
        turned = "e00401003123aa27"

        assert ask_3m(pad, "fe0005") == "fe00000501" + turned
        assert ask_3m(pad, "fe0705") == "fe00070500"
        assert ask_3m(pad, "0a" + turned) == f"0a00{turned}c2"
        assert ask_3m(pad, "03" + turned) == f"0300{turned}01"
        assert ask_3m(pad, "0a" + BOOK) == f"0a06{BOOK}"
        assert ask_3m(pad, f"02{turned}0001") == f"0200{turned}01000061626364"

    def test_slow_is_right_and_late(self, pad):
        """The answer comes, `slow_ms` later."""
        pad.fail("slow", slow_ms=300)

        assert answer_of(pad, PROBE, wait_ms=304) == b""
        pad.clock.advance(1)
        assert pad.take() == PROBE_ANSWER

    def test_delayed_is_out_of_step_by_one(self, pad):
        """Each answer is that of the question before; a write has happened nevertheless."""
        book = tag()
        pad.place(book)
        pad.fail("delayed")

        assert ask_3m(pad, "fe0005") == ""
        assert ask_3m(pad, f"09{BOOK}c2") == "fe00000501" + BOOK
        assert book.afi == 0xC2
        assert ask_3m(pad, "11") == f"0900{BOOK}"
        pad.mend()
        assert ask_3m(pad, "11") == "11000a050002"

    def test_intermittent_fails_a_seeded_share(self, pad):
        """The same seed fails the same questions: unheard, unanswered or cut short."""

        def round_of(seed):
            pad.fail("intermittent", share=0.5, seed=seed)
            return [answer_of(pad, PROBE) for _ in range(40)]

        first, second, other = round_of(7), round_of(7), round_of(8)

        assert first == second != other
        assert {b"", PROBE_ANSWER[:6], PROBE_ANSWER} == set(first)
        assert 10 < first.count(PROBE_ANSWER) < 30

    def test_an_intermittent_write_may_have_happened(self, pad):
        """Silence is no proof that nothing was written."""
        outcomes = set()
        pad.fail("intermittent", share=0.9, seed=1)
        for _ in range(40):
            book = tag()
            pad.place(book)
            answer = answer_of(pad, of_3m(f"09{BOOK}c2"))
            outcomes.add((len(answer), book.afi))
            pad.lift(BOOK)

        assert outcomes == {(0, 0), (0, 0xC2), (7, 0xC2), (15, 0xC2)}


class TestHistory:
    """What people and the bench read."""

    def test_every_frame_is_there_in_words(self, pad):
        """Who said it, when, the bytes, and what they mean."""
        pad.place(tag())
        pad.place(SimTag(OTHER))
        ask_3m(pad, "fe0705")
        ask_3m(pad, "fe0005")
        ask_3m(pad, f"04{BOOK}00010061616161")
        ask_3m(pad, "0ae004010000000009")
        answer_of(pad, bytes.fromhex("d60005fe0005ffff"))

        assert [frame.words for frame in pad.history] == [
            "inventory, AFI 07",
            "0 tags",
            "inventory",
            f"2 tags: {BOOK}, {OTHER}",
            f"write blocks of {BOOK}: 1 from 0",
            "write blocks: 01",
            "read AFI of e004010000000009",
            "read AFI: error 06, no tag",
            "wrong checksum",
        ]
        assert [frame.to_host for frame in pad.history][:2] == [False, True]
        assert str(pad.history[1]) == "5 <- d6 00 07 fe 00 07 05 00 4c eb  0 tags"

    def test_feigs_frames_are_told_too(self):
        """The answer is named by its question."""
        pad = SimPadFeig(VirtualClock())
        ask_feig(pad, "b00100")
        ask_feig(pad, "b104a500")
        ask_feig(pad, "99")

        assert [frame.words for frame in pad.history] == [
            "inventory 00",
            "inventory: no transponder",
            "EAS alarm 00",
            "EAS alarm: no transponder",
            "command 99",
            "answer: unknown command",
        ]

    def test_who_watches_hears_every_frame(self, pad):
        """The bench's trace is fed as the frames happen."""
        seen = []
        pad.watchers.append(lambda frame: seen.append(frame.words))
        answer_of(pad, PROBE)

        assert seen == ["probe", "hardware version"]
