"""Playing a plan: the same bytes each time, a whole library alive, everything at rest at last."""

import json
import os
import subprocess
import sys

import pytest

from sim.fleet.acts import Act, Shape
from sim.fleet.check import check
from sim.fleet.gate import NO_POWER
from sim.fleet.library import MEMORY
from sim.fleet.plan import make_plan
from sim.fleet.play import play
from tests.project import ROOT

pytestmark = pytest.mark.long

QUARTER = Shape(
    kiosks=3, gates=2, items=30, patrons=10, duration_ms=900_000, facts_per_hour=100, roughness=0
)
ROUGH = Shape(
    kiosks=2, gates=1, items=20, patrons=8, duration_ms=600_000, facts_per_hour=120, roughness=500
)
BRANCHES = Shape(
    kiosks=2, gates=2, sites=2, items=20, patrons=8, duration_ms=400_000, facts_per_hour=150,
    roughness=0,
)  # fmt: skip
QUIET = Shape(kiosks=2, gates=1, items=3, patrons=2, duration_ms=60_000, roughness=0)
PRINT_DIGEST = """
import sys
from pathlib import Path
from sim.fleet import library
from sim.fleet.play import play
from tests.sim.fleet.test_play import rough_plan

library.MEMORY = Path(sys.argv[1])
outcome = play(rough_plan())
print(outcome.digest, len(outcome.events), sum(outcome.faults.values()))
"""
ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
MACHINES = {
    "one": {"PYTHONHASHSEED": "0", "TZ": "UTC0", "LC_ALL": "C.UTF-8"},
    "far east": {"PYTHONHASHSEED": "1", "TZ": "EAST-13:45", **ASCII},
    "far west": {"PYTHONHASHSEED": "4242", "TZ": "WEST+11", "LC_ALL": "de_DE.UTF-8"},
}
"""Whose Pythons hash otherwise, whose clocks show another day, whose texts are encoded otherwise.
All but the first keep their files on a disk, and each works in a folder of its own."""


def rough_plan():
    """Return a plan of many faults, among them a row that has no id to be known by."""
    plan = make_plan(11, ROUGH)
    return plan.with_acts([*plan.acts, Act(60_000, "kiosk-1", "poison", ("not_json",))])


@pytest.fixture(scope="module")
def quarter():
    """A quarter of an hour without any fault, played once."""
    return play(make_plan(3, QUARTER))


def test_a_quarter_of_an_hour_without_faults_keeps_every_promise(quarter):
    """Nothing is lost, nobody honest is alarmed, every list is everywhere."""
    assert [f"{one.rule}: {one.text}" for one in check(quarter)] == []
    assert quarter.rested


def test_people_get_what_they_came_for(quarter):
    """Facts come from people's acts, and their acts from the plan."""
    lent = quarter.of("lent")
    acts = [act for act in quarter.plan.acts if act.what == "lend"]

    assert 0.8 * len(acts) <= len(lent) <= len(acts)
    assert len(quarter.of("returned")) >= 5
    assert len(quarter.committed) >= len(lent) + len(quarter.of("returned"))


def test_everything_committed_is_applied_as_it_was_written(quarter):
    """The gateway's bodies are the stations' bytes."""
    written = {one.fact_id: one.body for one in quarter.committed}

    assert {one.fact_id: one.body for one in quarter.applied} == written
    own = {one.fact_id for one in quarter.committed if one.station != "desk"}
    assert own <= quarter.acknowledged


def test_stations_date_facts_by_their_own_clocks(quarter):
    """Clocks drift and start at nothing: what a fact says of time is not the true time."""
    told = [
        (one.at_ms, json.loads(one.body)["mono"])
        for one in quarter.committed
        if one.station.startswith("kiosk")
    ]

    assert len(told) > 20
    assert any(true_ms != mono_ms for true_ms, mono_ms in told)
    assert all(abs(true_ms - mono_ms) < 1_000 for true_ms, mono_ms in told)


def test_gates_see_who_passes(quarter):
    """Books are carried out and in, and the gates' lists are the gateway's."""
    assert len(quarter.of("carried_out")) >= 5
    assert quarter.truth_list is not None
    for found in quarter.gate_lists.values():
        assert found.freshness == "FRESH"
        assert found.reaches == quarter.truth_list.reaches


