"""What holds for every history, also for hostile and impossible ones."""

import itertools
import os
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from circulation.fold.concurrent import weigh
from circulation.fold.fold import fold, may_step, step
from circulation.fold.holding import ON_SHELF, Rule
from circulation.fold.intervals import Interval
from circulation.fold.order import Order
from circulation.items import ItemState
from circulation.wire import kinds
from tests.circulation.fold.histories import fact, history, told_in_order

# A few for every run; the environment asks for as many as a night has room for.
EXAMPLES = int(os.environ.get("FOLD_EXAMPLES", "60"))

WORDS = ["missing", "lost", "claimed_returned", "damaged", "found", "on_loan", "available", "odd"]
NAMES = [f"{n:02d}" for n in range(9)]
MAY_NAME_A_READER = {
    ItemState.ON_LOAN,
    ItemState.MISSING,
    ItemState.LOST,
    ItemState.CLAIMED_RETURNED,
    ItemState.DAMAGED,
}


@st.composite
def stories(draw):
    """Facts of every kind that say anything at all, and intervals of any shape."""
    facts, known = [], {}
    for name in NAMES[: draw(st.integers(1, 9))]:
        facts.append(
            fact(
                name,
                draw(st.sampled_from([*sorted(kinds.MOVING), "checkout", "checkin", "tag_seen"])),
                draw(st.sampled_from(["k1", "k2", "k3", "desk"])),
                draw(st.integers(1, 6)),
                saw=draw(st.lists(st.sampled_from(NAMES), max_size=3)),
                patron=draw(st.sampled_from([None, "A", "B"])),
                loan=draw(st.sampled_from([None, *NAMES])),
                session=draw(st.sampled_from([None, "s1", "s2"])),
                state=draw(st.sampled_from(WORDS)),
                due_at=draw(st.sampled_from([None, 10, 20, 30])),
                reach=draw(st.sampled_from([None, 0, 1, 3])),
                hold=draw(st.sampled_from([None, "h1", "h2"])),
                place=draw(st.sampled_from([None, "corner"])),
                parts_total=draw(st.sampled_from([None, 2])),
                parts_read=draw(st.sampled_from([None, (1,), (2,), (1, 2)])),
                unsecured=draw(st.sampled_from([None, True, False])),
                wanted=draw(st.sampled_from([None, "in_stock", "on_loan"])),
                blanked=draw(st.booleans()),
            )
        )
        bounds = [draw(st.sampled_from([None, 0, 10, 20, 30])) for _ in range(2)]
        known[name] = Interval(*bounds)
    return facts, known


@given(stories(), st.randoms(use_true_random=False))
@settings(max_examples=EXAMPLES, deadline=None)
def test_any_order_of_arrival_gives_one_answer(story, source):
    """Also with facts repeated, forged, circular or contradicted by their clocks."""
    facts, known = story
    shuffled = [*facts, source.choice(facts)]
    source.shuffle(shuffled)

    assert fold(shuffled, known) == fold(facts, known)


@given(stories())
@settings(max_examples=EXAMPLES, deadline=None)
def test_no_answer_is_absurd(story):
    """No borrower without a loan, none in doubt, and nothing that may leave is unsecured."""
    facts, known = story
    folded = fold(facts, known)
    held = folded.holding

    assert (held.state is ItemState.ON_LOAN) <= (held.loan is not None)
    assert (held.loan is None) <= (held.patron is None and held.due_at is None)
    assert (held.loan is not None and not held.parts_owed) <= (held.state in MAY_NAME_A_READER)
    if held.state is ItemState.UNCERTAIN:
        assert (held.loan, held.patron, held.reach, held.unsecured) == (None, None, 3, False)
    assert bool(folded.siblings) <= (held.state is ItemState.UNCERTAIN)
    assert set(folded.last) <= set(folded.considered)
    assert len({entry.key for entry in folded.entries}) == len(folded.entries)


