"""Plans: from a seed, as data, with every fault often enough to meet the others."""

import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import pytest

from sim.fleet.acts import HOUR_MS, SHAPES, SOAK, Act, from_json, has_security, to_json
from sim.fleet.fates import combined, fates
from sim.fleet.faults import FAULTS, KINDS
from sim.fleet.plan import make_plan

PEOPLE = ("lend", "return", "renew", "use_in_house")
SEEDS = range(60)


@pytest.fixture(scope="module")
def plans():
    return [make_plan(seed) for seed in SEEDS]


def test_a_seed_gives_the_same_plan_whatever_the_hash_seed(plans):
    """A plan can be replayed on another machine."""
    program = "from sim.fleet.plan import make_plan, to_json; print(to_json(make_plan(3)), end='')"
    replayed = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": "12345"},
        capture_output=True,
        check=True,
        text=True,
    )

    assert replayed.stdout == to_json(plans[3])


def test_two_seeds_give_two_plans(plans):
    """A seed is a run of its own."""
    assert len({plan.acts for plan in plans}) == len(plans)


@pytest.mark.parametrize("name", SHAPES)
def test_a_plan_survives_being_text(name):
    """A failure is kept as a file and played again."""
    plan = make_plan(5, replace(SHAPES[name], duration_ms=HOUR_MS))

    assert from_json(to_json(plan)) == plan


def test_a_plan_without_acts_is_text_too():
    """The shortest plan is none."""
    plan = make_plan(5).with_acts(()).with_rates(())

    assert from_json(to_json(plan)) == plan


def test_acts_are_in_the_order_of_time_and_within_the_plan(plans):
    """Nothing happens before the begin or after the end."""
    for plan in plans:
        instants = [act.at_ms for act in plan.acts]
        assert instants == sorted(instants)
        assert min(instants) >= 0
        assert max(instants) <= plan.shape.duration_ms
        assert all(rate.from_ms < rate.to_ms <= plan.shape.duration_ms for rate in plan.rates)


def test_acts_name_only_who_and_what_the_shape_has(plans):
    """A station, a site, the broker or the gateway; a book or a reader there is."""
    known = {place.name for place in SOAK.places} | {*SOAK.site_names, "gateway", "broker"}
    things = {*SOAK.item_names, *SOAK.patron_names}

    for act in (act for plan in plans for act in plan.acts):
        assert act.who in known
        assert all(arg in things for arg in act.args if str(arg).startswith(("book-", "reader-")))


def test_a_kiosk_has_about_sixty_facts_an_hour(plans):
    """The design's numbers are for that load."""
    acts = sum(act.what in PEOPLE for plan in plans for act in plan.acts)

    assert 54 <= acts / (len(plans) * SOAK.kiosks) <= 68


def test_people_do_everything_people_do(plans):
    """Each seed has loans, returns, renewals, ways in and out, and staff who decide."""
    done = Counter(act.what for plan in plans for act in plan.acts)

    assert min(done[what] for what in (*PEOPLE, "carry_in", "staff_decide")) >= 2 * len(plans)
    hidden = sum("hidden" in act.args for plan in plans for act in plan.acts)
    assert hidden >= len(plans)


def kinds_of(seed, shape=SOAK):
    """Return how often each kind of the table befalls somebody in a seed."""
    acts, rates = fates(seed, shape)
    found = Counter(rate.kind for rate in rates)
    found.update(act.what for act in acts)
    found.update(f"kill_{act.args[0]}" for act in acts if act.what == "kill_gateway")
    return found


BEGINNINGS = {
    "site_partition": "partition",
    "dark": "partition",
    "swizzle": "swizzle_stop",
    "power_cut": "cut_power",
    "roll_back_twice": "roll_back",
    "roll_back_dark": "roll_back",
    "choke": "poison",
    "clock_back": "clock_jump",
    "clock_1970": "clock_jump",
    "clock_2106": "clock_jump",
}


def test_every_fault_comes_within_a_few_dozen_seeds():
    """A rule that meets no fault proves nothing."""
    found = sum((kinds_of(seed) for seed in SEEDS), Counter())

    assert {kind for kind in KINDS if not found[BEGINNINGS.get(kind, kind)]} == set()


def test_faults_made_of_others_are_counted_too():
    """A fleet sees a power cut; that it was one of two in a long silence only the plan knows."""
    found = sum((combined(seed, SOAK) for seed in SEEDS), Counter())

    assert found["dark"] > 10
    assert found["roll_back_twice"] > 1


def test_faults_meet():
    """Most seeds have several kinds at once; that is where bugs live."""
    crowded = [seed for seed in SEEDS if len(kinds_of(seed)) >= 6]

    assert len(crowded) > len(SEEDS) / 2


def test_probabilities_are_those_of_the_table():
    """Over many seeds a fault comes as often in an hour as the table says."""
    [kind] = [fault for fault in FAULTS if fault.kind == "tag_stays"]
    seeds = range(400)
    times = sum(kinds_of(seed)["tag_stays"] for seed in seeds)

    assert times / (len(seeds) * SOAK.kiosks) == pytest.approx(kind.per_hour, abs=0.06)


def test_a_calm_world_has_no_faults():
    """Roughness 0: what remains is people."""
    assert fates(1, SHAPES["calm"]) == ([], [])


def test_another_probability_moves_no_other_fault():
    """Each kind draws from a chance of its own."""
    rough, calm = (
        [act for act in fates(9, replace(SOAK, roughness=roughness))[0] if act.what == "image"]
        for roughness in (400, 100)
    )

    assert set(calm) <= set(rough)


def test_whatever_stops_goes_on_again():
    """Power, links and disks come back within the plan."""
    ends = {
        "cut_power": "restore_power",
        "partition": "heal",
        "swizzle_stop": "swizzle_start",
        "disk_full": "disk_free",
        "slow_consumer": "fast_consumer",
        "image": "roll_back",
        "backup": "restore_backup",
    }
    for seed in SEEDS:
        acts, _ = fates(seed, SOAK)
        for act in acts:
            if act.what in ends:
                assert any(
                    end.who == act.who and end.what == ends[act.what] and end.at_ms >= act.at_ms
                    for end in acts
                )


def test_stations_are_dealt_out_to_the_sites():
    """Every site has a kiosk and a gate where there are enough."""
    places = SHAPES["branches"].places

    assert [place[:2] for place in places] == [
        ("kiosk-1", "site-1"),
        ("kiosk-2", "site-2"),
        ("kiosk-3", "site-1"),
        ("kiosk-4", "site-2"),
        ("gate-1", "site-1"),
        ("gate-2", "site-2"),
    ]


def test_two_of_three_tags_carry_security():
    """The others leave it to the gate's list."""
    assert [has_security(item) for item in ("book-001", "book-002", "book-003")] == [
        True,
        True,
        False,
    ]


def test_acts_and_rates_are_plain():
    """A plan holds integers and texts, so that it prints and shrinks."""
    act = Act(1, "kiosk-1", "lend", ("reader-01", "book-001"))

    assert repr(act) == (
        "Act(at_ms=1, who='kiosk-1', what='lend', args=('reader-01', 'book-001'))"
    )
