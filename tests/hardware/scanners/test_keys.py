"""What keys print in each layout, by the kernel's numbers, and which sequences are poison."""

import pytest

from hardware.scanners.codes import SILENCE, CodeInbox
from hardware.scanners.keys import Layout, Typist

SHIFT, ALTGR, CTRL, ALT, CAPS, ENTER, TAB, KPENTER = 42, 100, 29, 56, 58, 28, 15, 96


class Keys:
    """A keyboard whose keys are pressed 5 ms apart."""

    def __init__(self, layout="us", **options):
        self.inbox = CodeInbox()
        self.typist = Typist(self.inbox, Layout(layout), **options)
        self.at_ms = 0

    def press(self, *keys):
        """Press keys together, let go in reverse."""
        for key in keys:
            self.at_ms += 5
            self.typist.key(key, 1, self.at_ms)
        for key in reversed(keys):
            self.typist.key(key, 0, self.at_ms)
        return self

    def type(self, *keys):
        """Press one key after the other; a tuple is pressed together."""
        for key in keys:
            self.press(*(key if isinstance(key, tuple) else (key,)))
        return self

    def codes(self):
        """Return what was typed."""
        return self.inbox.take()


DIGITS = (2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
SHIFTED_DIGITS = tuple((SHIFT, key) for key in DIGITS)


@pytest.mark.parametrize(
    ("layout", "keys", "text"),
    [
        ("us", DIGITS, "1234567890"),
        ("de", DIGITS, "1234567890"),
        ("fr", SHIFTED_DIGITS, "1234567890"),
        ("us", ((SHIFT, 30), (SHIFT, 16), (SHIFT, 44), (SHIFT, 17), (SHIFT, 50)), "AQZWM"),
        ("de", ((SHIFT, 30), (SHIFT, 16), (SHIFT, 21), (SHIFT, 17), (SHIFT, 50)), "AQZWM"),
        ("fr", ((SHIFT, 16), (SHIFT, 30), (SHIFT, 17), (SHIFT, 44), (SHIFT, 39)), "AQZWM"),
        ("us", (21, 44), "yz"),
        ("de", (44, 21), "yz"),
        ("fr", (16, 30, 17, 44, 39), "aqzwm"),
        ("us", (12, (SHIFT, 13), 52, (SHIFT, 5), 53, (SHIFT, 6), 57), "-+.$/% "),
        ("de", (53, 27, 52, (SHIFT, 5), (SHIFT, 8), (SHIFT, 6), 57), "-+.$/% "),
        ("fr", (7, (SHIFT, 13), (SHIFT, 51), 27, (SHIFT, 52), (SHIFT, 40), 57), "-+.$/% "),
        ("us", ((SHIFT, 39), 53, 53), "://"),
        ("us", (27, (SHIFT, 18), 11), "]E0"),
        ("de", ((ALTGR, 10), (SHIFT, 18), 11), "]E0"),
        ("fr", ((ALTGR, 12), (SHIFT, 18), (SHIFT, 11)), "]E0"),
        ("us", (82, 79, 80, 81, 75, 76, 77, 71, 72, 73), "0123456789"),
        ("fr", (82, 79, 74, 78, 98), "01-+/"),
        ("us", ((SHIFT, 79), 83), "1."),
        ("de", (12, 39, 40, (SHIFT, 26)), "ßöäÜ"),
    ],
)
def test_keys_print_what_the_layout_says(layout, keys, text):
    """Digits, letters and the signs of Code 39 are read as printed, in each layout."""
    typed = Keys(layout).type(*keys, ENTER)

    expected = "" if text == "]E0" else text
    assert typed.codes() == ([expected] if expected else [])
    assert typed.inbox.dropped == (1 if text == "]E0" else 0)


@pytest.mark.parametrize("end", [ENTER, TAB, KPENTER])
def test_enter_and_tab_end_a_code(end):
    """Scanners send either Enter or Tab behind a code."""
    assert Keys().type(2, 3, end, 4, end).codes() == ["12", "3"]


def test_shift_holds_for_the_keys_under_it():
    """Both Shift keys count, and letting go of one is not letting go of both."""
    keys = Keys()
    for key, value in ((42, 1), (54, 1), (30, 1), (30, 0), (42, 0), (48, 1), (48, 0), (54, 0)):
        keys.typist.key(key, value, 1)
    keys.type(46, ENTER)

    assert keys.codes() == ["ABc"]


@pytest.mark.parametrize(
    ("layout", "keys", "text"),
    [("us", (30, (SHIFT, 30), 2, (SHIFT, 5)), "Aa1$"), ("de", (12, 40), "ßÄ")],
)
def test_caps_lock_turns_letters_round_and_nothing_else(layout, keys, text):
    """With Caps Lock on, letters are turned round; digits and signs stay."""
    assert Keys(layout).type(CAPS, *keys, ENTER).codes() == [text]
    assert Keys(layout).type(CAPS, CAPS, 30, ENTER).codes() == ["a"]


def test_a_repeated_key_counts_once():
    """A key that is leaned on repeats by itself; a scanner never means that."""
    keys = Keys()
    keys.typist.key(2, 1, 5)
    for at_ms in range(10, 60, 10):
        keys.typist.key(2, 2, at_ms)
    keys.typist.key(2, 0, 60)
    keys.at_ms = 60
    keys.type(3, ENTER)

    assert keys.codes() == ["12"]


@pytest.mark.parametrize(
    "poison",
    [
        (CTRL, 46),
        (97, 38),
        (ALT, 62),
        (ALT, 15),
        (125, 19),
        (CTRL, ALT, 111),
        (59,),
        (88,),
        (1,),
        (14,),
        (111,),
        (105,),
        (CTRL,),
        (ALTGR, 30),
        (SHIFT, ALTGR, 10),
        (240,),
    ],
    ids=str,
)
def test_a_code_with_control_keys_is_dropped_as_a_whole(poison):
    """Ctrl, Alt, Windows, function and cursor keys never leave half a code behind."""
    keys = Keys().type(2, 3, poison, 4, 5, ENTER, 6, ENTER)

    assert keys.codes() == ["5"]
    assert keys.inbox.dropped == 1


def test_enter_with_control_is_no_end():
    """Ctrl and Enter together command; they do not end a code."""
    assert Keys().type(2, (CTRL, ENTER), 3, ENTER).codes() == []


def test_num_lock_and_scroll_lock_print_nothing():
    """Some scanners switch Num Lock before digits; that is no character and no poison."""
    assert Keys().type(69, 79, 70, 80, 69, ENTER).codes() == ["12"]


def test_a_code_that_stops_is_broken_off():
    """After a tenth of a second the code is lost, and its rest up to Enter with it."""
    keys = Keys().type(2, 3)
    keys.at_ms += 200
    keys.type(4, ENTER, 5, ENTER)

    assert keys.codes() == ["4"]
    assert (keys.inbox.dropped, keys.inbox.last_drop) == (1, "broken off before its end")


def test_a_key_pressed_long_before_does_not_spoil_the_next_code():
    """Whoever leaned on a button half a minute ago did not begin this code."""
    keys = Keys().type(2)
    keys.at_ms += 30_000
    keys.type(3, 4, ENTER)

    assert keys.codes() == ["23"]


def test_silence_ends_a_code_where_nothing_else_does():
    """A scanner without a suffix is read by its pauses, by the times of its keys."""
    keys = Keys(ends=SILENCE).type(2, 3)
    keys.typist.quiet(keys.at_ms + 50)
    assert keys.codes() == []
    keys.at_ms += 300
    keys.type(4, 5)
    keys.typist.quiet(keys.at_ms + 101)

    assert keys.codes() == ["12", "34"]


def test_a_code_without_an_end_is_bounded():
    """A flood of keys is one dropped code, whatever its length."""
    keys = Keys().type(*[2] * 2_000, ENTER, 3, ENTER)

    assert keys.codes() == ["2"]
    assert "longer than 64" in keys.inbox.last_drop


def test_an_unknown_layout_is_refused():
    """A mistake in the configuration is named, with what there is."""
    with pytest.raises(ValueError, match="'uk': must be one of us, de, fr"):
        Layout("uk")
