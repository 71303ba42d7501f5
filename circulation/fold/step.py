"""One fact applied to a holding: the table says what state follows, this file the rest.

Each event has at most one effect, a function from the holding and the fact to the holding with
its other fields changed; it never decides the state.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from circulation.facts import Fact
from circulation.fold.holding import REACH_STREET, Entry, Holding
from circulation.fold.table import DECLARATIONS, PLAIN, RETURNED_WHILE, TRANSITIONS, Event
from circulation.items import ItemState
from circulation.wire import kinds

ON_LOAN_WANTED = "on_loan"
TOLD_MAX = 16  # readers; an item that more may have had since somebody was sure is no library's
_TELL_A_DAY = frozenset({kinds.CHECKOUT, kinds.RENEWAL})
_DECIDABLE = {state.value: state for state in ItemState if state is not ItemState.UNCERTAIN}
_MAY_LEAVE = frozenset(
    {
        ItemState.IN_TRANSIT,
        ItemState.IN_REPAIR,
        ItemState.WITHDRAWN,
        ItemState.UNCERTAIN,
    }
)
_NAMES_A_READER = frozenset(
    {
        ItemState.ON_LOAN,
        ItemState.MISSING,
        ItemState.LOST,
        ItemState.CLAIMED_RETURNED,
        ItemState.DAMAGED,
    }
)


def moves(fact: Fact) -> bool:
    """Return whether a fact can change any holding; unknown kinds and words never do."""
    if fact.kind == kinds.DECLARED:
        return fact.state in DECLARATIONS
    if fact.kind == kinds.DECISION:
        return fact.state in _DECIDABLE
    return fact.kind in PLAIN


def step(holding: Holding, fact: Fact) -> tuple[Holding, tuple[Entry, ...]]:
    """Return the holding after a fact that came after all others, and the new entries.

    A decision and `not_shown` also reach back at facts already applied; only a full fold
    does that (see `fold.may_step`).
    """
    if not moves(fact):
        return holding, ()
    event = event_of(holding, fact)
    cell = TRANSITIONS[holding.state, event]
    after = holding
    if cell.to is not None:
        effect = _EFFECTS.get(event, _unchanged)
        settled = _settled(holding) if cell.to is not ItemState.UNCERTAIN else holding
        state = _DECIDABLE[str(fact.state)] if event is Event.DECISION else cell.to
        after = _secured(effect(settled, fact)._replace(state=state))
    if not cell.rules or fact.blanked:  # that is long closed, and nobody can be asked any more
        return after, ()
    concerned = fact.loan if event is Event.RENEWAL_OF_OTHER else holding.loan
    item_id = fact.item_id or ""
    return after, tuple(Entry(rule, item_id, (fact.id,), concerned or "") for rule in cell.rules)


def event_of(holding: Holding, fact: Fact) -> Event:
    """Return what a moving fact means to this holding."""
    if fact.kind == kinds.DECLARED:
        return DECLARATIONS[str(fact.state)]
    event = PLAIN[fact.kind]
    tell_apart = _TOLD_APART.get(event)
    return event if tell_apart is None else tell_apart(holding, fact)


def _which_checkout(holding: Holding, fact: Fact) -> Event:
    has_it = holding.state is ItemState.ON_LOAN and holding.patron == fact.patron
    return Event.CHECKOUT_AGAIN if has_it and fact.patron is not None else Event.CHECKOUT


def _which_checkin(holding: Holding, fact: Fact) -> Event:
    _, owed = _parts_after(holding, fact)
    return Event.CHECKIN_INCOMPLETE if owed and holding.loan is not None else Event.CHECKIN


def _which_renewal(holding: Holding, fact: Fact) -> Event:
    return Event.RENEWAL if fact.loan in holding.loan_names else Event.RENEWAL_OF_OTHER


def _which_hold_ended(holding: Holding, fact: Fact) -> Event:
    meant = fact.hold in (None, holding.hold)
    return Event.HOLD_ENDED if meant else Event.HOLD_ENDED_OTHER


_TOLD_APART: dict[Event, Callable[[Holding, Fact], Event]] = {
    Event.CHECKOUT: _which_checkout,
    Event.CHECKIN: _which_checkin,
    Event.RENEWAL: _which_renewal,
    Event.HOLD_ENDED: _which_hold_ended,
}


def _secured(holding: Holding) -> Holding:
    """Return the holding with `unsecured` only where it says something: the item may not leave.

    Gates look for unsecured items first, so an old failure to set a tag would alarm whoever
    carries the item off rightly later.
    """
    is_lent_out = holding.state is ItemState.ON_LOAN and holding.reach >= REACH_STREET
    may_leave = is_lent_out or holding.state in _MAY_LEAVE or holding.place is not None
    return holding._replace(unsecured=False) if holding.unsecured and may_leave else holding


_NO_LOAN: Mapping[str, Any] = MappingProxyType(
    {
        "patron": None,
        "loan": None,
        "also_named": (),
        "session": None,
        "due_at": None,
        "reach": 0,
        "renewals": 0,
        "parts_owed": (),
        "told": (),
    }
)


def without_loan(holding: Holding) -> Holding:
    """Return the holding with its loan ended; the deposit stands."""
    return holding._replace(**_NO_LOAN)


def _settled(holding: Holding) -> Holding:
    """Return the holding with the doubt taken away, which had let the item be carried off."""
    if holding.state is not ItemState.UNCERTAIN:
        return holding
    return without_loan(holding)._replace(told=holding.told)


def _place(holding: Holding, fact: Fact) -> str | None:
    """Return where the item is after a fact that had it at hand: at the station's place."""
    return fact.room or fact.site or holding.location


