"""Items and patrons as stations are told of them: one dict each, the same in list and change.

A document is built from the tables as they stand inside the caller's transaction. What a kiosk
has no need of (birth dates, addresses, a title's full record) never enters one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa

from circulation.may_leave import STREET
from gateway import schema

IN_CLAUSE_MAX = 900  # SQLite before 3.32 takes 999 parameters
Doc = dict[str, Any]
Value = TypeVar("Value")

ITEM_FIELDS = (
    "item_id", "title_id", "barcode", "accession_no", "item_type", "owner", "home", "location",
    "shelf_mark", "reference", "not_for_loan", "parts_total", "price_cents",
)  # fmt: skip
HELD_FIELDS = {  # the document's name for a field of the holding
    "patron_id": "patron",
    "loan": "loan",
    "due_at": "due_at",
    "session": "session",
    "deposit": "place",
}
PATRON_FIELDS = (  # what `patron_doc` reads
    "patron_id", "short_name", "category", "class_id", "member", "expires_on", "blocked",
    "fee_cents", "pin_hash", "age_reached",
)  # fmt: skip
TITLE_FIELDS = ("title_id", "title", "author", "isbn", "year")
HOLD_WAITING = ("placed", "trapped", "shelved")
HELD_WHEN_BACK = ("on_loan", "in_transit", "to_be_shelved")


def chunks(values: Sequence[Value], size: int = IN_CLAUSE_MAX) -> Iterator[Sequence[Value]]:
    """Yield the values in slices of at most ``size``."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def item_docs(
    connection: sa.Connection, library_id: str, item_ids: Iterable[str]
) -> dict[str, Doc]:
    """Return the documents of the items that exist, by id."""
    docs: dict[str, Doc] = {}
    for ids in chunks(sorted(item_ids)):
        query = items_query(library_id).where(schema.ITEM.c.item_id.in_(ids))
        part = {row["item_id"]: item_doc(row) for row in connection.execute(query).mappings()}
        _add_uids(connection, library_id, part)
        _add_holds(connection, library_id, part)
        docs.update(part)
    return docs


def items_query(library_id: str, *, titles: bool = True) -> sa.Select[Any]:
    """Return the query whose rows `item_doc` understands: item, title, holding and loan.

    titles: False leaves the title out, which then is not asked for.
    """
    item, title, holding, loan = schema.ITEM, schema.TITLE, schema.HOLDING, schema.LOAN
    joined = item.outerjoin(holding, _same(library_id, holding, item, "item_id")).outerjoin(
        loan, _same(library_id, loan, holding, "loan")
    )
    columns: list[sa.ColumnElement[Any]] = [item.c[name] for name in ITEM_FIELDS]
    columns += [
        item.c.initial,
        holding.c.state,
        holding.c.last,
        holding.c.doc,
        loan.c.opened_at,
        loan.c.policy_version,
    ]
    if titles:
        joined = joined.outerjoin(title, _same(library_id, title, item, "title_id"))
        columns += [title.c[name].label(f"title_{name}") for name in TITLE_FIELDS]
    return sa.select(*columns).select_from(joined).where(item.c.library_id == library_id)


def _same(library_id: str, table: sa.Table, other: sa.Table, name: str) -> Any:
    return sa.and_(table.c.library_id == library_id, table.c[name] == other.c[name])


def item_doc(row: Mapping[Any, Any]) -> Doc:
    """Return an item's document; its tags and hold are added by the caller."""
    return {**label_of(row), **held_fields(row), "uids": []}


def label_of(row: Mapping[Any, Any]) -> Doc:
    """Return the part of an item's document that no fact changes: its label and title."""
    doc: Doc = {name: row[name] for name in ITEM_FIELDS}
    doc["title"] = None
    if row["title_title_id"] is not None:
        doc["title"] = {name: row[f"title_{name}"] for name in TITLE_FIELDS}
    return doc


def held_fields(row: Mapping[Any, Any]) -> Doc:
    """Return what is said of an item beyond its label: state, loan, and for whom it is kept.

    A hold that waits for it is added by the caller.
    """
    held = row["doc"] or {}  # as it lies in the table, or read already
    if isinstance(held, str):
        held = json.loads(held)
    last = row["last"] or []
    fields: Doc = {"state": row["state"] or row["initial"] or "available"}
    for name, source in HELD_FIELDS.items():
        fields[name] = held.get(source)
    fields["reach"] = held.get("reach") or 0
    fields["renewals"] = held.get("renewals") or 0
    fields["unsecured"] = int(bool(held.get("unsecured")))
    fields["parts_missing"] = list(held.get("parts_missing") or ())
    fields["lent_at"] = row["opened_at"]
    fields["policy_version"] = row["policy_version"]
    fields["on_site"] = int(bool(fields["loan"]) and fields["reach"] < STREET)
    fields["last_fact"] = last[-1] if last else None
    fields["held_for"] = held.get("held_for")
    return fields


