"""What was decoded once may be kept for others that hear the same bytes."""

from collections import namedtuple

import pytest

from circulation.wire.errors import MessageInvalid
from circulation.wire.messages import SiteAsk, decode, encode, is_sealed, remember_in, sealed

KEY = bytes(range(32))
Other = namedtuple("Other", ("station", "kind", "lineage", "version", "mac"))
ASK = sealed(SiteAsk("gate-1", "may_leave", "a1b2c3d4e5f60718", 7, ""), KEY)


def remembering(look):
    """Look while a memory is used; return what it holds then."""
    memory = {}
    remember_in(memory)
    try:
        look()
    finally:
        remember_in(None)
    return memory


def test_who_hears_the_same_bytes_gets_the_same_message():
    """The second to hear them need not look at every field again."""
    payload = encode(ASK)
    heard = []

    def hear_twice():
        heard.append(decode(SiteAsk, payload))
        heard.append(decode(SiteAsk, bytes(bytearray(payload))))

    assert len(remembering(hear_twice)) == 1
    assert heard[0] is heard[1]
    assert heard[0] == ASK


def test_what_nobody_can_read_is_refused_each_time():
    """A fault is not kept, and not forgotten either."""

    def fail_twice():
        for _ in range(2):
            with pytest.raises(MessageInvalid):
                decode(SiteAsk, b'{"v":1}')

    assert remembering(fail_twice) == {}


def test_a_mac_is_right_for_one_key_and_one_message_only():
    """What was found of one message says nothing of one with other values, or of another key."""
    forged = SiteAsk(ASK.station, ASK.kind, ASK.lineage, 8, ASK.mac)
    found = []

    def look_twice():
        for _ in range(2):
            found.append((is_sealed(ASK, KEY), is_sealed(forged, KEY), is_sealed(ASK, bytes(32))))

    remembering(look_twice)
    assert found == [(True, False, False), (True, False, False)]


def test_what_was_sealed_here_holds_as_it_was_sealed_only():
    """A mac that was made here is right for those values, that type and that key."""
    found = []

    def hear():
        made = sealed(SiteAsk("gate-1", "may_leave", "a1b2c3d4e5f60718", 7, ""), KEY)
        heard = decode(SiteAsk, encode(made))
        forged = SiteAsk(made.station, made.kind, made.lineage, 8, made.mac)
        forged = decode(SiteAsk, encode(forged))
        other = Other(*made)
        found.extend([is_sealed(heard, KEY), is_sealed(forged, KEY), is_sealed(other, KEY)])
        found.append(is_sealed(decode(SiteAsk, encode(ASK)), bytes(32)))

    remembering(hear)
    assert found == [True, False, False, False]


def test_without_a_memory_everything_is_looked_at_anew():
    """That is how every device runs."""
    payload = encode(ASK)

    assert decode(SiteAsk, payload) is not decode(SiteAsk, payload)
