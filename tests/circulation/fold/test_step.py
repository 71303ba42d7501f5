"""One fact after another, in an order nobody doubts."""

import json

import pytest

from circulation.fold.holding import Holding, Rule
from circulation.fold.step import step
from circulation.items import ItemState
from tests.circulation.fold.histories import checkin, checkout, decision, fact


def told(*facts, start=None):
    """Return the holding after the facts, and the rules of all entries with their details."""
    holding, entries = start or Holding(), []
    for one in facts:
        holding, new = step(holding, one)
        entries += [(entry.rule, entry.detail) for entry in new]
    return holding, entries


LENT = checkout("c1", "A", due_at=5000, reach=2, session="s1")


def test_a_checkout_opens_a_loan_on_the_terms_it_carries():
    """Patron, due date and reach are the fact's own; no policy is read."""
    holding, entries = told(LENT)

    assert (holding.state, holding.patron, holding.loan) == (ItemState.ON_LOAN, "A", "c1")
    assert (holding.due_at, holding.reach, entries) == (5000, 2, [])


def test_a_checkout_that_names_no_reach_may_leave():
    """In doubt an honest reader is not stopped at the door."""
    holding, _ = told(checkout("c1", "A", reach=None))

    assert holding.reach == 3


def test_a_checkin_ends_the_loan_and_the_item_waits_to_be_shelved():
    """Nobody has it, nobody owes it, and it may not leave."""
    holding, entries = told(LENT, checkin("i1"))

    assert holding == Holding(state=ItemState.TO_BE_SHELVED)
    assert entries == []


def test_an_item_is_shelved_when_it_is_seen_there():
    """To be shelved lasts until somebody sees the item again."""
    holding, entries = told(LENT, checkin("i1"), fact("s1", "seen", room="reading-room"))

    assert (holding.state, holding.location) == (ItemState.AVAILABLE, "reading-room")
    assert entries == []


def test_a_checkout_to_another_reader_ends_the_first_loan():
    """The item cannot be with both: the first loan ends there, and staff are told."""
    holding, entries = told(LENT, checkout("c2", "B"))

    assert (holding.patron, holding.loan) == ("B", "c2")
    assert entries == [(Rule.IMPLICIT_RETURN, "c1")]


def test_the_same_checkout_twice_in_one_session_is_one_loan():
    """A book laid on the pad twice is lent once and renewed never."""
    holding, entries = told(LENT, checkout("c2", "A", session="s1", due_at=4000))

    assert (holding.loan, holding.also_named) == ("c1", ("c2",))
    assert (holding.due_at, holding.renewals, entries) == (5000, 0, [])


def test_a_checkout_to_the_reader_who_has_it_is_a_renewal():
    """In another session the loan goes on, until the later of both due dates."""
    holding, entries = told(LENT, checkout("c2", "A", session="s2", due_at=9000))

    assert (holding.loan, holding.due_at, holding.renewals) == ("c1", 9000, 1)
    assert entries == []


def test_without_sessions_a_second_checkout_is_a_renewal():
    """Two unknown sessions are not known to be one."""
    first, second = checkout("c1", "A"), checkout("c2", "A")

    assert told(first, second)[0].renewals == 1


def test_two_checkouts_to_nobody_known_are_two_loans():
    """Unknown readers are not known to be the same reader."""
    holding, entries = told(checkout("c1", None), checkout("c2", None))

    assert holding.loan == "c2"
    assert entries == [(Rule.IMPLICIT_RETURN, "c1")]


@pytest.mark.parametrize("state", ["missing", "lost", "claimed_returned"])
def test_a_declaration_takes_the_doubt_and_the_way_out_with_it(state):
    """An uncertain item may leave; once it is declared gone it may not."""
    doubtful = Holding(state=ItemState.UNCERTAIN, reach=3)
    holding, _ = told(fact("d1", "declared", state=state), start=doubtful)

    assert holding == Holding(state=ItemState(state))


@pytest.mark.parametrize("name", ["c1", "c2"])
def test_a_renewal_extends_the_loan_it_names(name):
    """A loan is known by its checkout, or by one that only continued it."""
    again = checkout("c2", "A", session="s1")
    holding, entries = told(LENT, again, fact("r1", "renewal", loan=name, due_at=2_000_000))

    assert (holding.due_at, holding.renewals, entries) == (2_000_000, 1, [])


