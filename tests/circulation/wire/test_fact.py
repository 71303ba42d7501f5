"""The body of a fact: written once, read with suspicion."""

import json

import pytest

from circulation.wire import kinds
from circulation.wire.errors import FactInvalid, MessageInvalid, WireError
from circulation.wire.fact import decode_body, encode_body

FIELDS = {
    "id": "00112233445566aa",
    "kind": kinds.CHECKOUT,
    "boot": "0a0b0c0d",
    "mono": 1234,
}


def body_with(**fields) -> bytes:
    """Return a body as a careless or hostile author would write it, unchecked."""
    return json.dumps({"v": 1, **FIELDS, **fields}).encode()


def test_a_body_comes_back_as_it_was_written():
    """Every field of a new fact is read again, with the version of its body."""
    fields = {**FIELDS, "saw": ["ffeeddccbbaa0099"], "barcode": "30218€", "sure": True}

    assert decode_body(encode_body(fields)) == {"v": 1, **fields}


def test_letters_that_begin_as_half_a_pair_would_are_letters():
    """Korean's last letters begin with the same byte, 0xED, and are no half of anything."""
    fields = {**FIELDS, "note": "힣 퀀"}

    assert decode_body(encode_body(fields)) == {"v": 1, **fields}


def test_a_body_is_compact_utf_8():
    """A title in Chinese costs three bytes a character, not six."""
    body = encode_body({**FIELDS, "title": "红楼梦"})

    assert "红楼梦".encode() in body
    assert b" " not in body


def test_fields_and_kinds_of_a_newer_station_are_kept():
    """What we do not understand is not ours to refuse; the gateway parks an unknown kind."""
    fields = decode_body(body_with(kind="teleported", shelf={"row": 3}, v=2))

    assert fields["kind"] == "teleported"
    assert fields["shelf"] == {"row": 3}


def test_null_means_not_known():
    """A station may write null for a field it has no value for."""
    assert decode_body(body_with(item=None))["item"] is None


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\xff\xfe", "not UTF-8"),
        (b"", "not a JSON object"),
        (b"{", "not a JSON object"),
        (b"[1]", "not a JSON object"),
        (b'"fact"', "not a JSON object"),
        (b"[" * 8000, "not a JSON object"),
        (b'{"a":' * 1600, "not a JSON object"),
        (b"{" + b" " * 8192 + b"}", "8194 bytes; at most 8192 are allowed"),
        (body_with(note="a\x00b"), "must not contain NUL"),
        (body_with(note="\ud800"), "half of a surrogate pair"),
        (body_with(**{"\ud800": 1}), "half of a surrogate pair"),
        (body_with(note=10**20), r"integer beyond 2\^53"),
        (body_with(note=-(2**53) - 1), r"integer beyond 2\^53"),
        (body_with(note=1.5), "must not hold a float"),
        (body_with(mono=1e2), "field mono must be a whole number"),
        (body_with(note=float("nan")), "field 'note' must not hold a float"),
        (body_with(note=[[[[1]]]]), "nested too deeply"),
        (body_with(id=None), "field id is missing"),
        (body_with(kind=None), "field kind is missing"),
        (body_with(boot=None), "field boot is missing"),
        (body_with(mono=None), "field mono is missing"),
        (body_with(id="00112233445566AA"), "field id must be 16 lower-case hex digits"),
        (body_with(id="0011"), "field id must be 16 lower-case hex digits"),
        (body_with(kind="Check Out"), "field kind must be 1 to 32 of a-z, 0-9 and underscore"),
        (body_with(kind=""), "field kind must not be empty"),
        (body_with(boot=7), "field boot must be 8 lower-case hex digits"),
        (body_with(mono=-1), "field mono must be a whole number"),
        (body_with(mono=True), "field mono must be a whole number"),
        (body_with(sure=1), "field sure must be true or false"),
        (body_with(saw="all"), "field saw must be a list"),
        (body_with(saw=["x"]), "field saw element 0 must be 16"),
        (body_with(saw=["00112233445566aa"] * 257), "at most 256 elements"),
        (body_with(uids=["e0040"]), "field uids element 0 must be 2 to 32"),
        (body_with(reach=4), "field reach must be a whole number from 0 to 3"),
        (body_with(room="Reading Room"), "field room must be 1 to 32 of a-z, 0-9 and hyphen"),
        (body_with(barcode="3" * 65), "field barcode must have 0 to 64 characters"),
        (body_with(barcode=30218), "field barcode must be a text"),
        (body_with(v=0), "field v must be a whole number from 1"),
    ],
)
def test_an_unreadable_body_says_why(body, reason):
    """Whatever would abort a whole set in a database is named before it gets near one."""
    with pytest.raises(FactInvalid, match=reason):
        decode_body(body)


def test_the_greatest_numbers_are_still_read():
    """2^53 itself, of either sign, is what every reader can still hold."""
    assert decode_body(body_with(note=2**53))["note"] == 2**53
    assert decode_body(body_with(note=-(2**53)))["note"] == -(2**53)


def test_a_decision_about_256_facts_is_written_and_read_and_one_about_257_is_not():
    """Author and reader have one limit, and what it allows fits a body with room to spare."""
    considered = [f"{n:016x}" for n in range(256)]
    body = encode_body({**FIELDS, "kind": kinds.DECISION, "saw": considered})

    assert decode_body(body)["saw"] == considered
    assert len(body) < 5_000
    with pytest.raises(FactInvalid, match="field saw must have at most 256 elements"):
        encode_body({**FIELDS, "kind": kinds.DECISION, "saw": [*considered, "f" * 16]})


def test_nonsense_is_never_written():
    """A fact that nobody could read is refused to its author, at once."""
    with pytest.raises(FactInvalid, match="field id is missing"):
        encode_body({"kind": kinds.SEEN})
    with pytest.raises(FactInvalid, match="field 'shelf' must have texts as keys"):
        encode_body({**FIELDS, "shelf": {3: "x"}})
    with pytest.raises(FactInvalid, match="field 3 must have a text as its name"):
        encode_body({**FIELDS, 3: "x"})
    with pytest.raises(FactInvalid, match="bytes; at most 8192"):
        encode_body({**FIELDS, "note": "ä" * 5000})


def test_an_invalid_fact_is_an_invalid_message_and_a_value_error():
    """A stranger may catch ValueError, a station WireError."""
    assert issubclass(FactInvalid, MessageInvalid)
    assert issubclass(FactInvalid, WireError)
    assert issubclass(WireError, ValueError)


def test_each_kind_has_one_name_and_moving_kinds_are_kinds():
    """No two constants share a text, and what moves an item is a kind of fact."""
    names = [
        value for name, value in vars(kinds).items() if isinstance(value, str) and name.isupper()
    ]

    assert len(names) == len(set(names)) == len(kinds.ALL) == 36
    assert set(names) == kinds.ALL
    assert kinds.MOVING < kinds.ALL


@pytest.mark.parametrize("title", ["힣", "퀀텀 역학", "\ud7ff", "\ue000", "Ḽơᶉëᶆ 📚"])
def test_letters_whose_bytes_look_like_half_a_pair_are_letters(title):
    """The last of the Korean syllables begin with the byte that halves of a pair would have."""
    assert decode_body(body_with(title=title))["title"] == title
