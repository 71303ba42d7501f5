"""The gates' list as a file for a microcontroller: a binary fuse filter of 8 bits.

After Graf and Lemire, "Binary Fuse Filters: Fast and Smaller Than Xor Filters" (2022): a key has
three places in an array of bytes, one in each of three neighbouring segments, and belongs to the
list if the three bytes there make its fingerprint.

Laws:
- Who is on the list is always found. Who is not is taken for one of it once in 256 times: an
  item that may not leave passes in silence, and none that may leaves with a siren.
- A key's numbers come from SHA-256 over the file's seed and the key: its bits are even, and it is
  made in C on both Pythons. None of these numbers reaches 2**30, nor does any on the way to
  them: from there on a microcontroller of 32 bits has to take memory for one.
- A file says by itself whether it is whole: its header has a CRC, all of it a SHA-256 at its end.

The file, big-endian: header (44 bytes) · fingerprints, `(segments + 2) << bits` bytes, none if
there is no key · the unsecured keys, packed, ascending · SHA-256 of everything before (32 bytes).
"""

import hashlib
import struct
from binascii import crc32, hexlify, unhexlify
from collections import namedtuple

from circulation.wire.check import HEX_DIGITS
from circulation.wire.errors import FuseInvalid
from circulation.wire.limits import INTEGER_MAX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

MAGIC = b"LGF8"
SCHEMA = 1
BOUNDARIES = (1, 2, 3)  # leads out of a room, a building, to the street
HEADER_BYTES = 44
DIGEST_BYTES = 32
SEED_BYTES = 4

BITS_MAX = 18  # a segment of 2**18; the paper's for 2 million keys is 2**14
SEGMENTS_MAX = 1023  # 20 even bits times this stay below 2**30
FUSE_KEYS_MAX = 2_000_000
UNSECURED_MAX = 1_000
UNSECURED_BYTES_MAX = 128 * UNSECURED_MAX

_HEADER = ">4sBBBBHH4sIIQ8s"
_TEXT_BYTES_MAX = 127
_HEX = 0x80
_HEX_BYTES_MAX = 32


class FuseHeader(
    namedtuple(
        "FuseHeader",
        [
            "lineage",
            "version",
            "boundary",
            "seed",
            "bits",
            "segments",
            "keys",
            "unsecured",
            "unsecured_bytes",
        ],
    )
):
    """What a file says of itself.

    boundary: the list is of keys whose reach is at least this. seed: 4 bytes that began every
    hash. bits: a segment is 2**bits bytes. segments: those in which a key's first place may be;
    two more follow. keys, unsecured: how many. unsecured_bytes: of the packed keys.
    """

    @property
    def fingerprints_bytes(self) -> int:
        """The length of the filter."""
        return (self.segments + 2) << self.bits if self.keys else 0

    @property
    def unsecured_at(self) -> int:
        """Where the unsecured keys begin."""
        return HEADER_BYTES + self.fingerprints_bytes

    @property
    def size_bytes(self) -> int:
        """The length of the whole file."""
        return self.unsecured_at + int(self.unsecured_bytes) + DIGEST_BYTES


class FuseFilter:
    """Asks a filter about keys, three bytes for each."""

    def __init__(self, header: FuseHeader, fingerprints: "Any") -> None:
        """fingerprints: anything that gives byte n for [n]: bytes, or a file's window."""
        self._header = header
        self._fingerprints = fingerprints

    def has(self, key: str) -> bool:
        """Return whether the key is on the list: never wrong when it is."""
        if self._header.keys == 0:
            return False
        held = self._fingerprints
        a, b, c, fingerprint = places(self._header, key)
        return bool(held[a] ^ held[b] ^ held[c] == fingerprint)


def format_of(boundary: int) -> str:
    """Return the name of the format for gates that lead out of 1 room, 2 building, 3 street."""
    return f"fuse8-{SCHEMA}-{boundary}"


def boundary_of(format_name: object) -> int:
    """Return the boundary that a format's name ends with, 0 if it is no format of ours."""
    for boundary in BOUNDARIES:
        if format_name == format_of(boundary):
            return boundary
    return 0


def places(header: FuseHeader, key: str) -> "tuple[int, int, int, int]":
    """Return the key's three places in the filter, ascending, and its fingerprint."""
    return places_in(digest_of(header.seed, key), header.bits, header.segments)


def digest_of(seed: bytes, key: str) -> bytes:
    """Return the 32 bytes from which a key's numbers are taken."""
    return hashlib.sha256(seed + key.encode("utf-8")).digest()


