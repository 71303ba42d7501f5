"""The language of Feig's OBID readers, against the frames that their manuals lay out."""

import pytest

from hardware.chips import pad_feig
from hardware.chips.pad_errors import (
    AnswerForeign,
    AnswerInvalid,
    BlockLocked,
    BlockMissing,
    CommandUnknown,
    PadError,
    PadFault,
    TagRefused,
    TagSilent,
)
from tests.hardware.chips.hostile_frames import cut, flips, pieces

UID = bytes.fromhex("e004010031269117")
OTHER = bytes.fromhex("e00401001f77fb98")
ADDRESS = 0x00  # a reader answers with its own, whatever it was called by


def wire(data):
    """Return an answer as it goes over the line, from its command on."""
    return pad_feig.frame(bytes.fromhex(data), ADDRESS)


def answer(data):
    """Return an answer as the parser hands it out, from its command on."""
    (found,), _ = cut(pad_feig.FrameParser, wire(data))
    return found


VERSION = "65 00 0303 00 44 53 0d30"
NO_TAG = "b0 01"
TWO_TAGS = "b0 00 02 03 3e" + UID.hex() + "03 06" + OTHER.hex()
SYSTEM = "b0 00 3e" + UID.hex() + "07 03 1b 01"
BLOCKS = "b0 00 02 04 00 01000114 00 32333031"
DONE = "b0 00"


@pytest.mark.parametrize(
    ("question", "bytes_"),
    [
        (pad_feig.ask_version(), "05 ff 65 e5cb"),
        (pad_feig.ask_inventory(), "07 ff b0 01 00 1c56"),
    ],
)
def test_questions_have_the_checksums_computed_elsewhere(question, bytes_):
    """Two frames whose checksums were computed by other code than ours."""
    assert question.hex() == bytes_.replace(" ", "")


@pytest.mark.parametrize(
    ("question", "command"),
    [
        (pad_feig.ask_cpu_reset(), "63"),
        (pad_feig.ask_rf_reset(), "69"),
        (pad_feig.ask_inventory(more=True), "b0 01 80"),
        (pad_feig.ask_system(UID), "b0 2b 01" + UID.hex()),
        (pad_feig.ask_read(UID, 0, 9), "b0 23 01" + UID.hex() + "00 09"),
        (pad_feig.ask_read(UID, 4, 1, locks=True), "b0 23 09" + UID.hex() + "04 01"),
        (
            pad_feig.ask_write(UID, 2, b"BOOK1234"),
            "b0 24 01" + UID.hex() + "02 02 04 4b4f4f42 34333231",
        ),
        (
            pad_feig.ask_write(UID, 1, b"8 bytes!", size=8),
            "b0 24 01" + UID.hex() + "01 01 08" + b"!setyb 8".hex(),
        ),
        (pad_feig.ask_write_afi(UID, 0xC2), "b0 27 01" + UID.hex() + "c2"),
        (pad_feig.ask_write_eas(UID, True), "b1 04 a2 01" + UID.hex()),
        (pad_feig.ask_write_eas(UID, False), "b1 04 a3 01" + UID.hex()),
        (pad_feig.ask_eas(UID), "b1 04 a5 01" + UID.hex()),
    ],
)
def test_questions_are_laid_out_as_in_the_manuals(question, command):
    """Length, address FF, then command, mode, uid from e0 on and the rest; blocks turned round."""
    expected = bytes.fromhex(command)

    assert question[0] == len(question)
    assert question[1] == 0xFF
    assert question[2:-2].hex() == expected.hex()


def test_a_reader_on_a_bus_is_called_by_its_address():
    """The second byte names the reader."""
    assert pad_feig.ask_version(address=3)[1] == 3
    assert pad_feig.ask_system(UID, address=254)[1] == 254


def test_a_long_question_takes_a_long_frame():
    """From 256 bytes on a frame begins with 02 and has its length in two bytes, high first."""
    frame = pad_feig.ask_write(UID, 0, bytes(4 * 64))

    assert len(frame) == 276
    assert frame[:5].hex() == "020114ffb0"


def test_a_version_names_revision_and_type():
    """Revision in two bytes, and the type that the manual's annex lists."""
    assert pad_feig.version(answer(VERSION)) == "3.3 type 53"


def test_an_inventory_lists_uids_as_they_are_printed():
    """Type, DSFID, and eight bytes from e0 on, as often as there are tags."""
    assert pad_feig.inventory(answer(TWO_TAGS)) == ([UID, OTHER], True, False)


def test_no_tag_is_an_empty_round():
    """Status 01 is no error of an inventory."""
    assert pad_feig.inventory(answer(NO_TAG)) == ([], True, False)


def test_more_data_is_told():
    """Status 94 lists some, and more can be asked for."""
    found = pad_feig.inventory(answer("b0 94 01 03 00" + UID.hex()))

    assert found == ([UID], True, True)


@pytest.mark.parametrize("status", ["02", "0b", "83"])
def test_a_collision_is_an_incomplete_round(status):
    """Something answered that could not be understood."""
    assert pad_feig.inventory(answer("b0" + status)) == ([], False, False)


