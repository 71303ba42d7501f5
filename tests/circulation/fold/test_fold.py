"""Facts that did not see each other, decisions, and what the fast path may do."""

import itertools
import time

import pytest

from circulation.fold.fold import Folded, fold, may_step
from circulation.fold.holding import Holding, Rule
from circulation.items import ItemState
from tests.circulation.fold.histories import at, checkin, checkout, decision, fact

LENT = checkout("c0", "X", "k0")
NOBODY = (None, None, None)


def rules(folded):
    return [entry.rule for entry in folded.entries]


def owes(folded):
    return (folded.holding.patron, folded.holding.loan, folded.holding.due_at)


def test_an_item_without_facts_stands_on_its_shelf():
    """Nothing has happened, and nothing is asked."""
    assert fold([], {}) == Folded(Holding())


def test_a_history_may_begin_elsewhere_than_on_the_shelf():
    """An imported item starts as its old system left it."""
    start = Holding(state=ItemState.MISSING)

    assert fold([], {}, start).holding == start
    assert rules(fold([checkin("i1")], {}, start)) == [Rule.RETURNED_WHILE_MISSING]


def test_ordered_facts_are_applied_one_by_one():
    """The last of them holds the item, and is what the next fact should have seen."""
    folded = fold([checkin("i1", "k2", saw="c0"), LENT], {})

    assert folded.holding.state is ItemState.TO_BE_SHELVED
    assert (folded.last, folded.considered, folded.entries) == (("i1",), ("i1",), ())
    assert folded.is_certain


