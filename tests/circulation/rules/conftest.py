"""Builders of a small school: what a test does not name is harmless."""

import datetime as dt
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from circulation.calendar import Now
from circulation.checkout import CheckoutRequest
from circulation.items import Item, ItemState, LoanView
from circulation.patrons import Patron
from circulation.policy import Policy
from circulation.renewal import RenewalRequest

BERLIN = ZoneInfo("Europe/Berlin")
WEEK = {day: ["08:00-17:00"] for day in ("mon", "tue", "wed", "thu", "fri")}


def local(text: str, zone: ZoneInfo = BERLIN) -> dt.datetime:
    """An instant from local time: 2026-09-14 10:00."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(dt.UTC)


def policy_doc(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "zone": "Europe/Berlin",
        "categories": {
            "pupil": {},
            "teacher": {"rota_exempt": True},
            "class": {"rota_exempt": True},
        },
        "item_types": ["book", "film", "game"],
        "versions": [{"version": 1, "from": "2026-01-01", "rules": list(rules)}],
        "calendars": {"*": {"hours": WEEK}},
    } | more


def policy(*rules: dict[str, Any], **more: Any) -> Policy:
    return Policy.from_doc(policy_doc(*rules, **more))


def patron(**more: Any) -> Patron:
    return Patron(**({"patron_id": "li", "category": "pupil"} | more))


def item(number: int = 1, **more: Any) -> Item:
    given = {"item_id": f"item-{number}", "item_type": "book", "title_id": f"title-{number}"}
    return Item(**(given | more))


def loan(number: int = 1, **more: Any) -> LoanView:
    given = {
        "loan": f"loan-{number}",
        "item_id": f"item-{number}",
        "item_type": "book",
        "patron": "li",
        "checked_out_at": local("2026-09-01 10:00"),
        "due_at": local("2026-09-29 17:00"),
        "title_id": f"title-{number}",
    }
    return LoanView(**(given | more))


def checkout(**more: Any) -> CheckoutRequest:
    given = {
        "patron": patron(),
        "item": item(),
        "open_loans": (),
        "policy": policy(),
        "now": Now(local("2026-09-14 10:00")),
        "site": "main",
    }
    return CheckoutRequest(**(given | more))


def renewal(**more: Any) -> RenewalRequest:
    running = more.get("loan", loan())
    given = {
        "patron": patron(),
        "item": item(state=ItemState.ON_LOAN, loan=running),
        "loan": running,
        "policy": policy(),
        "now": Now(local("2026-09-14 10:00")),
        "site": "main",
    }
    return RenewalRequest(**(given | more))


@pytest.fixture(scope="session")
def school() -> SimpleNamespace:
    """The builders, as one fixture that property tests may use too."""
    return SimpleNamespace(
        local=local,
        policy_doc=policy_doc,
        policy=policy,
        patron=patron,
        item=item,
        loan=loan,
        checkout=checkout,
        renewal=renewal,
        week=WEEK,
        berlin=BERLIN,
        now=lambda text, sure=True: Now(local(text), sure),
    )