def test_a_renewal_never_shortens_a_loan():
    """The due date a reader was told stands."""
    holding, _ = told(LENT, fact("r1", "renewal", loan="c1", due_at=10))

    assert holding.due_at == 5000


def test_a_renewal_of_an_ended_loan_changes_nothing_but_makes_an_entry():
    """A late renewal must not extend a stranger's loan."""
    before, _ = told(LENT, checkin("i1"), checkout("c2", "B", due_at=7000))
    holding, entries = told(fact("r1", "renewal", loan="c1", due_at=9000), start=before)

    assert holding == before
    assert entries == [(Rule.RENEWAL_OF_ENDED_LOAN, "c1")]


def test_a_recall_is_the_one_way_to_shorten_a_loan():
    """A recall notice moves the due date of the loan it names, and of no other."""
    notice = fact("r1", "recalled", loan="c1", due_at=3000)
    other = fact("r2", "recalled", loan="c9", due_at=1)

    assert told(LENT, notice, other)[0].due_at == 3000
    assert told(LENT, fact("r3", "recalled", loan="c1"))[0].due_at == 5000


@pytest.mark.parametrize(
    ("state", "rule"),
    [
        ("missing", Rule.RETURNED_WHILE_MISSING),
        ("lost", Rule.RETURNED_WHILE_LOST),
        ("claimed_returned", Rule.RETURNED_WHILE_CLAIMED),
    ],
)
@pytest.mark.parametrize("kind", ["checkin", "used_in_house", "seen", "sent", "received"])
def test_an_item_that_turns_up_ends_the_loan_it_was_missed_from(state, rule, kind):
    """The reader is freed, and the entry names the loan a refund may be due for."""
    holding, entries = told(LENT, fact("d1", "declared", state=state), fact("x1", kind))

    assert (holding.patron, holding.loan) == (None, None)
    assert entries == [(rule, "c1")]


def test_a_reader_stays_named_while_the_item_is_declared_lost():
    """Words alone end no loan: who had the item is known until it turns up."""
    holding, entries = told(LENT, fact("d1", "declared", state="lost"))

    assert (holding.state, holding.patron, holding.loan) == (ItemState.LOST, "A", "c1")
    assert entries == []


def test_a_damaged_item_that_turns_up_ends_its_absence():
    """To see the damage somebody must have had the item."""
    lost = fact("d1", "declared", state="lost")
    holding, entries = told(LENT, lost, fact("d2", "declared", state="damaged"))

    assert (holding.state, holding.loan) == (ItemState.DAMAGED, None)
    assert entries == [(Rule.RETURNED_WHILE_LOST, "c1")]


def test_a_damage_told_by_the_reader_leaves_the_loan_open():
    """A lent item that is declared damaged is still with its reader."""
    holding, _ = told(LENT, fact("d1", "declared", state="damaged"))

    assert (holding.state, holding.loan) == (ItemState.DAMAGED, "c1")


def test_a_damaged_item_is_sent_for_repair_and_comes_back_repaired():
    """Out for repair it may leave; repaired it waits to be shelved."""
    damaged = fact("d1", "declared", state="damaged")
    sent, repaired = fact("s1", "sent", place="bindery"), fact("r1", "repaired")

    assert told(damaged, sent)[0].state is ItemState.IN_REPAIR
    assert told(damaged, sent)[0].bound_for == "bindery"
    assert told(damaged, sent, repaired)[0].state is ItemState.TO_BE_SHELVED


def test_a_repair_is_no_return():
    """Paper that arrives late does not end the loan of somebody else."""
    assert told(LENT, fact("r1", "repaired")) == told(LENT)


def test_an_item_travels_and_arrives():
    """On the way it is nowhere; where it arrives it waits to be shelved."""
    sent = fact("s1", "sent", place="branch", site="main")
    arrived = fact("r1", "received", site="branch", station="k2")

    away, there = told(sent)[0], told(sent, arrived)[0]

    assert (away.state, away.bound_for, away.location) == (ItemState.IN_TRANSIT, "branch", None)
    assert (there.state, there.bound_for) == (ItemState.TO_BE_SHELVED, None)
    assert there.location == "branch"


def test_a_withdrawn_item_has_no_borrower_and_no_place():
    """Withdrawing a lent item frees its reader, and staff are told."""
    box = fact("p1", "deposited", place="class 3(2)", group="3(2)")
    holding, entries = told(box, LENT, fact("w1", "withdrawn"))

    assert holding == Holding(state=ItemState.WITHDRAWN)
    assert entries == [(Rule.WITHDRAWN_WHILE_ON_LOAN, "c1")]