class TestConcurrent:
    """Two to six facts nobody can order."""

    def test_one_believable_order_is_taken_and_shown(self):
        """A loan and a return of an item on the shelf: it was lent, then returned."""
        folded = fold([checkout("c1", "A", "k1"), checkin("i1", "k2")], {})

        assert folded.holding.state is ItemState.TO_BE_SHELVED
        assert owes(folded) == NOBODY
        assert rules(folded) == [Rule.ORDER_UNCLEAR]
        assert folded.entries[0].facts == ("c1", "i1")
        assert folded.last == ("c1", "i1")

    def test_two_borrowers_at_once_leave_the_item_uncertain(self):
        """Nobody owes it, it may leave, and staff get one entry."""
        folded = fold([checkout("c1", "A", "k1"), checkout("c2", "B", "k2")], {})

        told = (("A", 1_000_000), ("B", 1_000_000))
        assert folded.holding == Holding(state=ItemState.UNCERTAIN, reach=3, told=told)
        assert rules(folded) == [Rule.UNCERTAIN]
        assert not folded.is_certain

    def test_two_loans_of_one_reader_are_one(self):
        """Lent at two kiosks to the same reader: the loan goes on until the later date."""
        both = [checkout("c1", "A", "k1", due_at=10), checkout("c2", "A", "k2", due_at=20)]
        folded = fold(both, {})

        assert (folded.holding.patron, folded.holding.due_at) == ("A", 20)
        assert folded.holding.loan_names == {"c1", "c2"}
        assert folded.entries == ()

    def test_facts_that_agree_in_every_order_ask_nothing(self):
        """Two renewals at two kiosks end at the later date, whichever came first."""
        both = [
            fact("r1", "renewal", "k1", saw="c0", loan="c0", due_at=30),
            fact("r2", "renewal", "k2", saw="c0", loan="c0", due_at=20),
        ]
        folded = fold([LENT._replace(due_at=10), *both], {})

        assert (folded.holding.due_at, folded.holding.renewals) == (30, 2)
        assert folded.entries == ()

    def test_a_renewal_beside_a_return_is_a_return(self):
        """Both orders end on the trolley; only whether the renewal counted is unclear."""
        folded = fold(
            [
                LENT,
                checkin("i1", "k1", saw="c0"),
                fact("r1", "renewal", "k2", saw="c0", loan="c0"),
            ],
            {},
        )

        assert owes(folded) == NOBODY
        assert rules(folded) == [Rule.ORDER_UNCLEAR]

    def test_two_returns_of_one_loan_are_a_return(self):
        """No order lets both close a loan, but all end alike."""
        folded = fold([LENT, checkin("i1", "k1", saw="c0"), checkin("i2", "k2", saw="c0")], {})

        assert folded.holding.state is ItemState.TO_BE_SHELVED
        assert rules(folded) == [Rule.ORDER_UNCLEAR]

    def test_on_the_shelf_or_on_the_trolley_is_no_doubt(self):
        """A sighting beside a return leaves the item in the library; staff look on the trolley."""
        folded = fold(
            [LENT, checkin("i1", "k1", saw="c0"), fact("s1", "seen", "k2", saw="c0")], {}
        )

        assert folded.holding.state is ItemState.TO_BE_SHELVED
        assert rules(folded) == [Rule.ORDER_UNCLEAR]

    def test_an_entry_that_every_order_makes_is_shown(self):
        """Whichever return came first, the item was lost until then."""
        lost = fact("d1", "declared", "k0", 2, state="lost")
        both = [checkin("i1", "k1", saw="d1"), fact("s1", "used_in_house", "k2", saw="d1")]
        folded = fold([LENT, lost, *both], {})

        assert folded.holding.state is ItemState.TO_BE_SHELVED
        assert Rule.ORDER_UNCLEAR in rules(folded)

    def test_a_deposit_survives_a_doubt_that_does_not_touch_it(self):
        """The corner still answers for a book that nobody can say who has."""
        box = fact("p1", "deposited", "desk", place="class 3(2)", group="3(2)")
        both = [checkout("c1", "A", "k1", saw="p1"), checkout("c2", "B", "k2", saw="p1")]
        folded = fold([box, *both], {})

        assert (folded.holding.state, folded.holding.place) == (ItemState.UNCERTAIN, "class 3(2)")

    def test_a_deposit_in_doubt_is_none(self):
        """Deposited in two classes at once, it belongs to neither until staff say so."""
        both = [
            fact("p1", "deposited", "k1", place="class 3(2)"),
            fact("p2", "deposited", "k2", place="class 4(1)"),
        ]
        folded = fold(both, {})

        assert (folded.holding.state, folded.holding.place) == (ItemState.UNCERTAIN, None)

    def test_six_facts_are_weighed_and_seven_are_not(self):
        """The work is bounded: with a seventh the item is uncertain without looking."""
        several = [fact(f"r{n}", "renewal", f"k{n}", saw="c0", loan="c0") for n in range(1, 8)]

        assert fold([LENT, *several[:6]], {}).holding.renewals == 6
        assert fold([LENT, *several], {}).holding.state is ItemState.UNCERTAIN

    def test_five_hundred_facts_are_no_burden(self):
        """A hostile crowd costs less than a second and one entry."""
        crowd = [checkout(f"{n:016x}", f"P{n}", f"k{n}") for n in range(500)]
        started = time.process_time()
        folded = fold(crowd, {})

        assert time.process_time() - started < 5
        assert rules(folded) == [Rule.UNCERTAIN]
        assert (len(folded.siblings), len(folded.considered)) == (500, 256)


@pytest.mark.parametrize(
    ("later", "ends"),
    [("checkin", True), ("checkout", True), ("used_in_house", False), ("seen", False)],
)
def test_being_seen_ends_no_unclear_order(later, ends):
    """What was taken may be wrong until somebody lends or returns the item: the reader who may
    have borrowed it since is not forgotten because it was scanned from a trolley."""
    unclear = [LENT, checkin("i1", "k1", saw="c0"), checkin("i2", "k2", saw="c0")]
    folded = fold([*unclear, fact("z", later, "k3", saw=("i1", "i2"))], {})

    [entry] = [one for one in folded.entries if one.rule is Rule.ORDER_UNCLEAR]
    assert folded.ended == ((entry.key,) if ends else ())


