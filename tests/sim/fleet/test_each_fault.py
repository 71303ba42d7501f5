"""Every fault of the table, one at a time: it strikes, and no promise is broken.

A run of a soak has a dozen faults at once; which of them a failure needs is told there by
shrinking. Here each stands alone, in ten minutes of two kiosks and a gate.
"""

import pytest

from sim.clock import WALL_START_MS
from sim.fleet.acts import Act, Rate, Shape
from sim.fleet.check import check
from sim.fleet.faults import KINDS
from sim.fleet.plan import make_plan
from sim.fleet.play import play

pytestmark = pytest.mark.long

SHAPE = Shape(
    kiosks=2, gates=1, items=20, patrons=8, duration_ms=600_000, facts_per_hour=150, roughness=0
)
AT, LATER, END = 150_000, 300_000, 420_000
KIOSK = "kiosk-1"
YEAR_2106_MS = 4_294_967_295_000 - WALL_START_MS


def always(kind):
    """Let every station's link suffer for some minutes."""
    return [], [Rate(kind, "*", AT, END, 200_000)]


def acts(*some):
    """Return these acts and no rates."""
    return [Act(*one) for one in some], []


def cut(step):
    return acts((AT, KIOSK, "cut_power", (step,)), (LATER, KIOSK, "restore_power"))


def killed(step):
    return acts((AT, "gateway", "kill_gateway", (step, 20_000)))


FATES = {
    "loss": always("loss"),
    "duplicate": always("duplicate"),
    "delay": always("delay"),
    "reorder": always("reorder"),
    "broker_restart": acts((AT, "broker", "broker_restart", ("site-1",))),
    "broker_overflow": acts((AT, "broker", "broker_overflow", ("site-1", 1, 120_000))),
    "partition": acts((AT, KIOSK, "partition"), (END, KIOSK, "heal")),
    "site_partition": acts((AT, "site-1", "partition"), (END, "site-1", "heal")),
    "swizzle": acts(
        (AT, "kiosk-1", "swizzle_stop"),
        (AT + 20_000, "gate-1", "swizzle_stop"),
        (AT + 40_000, "kiosk-2", "swizzle_stop"),
        (LATER, "gate-1", "swizzle_start"),
        (LATER + 20_000, "kiosk-2", "swizzle_start"),
        (LATER + 40_000, "kiosk-1", "swizzle_start"),
    ),
    "power_cut": cut("now"),
    "dark": acts(
        (AT, KIOSK, "partition"),
        (AT + 10_000, KIOSK, "cut_power", ("now",)),
        (AT + 40_000, KIOSK, "restore_power"),
        (LATER - 10_000, KIOSK, "cut_power", ("now",)),
        (LATER, KIOSK, "restore_power"),
        (END, KIOSK, "heal"),
    ),
    "torn_tail": acts(
        (AT, KIOSK, "torn_tail"),
        (AT, KIOSK, "cut_power", ("during_write",)),
        (LATER, KIOSK, "restore_power"),
    ),
    "roll_back": acts((AT, KIOSK, "image"), (LATER, KIOSK, "roll_back")),
    "roll_back_twice": acts(
        (AT, KIOSK, "image"), (LATER, KIOSK, "roll_back"), (END, KIOSK, "roll_back")
    ),
    "roll_back_dark": acts(
        (AT, KIOSK, "image"),
        (LATER, KIOSK, "partition"),
        (LATER, KIOSK, "roll_back"),
        (END, KIOSK, "heal"),
    ),
    "new_card": acts((LATER, KIOSK, "new_card")),
    "clock_back": acts((AT, KIOSK, "clock_jump", (-3_600_000,))),
    "clock_1970": acts((AT, KIOSK, "clock_jump", (-WALL_START_MS,))),
    "clock_2106": acts((AT, KIOSK, "clock_jump", (YEAR_2106_MS,))),
    "twin": acts((AT, KIOSK, "twin", (90_000,))),
    "kill_before_commit": killed("before_commit"),
    "kill_after_commit": killed("after_commit"),
    "kill_after_ack": killed("after_ack"),
    "restore_backup": acts((AT, "gateway", "backup"), (LATER, "gateway", "restore_backup")),
    "poison": acts((AT, KIOSK, "poison", ("lone_surrogate",))),
    "choke": acts((AT, KIOSK, "poison", ("choking",))),
    "deaf": acts((AT, "gate-1", "deaf")),
    "replay": acts((END, "broker", "replay", ("site-1",))),
    "disk_full": acts((AT, KIOSK, "disk_full"), (END, KIOSK, "disk_free")),
    "slow_consumer": acts(
        (AT, "gateway", "slow_consumer", (5_000,)), (END, "gateway", "fast_consumer")
    ),
    "old_version": acts((AT, KIOSK, "old_version")),
    "tag_stays": acts((AT, KIOSK, "tag_stays")),
}
STRUCK_AS = {
    "roll_back_twice": "roll_back",
    "roll_back_dark": "roll_back",
    "dark": "power_cut",
}


def plan_of(fate):
    some, rates = fate
    plan = make_plan(5, SHAPE)
    return plan.with_acts([*plan.acts, *some]).with_rates(rates)


def broken(outcome):
    """Return the promises a run broke, as sentences."""
    return [f"{one.rule}: {one.text}" for one in check(outcome)]


def test_every_fault_of_the_table_is_here():
    """A fault that is added is tried alone too."""
    assert sorted(FATES) == sorted(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_alone_strikes_and_breaks_no_promise(kind):
    """Whatever happens by itself, nothing is lost, doubled or misplaced, and all comes to rest."""
    outcome = play(plan_of(FATES[kind]))

    assert outcome.faults[STRUCK_AS.get(kind, kind)] >= 1, dict(outcome.faults)
    assert broken(outcome) == []


@pytest.mark.parametrize(
    "step", ["before_commit", "during_write", "after_commit", "after_publish"]
)
def test_a_power_cut_at_a_step_of_a_loan_breaks_no_promise(step):
    """The reader was told, or the loan is undone; the book is where the catalogue says."""
    outcome = play(plan_of(cut(step)))

    assert outcome.faults["power_cut"] == 1
    assert [event.detail for event in outcome.of("stopped")] == [("cut_power",)]
    assert broken(outcome) == []


@pytest.mark.parametrize("what", ["not_json", "unknown_kind", "huge_integer", "nul_in_text"])
def test_poison_is_parked_and_blocks_nobody(what):
    """One row that nobody can read stands aside with its place; those behind it are applied."""
    outcome = play(plan_of(acts((AT, KIOSK, "poison", (what,)))))

    assert len(outcome.parked) == 1
    assert outcome.stations[KIOSK].waiting == 0
    assert broken(outcome) == []
