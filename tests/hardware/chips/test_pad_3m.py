"""The language of the 3M pads, against frames recorded from real ones."""

import pytest

from hardware.chips import pad_3m
from hardware.chips.pad_errors import AnswerForeign, AnswerInvalid, PadError, TagRefused, TagSilent
from tests.hardware.chips.hostile_frames import cut, flips, pieces

UID = bytes.fromhex("e004010031269117")
CARD = bytes.fromhex("e00401001f77fb98")
RED = bytes.fromhex("e00401003123aa26")

# Frames of real pads, as public projects recorded them: question, answer.
VERSION = bytes.fromhex("d500090400110a0500027250")
NO_TAG = bytes.fromhex("d60007fe00000500c97b")
ONE_TAG = bytes.fromhex("d6000ffe00000501e00401003123aa26941a")
TWO_TAGS = bytes.fromhex("d60017fe00000502e00401003123aa26e0040100017c0c38cadb")
BLOCKS_OF = pad_3m.frame(  # recorded without its checksum
    bytes.fromhex(
        "0200e00401003126911708000004110001010031333032020030393939030039390000"
        "040000000000050000000000060000000000070000000000"
    )
)
AFI_OF = pad_3m.frame(bytes.fromhex("0a00e004010031269117da"))


def answer_in(frame):
    """Return the one answer in a frame."""
    (answer,), _ = cut(pad_3m.FrameParser, frame)
    return answer


@pytest.mark.parametrize(
    ("question", "wire"),
    [
        (pad_3m.ask_version(), "d5 0005 040011 8c66"),
        (pad_3m.ask_inventory(), "d6 0005 fe0005 fa40"),
        (pad_3m.ask_inventory(0x07), "d6 0005 fe0705 63d7"),  # a gate's: computed, not recorded
        (pad_3m.ask_afi(UID), "d6 000b 0a e004010031269117 ec84"),
        (pad_3m.ask_afi(CARD), "d6 000b 0a e00401001f77fb98 94e8"),
        (pad_3m.ask_read(UID, 0, 8), "d6 000d 02 e004010031269117 00 08 4e9b"),
        (pad_3m.ask_write_afi(RED, 0xD7), "d6 000c 09 e00401003123aa26 d7 3af0"),
        (pad_3m.ask_write_afi(RED, 0xDA), "d6 000c 09 e00401003123aa26 da eb5d"),
        (
            pad_3m.ask_write(RED, 0, b"\x55" * 24),
            "d6 0026 04 e00401003123aa26 00 06 00" + " 55" * 24 + " a98b",
        ),
        (
            pad_3m.ask_write(RED, 0, b"\x04\x11\x00\x01" + b"0" * 10 + bytes(14)),
            "d6 002a 04 e00401003123aa26 00 07 00 04110001" + "30" * 10 + "00" * 14 + " 8843",
        ),
    ],
)
def test_questions_are_what_real_programs_sent(question, wire):
    """Each question has the bytes that were recorded on the way to a real pad."""
    assert question.hex() == wire.replace(" ", "")


def test_the_checksum_is_that_of_the_specification():
    """The example of its appendix: 03 0002 0000 0003 ends with 12E6."""
    assert pad_3m.frame(bytes.fromhex("03000200000003")).hex() == "d600090300020000000312e6"


@pytest.mark.parametrize(
    ("command", "checksum"),
    [("fe0007", "da02"), ("0a00e00401003123aa26da", None), ("0900e00401003123aa26", "6a44")],
)
def test_other_recorded_checksums_hold(command, checksum):
    """Whatever was recorded with a checksum has that checksum here."""
    wire = pad_3m.frame(bytes.fromhex(command)).hex()

    assert wire[6:-4] == command
    assert checksum in (None, wire[-4:])


@pytest.mark.parametrize(
    ("question", "command"),
    [
        (pad_3m.ask_eas(UID), "03e004010031269117"),
        (pad_3m.ask_write_eas(UID, True), "0ce00401003126911701"),
        (pad_3m.ask_write_eas(UID, False), "0ce00401003126911700"),
        (pad_3m.ask_dsfid(UID), "0fe004010031269117"),
    ],
)
def test_questions_nobody_recorded_are_the_specifications(question, command):
    """EAS and DSFID: command, uid, value, as the specification's fields are listed."""
    assert question[3:-2].hex() == command


