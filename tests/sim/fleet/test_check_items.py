"""The rules about items, gates and sizes: each sees the run that breaks it."""

import json
from dataclasses import replace

import pytest

from sim.fleet.acts import Act, Plan, Rate, Shape
from sim.fleet.check import check
from sim.fleet.check_items import doubted
from sim.fleet.outcome import (
    Alarm,
    Applied,
    Committed,
    Event,
    GateList,
    ItemState,
    Outcome,
    Position,
    Review,
    SiteNews,
    StationEnd,
)

LENT_AT_MS = 10_000
LIST = GateList("aa", 3, "FRESH", (("k1", 3),), ())


def a_fact(number, at_ms, kind, patron="", *, station="kiosk-1", fact_id=""):
    fact_id = fact_id or f"f{number}"
    body = json.dumps({"id": fact_id, "kind": kind}).encode()
    return Committed(fact_id, station, 1, number, at_ms, body, "book-001", patron)


def a_run():
    """Return a run in which reader-01 borrowed book-001 at kiosk-1 and everybody knows it."""
    outcome = Outcome(
        Plan(7, Shape(kiosks=2, gates=2, sites=2, items=3, patrons=2), (), ()), rested=True
    )
    write(outcome, a_fact(1, LENT_AT_MS, "checkout", "reader-01"))
    outcome.item_states["book-001"] = ItemState("book-001", "on_loan", "reader-01", "f1", ("f1",))
    outcome.item_states["book-002"] = ItemState("book-002", "available", "", "", ())
    outcome.keys = {"book-001": ("k1", "i1"), "book-002": ("k2",)}
    outcome.truth_list = LIST
    outcome.gate_lists = {"gate-1": LIST, "gate-2": LIST}
    return outcome


def write(outcome, one):
    """Let a fact be committed and applied, as it should be."""
    outcome.committed.append(one)
    outcome.surviving.add(one.fact_id)
    kind = json.loads(one.body)["kind"]
    row = Applied(one.fact_id, one.station, 1, one.seq, kind, one.item, one.body)
    outcome.applied.append(row)
    outcome.positions.append(Position(one.station, "e1", one.seq, "", one.fact_id))


@pytest.fixture
def run():
    return a_run()


def broken(outcome):
    return {violation.rule for violation in check(outcome)}


def stand(outcome, **changes):
    outcome.item_states["book-001"] = replace(outcome.item_states["book-001"], **changes)


def test_a_run_in_which_everybody_knows_the_truth_breaks_nothing(run):
    """No rule sees ghosts."""
    assert check(run) == []


def test_a_catalogue_that_is_sure_and_wrong_is_found(run):
    """An item without doubt is where it truly is."""
    stand(run, state="available", patron="", loan="")

    assert broken(run) == {"certain", "may_leave"}


def test_the_trolley_is_as_good_as_the_shelf(run):
    """Whether a returned book has been shelved yet nobody scans."""
    run.item_states["book-002"] = replace(run.item_states["book-002"], state="to_be_shelved")

    assert check(run) == []


def test_the_wrong_borrower_is_found(run):
    """Who has an item without doubt truly has it."""
    stand(run, patron="reader-02")

    assert broken(run) == {"holder"}


def test_the_wrong_loan_of_the_right_borrower_is_found(run):
    """A loan that ended is not this one."""
    stand(run, loan="f0")

    assert broken(run) == {"holder"}


def test_what_two_stations_under_one_name_wrote_is_not_judged(run):
    """Their order is not promised; that there are two is shown to staff."""
    stand(run, patron="reader-02")
    run.plan = run.plan.with_acts([Act(0, "kiosk-1", "twin", (60_000,))])

    assert check(run) == []


def doubt(outcome, *siblings):
    """Let a reader have had the book in the house meanwhile, which the first kiosk never knew."""
    write(outcome, a_fact(1, LENT_AT_MS + 1, "seen", station="kiosk-2", fact_id="f2"))
    stand(outcome, state="uncertain", patron="", loan="", siblings=siblings)


def an_entry(rule, state="open"):
    return Review("k", rule, "book-001", "", ("f1",), "", state)


def test_doubt_that_staff_are_told_of_breaks_nothing(run):
    """The true state is among what is shown, and an entry is open."""
    doubt(run, "available", "on_loan")
    run.reviews.append(an_entry("uncertain"))

    assert check(run) == []
    assert doubted(run) == {"book-001"}