class TestHolds:
    """The hold shelf, as the gateway and staff move it."""

    TRAPPED = fact("t1", "hold_trapped", hold="h1", patron="B")
    SHELVED = fact("h1", "hold_shelved", hold="h1", patron="B")

    def test_a_trapped_item_is_named_for_its_reader_and_not_yet_on_the_shelf(self):
        """Only shelving by staff makes the item ready."""
        holding, entries = told(self.TRAPPED)

        assert (holding.state, holding.hold, holding.held_for) == (ItemState.AVAILABLE, "h1", "B")
        assert entries == []

    def test_an_item_shelved_by_staff_is_ready(self):
        """Shelving names the hold and its reader too, if trapping did not."""
        for facts in ([self.TRAPPED, self.SHELVED], [self.SHELVED]):
            holding, _ = told(*facts)

            assert holding.state is ItemState.ON_HOLD_SHELF
            assert (holding.hold, holding.held_for) == ("h1", "B")

    def test_shelving_without_saying_for_whom_keeps_the_trapped_hold(self):
        """The hold that was trapped is the one that is shelved."""
        holding, _ = told(self.TRAPPED, fact("x1", "hold_shelved"))

        assert (holding.hold, holding.held_for) == ("h1", "B")

    @pytest.mark.parametrize("hold", ["h1", None])
    def test_an_ended_hold_frees_the_item(self, hold):
        """Back from the hold shelf an item waits to be shelved."""
        holding, _ = told(self.SHELVED, fact("e1", "hold_ended", hold=hold))

        assert holding == Holding(state=ItemState.TO_BE_SHELVED)

    def test_the_end_of_another_hold_does_not_clear_the_shelf(self):
        """A late word about an older hold changes nothing."""
        ended = fact("e1", "hold_ended", hold="h0")

        assert told(self.SHELVED, ended) == told(self.SHELVED)

    def test_a_checkout_ends_the_hold(self):
        """Whoever takes it, the item waits for nobody any more."""
        holding, _ = told(self.SHELVED, checkout("c1", "B"))

        assert (holding.hold, holding.held_for) == (None, None)

    def test_a_hold_on_a_lent_item_is_shown_and_changes_nothing(self):
        """The gateway trapped what had just been lent: staff look."""
        holding, entries = told(LENT, self.TRAPPED)

        assert holding.hold is None
        assert entries == [(Rule.HOLD_OF_ABSENT_ITEM, "c1")]


class TestDeposits:
    """A deposit is a place, not a loan."""

    BOX = fact("p1", "deposited", place="class 3(2)", group="3(2)")

    def test_a_deposited_item_is_available_there_and_somebody_answers_for_it(self):
        """The class answers where nobody else is named."""
        holding, entries = told(self.BOX)

        assert (holding.state, holding.place) == (ItemState.AVAILABLE, "class 3(2)")
        assert (holding.answerable, entries) == ("3(2)", [])

    def test_recalling_ends_the_deposit(self):
        """From then on returns go home."""
        holding, _ = told(self.BOX, fact("r1", "recalled"))

        assert (holding.place, holding.answerable) == (None, None)

    def test_depositing_a_lent_item_keeps_the_loan(self):
        """The reader still has it; it will come back to the new place."""
        holding, entries = told(LENT, self.BOX)

        assert (holding.loan, holding.place, entries) == ("c1", "class 3(2)", [])


