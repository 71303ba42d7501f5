"""JSON text to and from bytes, the same on both Pythons."""

import json
import sys

from circulation.wire.errors import MessageInvalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_COMPACT = (",", ":")


# MicroPython writes UTF-8 anyway and has no such class; CPython must be told, since MicroPython
# reads an escaped surrogate pair as two broken characters. Made once: `dumps` makes one a call.
_ENCODER: "Any" = (
    None
    if sys.implementation.name == "micropython"
    else json.JSONEncoder(separators=_COMPACT, ensure_ascii=False, check_circular=False)
)


def write_json(value: object) -> bytes:
    """Return the value as compact JSON in UTF-8. The order of keys is not defined."""
    text = json.dumps(value, separators=_COMPACT) if _ENCODER is None else _ENCODER.encode(value)
    return text.encode("utf-8")


def read_json_object(payload: bytes, what: str) -> "dict[str, object]":
    """Return the object in the payload; raise MessageInvalid, naming `what`, if it is none."""
    try:
        text = bytes(payload).decode("utf-8")
    except ValueError:
        text = None
    if text is None:
        raise MessageInvalid(f"{what}: not UTF-8")
    value = _parsed(text)
    if not isinstance(value, dict):
        raise MessageInvalid(f"{what}: not a JSON object")
    return value


def _parsed(text: str) -> object:
    # Python's reader also takes NaN and Infinity; the checks refuse every float anyway.
    try:
        return json.loads(text)
    # Brackets by the thousand exhaust the stack of one Python and the heap of the other.
    except (ValueError, RuntimeError, MemoryError):
        return None
