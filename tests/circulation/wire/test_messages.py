"""Messages: the same after a round trip, and refused by the name of the field."""

import json

import pytest

from circulation.wire.errors import MessageInvalid
from circulation.wire.messages import (
    Ack,
    Applied,
    Change,
    Command,
    Head,
    Journal,
    Nack,
    Request,
    SiteLoan,
    Status,
    decode,
    decode_reply,
    encode,
    is_sealed,
    sealed,
)

EPOCH = "00000000000000e1"
LINEAGE = "00000000000000a1"
HASH = "0" * 32
MAC = "0" * 32
KEY = bytes(range(16))
CLOCK = {"mono": 1, "wall": 0, "sure": False, "boot": "0a0b0c0d"}

JOURNAL = {
    "v": 1,
    "epoch": EPOCH,
    "n": 1,
    "seq0": 1,
    "prev_hash": HASH,
    "clock": CLOCK,
    "events": ["{}", "{}"],
    "patrons": {},
}


def loan(**fields) -> SiteLoan:
    """Return a loan told to the gates; fields replace its own."""
    values = {
        "station": "kiosk-1",
        "epoch": 1,
        "seq": 7,
        "item": None,
        "uids": ["e0040150"],
        "state": "on",
        "reach": 3,
        "saw": [],
        "fact": "00112233445566aa",
        "wall": 0,
        "barcode": None,
        "mac": MAC,
    }
    return SiteLoan(**{**values, **fields})


def test_a_message_comes_back_with_its_type_and_values():
    """Fields that are not known are left out on the wire, and are None again."""
    payload = encode(loan())

    back = decode(SiteLoan, payload)
    assert type(back) is SiteLoan
    assert back == loan()
    assert "item" not in json.loads(payload)


def test_unknown_fields_are_ignored():
    """A newer peer may say more than we know."""
    payload = json.dumps({**json.loads(encode(loan())), "colour": "red"}).encode()

    assert decode(SiteLoan, payload) == loan()


@pytest.mark.parametrize(
    ("message", "name"),
    [
        (Ack(EPOCH, 1, HASH, LINEAGE, 4, 0, 0), "ack"),
        (Nack(EPOCH, 1, "gap"), "nack"),
        (Command(1, "reboot", {}, MAC), "command"),
        (Change("policy", LINEAGE, 1, 2, [{"key": "a", "doc": {"x": 1}}], MAC), "change"),
    ],
)
def test_a_reply_says_which_it_is(message, name):
    """One topic carries all replies; the field `reply` tells them apart."""
    payload = encode(message)

    assert json.loads(payload)["reply"] == name
    assert decode_reply(payload) == message
    assert type(decode_reply(payload)) is type(message)


