"""The simulated 3M pad says what real pads were recorded to say, and what their manual says."""

import random

import pytest

from sim.clock import VirtualClock
from sim.serial.pad_3m import SimPad3M
from tests.sim.serial.wire import (
    BOOK,
    OTHER,
    answer_of,
    ask_3m,
    big_block_tag,
    genibus,
    of_3m,
    tag,
)

CARD = "e0040100017c0c38"


@pytest.fixture
def pad():
    return SimPad3M(VirtualClock())


def test_the_checksum_is_that_of_the_specification():
    """Appendix C of the protocol specification: its example has the checksum 12E6."""
    assert genibus(bytes.fromhex("000903000200000003")) == 0x12E6


@pytest.mark.parametrize(
    ("tags", "request_", "answer"),
    [
        ([], "d500050400118c66", "d500090400110a0500027250"),
        ([], "d6000c13040100020003000400aaf2", "d6000c13000201010302020300e778"),
        ([], "d60005fe0005fa40", "d60007fe00000500c97b"),
        ([BOOK], "d60005fe0005fa40", "d6000ffe00000501e00401003123aa26941a"),
        ([CARD], "d60005fe0005fa40", "d6000ffe00000501e0040100017c0c388e2b"),
        ([OTHER], "d60005fe0005fa40", "d6000ffe00000501e00401003123aa2875d4"),
        (
            [CARD, BOOK],
            "d60005fe0005fa40",
            "d60017fe00000502e00401003123aa26e0040100017c0c38cadb",
        ),
        (
            [OTHER, BOOK],
            "d60005fe0005fa40",
            "d60017fe00000502e00401003123aa26e00401003123aa283124",
        ),
        ([BOOK], "d6000c09e00401003123aa26d73af0", "d6000c0900e00401003123aa266a44"),
        ([BOOK], "d6000c09e00401003123aa26daeb5d", "d6000c0900e00401003123aa266a44"),
        (
            [BOOK],
            "d6002604e00401003123aa26000600" + "55" * 24 + "a98b",
            "d6000d0400e00401003123aa2606dfd0",
        ),
        (
            [BOOK],
            "d6002a04e00401003123aa2600070004110001" + "30" * 10 + "00" * 14 + "8843",
            "d6000d0400e00401003123aa2607cff1",
        ),
    ],
)
def test_what_real_pads_were_recorded_to_answer(pad, tags, request_, answer):
    """Sessions with 810 pads (firmware 10.5.0.2), byte for byte with their checksums."""
    for uid in tags:
        pad.place(tag(uid))

    assert answer_of(pad, bytes.fromhex(request_)).hex() == answer


def test_a_recorded_session_with_a_book(pad):
    """Inventory, AFI and blocks of a book with 3M's own data on it, as recorded in 2026."""
    book = tag("e004010031269117", memory="04110001313330323039393939390000")
    book.afi = 0xDA
    pad.place(book)
    pad.place(tag("e00401001f77fb98"))

    assert ask_3m(pad, "fe0005") == "fe00000502e004010031269117e00401001f77fb98"
    assert ask_3m(pad, "0ae004010031269117") == "0a00e004010031269117da"
    assert ask_3m(pad, "02e0040100312691170008") == (
        "0200e004010031269117080000041100010100313330320200303939390300393900000400000000000500"
        "0000000006000000000007" + "0000000000"
    )