def test_doubt_without_an_entry_is_found(run):
    """A decided entry is no open one."""
    doubt(run, "on_loan")
    run.reviews.append(an_entry("uncertain", "decided"))

    assert broken(run) == {"doubt_is_told"}


def test_doubt_that_rules_out_the_truth_is_found(run):
    """What is true must be among what is shown."""
    doubt(run, "available")
    run.reviews.append(an_entry("uncertain"))

    assert broken(run) == {"believable"}


@pytest.mark.parametrize(
    ("state", "patron"),
    [("to_be_shelved", ""), ("on_loan", "reader-02")],
    ids=["on the trolley", "somebody else's"],
)
def test_a_wrong_guess_that_leaves_out_what_is_true_is_found(run, state, patron):
    """Staff could not find the loan that stands."""
    stand(run, state=state, patron=patron, loan="f9" if patron else "")
    run.truth_list = replace(LIST, reaches=LIST.reaches if patron else ())
    run.gate_lists.clear()
    run.reviews.append(replace(an_entry("order_unclear"), facts=("f8", "f9")))

    assert broken(run) == {"explained"}


@pytest.mark.parametrize("state", ["decided", "settled"])
def test_a_guess_nobody_is_asked_about_any_more_explains_nothing(run, state):
    """Of an entry that is closed the catalogue says it is sure."""
    stand(run, state="to_be_shelved", patron="", loan="")
    run.truth_list = replace(LIST, reaches=())
    run.gate_lists.clear()
    run.reviews.append(replace(an_entry("order_unclear", state), facts=("f8", "f9")))

    assert broken(run) == {"certain"}


def test_a_state_taken_with_reserve_may_be_wrong(run):
    """The order was unclear, one outcome was likely, and staff are told so."""
    stand(run, state="to_be_shelved", patron="", loan="")
    run.truth_list = replace(LIST, reaches=())
    run.gate_lists.clear()
    run.reviews.append(an_entry("order_unclear"))

    assert check(run) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"lineage": "bb"},
        {"version": 2},
        {"reaches": ()},
        {"unsecured": ("k2",)},
        {"freshness": "STALE"},
        {"overlay": (SiteNews("kiosk-1", 1, 5, "f1", True),)},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_gate_with_another_list_is_found(run, wrong):
    """Lineage, version, entries, freshness: all as the gateway has it."""
    run.gate_lists["gate-2"] = replace(LIST, **wrong)

    [found] = check(run)
    assert (found.rule, found.who) == ("gate_lists", "gate-2")


@pytest.mark.parametrize(
    ("news", "rules"),
    [
        (SiteNews("kiosk-1", 1, 9, "f1", True), set()),
        (SiteNews("kiosk-1", 1, 9, "f1", False), {"gate_lists"}),
        (SiteNews("kiosk-2", 1, 9, "f1", True), {"gate_lists"}),
        (SiteNews("kiosk-2", 1, 9, "died", True), set()),
        (SiteNews("kiosk-2", 1, 9, "died", False), set()),
        (SiteNews("kiosk-2", 1, 5, "died", False), {"gate_lists"}),
    ],
    ids=[
        "a loan of an epoch that ended",
        "a return of an epoch that ended",
        "another kiosk's, whose fact survives",
        "a loan that died with its card",
        "a return that died with its card",
        "as far as the kiosk is again",
    ],
)
def test_some_news_of_an_old_card_may_stand_at_a_gate(run, news, rules):
    """Which loans of an ended epoch are gone nobody can tell; of what died with its card before
    the gateway had heard of it, nobody knows but the gate."""
    run.gate_lists["gate-2"] = replace(LIST, overlay=(news,))
    run.stations["kiosk-1"] = StationEnd("kiosk-1", 2, 5, 5, 0, "aa", connected=True)
    run.stations["kiosk-2"] = StationEnd("kiosk-2", 1, 5, 5, 0, "aa", connected=True)

    assert broken(run) == rules


def test_a_list_that_is_not_what_the_catalogue_says_is_found(run):
    """book-002 stands on the shelf and might leave."""
    both = replace(LIST, reaches=(("k1", 3), ("k2", 3)))
    run.truth_list = both
    run.gate_lists = {"gate-1": both}

    [found] = check(run)
    assert (found.rule, found.about) == ("may_leave", "book-002")


