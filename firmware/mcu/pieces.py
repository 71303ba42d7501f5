"""A piece of something long, as the gateway answers a `chunk`: the bytes, or nothing."""

import hashlib
from binascii import a2b_base64, hexlify

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circulation.wire.messages import Chunk


def content_of(chunk: "Chunk", count: int) -> "bytes | None":
    """Return a piece's bytes, None unless they are so many, and undamaged."""
    try:
        piece = a2b_base64(chunk.data)
    except ValueError:
        return None
    digest = hexlify(hashlib.sha256(piece).digest()).decode()
    is_right = len(piece) == count and chunk.sha256 in (None, digest)
    return piece if is_right else None
