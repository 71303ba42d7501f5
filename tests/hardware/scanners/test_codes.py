"""Cutting a scanner's bytes into codes, whatever pieces they come in."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.scanners.codes import SILENCE, ByteFrames, CodeInbox, without_aim_prefix


def codes_of(*pieces, **options):
    """Return the codes, the number dropped and the last reason, for pieces 1 ms apart."""
    inbox = CodeInbox()
    frames = ByteFrames(inbox, **options)
    for at_ms, piece in enumerate(pieces):
        frames.feed(piece, at_ms)
    return inbox.take(), inbox.dropped, inbox.last_drop


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_a_code_ends_with_cr_lf_or_both(end):
    """Whichever of the three a scanner is set to, its codes come one by one."""
    assert codes_of(b"30001" + end + b"30002" + end) == (["30001", "30002"], 0, "")


@given(st.lists(st.integers(0, 30), max_size=8), st.sampled_from([b"\r", b"\n", b"\r\n"]))
def test_codes_survive_any_cutting(cuts, end):
    """The same bytes in any pieces are the same codes."""
    data = b"30001" + end + b"]C0QA268.L55" + end + b"30003" + end
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]

    pieces = [data[a:b] for a, b in pairwise(places)]

    assert codes_of(*pieces) == (["30001", "QA268.L55", "30003"], 0, "")


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ("]E09780131103627", "9780131103627"),
        ("]A0CODE39W", "CODE39W"),
        ("]C030001234567", "30001234567"),
        ("]F0A30234000517861B", "A30234000517861B"),
        ("]Q1https://example.org/i/1", "https://example.org/i/1"),
        ("]x", "]x"),
        ("]1234", "]1234"),
        ("A]E0", "A]E0"),
    ],
)
def test_an_aim_prefix_is_taken_away_and_nothing_else(sent, code):
    """Bracket, letter and modifier in front go; brackets elsewhere stay."""
    assert without_aim_prefix(sent) == code
    assert codes_of(sent.encode() + b"\r")[0] == [code]


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"12\x0334\r", "printed"),
        (b"\x0212\x03\r", "printed"),
        (b"12\n\r", "printed"),
        (b"12\t\r", "printed"),
        (b"x" * 65 + b"\r", "longer than 64"),
        (b"x" * 9_000 + b"\r", "longer than 64"),
        (b"]E0\r", "without a code"),
        (b"\xff\xfe\r", "not utf-8"),
        ("\u202e12\r".encode(), "printed"),
    ],
)
def test_what_no_label_holds_is_dropped_and_counted(sent, reason):
    """A bad code is dropped as a whole, with a reason, and the next one is read."""
    codes, dropped, last_drop = codes_of(sent + b"30002\r")

    assert (codes, dropped) == (["30002"], 1)
    assert reason in last_drop


@pytest.mark.parametrize("sent", [b"", b"\r", b"\r\n\r\n", b"\n"])
def test_empty_codes_are_nothing(sent):
    """Ends without a code are neither codes nor dropped ones."""
    assert codes_of(sent) == ([], 0, "")


def test_the_longest_code_may_bear_a_prefix():
    """64 characters are a code, the prefix not counted."""
    assert codes_of(b"]C0" + b"9" * 64 + b"\r")[0] == ["9" * 64]


def test_letters_beyond_ascii_come_in_the_scanners_encoding():
    """A scanner that sends Latin-1 or GBK is read, where the configuration says so."""
    assert codes_of("Müller\r".encode("latin-1"), encoding="latin-1")[0] == ["Müller"]
    assert codes_of("书0001\r".encode("gbk"), encoding="gbk")[0] == ["书0001"]


def test_an_unknown_ending_or_encoding_is_refused():
    """A mistake in the configuration is named, not guessed at."""
    with pytest.raises(ValueError, match="'tab'"):
        ByteFrames(CodeInbox(), ends="tab")
    with pytest.raises(LookupError, match="klingon"):
        ByteFrames(CodeInbox(), encoding="klingon")


def test_silence_breaks_a_code_off_and_its_rest_is_not_a_code():
    """Half a number is no number: neither the first half nor the second."""
    inbox = CodeInbox()
    frames = ByteFrames(inbox)
    frames.feed(b"30001", 0)
    frames.silence(100)
    frames.feed(b"23456\r", 300)
    frames.feed(b"40001\r", 310)

    assert inbox.take() == ["40001"]
    assert inbox.dropped == 2
    assert "rest of a code" in inbox.last_drop


def test_a_code_long_after_one_that_broke_off_is_read():
    """Noise without an end does not swallow the next scan half a second later."""
    inbox = CodeInbox()
    frames = ByteFrames(inbox)
    frames.feed(b"#", 0)
    frames.silence(100)
    frames.feed(b"30001\r", 700)

    assert inbox.take() == ["30001"]


def test_silence_ends_a_code_where_nothing_else_does():
    """A scanner without a suffix is read by its pauses."""
    inbox = CodeInbox()
    frames = ByteFrames(inbox, ends=SILENCE)
    frames.feed(b"300", 0)
    frames.feed(b"01", 5)
    assert inbox.take() == []
    frames.silence(105)
    frames.silence(205)

    assert inbox.take() == ["30001"]
    assert inbox.dropped == 0


def test_a_flood_keeps_the_newest_codes():
    """Codes that nobody asks for are bounded, and the count says how many went."""
    inbox = CodeInbox()
    for number in range(100):
        inbox.accept(str(number))

    codes = inbox.take()
    assert (len(codes), codes[0], codes[-1]) == (64, "36", "99")
    assert inbox.dropped == 36


@given(st.binary(max_size=400))
def test_no_bytes_break_the_reader(data):
    """Whatever a cable delivers, codes are short and printable."""
    for code in codes_of(data, b"\r")[0]:
        assert 1 <= len(code) <= 64
        assert code.isprintable()
