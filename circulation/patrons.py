"""Readers, their cards, and what stands against them.

A card is a name and no proof. A station holds no birth date: `age_reached` is the highest of
the policy's age limits a reader has reached, worked out where the birth date is known.
"""

import datetime as dt
import enum
import hashlib
import hmac
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from circulation.items import LoanView
from circulation.policy import Terms
from circulation.reasons import Finding, Reason

CARD_KEY_BYTES_MIN = 16
CARD_ID_LENGTH_MAX = 128


class CardStatus(enum.Enum):
    """What became of a card."""

    ACTIVE = "active"
    LOST = "lost"
    VOID = "void"


class Pin(enum.Enum):
    """Whether the reader gave a PIN, and whether it was right."""

    NOT_GIVEN = "not_given"
    RIGHT = "right"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Card:
    """A card: the keyed hash of its number, the key it was made with, and whose it is."""

    card_key: str
    key_id: str
    patron_id: str
    status: CardStatus = CardStatus.ACTIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Patron:
    """A reader, or a class that borrows as one.

    `blocked`: why staff blocked the account, in their words. `left`: signed off (a graduate).
    """

    patron_id: str
    category: str
    short_name: str = ""
    class_name: str | None = None
    member: str = ""
    expires_on: dt.date | None = None
    blocked: tuple[str, ...] = ()
    left: bool = False
    suspended_until: dt.date | None = None
    fee_cents: int = 0
    age_reached: int | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """How a reader showed who they are; a typed number is no card in the hand."""

    card: CardStatus = CardStatus.ACTIVE
    pin: Pin = Pin.NOT_GIVEN
    typed: bool = False


BY_CARD = Identity()


def card_key(key: bytes, card_id: str) -> str:
    """Return the keyed hash of a card's number or UID: HMAC-SHA256, 16 bytes, as hex.

    Blanks around it and the case of its letters do not matter.
    """
    if len(key) < CARD_KEY_BYTES_MIN:
        raise ValueError(f"a card key has at least {CARD_KEY_BYTES_MIN} bytes, not {len(key)}")
    normal = card_id.strip().casefold()
    if not 1 <= len(normal) <= CARD_ID_LENGTH_MAX:
        raise ValueError(f"a card id has 1 to {CARD_ID_LENGTH_MAX} characters")
    return hmac.new(key, normal.encode(), hashlib.sha256).digest()[:16].hex()


def age_reached(born_on: dt.date, limits: Collection[int], today: dt.date) -> int:
    """Return the highest of these age limits that somebody has reached, 0 for none.

    Who is born on 29 February has a birthday on 1 March in other years.
    """
    had_birthday = (today.month, today.day) >= (born_on.month, born_on.day)
    age = today.year - born_on.year - (0 if had_birthday else 1)
    return max((limit for limit in limits if limit <= age), default=0)


def identity_findings(
    patron: Patron | None, identity: Identity, terms: Terms
) -> Iterator[Finding]:
    """Return what is wrong with the card or the PIN."""
    if patron is None:
        yield Finding(Reason.CARD_UNKNOWN)
        return
    if identity.card is CardStatus.LOST:
        yield Finding(Reason.CARD_LOST)
    if identity.card is CardStatus.VOID:
        yield Finding(Reason.CARD_VOID)
    if identity.pin is Pin.WRONG:
        yield Finding(Reason.PIN_WRONG)
    elif identity.pin is Pin.NOT_GIVEN and (identity.typed or terms.pin_needed):
        yield Finding(Reason.PIN_NEEDED)


def standing_findings(
    patron: Patron | None,
    terms: Terms,
    *,
    today: dt.date,
    now: dt.datetime,
    loans: Sequence[LoanView],
) -> Iterator[Finding]:
    """Return what stands against a reader: expiry, blocks, a pause, debt, overdue items."""
    if patron is None:
        return
    if patron.expires_on is not None and patron.expires_on < today:
        yield Finding(Reason.PATRON_EXPIRED, {"day": str(patron.expires_on)})
    if patron.blocked:
        yield Finding(Reason.PATRON_BLOCKED)
    if patron.left:
        yield Finding(Reason.PATRON_LEFT)
    if patron.suspended_until is not None and today <= patron.suspended_until:
        yield Finding(Reason.PATRON_SUSPENDED, {"day": str(patron.suspended_until)})
    limit = terms.max_debt_cents
    if limit is not None and patron.fee_cents > limit:
        yield Finding(Reason.DEBT, {"owed": money(patron.fee_cents), "limit": money(limit)})
    overdue = sum(loan.due_at < now and not loan.doubtful for loan in loans)
    if terms.max_overdue is not None and overdue > terms.max_overdue:
        yield Finding(Reason.OVERDUE_ITEMS, {"count": overdue})


def money(cents: int) -> str:
    """Return an amount with two decimals and no currency."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"