def test_a_version_is_four_numbers():
    """Maker, major, minor, build, as a real pad 810 answered."""
    assert pad_3m.version(answer_in(VERSION)) == "10.5.0.2"
    assert pad_3m.version(answer_in(bytes.fromhex("d500090400110a05021b972a"))) == "10.5.2.27"


def test_an_inventory_lists_uids_as_they_are_printed():
    """Real answers for no tag, one and two; e0 comes first on the wire and in our uids."""
    assert pad_3m.inventory(answer_in(NO_TAG)) == ([], True)
    assert pad_3m.inventory(answer_in(ONE_TAG)) == ([RED], True)
    assert pad_3m.inventory(answer_in(TWO_TAGS)) == (
        [RED, bytes.fromhex("e0040100017c0c38")],
        True,
    )


def test_an_inventory_by_afi_is_told_apart_from_one_of_all():
    """A gate that asks for 07 does not take the answer to an older question for it."""
    filtered = answer_in(pad_3m.frame(b"\xfe\x00\x07\x05\x01" + RED))

    assert pad_3m.inventory(filtered, 0x07) == ([RED], True)
    with pytest.raises(AnswerForeign):
        pad_3m.inventory(filtered)
    with pytest.raises(AnswerForeign):
        pad_3m.inventory(answer_in(ONE_TAG), 0x07)


@pytest.mark.parametrize("count", [0, 2, 255])
def test_a_count_that_is_not_the_list_is_incomplete(count):
    """More counted than listed, or fewer: something lies there that nobody named."""
    answer = answer_in(pad_3m.frame(bytes((0xFE, 0, 0, 5, count)) + RED))

    assert pad_3m.inventory(answer) == ([RED], False)


def test_what_is_no_iso_15693_uid_is_not_listed():
    """A uid that does not begin with e0 is left out, and the round is incomplete."""
    turned = bytes(reversed(RED))
    answer = answer_in(pad_3m.frame(b"\xfe\x00\x00\x05\x02" + RED + turned))

    assert pad_3m.inventory(answer) == ([RED], False)


def test_blocks_come_with_their_numbers_and_locks():
    """The eight blocks of a real book, none of them locked."""
    found = pad_3m.blocks(answer_in(BLOCKS_OF), UID, 0, 8)

    assert b"".join(content for content, _ in found) == bytes.fromhex(
        "04110001313330323039393939390000" + "00" * 16
    )
    assert [locked for _, locked in found] == [False] * 8


def test_a_locked_block_is_told():
    """The byte behind the number is the block's lock."""
    answer = answer_in(pad_3m.frame(b"\x02\x00" + UID + b"\x01" + b"\x05\x01BOOK"))

    assert pad_3m.blocks(answer, UID, 5, 1) == [(b"BOOK", True)]


def test_fewer_blocks_than_asked_for_end_the_memory():
    """A tag of 28 blocks asked for 26 to 33 gives two."""
    answer = answer_in(pad_3m.frame(b"\x02\x00" + UID + b"\x02\x1a\x00abcd\x1b\x00efgh"))

    assert pad_3m.blocks(answer, UID, 26, 8) == [(b"abcd", False), (b"efgh", False)]


def test_writes_are_confirmed_as_recorded():
    """Seven blocks, six blocks and an AFI, as a real pad confirmed them."""
    seven = answer_in(bytes.fromhex("d6000d0400e00401003123aa2607cff1"))
    six = answer_in(bytes.fromhex("d6000d0400e00401003123aa2606dfd0"))
    afi = answer_in(bytes.fromhex("d6000c0900e00401003123aa266a44"))

    assert pad_3m.written(seven, RED, 0, 7) is None
    assert pad_3m.written(six, RED, 0, 6) is None
    assert pad_3m.afi_written(afi, RED) is None
    with pytest.raises(AnswerForeign):
        pad_3m.written(six, RED, 0, 7)


