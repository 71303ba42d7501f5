"""The rules about facts: each sees the run that breaks it, and none sees ghosts."""

import json

import pytest

from sim.fleet.acts import Act, Plan, Shape
from sim.fleet.check import check
from sim.fleet.outcome import Announced, Applied, Committed, Outcome, Parked, Position, Review

HOUR_MS = 3_600_000


def a_fact(number, *, station="kiosk-1", n=1, seq=None, **more):
    """Return a checkin of book-001, the first of its kind at 00:01."""
    body = json.dumps({"id": f"f{number}", "kind": "checkin", "n": number}).encode()
    seq = number if seq is None else seq
    return Committed(f"f{number}", station, n, seq, number * 60_000, body, "book-001", **more)


def as_applied(one):
    return Applied(one.fact_id, one.station, one.epoch_n, one.seq, "checkin", one.item, one.body)


def a_run(*committed, acts=()):
    """Return a run in which all went well: what was written was acknowledged and applied."""
    ids = {one.fact_id for one in committed}
    return Outcome(
        Plan(7, Shape(), tuple(acts), ()),
        committed=list(committed),
        acknowledged=set(ids),
        surviving=set(ids),
        applied=[as_applied(one) for one in committed],
        positions=[
            Position(one.station, f"e{one.epoch_n}", one.seq, "", one.fact_id) for one in committed
        ],
        rested=True,
    )


def rules(outcome):
    return [violation.rule for violation in check(outcome)]


@pytest.fixture
def run():
    return a_run(a_fact(1), a_fact(2), a_fact(3, station="kiosk-2", seq=1))


def test_a_run_in_which_all_went_well_breaks_nothing(run):
    """No rule sees ghosts."""
    assert check(run) == []


def test_a_surviving_fact_that_the_gateway_has_not_is_found(run):
    """A fact of which a copy survives is applied."""
    missing = run.applied.pop()

    [found] = [one for one in check(run) if one.rule == "survivors"]
    assert (found.who, found.about) == ("kiosk-2", missing.fact_id)


def test_a_fact_that_came_with_other_bytes_is_found(run):
    """The gateway keeps a body as its author wrote it."""
    run.applied[0] = Applied("f1", "kiosk-1", 1, 1, "checkin", "book-001", b"{}")

    assert rules(run) == ["survivors"]


def test_a_fact_in_the_table_twice_is_found(run):
    """No fact is applied twice."""
    run.applied.append(run.applied[0])

    assert rules(run) == ["once"]


def test_a_fact_that_nobody_wrote_is_found(run):
    """What is applied was written by somebody."""
    run.applied.append(Applied("f9", "kiosk-1", 1, 9, "checkin", "book-001", b"{}"))

    assert rules(run) == ["once"]


def test_facts_of_a_station_in_another_order_than_it_wrote_them_are_found():
    """By epoch and row the facts stand as they were written."""
    swapped = a_run(a_fact(1, seq=2), a_fact(2, seq=1))

    assert rules(swapped) == ["order"]


def test_a_rolled_back_card_goes_on_in_an_epoch_of_its_own_and_in_order():
    """Row 1 of the second epoch comes after row 2 of the first."""
    forked = a_run(a_fact(1), a_fact(2), a_fact(3, n=2, seq=1))

    assert check(forked) == []


def test_two_stations_under_one_name_have_no_order_to_keep():
    """They write at the same time, which no position shows."""
    twins = a_run(a_fact(1, seq=2), a_fact(2, seq=1), acts=[Act(0, "kiosk-1", "twin", (60_000,))])

    assert check(twins) == []


def test_a_hole_that_nobody_declared_is_found(run):
    """A journal has no hole but a declared one."""
    del run.positions[0]

    [found] = check(run)
    assert (found.rule, found.text) == (
        "no_gaps",
        "epoch e1: rows 1 are neither there nor declared lost",
    )


def test_a_declared_hole_is_none(run):
    """Declared rows are accounted for."""
    del run.positions[0]
    run.declared_lost.append(("kiosk-1", "e1", 1, 1))

    assert check(run) == []


def test_an_acknowledged_fact_that_is_gone_is_found(run):
    """What was acknowledged survives any one crash, also that of its own card."""
    gone = a_run(a_fact(1), acts=[Act(0, "kiosk-1", "new_card")])
    gone.applied.clear()
    gone.positions.clear()
    gone.surviving.clear()

    assert rules(gone) == ["acknowledged"]


def test_two_crashes_may_take_what_was_acknowledged():
    """The gateway went back to an old backup, and the card that could have sent again is gone."""
    acts = [Act(0, "kiosk-1", "new_card"), Act(0, "gateway", "restore_backup")]
    gone = a_run(a_fact(1), acts=acts)
    gone.applied.clear()
    gone.positions.clear()
    gone.surviving.clear()

    assert check(gone) == []


def test_a_fact_that_is_lost_although_no_disk_was_replaced_is_found(run):
    """A power cut takes nothing that was written."""
    run.acknowledged.discard("f2")
    run.surviving.discard("f2")
    run.applied = [one for one in run.applied if one.fact_id != "f2"]
    run.positions = [one for one in run.positions if one.fact_id != "f2"]

    assert rules(run) == ["lost_by_disk"]


def a_dead_card(*, announced, announced_at_ms=HOUR_MS - 1):
    """Return a run in which a card took two rows with it, one of them acknowledged."""
    outcome = a_run(a_fact(1), a_fact(2), acts=[Act(HOUR_MS, "kiosk-1", "new_card")])
    outcome.acknowledged.discard("f2")
    outcome.surviving.discard("f2")
    del outcome.applied[1], outcome.positions[1]
    outcome.announced.append(Announced(announced_at_ms, "kiosk-1", 1, announced))
    return outcome


def test_a_row_that_was_announced_and_is_gone_must_be_told():
    """Staff learn how many facts a dead card took."""
    assert rules(a_dead_card(announced=2)) == ["lost_is_told"]


def test_an_entry_that_names_the_rows_tells_it():
    """The entry says from which row to which."""
    outcome = a_dead_card(announced=2)
    detail = json.dumps({"first": 2, "last": 2})
    outcome.reviews.append(Review("k", "facts_lost", "", "kiosk-1", (), detail, "open"))

    assert check(outcome) == []


def test_a_row_that_bears_the_number_of_one_that_is_gone_does_not_announce_it():
    """The new card's second row is another fact."""
    assert check(a_dead_card(announced=2, announced_at_ms=HOUR_MS + 1)) == []


def test_a_restored_gateway_cannot_know_what_was_announced():
    """Its memory of it went with the disk; two disks died."""
    outcome = a_dead_card(announced=2)
    restore = Act(HOUR_MS, "gateway", "restore_backup")
    outcome.plan = outcome.plan.with_acts([*outcome.plan.acts, restore])

    assert check(outcome) == []


def test_of_a_row_nobody_ever_heard_of_nothing_can_be_told():
    """The last birth before the card died did not name it."""
    assert check(a_dead_card(announced=1)) == []


def test_a_row_parked_without_any_poison_is_found(run):
    """Only what nobody can read waits for a newer version."""
    run.parked.append(Parked("kiosk-1", 1, 2, "unreadable", "f2"))

    assert rules(run) == ["poison"]


def test_poison_is_parked_rightly():
    """A station that wrote nonsense has it parked, and nothing else is held up."""
    poisoned = a_run(a_fact(1), acts=[Act(0, "kiosk-1", "poison", ("not_json",))])
    poisoned.applied.clear()
    poisoned.parked.append(Parked("kiosk-1", 1, 1, "unreadable", "f1"))

    assert check(poisoned) == []
