"""Stories that broke simpler designs, as far as the fold has a part in them."""

import itertools

from circulation.fold.fold import fold
from circulation.fold.holding import Rule
from circulation.fold.intervals import intervals
from circulation.items import ItemState
from tests.circulation.fold.histories import at, checkin, checkout, clock, decision, fact

HOUR_MS = 3_600_000
MINUTE_MS = 60_000
NOW = 1_700_000_000_000


def rules(folded):
    return [entry.rule for entry in folded.entries]


def test_cyclic_midpoints_give_one_state_in_all_six_orders_of_arrival():
    """Overlapping intervals order nothing, so no midpoint can make arrival matter."""
    facts = [
        checkout("c1", "A", "k1"),
        checkin("i1", "k2"),
        checkout("c2", "B", "k3"),
    ]
    known = {"c1": at(0, 100), "i1": at(40, 70), "c2": at(10, 80)}

    answers = {repr(fold(arrival, known)) for arrival in itertools.permutations(facts)}

    assert len(answers) == 1


def test_a_return_beside_a_loan_from_a_boot_without_a_clock_bills_nobody():
    """Lent at 2.1 h by a kiosk that never synced, returned at 27.5 h: the midpoint would bill."""
    known = {
        "c1": at(NOW + 48 * MINUTE_MS, NOW + 4170 * MINUTE_MS),
        "i1": at(NOW + 1650 * MINUTE_MS),
    }

    folded = fold([checkout("c1", "A", "k1"), checkin("i1", "k2")], known)

    assert (folded.holding.patron, folded.holding.due_at) == (None, None)
    assert folded.holding.state is ItemState.TO_BE_SHELVED


def test_a_journal_sent_again_to_a_restored_gateway_gives_the_same_intervals():
    """What counts is journalled, so a second sending after the boot is over widens nothing."""
    journal = [
        checkout("c1", "A", "k1", 1, boot="b1", mono_ms=1000),
        clock("t1", 2, boot="b1", mono_ms=61_000, now_ms=NOW, trip_ms=40),
        checkin("i1", "k1", 3, boot="b2", mono_ms=500),
    ]
    first = intervals(journal)

    again = intervals(list(reversed(journal)) + journal)

    assert again == first
    assert first["c1"].latest_ms == NOW - 60_000 + 40 + 12


def test_out_to_two_readers_and_one_return_bills_neither():
    """Two orders are believable and name different borrowers: the item is uncertain."""
    facts = [checkout("c1", "A", "k1"), checkout("c2", "B", "k2"), checkin("i1", "k3")]

    folded = fold(facts, {})

    assert folded.holding.state is ItemState.UNCERTAIN
    assert (folded.holding.patron, folded.holding.reach) == (None, 3)
    assert rules(folded) == [Rule.UNCERTAIN]


def test_ten_concurrent_facts_are_not_searched():
    """3.6 million orders are not looked at; the item is uncertain."""
    facts = [
        checkout(f"c{n}", f"P{n}", f"k{n}") if n % 2 else checkin(f"i{n}", f"k{n}")
        for n in range(10)
    ]

    folded = fold(facts, {})

    assert folded.holding.state is ItemState.UNCERTAIN
    assert rules(folded) == [Rule.UNCERTAIN]


def test_a_late_fact_does_not_wipe_out_the_librarians_decision():
    """Its loan is one more thing to look at, and the decision is still what is shown."""
    both = [checkout("c1", "A", "k1"), checkout("c2", "B", "k2")]
    decided = decision("d", "on_loan", ("c1", "c2"), patron="B", loan="c2", due_at=9000)
    late = checkin("i0", "k3")
    known = {"i0": at(1), "c1": at(5, 50), "c2": at(5, 50), "d": at(90)}

    folded = fold([*both, decided, late], known)

    assert (folded.holding.patron, folded.holding.due_at) == ("B", 9000)
    assert rules(folded) == [Rule.UNSEEN_BY_DECISION]


def test_a_loan_keeps_the_date_its_reader_was_told():
    """The fact carries its outcome: another policy or calendar has no say when it is folded."""
    lent = checkout("c1", "A", due_at=NOW, policy_version=3)

    assert fold([lent], {}).holding.due_at == NOW


def test_a_renewal_that_arrives_late_does_not_extend_a_strangers_loan():
    """It names its loan; that has ended, so nothing changes but for an entry."""
    facts = [
        checkout("c1", "A", "k1", 1),
        checkin("i1", "k2", 1, saw="c1"),
        checkout("c2", "B", "k2", 2, due_at=5000),
        fact("r1", "renewal", "k1", 2, saw="c1", loan="c1", due_at=9000),
    ]
    known = {"r1": at(100), "c2": at(50)}

    folded = fold(facts, known)

    assert (folded.holding.patron, folded.holding.due_at) == ("B", 5000)
    assert [(entry.rule, entry.detail) for entry in folded.entries] == [
        (Rule.RENEWAL_OF_ENDED_LOAN, "c1")
    ]


def test_an_entry_that_staff_decided_keeps_its_name():
    """Folding again with facts that arrived meanwhile gives an old entry the same key."""
    taken_over = [checkout("c1", "A", "k1", 1), checkout("c2", "B", "k1", 2)]
    before = {entry.key for entry in fold(taken_over, {}).entries}

    later = [checkin("i2", "k1", 3), checkout("c3", "C", "k2", saw="i2")]
    after = {entry.key for entry in fold([*later, *taken_over], {}).entries}

    assert before == after == {"implicit_return:c2"}


