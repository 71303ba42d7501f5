"""Which facts came before which, and what falls apart into groups."""

import itertools
import random

import pytest

from circulation.fold.intervals import Interval
from circulation.fold.order import Order
from circulation.wire import kinds
from tests.circulation.fold.histories import at, checkin, checkout, decision, fact, history


def names(facts):
    return "".join(fact.id for fact in facts)


def groups(order, *, of=None):
    facts = order.facts
    return [sorted(fact.id for fact in block) for block in order.blocks(of or names(facts))]


def test_what_a_station_wrote_earlier_came_before():
    """Within a station order is epoch and sequence, whatever its clocks say."""
    order = Order([checkin("b", seq=2), checkin("a", seq=1), checkin("c", seq=1, epoch_n=2)], {})

    assert groups(order) == [["a"], ["b"], ["c"]]
    assert order.is_before("a", "c")
    assert not order.is_before("c", "a")


def test_what_a_fact_saw_came_before_it():
    """`saw` orders facts of two stations without any clock."""
    order = Order([checkin("a", "k2"), checkin("b", "k1", saw="a")], {})

    assert order.is_before("a", "b")
    assert not order.is_before("b", "a")


def test_whoever_sees_a_fact_also_came_after_all_before_it():
    """Seeing is transitive through another station's journal."""
    order = Order([checkin("a", "k2", 1), checkin("b", "k2", 2), checkin("c", "k1", saw="b")], {})

    assert order.is_before("a", "c")


def test_intervals_without_an_instant_in_common_order_two_facts():
    """Certainly over before the other can have begun: that is before."""
    order = Order([checkin("a", "k1"), checkin("b", "k2")], {"a": at(10, 20), "b": at(21, 30)})

    assert order.is_before("a", "b")


@pytest.mark.parametrize(
    ("first", "then"),
    [(at(10, 20), at(20, 30)), (at(10, 20), at(0, 40)), (at(10), Interval()), (at(7), at(7))],
)
def test_intervals_that_touch_order_nothing(first, then):
    """One common instant is enough for either order, so neither is claimed."""
    order = Order([checkin("a", "k1"), checkin("b", "k2")], {"a": first, "b": then})

    assert not order.is_before("a", "b")
    assert not order.is_before("b", "a")
    assert groups(order) == [["a", "b"]]


def test_bounds_reach_through_what_was_seen():
    """Nobody is later than who saw it: so a fact without a clock is ordered by its witness."""
    facts = [checkin("a", "k1"), checkin("w", "k2", saw="a"), checkin("b", "k3")]

    order = Order(facts, {"w": at(10), "b": at(11)})

    assert order.is_before("a", "b")
    assert groups(order) == [["a"], ["w"], ["b"]]


def a_remark(fact_id, about, station="k1", seq=2, **said):
    return fact(fact_id, kinds.SECURITY_NOT_SET, station, seq, saw=about, **said)


