"""What the facts of an item add up to, and what staff should look at."""

import enum
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from circulation.items import ItemState

REACH_STREET = 3


class Rule(enum.Enum):
    """Why staff are shown an entry; the value is its code in stores and on screens."""

    UNCERTAIN = "uncertain"
    ORDER_UNCLEAR = "order_unclear"
    UNSEEN_BY_DECISION = "unseen_by_decision"
    NOT_SHOWN = "not_shown"
    IMPLICIT_RETURN = "implicit_return"
    RETURN_PROPOSED = "return_proposed"
    RETURNED_WHILE_MISSING = "returned_while_missing"
    RETURNED_WHILE_LOST = "returned_while_lost"
    RETURNED_WHILE_CLAIMED = "returned_while_claimed"
    RETURNED_WHILE_IN_TRANSIT = "returned_while_in_transit"
    BACK_FROM_REPAIR = "back_from_repair"
    PART_MISSING = "part_missing"
    RENEWAL_OF_ENDED_LOAN = "renewal_of_ended_loan"
    RENEWAL_WHILE_GONE = "renewal_while_gone"
    RENEWAL_WHILE_UNCERTAIN = "renewal_while_uncertain"
    HOLD_SHELF_LEFT = "hold_shelf_left"
    HOLD_OF_ABSENT_ITEM = "hold_of_absent_item"
    DAMAGED_ITEM_LENT = "damaged_item_lent"
    WITHDRAWN_ITEM_LENT = "withdrawn_item_lent"
    WITHDRAWN_ITEM_SEEN = "withdrawn_item_seen"
    WITHDRAWN_WHILE_ON_LOAN = "withdrawn_while_on_loan"


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing for staff to see; `facts` are the ids it is about.

    detail: the loan it concerns (a checkout's id), for `unseen_by_decision` the decision,
    else empty.
    """

    rule: Rule
    item_id: str
    facts: tuple[str, ...]
    detail: str = ""

    @property
    def key(self) -> str:
        """Return a name that stays the same however often, and wherever, the item is folded."""
        if len(self.facts) == 1:
            return f"{self.rule.value}:{self.facts[0]}"
        joined = " ".join(sorted(self.facts)).encode()
        return f"{self.rule.value}:{hashlib.sha256(joined).hexdigest()[:16]}"


class Holding(NamedTuple):
    """Where an item is, who has it, and on what terms.

    A named tuple, because a fold makes several for every fact, and copying one with changes
    takes a tenth of the time a frozen dataclass needs (1 instead of 10 us, Python 3.11).

    loan: the checkout that opened it; also_named: later checkouts to the same reader, which
    only continued it. A loan can outlive the return of the item, for the parts in
    `parts_owed`; `parts_missing` lack from the item, whoever is to blame. reach: how far the
    loan (or the doubt) lets it be carried. place: the deposit it belongs to until recalled,
    with somebody answerable. bound_for: where it was sent. held_for: the patron of `hold`.
    told: by patron, the latest day that readers were told by facts whose order stays unclear; a
    loan that comes after is due no earlier. The next loan or return ends it, being seen does not.
    """

    state: ItemState = ItemState.AVAILABLE
    patron: str | None = None
    loan: str | None = None
    also_named: tuple[str, ...] = ()
    session: str | None = None
    due_at: int | None = None
    reach: int = 0
    renewals: int = 0
    parts_missing: tuple[int, ...] = ()
    parts_owed: tuple[int, ...] = ()
    place: str | None = None
    answerable: str | None = None
    location: str | None = None
    bound_for: str | None = None
    hold: str | None = None
    held_for: str | None = None
    unsecured: bool = False
    told: tuple[tuple[str, int], ...] = ()

    @property
    def loan_names(self) -> frozenset[str]:
        """Return every checkout by which a renewal may name the open loan."""
        return frozenset(self.also_named if self.loan is None else (self.loan, *self.also_named))

    def to_doc(self) -> dict[str, Any]:
        """Return the holding as JSON can hold it."""
        return {**self._asdict(), "state": self.state.value}

    @classmethod
    def from_doc(cls, doc: Mapping[str, Any]) -> "Holding":
        """Return the holding that `to_doc` wrote; what an older version left out is default."""
        known = {name: doc[name] for name in cls._fields if name in doc}
        for name, value in known.items():
            if isinstance(value, list):
                known[name] = tuple(tuple(one) if isinstance(one, list) else one for one in value)
        return cls(**{**known, "state": ItemState(doc["state"])})


ON_SHELF = Holding()
