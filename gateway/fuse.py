"""Builds the gates' list for microcontrollers: a binary fuse filter and the unsecured keys.

The filter's layout, and how a key finds its three places, are `circulation/wire/fuse.py`. Here
is what needs memory: to find an order of the keys in which each has a place that no later key
uses, by taking away, one after the other, the keys that are alone in some place ("peeling").

Pure Python takes 0.6 s a try for 200,000 keys, and one try in eight fails. Segments of half the
paper's length need fewer bytes at the sizes a microcontroller can hold: measured, 229,376 for
200,000 keys where its formula gives 233,472. The numbers are in
docs/decisions/0017-fuse-filter-for-microcontrollers.md.
"""

from __future__ import annotations

import hashlib
import math
import struct
import time
from array import array
from collections.abc import Iterable, Iterator, Sequence

from circulation.wire.fuse import (
    BITS_MAX,
    DIGEST_BYTES,
    FUSE_KEYS_MAX,
    SEED_BYTES,
    SEGMENTS_MAX,
    UNSECURED_MAX,
    FuseHeader,
    encode_header,
    packed_key,
)
from gateway.errors import ListTooLarge

SHORT_SEGMENTS_BELOW = 400_000  # keys; more than fit any board's flash
TRIES_PER_SIZE = 4  # at the sizes chosen here every fifth to twentieth seed fails
TRIES_MAX = 400  # with a segment more after every four: no set of keys has come near it
YIELD_EVERY = 4_096  # keys; a few milliseconds of work
YIELD_MASK = YIELD_EVERY - 1
ONE, TWO = 1 << 44, 2 << 44  # above any sum of numbers of keys
WORDS = 8  # of 32 bits in a digest; the first four are places, then comes the fingerprint
FINGERPRINT_AT = 16
Filter = tuple[bytes, int, int, bytes]  # seed, bits, segments, fingerprints


def build_list(
    keys: Iterable[str], unsecured: Iterable[str], *, lineage: str, version: int, boundary: int
) -> bytes:
    """Return the file; the same for the same keys in any order. Raise ListTooLarge.

    keys: those that may pass the boundary. Whatever comes twice counts once.
    """
    distinct = sorted({key.encode() for key in keys})
    packed = sorted({packed_key(key) for key in unsecured})
    if len(distinct) > FUSE_KEYS_MAX or len(packed) > UNSECURED_MAX:
        raise ListTooLarge(
            f"may_leave: {len(distinct)} keys and {len(packed)} unsecured; a gate's file holds "
            f"{FUSE_KEYS_MAX} and {UNSECURED_MAX}"
        )
    seed, bits, segments, fingerprints = build_filter(distinct)
    tail = b"".join(packed)
    header = FuseHeader(
        lineage, version, boundary, seed, bits, segments, len(distinct), len(packed), len(tail)
    )
    content = encode_header(header) + fingerprints + tail
    return content + hashlib.sha256(content).digest()


