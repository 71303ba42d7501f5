"""What docs/reliability.md says of its soaks is what the newest files in docs/soaks say."""

import json
import re

from sim.fleet.soak import Totals
from sim.fleet.soak_page import MARKS, PAGE, SOAKS, markdown, recorded
from sim.measure import machine

RUNS = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(SOAKS.glob("run-*.json"))]
"""Their names begin with the time, so the newest is the last."""
NEWEST, TOTALS = RUNS[-1], Totals.from_doc(RUNS[-1]["totals"])
TEXT = PAGE.read_text(encoding="utf-8")
IN_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def test_the_table_is_the_one_that_the_newest_run_wrote():
    """Nobody mends a number by hand; `--write-docs` writes all of them."""
    block = TEXT.partition(MARKS[0])[2].partition(MARKS[1])[0]

    assert block.strip() == markdown(TOTALS, recorded(SOAKS), machine.in_words(NEWEST["machine"]))


def test_the_sentence_about_time_says_what_the_newest_run_took():
    """Seeds, minutes, cores and speed beside the table are those of the table."""
    minutes, about = NEWEST["wall_seconds"] / 60, NEWEST["machine"]
    python = ".".join(about["python"].split(".")[:2])

    assert re.search(
        rf"The {TOTALS.seeds:,} seeds took {minutes:.0f} minutes on {IN_WORDS[about['cores']]}"
        rf" cores with \S+ Python {re.escape(python)},"
        rf" and a kiosk lived {round(TOTALS.speed, -2):,.0f} times faster than real on each;",
        TEXT,
    )
    lived = TOTALS.device_ms / 1_000 / NEWEST["wall_seconds"]
    assert f"two gates lived {round(lived, -3):,.0f} hours in an hour of the machine" in TEXT


def test_the_time_of_a_seed_is_that_of_the_newest_run():
    """What one seed costs, with both cores at work."""
    seconds = (TOTALS.play_seconds + TOTALS.check_seconds) / TOTALS.seeds

    assert f"and {seconds:.1f} where both cores work" in TEXT


def test_every_seed_that_ever_broke_a_promise_is_explained():
    """How many there were, and the number of each in the paragraph below the table."""
    seeds = {failure["seed"] for run in RUNS for failure in run["totals"]["failures"]}
    count = recorded(SOAKS).failed_seeds
    [said] = [line for line in TEXT.splitlines() if "that broke a promise in earlier runs" in line]

    assert f"Of the {IN_WORDS[count]} seeds that broke a promise in earlier runs" in said
    assert {int(number) for number in re.findall(r"\b\d{3,}\b", said)} == seeds