def test_single_bytes_are_read():
    """AFI as recorded; EAS and DSFID as the specification lists them."""
    assert pad_3m.afi(answer_in(AFI_OF), UID) == 0xDA
    assert pad_3m.eas(answer_in(pad_3m.frame(b"\x03\x00" + UID + b"\x01")), UID) is True
    assert pad_3m.eas(answer_in(pad_3m.frame(b"\x03\x00" + UID + b"\x00")), UID) is False
    assert pad_3m.eas_written(answer_in(pad_3m.frame(b"\x0c\x00" + UID)), UID) is None
    assert pad_3m.dsfid(answer_in(pad_3m.frame(b"\x0f\x00" + UID + b"\x3e")), UID) == 0x3E


READERS = {
    0x02: lambda answer: pad_3m.blocks(answer, UID, 0, 8),
    0x03: lambda answer: pad_3m.eas(answer, UID),
    0x04: lambda answer: pad_3m.written(answer, UID, 0, 1),
    0x09: lambda answer: pad_3m.afi_written(answer, UID),
    0x0A: lambda answer: pad_3m.afi(answer, UID),
    0x0C: lambda answer: pad_3m.eas_written(answer, UID),
    0x0F: lambda answer: pad_3m.dsfid(answer, UID),
}


@pytest.mark.parametrize("command", READERS)
def test_error_06_is_a_tag_that_does_not_answer(command):
    """Recorded from a real pad, with and without the byte some errors carry."""
    for extra in (b"", b"\x00"):
        with pytest.raises(TagSilent):
            READERS[command](answer_in(pad_3m.frame(bytes((command, 6)) + UID + extra)))


@pytest.mark.parametrize("command", READERS)
def test_any_other_error_is_a_refusal_with_its_number(command):
    """Nobody has published the other numbers, so none is guessed."""
    for code in (1, 2, 5, 7, 0x11, 0xFF):
        with pytest.raises(TagRefused) as refused:
            READERS[command](answer_in(pad_3m.frame(bytes((command, code)) + UID)))
        assert refused.value.code == code
    with pytest.raises(TagRefused):
        READERS[command](answer_in(pad_3m.frame(bytes((command, 1)))))


@pytest.mark.parametrize("command", READERS)
@pytest.mark.parametrize("error", [0, 6, 1])
def test_an_answer_about_another_tag_is_foreign(command, error):
    """A book's security is never taken from its neighbour, not even its failure."""
    frame = pad_3m.frame(bytes((command, error)) + CARD + b"\x01")

    with pytest.raises(AnswerForeign):
        READERS[command](answer_in(frame))


@pytest.mark.parametrize("command", READERS)
def test_an_answer_to_another_command_is_foreign(command):
    """Every answer to every other question is refused, also one in the set-up language."""
    for other in (*READERS, 0xFE):
        if other != command:
            with pytest.raises(AnswerForeign):
                READERS[command](answer_in(pad_3m.frame(bytes((other, 0)) + UID + b"\x01")))
    with pytest.raises(AnswerForeign):
        READERS[command](answer_in(VERSION))
    for question in (pad_3m.version, pad_3m.inventory):
        with pytest.raises(AnswerForeign):
            question(answer_in(AFI_OF))


@pytest.mark.parametrize(
    ("read", "payload"),
    [
        (READERS[0x02], b"\x02\x00" + UID),
        (READERS[0x02], b"\x02\x00" + UID + b"\x01\x00\x00abc"),
        (READERS[0x02], b"\x02\x00" + UID + b"\x09" + b"\x00\x00abcd" * 9),
        (READERS[0x0A], b"\x0a\x00" + UID),
        (READERS[0x0A], b"\x0a\x00" + UID + b"\x07\x07"),
        (READERS[0x0A], b"\x0a\x00" + UID[:7]),
        (READERS[0x03], b"\x03\x00" + UID + b"\x02"),
        (READERS[0x09], b"\x09\x00" + UID + b"\x07"),
        (pad_3m.inventory, b"\xfe\x00\x00\x05"),
        (pad_3m.inventory, b"\xfe\x00\x00\x05\x01" + RED[:7]),
    ],
)
def test_an_answer_of_the_wrong_length_is_invalid(read, payload):
    """A right checksum does not make a torn answer right."""
    with pytest.raises(AnswerInvalid):
        read(answer_in(pad_3m.frame(payload)))