def _here(holding: Holding, fact: Fact) -> Holding:
    """Return the holding with the item at the station's place."""
    return holding._replace(location=_place(holding, fact), bound_for=None)


def latest(*instants: int | None) -> int | None:
    """Return the latest due date a reader was told: none is ever shortened."""
    return max((instant for instant in instants if instant is not None), default=None)


def day_told(holding: Holding, patron: str | None) -> int | None:
    """Return the latest day that a reader was told in an order that stayed unclear, if any."""
    return next((day for reader, day in holding.told if reader == patron), None)


def days_told(holding: Holding, facts: Iterable[Fact]) -> tuple[tuple[str, int], ...]:
    """Return by patron the latest day each was told, by what the holding knows and these facts."""
    told = [*holding.told, (holding.patron, holding.due_at)]
    told += [(fact.patron, fact.due_at) for fact in facts if fact.kind in _TELL_A_DAY]
    days: dict[str, int] = {}
    for patron, due_at in told:
        if patron is not None and due_at is not None:
            days[patron] = max(days.get(patron, due_at), due_at)
    latest_first = sorted(days.items(), key=lambda day: (-day[1], day[0]))
    return tuple(sorted(latest_first[:TOLD_MAX]))


def _unchanged(holding: Holding, fact: Fact) -> Holding:
    return holding


def _lend(holding: Holding, fact: Fact) -> Holding:
    missing = holding.parts_missing
    if fact.parts_total and fact.parts_read is not None:
        missing = _not_read(range(1, fact.parts_total + 1), fact)
    told = day_told(holding, fact.patron) if fact.due_at is not None else None
    return holding._replace(
        patron=fact.patron,
        loan=fact.id,
        also_named=(),
        session=fact.session,
        due_at=latest(fact.due_at, told),
        reach=REACH_STREET if fact.reach is None else fact.reach,
        renewals=0,
        parts_missing=missing,
        parts_owed=(),
        location=_place(holding, fact),
        bound_for=None,
        hold=None,
        held_for=None,
        unsecured=bool(fact.unsecured),
        told=(),
    )


def _lend_on(holding: Holding, fact: Fact) -> Holding:
    """Return the loan going on: the same in one session, else renewed."""
    is_same = fact.session is not None and fact.session == holding.session
    return _here(holding, fact)._replace(
        also_named=(*holding.also_named, fact.id),
        due_at=latest(holding.due_at, fact.due_at),
        session=fact.session,
        renewals=holding.renewals if is_same else holding.renewals + 1,
        unsecured=bool(fact.unsecured),
        told=(),
    )


def _renew(holding: Holding, fact: Fact) -> Holding:
    due_at = latest(holding.due_at, fact.due_at)
    return holding._replace(due_at=due_at, renewals=holding.renewals + 1)


def _note_day(holding: Holding, fact: Fact) -> Holding:
    """Return the doubt with what a reader was told in it."""
    return holding._replace(told=days_told(holding, (fact,)))


def _take_back(holding: Holding, fact: Fact) -> Holding:
    missing, _ = _parts_after(holding, fact)
    return holding._replace(
        **_NO_LOAN,
        parts_missing=missing,
        location=_place(holding, fact),
        bound_for=None,
        unsecured=bool(fact.unsecured),
    )


def _take_back_incomplete(holding: Holding, fact: Fact) -> Holding:
    missing, owed = _parts_after(holding, fact)
    back = _here(holding, fact)._replace(reach=0, unsecured=bool(fact.unsecured))
    return back._replace(parts_missing=missing, parts_owed=owed)


