"""What a transaction has read of items, each of them once: catalogue, holding and loan in a row.

Resolving a fact, judging it, folding it in and telling stations all need the same rows. Whoever
changes one of them in the transaction says so here, and the last of these readers sees it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from gateway.docs import HOLD_WAITING, Doc, held_fields, items_query, kept_for, label_of
from gateway.schema import HOLD, HOLDING, ITEM, ITEM_UID, LOAN
from gateway.statements import LIBRARY, Statement, among

Row = dict[str, Any]

_ITEMS = Statement(
    items_query(LIBRARY)  # type: ignore[arg-type]
    .add_columns(HOLDING.c.loan, HOLDING.c.floor_ms, HOLDING.c.doubted)
    .where(among(ITEM.c.item_id, "items"))
)
_UIDS = Statement(
    sa.select(ITEM_UID.c.item_id, ITEM_UID.c.uid).where(
        ITEM_UID.c.library_id == LIBRARY, among(ITEM_UID.c.item_id, "items")
    )
)
_LOANS = Statement(
    sa.select(LOAN.c.loan, LOAN.c.opened_at, LOAN.c.policy_version).where(
        LOAN.c.library_id == LIBRARY, among(LOAN.c.loan, "loans")
    )
)


def _waiting(by: sa.Column[Any], *conditions: Any) -> Statement:
    return Statement(
        sa.select(by, HOLD.c.patron_id)
        .where(
            HOLD.c.library_id == LIBRARY,
            HOLD.c.state.in_(HOLD_WAITING),
            among(by, "keys"),
            *conditions,
        )
        .order_by(HOLD.c.placed_at, HOLD.c.hold)
    )


_ON_COPIES = _waiting(HOLD.c.item_id)
_ON_TITLES = _waiting(HOLD.c.title_id, HOLD.c.item_id.is_(None))


class Shelf:
    """The items of one library as one transaction sees them."""

    def __init__(self, connection: sa.Connection, library_id: str):
        self._connection = connection
        self._library_id = library_id
        self._rows: dict[str, Row | None] = {}  # None: there is no such item
        self._labels: dict[str, Doc] = {}
        self._loans: dict[str, tuple[int | None, int | None]] = {}  # opened at, policy version

    def rows(self, item_ids: Iterable[str]) -> dict[str, Row]:
        """Return the rows of the items that exist, by id."""
        wanted = set(item_ids)
        new = [item_id for item_id in wanted if item_id not in self._rows]
        if new:
            self._rows.update(dict.fromkeys(new))
            for row in self._ask_dicts(_ITEMS, items=new):
                row["doc"] = json.loads(row["doc"]) if row["doc"] else None
                self._rows[row["item_id"]] = row
        found = {item_id: self._rows[item_id] for item_id in wanted}
        return {item_id: row for item_id, row in found.items() if row is not None}

    def docs(self, item_ids: Iterable[str]) -> dict[str, Doc]:
        """Return the documents of the items that exist, by id, as stations are told of them."""
        docs = self.untagged(item_ids)
        if docs:
            for item_id, uid in sorted(self._ask(_UIDS, items=list(docs))):
                docs[item_id]["uids"].append(uid)
        return docs

    def untagged(self, item_ids: Iterable[str]) -> dict[str, Doc]:
        """Return the documents of the items that exist, by id, their tags left out."""
        docs = {item_id: self._doc(row) for item_id, row in self.rows(item_ids).items()}
        self._name_waiting(docs)
        return docs

    def _doc(self, row: Row) -> Doc:
        item_id = row["item_id"]
        label = self._labels.get(item_id)
        if label is None:
            label = self._labels[item_id] = label_of(row)
        return {**label, **held_fields(row), "uids": []}

    def _name_waiting(self, docs: Mapping[str, Doc]) -> None:
        """Write into documents the reader each item is kept for, holds included."""
        if not docs:
            return
        titles = {doc["title_id"] for doc in docs.values() if doc["title_id"]}
        on_copies = _first_of_each(self._ask(_ON_COPIES, keys=list(docs)))
        on_titles = _first_of_each(self._ask(_ON_TITLES, keys=list(titles)))
        for item_id, doc in docs.items():
            on_title = on_titles.get(doc["title_id"] or "")
            doc["held_for"] = kept_for(doc, on_copies.get(item_id), on_title)

    def lend(self, loans: Iterable[tuple[str, int, int | None]]) -> None:
        """Note loans just opened: each with its instant and the version of its policy."""
        for loan, opened_at, policy_version in loans:
            self._loans.setdefault(loan, (opened_at, policy_version))

    def hold(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Note holdings about to be written, which may name other loans than before."""
        known = [(self._rows.get(row["item_id"]), row) for row in rows]
        pairs = [(there, row) for there, row in known if there is not None]
        for there, _row in pairs:
            if there["loan"]:
                before = (there["opened_at"], there["policy_version"])
                self._loans.setdefault(there["loan"], before)
        named = {row["loan"] for _there, row in pairs if row["loan"]}
        self._read_loans(named - self._loans.keys())
        for there, row in pairs:
            opened_at, policy_version = self._loans.get(row["loan"], (None, None))
            there.update(row, opened_at=opened_at, policy_version=policy_version)

    def forget(self) -> None:
        """Read everything again: items or titles were written."""
        self._rows.clear()
        self._labels.clear()
        self._loans.clear()

    def _read_loans(self, loans: set[str]) -> None:
        if loans:
            for row in self._ask(_LOANS, loans=list(loans)):
                self._loans[row.loan] = (row.opened_at, row.policy_version)

    def _ask(self, statement: Statement, **values: Any) -> list[Any]:
        return statement.rows(self._connection, library_id=self._library_id, **values)

    def _ask_dicts(self, statement: Statement, **values: Any) -> list[Row]:
        return statement.dicts(self._connection, library_id=self._library_id, **values)


def _first_of_each(rows: list[Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, patron_id in rows:
        found.setdefault(key, patron_id)
    return found
