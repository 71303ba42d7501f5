"""Hunting mutants: each in a process of its own, several side by side, until all are found.

A mutant that was found before is tried with the seed that found it first (`seeds.json`), then
with seeds whose fate does what it needs, else from 0 on. So a hunt through all of them is quick
as long as nothing changed.
"""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from sim.errors import SimError
from sim.fleet.plan import SHAPES, make_plan
from sim.mutants.mutant import ROOT, Mutant

SEEDS_FILE = Path(__file__).with_name("seeds.json")
BUDGET = 200
SCANNED = 400
"""Seeds among which those are chosen whose fate does what a mutant needs."""
CHILD = "sim.mutants.child"
CHILD_S_MAX = 900


@dataclass(frozen=True, slots=True)
class Found:
    """How a hunt for one mutant ended. rule: empty if it survived; seed: None for a test."""

    mutant: Mutant
    played: int
    seed: int | None = None
    rule: str = ""
    text: str = ""

    @property
    def survived(self) -> bool:
        """Return whether nothing noticed it."""
        return not self.rule

    @property
    def by(self) -> str:
        """Return in a word or two what found it."""
        if self.survived:
            return f"SURVIVED {self.played} seeds"
        return f"seed {self.seed}" if self.seed is not None else "its test"


def known_seeds() -> dict[str, int]:
    """Return by name the seed that found each mutant last."""
    found: dict[str, int] = json.loads(SEEDS_FILE.read_text(encoding="utf-8"))
    return found


def keep_seeds(found: Sequence[Found]) -> None:
    """Remember which seeds found these mutants."""
    seeds = known_seeds()
    seeds.update({one.mutant.name: one.seed for one in found if one.seed is not None})
    SEEDS_FILE.write_text(json.dumps(dict(sorted(seeds.items())), indent=1) + "\n")


def hunt(mutants: Sequence[Mutant], *, budget: int = BUDGET, jobs: int = 2) -> Iterator[Found]:
    """Yield how the hunt for each mutant ended, as they end. Raises `SimError`."""
    seeds = known_seeds()
    with ThreadPoolExecutor(jobs) as pool:
        hunts = [pool.submit(_hunt_one, one, seeds.get(one.name), budget) for one in mutants]
        for done in as_completed(hunts):
            yield done.result()


def _hunt_one(mutant: Mutant, known: int | None, budget: int) -> Found:
    """Try what found it last, and then whatever may."""
    if mutant.test:
        return _play(mutant, [0])
    found = Found(mutant, 0) if known is None else _play(mutant, [known])
    if not found.survived or found.played >= budget:
        return found
    others = [seed for seed in _order(mutant) if seed != known][: budget - found.played]
    again = _play(mutant, others)
    return replace(again, played=again.played + found.played)


def _order(mutant: Mutant) -> list[int]:
    """Return the seeds to play, those likeliest to find it first."""
    if not mutant.acts:
        return list(range(SCANNED))
    return sorted(range(SCANNED), key=lambda seed: (-_chances(mutant, seed), seed))


def _chances(mutant: Mutant, seed: int) -> int:
    """Return how often a seed's fate does what the mutant needs; each of its acts must occur."""
    done = _acts_of(seed, mutant.shape)
    return min(done[act] for act in mutant.acts)


@cache
def _acts_of(seed: int, shape: str) -> Counter[str]:
    return Counter(act.what for act in make_plan(seed, SHAPES[shape]).acts)


def _play(mutant: Mutant, seeds: Sequence[int]) -> Found:
    places = [f"{mutant.shape}:{seed}" for seed in seeds]
    command = [sys.executable, "-m", CHILD, mutant.name, *places]
    try:
        child = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=CHILD_S_MAX, check=False
        )
    except subprocess.TimeoutExpired:
        return Found(mutant, 1, seeds[0], "time", f"no end within {CHILD_S_MAX} s")
    lines = child.stdout.strip().splitlines()
    if child.returncode or not lines:
        said = child.stderr.strip().splitlines()[-1:] or ["nothing"]
        raise SimError(f"mutant {mutant.name}: its process ended with {said[0]}")
    doc = json.loads(lines[-1])
    return Found(mutant, doc["played"], doc["seed"], doc.get("rule", ""), doc.get("text", ""))


def table(found: Sequence[Found], say: Callable[[str], object]) -> None:
    """Say for each mutant what found it, in the order of the catalogue."""
    wide = max(len(one.mutant.name) for one in found)
    for one in found:
        stories = ", ".join(map(str, one.mutant.stories))
        how = f"{one.by:>20}  {one.rule:14}"
        say(f"{one.mutant.name:{wide}}  {stories:>6}  {how}  {one.mutant.what}")