def test_a_warning_about_the_field_is_a_good_answer():
    """Status 84 comes with the data; 83 with data lists what was understood."""
    assert pad_feig.inventory(answer("b0 84 01 03 00" + UID.hex())) == ([UID], True, False)
    assert pad_feig.inventory(answer("b0 83 01 03 00" + UID.hex())) == ([UID], False, False)


def test_tags_of_other_kinds_are_left_out():
    """I-Code 1 and Tag-it have entries of the same length, and are no library tags."""
    found = pad_feig.inventory(answer("b0 00 02 00 00" + "01" * 8 + "03 00" + UID.hex()))

    assert found == ([UID], True, False)


def test_a_tag_of_an_unknown_kind_ends_the_list():
    """Where the next entry begins is not known, so nothing behind it is guessed."""
    found = pad_feig.inventory(
        answer("b0 00 03 03 00" + UID.hex() + "04 00 00 04a1b2c3d4e580 03 00" + OTHER.hex())
    )

    assert found == ([UID], False, False)


def test_a_uid_the_other_way_round_is_not_listed():
    """Every ISO 15693 uid begins with e0; another order is not guessed."""
    found = pad_feig.inventory(answer("b0 00 01 03 00" + bytes(reversed(UID)).hex()))

    assert found == ([], False, False)


def test_a_tag_tells_about_itself():
    """DSFID, AFI, and its memory: 28 blocks of 4 bytes, in either order of those two bytes."""
    assert pad_feig.system(answer(SYSTEM), UID) == (0x3E, 0x07, 4, 28)
    turned = SYSTEM.replace("07 03 1b", "07 1b 03")
    assert pad_feig.system(answer(turned), UID) == (0x3E, 0x07, 4, 28)
    silent = SYSTEM.replace("07 03 1b", "07 00 00")
    assert pad_feig.system(answer(silent), UID) == (0x3E, 0x07, 4, 0)
    fujitsu = SYSTEM.replace("07 03 1b", "07 07 f9")
    assert pad_feig.system(answer(fujitsu), UID) == (0x3E, 0x07, 8, 250)


def test_what_another_tag_tells_is_foreign():
    """The one answer that names its tag is never taken from another."""
    with pytest.raises(AnswerForeign):
        pad_feig.system(answer(SYSTEM), OTHER)


def test_blocks_are_turned_back():
    """The wire has each block from its last byte to its first."""
    found = pad_feig.blocks(answer(BLOCKS), 2, 4)

    assert found == [(bytes.fromhex("14010001"), False), (b"1032", False)]


def test_a_locked_block_is_told():
    """The byte before a block is its lock, when it was asked for."""
    found = pad_feig.blocks(answer("b0 00 01 04 01 4b4f4f42"), 1, 4)

    assert found == [(b"BOOK", True)]


def test_writes_and_resets_are_confirmed_by_nothing_more():
    """A good status and no data."""
    assert pad_feig.written(answer(DONE)) is None
    assert pad_feig.eas_written(answer("b1 00")) is None
    assert pad_feig.rf_was_reset(answer("69 00")) is None


def test_an_alarm_is_heard_or_not():
    """Status 00 is an EAS bit that is set, 01 one that is clear, or a tag that is gone."""
    assert pad_feig.eas(answer("b1 00")) is True
    assert pad_feig.eas(answer("b1 01")) is False


READERS = {
    "version": (pad_feig.version, VERSION),
    "inventory": (pad_feig.inventory, TWO_TAGS),
    "system": (lambda found: pad_feig.system(found, UID), SYSTEM),
    "blocks": (lambda found: pad_feig.blocks(found, 2, 4), BLOCKS),
    "written": (pad_feig.written, DONE),
    "rf reset": (pad_feig.rf_was_reset, "69 00"),
    "eas": (pad_feig.eas, "b1 01"),
}


@pytest.mark.parametrize("asked", READERS)
@pytest.mark.parametrize("came", READERS)
def test_an_answer_to_another_question_is_foreign(asked, came):
    """Answers carry no name of what was asked: command and shape tell every two apart."""
    understand, _ = READERS[asked]
    _, data = READERS[came]

    if asked == came:
        understand(answer(data))
    else:
        with pytest.raises((AnswerForeign, TagSilent)):
            understand(answer(data))


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("01", TagSilent),
        ("02", TagSilent),
        ("03 05", TagSilent),
        ("83", TagSilent),
        ("95 13", TagSilent),
        ("04", BlockMissing),
        ("95 10", BlockMissing),
        ("95 10 05", BlockMissing),
        ("95 11 05", BlockLocked),
        ("95 12", BlockLocked),
        ("95 0f", TagRefused),
        ("05", TagRefused),
        ("80", CommandUnknown),
        ("81", CommandUnknown),
        ("82", CommandUnknown),
        ("10", PadFault),
        ("f1", PadFault),
        ("94 01", AnswerForeign),
        ("95", AnswerForeign),
    ],
)
def test_each_status_has_its_meaning(status, error):
    """Status bytes by the manuals' annex, a tag's own errors by ISO/IEC 15693-3."""
    with pytest.raises(error) as raised:
        pad_feig.written(answer("b0" + status))
    assert type(raised.value) is error


