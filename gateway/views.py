"""Documents as the rules see them: what `docs.py` tells stations, turned into rule objects."""

from __future__ import annotations

import datetime as dt
from typing import Any, NamedTuple, cast

from circulation.items import Item, ItemState, LoanView
from circulation.may_leave import reach_of
from circulation.patrons import Patron
from gateway.docs import Doc

SOMEBODY = "somebody"
FIRST_INSTANT = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
LAST_INSTANT = dt.datetime(9998, 12, 31, tzinfo=dt.UTC)


def instant(instant_ms: int | None) -> dt.datetime | None:
    """Return an instant as an aware datetime; beyond the calendar, its first or last year.

    >>> instant(0).isoformat()
    '1970-01-01T00:00:00+00:00'
    """
    if instant_ms is None:
        return None
    try:
        return FIRST_INSTANT + dt.timedelta(milliseconds=instant_ms)
    except OverflowError:
        return LAST_INSTANT if instant_ms > 0 else FIRST_INSTANT


def item_of(doc: Doc) -> Item:
    """Return an item's document as the rules see it."""
    return Item(
        item_id=doc["item_id"],
        item_type=doc["item_type"],
        owner=doc["owner"] or "",
        home=doc["home"] or "",
        title_id=doc["title_id"] or "",
        barcode=doc["barcode"] or "",
        state=ItemState(doc["state"]),
        reference=bool(doc["reference"]),
        not_for_loan=bool(doc["not_for_loan"]),
        price_cents=doc["price_cents"],
        parts_total=doc["parts_total"] or 1,
        parts_missing=frozenset(doc["parts_missing"]),
        held_for=doc["held_for"],
        loan=loan_of(doc),
        deposit=doc["deposit"],
        unsecured=bool(doc["unsecured"]),
    )


class _Loan(NamedTuple):
    reach: int


class _Standing(NamedTuple):
    """Only what an item's reach follows from: a whole item costs ten times as much to make."""

    state: ItemState
    loan: _Loan | None
    deposit: str | None


def reach_in(doc: Doc) -> int:
    """Return how far the item of a document may go, as `circulation.may_leave.reach_of` says."""
    loan = None if doc["loan"] is None else _Loan(doc["reach"])
    return reach_of(cast("Item", _Standing(ItemState(doc["state"]), loan, doc["deposit"])))


def loan_of(doc: Doc) -> LoanView | None:
    """Return the item's open loan, or None."""
    if doc["loan"] is None:
        return None
    due_at = instant(doc["due_at"]) or LAST_INSTANT
    return LoanView(
        loan=doc["loan"],
        item_id=doc["item_id"],
        item_type=doc["item_type"],
        patron=doc["patron_id"] or SOMEBODY,
        checked_out_at=instant(doc["lent_at"]) or FIRST_INSTANT,
        due_at=due_at,
        reach=doc["reach"],
        on_site=bool(doc["on_site"]),
        renewals=doc["renewals"],
        session=doc["session"] or "",
        title_id=doc["title_id"] or "",
        policy_version=doc["policy_version"] or 0,
        doubtful=doc["state"] == ItemState.UNCERTAIN.value,
    )


def patron_of(doc: Doc) -> Patron:
    """Return a patron's document as the rules see it."""
    return Patron(
        patron_id=doc["patron_id"],
        category=doc["category"],
        short_name=doc["short_name"],
        class_name=doc["class"],
        member=doc["member"] or "",
        expires_on=_day(doc["expires_on"]),
        blocked=tuple(doc["blocked"]),
        fee_cents=doc["fee_cents"],
        age_reached=doc["age_reached"],
    )


def _day(text: Any) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text) if text else None
    except ValueError:
        return None