@given(stories())
@settings(max_examples=EXAMPLES, deadline=None)
def test_a_checkin_beside_its_checkout_never_bills(story):
    """No loan stands at the end whose checkout may have come before a last checkin."""
    facts, known = story
    folded = fold(facts, known)
    order = Order(facts, known)
    by_id = {fact.id: fact for fact in order.facts}
    openers = [name for name in folded.last if name in folded.holding.loan_names]
    checkins = [name for name in folded.last if by_id[name].kind == kinds.CHECKIN]

    assert not [
        (opener, checkin)
        for opener in openers
        for checkin in checkins
        if not order.is_before(checkin, opener)
    ]


@given(st.integers(0, 2**32), st.integers(1, 12))
@settings(max_examples=EXAMPLES, deadline=None)
def test_the_fast_path_is_a_full_fold(seed, count):
    """Where a fact may be stepped, state, last facts and entries are those of a full fold."""
    found = history(random.Random(seed), count, orderly=False)
    for length in range(count):
        before = fold(found.facts[:length], found.known)
        new = found.facts[length]
        if may_step(before.last, new, floor_ms=before.floor_ms, interval=found.known[new.id]):
            holding, entries = step(before.holding, new)
            after = fold(found.facts[: length + 1], found.known)

            assert (holding, (new.id,)) == (after.holding, after.last)
            assert [*before.entries, *entries] == list(after.entries)


def _same_to_a_reader(one, other):
    """Whether two holdings say the same but for where in the library the item is."""
    at_home = {ItemState.AVAILABLE, ItemState.TO_BE_SHELVED}
    both_home = {one.state, other.state} <= at_home
    return (one.state is other.state or both_home) and (
        (one.patron, one.loan_names, one.due_at) == (other.patron, other.loan_names, other.due_at)
    )


@given(st.integers(0, 2**32), st.integers(1, 10))
@settings(max_examples=EXAMPLES, deadline=None)
def test_what_is_certain_is_true(seed, count):
    """For orderly histories and truthful clocks the fold never differs from what happened."""
    found = history(random.Random(seed), count, orderly=True)

    folded = fold(found.facts, found.known)

    assert not folded.is_certain or _same_to_a_reader(folded.holding, found.truth)


@given(st.integers(0, 2**32), st.integers(1, 10))
@settings(max_examples=EXAMPLES, deadline=None)
def test_what_is_certain_and_clear_is_true_of_any_history(seed, count):
    """Also after implicit returns and stray checkins, unless an entry says it is unclear."""
    found = history(random.Random(seed), count, orderly=False)

    folded = fold(found.facts, found.known)

    told = {entry.rule for entry in folded.entries}
    if not told & {Rule.UNCERTAIN, Rule.ORDER_UNCLEAR}:
        assert folded.holding.loan_names == found.truth.loan_names
        assert _same_to_a_reader(folded.holding, found.truth)


@given(st.integers(0, 2**32), st.integers(2, 12), st.booleans())
@settings(max_examples=EXAMPLES, deadline=None)
def test_no_day_that_a_reader_was_told_is_shortened(seed, count, orderly):
    """Whoever has it truly is due no earlier than told, or staff know of a renewal that failed."""
    found = history(random.Random(seed), count, orderly=orderly, days=range(1000, 1009))

    folded = fold(found.facts, found.known)

    held, real = folded.holding, found.truth
    rules = {entry.rule for entry in folded.entries}
    if held.patron == real.patron is not None and Rule.RENEWAL_OF_ENDED_LOAN not in rules:
        assert held.due_at >= real.due_at