def _parts_after(holding: Holding, fact: Fact) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the parts missing after a checkin, and those of them the borrower owes.

    A part that was missing when the item was lent is not owed. Of an item returned before
    without a part, the next checkin may bring just that part; nobody looking proves nothing.
    """
    if not fact.parts_total or fact.parts_read is None:
        return holding.parts_missing, holding.parts_owed
    if holding.parts_owed or (holding.parts_missing and holding.loan is None):
        return _not_read(holding.parts_missing, fact), _not_read(holding.parts_owed, fact)
    missing = _not_read(range(1, fact.parts_total + 1), fact)
    return missing, tuple(part for part in missing if part not in holding.parts_missing)


def _not_read(parts: "range | tuple[int, ...]", fact: Fact) -> tuple[int, ...]:
    read = frozenset(fact.parts_read or ())
    return tuple(part for part in parts if part not in read)


def _show_here(holding: Holding, fact: Fact) -> Holding:
    """Return the item as seen on the premises: whatever loan was open despite it being gone
    has ended, unless a part of it is still owed. That settles no order."""
    ended = holding if holding.parts_owed else without_loan(holding)._replace(told=holding.told)
    unsecured = holding.unsecured if fact.unsecured is None else fact.unsecured
    return _here(ended, fact)._replace(unsecured=unsecured)


def _secure(holding: Holding, fact: Fact) -> Holding:
    return holding._replace(unsecured=False)


def _fail_to_secure(holding: Holding, fact: Fact) -> Holding:
    return holding._replace(unsecured=fact.wanted != ON_LOAN_WANTED)


def _trap(holding: Holding, fact: Fact) -> Holding:
    return holding._replace(hold=fact.hold, held_for=fact.patron)


def _shelve_for(holding: Holding, fact: Fact) -> Holding:
    return _show_here(holding, fact)._replace(
        hold=fact.hold or holding.hold,
        held_for=fact.patron or holding.held_for,
    )


def _release(holding: Holding, fact: Fact) -> Holding:
    return holding._replace(hold=None, held_for=None)


def _send(holding: Holding, fact: Fact) -> Holding:
    return _show_here(holding, fact)._replace(location=None, bound_for=fact.place)


def _deposit(holding: Holding, fact: Fact) -> Holding:
    shown = holding if _keeps_loan(holding) else _show_here(holding, fact)
    return shown._replace(place=fact.place, answerable=fact.patron or fact.group)


def _damage(holding: Holding, fact: Fact) -> Holding:
    return _show_here(holding, fact) if holding.state in RETURNED_WHILE else holding


def _keeps_loan(holding: Holding) -> bool:
    return holding.state in (ItemState.ON_LOAN, ItemState.UNCERTAIN)


def _recall(holding: Holding, fact: Fact) -> Holding:
    """Return a loan with its recalled due date, or the item without its deposit."""
    if fact.loan is None:
        return holding._replace(place=None, answerable=None)
    if fact.loan in holding.loan_names and fact.due_at is not None:
        return holding._replace(due_at=fact.due_at)
    return holding


def _withdraw(holding: Holding, fact: Fact) -> Holding:
    ended = without_loan(holding)
    return ended._replace(place=None, answerable=None, hold=None, held_for=None, unsecured=False)


def _decide(holding: Holding, fact: Fact) -> Holding:
    """Return exactly what staff decided; nothing of the holding survives that they left out."""
    state = _DECIDABLE[str(fact.state)]
    decided = _decided_place(fact)
    names_reader = state in _NAMES_A_READER and fact.patron is not None
    if not names_reader and state is not ItemState.ON_LOAN:
        return decided
    reach = REACH_STREET if fact.reach is None else fact.reach
    return decided._replace(
        patron=fact.patron,
        loan=fact.loan or fact.id,
        due_at=fact.due_at,
        reach=reach if state is ItemState.ON_LOAN else 0,
    )


def _decided_place(fact: Fact) -> Holding:
    return Holding(
        place=fact.place,
        answerable=fact.group if fact.place else None,
        location=fact.room or fact.site,
        hold=fact.hold,
        unsecured=bool(fact.unsecured),
    )


_EFFECTS: dict[Event, Callable[[Holding, Fact], Holding]] = {
    Event.CHECKOUT: _lend,
    Event.CHECKOUT_AGAIN: _lend_on,
    Event.CHECKIN: _take_back,
    Event.CHECKIN_INCOMPLETE: _take_back_incomplete,
    Event.RENEWAL: _renew,
    Event.RENEWAL_OF_OTHER: _note_day,
    Event.USED_IN_HOUSE: _show_here,
    Event.SEEN: _show_here,
    Event.TAG_WRITTEN: _secure,
    Event.SECURITY_NOT_SET: _fail_to_secure,
    Event.HOLD_TRAPPED: _trap,
    Event.HOLD_SHELVED: _shelve_for,
    Event.HOLD_ENDED: _release,
    Event.SENT: _send,
    Event.RECEIVED: _show_here,
    Event.DEPOSITED: _deposit,
    Event.RECALLED: _recall,
    Event.DECLARED_DAMAGED: _damage,
    Event.DECLARED_FOUND: _show_here,
    Event.REPAIRED: _show_here,
    Event.WITHDRAWN: _withdraw,
    Event.DECISION: _decide,
}
