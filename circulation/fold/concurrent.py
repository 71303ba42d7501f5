"""What facts leave behind whose order nobody knows.

Laws of this file:

1. The true order is one of those that contradict nothing known. Orders in which every checkin
   closes an open loan and no loan opens on a lent item are believed before others.
2. One outcome of all orders believed is taken, and staff are told if any order said otherwise.
   Several outcomes, or too many facts to look at, leave the item uncertain.
3. Doubt favours the reader: no loan stands whose checkout may have come before a checkin. An
   uncertain item has no borrower and may leave. Whoever is found to have it afterwards keeps the
   latest day they were told.
4. Work is bounded: orders that have led to the same holding go on as one.
"""

from collections.abc import Sequence
from typing import NamedTuple

from circulation.facts import Fact
from circulation.fold.holding import ON_SHELF, REACH_STREET, Entry, Holding, Rule
from circulation.fold.order import Order
from circulation.fold.step import day_told, days_told, latest, step, without_loan
from circulation.items import ItemState
from circulation.wire import kinds

CONCURRENT_MAX = 6  # 720 orders; of ten facts there are 3.6 million

_Entries = frozenset[Entry]


class _End(NamedTuple):
    """Where some orders led: all of them made the entries in `always`, some those in `ever`."""

    holding: Holding
    is_believed: bool
    always: _Entries
    ever: _Entries


def weigh(
    holding: Holding, block: Sequence[Fact], order: Order
) -> tuple[Holding, tuple[Entry, ...]]:
    """Return what a group of facts without a known order does to a holding."""
    if len(block) > CONCURRENT_MAX:
        return _uncertain(holding, block)
    ends = _ends(holding, block, order)
    believed = [end for end in ends if end.is_believed] or ends
    outcomes = {_essence(end.holding) for end in believed}
    if len(outcomes) > 1 or _bills_in_doubt(believed[0].holding, block, order):
        return _uncertain(holding, block)
    chosen = min((end.holding for end in believed), key=_preference)
    entries = frozenset.intersection(*(end.always for end in believed))
    told = sorted(entries, key=lambda entry: entry.key)
    if _all_agree(ends):
        return chosen, tuple(told)
    days = chosen._replace(told=days_told(holding, block))
    due_at = latest(days.due_at, day_told(days, days.patron)) if days.due_at is not None else None
    return days._replace(due_at=due_at), (*told, _entry(Rule.ORDER_UNCLEAR, block))


def _ends(holding: Holding, block: Sequence[Fact], order: Order) -> list[_End]:
    """Return where all linear extensions of the known order lead."""
    needs = [
        sum(1 << i for i, first in enumerate(block) if order.is_before(first.id, fact.id))
        for fact in block
    ]
    reached = {(0, holding, True): _End(holding, True, frozenset(), frozenset())}
    for _ in block:
        further: dict[tuple[int, Holding, bool], _End] = {}
        for (done, _, _), end in reached.items():
            for index in _next(done, needs):
                _join(further, done | 1 << index, _go_on(end, block[index]))
        reached = further
    return list(reached.values())


def _next(done: int, needs: Sequence[int]) -> list[int]:
    """Return whoever may come next: not done, and with all done that is before it."""
    return [
        index
        for index, needed in enumerate(needs)
        if not done >> index & 1 and needed & done == needed
    ]


def _go_on(end: _End, fact: Fact) -> _End:
    after, entries = step(end.holding, fact)
    return _End(
        after,
        end.is_believed and _is_orderly(end.holding, fact),
        end.always.union(entries),
        end.ever.union(entries),
    )


def _join(further: dict[tuple[int, Holding, bool], _End], done: int, end: _End) -> None:
    key = (done, end.holding, end.is_believed)
    other = further.get(key)
    if other is not None:
        end = end._replace(always=end.always & other.always, ever=end.ever | other.ever)
    further[key] = end


def _is_orderly(holding: Holding, fact: Fact) -> bool:
    """Return whether a checkin closes an open loan, a checkout opens none on a lent item."""
    if fact.kind == kinds.CHECKIN:
        return holding.loan is not None or holding.state is ItemState.UNCERTAIN
    if fact.kind == kinds.CHECKOUT and holding.state is ItemState.ON_LOAN:
        return fact.patron == holding.patron
    return True


def _essence(holding: Holding) -> Holding:
    """Return what two outcomes must share to be one.

    On the shelf or on the trolley beside it is no difference worth a doubt; nor is which of a
    reader's checkouts gave the loan its name, or where the item was handled last.
    """
    at_home = holding.state is ItemState.TO_BE_SHELVED
    names = sorted(holding.loan_names)
    return holding._replace(
        state=ItemState.AVAILABLE if at_home else holding.state,
        loan=names[0] if names else None,
        also_named=tuple(names[1:]),
        session=None,
        renewals=0,
        location=None,
        bound_for=None,
        told=(),
    )


def _preference(holding: Holding) -> tuple[bool, str]:
    """Return the order in which outcomes of one essence are taken: look on the trolley first."""
    return (holding.state is ItemState.AVAILABLE, repr(holding))


def _bills_in_doubt(holding: Holding, block: Sequence[Fact], order: Order) -> bool:
    """Return whether a loan would stand although its book may have come back since."""
    lenders = [fact for fact in block if _lends(fact, holding)]
    checkins = [fact for fact in block if fact.kind == kinds.CHECKIN]
    return any(
        not order.is_before(checkin.id, lender.id) and not order.is_before(lender.id, checkin.id)
        for lender in lenders
        for checkin in checkins
    )


def _lends(fact: Fact, holding: Holding) -> bool:
    if fact.kind == kinds.DECISION:
        return holding.loan is not None and holding.loan in (fact.loan, fact.id)
    return fact.id in holding.loan_names


def _all_agree(ends: Sequence[_End]) -> bool:
    """Return whether every order there is ends alike and tells staff the same."""
    first = ends[0]
    return all(
        end.is_believed
        and end.always == end.ever == first.always
        and _essence(end.holding) == _essence(first.holding)
        for end in ends
    )


def _uncertain(holding: Holding, block: Sequence[Fact]) -> tuple[Holding, tuple[Entry, ...]]:
    """Return the holding in doubt: what no fact of the group touches is kept, the rest open."""
    after = [step(holding, fact)[0] for fact in block]
    kept = {
        name: getattr(holding if _untouched(name, holding, after) else ON_SHELF, name)
        for name in ("parts_missing", "place", "answerable", "hold", "held_for", "location")
    }
    doubtful = without_loan(holding)._replace(
        state=ItemState.UNCERTAIN,
        reach=REACH_STREET,
        bound_for=None,
        unsecured=False,
        told=days_told(holding, block),
        **kept,
    )
    return doubtful, (_entry(Rule.UNCERTAIN, block),)


def _untouched(name: str, holding: Holding, after: Sequence[Holding]) -> bool:
    return all(getattr(other, name) == getattr(holding, name) for other in after)


def _entry(rule: Rule, block: Sequence[Fact]) -> Entry:
    item_id = next((fact.item_id for fact in block if fact.item_id is not None), "")
    return Entry(rule, item_id, tuple(sorted(fact.id for fact in block)))