def test_whatever_might_grow_is_looked_at(quarter):
    """Each queue, list and journal notes the most it held, also if that was nothing."""
    assert {name.partition(":")[0] for name in quarter.peaks} == {
        *("message_bytes", "gate_message_bytes", "broker_queue", "link_queue"),
        *("gateway_inbox", "gateway_unsent", "news", "overlay", "journal"),
    }
    assert quarter.peaks["journal:kiosk-1"] == quarter.stations["kiosk-1"].seq_last
    seen = ("link_queue", "gateway_inbox", "news", "overlay")
    assert min(quarter.peaks[name] for name in seen) > 0


def test_what_the_gateway_could_not_say_is_counted():
    """Its broker restarts just when it has a loan to acknowledge and to tell of."""
    acts = (
        Act(12_000, "kiosk-1", "lend", ("reader-01", "book-001")),
        Act(12_100, "broker", "broker_restart", ("site-1",)),
    )

    assert play(make_plan(0, QUIET).with_acts(acts)).peaks["gateway_unsent"] > 0


def test_the_same_plan_gives_the_same_bytes(quarter):
    """Playing is a pure function."""
    again = play(make_plan(3, QUARTER))

    assert again.digest == quarter.digest
    assert again.events == quarter.events


def test_a_replay_does_not_depend_on_the_machine(tmp_path):
    """Other processes in other places of the world: events, bodies and tables are all alike."""
    found = set()
    for name, machine in MACHINES.items():
        folder = tmp_path / name
        folder.mkdir()
        files = MEMORY if name == "one" else folder
        places = {"PYTHONPATH": str(ROOT), "TMPDIR": str(folder)}
        done = subprocess.run(
            [sys.executable, "-c", PRINT_DIGEST, files],
            env=os.environ | places | machine, cwd=folder,
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        found.add(done.stdout)

    assert len(found) == 1
    assert int(found.pop().split()[2]) >= 3, "the plan should have had faults"


def test_a_thief_is_heard_and_a_reader_is_not():
    """A hidden book sounds the siren; a lent one passes."""
    plan = make_plan(1, QUARTER).with_acts(
        [
            Act(60_000, "kiosk-1", "lend", ("reader-01", "book-001")),
            Act(70_000, "gate-1", "carry_out", ("book-001", "lent")),
            Act(80_000, "gate-1", "carry_out", ("book-002", "hidden")),
        ]
    )

    outcome = play(plan)

    assert [(one.item, one.row) for one in outcome.alarms] == [("book-002", 4)]
    assert [event.detail for event in outcome.of("carried_out")] == [
        ("book-001", "reader-01", 0),
        ("book-002", "", 1),
    ]


def test_a_gate_that_gets_its_power_while_somebody_goes_through_is_not_judged():
    """The antenna saw nothing, as with no power at all."""
    plan = make_plan(1, QUARTER).with_acts(
        [
            Act(60_000, "gate-1", "cut_power", ("now",)),
            Act(80_000, "gate-1", "carry_out", ("book-002", "hidden")),
            Act(80_127, "gate-1", "restore_power"),
        ]
    )

    outcome = play(plan)

    assert [event.detail[2] for event in outcome.of("carried_out")] == [NO_POWER]
    assert check(outcome) == []


def test_two_sites_share_one_gateway():
    """Each has a broker of its own; all that is lent is told to both."""
    outcome = play(make_plan(2, BRANCHES))

    assert [f"{one.rule}: {one.text}" for one in check(outcome)] == []
    assert {one.station for one in outcome.applied} >= {"kiosk-1", "kiosk-2"}


def test_nothing_is_left_behind(tmp_path, monkeypatch):
    """A fleet's files are gone when it is over."""
    monkeypatch.setattr("sim.fleet.world.base_folder", lambda: tmp_path)

    play(make_plan(2, BRANCHES).with_acts([]))

    assert list(tmp_path.iterdir()) == []


def test_a_station_works_on_although_its_last_run_had_planned_to():
    """It starts half a second before an instant for which the run before had planned something;
    it follows the catalogue nevertheless, and everything comes to rest."""
    acts = (
        Act(10_000, "kiosk-2", "image"),
        Act(12_000, "kiosk-1", "lend", ("reader-01", "book-001")),
        Act(39_449, "kiosk-2", "roll_back"),
    )

    outcome = play(make_plan(0, QUIET).with_acts(acts))

    assert [f"{one.rule}: {one.text}" for one in check(outcome)] == []
