"""The lines between a bench and a station in another process: JSON, one message a line.

    station → bench   {"n": 7, "device": "kiosk-1/pad", "call": "inventory", "args": []}
    bench → station   {"n": 7, "result": …}   or   {"n": 7, "error": "TagLost", "message": …}

Instants never cross: an edge travels as its age, because the two clocks need not agree.
"""

import json
from typing import Any

from hardware import errors
from hardware.chips.tag_data import Element
from hardware.errors import HardwareError, TagError
from hardware.ports import Edge, Health, Inventory, TagContent, TagSeen
from sim.errors import RemoteError

LINE_BYTES_MAX = 64 * 1024

_ERRORS: dict[str, type[HardwareError]] = {
    name: error
    for name, error in vars(errors).items()
    if isinstance(error, type) and issubclass(error, HardwareError)
}


def encode_line(message: dict[str, Any]) -> bytes:
    """Return a message as one line."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def decode_line(line: bytes) -> dict[str, Any]:
    """Return the message on a line; raises `RemoteError` for anything that is none."""
    if len(line) > LINE_BYTES_MAX or not line.endswith(b"\n"):
        raise RemoteError(f"a line of {len(line)} bytes: too long, or cut off")
    try:
        message = json.loads(line)
    except ValueError as error:
        raise RemoteError(f"not JSON: {error}") from error
    if not isinstance(message, dict) or not isinstance(message.get("n"), int):
        raise RemoteError("a message is an object with a number 'n'")
    return message


def error_doc(error: HardwareError) -> dict[str, Any]:
    """Return an error as a message's fields."""
    uid = error.uid if isinstance(error, TagError) else ""
    return {"error": type(error).__name__, "message": str(error), "uid": uid}


def error_from(doc: dict[str, Any]) -> Exception:
    """Return the error a message carries, of its own class."""
    name, text = str(doc.get("error")), str(doc.get("message"))
    kind = _ERRORS.get(name)
    if kind is None:
        return RemoteError(text)
    error = kind.__new__(kind)
    error.args = (text,)
    if isinstance(error, TagError):
        error.uid = str(doc.get("uid"))
    return error


def inventory_doc(inventory: Inventory) -> dict[str, Any]:
    """Return an inventory as JSON values."""
    tags = [[tag.uid, tag.technology] for tag in inventory.tags]
    return {"tags": tags, "complete": inventory.complete}


def inventory_from(doc: Any) -> Inventory:
    """Return the inventory of `inventory_doc`."""
    tags = tuple(TagSeen(uid, technology) for uid, technology in doc["tags"])
    return Inventory(tags, complete=doc["complete"])


def content_doc(content: TagContent | None) -> list[Any] | None:
    """Return a tag's content as JSON values."""
    return None if content is None else list(content)


def content_from(doc: Any) -> TagContent | None:
    """Return the content of `content_doc`."""
    if doc is None:
        return None
    pii, owner, part, parts, usage, layout, flags, elements = doc
    said = tuple(Element(oid, text) for oid, text in elements)
    return TagContent(pii, owner, part, parts, usage, layout, tuple(flags), said)


def health_doc(health: Health) -> list[Any]:
    """Return a device's health as JSON values."""
    return [health.ok, health.detail]


def health_from(doc: Any) -> Health:
    """Return the health of `health_doc`."""
    return Health(*doc)


def edges_doc(edges: list[Edge], now_ms: int) -> list[list[Any]]:
    """Return edges with their ages as JSON values."""
    return [[edge.level, max(0, now_ms - edge.at_ms)] for edge in edges]


def edges_from(doc: Any, now_ms: int) -> list[Edge]:
    """Return the edges of `edges_doc`, dated on this side's clock."""
    return [Edge(level, now_ms - age_ms) for level, age_ms in doc]
