"""Every planted bug is found, and the seeds that find them find nothing in the code as it is."""

import ast
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from click.testing import CliRunner

from sim.__main__ import main
from sim.errors import SimError
from sim.mutants.catalogue import MUTANTS
from sim.mutants.child import NONE
from sim.mutants.hunt import SEEDS_FILE, Found, hunt, known_seeds, table
from sim.mutants.mutant import ROOT, Mutant, plant
from sim.mutants.page import PAGE, mutants_table

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

STORIES = set(range(1, 15))
TRIES = 12
"""So many seeds beside the one that is known: a fault may have moved to another."""


def child(name, *seeds):
    """Return what a process with that mutant says of these seeds."""
    command = [sys.executable, "-m", "sim.mutants.child", name, *map(str, seeds)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_another_program(name):
    """Its texts stand once in the code of today, and what takes their place is Python too."""
    mutant = MUTANTS[name]

    for file in mutant.changes:
        healthy = ast.dump(ast.parse((ROOT / file).read_text(encoding="utf-8")))

        assert ast.dump(ast.parse(mutant.source(file))) != healthy


def test_there_are_enough_mutants_and_one_for_every_story():
    """The stories of machines are 1 to 14; each has a mutant that is its mistake."""
    told = {story for mutant in MUTANTS.values() for story in mutant.stories}

    assert len(MUTANTS) >= 25
    assert told >= STORIES


@pytest.fixture(scope="module")
def found():
    """How the hunt for each mutant ended, two side by side: all of it takes a minute."""
    return {one.mutant.name: one for one in hunt(list(MUTANTS.values()), budget=TRIES, jobs=2)}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_bug_is_found(found, name):
    """The seed that found it last finds it again, else one of the first few, else its test."""
    one = found[name]

    assert not one.survived, f"{name} survived {one.played} seeds: {one.mutant.what}"


def test_the_seeds_that_find_mutants_find_nothing_else():
    """Without a mutant every one of these seeds holds: what was found was the mutant."""
    places = sorted({f"{MUTANTS[name].shape}:{seed}" for name, seed in known_seeds().items()})
    with ThreadPoolExecutor(2) as pool:
        halves = pool.map(lambda half: child(NONE, *half), (places[::2], places[1::2]))

    assert [half for half in halves if half["seed"] is not None] == []


def test_a_known_seed_belongs_to_a_mutant():
    """Nothing is kept of mutants that are no more."""
    assert set(json.loads(SEEDS_FILE.read_text())) <= set(MUTANTS)


def test_the_page_says_what_finds_each():
    """docs/reliability.md has the table as `make mutants` would write it, and no gap in it."""
    table = mutants_table()

    assert table in PAGE.read_text(encoding="utf-8")
    assert "| ? |" not in table


def test_whoever_is_found_by_a_test_says_why():
    """A seed proves the simulation; where none can, a second line of defence has a name."""
    assert [one.name for one in MUTANTS.values() if bool(one.test) != bool(one.masked)] == []


@pytest.mark.parametrize(("old", "count"), [("not in there at all", 0), ("SimError", 2)])
def test_a_mutant_that_no_longer_fits_is_named(old, count):
    """Whoever rewrites a line learns which mutant was made for it."""
    mutant = Mutant("stale", "x", "sim/errors.py", old, "y")
    text = (ROOT / mutant.file).read_text(encoding="utf-8")

    with pytest.raises(SimError, match=f"mutant stale: its text stands {text.count(old)} times"):
        mutant.source(mutant.file)
    assert (text.count(old) > 1) == (count > 1)


def test_a_module_that_is_there_already_cannot_be_planted():
    """A mutant that would have no effect is refused, and does not count as survived."""
    mutant = Mutant("late", "x", "sim/errors.py", "class SimError", "class SimError")

    with pytest.raises(SimError, match="has been imported already"):
        plant(mutant)


def test_the_table_says_who_found_what(capsys):
    """A seed, a test, or nobody; a survivor is in capitals."""
    one, two = list(MUTANTS.values())[:2]
    table([Found(one, 3, 7, "once", "text"), Found(two, 9)], print)

    said = capsys.readouterr().out
    assert "seed 7" in said
    assert "SURVIVED 9 seeds" in said
    assert one.what in said


def test_the_command_lists_and_refuses():
    """`--list` names them all; a name that is none is refused with the way to the names."""
    listed = CliRunner().invoke(main, ["mutants", "--list"])
    refused = CliRunner().invoke(main, ["mutants", "--only", "nobody"])

    assert [line.split(":")[0] for line in listed.output.splitlines()] == list(MUTANTS)
    assert refused.exit_code == 2
    assert "--list names them" in refused.output


def test_a_survivor_fails_the_hunt(monkeypatch):
    """One mutant that nobody notices is exit code 1, and is named."""
    harmless = Mutant("harmless", "nothing", "sim/errors.py", '"""', '"""', ())
    monkeypatch.setitem(MUTANTS, "harmless", harmless)
    monkeypatch.setattr("sim.mutants.command.hunt", lambda *_, **__: [Found(harmless, 4)])

    result = CliRunner().invoke(main, ["mutants", "--only", "harmless"])

    assert result.exit_code == 1
    assert "1 of 1 survived: harmless" in result.output
