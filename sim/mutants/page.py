"""The table of mutants in docs/reliability.md: which mistake, and what finds it."""

from collections.abc import Mapping
from pathlib import Path

from sim.measure.table import replace_block
from sim.mutants.catalogue import MUTANTS
from sim.mutants.hunt import known_seeds
from sim.mutants.mutant import Mutant

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
MARKS = (
    "<!-- mutants: written by `python -m sim mutants --write-docs`, do not edit -->",
    "<!-- /mutants -->",
)


def mutants_table() -> str:
    """Return all mutants, each with the seed or the test that found it last."""
    seeds = known_seeds()
    by_seed = sum(1 for name in MUTANTS if name in seeds)
    rows = [
        f"{len(MUTANTS)} mutants: {by_seed} are found by a seed, {len(MUTANTS) - by_seed} by a "
        "test.",
        "",
        "| mutant | the mistake | stories | found by |",
        "| --- | --- | --- | --- |",
        *(_row(mutant, seeds) for mutant in MUTANTS.values()),
    ]
    return "\n".join(rows)


def _row(mutant: Mutant, seeds: Mapping[str, int]) -> str:
    stories = ", ".join(map(str, mutant.stories))
    if mutant.test:
        found = f"`{mutant.test.rpartition('::')[2].partition('[')[0]}`: {mutant.masked}"
    else:
        found = f"seed {seeds[mutant.name]} of `{mutant.shape}`" if mutant.name in seeds else "?"
    return f"| `{mutant.name}` | {mutant.what} | {stories} | {found} |"


def write_page() -> None:
    """Put the table into the page, in place of the one that is there."""
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(replace_block(text, mutants_table(), marks=MARKS), encoding="utf-8")
