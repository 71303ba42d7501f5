"""The hash chain of a journal: each row's hash covers every row before it.

A station whose card was rolled back has the same positions with other hashes, and the first
comparison shows it.
"""

import hashlib
from binascii import hexlify

HASH_BYTES = 16
SALT_BYTES = 16


def chain_start(epoch_id: str) -> bytes:
    """Return the 16-byte hash before the first row of an epoch."""
    return hashlib.sha256(b"lendgate epoch" + epoch_id.encode()).digest()[:HASH_BYTES]


def chain_hash(prev: bytes, seq: int, body: bytes) -> bytes:
    """Return the 16-byte hash of the row: SHA-256(prev ‖ seq, 8 bytes ‖ SHA-256(body))."""
    inner = hashlib.sha256(body).digest()
    return hashlib.sha256(prev + seq.to_bytes(8, "big") + inner).digest()[:HASH_BYTES]


def patron_hash(salt: bytes, patron_id: str) -> str:
    """Return the hex SHA-256 by which a body names a patron; salt and id travel beside it."""
    return hexlify(hashlib.sha256(salt + patron_id.encode("utf-8")).digest()).decode()