def test_blocks_of_another_place_are_foreign():
    """A late answer about other blocks of the same tag is not taken for these."""
    with pytest.raises(AnswerForeign):
        pad_3m.blocks(answer_in(BLOCKS_OF), UID, 8, 8)


@pytest.mark.parametrize(
    "question",
    [
        lambda: pad_3m.ask_read(UID[:7], 0, 1),
        lambda: pad_3m.ask_read(UID, 256, 1),
        lambda: pad_3m.ask_read(UID, 0, 0),
        lambda: pad_3m.ask_read(UID, 0, 256),
        lambda: pad_3m.ask_write(UID, 0, b"abc"),
        lambda: pad_3m.ask_write(UID, -1, b"abcd"),
        lambda: pad_3m.ask_write_afi(UID, 256),
        lambda: pad_3m.ask_inventory(-1),
    ],
)
def test_a_question_out_of_range_is_never_sent(question):
    """Nonsense is refused before it reaches a tag."""
    with pytest.raises(ValueError, match=r"must be|a uid has"):
        question()


FRAMES = [VERSION, NO_TAG, ONE_TAG, TWO_TAGS, BLOCKS_OF, AFI_OF]
UNDERSTOOD_BY = [pad_3m.version, *[pad_3m.inventory] * 3, READERS[0x02], READERS[0x0A]]


def is_believed(frame, understand):
    """Return whether anything in these bytes is taken for the answer."""
    for answer in cut(pad_3m.FrameParser, frame)[0]:
        try:
            understand(answer)
        except PadError:
            continue
        return True
    return False


@pytest.mark.parametrize("frame", FRAMES)
def test_a_frame_cut_anywhere_is_no_answer_yet(frame):
    """Half a frame waits for exactly the rest of it, and is then whole."""
    for length in range(len(frame)):
        found, parser = cut(pad_3m.FrameParser, frame[:length])
        assert found == []
        assert 0 < parser.wanted <= len(frame) - length
        parser.feed(frame[length:])
        assert parser.take() is not None


@pytest.mark.parametrize(("frame", "understand"), list(zip(FRAMES, UNDERSTOOD_BY, strict=True)))
def test_a_flipped_bit_never_makes_an_answer(frame, understand):
    """Each single bit and each two neighbours turned: no such frame is believed."""
    assert is_believed(frame, understand)
    assert [damaged for damaged in flips(frame) if is_believed(damaged, understand)] == []


def test_noise_before_a_frame_is_dropped():
    """Line noise, half a start and an impossible length do not hide the answer behind them."""
    for noise in (b"\x00", b"\xff\x00\xd6", b"\xd6\x00\x00", b"\xd6\xff\xff", b"\xd6\x00\x09\x99"):
        found, parser = cut(pad_3m.FrameParser, noise + ONE_TAG)
        assert found == [answer_in(ONE_TAG)]
        assert parser.noise == len(noise)


def test_a_damaged_frame_does_not_hide_the_next():
    """After a wrong checksum the search goes on, and says that there was one."""
    damaged = ONE_TAG[:-1] + bytes((ONE_TAG[-1] ^ 1,))
    found, parser = cut(pad_3m.FrameParser, damaged + AFI_OF)

    assert found == [answer_in(AFI_OF)]
    assert parser.broken == 1


def test_answers_in_pieces_and_glued_are_told_apart():
    """Ten rounds of every recorded answer, cut at random: each comes once and in order."""
    stream = b"".join(FRAMES) * 10
    for seed in range(20):
        found, parser = cut(pad_3m.FrameParser, stream, pieces(len(stream), seed))
        assert found == [answer_in(frame) for frame in FRAMES] * 10, f"seed {seed}"
        assert (parser.noise, parser.broken, parser.pending) == (0, 0, 0)


def test_a_stream_of_noise_is_not_kept():
    """Garbage that cannot begin a frame takes no memory."""
    _, parser = cut(pad_3m.FrameParser, b"\x00\xd6\xff" * 10_000)

    assert parser.pending <= 3
