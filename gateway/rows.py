"""Reading stored fact rows back, tolerantly: what was stored once must always be showable."""

from __future__ import annotations

from typing import Any

from circulation.wire.errors import MessageInvalid
from circulation.wire.fact import decode_body


def read_fields(body: bytes) -> dict[str, Any]:
    """Return a body's fields, or nothing if it is unreadable (then it is parked)."""
    try:
        return dict(decode_body(body))
    except MessageInvalid:
        return {}
