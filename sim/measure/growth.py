"""How costs grow with facts, items and stations: measured, drawn, and put into the page."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sim.errors import SimError
from sim.measure import cold, ingest, machine, through_broker
from sim.measure.curves import Curve, as_json, as_markdown, draw
from sim.measure.table import Bench, replace_block

PAGE = Path(__file__).parent.parent.parent / "docs" / "performance.md"
PICTURES = PAGE.parent / "images"
MARKS = (
    "<!-- grown: written by `python -m sim growth --write-docs`, do not edit -->",
    "<!-- /grown -->",
)
RESULT_NAME = "grown.json"


class Grows(Protocol):
    """A module that measures at several sizes."""

    @property
    def SIZES(self) -> Sequence[int]:
        """Return the sizes of a whole run, rising."""

    def curve(self, bench: Bench, sizes: Sequence[int]) -> Curve:
        """Return one point a size; raises `SimError` when the measurement is void."""


GROWING: Mapping[str, Grows] = {"facts": ingest, "items": cold, "stations": through_broker}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to grow and where to put it.

    only: names of `GROWING`, all if empty. largest: no size beyond it. items: of the library that
    facts and stations are measured in.
    """

    folder: Path
    only: Sequence[str]
    items: int
    largest: int
    quick: bool
    write_docs: bool = False


def grow(wanted: Wanted, say: Callable[[str], None]) -> list[Path]:
    """Measure and draw; return the files. Raises `SimError` for what could not be measured."""
    if wanted.write_docs and (wanted.only or wanted.quick):
        raise SimError("--write-docs writes whole runs only: leave out --only and --quick")
    wanted.folder.mkdir(parents=True, exist_ok=True)
    facts = machine.describe(wanted.folder)
    say(machine.in_words(facts))
    curves = [_curve(name, wanted, say) for name in wanted.only or GROWING]
    result = wanted.folder / RESULT_NAME
    result.write_text(as_json(curves, facts), encoding="utf-8")
    pictures = PICTURES if wanted.write_docs else wanted.folder
    files = [result, *(file for curve in curves for file in draw(curve, pictures))]
    if wanted.write_docs:
        block = f"{machine.in_words(facts)}\n\n{as_markdown(curves, PICTURES.name)}"
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(replace_block(page, block, marks=MARKS), encoding="utf-8")
        files.append(PAGE)
    return files


def _curve(name: str, wanted: Wanted, say: Callable[[str], None]) -> Curve:
    growing = GROWING[name]
    sizes = [size for size in growing.SIZES if size <= wanted.largest]
    if not sizes:
        raise SimError(f"{name}: the smallest size is {growing.SIZES[0]:,}; let it be at least so")
    with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=wanted.folder) as folder:
        bench = Bench(
            Path(folder).resolve(), wanted.items, wanted.quick,
            lambda line: say(f"  {name}: {line} …"),
        )  # fmt: skip
        curve = growing.curve(bench, sizes)
    say(f"  {curve.alt()}")
    return curve