@given(st.integers(0, 2**32), st.integers(2, 8))
@settings(max_examples=EXAMPLES, deadline=None)
def test_better_intervals_never_turn_the_truth_over(seed, count):
    """Folded again when clocks have told more, a certain answer stays what happened."""
    found = history(random.Random(seed), count, orderly=True, widths=(None,))
    exact = {one.id: Interval(n * 10, n * 10) for n, one in enumerate(found.facts)}

    vague, clear = fold(found.facts, found.known), fold(found.facts, exact)

    assert clear.is_certain
    assert clear.holding == found.truth
    assert not vague.is_certain or _same_to_a_reader(vague.holding, clear.holding)


@given(st.integers(0, 2**32), st.integers(1, 6))
@settings(max_examples=EXAMPLES, deadline=None)
def test_the_late_fact_and_the_decision_arrive_in_any_order(seed, count):
    """A decision taken on part of the facts, then the rest: one answer whoever came first."""
    source = random.Random(seed)
    found = history(source, count + 1, orderly=False)
    late = source.choice(found.facts)
    early = [one for one in found.facts if one is not late]
    considered = fold(early, found.known).considered
    decided = fact("d" * 16, kinds.DECISION, "desk", saw=considered, state="available")

    answers = {
        repr(fold(arrival, found.known))
        for arrival in ([*early, decided, late], [late, decided, *early], [decided, late, *early])
    }
    alone = fold([*early, decided], found.known)

    assert len(answers) == 1
    assert (alone.holding.state, alone.holding.patron) == (ItemState.AVAILABLE, None)
    assert alone.last == ("d" * 16,)


def _outcomes(base, facts, order):
    """Return what brute force finds: the readers and names of each believable order."""
    orderly, all_of_them = set(), set()
    for arrangement in itertools.permutations(facts):
        pairs = itertools.combinations(arrangement, 2)
        if any(order.is_before(then.id, first.id) for first, then in pairs):
            continue
        holding, believable = base, True
        for one in arrangement:
            if one.kind == kinds.CHECKIN and holding.loan is None:
                believable = False
            lent = holding.state is ItemState.ON_LOAN
            if one.kind == kinds.CHECKOUT and lent and one.patron != holding.patron:
                believable = False
            holding, _ = step(holding, one)
        seen = (holding.patron, holding.loan_names, holding.due_at)
        all_of_them.add(seen)
        if believable:
            orderly.add(seen)
    return orderly or all_of_them


@given(st.integers(0, 2**32), st.integers(2, 6))
@settings(max_examples=EXAMPLES, deadline=None)
def test_weighing_agrees_with_trying_every_order(seed, count):
    """For small groups: certain means one outcome of all believable orders, and that one."""
    found = history(random.Random(seed), count, orderly=False)
    order = Order(found.facts, found.known)
    base = told_in_order([fact("base", kinds.CHECKOUT, patron="A", due_at=5)])
    for start in (ON_SHELF, base):
        outcomes = _outcomes(start, found.facts, order)
        holding, entries = weigh(start, found.facts, order)

        if holding.state is ItemState.UNCERTAIN:
            assert [entry.rule for entry in entries] == [Rule.UNCERTAIN]
            assert len(outcomes) > 1 or _came_back_maybe(outcomes, found.facts, order)
        else:
            assert outcomes == {(holding.patron, holding.loan_names, holding.due_at)}


def _came_back_maybe(outcomes, facts, order):
    """Whether the one outcome is a loan with a checkin beside its checkout."""
    ((_, names, _),) = outcomes
    checkins = [one.id for one in facts if one.kind == kinds.CHECKIN]
    return any(
        not order.is_before(checkin, opener) and not order.is_before(opener, checkin)
        for opener in names & {one.id for one in facts}
        for checkin in checkins
    )


def test_a_copied_journal_changes_nothing(seed):
    """Rows copied into a new epoch after a fork are the facts they were."""
    for turn in range(100):
        found = history(random.Random(f"{seed} {turn}"), 7, orderly=False)
        copies = [one._replace(epoch_n=2, seq=one.seq + 100) for one in found.facts[3:]]

        assert fold([*copies, *found.facts], found.known) == fold(found.facts, found.known)
