"""The soak itself: seeds that keep every promise, and a command that says which did not."""

import itertools
import json
import os
import pty
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import pytest
from click.testing import CliRunner

from sim.__main__ import main
from sim.fleet import soak_page
from sim.fleet.acts import MINUTE_MS, Act, Plan, Shape, from_json, to_json
from sim.fleet.command import in_lines
from sim.fleet.plan import make_plan
from sim.fleet.soak import Job, Ran, Totals, jobs_of, run_seed
from sim.fleet.soak_page import MARKS, PAGE, SOAKS, faults_table, keep, recorded
from sim.fleet.verdict import Violation

TINY = Shape(kiosks=1, gates=1, items=3, patrons=2, duration_ms=2 * MINUTE_MS)
JOBS = [*jobs_of(range(4)), *jobs_of(range(10), "storm")]
"""Fixed, so that what passes here passes again; `make sim-soak` plays others."""


@pytest.mark.parametrize("job", JOBS, ids=lambda job: f"{job.shape}-{job.seed}")
def test_every_promise_is_kept(job):
    """A whole library through all kinds of faults; then all is as it should be."""
    assert run_seed(job).violations == ()


def a_run(seed=1, **more):
    return Ran(Job(seed, "soak"), 200, 18_000_000, 10_800_000, 50, 1, Counter(loss=3), **more)


BROKEN = (Violation("order", "kiosk-1", 5, "row 2 was written after row 1"),)


def totals_of(*runs):
    totals = Totals()
    for ran in runs:
        totals.add(ran)
    return totals


def test_totals_add_up():
    """Seeds, facts, time, doubt and faults."""
    totals = totals_of(a_run(1, play_seconds=0.5), a_run(2, play_seconds=0.4))

    assert (totals.seeds, totals.facts, totals.faults["loss"]) == (2, 400, 6)
    assert totals.doubted_share == 0.02
    assert totals.speed == pytest.approx(24_000)
    assert totals.device_years == pytest.approx(0.00114, rel=0.01)


def test_a_failure_says_how_to_replay_it():
    """Whoever reads the end of a soak can begin there."""
    said = soak_page.in_words(totals_of(a_run(41, violations=BROKEN)), 65)

    assert "1 seeds FAILED" in said
    assert "seed 41, order: row 2 was written after row 1" in said
    assert "replay with: lendgate-sim soak --replay 41" in said


def test_a_seed_of_another_shape_is_replayed_in_that_shape():
    """The same number gives another plan in another library."""
    assert Job(3, "day").replay == "lendgate-sim soak --replay 3 --shape day"
    assert Job(19, "soak").replay == "lendgate-sim soak --replay 19"


def test_too_much_doubt_is_a_failure_of_the_whole():
    """At most one item in twenty, over enough items to say so."""
    doubtful = totals_of(*(Ran(Job(n, "soak"), items=100, doubted=6) for n in range(20)))

    assert doubtful.too_doubtful
    assert not totals_of(Ran(Job(1, "soak"), items=100, doubted=90)).too_doubtful
    assert not totals_of(Ran(Job(1, "storm"), items=9_000, doubted=900)).too_doubtful


@pytest.mark.parametrize(("shape", "promises"), [("soak", 2), ("day", 0)])
def test_a_summary_compares_with_what_is_promised_for_its_shape(shape, promises):
    """Share of doubt and speed are those of the usual seeds; a day has none to keep."""
    said = soak_page.in_words(totals_of(Ran(Job(1, shape), items=100, doubted=90)), 65)

    assert "90 of 100 items in doubt after healing (90.00%)" in said
    assert said.count("at most 5% is promised") + said.count("20,000 × is wanted") == promises


def test_runs_that_are_kept_add_up(tmp_path):
    """What was soaked last month counts; what is no such file does not."""
    keep(tmp_path, totals_of(a_run(1)), {"cores": 2}, 1.0)
    elsewhere = tmp_path / "elsewhere"
    keep(elsewhere, totals_of(a_run(2), a_run(3, violations=BROKEN)), {"cores": 2}, 1.0)
    (tmp_path / "run-broken.json").write_text("{")
    (tmp_path / "run-other.json").write_text(json.dumps({"format": 1, "totals": {"x": 1}}))

    total = recorded(tmp_path, elsewhere)
    assert (total.seeds, total.facts, total.failed_seeds) == (3, 600, 1)
    assert total.shapes == {"soak": 3}


def run(*arguments):
    """Return the exit code and everything that was said."""
    result = CliRunner().invoke(main, ["soak", *map(str, arguments)])
    return result.exit_code, result.output


