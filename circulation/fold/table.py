"""What each fact does to an item in each state: the whole of it, as one table.

Laws of this file:

1. Every cell is filled: whatever happens in whatever state has an answer. A physical fact is
   never refused, so the answer may be surprising; then it carries rules, and each becomes an
   entry for staff.
2. A cell depends on the state and the event alone. Policy, calendar, tag table and the present
   time have no say: a fact carries its outcome.
3. An event is a kind of fact, told apart where the holding makes a difference: a checkout to
   whoever has the item already is no new loan. `step.py` tells them apart; what an event does
   to patron, loan and place stands there too.
4. What shows an item on the premises ends missing, lost, claimed_returned and in_transit, with
   an entry. On loan or uncertain, only a checkin, a checkout, a decision or the item's leaving
   in our own hands (sent, withdrawn) ends the doubt; being seen proposes.
"""

import enum
from typing import NamedTuple

from circulation.fold.holding import Rule
from circulation.items import ItemState
from circulation.wire import kinds

AVAILABLE = ItemState.AVAILABLE
TO_BE_SHELVED = ItemState.TO_BE_SHELVED
ON_LOAN = ItemState.ON_LOAN
ON_HOLD_SHELF = ItemState.ON_HOLD_SHELF
IN_TRANSIT = ItemState.IN_TRANSIT
MISSING = ItemState.MISSING
LOST = ItemState.LOST
CLAIMED_RETURNED = ItemState.CLAIMED_RETURNED
DAMAGED = ItemState.DAMAGED
IN_REPAIR = ItemState.IN_REPAIR
WITHDRAWN = ItemState.WITHDRAWN
UNCERTAIN = ItemState.UNCERTAIN


class Event(enum.Enum):
    """A kind of fact as the table sees it."""

    CHECKOUT = "checkout"
    CHECKOUT_AGAIN = "checkout to the reader who has it"
    CHECKIN = "checkin"
    CHECKIN_INCOMPLETE = "checkin, parts owed"
    RENEWAL = "renewal"
    RENEWAL_OF_OTHER = "renewal of another loan"
    USED_IN_HOUSE = "used_in_house"
    SEEN = "seen"
    TAG_WRITTEN = "tag_written"
    SECURITY_NOT_SET = "security_not_set"
    HOLD_TRAPPED = "hold_trapped"
    HOLD_SHELVED = "hold_shelved"
    HOLD_ENDED = "hold_ended"
    HOLD_ENDED_OTHER = "hold_ended, another hold"
    SENT = "sent"
    RECEIVED = "received"
    DEPOSITED = "deposited"
    RECALLED = "recalled"
    DECLARED_MISSING = "declared missing"
    DECLARED_LOST = "declared lost"
    DECLARED_CLAIMED_RETURNED = "declared claimed_returned"
    DECLARED_DAMAGED = "declared damaged"
    DECLARED_FOUND = "declared found"
    REPAIRED = "repaired"
    WITHDRAWN = "withdrawn"
    NOT_SHOWN = "not_shown"
    DECISION = "decision"


DECLARATIONS = {
    "missing": Event.DECLARED_MISSING,
    "lost": Event.DECLARED_LOST,
    "claimed_returned": Event.DECLARED_CLAIMED_RETURNED,
    "damaged": Event.DECLARED_DAMAGED,
    "found": Event.DECLARED_FOUND,
}

# The event of each kind that needs no telling apart.
PLAIN = {kind: Event(kind) for kind in kinds.MOVING - {kinds.DECLARED}}


class Cell(NamedTuple):
    """What happens: the next state, and a rule for each entry.

    to: None changes nothing at all. A decision's own state replaces it.
    """

    to: ItemState | None
    rules: tuple[Rule, ...] = ()


_Row = dict[ItemState, Cell]

RETURNED_WHILE = {
    MISSING: Rule.RETURNED_WHILE_MISSING,
    LOST: Rule.RETURNED_WHILE_LOST,
    CLAIMED_RETURNED: Rule.RETURNED_WHILE_CLAIMED,
    IN_TRANSIT: Rule.RETURNED_WHILE_IN_TRANSIT,
}


def _to(state: ItemState, *rules: Rule) -> Cell:
    return Cell(state, rules)


def _nothing_but(*rules: Rule) -> Cell:
    return Cell(None, rules)


def _same(*states: ItemState) -> _Row:
    """Return cells that keep the state and let the event do the rest."""
    return {state: Cell(state) for state in states}


def _all(cell: Cell, *states: ItemState) -> _Row:
    return dict.fromkeys(states, cell)


def _back_to(state: ItemState, *rules: Rule) -> _Row:
    """Return the cells of whatever shows that an item is not gone after all."""
    return {gone: _to(state, rule, *rules) for gone, rule in RETURNED_WHILE.items()}


