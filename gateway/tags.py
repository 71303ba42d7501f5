"""Which tag lies in which item: one row a tag, from imports or from any reader that saw both."""

from __future__ import annotations

from collections.abc import Mapping

from gateway import schema
from gateway.docs import chunks
from gateway.store import Write


def set_uids(write: Write, pairs: Mapping[str, str], learned_from: str | None = None) -> None:
    """Record which tag lies in which item; the item that loses a tag is changed too."""
    table = schema.ITEM_UID
    known: dict[str, str] = {}
    for uids in chunks(sorted(pairs)):
        query = write.select(table).where(table.c.uid.in_(uids))
        known.update({row.uid: row.item_id for row in write.execute(query)})
    moved = {uid: item for uid, item in pairs.items() if known.get(uid) != item}
    write.upsert(
        table,
        [
            {"uid": uid, "item_id": item, "learned_from": learned_from}
            for uid, item in sorted(moved.items())
        ],
    )
    write.changes.items.update(moved.values())
    write.changes.items.update(known[uid] for uid in moved if uid in known)