def test_a_book_lent_on_site_only_may_not_leave_the_building():
    """Its reach is what the checkout said, whatever its state is called."""
    folded = fold([checkout("c1", "A", reach=1, due_at=NOW + 8 * HOUR_MS)], {})

    assert (folded.holding.state, folded.holding.reach) == (ItemState.ON_LOAN, 1)


def test_a_crate_and_a_box_are_no_loans():
    """Books on their way and books in a class corner have no borrower and ring no bell."""
    crate = fold([fact("s1", "sent", place="branch")], {}).holding
    box = fold([fact("p1", "deposited", place="class 3(2)", group="3(2)")], {}).holding

    assert (crate.state, crate.patron) == (ItemState.IN_TRANSIT, None)
    assert (box.state, box.place, box.patron) == (ItemState.AVAILABLE, "class 3(2)", None)


def test_a_power_cut_before_the_tick_leaves_no_loan_behind():
    """The kiosk finds the book still on its pad and takes its own loan back."""
    facts = [
        checkin("i0", "k1", 1),
        checkout("c1", "A", "k1", 2, boot="b1"),
        fact("n1", "not_shown", "k1", 3, loan="c1", boot="b2"),
    ]

    folded = fold(facts, {})

    assert (folded.holding.state, folded.holding.patron) == (ItemState.TO_BE_SHELVED, None)
    assert rules(folded) == [Rule.NOT_SHOWN]


def test_li_takes_one_book_of_the_box_home_and_brings_it_back():
    """The corner's deposit stands during the loan and after it, and nobody reviews anything."""
    box = fact("p1", "deposited", "desk", place="class 3(2)", group="3(2)")
    home = checkout("c1", "Li", "k1", 1, saw="p1")
    back = checkin("i1", "k2", saw="c1")

    lent, returned = fold([box, home], {}), fold([box, home, back], {})

    assert (lent.holding.patron, lent.holding.place) == ("Li", "class 3(2)")
    assert (returned.holding.patron, returned.holding.place) == (None, "class 3(2)")
    assert lent.entries == returned.entries == ()


def test_a_box_that_is_recalled_goes_home():
    """Until then returns go back to the corner; from then on they do not."""
    box = fact("p1", "deposited", "desk", 1, place="class 3(2)", group="3(2)")
    home = checkout("c1", "Li", "k1", 1, saw="p1")
    recalled = fact("p2", "recalled", "desk", 2, saw="c1")
    back = checkin("i1", "k1", 2, saw="p2")

    assert fold([box, home, recalled, back], {}).holding.place is None


def test_pads_that_can_switch_no_tag_leave_no_doubt_about_a_book_that_goes_from_hand_to_hand():
    """Each kiosk saw the last one's fact, and none what the last one said of the tag."""
    facts = []
    for number, (kiosk, reader) in enumerate([("k1", "A"), ("k2", "B"), ("k1", "C"), ("k3", "D")]):
        last = f"c{number - 1}" if number else ()
        lent = checkout(f"c{number}", reader, kiosk, 2 * number + 1, saw=last)
        tag = fact(
            f"t{number}", "security_not_set", kiosk, 2 * number + 2, saw=lent.id, wanted="on_loan"
        )
        facts += [lent, tag]

    folded = fold(facts, {})

    assert (folded.holding.state, folded.holding.patron) == (ItemState.ON_LOAN, "D")
    assert set(rules(folded)) == {Rule.IMPLICIT_RETURN}


class TestTheNovelOfTheWeekend:
    """The worked example of docs/fold.md."""

    ANA = checkout("c", "Ana", "k1", saw="r")
    BACK = checkin("i", "k2", saw="r")

    def test_lent_and_laid_into_a_kiosk_it_is_on_the_trolley(self):
        """One order is believable, Ana owes nothing, and staff see both facts."""
        folded = fold([checkin("r", "k0"), self.ANA, self.BACK], {})

        assert (folded.holding.state, folded.holding.patron) == (ItemState.TO_BE_SHELVED, None)
        assert [(e.rule, e.facts) for e in folded.entries] == [(Rule.ORDER_UNCLEAR, ("c", "i"))]

    def test_on_loan_before_it_is_uncertain(self):
        """Ben may have returned it before Ana took it, or Ana after Ben gave it to her."""
        folded = fold([checkout("r", "Ben", "k0"), self.ANA, self.BACK], {})

        assert (folded.holding.state, folded.holding.patron) == (ItemState.UNCERTAIN, None)
        assert [sibling.fact for sibling in folded.siblings] == ["i", "c"]

    def test_folded_again_with_the_clock_of_the_second_kiosk_it_is_certain(self):
        """Its first clock fact narrows the weekend to two minutes after Ana's checkout."""
        known = {"c": at(NOW), "i": at(NOW + HOUR_MS, NOW + HOUR_MS + 2 * MINUTE_MS)}
        folded = fold([checkout("r", "Ben", "k0"), self.ANA, self.BACK], known)

        assert (folded.holding.state, folded.holding.patron) == (ItemState.TO_BE_SHELVED, None)
        assert [(e.rule, e.detail) for e in folded.entries] == [(Rule.IMPLICIT_RETURN, "r")]