@pytest.mark.parametrize("name", ["gossip", 7, None, ["ack"]])
def test_an_unknown_reply_is_refused(name):
    """Whatever stands in the field, the message lists what could."""
    payload = json.dumps({"v": 1, "reply": name}).encode()

    with pytest.raises(MessageInvalid, match="field reply must be one of ack, change, chunk"):
        decode_reply(payload)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"\xff", "Journal: not UTF-8"),
        (b"nonsense", "Journal: not a JSON object"),
        (b"[" * 60_000, "Journal: not a JSON object"),
        (b" " * 65_537, "Journal: 65537 bytes; at most 65536"),
        (b"{}", "field v must be 1"),
        (b'{"v":2}', "field v must be 1"),
        (b'{"v":true}', "field v must be 1"),
        (b'{"v":1}', "field epoch is missing and must be 16 lower-case hex digits"),
    ],
)
def test_what_is_no_message_says_why(payload, reason):
    """Whatever arrives on a topic is either a whole message or a named error."""
    with pytest.raises(MessageInvalid, match=reason):
        decode(Journal, payload)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"epoch": None}, "field epoch must be 16 lower-case hex digits"),
        ({"n": 0}, "field n must be a whole number from 1"),
        ({"n": "1"}, "field n must be a whole number"),
        ({"parent": {"n": 1}}, "field parent field epoch must be 16"),
        ({"parent": 1}, "field parent must be an object"),
        ({"clock": {**CLOCK, "sure": 1}}, "field clock field sure must be true or false"),
        ({"events": "x"}, "field events must be a list"),
        ({"events": ["{}"] * 51}, "field events must have at most 50 elements"),
        ({"events": [1]}, "field events element 0 must be a text"),
        ({"events": ["a\0b"]}, "element 0 must not contain NUL"),
        ({"events": ["x" * 8193]}, "element 0 must have 0 to 8192 characters"),
        ({"events": []}, "must have either events or raw"),
        ({"raw": "AAAA"}, "must have either events or raw"),
        ({"patrons": []}, "field patrons must be an object"),
        ({"patrons": {"2": ["0" * 32, "a"]}}, "names a row that is not there"),
        ({"patrons": {"00": ["0" * 32, "a"]}}, "names a row that is not there"),
        ({"patrons": {"0": ["0" * 32]}}, "entry '0' must be a list of 2"),
        ({"patrons": {"0": ["zz", "a"]}}, "entry '0' element 0 must be 32"),
        ({"patrons": {str(n): ["0" * 32, "a"] for n in range(51)}}, "at most 50 entries"),
        ({"lost": [3, 2]}, "field lost must end directly before seq0"),
        ({"lost": [1, 1]}, "field lost must end directly before seq0"),
    ],
)
def test_a_wrong_field_is_named(fields, reason):
    """The whole batch is refused, and the message says for which field."""
    payload = json.dumps({**JOURNAL, **fields}).encode()

    with pytest.raises(MessageInvalid, match=reason):
        decode(Journal, payload)


def test_half_a_surrogate_pair_in_an_envelope_is_refused():
    """It is legal JSON and could not be hashed or stored as the text that it claims to be."""
    payload = json.dumps(JOURNAL).replace('"{}"', '"\\ud800"', 1).encode()

    with pytest.raises(MessageInvalid, match="element 0 must not contain half of a surrogate"):
        decode(Journal, payload)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (Change("may_leave", LINEAGE, 1, 2, [["k", "e004", 4]], MAC), "element 0 element 2"),
        (Change("may_leave", LINEAGE, 1, 2, [["x", "e004", 1]], MAC), "must be one of k, u"),
        (Change("may_leave", LINEAGE, 1, 2, [{"key": "a"}], MAC), "must be a list of 3"),
        (Change("policy", LINEAGE, 1, 2, [["k", "a", 1]], MAC), "element 0 must be an object"),
        (Change("policy", LINEAGE, 1, 2, [{"key": ""}], MAC), "field key must have 1 to 64"),
        (Change("policy", LINEAGE, 1, 2, [{"key": "a", "doc": 1}], MAC), "field doc must be"),
        (Change("policy", LINEAGE, 1, 2, [{"key": 1.5}], MAC), "must not hold a float"),
        (Change("policy", LINEAGE, 2, 2, [], MAC), "field to must be greater than from"),
    ],
)
def test_a_delta_that_makes_no_sense_is_never_sent(change, reason):
    """What a receiver would refuse is refused to the sender already."""
    with pytest.raises(MessageInvalid, match=reason):
        encode(change)


def test_nothing_a_gate_hears_is_larger_than_four_kibibytes():
    """A microcontroller could not read it; the sender is told to make two of it."""
    rows = [["k", f"{number:016x}", 3] for number in range(200)]
    marks = {f"station-{number}": [1, 100_000] for number in range(200)}

    with pytest.raises(MessageInvalid, match=r"Change: .* bytes; at most 4096"):
        encode(Change("may_leave", LINEAGE, 1, 2, rows, MAC))
    with pytest.raises(MessageInvalid, match=r"Applied: .* bytes; at most 4096"):
        encode(Applied(1, marks, LINEAGE))
    with pytest.raises(MessageInvalid, match=r"Applied: .* bytes; at most 4096"):
        decode(Applied, encode(Applied(1, {"k": [1, 1]}, LINEAGE)) + b" " * 4096)