class TestSiblings:
    """The last facts of an uncertain item, as staff see them."""

    def test_checked_in_is_shown_before_checked_out(self):
        """Then the later midpoint, then the id."""
        facts = [
            checkout("a", "A", "k1", saw="c0"),
            checkout("b", "B", "k2", saw="c0"),
            checkout("c", "C", "k3", saw="c0"),
            checkout("d", "D", "k4", saw="c0"),
            checkin("e", "k5", saw="c0"),
        ]
        known = {"a": at(10, 90), "b": at(20, 90), "c": at(10, 90), "e": at(5, 90)}
        folded = fold([LENT, *facts], known)

        assert [sibling.fact for sibling in folded.siblings] == ["e", "b", "a", "c", "d"]
        assert folded.siblings[0].holding.state is ItemState.TO_BE_SHELVED
        assert folded.siblings[1].holding.patron == "B"
        assert folded.siblings[1].kind == "checkout"

    def test_each_stands_on_what_is_before_it(self):
        """A return whose tag refused to be switched is a return, or staff would never see one."""
        facts = [
            checkout("a", "A", "k1", saw="c0"),
            checkin("b", "k2", saw="c0"),
            fact("c", "security_not_set", "k2", saw="b"),
        ]
        folded = fold([LENT, *facts], {})

        states = {one.fact: (one.holding.state, one.holding.patron) for one in folded.siblings}
        assert states == {
            "a": (ItemState.ON_LOAN, "A"),
            "c": (ItemState.TO_BE_SHELVED, None),
        }

    def test_they_stay_while_the_doubt_lasts(self):
        """A sighting proposes a return but settles nothing."""
        both = [checkout("c1", "A", "k1"), checkout("c2", "B", "k2")]
        seen = fact("s1", "seen", "k3", saw=("c1", "c2"))
        folded = fold([*both, seen], {})

        assert [sibling.fact for sibling in folded.siblings] == ["c1", "c2"]
        assert folded.considered == ("c1", "c2", "s1")
        assert rules(folded) == [Rule.UNCERTAIN, Rule.RETURN_PROPOSED]

    @pytest.mark.parametrize(
        "later",
        [checkin("z", "k3", saw=("c1", "c2")), checkout("z", "C", "k3", saw=("c1", "c2"))],
    )
    def test_a_later_single_fact_ends_the_doubt(self, later):
        """Whoever had it, now it is here, or now this reader has it."""
        folded = fold([checkout("c1", "A", "k1"), checkout("c2", "B", "k2"), later], {})

        assert folded.is_certain
        assert (folded.holding.patron, folded.siblings) == (later.patron, ())
        assert folded.last == folded.considered == ("z",)

    def test_a_checkin_in_doubt_may_have_closed_a_loan(self):
        """After a doubt both orders of a return and a loan are believable."""
        both = [checkout("c1", "A", "k1", 1), checkout("c2", "B", "k2", 1)]
        after = [
            checkout("c3", "C", "k1", 2, saw="c2"),
            checkin("i3", "k2", 2, saw="c1"),
        ]
        folded = fold([*both, *after], {})

        assert folded.holding.state is ItemState.UNCERTAIN
        assert rules(folded) == [Rule.UNCERTAIN, Rule.UNCERTAIN]

    def test_nobody_is_shown_for_a_doubt_that_was_there_before_all_facts(self):
        """An item that starts uncertain has no siblings to show."""
        start = Holding(state=ItemState.UNCERTAIN, reach=3)

        assert fold([fact("s1", "seen")], {}, start).siblings == ()