def _but(row: _Row, changes: _Row) -> _Row:
    return {**row, **changes}


_CHECKOUT: _Row = {
    **_all(_to(ON_LOAN), AVAILABLE, TO_BE_SHELVED, ON_HOLD_SHELF, UNCERTAIN),
    ON_LOAN: _to(ON_LOAN, Rule.IMPLICIT_RETURN),
    **_back_to(ON_LOAN),
    **_all(_to(ON_LOAN, Rule.DAMAGED_ITEM_LENT), DAMAGED, IN_REPAIR),
    WITHDRAWN: _to(ON_LOAN, Rule.WITHDRAWN_ITEM_LENT),
}

_CHECKIN: _Row = {
    **_all(_to(TO_BE_SHELVED), AVAILABLE, TO_BE_SHELVED, ON_LOAN, UNCERTAIN),
    ON_HOLD_SHELF: _to(TO_BE_SHELVED, Rule.HOLD_SHELF_LEFT),
    **_back_to(TO_BE_SHELVED),
    DAMAGED: _to(DAMAGED),
    IN_REPAIR: _to(TO_BE_SHELVED, Rule.BACK_FROM_REPAIR),
    WITHDRAWN: _to(WITHDRAWN, Rule.WITHDRAWN_ITEM_SEEN),
}

_CHECKIN_INCOMPLETE: _Row = {
    state: Cell(cell.to, (*cell.rules, Rule.PART_MISSING)) for state, cell in _CHECKIN.items()
}

_USED_IN_HOUSE: _Row = _but(
    _CHECKIN,
    _all(_nothing_but(Rule.RETURN_PROPOSED), ON_LOAN, UNCERTAIN),
)

_SEEN: _Row = {
    **_all(_to(AVAILABLE), AVAILABLE, TO_BE_SHELVED),
    **_all(_nothing_but(Rule.RETURN_PROPOSED), ON_LOAN, UNCERTAIN),
    **_same(ON_HOLD_SHELF, DAMAGED, IN_REPAIR),
    **_back_to(AVAILABLE),
    WITHDRAWN: _to(WITHDRAWN, Rule.WITHDRAWN_ITEM_SEEN),
}

_RENEWAL: _Row = {
    **_same(AVAILABLE, TO_BE_SHELVED, ON_LOAN, ON_HOLD_SHELF, IN_TRANSIT, DAMAGED, IN_REPAIR),
    **{gone: _to(gone, Rule.RENEWAL_WHILE_GONE) for gone in (MISSING, LOST, CLAIMED_RETURNED)},
    **_all(_nothing_but(Rule.RENEWAL_OF_ENDED_LOAN), WITHDRAWN, UNCERTAIN),
}

_RENEWAL_OF_OTHER: _Row = _but(
    _all(_nothing_but(Rule.RENEWAL_OF_ENDED_LOAN), *ItemState),
    {UNCERTAIN: _to(UNCERTAIN, Rule.RENEWAL_WHILE_UNCERTAIN)},
)

_HOLD_TRAPPED: _Row = _but(
    _same(*ItemState),
    _all(
        _nothing_but(Rule.HOLD_OF_ABSENT_ITEM),
        *(ON_LOAN, MISSING, LOST, CLAIMED_RETURNED, WITHDRAWN),
    ),
)

_HOLD_SHELVED: _Row = {
    **_all(_to(ON_HOLD_SHELF), AVAILABLE, TO_BE_SHELVED, ON_HOLD_SHELF, DAMAGED),
    **_all(_nothing_but(Rule.RETURN_PROPOSED), ON_LOAN, UNCERTAIN),
    **_back_to(ON_HOLD_SHELF),
    IN_TRANSIT: _to(ON_HOLD_SHELF),
    IN_REPAIR: _to(ON_HOLD_SHELF, Rule.BACK_FROM_REPAIR),
    WITHDRAWN: _nothing_but(Rule.WITHDRAWN_ITEM_SEEN),
}

_SENT: _Row = {
    **_all(_to(IN_TRANSIT), AVAILABLE, TO_BE_SHELVED, ON_HOLD_SHELF, UNCERTAIN),
    ON_LOAN: _to(IN_TRANSIT, Rule.IMPLICIT_RETURN),
    **_back_to(IN_TRANSIT),
    IN_TRANSIT: _to(IN_TRANSIT),
    **_all(_to(IN_REPAIR), DAMAGED, IN_REPAIR),
    WITHDRAWN: _to(WITHDRAWN),
}

_RECEIVED: _Row = {
    **_all(_to(TO_BE_SHELVED), AVAILABLE, TO_BE_SHELVED),
    **_all(_nothing_but(Rule.RETURN_PROPOSED), ON_LOAN, UNCERTAIN),
    **_back_to(TO_BE_SHELVED),
    IN_TRANSIT: _to(TO_BE_SHELVED),
    **_same(ON_HOLD_SHELF, DAMAGED, IN_REPAIR, WITHDRAWN),
}