def build_filter(keys: Sequence[bytes]) -> Filter:
    """Return seed, bits, segments and fingerprints for distinct keys; none for no key.

    The seeds are 0, 1, 2 and so on. Raise ListTooLarge if none of many gives a filter.
    """
    if not keys:
        return bytes(SEED_BYTES), 0, 1, b""
    bits, segments = shape_for(len(keys))
    for attempt in range(TRIES_MAX):
        seed = attempt.to_bytes(SEED_BYTES, "big")
        more = min(attempt // TRIES_PER_SIZE, SEGMENTS_MAX - segments)
        peeling = Peeling(keys, seed, bits, segments + more)
        if peeling.done:
            return seed, bits, segments + more, peeling.fingerprints()
    raise ListTooLarge(f"may_leave: no filter for {len(keys)} keys after {TRIES_MAX} seeds")


def shape_for(count: int) -> tuple[int, int]:
    """Return bits and segments for so many keys.

    The formulas are the reference implementation's (FastFilter/xor_singleheader), but segments
    are half as long up to a size: that costs a retry at times, and saves bytes always.
    """
    logarithm = math.log(max(count, 2))
    longer = 1.25 if count < SHORT_SEGMENTS_BELOW else 2.25
    bits = max(2, min(BITS_MAX, int(logarithm / math.log(3.33) + longer)))
    factor = max(1.125, 0.868 + 0.25 * math.log(1_000_000) / logarithm)
    return bits, max(1, (int(count * factor) >> bits) - 2)


class Peeling:
    """One try at one seed: every key's places, and the order in which keys were taken away.

    Keys are numbered in the order of their places, so that what is looked at together lies
    together: by their names it takes half as long again.
    """

    def __init__(self, keys: Sequence[bytes], seed: bytes, bits: int, segments: int):
        self._size = (segments + 2) << bits
        self._places = (array("I"), array("I"), array("I"))
        self._wanted = bytearray()
        # In each place: ONE for every key that may lie there, and the sum of their numbers; so
        # with one key left its number stands there.
        self._crowd = array("q", bytes(8 * self._size))
        for digests in _digests_in_order(keys, seed):
            self._place(digests, bits, segments)
        self._order: list[int] = []
        self._taken: list[int] = []
        self._take_away()
        self.done = len(self._order) == len(keys)

    def _place(self, digests: Sequence[bytes], bits: int, segments: int) -> None:
        """Number these keys; the arithmetic is that of `circulation/wire/fuse.py`."""
        mask = (1 << bits) - 1
        number = len(self._wanted)
        joined = b"".join(digests)
        words = struct.unpack(f">{len(joined) // 4}I", joined)
        starts = [((word >> 12) * segments >> 20) << bits for word in words[::WORDS]]
        crowd = self._crowd
        for nth, places in enumerate(self._places):
            begin = nth << bits
            lows = words[nth + 1 :: WORDS]
            found = [start + begin + (low & mask) for start, low in zip(starts, lows, strict=True)]
            places.extend(found)
            for key, place in enumerate(found, ONE | number):
                crowd[place] += key
        self._wanted += joined[FINGERPRINT_AT::DIGEST_BYTES]

    def _take_away(self) -> None:
        crowd, order, taken = self._crowd, self._order, self._taken
        first, second, third = self._places
        alone = [place for place, keys in enumerate(crowd) if ONE <= keys < TWO]
        while alone:
            place = alone.pop()
            key = crowd[place]
            if not ONE <= key < TWO:
                continue
            number = key - ONE
            order.append(number)
            taken.append(place)
            for other in (first[number], second[number], third[number]):
                crowd[other] = left = crowd[other] - key
                if ONE <= left < TWO:
                    alone.append(other)
            if number & YIELD_MASK == 0:
                time.sleep(0)

    def fingerprints(self) -> bytes:
        """Return the bytes, set in the reverse of the order in which keys were taken away."""
        held = bytearray(self._size)
        first, second, third = self._places
        for number, place in zip(reversed(self._order), reversed(self._taken), strict=True):
            # held[place] is still 0, so that the xor of all three is that of the other two.
            held[place] = (
                self._wanted[number]
                ^ held[first[number]]
                ^ held[second[number]]
                ^ held[third[number]]
            )
        return bytes(held)


def _digests_in_order(keys: Sequence[bytes], seed: bytes) -> Iterator[list[bytes]]:
    """Yield every key's digest, those with one first byte together; the caller may be slow."""
    sha256 = hashlib.sha256
    kept: list[list[bytes]] = [[] for _ in range(256)]
    for start in range(0, len(keys), YIELD_EVERY):
        for key in keys[start : start + YIELD_EVERY]:
            digest = sha256(seed + key).digest()
            kept[digest[0]].append(digest)
        time.sleep(0)  # let the thread that writes have the interpreter
    for digests in kept:
        yield digests
        time.sleep(0)
