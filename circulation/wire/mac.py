"""HMAC-SHA256 by hand, since a microcontroller's Python has no `hmac`.

Fields are length-prefixed and typed, never joined by a separator, and never JSON text, whose
key order differs between the two Pythons: ("ab", "c") and ("a", "bc") have different macs.
"""

import hashlib
from binascii import hexlify

from circulation.wire.check import HEX_DIGITS

BLOCK_BYTES = 64  # RFC 2104: SHA-256's block
MAC_BYTES = 16
_INNER = 0x36
_OUTER = 0x5C
_PADS: "dict[bytes, tuple[bytes, bytes]]" = {}  # of the last key: half of a mac's time is theirs


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """Return the 32-byte HMAC of the message (RFC 2104)."""
    pads = _PADS.get(key)
    if pads is None:
        _PADS.clear()  # a station has one key, a gateway's worker one for each library
        pads = _PADS[key] = _padded(key)
    inner = hashlib.sha256(pads[0] + message).digest()
    return hashlib.sha256(pads[1] + inner).digest()


def _padded(key: bytes) -> "tuple[bytes, bytes]":
    if len(key) > BLOCK_BYTES:
        key = hashlib.sha256(key).digest()
    key = key + bytes(BLOCK_BYTES - len(key))
    return bytes([byte ^ _INNER for byte in key]), bytes([byte ^ _OUTER for byte in key])


def mac(key: bytes, fields: object) -> str:
    """Return 32 hex digits (16 bytes of the HMAC) over the fields, in their order.

    fields: a sequence of texts, whole numbers, flags, None, and lists or objects of these.
    """
    return hexlify(hmac_sha256(key, _packed(fields))[:MAC_BYTES]).decode()


def verify(key: bytes, fields: object, claimed: object) -> bool:
    """Return whether the mac is right, taking the same time wherever it differs."""
    if not isinstance(claimed, str) or len(claimed) != 2 * MAC_BYTES:
        return False
    if claimed.strip(HEX_DIGITS):
        return False
    expected = int.from_bytes(hmac_sha256(key, _packed(fields))[:MAC_BYTES], "big")
    return expected ^ int(claimed, 16) == 0


def _packed(value: object) -> bytes:
    if isinstance(value, dict):
        elements = []
        for key in sorted(value):
            elements.append(key)
            elements.append(value[key])
        return _prefixed(b"d", _row(elements))
    if isinstance(value, (list, tuple)):
        return _prefixed(b"l", _row(value))
    if isinstance(value, bool):
        return b"t" if value else b"f"
    if isinstance(value, int):
        return _prefixed(b"i", str(value).encode())
    if isinstance(value, str):
        return _prefixed(b"s", value.encode())
    raise TypeError(f"mac: cannot sign a {type(value).__name__}")


def _row(values: "list[object] | tuple[object, ...]") -> bytes:
    """Return values one behind another. A call for each of the plain ones would double the time;
    every station makes a mac of everything it hears.
    """
    parts = []
    for value in values:
        kind = type(value)
        if kind is str:
            content = value.encode()  # type: ignore[attr-defined]
            parts.append(b"s" + len(content).to_bytes(4, "big") + content)
        elif kind is int:
            content = str(value).encode()
            parts.append(b"i" + len(content).to_bytes(4, "big") + content)
        elif value is None:
            parts.append(b"n")
        else:
            parts.append(_packed(value))
    return b"".join(parts)


def _prefixed(kind: bytes, content: bytes) -> bytes:
    return kind + len(content).to_bytes(4, "big") + content