class TestParts:
    """A set of three parts, of which the tag readers count what is there."""

    OUT = checkout("c1", "A", parts_total=3, parts_read=(1, 2, 3), due_at=5000)

    def test_a_set_returned_whole_ends_the_loan(self):
        """All parts read, nothing owed."""
        back = checkin("i1", parts_total=3, parts_read=(3, 2, 1))

        assert told(self.OUT, back) == (Holding(state=ItemState.TO_BE_SHELVED), [])

    def test_a_set_returned_without_a_part_leaves_the_loan_open_for_it(self):
        """The rest is back and may not leave; the reader owes part 2."""
        back = checkin("i1", parts_total=3, parts_read=(1, 3))
        holding, entries = told(self.OUT, back)

        assert (holding.state, holding.reach) == (ItemState.TO_BE_SHELVED, 0)
        assert (holding.patron, holding.loan, holding.due_at) == ("A", "c1", 5000)
        assert (holding.parts_missing, holding.parts_owed) == ((2,), (2,))
        assert entries == [(Rule.PART_MISSING, "c1")]

    def test_the_missing_part_brought_later_ends_the_loan(self):
        """The disc alone on the pad is enough, also after the rest was shelved."""
        back = checkin("i1", parts_total=3, parts_read=(1, 3))
        shelved = fact("s1", "seen")
        disc = checkin("i2", parts_total=3, parts_read=(2,))
        holding, entries = told(self.OUT, back, shelved, disc)

        assert (holding.loan, holding.parts_missing, holding.parts_owed) == (None, (), ())
        assert entries == [(Rule.PART_MISSING, "c1")]

    def test_seeing_the_rest_frees_nobody_of_an_owed_part(self):
        """The box is on its shelf, the disc is still with the reader."""
        back = checkin("i1", parts_total=3, parts_read=(1, 3))
        holding, _ = told(self.OUT, back, fact("s1", "seen"))

        assert (holding.state, holding.loan) == (ItemState.AVAILABLE, "c1")
        assert (holding.patron, holding.parts_owed) == ("A", (2,))

    def test_a_scan_that_counts_no_parts_frees_nobody_of_an_owed_one(self):
        """A barcode says nothing about parts, so the part stays owed."""
        back = checkin("i1", parts_total=3, parts_read=(1, 3))
        holding, _ = told(self.OUT, back, checkin("i2"))

        assert (holding.loan, holding.parts_owed) == ("c1", (2,))

    def test_whoever_borrows_the_rest_owes_no_part_of_another(self):
        """The set is lent on without its disc: that stays missing, and is the old reader's."""
        back = checkin("i1", parts_total=3, parts_read=(1, 3))
        holding, _ = told(self.OUT, back, checkout("c2", "B", parts_total=3, parts_read=(1, 3)))

        assert (holding.patron, holding.loan) == ("B", "c2")
        assert (holding.parts_missing, holding.parts_owed) == ((2,), ())

    def test_a_return_by_barcode_alone_is_whole(self):
        """Nobody looked, and doubt favours the reader."""
        assert told(self.OUT, checkin("i1"))[0].loan is None

    def test_a_part_that_was_missing_before_is_not_owed(self):
        """The reader got a set without part 2 and returns it so."""
        lent = checkout("c1", "A", parts_total=3, parts_read=(1, 3))
        back = checkin("i1", parts_total=3, parts_read=(1, 3))
        holding, entries = told(lent, back)

        assert (holding.loan, holding.parts_missing, entries) == (None, (2,), [])

    def test_a_part_found_without_a_loan_is_missing_no_more(self):
        """The lost disc turns up in the returns bin."""
        lent = checkout("c1", "A", parts_total=3, parts_read=(1, 3))
        holding, _ = told(lent, checkin("i1"), checkin("i2", parts_total=3, parts_read=(2,)))

        assert holding.parts_missing == ()

    def test_a_renewal_for_an_owed_part_is_an_ordinary_renewal(self):
        """The loan is open, so it can be renewed."""
        back = checkin("i1", parts_total=3, parts_read=(1, 3))
        late = fact("r1", "renewal", loan="c1", due_at=9000)
        holding, entries = told(self.OUT, back, late)

        assert (holding.due_at, entries) == (9000, [(Rule.PART_MISSING, "c1")])


