"""What this kiosk believes of items and readers, without asking anybody.

    belief = snapshot ⊕ deltas ⊕ news

News are facts of this kiosk and of the site's other kiosks that the catalogue's version does not
cover yet. A snapshot built before the gateway applied our last facts must not un-lend our own
books, so news stay until the gateway said at which version it applied them *and* our catalogue
has reached that version (`Store.covered`).

Everything here only reads.
"""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from circulation.items import Item, ItemState, LoanView, Title
from circulation.patrons import Card, CardStatus, Patron

Doc = Mapping[str, Any]
_Made = TypeVar("_Made")
SOMEBODY = "somebody"
"""The patron of a loan that another kiosk of the site told of: it names no reader."""
_TITLE_FIELDS = ("title_id", "title", "author", "isbn", "year")


@dataclass(frozen=True, slots=True)
class Known:
    """One item as this kiosk believes it to be. `newest`: the fact a new one will name as seen."""

    item: Item
    title: Title
    shelf_mark: str = ""
    uids: tuple[str, ...] = ()
    newest: str | None = None
    patron_id: str | None = None


@dataclass(frozen=True, slots=True)
class KnownPatron:
    """A reader as this kiosk knows them; `pin_hash` is None when no PIN was ever set."""

    patron: Patron
    pin_hash: str | None = None


