"""The same keys have the same places on both Pythons, and the same file the same answers."""

from binascii import unhexlify

from circulation.wire.errors import FuseInvalid
from circulation.wire.fuse import (
    HEADER_BYTES,
    FuseFilter,
    FuseHeader,
    boundary_of,
    decode_header,
    digest_of,
    encode_header,
    format_of,
    packed_key,
    places,
    unpacked,
)

HEADER = FuseHeader("8c0e5b7a1d94f263", 4410, 3, bytes([0, 0, 0, 7]), 11, 110, 200_000, 3, 30)
PLACES = (
    ("e00401501a2b3c4d", (37766, 40052, 41659, 223)),
    ("04a1b2c3d4e5f6", (191096, 194124, 196164, 3)),
    ("item:30218001234567", (187485, 188639, 192020, 23)),
    ("item:Käse 7", (215972, 218546, 221040, 213)),
    ("30395dfa8000004000000001", (220265, 222471, 224752, 166)),
)
FILE = unhexlify(
    "4c474638010302000001000200000000000000050000001d000000000000113a8c0e5b7a1d94f263cf363325"
    "0000005900004300287e5800"
    "136974656d3a333032313830303132333435373488e004015000000007"
    "c4492be7c2beeae852e479a2da6a1170d528cfed6aee480d75b4247124b68fc8"
)


def refused(call, *arguments):
    """Return what a refusal says, "" for none."""
    try:
        call(*arguments)
    except FuseInvalid as error:
        return str(error)
    return ""


def test_a_key_has_the_same_places_everywhere():
    """Vectors: what the gateway computes is what a board computes."""
    for key, expected in PLACES:
        assert places(HEADER, key) == expected


def test_a_list_of_five_lets_these_five_out():
    """A file built by the gateway is read byte by byte, and all its keys are found."""
    header = decode_header(FILE)
    held = FuseFilter(header, FILE[HEADER_BYTES:])

    assert [held.has(key) for key, _ in PLACES] == [True] * 5
    assert [held.has(f"e00401501a2b3c{n:02x}") for n in (0, 1, 2, 3)] == [False] * 4


def test_a_file_says_what_it_is():
    """Lineage, version and sizes stand in the header, and the size is the file's."""
    header = decode_header(FILE)

    assert (header.lineage, header.version) == ("8c0e5b7a1d94f263", 4410)
    assert (header.boundary, header.keys, header.unsecured) == (3, 5, 2)
    assert header.size_bytes == len(FILE)
    assert encode_header(header) == FILE[:HEADER_BYTES]


def test_the_unsecured_keys_are_exact():
    """They lie behind the filter, packed, and nothing else lies there."""
    header = decode_header(FILE)
    end = header.unsecured_at + header.unsecured_bytes

    assert list(unpacked(FILE[header.unsecured_at : end], 2)) == [
        packed_key("item:30218001234574"),
        packed_key("e004015000000007"),
    ]


def test_a_header_with_one_bit_turned_is_refused():
    """Whichever bit it is: the CRC, the magic or a bound says so."""
    for bit in range(8 * HEADER_BYTES):
        torn = bytearray(FILE[:HEADER_BYTES])
        torn[bit // 8] ^= 1 << bit % 8
        assert refused(decode_header, bytes(torn)) != ""


def test_a_filter_of_no_key_has_none():
    """A library where nothing may leave has a file too, without a filter."""
    empty = FuseHeader("8c0e5b7a1d94f263", 1, 1, bytes(4), 0, 1, 0, 0, 0)

    assert empty.size_bytes == 76
    assert FuseFilter(empty, b"").has("e00401501a2b3c4d") is False


def test_formats_are_named_by_their_boundary():
    """A gate asks for the list of its own boundary, and takes no other."""
    assert [format_of(boundary) for boundary in (1, 2, 3)] == [
        "fuse8-1-1",
        "fuse8-1-2",
        "fuse8-1-3",
    ]
    assert [boundary_of(name) for name in ("fuse8-1-3", "fuse8-2-3", "json-1", None)] == [
        3,
        0,
        0,
        0,
    ]


def test_a_digest_is_of_seed_and_key():
    """Another seed, another order of everything: that is what a retry needs."""
    assert digest_of(b"\0\0\0\0", "a") != digest_of(b"\0\0\0\1", "a")
    assert len(digest_of(b"\0\0\0\0", "a")) == 32