class TestDaysTold:
    """No day that a reader was told is shortened because an order stays unclear."""

    IN_DOUBT = (
        checkout("c1", "A", "k1", 1, due_at=10),
        fact("r1", "renewal", "k1", 2, patron="A", loan="c1", due_at=30),
        checkout("c2", "B", "k2", 1, due_at=15),
    )

    @staticmethod
    def again(patron, due_at, saw=("r1", "c2"), **said):
        """Return a checkout at a kiosk that knows of all the others."""
        return checkout("z", patron, "k3", 9, saw=saw, due_at=due_at, **said)

    @pytest.mark.parametrize(
        ("patron", "own", "due_at"),
        [("A", 20, 30), ("A", 40, 40), ("B", 5, 15), ("C", 5, 5), (None, 5, 5), ("A", None, None)],
        ids=["told later", "told now", "somebody else", "never told", "nobody", "for ever"],
    )
    def test_a_loan_after_a_doubt_is_due_no_earlier(self, patron, own, due_at):
        """Of its own day and that which the same reader was told before, the later counts."""
        folded = fold([*self.IN_DOUBT, self.again(patron, own)], {})

        assert (folded.holding.patron, folded.holding.due_at) == (patron, due_at)
        assert folded.holding.told == ()

    def test_the_loan_before_the_doubt_counts(self):
        """It may be the one that goes on."""
        before = checkout("c0", "A", "k0", due_at=50)
        doubt = [checkin("i1", "k1", saw="c0"), checkout("c2", "B", "k2", saw="c0", due_at=15)]
        folded = fold([before, *doubt, self.again("A", 20, ("i1", "c2"))], {})

        assert folded.holding.due_at == 50

    def test_a_renewal_while_it_lasts_counts(self):
        """Staff see an entry, and the reader keeps the day."""
        renewal = fact(
            "r2", "renewal", "k1", 3, patron="A", loan="c1", due_at=45, saw=("r1", "c2")
        )
        folded = fold([*self.IN_DOUBT, renewal, self.again("A", 20, "r2")], {})

        assert rules(folded) == [Rule.UNCERTAIN, Rule.RENEWAL_WHILE_UNCERTAIN]
        assert folded.holding.due_at == 45

    @pytest.mark.parametrize(
        ("between", "due_at"),
        [
            (checkin("y", "k3", 8, saw=("r1", "c2")), 20),
            (fact("y", "seen", "k3", 8, saw=("r1", "c2")), 30),
            (decision("y", "available", ("r1", "c2")), 20),
        ],
        ids=["returned", "seen", "decided"],
    )
    def test_a_return_ends_what_is_kept_and_being_seen_does_not(self, between, due_at):
        """Somebody may have laid the book down while it is still lent."""
        folded = fold([*self.IN_DOUBT, between, self.again("A", 20, "y")], {})

        assert folded.holding.due_at == due_at

    def test_an_unclear_order_keeps_them_too_until_the_item_is_lent(self):
        """The one order believed says that the book came back; it may not have."""
        unclear = [
            checkin("r", "k0"),
            checkout("c", "A", "k1", saw="r", due_at=30),
            checkin("i", "k2", saw="r"),
        ]
        seen = fact("s", "seen", "k3", 8, saw=("c", "i"))
        kept = fold([*unclear, seen], {})
        folded = fold([*unclear, seen, self.again("A", 20, "s")], {})

        assert rules(kept) == [Rule.ORDER_UNCLEAR]
        assert (kept.holding.patron, kept.holding.told) == (None, (("A", 30),))
        assert (folded.holding.due_at, folded.holding.told) == (30, ())

    def test_a_loan_of_unclear_order_is_due_on_the_last_day_its_reader_was_told(self):
        """Believed is the order with a return between; without one, the first day goes on."""
        facts = [
            checkout("c1", "A", "k1", due_at=30),
            checkin("i", "k2", 1),
            checkout("c2", "A", "k2", 2, saw="i", due_at=20),
        ]
        folded = fold(facts, {})

        assert rules(folded) == [Rule.ORDER_UNCLEAR]
        assert (folded.holding.patron, folded.holding.due_at) == ("A", 30)

    def test_as_many_readers_are_kept_as_one_item_can_have_had(self):
        """Beyond these, whoever was told the latest days are kept."""
        crowd = [checkout(f"c{n:02}", f"R{n:02}", f"k{n}", due_at=100 + n) for n in range(20)]

        told = fold(crowd, {}).holding.told

        assert told == tuple((f"R{n:02}", 100 + n) for n in range(4, 20))


