"""What was decoded once may be kept for others that hear the same bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from circulation.wire.errors import MessageInvalid
from circulation.wire.messages import SiteAsk, decode, encode, is_sealed, remember_in, sealed

KEY = bytes(range(32))
ASK = sealed(SiteAsk("gate-1", "may_leave", "a1b2c3d4e5f60718", 7, ""), KEY)


@pytest.fixture
def memory() -> Iterator[dict[Any, Any]]:
    """A memory that is used for the length of a test."""
    kept: dict[Any, Any] = {}
    remember_in(kept)
    yield kept
    remember_in(None)


def test_who_hears_the_same_bytes_gets_the_same_message(memory: dict[Any, Any]) -> None:
    """The second to hear them need not look at every field again."""
    payload = encode(ASK)

    first = decode(SiteAsk, payload)

    assert decode(SiteAsk, bytes(bytearray(payload))) is first
    assert first == ASK


def test_what_nobody_can_read_is_refused_each_time(memory: dict[Any, Any]) -> None:
    """A fault is not kept, and not forgotten either."""
    for _ in range(2):
        with pytest.raises(MessageInvalid):
            decode(SiteAsk, b'{"v":1}')
    assert memory == {}


def test_a_mac_is_right_for_one_key_and_one_message_only(memory: dict[Any, Any]) -> None:
    """What was found of one message says nothing of one with other values, or of another key."""
    forged = ASK._replace(version=8)

    for _ in range(2):
        assert is_sealed(ASK, KEY)
        assert not is_sealed(forged, KEY)
        assert not is_sealed(ASK, bytes(32))


def test_without_a_memory_everything_is_looked_at_anew() -> None:
    """That is how every device runs."""
    payload = encode(ASK)

    assert decode(SiteAsk, payload) is not decode(SiteAsk, payload)
