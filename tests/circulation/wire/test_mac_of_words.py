"""Macs of enumerations, which only CPython has: the same as of what they stand for."""

from enum import IntEnum, StrEnum

from circulation.wire.mac import mac

KEY = bytes(range(16))


class Word(StrEnum):
    ON = "on"


class Reach(IntEnum):
    STREET = 3


def test_a_word_of_ours_is_signed_as_the_text_or_number_it_is():
    """A gateway that says it with an enumeration is understood by a microcontroller."""
    named = ["Change", (None, False, Word.ON, Reach.STREET, ("x", 0))]

    assert mac(KEY, named) == mac(KEY, ["Change", [None, False, "on", 3, ["x", 0]]])
    assert mac(KEY, named) == "82cef97b1320225755cb5611ae892606"
