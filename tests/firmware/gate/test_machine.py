"""The gate's machine where the scenarios do not reach: refusals, bounds, health, stopping."""

import pytest

from firmware.gate import commands, events
from firmware.gate.config import LIMITS, Limits, gate_config
from firmware.gate.errors import EventInvalid
from firmware.gate.machine import GateMachine
from firmware.gate.signals import Signals
from tests.firmware.gate.play import LINEAGE, start, tell

UID = "e004010000000001"
NO_BEAMS = {"lanes": [["lane-1", 0]], "members": ["DE-1"]}


def tag(number=1, security="in_stock", owner="DE-1"):
    return [f"e00401000000{number:04x}", security, None, owner]


def kinds(done):
    return [c.fields["kind"] for c in done if type(c) is commands.Record]


def answer(alarm, **more):
    given = {"station": "kiosk-1", "alarm": alarm, "gate": "gate-1", "lane": "lane-1"}
    given |= {"direction": "out", "row": 4, "latency_ms": 0, "answers": alarm, "title": "Emma"}
    return ["SiteAlarmHeard", given | more]


@pytest.mark.parametrize(
    "event",
    [
        "not an event",
        commands.StopSiren(),
        events.TagsRead("lane-9", []),
        events.TagsRead("lane-1", [tag(i) for i in range(257)]),
        events.TagsRead("lane-1", [tag(), ["XYZ", "in_stock", None, None]]),
        events.TagsRead("lane-1", [tag(), [UID, "perhaps", None, None]]),
        events.ContentRead("lane-9", UID, True, None, None),
        events.BeamEdge("lane-9", "inner", True, 0),
        events.BeamEdge("lane-1", "middle", True, 0),
        events.ListChanged(LINEAGE, 1, 2, []),
    ],
)
def test_an_event_that_makes_no_sense_changes_nothing(event):
    """It raises EventInvalid with words, and the gate goes on as if it had not been told."""
    machine = start({"members": ["DE-1"]})

    with pytest.raises(EventInvalid, match=r"\w+ \w+"):
        machine.receive(event, 1_000)
    assert tell(machine, ["Walk", "lane-1", "out"], 1_100) == []


def test_people_of_the_running_slot_can_be_put_down_before_it_ends():
    """A shell that keeps them gets the slot as it stands; the machine goes on counting."""
    machine = start({"members": ["DE-1"]})

    assert machine.counting() is None
    tell(machine, ["Walk", "lane-1", "out"], 1_000)
    machine.tick(10_000)
    fact = machine.counting()

    assert (fact["kind"], fact["in"], fact["out"]) == ("passages", 0, 1)
    assert machine.counting() == fact


def test_a_delta_that_does_not_fit_changes_nothing():
    """A delta from another version or another history is refused; the list stays as it was."""
    machine = start({"members": ["DE-1"]})
    tell(machine, ["ListLoaded", {"version": 5}], 0)

    for lineage, begins in ((LINEAGE, 4), ("00000000000000bb", 5)):
        with pytest.raises(EventInvalid, match="delta"):
            machine.receive(events.ListChanged(lineage, begins, 6, [["k", UID, 3]]), 1)
    assert machine.holdings.list.version == 5
    assert machine.holdings.list.reach(UID) == 0


def test_an_older_list_of_the_same_history_is_left_alone():
    """A download that took long does not undo the deltas that came meanwhile."""
    machine = start({})
    tell(machine, ["ListLoaded", {"version": 5}], 0)

    assert tell(machine, ["ListLoaded", {"version": 4}], 1) == []
    assert machine.holdings.list.version == 5


def test_a_newer_snapshot_takes_the_place_of_the_older():
    """Within one history the newest list is the list."""
    machine = start({})
    tell(machine, ["ListLoaded", {"version": 5, "keys": [[UID, 3]]}], 0)

    asked = tell(machine, ["ListLoaded", {"version": 6}], 1)
    assert asked == [commands.AskSite(LINEAGE, 6)]
    assert machine.holdings.list.reach(UID) == 0


def test_a_second_restore_keeps_the_first_complete_list():
    """While a new history has not recovered, another one replaces only the newer half."""
    machine = start({})
    for lineage, version in (("aa", 500), ("bb", 401), ("bb", 402), ("cc", 300)):
        given = {"lineage": lineage * 8, "version": version, "keys": [[lineage, 3]]}
        tell(machine, ["ListLoaded", given], version)

    held = machine.holdings.list
    assert [held.reach(key) for key in ("aa", "bb", "cc")] == [3, 0, 3]


def test_applied_of_another_history_says_nothing():
    """Versions compare only within one lineage."""
    machine = start({"members": ["DE-1"]})
    loan = {"seq": 1, "uids": [UID], "state": "on", "fact": "00000000000000f1"}
    tell(machine, ["AppliedHeard", {"version": 1, "stations": {"kiosk-1": [1, 9]}}], 0)
    tell(machine, ["ListLoaded", {"version": 5}], 0)
    applied = {"version": 1, "stations": {"kiosk-1": [1, 9]}, "lineage": "00000000000000bb"}
    tell(machine, ["AppliedHeard", applied], 0)

    tell(machine, ["SiteLoanHeard", loan], 1)
    assert len(machine.holdings.overlay) == 1


