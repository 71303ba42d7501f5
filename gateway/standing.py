"""How long an entry about an item has anything to say: until its facts are history.

A table, rule by rule. A rule that is not named here stands until staff have seen it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from circulation.fold.holding import Holding, Rule
from circulation.items import ItemState

RULES = frozenset(rule.value for rule in Rule)


def stands(entry: Any, holding: Holding, last: Sequence[str]) -> bool:
    """Return whether an entry still means something, now that the item is held like this.

    Of `order_unclear` that cannot be told by how the item is held; see `gateway.holdings`.
    entry: with rule, facts and detail. last: the facts that are before no other.
    """
    test = _WHILE.get(entry.rule)
    return test is None or test(entry, holding, last)


def _uncertain(_entry: Any, holding: Holding, _last: Sequence[str]) -> bool:
    return holding.state is ItemState.UNCERTAIN


def _newest(entry: Any, holding: Holding, last: Sequence[str]) -> bool:
    return holding.state is ItemState.UNCERTAIN or not set(last).isdisjoint(entry.facts)


def _same_loan(entry: Any, holding: Holding, _last: Sequence[str]) -> bool:
    return (entry.detail or {}).get("loan") in holding.loan_names


def _incomplete(_entry: Any, holding: Holding, _last: Sequence[str]) -> bool:
    return bool(holding.parts_missing or holding.parts_owed)


_WHILE: dict[str, Callable[[Any, Holding, Sequence[str]], bool]] = {
    Rule.UNCERTAIN.value: _uncertain,
    Rule.RENEWAL_WHILE_UNCERTAIN.value: _uncertain,
    Rule.UNSEEN_BY_DECISION.value: _newest,
    Rule.RENEWAL_WHILE_GONE.value: _newest,
    Rule.HOLD_OF_ABSENT_ITEM.value: _newest,
    Rule.RETURN_PROPOSED.value: _same_loan,
    Rule.PART_MISSING.value: _incomplete,
}
