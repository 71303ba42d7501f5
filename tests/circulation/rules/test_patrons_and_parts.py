"""Cards, ages, amounts and parts."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circulation.parts import PartsCheck, check_parts
from circulation.patrons import age_reached, card_key, money

KEY = bytes(range(16))


def test_a_card_key_is_a_keyed_hash_of_sixteen_bytes():
    """The expected value was computed with OpenSSL."""
    assert card_key(KEY, "04a1b2c3d4e5f6") == "cedc6d0aed2f17e941b32753d7245109"


def test_blanks_and_case_of_a_card_number_do_not_matter():
    """A reader types it in small letters, a scanner sends capitals."""
    assert card_key(KEY, " 04A1B2 ") == card_key(KEY, "04a1b2")


def test_another_key_gives_another_hash():
    """So a rotated key makes old lists worthless."""
    assert card_key(KEY, "04a1b2") != card_key(KEY[::-1], "04a1b2")


@pytest.mark.parametrize(
    ("key", "card"), [(KEY[:15], "1"), (KEY, ""), (KEY, "  "), (KEY, "1" * 129)]
)
def test_a_card_key_that_means_nothing_is_refused(key, card):
    """A short key or an empty number would make all cards one."""
    with pytest.raises(ValueError, match=r"has at least|characters"):
        card_key(key, card)


@pytest.mark.parametrize(
    ("today", "reached"),
    [
        ("2020-02-28", 0),
        ("2026-02-28", 0),
        ("2026-03-01", 6),
        ("2032-02-28", 6),
        ("2032-02-29", 12),
        ("2036-02-28", 12),
        ("2036-02-29", 16),
        ("2037-02-28", 16),
    ],
)
def test_an_age_limit_is_reached_on_the_birthday(today, reached):
    """Born on 29 February 2020; the limits are 6, 12 and 16."""
    born, day = dt.date(2020, 2, 29), dt.date.fromisoformat(today)

    assert age_reached(born, (6, 12, 16), day) == reached


@pytest.mark.parametrize(
    ("cents", "text"), [(0, "0.00"), (5, "0.05"), (1234, "12.34"), (-5, "-0.05"), (-250, "-2.50")]
)
def test_an_amount_has_two_decimals(cents, text):
    """No float comes near it."""
    assert money(cents) == text


def test_parts_are_named_in_order():
    """By ordinal, with a name where there is one."""
    check = check_parts(4, {1, 9, 8}, names={2: "CD"})

    assert check == PartsCheck((2, 3, 4), (8, 9), {2: "CD"})
    assert check.named(check.missing) == "2 (CD), 3, 4"
    assert not check.complete
    assert check_parts(2, {1, 2}).complete
    assert not check_parts(2, {1, 2, 3}).complete


@pytest.mark.parametrize("total", [0, -1, 256])
def test_an_item_has_between_one_and_255_parts(total):
    """One byte on the tag."""
    with pytest.raises(ValueError, match="1 to 255 parts"):
        check_parts(total, ())


@given(
    total=st.integers(1, 255),
    read=st.sets(st.integers(0, 300)),
    known=st.sets(st.integers(1, 255)),
)
def test_every_part_is_read_or_missing_or_known_to_be_gone(total, read, known):
    """Nothing is missed twice and nothing is forgotten."""
    check = check_parts(total, read, known_missing=known)

    assert set(check.missing) | (read & set(range(1, total + 1))) | known >= set(
        range(1, total + 1)
    )
    assert not set(check.missing) & (read | known)
    assert set(check.unexpected) == read - set(range(1, total + 1))