class TestInventory:
    """Command FE."""

    def test_only_tags_of_the_afi_answer(self, pad):
        """The gate's question: AFI 07 lists what is in stock and nothing else."""
        for uid, afi in ((BOOK, 0x07), (OTHER, 0xC2), (CARD, 0x00)):
            one = tag(uid)
            one.afi = afi
            pad.place(one)

        assert ask_3m(pad, "fe0705") == "fe00070501" + BOOK
        assert ask_3m(pad, "fec205") == "fe00c20501" + OTHER
        assert ask_3m(pad, "fe3305") == "fe00330500"

    def test_the_dsfid_comes_when_asked_for(self, pad):
        """Option 02 puts the DSFID before each uid; option 01 the uid itself."""
        book = tag()
        book.dsfid = 0x3E
        pad.place(book)

        assert ask_3m(pad, "fe0007") == "fe000007013e" + BOOK
        assert ask_3m(pad, "fe0002") == "fe000002013e"
        assert ask_3m(pad, "fe0000") == "fe00000001"

    def test_more_tags_than_it_finds_are_not_mentioned(self, pad):
        """The protocol has no word for more: the list just ends."""
        pad.tags_max = 2
        for number in range(3):
            pad.place(tag(f"e0040100000000{number:02x}"))

        assert ask_3m(pad, "fe0005") == "fe00000502e004010000000000e004010000000001"

    def test_a_quiet_tag_is_not_listed_until_it_was_away(self, pad):
        """Quiet is forgotten with the power of the field."""
        book = tag()
        pad.place(book)

        assert ask_3m(pad, "01" + BOOK) == "0100" + BOOK
        assert ask_3m(pad, "fe0005") == "fe00000500"
        assert ask_3m(pad, "0a" + BOOK) == "0a00" + BOOK + "00"
        pad.lift(BOOK)
        pad.place(book)
        assert ask_3m(pad, "fe0005") == "fe00000501" + BOOK


class TestBlocks:
    """Commands 02, 04, 05, 07 and 08."""

    def test_the_newer_style_begins_with_the_first_block(self, pad):
        """Options 05: first block, count, then lock and data of each; 01: data alone."""
        book = tag(memory="000000006161616162626262")
        book.locked_blocks.add(2)
        pad.place(book)

        assert ask_3m(pad, f"02{BOOK}010205") == f"0200{BOOK}010200616161610162626262"
        assert ask_3m(pad, f"02{BOOK}010201") == f"0200{BOOK}01026161616162626262"

    def test_reading_stops_at_the_end_of_memory(self, pad):
        """Of 28 blocks, four from block 26 are two."""
        pad.place(tag())

        assert ask_3m(pad, f"02{BOOK}1a04") == f"0200{BOOK}021a00000000001b0000000000"
        assert ask_3m(pad, f"02{BOOK}1c01") == f"0210{BOOK}00"

    def test_a_write_answers_with_the_block_after_the_last(self, pad):
        """Not with how many were written; at block 0 the two are the same."""
        book = tag()
        pad.place(book)

        assert ask_3m(pad, f"04{BOOK}030200" + "61" * 8) == f"0400{BOOK}05"
        assert book.memory[12:20] == b"a" * 8

    def test_a_locked_block_ends_the_write_there(self, pad):
        """What came before it is written; the answer names the block."""
        book = tag()
        book.locked_blocks.add(2)
        pad.place(book)

        assert ask_3m(pad, f"04{BOOK}010200aaaaaaaabbbbbbbb") == f"0412{BOOK}02"
        assert book.memory[:12].hex() == "00000000aaaaaaaa00000000"

    def test_blocks_beyond_the_memory_are_refused(self, pad):
        """Nothing wraps round to block 0."""
        book = tag()
        pad.place(book)

        assert ask_3m(pad, f"04{BOOK}1b0200" + "cc" * 8) == f"0410{BOOK}1c"
        assert ask_3m(pad, f"05{BOOK}ff" + "dd" * 4) == f"0510{BOOK}"
        assert book.memory[:4] == bytes(4)

    def test_a_block_is_written_and_locked(self, pad):
        """07 does both, 08 locks only, and a lock is for good."""
        book = tag()
        pad.place(book)

        assert ask_3m(pad, f"07{BOOK}0361626364") == f"0700{BOOK}"
        assert ask_3m(pad, f"08{BOOK}04") == f"0800{BOOK}"
        assert ask_3m(pad, f"08{BOOK}04") == f"0811{BOOK}"
        assert ask_3m(pad, f"05{BOOK}0300000000") == f"0512{BOOK}"
        assert book.memory[12:16] == b"abcd"
        assert book.locked_blocks == {3, 4}

    def test_a_tag_with_blocks_of_eight_bytes_is_refused(self, pad):
        """The frames have room for four bytes a block."""
        big = big_block_tag()
        pad.place(big)

        assert ask_3m(pad, f"02{big.uid}0001") == f"0201{big.uid}00"
        assert ask_3m(pad, f"04{big.uid}000100" + "00" * 4)[:4] == "0401"


