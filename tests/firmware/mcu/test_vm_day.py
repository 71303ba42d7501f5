"""A day of a gate on a real MicroPython, in virtual time, under a microcontroller's heap.

The real shell, machine, MQTT client, courier and journal; beams, antenna, broker and gateway are
a few lines each, in the same heap (`programs/gate_day.py`). Every hour the link is cut twice and
a new list comes; in one hour the broker takes connections and says nothing.
"""

import json
import subprocess
from pathlib import Path

import pytest

from sim.mcu import vm

ROOT = Path(__file__).parents[3]
PROGRAM = "tests/firmware/mcu/programs/gate_day.py"
HOURS, WALKS_AN_HOUR, TAGS_A_WALK, SILENT_HOUR = 24, 70, 60, 3
FREE_SHARE_MIN = 0.98

pytestmark = [pytest.mark.needs("micropython"), pytest.mark.timeout(1_200)]


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    """What each hour of one life of the program said."""
    folder = tmp_path_factory.mktemp("day")
    code = vm.lay_out(folder / "code", compiled=True, more={"gate_day.py": ROOT / PROGRAM})
    (folder / "flash").mkdir()
    found = vm.find_vm()
    assert found is not None, vm.NO_VM
    words = [str(n) for n in (HOURS, WALKS_AN_HOUR, TAGS_A_WALK, SILENT_HOUR)]
    ended = subprocess.run(
        found.command("gate_day", words, heap_bytes=vm.PICO_W_HEAP_BYTES + vm.frozen_bytes(code)),
        cwd=folder / "flash",
        env=vm.environment([code]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return [json.loads(line) for line in ended.stdout.splitlines()]


def test_a_day_with_a_hundred_thousand_tags_leaves_the_heap_as_it_was(day):
    """No MemoryError, and at its end as much is free as after the first hour, within 2 %."""
    assert (len(day), day[-1]["failed"]) == (HOURS, "")
    assert day[-1]["tags"] >= 100_000
    assert day[-1]["free"] >= FREE_SHARE_MIN * day[0]["free"]


def test_every_book_that_was_not_lent_is_heard_and_no_other(day):
    """Every second walk of the first hour, later one in twenty; what was just lent is let go."""
    last = day[-1]

    assert last["walks"] >= HOURS * WALKS_AN_HOUR
    assert last["thieves"] >= 100
    assert (last["alarms"], last["false_alarms"]) == (last["thieves"], 0)


def test_an_hour_of_a_silent_broker_leaves_the_alarm_as_quick(day):
    """The siren comes in the same turn as before and after, whatever the network does."""
    assert {tuple(hour["latency_ms"]) for hour in day} == {tuple(day[0]["latency_ms"])}
    assert max(day[0]["latency_ms"]) <= 30


def test_when_the_broker_speaks_again_every_fact_arrives(day):
    """What the silent hour and the cuts held back is acknowledged; the list is fresh again."""
    silent = day[SILENT_HOUR]
    assert silent["list"] == "STALE"
    assert silent["applied"] == day[SILENT_HOUR - 1]["applied"]

    assert (day[-1]["list"], day[-1]["waiting"]) == ("FRESH", 0)
    assert day[-1]["applied"] >= day[-1]["alarms"]
    assert day[-1]["version"] == HOURS + 1