class TestNotShown:
    """A loan that was written down but never shown to its reader."""

    def test_it_undoes_exactly_its_checkout(self):
        """As if the checkout had never been: the loan before it stands."""
        facts = [
            LENT,
            checkout("c1", "A", "k1", 1, saw="c0"),
            fact("n", "not_shown", loan="c1", seq=2),
        ]
        folded = fold(facts, {})

        assert (folded.holding.patron, folded.holding.loan) == ("X", "c0")
        assert rules(folded) == [Rule.NOT_SHOWN]
        assert (folded.entries[0].facts, folded.entries[0].detail) == (("c1", "n"), "c1")
        assert folded.last == ("n",)

    def test_it_leaves_a_later_loan_alone(self):
        """Whoever borrowed the item meanwhile has it, and nobody returned it implicitly."""
        facts = [
            checkout("c1", "A", "k1", 1),
            fact("n", "not_shown", loan="c1", seq=2),
            checkout("c2", "B", "k2", saw="c1"),
        ]

        assert fold(facts, {}).holding.patron == "B"
        assert Rule.IMPLICIT_RETURN not in rules(fold(facts, {}))

    @pytest.mark.parametrize(
        "word",
        [
            fact("n", "not_shown", "k2", loan="c1", saw="c1"),
            fact("n", "not_shown", "k1", 0, loan="c1"),
            fact("n", "not_shown", "k1", 2, loan="c9"),
            fact("n", "not_shown", "k1", 2),
        ],
    )
    def test_nobody_undoes_what_is_not_theirs(self, word):
        """Another station's, a later or an unknown checkout is not undone."""
        folded = fold([checkout("c1", "A", "k1", 1), word], {})

        assert folded.holding.patron == "A"
        assert Rule.NOT_SHOWN not in rules(folded)

    def test_a_decision_answers_it(self):
        """What staff saw is asked no more."""
        facts = [
            checkout("c1", "A", "k1", 1),
            fact("n", "not_shown", loan="c1", seq=2),
            decision("d", "available", ("c1", "n")),
        ]

        assert fold(facts, {}).entries == ()


class TestDecision:
    """Staff's word, a fact like others, that replaces what it saw."""

    BOTH = (checkout("c1", "A", "k1"), checkout("c2", "B", "k2"))

    def test_it_replaces_exactly_the_facts_it_saw(self):
        """The doubt and its entry are gone."""
        folded = fold([*self.BOTH, decision("d", "on_loan", ("c1", "c2"), patron="B")], {})

        assert folded.holding.patron == "B"
        assert (folded.entries, folded.last) == ((), ("d",))

    def test_a_fact_it_did_not_see_opens_a_new_entry(self):
        """A third kiosk's loan arrives late: the decision is not wiped out silently."""
        decided = decision("d", "on_loan", ("c1", "c2"), patron="B")
        folded = fold([*self.BOTH, decided, checkout("c3", "C", "k3")], {})

        unseen = [entry for entry in folded.entries if entry.rule is Rule.UNSEEN_BY_DECISION]
        assert [(entry.facts, entry.detail) for entry in unseen] == [(("c3",), "d")]
        assert unseen[0].key == "unseen_by_decision:c3"

    def test_a_late_fact_that_certainly_came_earlier_changes_no_decision(self):
        """The decision stands, and staff are told of what they could not know."""
        decided = decision("d", "available", ("c1", "c2"))
        known = {"c3": at(1), "d": at(9)}
        folded = fold([*self.BOTH, decided, checkout("c3", "C", "k3")], known)

        assert folded.holding.state is ItemState.AVAILABLE
        assert rules(folded) == [Rule.UNSEEN_BY_DECISION]

    def test_what_it_knew_through_others_is_no_surprise(self):
        """The history behind the facts it saw needs no naming."""
        history = [checkin("i0", "k1", 1), checkout("c1", "A", "k1", 2)]
        folded = fold([*history, decision("d", "available", ("c1",))], {})

        assert (folded.entries, folded.last) == ((), ("d",))

    def test_what_comes_after_it_is_ordinary(self):
        """A loan that saw the decision is a loan."""
        decided = decision("d", "available", ("c1", "c2"))
        folded = fold([*self.BOTH, decided, checkout("c3", "C", "k3", saw="d")], {})

        assert (folded.holding.patron, folded.entries) == ("C", ())

    def test_a_later_decision_keeps_what_the_first_replaced_replaced(self):
        """Staff change their minds without the old doubt coming back."""
        first = decision("d1", "available", ("c1", "c2"))
        second = decision("d2", "missing", ("d1",), seq=2)
        folded = fold([*self.BOTH, first, second], {})

        assert (folded.holding.state, folded.entries) == (ItemState.MISSING, ())

    def test_it_cannot_replace_what_came_after_it(self):
        """A decision that claims to have seen the future replaces nothing of it."""
        late = checkout("c1", "A", "desk", 2)
        folded = fold([decision("d", "available", ("c1",)), late], {})

        assert folded.holding.patron == "A"

    def test_a_return_beside_a_decided_loan_bills_nobody(self):
        """The book may have come back before or after staff decided who has it."""
        decided = decision("d", "on_loan", ("c0",), patron="X", loan="c0")
        folded = fold([LENT, decided, checkout("c2", "B", "k2", saw="c0"), checkin("i", "k3")], {})

        assert folded.holding.patron is None

    def test_listing_what_is_considered_settles_everything(self):
        """The ids a decision should list are exactly enough: no doubt and no entry remains."""
        facts = [
            LENT,
            checkout("c1", "A", "k1", 1, saw="c0"),
            checkin("i1", "k2", 1, saw="c0"),
            fact("s1", "seen", "k3", saw=("c1", "i1")),
        ]
        doubtful = fold(facts, {"c0": at(0)})
        decided = decision("d", "available", doubtful.considered)
        folded = fold([*facts, decided], {"c0": at(0)})

        assert not doubtful.is_certain
        assert (folded.holding.state, folded.entries) == (ItemState.AVAILABLE, ())


