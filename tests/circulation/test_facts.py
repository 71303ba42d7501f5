"""A typed fact says exactly what its body said."""

import pytest

from circulation.facts import ClockSample, Fact
from circulation.wire.fact import decode_body, encode_body

WRITTEN = {"id": "0a" * 8, "kind": "checkout", "boot": "1b" * 4, "mono": 5000}


def read(beside=None, **fields):
    body = decode_body(encode_body({**WRITTEN, **fields}))
    return Fact.from_row("kiosk-1", 2, 17, body, beside)


def test_a_fact_has_the_position_of_its_row():
    """Station, epoch and sequence come from the journal, the rest from the body."""
    fact = read()

    assert (fact.station, fact.epoch_n, fact.seq) == ("kiosk-1", 2, 17)
    assert (fact.id, fact.kind, fact.boot, fact.mono_ms) == ("0a" * 8, "checkout", "1b" * 4, 5000)


def test_fields_that_were_not_written_are_empty():
    """What a body does not say is None or empty, never a guess."""
    fact = read()

    assert (fact.item_id, fact.patron, fact.due_at, fact.reach) == (None, None, None, None)
    assert (fact.saw, fact.uids, fact.overridden, fact.parts_read) == ((), (), (), None)
    assert (fact.sure, fact.blanked, fact.clock) == (False, False, None)


@pytest.mark.parametrize(
    ("written", "name", "expected"),
    [
        ({"item": "ab" * 8}, "item_id", "ab" * 8),
        ({"wall": 1234}, "wall_ms", 1234),
        ({"sure": True}, "sure", True),
        ({"policy": 7}, "policy_version", 7),
        ({"class": "3(2)"}, "group", "3(2)"),
        ({"saw": ["cd" * 8]}, "saw", ("cd" * 8,)),
        ({"uids": ["e0040150"]}, "uids", ("e0040150",)),
        ({"overridden": ["over_limit"]}, "overridden", ("over_limit",)),
        ({"parts_read": []}, "parts_read", ()),
        ({"parts_total": 3}, "parts_total", 3),
        ({"unsecured": False}, "unsecured", False),
        ({"place": "class 3(2)"}, "place", "class 3(2)"),
    ],
)
def test_each_field_is_typed(written, name, expected):
    """Lists become tuples, and names that were short on the wire are spelt out."""
    assert getattr(read(**written), name) == expected


def test_the_patron_is_the_id_beside_the_body():
    """The salted hash in the body differs from loan to loan, so the id beside it counts."""
    fact = read("00000000000000a1", patron="9f" * 32)

    assert (fact.patron, fact.blanked) == ("00000000000000a1", False)


def test_a_blanked_patron_is_known_by_the_hash_alone():
    """After retention the hash is left, and the fact says that it is all there is."""
    fact = Fact.from_row("kiosk-1", 1, 1, {**WRITTEN, "patron": "9f" * 32})

    assert (fact.patron, fact.blanked) == ("9f" * 32, True)


def test_a_clock_fact_carries_its_sample():
    """All three readings of a question to the gateway's clock are needed to use it."""
    fact = read(mono_sent=10, mono_received=30, gateway_now=1_700_000_000_000)

    assert fact.clock == ClockSample(10, 30, 1_700_000_000_000)


@pytest.mark.parametrize(
    "said",
    [
        {"mono_received": 30, "gateway_now": 5},
        {"mono_sent": 10, "gateway_now": 5},
        {"mono_sent": 10, "mono_received": 30},
        {"mono_sent": 31, "mono_received": 30, "gateway_now": 5},
    ],
)
def test_a_sample_that_makes_no_sense_is_none(said):
    """A reading that is missing, or an answer before its question, measures nothing."""
    assert read(**said).clock is None


def test_the_whole_body_stays_readable_and_unchanged():
    """Fields read in one place only are found in `fields`, which nobody can change."""
    fact = read(gate="gate-2", later="a newer station's word")

    assert (fact.fields["gate"], fact.fields["later"]) == ("gate-2", "a newer station's word")
    with pytest.raises(TypeError):
        fact.fields["gate"] = "gate-3"


def test_two_readings_of_one_row_are_equal():
    """Facts compare and hash by value, so a repetition is recognised."""
    assert read() == read()
    assert len({read(), read()}) == 1


def test_a_fact_that_was_read_back_is_the_same_fact():
    """What a body says in one place only does not count: the named fields say who it is."""
    written, other = read(gate="gate-2"), read(gate="gate-3")

    assert written == other
    assert (written != other) is False
    assert len({written, other}) == 1
    assert written != read(room="hall")
    assert "gate" not in repr(written)
