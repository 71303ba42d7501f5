"""The simulated Feig reader speaks OBID as its manuals say."""

import random

import pytest

from sim.clock import VirtualClock
from sim.serial.pad_feig import SimPadFeig
from tests.sim.serial.wire import (
    BOOK,
    OTHER,
    answer_of,
    ask_feig,
    big_block_tag,
    mcrf4xx,
    of_feig,
    tag,
)


@pytest.fixture
def pad():
    return SimPadFeig(VirtualClock())


def test_a_recorded_version_comes_back_byte_for_byte(pad):
    """A CPR reader's answer to 'get software version' in the advanced frame, from its own 00."""
    answer = answer_of(pad, bytes.fromhex("020007ff656e61"))

    assert answer.hex() == "02000f00650003030044530d307469"


def test_the_standard_frames_are_those_of_the_documents(pad):
    """Version and inventory in standard frames; their checksums follow from the manual's text."""
    assert of_feig("65").hex() == "05ff65e5cb"
    assert of_feig("b00100").hex() == "07ffb001001c56"
    assert answer_of(pad, bytes.fromhex("05ff65e5cb")).hex() == "0d00650003030044530d303309"
    assert answer_of(pad, bytes.fromhex("07ffb001001c56")).hex() == "0600b0015c63"


class TestFrames:
    """Lengths, addresses, checksums."""

    def test_it_answers_to_its_address_and_to_ff(self):
        """Another reader's number on the bus is not for us."""
        pad = SimPadFeig(VirtualClock(), address=7)

        assert answer_of(pad, of_feig("5200", address=7)).hex()[:8] == "06075200"
        assert answer_of(pad, of_feig("5200", address=0xFF)).hex()[:8] == "06075200"
        assert answer_of(pad, of_feig("5200", address=3)) == b""

    def test_a_wrong_checksum_has_no_answer(self, pad):
        """Manual 2.3: there is no reply to a protocol frame failure."""
        assert answer_of(pad, bytes.fromhex("05ff65e5cc")) == b""
        assert ask_feig(pad, "5200") == "00"

    def test_half_a_frame_is_forgotten_after_silence(self, pad):
        """A host that was cut off in the middle can begin anew a moment later."""
        pad.receive(bytes.fromhex("07ffb001"))
        pad.clock.advance(250)

        assert ask_feig(pad, "5200") == "00"

    def test_a_long_answer_has_the_advanced_frame(self):
        """Beyond 255 bytes the length needs two; the host knows by the first byte, 02."""
        pad = SimPadFeig(VirtualClock(), sets_max=100)
        for number in range(26):
            pad.place(tag(f"e0040100000000{number:02x}"))

        answer = answer_of(pad, of_feig("b00100"))

        assert answer[:7].hex() == "02010d00b0001a"
        assert len(answer) == 0x010D
        assert mcrf4xx(answer[:-2]) == int.from_bytes(answer[-2:], "little")

    def test_an_advanced_request_has_an_advanced_answer(self, pad):
        """Whatever its length."""
        body = bytes.fromhex("020008ff5200")
        answer = answer_of(pad, body + mcrf4xx(body).to_bytes(2, "little"))

        assert answer[:6].hex() == "020008005200"

    def test_a_request_longer_than_its_buffer_is_a_length_error(self, pad):
        """Status 81."""
        content = "b024" + "00" * 330
        body = b"\x02" + (6 + len(content) // 2).to_bytes(2, "big") + b"\xff"
        body += bytes.fromhex(content)
        answer = answer_of(pad, body + mcrf4xx(body).to_bytes(2, "little"))

        assert answer[4:6].hex() == "b081"

    def test_rubbish_without_end_takes_no_memory(self, pad, seed):
        """A hundred kilobytes of noise, and the reader still answers."""
        noise = random.Random(seed)
        for _ in range(100):
            pad.receive(noise.randbytes(1_000))
            pad.take()
        pad.clock.advance(1_000)
        pad.take()

        assert len(pad._input) <= 4_096
        assert ask_feig(pad, "5200") == "00"


class TestInventory:
    """B0 01."""

    def test_a_tag_is_its_type_its_dsfid_and_its_uid(self, pad):
        """TR-TYPE 03 is ISO 15693; the uid begins with E0."""
        book = tag()
        book.dsfid = 0x3E
        pad.place(book)

        assert ask_feig(pad, "b00100") == "0001033e" + BOOK

    def test_no_tag_is_a_status_without_data(self, pad):
        """Status 01, no count."""
        assert ask_feig(pad, "b00100") == "01"

    def test_more_tags_than_fit_are_asked_for(self):
        """Status 94 until the last ones have come; a new inventory begins anew."""
        pad = SimPadFeig(VirtualClock(), sets_max=2, lists_once=False)
        for number in range(3):
            pad.place(tag(f"e0040100000000{number:02x}"))
        zero, one, two = (f"0300e0040100000000{number:02x}" for number in range(3))

        assert ask_feig(pad, "b00100") == "9402" + zero + one
        assert ask_feig(pad, "b00180") == "0001" + two
        assert ask_feig(pad, "b00180") == "01"
        assert ask_feig(pad, "b00100") == "9402" + zero + one
        assert ask_feig(pad, "b00100") == "9402" + zero + one

    def test_a_tag_is_listed_once_until_it_was_away(self, pad):
        """As delivered (CFG5, ONT 1): an RF reset, or leaving, makes it new."""
        book = tag()
        pad.place(book)
        listed = "00010300" + BOOK

        assert ask_feig(pad, "b00100") == listed
        assert ask_feig(pad, "b00100") == "01"
        assert ask_feig(pad, f"b02b01{BOOK}")[:2] == "00"
        assert ask_feig(pad, "b02b00") == "01"
        pad.lift(BOOK)
        pad.place(book)
        assert ask_feig(pad, "b00100") == listed
        assert ask_feig(pad, "69") == "00"
        assert ask_feig(pad, "b00100") == listed
        assert ask_feig(pad, "63") == "00"
        assert ask_feig(pad, "b00100") == listed

    def test_a_reader_set_up_otherwise_lists_it_every_time(self):
        """ONT 0: the reader resets the field before each inventory."""
        pad = SimPadFeig(VirtualClock(), lists_once=False)
        pad.place(tag())

        assert ask_feig(pad, "b00201" + BOOK) == "00"
        assert ask_feig(pad, "b00100") == "00010300" + BOOK
        assert ask_feig(pad, "b00100") == "00010300" + BOOK

    def test_a_reset_of_the_field_takes_its_time(self, pad):
        """15 ms, and the answer comes after it."""
        assert answer_of(pad, of_feig("69"), wait_ms=19) == b""
        pad.clock.advance(1)
        assert pad.take()[2:4].hex() == "6900"

    def test_without_its_field_it_sees_nothing(self, pad):
        """6A switches the field off, 69 resets it and has it on again."""
        pad.place(tag())

        assert ask_feig(pad, "6a00") == "00"
        assert ask_feig(pad, "b00100") == "01"
        assert ask_feig(pad, "b02b01" + BOOK) == "01"
        assert ask_feig(pad, "69") == "00"
        assert ask_feig(pad, "b00100") == "00010300" + BOOK


class TestBlocks:
    """B0 22, 23, 24 and 2C."""

    def test_a_block_is_sent_last_byte_first(self, pad):
        """Data is sent high byte first: 61 62 63 64 on the tag is 64 63 62 61 on the line."""
        pad.place(tag(memory="6162636465666768"))

        assert ask_feig(pad, f"b02301{BOOK}0002") == "00020400646362610068676665"

    def test_a_reader_set_up_otherwise_sends_them_as_they_are(self):
        """Both orders are met in libraries."""
        pad = SimPadFeig(VirtualClock(), reverses_blocks=False)
        pad.place(tag(memory="61626364"))

        assert ask_feig(pad, f"b02301{BOOK}0001") == "0001040061626364"

    def test_blocks_are_written_last_byte_first(self, pad):
        """What is read back is what was sent."""
        book = tag()
        pad.place(book)

        assert ask_feig(pad, f"b02401{BOOK}0102046463626168676665") == "00"
        assert book.memory[4:12] == b"abcdefgh"

    def test_blocks_of_eight_bytes_are_blocks_of_eight_bytes(self, pad):
        """The size is the tag's own."""
        big = big_block_tag()
        pad.place(big)

        assert ask_feig(pad, f"b02401{big.uid}0101080807060504030201") == "00"
        assert ask_feig(pad, f"b02301{big.uid}0002") == "000208" + "00" * 9 + (
            "000807060504030201"
        )
        assert big.memory[8:16] == bytes(range(1, 9))

    def test_the_locks_come_when_asked_for(self, pad):
        """Mode bit 8 fills the security status; 2C sends nothing else."""
        book = tag()
        book.locked_blocks.add(1)
        pad.place(book)

        assert ask_feig(pad, f"b02309{BOOK}0002") == "00020400000000000100000000"
        assert ask_feig(pad, f"b02301{BOOK}0002") == "00020400000000000000000000"
        assert ask_feig(pad, f"b02c01{BOOK}0002") == "00020001"

    def test_a_locked_block_ends_the_write_there(self, pad):
        """Status 95, the tag's error 12, the number of the block."""
        book = tag()
        pad.place(book)

        assert ask_feig(pad, f"b02201{BOOK}0201") == "00"
        assert ask_feig(pad, f"b02401{BOOK}010204" + "aa" * 8) == "951202"
        assert book.memory[:12].hex() == "00000000aaaaaaaa00000000"

    def test_blocks_beyond_the_memory_are_refused(self, pad):
        """28 blocks: the tag's error 10."""
        book = tag()
        pad.place(book)

        assert ask_feig(pad, f"b02301{BOOK}1b02") == "9510"
        assert ask_feig(pad, f"b02401{BOOK}1c0104" + "aa" * 4) == "95101c"
        assert book.memory == bytes(112)

    def test_more_than_128_bytes_at_once_are_out_of_range(self, pad):
        """32 blocks of four bytes are the most; none is none."""
        pad.place(tag())

        assert ask_feig(pad, f"b02301{BOOK}0021") == "11"
        assert ask_feig(pad, f"b02301{BOOK}0000") == "11"


class TestSecurity:
    """B0 27, 28, 29, 2B and B1."""

    def test_the_afi_is_written_and_found_in_the_system_information(self, pad):
        """DSFID, uid, AFI, block size less one, blocks less one, IC."""
        book = tag()
        pad.place(book)

        assert ask_feig(pad, f"b02701{BOOK}07") == "00"
        assert ask_feig(pad, f"b02901{BOOK}3e") == "00"
        assert ask_feig(pad, f"b02b01{BOOK}") == "003e" + BOOK + "07031b01"
        assert list(book.history) == ["placed", "secured"]

    def test_a_locked_afi_stays(self, pad):
        """Status 95 and the tag's error."""
        book = tag()
        pad.place(book)

        assert ask_feig(pad, f"b02801{BOOK}") == "00"
        assert ask_feig(pad, f"b02701{BOOK}c2") == "9512"
        assert ask_feig(pad, f"b02801{BOOK}") == "9511"
        assert book.afi == 0

    def test_a_gate_hears_the_eas_alarm(self, pad):
        """Status 00 is the alarm, 01 is silence; nobody has to be addressed."""
        book = tag()
        pad.place(book)
        pad.place(tag(OTHER))

        assert ask_feig(pad, "b104a500") == "01"
        assert ask_feig(pad, f"b104a201{BOOK}") == "00"
        assert ask_feig(pad, "b104a500") == "00"
        assert ask_feig(pad, f"b104a501{OTHER}") == "01"
        assert ask_feig(pad, f"b104a301{BOOK}") == "00"
        assert ask_feig(pad, "b104a500") == "01"

    def test_a_tag_of_another_maker_has_no_eas(self, pad):
        """The tag refuses; a command for another maker's tags is of the wrong type."""
        big = big_block_tag()
        pad.place(big)

        assert ask_feig(pad, f"b104a201{big.uid}") == "9501"
        assert ask_feig(pad, f"b108a201{big.uid}") == "05"


class TestAddressing:
    """The mode byte."""

    def test_the_only_tag_need_not_be_named(self, pad):
        """With two of them the answers collide."""
        pad.place(tag())
        assert ask_feig(pad, "b02700c2") == "00"
        pad.place(tag(OTHER))

        assert ask_feig(pad, "b0270007") == "01"

    def test_a_selected_tag_is_meant_until_the_field_is_reset(self, pad):
        """25 selects, mode 2 uses it."""
        book = tag()
        pad.place(book)
        pad.place(tag(OTHER))

        assert ask_feig(pad, "b02702c2") == "01"
        assert ask_feig(pad, f"b02501{BOOK}") == "00"
        assert ask_feig(pad, "b02702c2") == "00"
        assert book.afi == 0xC2
        ask_feig(pad, "69")
        assert ask_feig(pad, "b0270207") == "01"

    @pytest.mark.parametrize(
        ("content", "status"),
        [
            ("99", "80"),
            ("b0", "81"),
            ("b099", "80"),
            ("b02301", "81"),
            (f"b02301{BOOK}", "81"),
            (f"b02701{BOOK}", "81"),
            (f"b02701{BOOK}0707", "81"),
            (f"b02401{BOOK}000204aaaaaaaa", "81"),
            (f"b02303{BOOK}0001", "11"),
            ("b00155", "11"),
            ("6500", "81"),
            ("6680", "11"),
            (f"b02b01{OTHER}", "01"),
        ],
    )
    def test_a_wrong_command_is_a_status_and_changes_nothing(self, pad, content, status):
        """Annex D: 80 unknown, 81 length, 11 range, 01 no transponder."""
        book = tag()
        pad.place(book)

        assert ask_feig(pad, content) == status
        assert (book.afi, book.memory) == (0, bytes(112))

    def test_a_raw_command_carries_the_checksum_of_the_air(self, pad):
        """BF: the answer of the tag with its CRC (ISO/IEC 13239, lowest byte first)."""
        pad.place(tag(memory="61626364"))

        answer = ask_feig(pad, "bf01000000022000")

        assert answer[:12] == "000061626364"
        assert int(answer[14:16] + answer[12:14], 16) == mcrf4xx(b"\x00abcd") ^ 0xFFFF