@dataclass(slots=True)
class Beliefs:
    """Reads the station's database and the snapshots that are open now."""

    station: sqlite3.Connection
    catalogue: sqlite3.Connection | None = None
    patrons: sqlite3.Connection | None = None
    part_names: dict[str, dict[int, str]] = field(default_factory=dict)
    damaged: set[str] = field(default_factory=set)

    @property
    def knows_items(self) -> bool:
        """Whether any catalogue is there; without one nothing can be lent."""
        return self.catalogue is not None or self._any_delta("catalogue")

    @property
    def knows_patrons(self) -> bool:
        """Whether any list of readers is there."""
        return self.patrons is not None or self._any_delta("patrons")

    def by_uid(self, uid: str) -> Known | None:
        """The item a tag lies in."""
        return self._found(self._item_ids("uid", uid, "SELECT item_id FROM item_uid WHERE uid=?"))

    def by_barcode(self, barcode: str) -> Known | None:
        """The item with this label."""
        query = "SELECT item_id FROM item WHERE barcode=?"
        return self._found(self._item_ids("barcode", barcode, query))

    def item(self, item_id: str) -> Known | None:
        """The item of this id."""
        return self._read("catalogue", lambda: self._item(item_id))

    def card(self, card_key: str) -> Card | None:
        """Whose card this is, and what became of it."""
        return self._read("patrons", lambda: self._card(card_key))

    def patron(self, patron_id: str) -> KnownPatron | None:
        """A reader by their random id."""
        return self._read("patrons", lambda: self._patron(patron_id))

    def open_loans(self, patron_id: str) -> list[Known]:
        """What a reader has now, the earliest due first."""
        query = "SELECT item_id FROM item WHERE patron_id=?"
        ids = dict.fromkeys(row[0] for row in self._rows(self.catalogue, query, patron_id))
        ids.update(dict.fromkeys(self._delta_keys("catalogue", "patron", patron_id)))
        news = "SELECT item_id FROM news WHERE patron_id=? AND item_id IS NOT NULL"
        ids.update(dict.fromkeys(row[0] for row in self._rows(self.station, news, patron_id)))
        known = [found for found in map(self.item, ids) if found is not None]
        lent = [found for found in known if found.item.loan and found.patron_id == patron_id]
        return sorted(lent, key=_due_first)

    def _item(self, item_id: str) -> Known | None:
        doc = self._item_doc(item_id)
        return self._known(doc, self._news(item_id)) if doc is not None else None

    def _card(self, card_key: str) -> Card | None:
        for patron_id in self._delta_keys("patrons", "card", card_key):
            for card in self._delta("patrons", patron_id).get("cards", ()):
                if card.get("card_key") == card_key:
                    return _card(card, patron_id)
        row = self._one(self.patrons, "SELECT * FROM card WHERE card_key=?", card_key)
        if row is None or self._has_delta("patrons", row["patron_id"]):
            return None
        return _card(row, row["patron_id"])

    def _patron(self, patron_id: str) -> KnownPatron | None:
        if self._has_delta("patrons", patron_id):
            doc = self._delta("patrons", patron_id)
            return _patron(doc, doc.get("blocked") or ()) if doc else None
        row = self._one(self.patrons, "SELECT * FROM patron WHERE patron_id=?", patron_id)
        return _patron(dict(row), json.loads(row["blocked"] or "[]")) if row else None

    def _known(self, doc: Doc, news: sqlite3.Row | None) -> Known:
        title = doc.get("title") or {}
        merged = _under_news(doc, news)
        state = _state(merged.get("state"))
        patron_id = merged.get("patron_id")
        loan = _loan(merged) if state is ItemState.ON_LOAN and merged.get("loan") else None
        item_id = str(doc["item_id"])
        item = Item(
            item_id=item_id,
            item_type=str(doc.get("item_type") or "book"),
            owner=str(doc.get("owner") or ""),
            home=str(doc.get("home") or ""),
            title_id=str(doc.get("title_id") or ""),
            barcode=str(doc.get("barcode") or ""),
            state=state,
            reference=bool(doc.get("reference")),
            not_for_loan=bool(doc.get("not_for_loan")),
            price_cents=doc.get("price_cents"),
            parts_total=int(doc.get("parts_total") or 1),
            part_names=self.part_names.get(item_id, {}),
            parts_missing=_ordinals(doc.get("parts_missing")),
            held_for=doc.get("held_for"),
            loan=loan,
            deposit=doc.get("deposit"),
            unsecured=bool(merged.get("unsecured")),
        )
        return Known(
            item,
            _title(title, item.title_id),
            str(doc.get("shelf_mark") or ""),
            tuple(doc.get("uids") or ()),
            merged.get("last_fact"),
            patron_id if loan else None,
        )

    def _found(self, item_ids: Iterable[str]) -> Known | None:
        for item_id in item_ids:
            known = self.item(item_id)
            if known is not None:
                return known
        return None

    def _item_ids(self, name: str, value: str, query: str) -> Iterator[str]:
        """Items with this value, a delta's word before the snapshot's."""
        yield from self._delta_keys("catalogue", name, value)
        for row in self._rows(self.catalogue, query, value):
            if not self._has_delta("catalogue", row[0]):
                yield row[0]

    def _item_doc(self, item_id: str) -> Doc | None:
        if self._has_delta("catalogue", item_id):
            return self._delta("catalogue", item_id) or None
        row = self._one(self.catalogue, "SELECT * FROM item WHERE item_id=?", item_id)
        if row is None:
            return None
        uids = self._rows(self.catalogue, "SELECT uid FROM item_uid WHERE item_id=?", item_id)
        title = self._one(
            self.catalogue, "SELECT * FROM title WHERE title_id=?", row["title_id"] or ""
        )
        return {
            **dict(row),
            "uids": sorted(uid[0] for uid in uids),
            "title": dict(title) if title else None,
        }

    def _news(self, item_id: str) -> sqlite3.Row | None:
        """The item's newest news, a loan winning over what did not know of it."""
        newest: sqlite3.Row | None = None
        query = "SELECT * FROM news WHERE item_id=? AND done=0 ORDER BY n"
        for row in self._rows(self.station, query, item_id):
            if newest is None or _replaces(row, newest):
                newest = row
        return newest

    def _any_delta(self, kind: str) -> bool:
        return self._one(self.station, "SELECT 1 FROM delta WHERE kind=?", kind) is not None

    def _has_delta(self, kind: str, key: str) -> bool:
        query = "SELECT 1 FROM delta WHERE kind=? AND key=?"
        return self._one(self.station, query, kind, key) is not None

    def _delta(self, kind: str, key: str) -> dict[str, Any]:
        """A changed document; empty when the change was that it is gone."""
        query = "SELECT doc FROM delta WHERE kind=? AND key=?"
        row = self._one(self.station, query, kind, key)
        return json.loads(row["doc"]) or {} if row else {}

    def _delta_keys(self, kind: str, name: str, value: str) -> list[str]:
        query = "SELECT key FROM delta_index WHERE kind=? AND name=? AND value=?"
        return [row[0] for row in self._rows(self.station, query, kind, name, value)]

    def _read(self, kind: str, make: Callable[[], _Made | None]) -> _Made | None:
        """Return what a row means; one that makes no sense is unknown, and its list damaged.

        A flipped bit in a text is no error to SQLite.
        """
        try:
            return make()
        except (ValueError, TypeError, KeyError, IndexError, OverflowError):
            self.damaged.add(kind)
            return None

    def _one(self, base: sqlite3.Connection | None, query: str, *values: str) -> Any:
        return next(iter(self._rows(base, query, *values)), None)

    def _rows(self, base: sqlite3.Connection | None, query: str, *values: str) -> list[Any]:
        if base is None:
            return []
        try:
            return base.execute(query, values).fetchall()
        except (sqlite3.DatabaseError, UnicodeDecodeError):
            if base is self.station:
                raise
            # What lies on the damaged page is unknown until the list has been fetched again.
            self.damaged.add("catalogue" if base is self.catalogue else "patrons")
            return []


