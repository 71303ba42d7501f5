"""Keys that are no secret: those of examples, and what a finger types that does not move.

Every station of a site proves with `site_key` who it is, and `card_key` makes card numbers
unreadable. A key that stands in a manual does neither.
"""

from collections.abc import Mapping
from itertools import pairwise

_LOOKED_AT_BYTES = 8
"""So many in equal steps by chance: once in 2^48 keys."""


FROM_GATEWAY = "take the library's own: `lendgate-gateway station-file` prints it"
"""What a station does instead."""
FRESH = "make a secret one: openssl rand -hex 16; then give every station the new one"
"""What a gateway does instead, where keys begin."""


def is_example_key(key: bytes) -> bool:
    """Return whether a key begins in equal steps, as zeros, 5e5e…, 000102… and 001122… do.

    >>> is_example_key(bytes(16)), is_example_key(bytes(range(16)))
    (True, True)
    """
    steps = {(after - before) % 256 for before, after in pairwise(key[:_LOOKED_AT_BYTES])}
    return len(steps) <= 1


def example_keys(keys: Mapping[str, bytes], instead: str) -> list[str]:
    """Return a sentence for each key that is no secret; it never repeats the key.

    keys: by the name of their option. instead: where a secret one comes from.
    """
    return [
        f"{option}: this key stands in examples, so everybody knows it; {instead}"
        for option, key in keys.items()
        if is_example_key(key)
    ]