def test_the_command_plays_keeps_and_tells(tmp_path):
    """Seeds, facts, faults by kind, doubt, speed; and the file of all numbers."""
    code, said = run("--seeds", 1, "--jobs", 1, "--folder", tmp_path, "--shape", "storm")

    assert code == 0, said
    assert "1 seed(s) in" in said
    assert "[#" not in said
    assert "0 failures" in said
    [file] = tmp_path.glob("run-*.json")
    assert str(file) in said
    assert json.loads(file.read_text())["totals"]["seeds"] == 1


def told(capsys, several, seconds_each):
    """Return what a log is told of so many seeds, of which number 30 broke a promise."""
    now_s = itertools.count(0.0, seconds_each)
    runs = [a_run(n, violations=BROKEN if n == 30 else ()) for n in range(1, several + 1)]
    assert list(in_lines(runs, several, lambda: next(now_s))) == runs
    return capsys.readouterr().err.splitlines()


def test_a_log_is_told_every_hundred_seeds_how_far_it_is(capsys):
    """And how much longer it takes, and whether one failed; the end has words of its own."""
    assert told(capsys, 200, 0.6) == [
        "seeds: 100 of 200 in 1 min, about 1 min more; 1 failed",
    ]
    assert [line.split(" in ")[0] for line in told(capsys, 2_050, 0.1)] == [
        f"seeds: {hundreds * 100:,} of 2,050" for hundreds in range(1, 21)
    ]


def test_a_log_is_told_once_a_minute_where_seeds_are_slow(capsys):
    """Nobody wonders for an hour whether anything happens."""
    assert told(capsys, 6, 25.0) == ["seeds: 3 of 6 in 1 min, about 1 min more; 0 failed"]
    assert told(capsys, 2, 25.0) == []


def test_a_terminal_has_a_bar(tmp_path):
    """Whoever sits there sees it grow; only what is no terminal gets lines."""
    ours, theirs = pty.openpty()
    soak = [sys.executable, "-m", "sim", "soak", "--seeds", "1", "--jobs", "1"]
    try:
        done = subprocess.run(
            [*soak, "--shape", "storm", "--folder", str(tmp_path)], stdout=theirs, check=False
        )
        shown = os.read(ours, 65_536).decode()
    finally:
        os.close(theirs)
        os.close(ours)

    assert done.returncode == 0
    assert re.search(r"seeds +\[#+\] +100%", shown)


def test_a_kept_plan_is_played_again(tmp_path):
    """A plan is a file; the same one has the same digest every time."""
    file = tmp_path / "plan.json"
    file.write_text(to_json(make_plan(1, TINY)))

    first, second = run("--plan", file), run("--plan", file)
    assert first == second
    assert first[0] == 0
    assert "every promise was kept; digest" in first[1]


def test_a_broken_promise_is_made_short_and_told(tmp_path):
    """Which one, what is left of the plan, the story, and how to see it again."""
    hasty = replace(TINY, heal_ms=0)  # nothing can come to rest in no time
    acts = [Act(n * 1_000, "kiosk-1", "return", ("book-001",)) for n in range(8)]
    file = tmp_path / "hasty.json"
    file.write_text(to_json(Plan(1, hasty, tuple(acts), ())))

    code, said = run("--plan", file, "--folder", tmp_path)
    assert code == 1
    assert "rest: the fleet does not come to rest" in said
    assert "0 acts and 0 rates left" in said
    assert "Promised: everything comes to rest after the faults have ended." in said
    short = tmp_path / "plan-1-rest.json"
    assert from_json(short.read_text()).acts == ()
    assert f"soak --whole --plan {short}" in said


def test_a_file_that_is_no_plan_is_named(tmp_path):
    """Exit code 2, and a sentence instead of a traceback."""
    file = tmp_path / "plan.json"
    file.write_text("[]")

    code, said = run("--plan", file)
    assert code == 2
    assert "holds no plan" in said


def test_the_page_has_a_place_for_the_numbers_and_the_table_of_faults():
    """docs/reliability.md and the table in the code say the same."""
    page = PAGE.read_text(encoding="utf-8")

    assert page.count(MARKS[0]) == page.count(MARKS[1]) == 1
    assert faults_table() in page


def test_the_page_adds_up_the_soaks_that_are_kept_beside_it():
    """Nobody can write there what no run has shown."""
    page, everything = PAGE.read_text(encoding="utf-8"), recorded(SOAKS)

    [facts] = [line for line in page.splitlines() if line.startswith("| facts |")]
    [broken] = [line for line in page.splitlines() if line.startswith("| seeds that broke")]
    assert facts.endswith(f" {everything.facts:,} |")
    assert broken.endswith(f" {everything.failed_seeds:,} |")


def test_every_promise_is_on_the_page():
    """Whoever reads docs/reliability.md reads the rules as they are checked."""
    from sim.fleet.check import RULES

    page = PAGE.read_text(encoding="utf-8")
    assert [rule.name for rule in RULES if f"| `{rule.name}` | {rule.promise} |" not in page] == []