class TestSecurity:
    """Commands 03, 06, 09, 0A, 0B, 0C, 0D and 0F."""

    def test_a_locked_afi_stays(self, pad):
        """06 locks it for good; 09 then changes nothing."""
        book = tag()
        pad.place(book)

        assert ask_3m(pad, f"09{BOOK}07") == f"0900{BOOK}"
        assert ask_3m(pad, f"06{BOOK}") == f"0600{BOOK}"
        assert ask_3m(pad, f"09{BOOK}c2") == f"0912{BOOK}"
        assert ask_3m(pad, f"0a{BOOK}") == f"0a00{BOOK}07"
        assert list(book.history) == ["placed", "secured"]

    def test_the_eas_bit_is_set_and_checked(self, pad):
        """A tag of NXP has one; another maker's refuses."""
        big = big_block_tag()
        pad.place(tag())
        pad.place(big)

        assert ask_3m(pad, f"03{BOOK}") == f"0300{BOOK}00"
        assert ask_3m(pad, f"0c{BOOK}01") == f"0c00{BOOK}"
        assert ask_3m(pad, f"03{BOOK}") == f"0300{BOOK}01"
        assert ask_3m(pad, f"0c{big.uid}01") == f"0c01{big.uid}"

    def test_the_dsfid_is_written_and_read(self, pad):
        """0B writes it, 0F reads it."""
        pad.place(tag())

        assert ask_3m(pad, f"0b{BOOK}06") == f"0b00{BOOK}"
        assert ask_3m(pad, f"0f{BOOK}") == f"0f00{BOOK}06"

    def test_the_tag_information_has_what_was_asked_for(self, pad):
        """Bits 0 to 3: DSFID, AFI, memory (sizes less one), IC reference."""
        book = tag()
        book.afi, book.dsfid = 0xC2, 0x3E
        pad.place(book)

        assert ask_3m(pad, f"0d{BOOK}0f") == f"0d00{BOOK}0f3ec2031b0001"
        assert ask_3m(pad, f"0d{BOOK}02") == f"0d00{BOOK}02c2"

    def test_the_version_is_the_makers_and_three_numbers(self, pad):
        """Vendor 0A, then 5.0.2."""
        assert ask_3m(pad, "11") == "11000a050002"


