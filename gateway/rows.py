"""Reading stored fact rows back, tolerantly: what was stored once must always be showable."""

from __future__ import annotations

import json
from typing import Any


def read_fields(body: bytes) -> dict[str, Any]:
    """Return a body's fields, or nothing if it is unreadable."""
    try:
        fields = json.loads(body)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}
