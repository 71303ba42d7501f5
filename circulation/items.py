"""Items, titles and loans as the rules see them."""

import datetime as dt
import enum
from collections.abc import Mapping
from dataclasses import dataclass, field


class ItemState(enum.Enum):
    """Where an item stands; the value is its code on the wire."""

    AVAILABLE = "available"
    TO_BE_SHELVED = "to_be_shelved"
    ON_LOAN = "on_loan"
    ON_HOLD_SHELF = "on_hold_shelf"
    IN_TRANSIT = "in_transit"
    MISSING = "missing"
    LOST = "lost"
    CLAIMED_RETURNED = "claimed_returned"
    DAMAGED = "damaged"
    IN_REPAIR = "in_repair"
    WITHDRAWN = "withdrawn"
    UNCERTAIN = "uncertain"


# Any checkout, checkin or sighting ends these: the item is here.
GONE = frozenset({ItemState.MISSING, ItemState.LOST, ItemState.CLAIMED_RETURNED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Title:
    """What copies share."""

    title_id: str
    title: str
    author: str = ""
    isbn: str = ""
    year: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoanView:
    """An open loan as a station knows it; `loan` is the id of its checkout's fact.

    `doubtful`: the item's order is unclear or a return may not have arrived, so nothing is
    held against the reader. `wanted`: another reader waits. `policy_version`: its terms.
    """

    loan: str
    item_id: str
    item_type: str
    patron: str
    checked_out_at: dt.datetime
    due_at: dt.datetime
    reach: int = 3
    on_site: bool = False
    renewals: int = 0
    session: str = ""
    title_id: str = ""
    policy_version: int = 0
    recalled: bool = False
    wanted: bool = False
    doubtful: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One physical copy. `owner` is its member, `home` where it belongs (a site).

    `deposit`: the place it is deposited at, while not recalled. `part_names` by ordinal.
    `held_for`: the reader it is set aside for. `unsecured`: its tag may say on loan although
    it may not leave.
    """

    item_id: str
    item_type: str
    owner: str = ""
    home: str = ""
    title_id: str = ""
    barcode: str = ""
    state: ItemState = ItemState.AVAILABLE
    reference: bool = False
    not_for_loan: bool = False
    price_cents: int | None = None
    parts_total: int = 1
    part_names: Mapping[int, str] = field(default_factory=dict, hash=False)
    parts_missing: frozenset[int] = frozenset()
    held_for: str | None = None
    loan: LoanView | None = None
    deposit: str | None = None
    deposit_recalled: bool = False
    unsecured: bool = False
