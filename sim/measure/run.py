"""Runs the benchmarks one after the other, and puts the numbers where they belong."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sim.errors import SimError
from sim.measure import (
    cold,
    down,
    flash_list,
    folding,
    gate,
    ingest,
    kiosk,
    machine,
    outage,
    reader,
    site,
    start,
    through_broker,
)
from sim.measure.numbers import timed
from sim.measure.table import (
    Bench,
    Measured,
    Row,
    as_json,
    as_markdown,
    as_text,
    replace_block,
)

ITEMS_QUICK = 200
PAGE = Path(__file__).parent.parent.parent / "docs" / "performance.md"
RESULT_NAME = "measured.json"


class Benchmark(Protocol):
    """A module that measures."""

    def run(self, bench: Bench) -> list[Row]:
        """Return its rows; raises `SimError` when the measurement is void."""


BENCHMARKS: Mapping[str, Benchmark] = {
    "kiosk": kiosk,
    "ingest": ingest,
    "broker": through_broker,
    "outage": outage,
    "cold": cold,
    "down": down,
    "site": site,
    "gate": gate,
    "list": flash_list,
    "reader": reader,
    "fold": folding,
    "demo": start,
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to measure and where to put it.

    only: names of benchmarks, all if empty. page: the page whose block is replaced, if any.
    """

    folder: Path
    only: Sequence[str]
    items: int
    quick: bool
    page: Path | None = None


def page_of(only: Sequence[str], *, quick: bool) -> Path:
    """Return the page of the last whole run; raises `SimError` for a run that is less."""
    if only or quick:
        raise SimError("--write-docs writes whole runs only: leave out --only and --quick")
    return PAGE


def run(wanted: Wanted, say: Callable[[str], None]) -> Path:
    """Measure, say the table, and return the file of the numbers.

    A benchmark that cannot run is told in a line and left out; then `SimError` is raised at the
    end, so that nobody takes half of it for the whole.
    """
    unknown = [name for name in wanted.only if name not in BENCHMARKS]
    if unknown:
        raise SimError(f"no benchmark is called {unknown[0]}; there are {', '.join(BENCHMARKS)}")
    wanted.folder.mkdir(parents=True, exist_ok=True)
    facts = machine.describe(wanted.folder)
    say(machine.in_words(facts))
    all_measured, failed = _measure_all(wanted, say)
    result = wanted.folder / RESULT_NAME
    result.write_text(as_json(all_measured, facts, wanted.quick), encoding="utf-8")
    say("")
    say(as_text(all_measured))
    say("")
    say(f"all numbers: {result}")
    if failed:
        raise SimError(f"not measured: {', '.join(failed)}")
    if wanted.page is not None:
        block = f"{machine.in_words(facts)}\n\n{as_markdown(all_measured)}"
        page = wanted.page.read_text(encoding="utf-8")
        wanted.page.write_text(replace_block(page, block), encoding="utf-8")
        say(f"written to {wanted.page}")
    return result


def _measure_all(wanted: Wanted, say: Callable[[str], None]) -> tuple[list[Measured], list[str]]:
    all_measured, failed = [], []
    for name in wanted.only or BENCHMARKS:
        try:
            measured = _measure(name, wanted, say)
        except SimError as error:
            say(f"  {name}: {error}")
            failed.append(name)
            continue
        all_measured.append(measured)
        for row in measured.rows:
            say(f"  {name}: {row.in_words()}")
    return all_measured, failed


def _measure(name: str, wanted: Wanted, say: Callable[[str], None]) -> Measured:
    items = ITEMS_QUICK if wanted.quick else wanted.items
    with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=wanted.folder) as folder:
        bench = Bench(
            Path(folder).resolve(), items, wanted.quick, lambda line: say(f"  {name}: {line} …")
        )
        with timed() as watch:
            rows = BENCHMARKS[name].run(bench)
    return Measured(name, tuple(rows), watch.seconds)
