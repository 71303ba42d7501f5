"""Which item a fact means, decided once: when it is applied.

The item's id if the fact names one we have, else its barcode, else a tag's UID. Stored beside
the fact, so that a tag swapped later does not move history to another item.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from circulation.wire import kinds
from gateway.review import ReviewEntry
from gateway.schema import ITEM, ITEM_UID
from gateway.statements import LIBRARY, Statement, among
from gateway.store import Write
from gateway.tags import set_uids

Fields = Mapping[str, Any]
UIDS_PER_FACT_MAX = 64


_BY_BARCODE = Statement(
    sa.select(ITEM.c.barcode, ITEM.c.item_id).where(
        ITEM.c.library_id == LIBRARY, among(ITEM.c.barcode, "values")
    )
)
_BY_UID = Statement(
    sa.select(ITEM_UID.c.uid, ITEM_UID.c.item_id).where(
        ITEM_UID.c.library_id == LIBRARY, among(ITEM_UID.c.uid, "values")
    )
)


class Resolver:
    """What the catalogue says of the ids, barcodes and tags in a batch; asked once for all."""

    def __init__(self, write: Write, batch: Iterable[Fields]):
        batch = list(batch)
        items = {fields["item"] for fields in batch if fields.get("item")}
        barcodes = {fields["barcode"] for fields in batch if fields.get("barcode")}
        uids = {uid for fields in batch for uid in uids_of(fields)}
        self._write = write
        self.learned: set[str] = set()  # tags whose item is known since `learn_tags`
        self._items = write.shelf.rows(items).keys()
        self._barcodes = _pairs(write, _BY_BARCODE, barcodes)
        self._uids = _pairs(write, _BY_UID, uids)

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
                if other == item_id:
                    self.learned.add(uid)
                elif other is None or fields["kind"] == kinds.TAG_WRITTEN:
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


def _pairs(write: Write, statement: Statement, values: set[str]) -> dict[str, str]:
    """Return the items by the numbers that name them."""
    return {row[0]: row[1] for row in write.rows(statement, values=list(values))} if values else {}