def test_who_saw_a_fact_came_after_what_was_said_of_its_tag():
    """Nobody is told that a tag could not be switched; the next one had to switch it again."""
    facts = [checkout("a", "A"), a_remark("r", "a"), checkout("b", "B", "k2", saw="a")]

    order = Order(facts, {})

    assert order.is_before("r", "b")
    assert groups(order) == [["a"], ["r"], ["b"]]


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ([a_remark("r", "a", boot="b2")], "after a power cut others may have had the item"),
        ([checkin("m", seq=2), a_remark("r", "a", seq=3)], "not right behind it"),
        ([a_remark("r", "a", "k3")], "another station's"),
        ([a_remark("r", ())], "about nothing it names"),
        ([checkin("r", seq=2, saw="a")], "a return is no remark"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_facts_behind_one_that_was_seen_are_not_ordered(facts, why):
    """Only what was said at once, by its own station, is part of what was seen."""
    order = Order([checkout("a", "A"), *facts, checkout("b", "B", "k2", saw="a")], {})

    assert not order.is_before("r", "b"), why
    assert not order.is_before("b", "r"), why


def test_a_decision_follows_no_remark_that_it_does_not_name():
    """Staff are told of what they did not know, also of a tag."""
    facts = [checkin("a"), a_remark("r", "a"), decision("d", "available", ("a",))]

    assert not Order(facts, {}).is_before("r", "d")


def test_two_remarks_at_one_place_stay_beside_each_other():
    """Two stations of one name wrote them; neither is behind the other."""
    order = Order([checkout("a", "A"), a_remark("r", "a"), a_remark("s", "a")], {})

    assert groups(order) == [["a"], ["r", "s"]]


def test_no_fact_is_before_itself():
    """The relation is strict, also for a fact that claims to have seen itself."""
    order = Order([checkin("a", saw="a")], {"a": at(5)})

    assert not order.is_before("a", "a")


def test_a_fact_nobody_has_sent_yet_orders_nothing():
    """`saw` may name a fact that has not arrived; it is ignored until it does."""
    order = Order([checkin("a", "k1", saw="missing"), checkin("b", "k2")], {})

    assert groups(order) == [["a", "b"]]


def test_groups_are_whole_before_the_next():
    """Two unordered facts between two ordered ones form the one group of two."""
    facts = [
        checkin("a", "k1", 1),
        checkin("b", "k1", 2),
        checkin("c", "k2", saw="a"),
        checkin("d", "k3", saw=("b", "c")),
    ]

    order = Order(facts, {})

    assert groups(order) == [["a"], ["b", "c"], ["d"]]
    assert groups(order, of="abd") == [["a"], ["b"], ["d"]]
    assert names(order.last_of(order.blocks("abc")[-1])) in ("bc", "cb")


def test_a_group_may_contain_ordered_facts():
    """Whoever is unordered with both of two ordered facts holds them together."""
    facts = [checkin("a", "k1", 1), checkin("b", "k1", 2), checkin("c", "k2")]

    order = Order(facts, {})

    assert groups(order) == [["a", "b", "c"]]
    assert sorted(names(order.last_of(order.blocks("abc")[0]))) == ["b", "c"]


def test_a_repeated_fact_counts_once_at_its_first_position():
    """A row copied into a new epoch is the same fact."""
    copies = [checkin("a", seq=4, epoch_n=1), checkin("a", seq=1, epoch_n=2)]
    between = checkin("b", seq=5, epoch_n=1)

    for facts in itertools.permutations([*copies, between]):
        assert groups(Order(facts, {})) == [["a"], ["b"]]


def test_two_facts_with_one_id_are_told_apart_the_same_way_in_every_order():
    """A forged id cannot make the order of arrival matter."""
    real = checkin("a", "k1", 3)
    forged = checkin("a", "k0", 3, room="elsewhere")

    for facts in ([real, forged], [forged, real]):
        assert Order(facts, {}).facts == [forged]


def test_two_facts_at_one_position_are_not_ordered_by_it():
    """One epoch number used by two histories orders nothing between them."""
    facts = [checkin("a", seq=1), checkin("b", seq=2), checkin("c", seq=2), checkin("d", seq=3)]

    order = Order(facts, {})

    assert groups(order) == [["a"], ["b", "c"], ["d"]]


def test_facts_that_claim_to_have_seen_each_other_are_not_believed():
    """A circle of seeing is broken; what stations wrote in order stays in order."""
    facts = [
        checkin("a", "k1", 1, saw="d"),
        checkin("b", "k1", 2),
        checkin("c", "k2", 1, saw="b"),
        checkin("d", "k2", 2),
        checkin("e", "k3", saw="d"),
        checkin("f", "k4"),
    ]

    order = Order(facts, {})

    assert order.is_before("a", "b")
    assert order.is_before("c", "d")
    assert order.is_before("d", "e")
    assert not order.is_before("b", "c")
    assert not order.is_before("d", "a")


def test_a_fact_that_leads_into_a_circle_keeps_its_place():
    """Only claims inside the circle are dropped."""
    facts = [
        checkin("a", "k1"),
        checkin("b", "k2", saw=("a", "c")),
        checkin("c", "k3", saw="b"),
        checkin("d", "k4", saw="c"),
        checkin("e", "k5", saw="d"),
    ]

    order = Order(facts, {})

    assert order.is_before("a", "b")
    assert order.is_before("c", "e")
    assert groups(order, of="bc") == [["b", "c"]]


def test_an_interval_that_contradicts_what_was_seen_is_not_used():
    """The order is believed, both clocks are not, and both facts are flagged."""
    facts = [checkin("a", "k1"), checkin("b", "k2", saw="a"), checkin("c", "k3")]

    order = Order(facts, {"a": at(100), "b": at(50), "c": at(70)})

    assert order.flagged == ("a", "b")
    assert order.is_before("a", "b")
    assert groups(order) == [["a", "b", "c"]]


def test_an_interval_that_ends_before_it_begins_is_not_used():
    """A reversed interval orders nothing and is flagged."""
    order = Order([checkin("a", "k1"), checkin("b", "k2")], {"a": at(9, 1), "b": at(5)})

    assert order.flagged == ("a",)
    assert groups(order) == [["a", "b"]]


def test_the_floor_is_what_the_newest_fact_cannot_precede():
    """The greatest lower bound of all facts, or nothing where no clock is known."""
    facts = [checkin("a", "k1"), checkin("b", "k2")]

    assert Order(facts, {"a": at(10, 90), "b": at(20, 30)}).floor_ms == 20
    assert Order(facts, {}).floor_ms is None
    assert Order([], {}).floor_ms is None


def test_causes_leave_time_aside():
    """Only writing and seeing count as knowing."""
    facts = [checkin("a", "k1"), checkin("b", "k2"), checkin("c", "k3", saw="b")]

    order = Order(facts, {"a": at(1), "b": at(5), "c": at(9)})

    assert order.is_before("a", "c")
    assert order.causes_of("c") == {"b"}
    assert names(order.causally_last("abc")) == "ac"
    assert names(order.causally_last("ab")) == "ab"


def closure(facts, known):
    """Return the relation by its definition: every pair of direct befores, closed."""
    direct = {
        (a.id, b.id)
        for a, b in itertools.permutations(facts, 2)
        if (a.station == b.station and a.seq < b.seq)
        or a.id in b.saw
        or (
            known[a.id].latest_ms is not None
            and known[b.id].earliest_ms is not None
            and known[a.id].latest_ms < known[b.id].earliest_ms
        )
    }
    ids = [fact.id for fact in facts]
    for middle, first, then in itertools.product(ids, ids, ids):
        if (first, middle) in direct and (middle, then) in direct:
            direct.add((first, then))
    return direct


def test_the_relation_is_the_closure_of_its_definition(seed):
    """The closed form agrees with closing all direct befores by brute force."""
    for turn in range(150):
        source = random.Random(f"{seed} {turn}")
        found = history(source, source.randint(1, 9), orderly=False)
        order = Order(found.facts, found.known)

        ids = [fact.id for fact in found.facts]
        said = {pair for pair in itertools.permutations(ids, 2) if order.is_before(*pair)}

        assert said == closure(found.facts, found.known)


def test_groups_are_the_components_of_what_is_not_ordered(seed):
    """Groups come in order, each as small as can be."""
    for turn in range(150):
        source = random.Random(f"{seed} {turn}")
        found = history(source, source.randint(1, 9), orderly=False)
        before = closure(found.facts, found.known)
        chosen = [fact.id for fact in found.facts if source.random() < 0.8]

        blocks = groups(Order(found.facts, found.known), of=chosen or ["nobody"])

        assert sorted(itertools.chain(*blocks)) == sorted(chosen)
        for earlier, later in itertools.pairwise(blocks):
            assert {(a, b) for a in earlier for b in later} <= before
        assert not [block for block in blocks if _can_be_cut(block, before)]


def _can_be_cut(block, before):
    """Whether a part of the block is wholly before the rest of it."""
    return any(
        {(a, b) for a in left for b in set(block) - set(left)} <= before
        for size in range(1, len(block))
        for left in itertools.combinations(block, size)
    )