def test_health_names_every_trouble():
    """What staff should know is said in words, and nothing when all is well."""
    machine = start({"members": ["DE-1"]})
    assert machine.health(0) == {}

    tell(machine, ["LenderKnown", "kiosk-1"], 0)
    tell(machine, ["BeamEdge", "lane-1", "outer", True, 0], 0)
    wrong = {"seq": 1, "uids": [UID], "state": "on", "fact": "00000000000000f1", "mac": "0" * 32}
    tell(machine, ["SiteLoanHeard", wrong], 0)
    for at_ms in (1_000, 6_000, 11_000):
        tell(machine, ["TagsRead", "lane-1", [tag()]], at_ms)

    assert machine.health(11_000) == {
        "lane-1 outer": "the outer beam of lane-1 is broken all the time; clear it or align it",
        "standing": "a book lies at gate-1",
        "mac": "1 messages with a wrong mac refused",
    }
    assert machine.health(71_001)["lenders"] == "not heard for a minute: kiosk-1"


def test_too_many_tags_are_said():
    """Tags beyond what can be watched are counted in health, and the others judged as ever."""
    machine = start({"members": ["DE-1"]})
    tell(machine, ["TagsRead", "lane-1", [tag(number) for number in range(1, 257)]], 0)
    tell(machine, ["TagsRead", "lane-1", [tag(257)]], 1)

    assert machine.health(1)["tags"].startswith("1 reads not watched")


def test_stopping_leaves_everything_quiet_and_counted():
    """Siren and lamps go off; people and a running staff pass are recorded."""
    machine = start({"members": ["DE-1"]})
    for at_ms in (0, 5_000, 10_000):
        tell(machine, ["TagsRead", "lane-1", [tag()]], at_ms)
    tell(machine, ["TagsRead", "lane-1", [tag(2)]], 11_000)
    tell(machine, ["Walk", "lane-1", "out"], 11_100)
    tell(machine, ["StaffCard"], 11_600)

    done = machine.stop(12_000)
    assert commands.SetLamp("amber", False) in done
    assert kinds(done) == ["tally", "passages"]


def test_stopping_in_an_alarm_stops_the_siren():
    """A program that ends takes the siren with it."""
    machine = start(NO_BEAMS)
    tell(machine, ["TagsRead", "lane-1", [tag()]], 0)

    assert [type(c) for c in machine.stop(1)][:1] == [commands.StopSiren]


def test_a_staff_pass_ends_on_time():
    """At 60 s the pass is over, also for a tag that is told in the same moment."""
    machine = start(NO_BEAMS)
    tell(machine, ["StaffCard"], 0)

    done = tell(machine, ["TagsRead", "lane-1", [tag()]], 60_000)
    assert kinds(done) == ["alarm", "tally"]


def test_an_answer_that_names_nothing_is_ignored():
    """No title, a wrong mac, or an alarm nobody remembers: nothing is recorded."""
    machine = start(NO_BEAMS)
    (record,) = [
        c for c in tell(machine, ["TagsRead", "lane-1", [tag()]], 0) if type(c) is commands.Record
    ]

    for wrong in (
        answer(record.fact, title=None),
        answer(record.fact, mac="0" * 32),
        answer("00000000000000ff"),
    ):
        assert tell(machine, wrong, 1) == []
    done = tell(machine, answer(record.fact), 2)
    assert done[1] == commands.Notice("alarm", "Emma")


def test_memories_are_bounded():
    """Old alarms can no longer be named, and old reports may be made again."""
    machine = start(NO_BEAMS)
    for number in range(1, LIMITS.alarms + 3):
        tell(machine, ["TagsRead", "lane-1", [tag(number)]], number)
    assert tell(machine, answer(f"{1:016x}"), 100) == []

    count = 0
    for number in range(1, LIMITS.reported + 2):
        at_ms = 100_000 + 40_000 * number
        done = tell(machine, ["TagsRead", "lane-1", [tag(number + 1_000, "on_loan")]], at_ms)
        count += kinds(done).count("tag_seen")
    assert count == 0  # without a list nothing disagrees

    tell(machine, ["ListLoaded", {"version": 1}], 0)
    for number in range(1, LIMITS.reported + 2):
        at_ms = 100_000_000 + 10_000 * number
        done = tell(machine, ["TagsRead", "lane-1", [tag(number + 2_000, "on_loan")]], at_ms)
        count += kinds(done).count("tag_seen")
    again = tell(machine, ["TagsRead", "lane-1", [tag(2_001, "on_loan")]], at_ms + 31_000)
    assert (count, kinds(again)) == (LIMITS.reported + 1, ["tag_seen"])