def alarm_at(at_ms, gate="gate-1", holder="reader-01", row=4):
    return Alarm(at_ms, gate, "book-001", row, holder)


def tick(outcome):
    """Let the reader have seen the tick for the loan."""
    outcome.events.append(Event(LENT_AT_MS, "kiosk-1", "lent", ("reader-01", "book-001", "f1")))


def test_an_alarm_for_an_honest_reader_is_found(run):
    """The loan was 2 s old, at a kiosk of the gate's site."""
    tick(run)
    run.alarms.append(alarm_at(LENT_AT_MS + 2_000))

    [found] = check(run)
    assert (found.rule, found.who, found.about) == ("honest", "gate-1", "book-001")


@pytest.mark.parametrize(
    "alarm",
    [
        alarm_at(LENT_AT_MS + 1_999),
        alarm_at(LENT_AT_MS + 9_000, gate="gate-2"),
        alarm_at(LENT_AT_MS + 9_000, holder="reader-02"),
        alarm_at(LENT_AT_MS - 1),
    ],
    ids=["too soon", "another site", "somebody else", "before the loan"],
)
def test_other_alarms_are_in_order(run, alarm):
    """Promised is: 2 s after the loan, at its own site, for whoever borrowed it."""
    tick(run)
    run.alarms.append(alarm)

    assert check(run) == []


def test_who_leaves_before_the_tick_may_be_stopped(run):
    """Only the tick invites the hand."""
    run.alarms.append(alarm_at(LENT_AT_MS + 9_000))

    assert check(run) == []


TROUBLE = [
    ((), (Rate("delay", "gate-1", 0, LENT_AT_MS, 400_000),)),
    ((), (Rate("reorder", "*", 0, LENT_AT_MS, 400_000),)),
    ((), (Rate("loss", "kiosk-1", LENT_AT_MS, LENT_AT_MS + 1, 400_000),)),
    ((Act(0, "broker", "broker_overflow", ("site-1", 1, 5_000)),), ()),
    ((Act(0, "gate-1", "partition"), Act(5_000, "gate-1", "heal")), ()),
    ((Act(0, "kiosk-1", "swizzle_stop"),), ()),
    ((Act(0, "kiosk-1", "twin", (5_000,)),), ()),
]


@pytest.mark.parametrize(("acts", "rates"), TROUBLE, ids=lambda parts: str(parts)[:30])
def test_a_tag_that_speaks_for_itself_needs_no_network(run, acts, rates):
    """A switched tag passes whatever the network does."""
    tick(run)
    run.plan = run.plan.with_acts(acts).with_rates(rates)
    run.alarms.append(alarm_at(LENT_AT_MS + 9_000))

    assert broken(run) == {"honest"}


@pytest.mark.parametrize(("acts", "rates"), TROUBLE, ids=lambda parts: str(parts)[:30])
def test_a_tag_that_says_nothing_needs_the_word_of_the_kiosk(run, acts, rates):
    """While the site's own network fails, nothing is promised for a tag that was not switched."""
    tick(run)
    stays = Act(0, "kiosk-1", "tag_stays")
    run.plan = run.plan.with_acts([stays, *acts]).with_rates(rates)
    run.alarms.append(alarm_at(LENT_AT_MS + 9_000))

    assert check(run) == []


def test_a_loan_at_the_place_of_another_is_old_news_to_a_gate(run):
    """A card went back and its kiosk has not been told yet: gates know that place as covered."""
    tick(run)
    run.plan = run.plan.with_acts([Act(0, "kiosk-1", "tag_stays")])
    run.alarms.append(alarm_at(LENT_AT_MS + 9_000))
    assert broken(run) == {"honest"}

    loan = run.committed[0]
    earlier = replace(loan, fact_id="0" * 16, at_ms=loan.at_ms - 1)
    run.committed.insert(0, earlier)
    assert "honest" not in broken(run)


@pytest.mark.parametrize("row", [1, 4], ids=["returned unswitched", "in stock by its tag"])
def test_a_switched_tag_is_believed_unless_its_last_return_left_it_unswitched(run, row):
    """Then the word of the kiosk must come through, and at an old place it does not."""
    tick(run)
    run.alarms.append(alarm_at(LENT_AT_MS + 9_000, row=row))
    assert broken(run) == {"honest"}

    loan = run.committed[0]
    run.committed.insert(0, replace(loan, fact_id="0" * 16, at_ms=loan.at_ms - 1))
    assert ("honest" in broken(run)) is (row == 4)


