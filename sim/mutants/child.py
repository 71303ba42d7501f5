"""One process with one mutant: plays seeds until a promise is broken, and says which.

    python -m sim.mutants.child NAME SHAPE:SEED…

The last line it prints is JSON: seed, rule and text of the first violation, and the seeds played.
Without a mutant (NAME "none") every seed must hold; so a hunt knows that it hunts mutants.
"""

import json
import sys
from collections.abc import Iterable
from typing import Any

from sim.mutants.catalogue import MUTANTS
from sim.mutants.mutant import Mutant, plant

NONE = "none"


def main(name: str, seeds: Iterable[str]) -> dict[str, Any]:
    """Plant the mutant of that name, play seeds in order, and return how it was found."""
    mutant = None if name == NONE else MUTANTS[name]
    if mutant is not None:
        plant(mutant)
        if mutant.test:
            return _by_test(mutant)
    from sim.fleet.soak import Job, run_seed

    played = 0
    for place in seeds:
        shape, _, seed = place.partition(":")
        played += 1
        for one in run_seed(Job(int(seed), shape)).violations:
            return {"seed": int(seed), "rule": one.rule, "text": one.text, "played": played}
    return {"seed": None, "played": played}


def _by_test(mutant: Mutant) -> dict[str, Any]:
    """Run the one test that must fail. Threads are not for the simulation to interleave."""
    import pytest

    failed = pytest.main(["-q", "-x", "-p", "no:cacheprovider", mutant.test]) == 1
    if not failed:
        return {"seed": None, "played": 1}
    return {"seed": None, "rule": "test", "text": mutant.test, "played": 1}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2:])), flush=True)  # noqa: T201