def test_a_disagreement_is_told_again_after_an_hour():
    """Once an hour for the same tag and row, and not oftener."""
    machine = start(NO_BEAMS)
    tell(machine, ["ListLoaded", {"version": 1}], 0)

    times_ms = (0, 40_000, 3_600_000)
    told = [kinds(tell(machine, ["TagsRead", "lane-1", [tag(1, "on_loan")]], t)) for t in times_ms]
    assert told == [["tag_seen"], [], ["tag_seen"]]


def test_content_of_a_tag_nobody_watches_is_dropped():
    """An answer that comes after its tag has gone changes nothing."""
    machine = start(NO_BEAMS)

    assert tell(machine, ["ContentRead", "lane-1", UID, True, "1", "DE-1"], 0) == []
    tell(machine, ["TagsRead", "lane-1", [tag()]], 1)
    assert tell(machine, ["ContentRead", "lane-1", tag()[0], False, None, None], 2) == []


def test_the_wall_clock_only_names_the_slots():
    """Being told the time changes no decision."""
    machine = start({"members": ["DE-1"]})
    tell(machine, ["ClockSet", 1_757_404_800_000], 0)
    tell(machine, ["Walk", "lane-1", "in"], 1_000)

    (fact,) = [c.fields for c in machine.stop(2_000)]
    assert fact["from"] == 1_757_404_800_000


@pytest.mark.parametrize("written", ["DE-718500", "DE718500", "de718500"])
def test_owner_codes_are_compared_without_hyphen_and_case(written):
    """ISO 28560-3 drops the hyphen; a short tag cuts a long code after 11 characters."""
    machine = start(NO_BEAMS | {"members": ["DE-718500"]})

    assert kinds(tell(machine, ["TagsRead", "lane-1", [tag(owner=written)]], 0)) == ["alarm"]


def test_a_code_cut_short_is_still_ours():
    """The first 11 characters of a member's long code on a tag of 32 bytes are that member."""
    machine = start(NO_BEAMS | {"members": ["DE-123456789012"]})
    cut, shorter = tag(1, owner="DE123456789"), tag(2, owner="DE12345678")

    assert kinds(tell(machine, ["TagsRead", "lane-1", [cut, shorter]], 0)) == ["alarm"]


def test_without_members_nobody_is_foreign():
    """A gate that was not told whose it is takes every tag in stock for its own."""
    machine = start({"lanes": [["lane-1", 0]]})

    assert kinds(tell(machine, ["TagsRead", "lane-1", [tag(owner="XX-1")]], 0)) == ["alarm"]


def test_the_red_lamp_is_not_lit_twice():
    """Signals repeat no command: a lamp that is on stays on, one that is off stays off."""
    signals = Signals(start(NO_BEAMS).config)

    assert signals.quiet() == []
    assert len(signals.alarm(0)) == 2
    assert signals.alarm(1) == []
    assert signals.amber(False) == []


def test_lane_of_a_shared_tag_is_the_one_that_read_it_most():
    """Between a passage in and one out the lane that read the tag more often decides."""
    machine = start({"lanes": [["lane-1", 2], ["lane-2", 2]], "members": ["DE-1"]})
    for lane in ("lane-1", "lane-2", "lane-2"):
        tell(machine, ["TagsRead", lane, [tag()]], 900)
    edges = [(0, "lane-1", "outer"), (120, "lane-1", "inner"), (500, "lane-2", "inner")]

    done = []
    for after_ms, lane, beam in edges:
        done += tell(machine, ["BeamEdge", lane, beam, True, 1_000 + after_ms], 1_000 + after_ms)
    done += machine.tick(1_510)
    assert kinds(done) == ["tag_seen"]


def test_a_draw_between_in_and_out_is_judged():
    """Read as often in both lanes, one person in and one out: nobody can tell, so it is judged."""
    machine = start({"lanes": [["lane-1", 2], ["lane-2", 2]], "members": ["DE-1"]})
    for lane in ("lane-1", "lane-2"):
        tell(machine, ["TagsRead", lane, [tag(1, owner=None)]], 900)
    edges = [("lane-1", "outer", 1_000), ("lane-2", "inner", 1_045)]

    done = []
    for lane, beam, at_ms in edges:
        done += tell(machine, ["BeamEdge", lane, beam, True, at_ms], at_ms)
    done += tell(machine, ["Tick"], 1_056)
    done += tell(machine, ["ContentRead", "lane-1", tag()[0], True, None, "DE-1"], 1_057)
    (alarm,) = [c.fields for c in done if type(c) is commands.Record]
    assert (alarm["kind"], alarm["direction"]) == ("alarm", "unknown")


def test_a_board_brings_smaller_limits():
    """Where memory is short, fewer tags are watched and fewer loans of the site are kept."""
    limits = Limits(tags=1, came_in=1, overlay=1, settled=1, reported=1, alarms=1)
    small = GateMachine(gate_config("gate-1", [("lane-1", 2)]), bytes(16), lambda: "", limits)

    small.receive(events.TagsRead("lane-1", [tag(1), tag(2)]), 0)
    assert small.health(0)["tags"] == "1 reads not watched: too many tags in the field"
