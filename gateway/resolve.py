"""Which item a fact means, decided once: when it is applied.

The item's id if the fact names one we have, else its barcode, else a tag's UID. Stored beside
the fact, so that a tag swapped later does not move history to another item.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from circulation.wire import kinds
from gateway import schema
from gateway.docs import chunks
from gateway.review import ReviewEntry
from gateway.store import Write
from gateway.tags import set_uids

Fields = Mapping[str, Any]
UIDS_PER_FACT_MAX = 64


class Resolver:
    """What the catalogue says of the ids, barcodes and tags in a batch; asked once for all."""

    def __init__(self, write: Write, batch: Iterable[Fields]):
        batch = list(batch)
        items = {fields["item"] for fields in batch if fields.get("item")}
        barcodes = {fields["barcode"] for fields in batch if fields.get("barcode")}
        uids = {uid for fields in batch for uid in uids_of(fields)}
        self._write = write
        self.learned: set[str] = set()  # tags whose item is known since `learn_tags`
        self._items = set(_column(write, schema.ITEM, "item_id", "item_id", items))
        self._barcodes = _column(write, schema.ITEM, "barcode", "item_id", barcodes)
        self._uids = _column(write, schema.ITEM_UID, "uid", "item_id", uids)

    def item_of(self, fields: Fields) -> str | None:
        """Return the item a fact means, or None if nobody knows it."""
        if fields.get("item") in self._items:
            return str(fields["item"])
        by_label = self._barcodes.get(fields.get("barcode") or "")
        if by_label is not None:
            return by_label
        known = [self._uids[uid] for uid in uids_of(fields) if uid in self._uids]
        return known[0] if known else None

    def learn_tags(self, facts: Iterable[tuple[str, Fields, str | None]]) -> list[ReviewEntry]:
        """Learn from (id, fields, item) which tags lie in which item.

        A tag seen in one item and known from another is for staff to look at; only writing a
        tag moves it.
        """
        entries: list[ReviewEntry] = []
        pairs: dict[str, str] = {}
        for fact_id, fields, item_id in facts:
            if item_id is None or not _names_both(fields):
                continue
            for uid in uids_of(fields):
                other = self._uids.get(uid)
                if other in (None, item_id) or fields["kind"] == kinds.TAG_WRITTEN:
                    pairs[uid] = self._uids[uid] = item_id
                elif fields["kind"] == kinds.TAG_SEEN:
                    entries.append(_elsewhere(fact_id, uid, item_id, str(other)))
        if pairs:
            set_uids(self._write, pairs)
        self.learned.update(pairs)
        return entries


def uids_of(fields: Fields) -> list[str]:
    """Return every tag a fact names."""
    uids = list(fields.get("uids") or ())[:UIDS_PER_FACT_MAX]
    if fields.get("uid"):
        uids.append(fields["uid"])
    return uids


def _names_both(fields: Fields) -> bool:
    """Return whether a station had tag and number together; a gate knows one by the other."""
    if fields["kind"] == kinds.ALARM:
        return False
    return bool(fields.get("item") or fields.get("barcode"))


def _elsewhere(fact_id: str, uid: str, item_id: str, other: str) -> ReviewEntry:
    return ReviewEntry(
        key=f"tag_elsewhere:{uid}:{item_id}",
        rule="tag_elsewhere",
        item_id=item_id,
        facts=(fact_id,),
        detail={"uid": uid, "known_from": other},
    )


def _column(
    write: Write, table: sa.Table, name: str, wanted: str, values: set[str]
) -> dict[str, str]:
    """Return one column by another for these values."""
    found: dict[str, str] = {}
    for some in chunks(sorted(values)):
        query = sa.select(table.c[name].label("key"), table.c[wanted].label("value")).where(
            table.c.library_id == write.library_id, table.c[name].in_(some)
        )
        found.update((row.key, row.value) for row in write.execute(query))
    return found