class TestFastPath:
    """When a new fact may be applied to what is stored."""

    NEXT = checkin("i1", "k2", saw="c0")

    def test_a_fact_that_saw_the_one_last_fact_may_be_stepped(self):
        """It is after all others, so nothing else needs to be read."""
        assert may_step(("c0",), self.NEXT)
        assert may_step(("c0",), self.NEXT, floor_ms=5, interval=at(5, 9))

    @pytest.mark.parametrize(
        ("last", "said"),
        [
            (("c9",), NEXT),
            (("c0", "c9"), NEXT),
            ((), NEXT),
            ((), checkin("i1")),
            (("c0",), decision("d", "available", ("c0",))),
            (("c0",), fact("n", "not_shown", saw="c0", loan="c0")),
            (("c0",), fact("t", "tag_seen", saw="c0")),
        ],
    )
    def test_everything_else_is_folded_in_full(self, last, said):
        """What saw less, saw more, reaches back or does not move is no step."""
        assert not may_step(last, said)

    @pytest.mark.parametrize("interval", [at(1, 4), at(9, 6)])
    def test_a_clock_that_contradicts_what_was_seen_is_folded_in_full(self, interval):
        """Then the clocks of others are in doubt too."""
        assert not may_step(("c0",), self.NEXT, floor_ms=5, interval=interval)


def test_every_order_of_arrival_gives_one_answer():
    """All 720 ways six facts can arrive fold alike, entries and siblings included."""
    facts = [
        LENT,
        checkout("c1", "A", "k1", saw="c0"),
        checkin("i1", "k2", 1, saw="c0"),
        checkout("c2", "B", "k2", 2, saw="i1"),
        decision("d", "available", ("c1", "i1")),
        fact("n", "not_shown", "k2", 3, loan="c2"),
    ]
    known = {"c0": at(1), "d": at(20, 30), "n": at(10, 25)}

    answers = {repr(fold(arrival, known)) for arrival in itertools.permutations(facts)}

    assert len(answers) == 1


def test_an_entry_about_several_facts_has_one_key_in_every_order():
    """The key of a doubt is made of its facts, however many there are."""
    both = [checkout("c1", "A", "k1"), checkout("c2", "B", "k2")]
    keys = {fold(facts, {}).entries[0].key for facts in (both, both[::-1])}

    assert keys == {"uncertain:84a739983175dc60"}


def test_a_doubt_about_facts_without_an_item_id_names_none():
    """Facts known by barcode alone still make their entry."""
    both = [checkout(f"c{n}", f"P{n}", f"k{n}")._replace(item_id=None) for n in (1, 2)]

    assert fold(both, {}).entries[0].item_id == ""


def test_clocks_that_contradict_the_order_are_told():
    """The gateway can show which station's clock to look at."""
    folded = fold([LENT, checkin("i1", "k1", saw="c0")], {"c0": at(9), "i1": at(3)})

    assert folded.flagged == ("c0", "i1")
    assert folded.holding.state is ItemState.TO_BE_SHELVED
