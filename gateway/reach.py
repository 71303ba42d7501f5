"""How far an item may be carried, from its document (0 nowhere .. 3 out into the street)."""

from __future__ import annotations

from gateway.docs import Doc

LEAVES_FREELY = ("in_transit", "withdrawn", "in_repair")


def may_leave_reach(doc: Doc) -> int:
    """Return the farthest boundary the item may pass."""
    if doc["state"] in LEAVES_FREELY or doc.get("place"):
        return 3
    return int(doc["reach"])