class TestUnsecured:
    """An item whose tag may say on loan although it may not leave."""

    def test_a_return_whose_tag_could_not_be_set_is_unsecured(self):
        """The gate learns it from the list, since the tag lies."""
        assert told(LENT, checkin("i1", unsecured=True))[0].unsecured

    @pytest.mark.parametrize(("wanted", "expected"), [("in_stock", True), ("on_loan", False)])
    def test_a_tag_that_should_have_said_in_stock_makes_the_item_unsecured(self, wanted, expected):
        """A lent item whose tag still says in stock may leave by the list."""
        holding, _ = told(checkin("i1"), fact("x1", "security_not_set", wanted=wanted))

        assert holding.unsecured is expected

    def test_a_tag_written_later_secures_the_item(self):
        """The state ends when the tag is set after all."""
        failed = checkin("i1", unsecured=True)

        assert not told(failed, fact("w1", "tag_written"))[0].unsecured
        assert not told(failed, fact("s1", "seen", unsecured=False))[0].unsecured
        assert told(failed, fact("s1", "seen"))[0].unsecured

    def test_an_on_site_loan_whose_tag_says_on_loan_is_unsecured(self):
        """Lent into the reading room only, and the door must still alarm."""
        holding, _ = told(checkout("c1", "A", reach=1, unsecured=True))

        assert (holding.reach, holding.unsecured) == (1, True)

    @pytest.mark.parametrize(
        "leaving",
        [
            checkout("c1", "A"),
            fact("x1", "sent", place="branch"),
            fact("x1", "withdrawn"),
            fact("x1", "deposited", place="class 3(2)"),
        ],
    )
    def test_what_may_leave_is_never_unsecured(self, leaving):
        """Gates look for unsecured first: an old failure must not alarm an honest reader."""
        failed = fact("f1", "security_not_set", wanted="in_stock")

        assert not told(checkin("i1", unsecured=True), leaving)[0].unsecured
        assert not told(checkin("i1", unsecured=True), leaving, failed)[0].unsecured


class TestDecisions:
    """What staff decided, taken as it is."""

    def test_a_decision_sets_the_state_absolutely(self):
        """Nothing of the holding survives that the decision does not repeat."""
        holding, entries = told(LENT, decision("d1", "available", ("c1",), room="stack"))

        assert holding == Holding(state=ItemState.AVAILABLE, location="stack")
        assert entries == []

    def test_a_decided_loan_stands_on_the_decisions_terms(self):
        """Loan, patron and due date are those decided; the item may leave."""
        decided = decision("d1", "on_loan", (), patron="B", loan="c7", due_at=8000)
        holding, _ = told(decided)

        assert (holding.patron, holding.loan, holding.due_at) == ("B", "c7", 8000)
        assert holding.reach == 3

    def test_a_decided_loan_without_a_name_is_named_by_the_decision(self):
        """Every open loan can be named."""
        assert told(decision("d1", "on_loan", (), patron="B"))[0].loan == "d1"
        assert told(decision("d1", "on_loan", (), reach=1))[0].reach == 1

    @pytest.mark.parametrize(
        ("state", "loan"), [("lost", "c7"), ("available", None), ("withdrawn", None)]
    )
    def test_a_reader_is_named_only_where_one_can_owe_something(self, state, loan):
        """A decision that frees the item frees its reader, whatever else it repeats."""
        holding, _ = told(decision("d1", state, (), patron="B", loan="c7", reach=3))

        assert (holding.loan, holding.reach) == (loan, 0)

    def test_a_decision_may_leave_the_item_in_its_deposit(self):
        """The place is repeated by staff's screen, and the class answers for it."""
        holding, _ = told(decision("d1", "available", (), place="class 3(2)", group="3(2)"))

        assert (holding.place, holding.answerable) == ("class 3(2)", "3(2)")


def test_nothing_is_asked_about_a_reader_who_has_been_forgotten():
    """When retention has blanked a fact its loan is long closed: no entry comes up again."""
    later = checkout("c2", "9f" * 32, blanked=True)

    assert told(LENT, later)[1] == []
    assert told(LENT, later)[0].loan == "c2"


def test_the_entry_key_names_fact_and_rule():
    """Stores find an entry again by what it is about."""
    _, (entry,) = step(step(Holding(), LENT)[0], checkout("c2", "B"))

    assert entry.key == "implicit_return:c2"
    assert entry.item_id == "00000000000000aa"


def test_an_entry_on_a_fact_without_an_item_id_has_none():
    """A fact known by its barcode alone says no item."""
    late = fact("r1", "renewal", loan="c1")._replace(item_id=None)
    _, (entry,) = step(Holding(), late)

    assert entry.item_id == ""


def test_a_holding_survives_being_stored():
    """What a gateway writes as JSON it reads back equal."""
    lent = checkout("c1", "A", parts_total=3, parts_read=(1, 3), session="s1")
    holding, _ = told(lent, checkout("c2", "A"))
    holding = holding._replace(told=(("A", 10), ("B", 20)))

    assert Holding.from_doc(json.loads(json.dumps(holding.to_doc()))) == holding


def test_a_holding_of_an_older_version_is_read_with_defaults():
    """Fields that did not exist yet, or no longer do, are no obstacle."""
    assert Holding.from_doc({"state": "lost", "once": 1}) == Holding(state=ItemState.LOST)
