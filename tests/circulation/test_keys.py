"""Keys that everybody knows are told from secret ones."""

import random
import re

import pytest

from circulation.keys import FRESH, example_keys, is_example_key
from tests.project import ROOT

SECRET = bytes.fromhex("cd6c89a6f2b73e1154a8e0037a91cc5d")


@pytest.mark.parametrize(
    "key",
    [
        "00" * 16, "ff" * 32, "5e" * 16, "000102030405060708090a0b0c0d0e0f",
        "00112233445566778899aabbccddeeff", "0123456789abcdef0123456789abcdef",
        "fedcba9876543210fedcba9876543210",
    ],
)  # fmt: skip
def test_a_key_that_somebody_typed_is_an_example(key):
    """Zeros, one digit, and what goes up or down in equal steps."""
    assert is_example_key(bytes.fromhex(key))


def test_no_key_that_was_drawn_is_an_example(seed):
    """Nobody is told that a good key is bad."""
    draw = random.Random(seed)

    assert [key for key in (draw.randbytes(16) for _ in range(2_000)) if is_example_key(key)] == []


def test_a_key_one_step_off_is_a_key():
    """Seven equal steps are looked at, and one that differs is enough."""
    assert is_example_key(bytes(8) + SECRET)
    assert not is_example_key(bytes(7) + b"\x01" + bytes(8))


def test_every_key_of_the_manuals_is_an_example():
    """Whoever copies a page has copied its key."""
    pages = [page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("*.md")]
    keys = re.findall(r'(?:site|card)_key = "([0-9a-f]+)"', "\n".join(pages))

    assert len(keys) >= 7
    assert [key for key in keys if not is_example_key(bytes.fromhex(key))] == []


def test_the_sentence_names_the_option_and_never_the_key():
    """What is shown on a screen or logged gives nothing away, and says what to do."""
    (told,) = example_keys({"site_key": SECRET, "card_key": b"\x5e" * 16}, FRESH)

    assert told == (
        "card_key: this key stands in examples, so everybody knows it; "
        "make a secret one: openssl rand -hex 16; then give every station the new one"
    )