@pytest.mark.parametrize(
    "data",
    [
        "b0 00 01 03 00" + UID.hex()[:-2],
        "b0 00 02 03 00" + UID.hex(),
        "b0 00 01 03 00" + UID.hex() + "00",
        "b0 00",
        "b0 01 00",
    ],
)
def test_an_inventory_of_the_wrong_length_is_refused(data):
    """A right checksum does not make a torn list right."""
    with pytest.raises(AnswerInvalid):
        pad_feig.inventory(answer(data))


@pytest.mark.parametrize(("count", "size"), [(1, 4), (3, 4), (2, 8), (2, 3)])
def test_blocks_of_another_shape_are_foreign(count, size):
    """Number and size must be those asked for."""
    with pytest.raises(AnswerForeign):
        pad_feig.blocks(answer(BLOCKS), count, size)


@pytest.mark.parametrize(
    "question",
    [
        lambda: pad_feig.ask_system(UID[:7]),
        lambda: pad_feig.ask_read(UID, 256, 1),
        lambda: pad_feig.ask_read(UID, 0, 0),
        lambda: pad_feig.ask_write(UID, 0, b"abcde"),
        lambda: pad_feig.ask_write(UID, 0, b""),
        lambda: pad_feig.ask_write_afi(UID, -1),
    ],
)
def test_a_question_out_of_range_is_never_sent(question):
    """Nonsense is refused before it reaches a tag."""
    with pytest.raises(ValueError, match=r"must be|a uid has"):
        question()


LONG = "b0 00 1e" + ("03 00" + UID.hex()) * 30
FRAMES = [VERSION, NO_TAG, TWO_TAGS, SYSTEM, BLOCKS, DONE, LONG]
UNDERSTOOD_BY = [
    pad_feig.version,
    pad_feig.inventory,
    pad_feig.inventory,
    READERS["system"][0],
    READERS["blocks"][0],
    pad_feig.written,
    pad_feig.inventory,
]


def is_believed(frame, understand):
    """Return whether anything in these bytes is taken for the answer."""
    for found in cut(pad_feig.FrameParser, frame)[0]:
        try:
            understand(found)
        except PadError:
            continue
        return True
    return False


def test_a_long_answer_is_understood():
    """Thirty tags need more than 255 bytes: the frame begins with 02."""
    assert wire(LONG)[0] == 0x02
    assert len(pad_feig.inventory(answer(LONG)).uids) == 30


@pytest.mark.parametrize("data", FRAMES)
def test_a_frame_cut_anywhere_is_no_answer_yet(data):
    """Half a frame waits for no more than the rest of it, and is then whole."""
    frame = wire(data)
    for length in range(len(frame)):
        found, parser = cut(pad_feig.FrameParser, frame[:length])
        assert found == []
        assert 0 < parser.wanted <= len(frame) - length
        parser.feed(frame[length:])
        assert parser.take() is not None


@pytest.mark.parametrize(("data", "understand"), list(zip(FRAMES, UNDERSTOOD_BY, strict=True)))
def test_a_flipped_bit_never_makes_an_answer(data, understand):
    """Each single bit and each two neighbours turned: no such frame is believed."""
    frame = wire(data)
    damages = list(flips(frame))[:: 1 if len(frame) < 100 else 17]

    assert is_believed(frame, understand)
    assert [damaged for damaged in damages if is_believed(damaged, understand)] == []


def test_noise_before_a_frame_is_dropped():
    """Without a start byte, a place where length and command cannot be right is left behind."""
    for noise in (b"\x00", b"\xff\xff", b"\x01\x03", b"\x02\xff\xff", b"\x20\x00\x20\x00"):
        found, parser = cut(pad_feig.FrameParser, noise + wire(TWO_TAGS))
        assert found == [answer(TWO_TAGS)]
        assert parser.noise == len(noise)


def test_a_damaged_frame_does_not_hide_the_next():
    """After a wrong checksum the search goes on, and says that there was one."""
    damaged = wire(SYSTEM)[:-1] + b"\x00"
    found, parser = cut(pad_feig.FrameParser, damaged + wire(TWO_TAGS))

    assert found == [answer(TWO_TAGS)]
    assert parser.broken >= 1


def test_answers_in_pieces_and_glued_are_told_apart():
    """Ten rounds of every frame, cut at random: each comes once and in order."""
    stream = b"".join(wire(data) for data in FRAMES) * 10
    for seed in range(20):
        found, parser = cut(pad_feig.FrameParser, stream, pieces(len(stream), seed))
        assert found == [answer(data) for data in FRAMES] * 10, f"seed {seed}"
        assert (parser.noise, parser.broken, parser.pending) == (0, 0, 0)


def test_a_stream_of_noise_is_not_kept():
    """Garbage that cannot be a frame takes no memory."""
    _, parser = cut(pad_feig.FrameParser, b"\x00\xff\x01" * 10_000)

    assert parser.pending <= 3
