"""The filter of the gates' list: its arithmetic, its bytes, and files that are no list."""

import random
import struct
from binascii import crc32

import pytest

from circulation.wire.errors import FuseInvalid
from circulation.wire.fuse import (
    BITS_MAX,
    HEADER_BYTES,
    SEGMENTS_MAX,
    FuseFilter,
    FuseHeader,
    decode_header,
    digest_of,
    encode_header,
    packed_bytes,
    packed_key,
    places,
    places_in,
    unpacked,
)

LINEAGE = "8c0e5b7a1d94f263"
HEADER = FuseHeader(LINEAGE, 4410, 3, bytes([0, 0, 0, 7]), 11, 110, 200_000, 3, 30)
KEYS = ("e00401501a2b3c4d", "04a1b2c3d4e5f6", "item:30218001234567", "item:Käse 7", "x")


class Small(int):
    """A number that refuses to become what a 32-bit MicroPython must take memory for."""

    def _kept(self, value):
        assert -(1 << 30) <= value < 1 << 30, f"{value} is no small number there"
        return Small(value)


for name in "add sub mul floordiv mod and or xor lshift rshift".split():
    for way in (f"__{name}__", f"__r{name}__"):

        def operate(self, other, way=way):
            return self._kept(getattr(int, way)(self, int(other)))

        setattr(Small, way, operate)


@pytest.mark.parametrize(
    "digest", [bytes(32), bytes([255]) * 32, digest_of(bytes(4), "e00401501a2b3c4d")]
)
def test_no_number_on_the_way_needs_memory(digest):
    """In the largest filter that is possible every step stays a small integer of 31 bits."""
    small = [Small(byte) for byte in digest]

    found = places_in(small, Small(BITS_MAX), Small(SEGMENTS_MAX))

    assert found == places_in(digest, BITS_MAX, SEGMENTS_MAX)
    assert max(found) < (SEGMENTS_MAX + 2) << BITS_MAX


def test_a_number_that_needs_memory_is_noticed():
    """The test of the test: the arithmetic of 32 bits fails under it."""
    with pytest.raises(AssertionError, match="no small number"):
        Small(255) << 24


@pytest.mark.parametrize("key", KEYS)
def test_the_places_are_what_the_layout_says(key):
    """Computed a second way, with whole numbers of 32 bits: segment, three places, fingerprint."""
    digest = digest_of(HEADER.seed, key)
    one, two, three, four = (int.from_bytes(digest[at : at + 4], "big") for at in (0, 4, 8, 12))
    segment = (one >> 12) * 110 // (1 << 20)

    expected = [
        (segment + step) * 2048 + number % 2048 for step, number in enumerate((two, three, four))
    ]

    assert places(HEADER, key) == (*expected, digest[16])


def test_places_spread_evenly():
    """Every segment is chosen about as often as any other."""
    first = [places(HEADER, f"{number:016x}")[0] // 2048 for number in range(11_000)]

    counts = [first.count(segment) for segment in range(110)]
    assert 60 <= min(counts) <= max(counts) <= 145
    assert max(first) == 109


class Counting:
    """Bytes that count how often they are read."""

    def __init__(self, content):
        self.content, self.reads = content, []

    def __getitem__(self, at):
        self.reads.append(at)
        return self.content[at]


def test_a_look_up_reads_three_bytes():
    """Three single bytes, in three neighbouring segments, ascending."""
    held = Counting(bytes(112 << 11))

    FuseFilter(HEADER, held).has("e00401501a2b3c4d")

    assert held.reads == [37766, 40052, 41659]


def hostile(header, magic=b"LGF8", schema=1):
    """Return a header's bytes with a right CRC, whatever it says."""
    _, version, boundary, seed, bits, segments, keys, count, size = header
    head = struct.pack(">4sBBBBHH4sII", magic, schema, boundary, bits, 0, segments, count, seed,
                       keys, size)  # fmt: skip
    head += struct.pack(">Q8s", version, bytes.fromhex(header.lineage))
    return head + crc32(head).to_bytes(4, "big")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("boundary", 0),
        ("boundary", 4),
        ("bits", 19),
        ("segments", 0),
        ("segments", 1024),
        ("keys", 2_000_001),
        ("unsecured", 1_001),
        ("unsecured_bytes", 128_001),
        ("version", (1 << 53) + 1),
    ],
)
def test_a_header_out_of_bounds_is_neither_written_nor_read(field, value):
    """A list larger than any gate could hold is refused by the name of what is too large."""
    header = HEADER._replace(**{field: value})
    with pytest.raises(FuseInvalid, match=f"{field} is {value}"):
        encode_header(header)

    with pytest.raises(FuseInvalid, match=f"{field} is {value}"):
        decode_header(hostile(header))


@pytest.mark.parametrize("size", [0, 1, HEADER_BYTES - 1])
def test_a_header_cut_off_is_refused(size):
    """A file that ends within its header is torn."""
    with pytest.raises(FuseInvalid, match="a header alone has 44"):
        decode_header(encode_header(HEADER)[:size])


@pytest.mark.parametrize("said", [{"magic": b"JFIF"}, {"schema": 2}])
def test_another_kind_of_file_is_refused(said):
    """A right CRC does not make a photograph, or a newer schema, a list."""
    assert hostile(HEADER) == encode_header(HEADER)

    with pytest.raises(FuseInvalid, match="not a file of schema 1"):
        decode_header(hostile(HEADER, **said))


def test_a_header_survives_its_bytes():
    """What is written is read again, whatever follows."""
    assert decode_header(encode_header(HEADER) + b"more") == HEADER


def test_no_two_keys_are_packed_alike(seed):
    """A text of the same bytes as a UID is another key, and a long text has a digest."""
    chance = random.Random(seed)
    keys = {f"{chance.getrandbits(64):016x}" for _ in range(500)}
    keys |= {bytes.fromhex(key).decode("latin-1") for key in list(keys)}
    keys |= {"é" * count for count in range(1, 65)} | {"E0" * 8, "e0" * 8, "e0" * 33, "e0e"}

    packed = {packed_key(key) for key in keys}

    assert len(packed) == len(keys)
    assert all(packed_bytes(one[0]) == len(one) for one in packed)
    assert max(map(len, packed)) <= 128


def test_a_uid_takes_half_its_length():
    """Most keys are tags: eight bytes and their length."""
    assert packed_key("e00401501a2b3c4d") == b"\x88\xe0\x04\x01\x50\x1a\x2b\x3c\x4d"
    assert packed_key("é" * 64)[0] == 0x80


GOOD = sorted(packed_key(key) for key in KEYS)


@pytest.mark.parametrize(
    ("content", "count", "problem"),
    [
        (b"".join(GOOD)[:-1], 5, "cut off"),
        (b"".join(GOOD), 6, "cut off"),
        (b"", 1, "cut off"),
        (b"".join(GOOD), 4, "more bytes"),
        (b"".join(reversed(GOOD)), 5, "out of order"),
        (GOOD[0] + GOOD[0], 2, "out of order"),
    ],
)
def test_unsecured_keys_that_do_not_fit_are_refused(content, count, problem):
    """Cut off, doubled, or with something behind them: nothing of it is taken."""
    with pytest.raises(FuseInvalid, match=problem):
        list(unpacked(content, count))


def test_unsecured_keys_come_out_as_they_went_in():
    """Ascending, each once."""
    assert list(unpacked(b"".join(GOOD), 5)) == GOOD
