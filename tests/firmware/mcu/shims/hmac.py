"""HMAC for MicroPython, from RFC 2104, to compare ours with."""

import binascii
import hashlib


class _Digest:
    def __init__(self, key, text, kind):
        if len(key) > 64:
            key = getattr(hashlib, kind)(key).digest()
        key = key + bytes(64 - len(key))
        inner = getattr(hashlib, kind)(bytes([one ^ 0x36 for one in key]) + text).digest()
        outer = bytes([one ^ 0x5C for one in key]) + inner
        self._digest = getattr(hashlib, kind)(outer).digest()

    def digest(self):
        return self._digest

    def hexdigest(self):
        return binascii.hexlify(self._digest).decode()


def new(key, text, kind):
    """Return the digest object; kind: a name or a function of hashlib."""
    return _Digest(key, text, kind if isinstance(kind, str) else "sha256")


def digest(key, text, kind):
    """Return the digest."""
    return new(key, text, kind).digest()