def _add_uids(connection: sa.Connection, library_id: str, docs: dict[str, Doc]) -> None:
    table = schema.ITEM_UID
    query = (
        sa.select(table.c.item_id, table.c.uid)
        .where(table.c.library_id == library_id, table.c.item_id.in_(list(docs)))
        .order_by(table.c.uid)
    )
    for item_id, uid in connection.execute(query):
        docs[item_id]["uids"].append(uid)


def _add_holds(connection: sa.Connection, library_id: str, docs: dict[str, Doc]) -> None:
    """Name the reader each item is kept for: a hold on the copy, else one on a lent title."""
    hold = schema.HOLD
    title_ids = {doc["title_id"] for doc in docs.values() if doc["title_id"]}
    on_copies = waiting(connection, library_id, hold.c.item_id, hold.c.item_id.in_(list(docs)))
    on_titles = waiting(connection, library_id, hold.c.title_id, hold.c.title_id.in_(title_ids))
    for item_id, doc in docs.items():
        doc["held_for"] = kept_for(
            doc, on_copies.get(item_id), on_titles.get(doc["title_id"] or "")
        )


def waiting(
    connection: sa.Connection, library_id: str, by: sa.Column[Any], condition: Any
) -> dict[str, str]:
    """Return the reader who waits longest, by item or by title.

    by: the hold's item, or its title, which are those holds that name no copy.
    """
    hold = schema.HOLD
    query = (
        sa.select(by, hold.c.patron_id)
        .where(hold.c.library_id == library_id, hold.c.state.in_(HOLD_WAITING), condition)
        .order_by(hold.c.placed_at, hold.c.hold)
    )
    if by is hold.c.title_id:
        query = query.where(hold.c.item_id.is_(None))
    found: dict[str, str] = {}
    for key, patron_id in connection.execute(query.where(hold.c.patron_id.is_not(None))):
        found.setdefault(key, patron_id)
    return found


def kept_for(doc: Doc, on_copy: str | None, on_title: str | None) -> str | None:
    """Return the reader an item is kept for.

    doc: its state, and whom the fold says. on_copy, on_title: who waits for it. Whoever waits
    for the title gets the copy that comes back, not one from the shelf.
    """
    reader: str | None = doc["held_for"] or on_copy
    return on_title if reader is None and doc["state"] in HELD_WHEN_BACK else reader


def patron_docs(
    connection: sa.Connection, library_id: str, patron_ids: Iterable[str]
) -> dict[str, Doc]:
    """Return what kiosks may know of these patrons, by id."""
    docs: dict[str, Doc] = {}
    table = schema.PATRON
    for ids in chunks(sorted(patron_ids)):
        query = sa.select(table).where(
            table.c.library_id == library_id, table.c.patron_id.in_(ids)
        )
        part = {row["patron_id"]: patron_doc(row) for row in connection.execute(query).mappings()}
        _add_cards(connection, library_id, part)
        docs.update(part)
    return docs


def patron_doc(row: Mapping[Any, Any]) -> Doc:
    """Return a patron's document; the cards are added by the caller."""
    return {
        "patron_id": row["patron_id"],
        "short_name": row["short_name"],
        "category": row["category"],
        "class": row["class_id"],
        "member": row["member"],
        "expires_on": row["expires_on"],
        "blocked": row["blocked"] or [],
        "fee_cents": row["fee_cents"],
        "pin_hash": row["pin_hash"],
        "age_reached": row["age_reached"],
        "cards": [],
    }


def _add_cards(connection: sa.Connection, library_id: str, docs: dict[str, Doc]) -> None:
    table = schema.CARD
    query = (
        sa.select(table)
        .where(table.c.library_id == library_id, table.c.patron_id.in_(list(docs)))
        .order_by(table.c.card_key)
    )
    for row in connection.execute(query).mappings():
        card = {name: row[name] for name in ("card_key", "key_id", "status")}
        docs[row["patron_id"]]["cards"].append(card)


def leave_keys(doc: Doc) -> list[str]:
    """Return the keys a gate may know an item by: its tags, else the number on its label.

    >>> leave_keys({"uids": ["e0040150"], "barcode": "1001"})
    ['e0040150']
    >>> leave_keys({"uids": [], "barcode": "1001"})
    ['item:1001']
    """
    if doc["uids"]:
        return list(doc["uids"])
    return [f"item:{doc['barcode']}"] if doc["barcode"] else []
