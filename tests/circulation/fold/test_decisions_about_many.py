"""What staff decide about a doubt of very many facts: once up to the limit, again above it."""

import pytest

from circulation.fold.fold import fold
from circulation.fold.holding import Rule
from circulation.items import ItemState
from tests.circulation.fold.histories import checkout, decision


def doubt_of(several):
    """Return as many checkouts, none of which knew of another."""
    return [checkout(f"{n:016x}", f"P{n}", f"k{n}") for n in range(several)]


def decided(facts, name):
    """Return the facts with a decision about what is in doubt now, and how many it lists."""
    considered = fold(facts, {}).considered
    return [*facts, decision(name, "available", considered)], len(considered)


@pytest.mark.parametrize("several", [255, 256])
def test_one_decision_settles_a_doubt_of_as_many_facts_as_it_may_name(several):
    """Staff press one button, and are not asked again."""
    facts, listed = decided(doubt_of(several), "d" * 16)
    folded = fold(facts, {})

    assert listed == several
    assert (folded.holding.state, folded.entries) == (ItemState.AVAILABLE, ())


def test_with_one_fact_more_staff_decide_twice():
    """The 257th is in no decision yet: the doubt goes on, and the second decision ends it."""
    once, listed = decided(doubt_of(257), "d" * 16)
    twice, left = decided(once, "e" * 16)

    assert (listed, left) == (256, 2)
    assert Rule.UNSEEN_BY_DECISION in {entry.rule for entry in fold(once, {}).entries}
    folded = fold(twice, {})
    assert (folded.holding.state, folded.entries) == (ItemState.AVAILABLE, ())