class TestMistakes:
    """A pad takes anything and never says what is not so."""

    @pytest.mark.parametrize("command", ["02", "03", "06", "08", "09", "0a", "0c", "0f"])
    def test_a_tag_that_is_not_there_is_error_6(self, pad, command):
        """The one error that real pads were recorded with, read with a count and write a block."""
        parameters = {"02": "0008", "08": "00", "09": "c2", "0c": "01"}.get(command, "")
        tail = {"02": "00"}.get(command, "")

        assert ask_3m(pad, command + BOOK + parameters) == command + "06" + BOOK + tail

    @pytest.mark.parametrize(
        "payload",
        [
            *("7f", "02", "02e004", f"02{BOOK}", f"02{BOOK}0000", f"04{BOOK}000200aaaaaaaa"),
            *(f"09{BOOK}", f"09{BOOK}0102", "fe", "fe00", "1100", "14", "140005000000"),
        ],
    )
    def test_a_wrong_command_is_an_error_and_changes_nothing(self, pad, payload):
        """Unknown, too short, too long, blocks without their data."""
        book = tag()
        pad.place(book)

        answer = ask_3m(pad, payload)

        assert answer[:2] == payload[:2]
        assert answer[2:4] not in ("00", "06")
        assert book.memory == bytes(112)
        assert book.afi == 0

    def test_a_wrong_checksum_has_no_answer(self, pad):
        """Neither does the next byte; the next frame has."""
        assert answer_of(pad, bytes.fromhex("d60005fe0005fa41")) == b""
        assert ask_3m(pad, "fe0005") == "fe00000500"

    def test_rubbish_before_a_frame_is_skipped(self, pad):
        """The pad finds the next start byte, also after one that begins nothing."""
        assert answer_of(pad, b"\x00\xffD\xd6\xff\xff" + of_3m("fe0005")) == of_3m("fe00000500")

    def test_half_a_frame_is_forgotten_after_silence(self, pad):
        """A host that was cut off in the middle can begin anew a moment later."""
        pad.receive(bytes.fromhex("d60005fe"))
        pad.clock.advance(250)

        assert ask_3m(pad, "fe0005") == "fe00000500"

    def test_a_frame_byte_by_byte_is_a_frame(self, pad):
        """How the host's bytes are grouped means nothing."""
        for byte in of_3m("fe0005"):
            pad.receive(bytes((byte,)))
            pad.clock.advance(10)

        assert pad.take() == of_3m("fe00000500")

    def test_a_command_while_busy_is_ignored(self, pad):
        """Specification 1.1: the host has to wait for the answer."""
        pad.receive(of_3m("fe0005") + of_3m("11"))
        pad.clock.advance(1_000)

        assert pad.take() == of_3m("fe00000500")
        assert "ignored" in pad.history[2].words or "ignored" in pad.history[1].words

    def test_rubbish_without_end_takes_no_memory(self, pad, seed):
        """A hundred kilobytes of noise, and the pad still answers."""
        noise = random.Random(seed)
        for _ in range(100):
            pad.receive(noise.randbytes(1_000))
            pad.take()
        pad.clock.advance(1_000)
        pad.take()

        assert len(pad._input) <= 4_096
        assert ask_3m(pad, "fe0005") == "fe00000500"


class TestRawCommand:
    """Command 14: ISO 15693 as it goes over the air."""

    def test_an_inventory_of_one_slot(self, pad):
        """Flags, DSFID and the uid, lowest byte first; two tags collide."""
        pad.place(tag())

        assert ask_3m(pad, "140003000a0000260100") == "140000000a000026aa2331000104e0"
        pad.place(tag(OTHER))
        assert ask_3m(pad, "140003000a0000260100") == "1406000000"

    def test_a_mask_tells_two_tags_apart(self, pad):
        """Four bits of the uid are enough here."""
        pad.place(tag())
        pad.place(tag(OTHER))

        answer = ask_3m(pad, "140004000a000026010408")

        assert answer == "140000000a000028aa2331000104e0"

    @pytest.mark.parametrize(
        ("request_", "answer"),
        [
            ("222026aa2331000104e001", "0064656667"),
            ("622026aa2331000104e001", "000164656667"),
            ("022001", "0064656667"),
            ("222026aa2331000104e01c", "0110"),
            ("222126aa2331000104e00161616161", "0112"),
            ("222326aa2331000104e00001", "006061626364656667"),
            ("222726aa2331000104e007", "00"),
            ("222b26aa2331000104e0", "000f26aa2331000104e000001b0301"),
            ("222c26aa2331000104e00001", "000001"),
            ("22a20426aa2331000104e0", "00"),
            ("22ff26aa2331000104e0", "0101"),
        ],
    )
    def test_a_tag_answers_the_standards_commands(self, pad, request_, answer):
        """ISO/IEC 15693-3: blocks, locks, AFI, system information, errors."""
        book = tag(memory="6061626364656667")
        book.locked_blocks.add(1)
        pad.place(book)
        length = len(request_) // 2

        found = ask_3m(pad, f"14{length:04x}00000000{request_}")

        assert found == f"14{'00' * 2}{len(answer) // 2:04x}{answer}"

    def test_the_eas_alarm_sounds_for_a_set_bit_only(self, pad):
        """A5 has NXP's 256 bits for an answer, or none."""
        book = tag()
        pad.place(book)
        silent = ask_3m(pad, "1400030000000002a504")
        book.eas = True
        alarm = ask_3m(pad, "1400030000000002a504")

        assert silent == "1406000000"
        assert alarm[:20] == "1400000021002fb36270"[:20]