BOTH_DISKS = (
    Act(LENT_AT_MS + 1_000, "kiosk-1", "roll_back"),
    Act(LENT_AT_MS + 2_000, "gateway", "restore_backup"),
)
ALL_IS_BACK = Event(LENT_AT_MS + 5_000, "gateway", "recovered")


@pytest.mark.parametrize(
    ("acts", "said", "is_known"),
    [
        (BOTH_DISKS, (ALL_IS_BACK,), False),
        (BOTH_DISKS, (ALL_IS_BACK,), True),
        (BOTH_DISKS, (), False),
        (BOTH_DISKS[:1], (ALL_IS_BACK,), False),
        (BOTH_DISKS[1:], (ALL_IS_BACK,), False),
        ((BOTH_DISKS[0]._replace(at_ms=0), BOTH_DISKS[1]), (ALL_IS_BACK,), False),
    ],
    ids=[
        "both disks went",
        "a copy survives",
        "not all is back yet",
        "only the card went",
        "only the gateway's disk went",
        "the card went before the loan",
    ],
)
def test_only_a_loan_that_nobody_has_any_more_may_be_stopped(run, acts, said, is_known):
    """It went with its card and the gateway's disk, and the old list speaks for it no more."""
    tick(run)
    run.plan = run.plan.with_acts([Act(0, "kiosk-1", "tag_stays"), *acts])
    run.events += said
    run.alarms.append(alarm_at(LENT_AT_MS + 9_000))
    if not is_known:
        run.surviving.discard("f1")

    is_excused = (acts, said, is_known) == (BOTH_DISKS, (ALL_IS_BACK,), False)
    assert ("honest" in broken(run)) is not is_excused


ANEW_AT_MS = LENT_AT_MS + 3_000
CARD_WENT = Act(LENT_AT_MS + 1_000, "kiosk-1", "roll_back")


@pytest.mark.parametrize(
    ("act", "anew", "is_known", "is_excused"),
    [
        (CARD_WENT, [{}], False, True),
        (CARD_WENT, [{"epoch_n": 2}], False, True),
        (CARD_WENT, [{}], True, False),
        (CARD_WENT, [], False, False),
        (CARD_WENT, [{"station": "kiosk-2"}], False, False),
        (CARD_WENT, [{"at_ms": LENT_AT_MS + 10_000}], False, False),
        (CARD_WENT, [{"at_ms": LENT_AT_MS + 1_000}], False, False),
        (CARD_WENT._replace(at_ms=0), [{}], False, False),
        (CARD_WENT._replace(who="kiosk-2"), [{}], False, False),
        (CARD_WENT._replace(what="cut_power"), [{}], False, False),
    ],
    ids=[
        "as much is written again",
        "in a new epoch",
        "a copy survives",
        "nothing is written again",
        "another kiosk writes",
        "after the alarm",
        "before the card went",
        "the card went before the loan",
        "the other kiosk's card went",
        "no card went",
    ],
)
def test_a_loan_is_spoken_for_until_its_kiosk_is_as_far_again(
    run, act, anew, is_known, is_excused
):
    """Then the place it had is told to be the catalogue's, and means another fact."""
    tick(run)
    run.plan = run.plan.with_acts([act])
    for number, one in enumerate(anew):
        younger = a_fact(1, ANEW_AT_MS, "clock", fact_id=f"new{number}")
        run.committed.append(replace(younger, item="", patron="", **one))
    run.alarms.append(alarm_at(LENT_AT_MS + 9_000))
    if not is_known:
        run.surviving.discard("f1")

    assert ("honest" in broken(run)) is not is_excused


@pytest.mark.parametrize(("count", "is_excused"), [(1, False), (2, True)])
def test_as_far_again_is_as_many_rows_as_were_lost_up_to_the_loan(run, count, is_excused):
    """Whoever lost two must write two: the second of them was the loan."""
    tick(run)
    run.plan = run.plan.with_acts([CARD_WENT])
    before = replace(a_fact(0, LENT_AT_MS - 5, "clock", fact_id="f0"), item="", patron="")
    run.committed.insert(0, before)
    for number in range(count):
        younger = a_fact(number, ANEW_AT_MS + number, "clock", fact_id=f"new{number}")
        run.committed.append(replace(younger, item="", patron=""))
    run.alarms.append(alarm_at(LENT_AT_MS + 9_000))
    run.surviving.discard("f1")

    assert ("honest" in broken(run)) is not is_excused