def places_in(digest: bytes, bits: int, segments: int) -> "tuple[int, int, int, int]":
    """Return what `places` returns, for a digest.

    Of its first 17 bytes, read as four numbers of 32 bits and one of 8: the upper 20 bits of the
    first choose the segment, the lower bits of the others the place in it and in the next two,
    the last is the fingerprint.
    """
    mask = (1 << bits) - 1
    even = digest[0] << 12 | digest[1] << 4 | digest[2] >> 4
    start = (even * segments >> 20) << bits
    a = start + ((digest[5] << 16 | digest[6] << 8 | digest[7]) & mask)
    start += mask + 1
    b = start + ((digest[9] << 16 | digest[10] << 8 | digest[11]) & mask)
    start += mask + 1
    c = start + ((digest[13] << 16 | digest[14] << 8 | digest[15]) & mask)
    return a, b, c, digest[16]


def encode_header(header: FuseHeader) -> bytes:
    """Return the header's 44 bytes, its CRC last; raise FuseInvalid if no file can be so."""
    _check(header)
    head = struct.pack(
        _HEADER,
        MAGIC,
        SCHEMA,
        header.boundary,
        header.bits,
        0,
        header.segments,
        header.unsecured,
        header.seed,
        header.keys,
        header.unsecured_bytes,
        header.version,
        unhexlify(header.lineage),
    )
    return head + (crc32(head) & 0xFFFFFFFF).to_bytes(4, "big")


def decode_header(content: bytes) -> FuseHeader:
    """Return the header at the beginning of a file; raise FuseInvalid."""
    if len(content) < HEADER_BYTES:
        raise FuseInvalid(f"list: {len(content)} bytes; a header alone has {HEADER_BYTES}")
    head = bytes(content[: HEADER_BYTES - 4])
    if (crc32(head) & 0xFFFFFFFF).to_bytes(4, "big") != bytes(content[HEADER_BYTES - 4 :][:4]):
        raise FuseInvalid("list: the header's CRC is wrong; fetch it again")
    magic, schema, boundary, bits, _, segments, unsecured, seed, keys, size, version, lineage = (
        struct.unpack(_HEADER, head)
    )
    if magic != MAGIC or schema != SCHEMA:
        raise FuseInvalid(f"list: not a file of schema {SCHEMA}; is the gateway newer than this?")
    header = FuseHeader(
        hexlify(lineage).decode(),
        version,
        boundary,
        seed,
        bits,
        segments,
        keys,
        unsecured,
        size,
    )
    _check(header)
    return header


def packed_key(key: str) -> bytes:
    """Return the key as bytes that no other key has; the first tells how many follow.

    A UID in lower-case hex takes half its length, a text its UTF-8, and one too long for that
    its SHA-256.
    """
    if len(key) % 2 == 0 and 2 <= len(key) <= 2 * _HEX_BYTES_MAX and not key.strip(HEX_DIGITS):
        raw = unhexlify(key)
        return bytes([_HEX | len(raw)]) + raw
    text = key.encode("utf-8")
    if len(text) <= _TEXT_BYTES_MAX:
        return bytes([len(text)]) + text
    return bytes([_HEX]) + hashlib.sha256(text).digest()


def packed_bytes(first: int) -> int:
    """Return the length of a packed key, its first byte included."""
    if first == _HEX:
        return 1 + DIGEST_BYTES
    return 1 + (first & 0x7F)


def unpacked(content: bytes, count: int) -> "Iterator[bytes]":
    """Yield so many packed keys; raise FuseInvalid unless they are all there is, ascending."""
    at = 0
    before = b""
    for _ in range(count):
        end = at + packed_bytes(content[at]) if at < len(content) else len(content) + 1
        packed = bytes(content[at:end])
        if end > len(content) or packed <= before:
            raise FuseInvalid("list: the unsecured keys are cut off or out of order")
        yield packed
        at, before = end, packed
    if at != len(content):
        raise FuseInvalid("list: more bytes of unsecured keys than keys")


def _check(header: FuseHeader) -> None:
    for name, value, low, high in (
        ("boundary", header.boundary, BOUNDARIES[0], BOUNDARIES[-1]),
        ("bits", header.bits, 0, BITS_MAX),
        ("segments", header.segments, 1, SEGMENTS_MAX),
        ("keys", header.keys, 0, FUSE_KEYS_MAX),
        ("unsecured", header.unsecured, 0, UNSECURED_MAX),
        ("unsecured_bytes", header.unsecured_bytes, 0, UNSECURED_BYTES_MAX),
        ("version", header.version, 0, INTEGER_MAX),
    ):
        if not low <= value <= high:
            raise FuseInvalid(f"list: {name} is {value}; from {low} to {high} is possible")