def _replaces(row: sqlite3.Row, newest: sqlite3.Row) -> bool:
    """A return that never saw the loan does not end it: lent and gone beats put back."""
    if newest["state"] != "on" or row["state"] == "on" or row["station"] == newest["station"]:
        return True
    return newest["fact"] in json.loads(row["saw"])


def _under_news(doc: Doc, news: sqlite3.Row | None) -> Doc:
    if news is None:
        return doc
    merged = {**doc, "last_fact": news["fact"], "unsecured": news["state"] == "off_unsecured"}
    if news["state"] == "on" or news["patron_id"]:
        return merged | {
            "state": "on_loan",
            "patron_id": news["patron_id"] or SOMEBODY,
            "loan": news["loan"],
            "due_at": news["due_at"] if news["due_at"] is not None else news["wall"],
            "reach": news["reach"],
            "renewals": news["renewals"],
            "lent_at": news["lent_at"],
            "on_site": bool(news["on_site"]),
            "policy_version": news["policy"],
            "session": news["session"],
            "doubtful": not news["own"],
        }
    return merged | {"state": "to_be_shelved", "patron_id": None, "loan": None, "due_at": None}


def _loan(doc: Doc) -> LoanView:
    due = _instant(doc.get("due_at") or 0)
    patron = str(doc.get("patron_id") or SOMEBODY)
    held_for = doc.get("held_for")
    return LoanView(
        loan=str(doc["loan"]),
        item_id=str(doc["item_id"]),
        item_type=str(doc.get("item_type") or "book"),
        patron=patron,
        checked_out_at=_instant(doc["lent_at"]) if doc.get("lent_at") else due,
        due_at=due,
        reach=int(doc.get("reach") or 0),
        on_site=bool(doc.get("on_site")),
        renewals=int(doc.get("renewals") or 0),
        session=str(doc.get("session") or ""),
        title_id=str(doc.get("title_id") or ""),
        policy_version=int(doc.get("policy_version") or 0),
        wanted=held_for is not None and held_for != patron,
        doubtful=bool(doc.get("doubtful")),
    )


def _ordinals(value: Any) -> frozenset[int]:
    """Parts as a change lists them, or as the snapshot's text does."""
    listed = json.loads(value) if isinstance(value, str) and value else value
    return frozenset(int(part) for part in listed or ())


def _instant(at_ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC)


def _state(code: Any) -> ItemState:
    try:
        return ItemState(code)
    except ValueError:  # a newer gateway's word: the item is in somebody's hand right now
        return ItemState.UNCERTAIN


def _title(doc: Mapping[str, Any], title_id: str) -> Title:
    return Title(
        title_id=title_id,
        title=str(doc.get("title") or ""),
        author=str(doc.get("author") or ""),
        isbn=str(doc.get("isbn") or ""),
        year=str(doc.get("year") or ""),
    )


def _card(doc: Any, patron_id: str) -> Card:
    try:
        status = CardStatus(doc["status"])
    except ValueError:
        status = CardStatus.VOID
    return Card(doc["card_key"], doc["key_id"], patron_id, status)


def _patron(doc: Doc, blocked: Iterable[str]) -> KnownPatron:
    expires = doc.get("expires_on")
    reasons = tuple(str(reason) for reason in blocked)
    paused = next((reason for reason in reasons if reason.startswith("suspended_until:")), "")
    patron = Patron(
        patron_id=str(doc["patron_id"]),
        category=str(doc.get("category") or "reader"),
        short_name=str(doc.get("short_name") or ""),
        class_name=doc.get("class"),
        member=str(doc.get("member") or ""),
        expires_on=_day(expires),
        blocked=tuple(r for r in reasons if r not in ("left", paused)),
        left="left" in reasons,
        suspended_until=_day(paused.partition(":")[2]),
        fee_cents=int(doc.get("fee_cents") or 0),
        age_reached=doc.get("age_reached"),
    )
    return KnownPatron(patron, doc.get("pin_hash"))


def _day(text: Any) -> dt.date | None:
    try:
        return dt.date.fromisoformat(str(text)[:10]) if text else None
    except ValueError:
        return None


def _due_first(known: Known) -> tuple[dt.datetime, str]:
    loan = known.item.loan
    assert loan is not None
    return loan.due_at, known.item.item_id