@pytest.mark.parametrize("row", [1, 4], ids=["returned unswitched", "in stock by its tag"])
@pytest.mark.parametrize(("acts", "rates"), TROUBLE, ids=lambda parts: str(parts)[:30])
def test_a_tag_that_was_returned_unswitched_speaks_for_nobody(run, acts, rates, row):
    """Only the kiosk's word does then, and it must have had a way to the gate."""
    tick(run)
    run.plan = run.plan.with_acts(acts).with_rates(rates)
    run.alarms.append(alarm_at(LENT_AT_MS + 9_000, row=row))

    assert ("honest" in broken(run)) is (row == 4)


@pytest.mark.parametrize(
    "act",
    [
        Act(0, "gate-2", "partition"),
        Act(0, "site-1", "partition"),
        Act(0, "broker", "broker_restart", ("site-1",)),
        Act(0, "gateway", "kill_gateway", ("after_ack", 9_000)),
    ],
    ids=lambda act: f"{act.who} {act.what}",
)
def test_other_trouble_excuses_no_alarm(run, act):
    """The site does not need the gateway, and a broker that restarts is asked again."""
    tick(run)
    run.plan = run.plan.with_acts([Act(0, "kiosk-1", "tag_stays"), act])
    run.alarms.append(alarm_at(LENT_AT_MS + 9_000))

    assert broken(run) == {"honest"}


def carried_out(item, sounded, at_ms=50_000):
    return Event(at_ms, "gate-1", "carried_out", (item, "reader-02", sounded))


def test_a_thief_in_silence_is_found(run):
    """book-002 was never lent, and its tag has a security bit."""
    run.events.append(carried_out("book-002", 0))

    [found] = check(run)
    assert (found.rule, found.at_ms, found.about) == ("thief", 50_000, "book-002")


@pytest.mark.parametrize(
    "event",
    [carried_out("book-002", 1), carried_out("book-001", 0), carried_out("book-003", 0)],
    ids=["it sounded", "it was lent", "a tag without security"],
)
def test_other_silence_is_in_order(run, event):
    """A tag that says nothing of security is not judged alone."""
    run.events.append(event)

    assert check(run) == []


def test_a_fleet_that_does_not_rest_is_found(run):
    """After the faults everything is sent, and everybody is there."""
    run.rested = False
    run.stations["kiosk-1"] = StationEnd("kiosk-1", 1, 5, 3, 2, "aa", connected=False)

    texts = [violation.text for violation in check(run)]
    assert texts == [
        "the fleet does not come to rest",
        "kiosk-1 still has 2 rows that the gateway has not",
        "kiosk-1 is not connected",
    ]


def test_what_grows_past_its_limit_is_found(run):
    """At a gate a message has at most 4 KiB."""
    run.peaks = {"message_bytes": 65_536, "gate_message_bytes:gate-1": 4_097}

    [found] = check(run)
    assert (found.rule, found.who) == ("limits", "gate-1")


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("message_bytes", 65_536),
        ("gate_message_bytes:gate-1", 4_096),
        ("broker_queue", 800),
        ("link_queue", 168),
        ("gateway_inbox", 500),
        ("gateway_unsent", 1_000),
        ("news", 1),
        ("overlay", 1),
        ("journal:kiosk-1", 106),
        ("journal:kiosk-2", 100),
        ("journal:desk", 102),
    ],
)
def test_one_more_than_there_may_be_is_found(run, name, most):
    """Four stations, one fact; three acts were at the first kiosk and one at the desk."""
    came = [Act(0, "kiosk-1", "renew", ("reader-01", "book-001"))] * 3
    run.plan = run.plan.with_acts([*came, Act(0, "gateway", "staff_decide", ("book-001",))])
    run.peaks = {name: most}
    assert check(run) == []

    run.peaks = {name: most + 1}
    assert broken(run) == {"limits"}


def test_what_is_measured_has_a_limit(run):
    """A peak nobody set a limit for is a rule that cannot fail."""
    run.peaks = {"novelty": 1}

    assert broken(run) == {"limits"}