_DEPOSITED: _Row = {
    **_all(_to(AVAILABLE), AVAILABLE, TO_BE_SHELVED, ON_HOLD_SHELF),
    **_back_to(AVAILABLE),
    IN_TRANSIT: _to(AVAILABLE),
    **_same(ON_LOAN, DAMAGED, IN_REPAIR, UNCERTAIN),
    WITHDRAWN: _nothing_but(Rule.WITHDRAWN_ITEM_SEEN),
}

_DECLARED_FOUND: _Row = {
    **_same(AVAILABLE, TO_BE_SHELVED, ON_HOLD_SHELF, DAMAGED, IN_REPAIR),
    **_all(_nothing_but(Rule.RETURN_PROPOSED), ON_LOAN, UNCERTAIN),
    **_back_to(TO_BE_SHELVED),
    WITHDRAWN: _nothing_but(Rule.WITHDRAWN_ITEM_SEEN),
}

_WITHDRAWN_STAYS: _Row = {WITHDRAWN: _nothing_but()}

ROWS: dict[Event, _Row] = {
    Event.CHECKOUT: _CHECKOUT,
    Event.CHECKOUT_AGAIN: _but(_CHECKOUT, _same(ON_LOAN)),
    Event.CHECKIN: _CHECKIN,
    Event.CHECKIN_INCOMPLETE: _CHECKIN_INCOMPLETE,
    Event.RENEWAL: _RENEWAL,
    Event.RENEWAL_OF_OTHER: _RENEWAL_OF_OTHER,
    Event.USED_IN_HOUSE: _USED_IN_HOUSE,
    Event.SEEN: _SEEN,
    Event.TAG_WRITTEN: _same(*ItemState),
    Event.SECURITY_NOT_SET: _same(*ItemState),
    Event.HOLD_TRAPPED: _HOLD_TRAPPED,
    Event.HOLD_SHELVED: _HOLD_SHELVED,
    Event.HOLD_ENDED: _but(_same(*ItemState), {ON_HOLD_SHELF: _to(TO_BE_SHELVED)}),
    Event.HOLD_ENDED_OTHER: _all(_nothing_but(), *ItemState),
    Event.SENT: _SENT,
    Event.RECEIVED: _RECEIVED,
    Event.DEPOSITED: _DEPOSITED,
    Event.RECALLED: _same(*ItemState),
    Event.DECLARED_MISSING: _but(_all(_to(MISSING), *ItemState), _WITHDRAWN_STAYS),
    Event.DECLARED_LOST: _but(_all(_to(LOST), *ItemState), _WITHDRAWN_STAYS),
    Event.DECLARED_CLAIMED_RETURNED: _but(
        _all(_nothing_but(), *ItemState),
        _all(_to(CLAIMED_RETURNED), ON_LOAN, MISSING, LOST, CLAIMED_RETURNED, UNCERTAIN),
    ),
    Event.DECLARED_DAMAGED: {
        **_all(_to(DAMAGED), *ItemState),
        **_back_to(DAMAGED),
        UNCERTAIN: _nothing_but(Rule.RETURN_PROPOSED),
        **_WITHDRAWN_STAYS,
    },
    Event.DECLARED_FOUND: _DECLARED_FOUND,
    Event.REPAIRED: _but(
        _all(_nothing_but(), *ItemState),
        _all(_to(TO_BE_SHELVED), DAMAGED, IN_REPAIR),
    ),
    Event.WITHDRAWN: _but(
        _all(_to(WITHDRAWN), *ItemState),
        {ON_LOAN: _to(WITHDRAWN, Rule.WITHDRAWN_WHILE_ON_LOAN)},
    ),
    Event.NOT_SHOWN: _all(_nothing_but(), *ItemState),  # fold.py has removed its checkout
    Event.DECISION: _same(*ItemState),  # the state is the decision's own
}

TRANSITIONS: dict[tuple[ItemState, Event], Cell] = {
    (state, event): cell for event, row in ROWS.items() for state, cell in row.items()
}


def markdown() -> str:
    """Return the table as `docs/fold.md` shows it: a row an event, a column a state."""
    lines = [
        "| event | " + " | ".join(state.value for state in ItemState) + " |",
        "|---" * (len(ItemState) + 1) + "|",
    ]
    for event in Event:
        cells = [_shown(state, event) for state in ItemState]
        lines.append(f"| {event.value} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _shown(state: ItemState, event: Event) -> str:
    cell = TRANSITIONS[state, event]
    rules = ", ".join(f"*{rule.value}*" for rule in cell.rules)
    if event is Event.DECISION:
        return "as decided"
    if cell.to is None:
        return rules or "–"
    after = "same" if cell.to is state else cell.to.value
    return f"{after}, {rules}" if rules else after
