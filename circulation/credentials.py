"""How a station shows the gateway, inside TLS, that lists are for it: HTTP Basic (RFC 7617).

The name is the station's; the password is made of the site's key, which every station has and
the gateway too, so there is nothing more to hand out. It is of use for fetching lists only: no
message is sealed with it, and nobody finds the key in it.
"""

from base64 import b64decode, b64encode
from binascii import Error, hexlify

from circulation.wire.mac import hmac_sha256

HEADER_CHARS_MAX = 512


def list_password(site_key: bytes, library: str, station: str) -> str:
    """Return a station's password for fetching lists, 64 hex digits.

    >>> list_password(bytes(16), "school", "kiosk-1")[:16]
    '2cb06eb9cb08b363'
    """
    said = b"\0".join([b"lists", library.encode(), station.encode()])
    return hexlify(hmac_sha256(site_key, said)).decode()


def authorization(site_key: bytes, library: str, station: str) -> str:
    """Return the value of a station's Authorization header."""
    pair = f"{station}:{list_password(site_key, library, station)}"
    return "Basic " + b64encode(pair.encode()).decode()


def named_in(header: str) -> tuple[str, str] | None:
    """Return name and password of an Authorization header, None if it has none.

    >>> named_in("Basic a2lvc2stMTpvcGVu"), named_in("Bearer a2lv"), named_in("Basic ?")
    (('kiosk-1', 'open'), None, None)
    """
    scheme, _, pair = header.partition(" ")
    if scheme.lower() != "basic" or len(header) > HEADER_CHARS_MAX:
        return None
    try:
        name, colon, password = b64decode(pair.strip(), validate=True).decode().partition(":")
    except (Error, ValueError):
        return None
    return (name, password) if colon else None