def test_a_list_only_kiosks_follow_may_come_in_larger_pieces():
    """Titles of a catalogue do not fit four kibibytes, and no gate hears them."""
    rows = [{"key": f"{number:016x}", "doc": {"title": "红" * 20}} for number in range(200)]

    assert len(encode(Change("catalogue", LINEAGE, 1, 2, rows, MAC))) > 4096


def test_a_mac_covers_every_field_and_the_kind_of_message():
    """A rogue client at a site can neither change a message nor pass one off as another."""
    message = sealed(loan(), KEY)

    assert is_sealed(message, KEY)
    assert is_sealed(decode(SiteLoan, encode(message)), KEY)
    assert not is_sealed(message, KEY[::-1])
    for name in ("station", "epoch", "seq", "state", "reach", "fact", "wall"):
        other = {"station": "kiosk-2", "state": "off", "fact": "0" * 16}.get(name, 2)
        assert not is_sealed(loan(**{name: other, "mac": message.mac}), KEY)
    head = sealed(Head(LINEAGE, 1, 0, {}, 1, False, MAC), KEY)
    assert is_sealed(head, KEY)
    assert not is_sealed(Command(1, "reboot", {}, head.mac), KEY)


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (Request("", "time", 0, None, None, None, None, None, None), "field id must have 1 to 32"),
        (
            Request("a", "gossip", 0, None, None, None, None, None, None),
            "must be one of time, since",
        ),
        (Request("a", "chunk", 0, "policy", 1, LINEAGE, 0, 4096, None), "from 1 to 2048"),
    ],
)
def test_a_request_is_bounded(request_, reason):
    """Nobody can ask for more than a reply can hold."""
    with pytest.raises(MessageInvalid, match=reason):
        encode(request_)


def test_a_status_is_refused_for_a_station_with_a_name_like_a_wildcard():
    """Names are checked wherever they come from."""
    fields = json.loads(
        encode(
            Status(
                "k", True, "0a0b0c0d", EPOCH, 1, 0, 0, {}, None, "1", "sure", "kiosk", "main", 0,
                "K", None, None,
            )
        )
    )  # fmt: skip
    for wrong in ("#", "", None, 7):
        payload = json.dumps({**fields, "station": wrong}).encode()
        with pytest.raises(MessageInvalid, match="field station"):
            decode(Status, payload)


@pytest.mark.parametrize(
    ("doc", "fault"),
    [
        ([], "must be an object"),
        ({str(n): n for n in range(65)}, "must have at most 64 entries"),
        ({"": 1}, "entry '' must have 1 to 64 characters"),
        ({"k" * 65: 1}, "entry 'kkkk.* must have 1 to 64 characters"),
        ({"title": "a\0b"}, "must not contain NUL"),
        ({"a\0": 1}, "must not contain NUL"),
        ({"one": "a\ud83d", "other": "\ude00b"}, "half of a surrogate pair"),
        ({"title": {"author": ["\ud83d"]}}, "half of a surrogate pair"),
        ({"fee_cents": [1, 2**60, "x"]}, "an integer beyond 2"),
    ],
)
def test_a_changed_document_that_no_list_could_hold_is_refused(doc, fault):
    """Its texts are looked at together; two halves in two texts are still two halves."""

    def changed(doc):
        row = {"key": "00000000000000aa", "doc": doc}
        return Change("catalogue", LINEAGE, 6, 7, [row], MAC)

    fit = changed({"title": "a", "uids": ["b", 1]})
    with pytest.raises(MessageInvalid, match=fault):
        encode(changed(doc))
    assert decode(Change, encode(fit)) == fit
