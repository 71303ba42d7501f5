"""A day of a gate on a real MicroPython, in virtual time, under a microcontroller's heap.

The real shell, machine, MQTT client, courier, journal and list in flash; beams and antenna are a
few lines each (`programs/gate_day.py`), broker and gateway are outside of its heap
(`day_gateway.py`). Every hour the link is cut twice and a new file of the list comes in pieces;
in one hour the broker takes connections and says nothing; at noon the gateway comes back from a
backup, and for two hours the gate keeps two lists.
"""

from pathlib import Path

import pytest

from sim.mcu import vm
from sim.mcu.process import HEAP
from tests.firmware.mcu.day_gateway import play

ROOT = Path(__file__).parents[3]
PROGRAM = "tests/firmware/mcu/programs/gate_day.py"
POWER_ON = "sim/mcu/fake/power_on.py"
HOURS, WALKS_AN_HOUR, TAGS_A_WALK, SILENT_HOUR = 24, 70, 60, 3
SHORT_HOURS, SHORT_SILENT_HOUR = 4, 1
SCRIPT_HEAP_BYTES = 16 * 1024
"""What script and devices of the day take of the heap; no device has them."""
LOADING_BYTES = 256 * 1024
FREE_SHARE_MIN = 0.98

pytestmark = [
    pytest.mark.needs("micropython"),
    pytest.mark.timeout(1_200),
    pytest.mark.long,
]


def hours_of(folder, board, heap_bytes, hours, silent_hour):
    """Play so many hours on a board; return what each of them was like."""
    more = {"gate_day.py": ROOT / PROGRAM, "power_on.py": ROOT / POWER_ON}
    code = vm.lay_out(folder / "code", compiled=True, more=more)
    words = [board, *map(str, (hours, WALKS_AN_HOUR, TAGS_A_WALK, silent_hour))]
    (code / "main.py").write_text(f"import gate_day\ngate_day.main({words})\n")
    (folder / "flash").mkdir()
    found = vm.find_vm()
    assert found is not None, vm.NO_VM
    cap = heap_bytes + vm.frozen_bytes(code) + SCRIPT_HEAP_BYTES
    command = found.command("power_on", heap_bytes=cap + LOADING_BYTES)
    return play(command, folder / "flash", vm.environment([code], {HEAP: str(cap)}))


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    """What each hour of a day was like on the smaller board."""
    folder = tmp_path_factory.mktemp("esp32")
    return hours_of(folder, "esp32", vm.ESP32_HEAP_BYTES, HOURS, SILENT_HOUR)


@pytest.fixture(scope="module")
def morning(tmp_path_factory):
    """What each hour of a morning was like on the larger board, which remembers more."""
    folder = tmp_path_factory.mktemp("pico_w")
    hours, silent_hour = SHORT_HOURS, SHORT_SILENT_HOUR
    return hours_of(folder, "pico_w", vm.PICO_W_HEAP_BYTES, hours, silent_hour)


def test_a_day_with_a_hundred_thousand_tags_leaves_the_heap_as_it_was(day):
    """No MemoryError, and at its end as much is free as after the first hour, within 2 %."""
    assert [(hour["hour"], hour["failed"]) for hour in day] == [(n, "") for n in range(HOURS)]
    assert day[-1]["tags"] >= 100_000
    assert day[-1]["free"] >= FREE_SHARE_MIN * day[0]["free"]


def test_the_larger_board_uses_its_larger_heap_as_evenly(morning):
    """A few hours say it: what grew there at all had done so in the second."""
    assert [hour["failed"] for hour in morning] == [""] * SHORT_HOURS
    assert morning[-1]["free"] >= FREE_SHARE_MIN * morning[0]["free"]
    assert morning[-1]["alarms"] == morning[-1]["thieves"] > 10


def test_every_book_that_was_not_lent_is_heard_and_no_other(day):
    """One walk in twenty; half of these books a delta had just taken from the list."""
    last = day[-1]

    assert last["walks"] >= HOURS * WALKS_AN_HOUR
    assert last["thieves"] >= 80
    assert (last["alarms"], last["false_alarms"]) == (last["thieves"], 0)


def test_an_hour_of_a_silent_broker_leaves_the_alarm_as_quick(day):
    """The siren comes in the same turn as before and after, whatever the network does."""
    assert {tuple(hour["latency_ms"]) for hour in day} == {tuple(day[0]["latency_ms"])}
    assert max(day[0]["latency_ms"]) <= 30


def test_a_new_list_is_in_place_every_hour(day):
    """Fetched in pieces, verified and switched while people pass; none while there is silence,
    and none while two histories fill both slots."""
    is_new = [hour["version"] >= hour["file_version"] for hour in day]
    assert is_new == [number != SILENT_HOUR for number in range(HOURS)]
    assert day[-1]["file_version"] == 1_000 * (HOURS + 1)
    assert [hour["hour"] for hour in day if hour["lists"] == 2] == [12, 13, 14]
    assert day[-1]["trouble"] == ""


def test_when_the_broker_speaks_again_every_fact_arrives(day):
    """What the silent hour and the cuts held back is acknowledged; the list is fresh again."""
    silent = day[SILENT_HOUR]
    assert silent["list"] == "STALE"
    assert silent["applied"] == day[SILENT_HOUR - 1]["applied"]

    assert (day[-1]["list"], day[-1]["waiting"]) == ("FRESH", 0)
    assert day[-1]["applied"] >= day[-1]["alarms"]
