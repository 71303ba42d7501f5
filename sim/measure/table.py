"""Rows of numbers: what a benchmark returns, and how they are shown, kept and written down.

A row never stands alone: beside the measured value stands the floor of the same run, which is
what the machine needs for the bare work (one commit, the same bytes copied), and their ratio.
So a slow disk or a busy machine shows in both, and two runs can be compared.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sim.errors import SimError

FORMAT = 1
BEGIN = "<!-- measured: written by `python -m sim measure --write-docs`, do not edit -->"
END = "<!-- /measured -->"


@dataclass(frozen=True, slots=True)
class Row:
    """One measured value.

    floor: the bare work, in the same unit, and floor_what: which work that is. target: in the
    design's words, empty if it names none. met: None if there is no target to meet. figures:
    everything else worth keeping; the unit ends each name.
    """

    what: str
    value: float
    unit: str
    floor: float
    floor_what: str
    target: str = ""
    met: bool | None = None
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """Return how many times the floor the value is."""
        return self.value / self.floor if self.floor else None

    @property
    def verdict(self) -> str:
        """Return ✓, "gap", or nothing where no target is."""
        return {True: "✓", False: "gap", None: ""}[self.met]

    def in_words(self) -> str:
        """Return the row as a sentence, for those who watch."""
        target = f"; {self.target}: {self.verdict}" if self.target else ""
        floor = f"{number(self.floor)} {self.unit}"
        return f"{self.what}: {number(self.value)} {self.unit} (floor {floor}){target}"

    def doc(self) -> dict[str, Any]:
        """Return the row as JSON keeps it."""
        return {**asdict(self), "figures": dict(self.figures), "ratio": self.ratio}


@dataclass(frozen=True, slots=True)
class Bench:
    """What a benchmark is given.

    folder: an empty one, on the disk that is measured. items: how large the catalogue is where
    its size matters. quick: as little as proves that the benchmark works.
    """

    folder: Path
    items: int
    quick: bool
    say: Callable[[str], None]

    def times(self, usual: int, quick: int) -> int:
        """Return how often to repeat something."""
        return quick if self.quick else usual


@dataclass(frozen=True, slots=True)
class Measured:
    """The rows of one benchmark, and how long it took."""

    benchmark: str
    rows: tuple[Row, ...]
    seconds: float


HEADINGS = ("benchmark", "what", "measured", "floor", "ratio", "target", "")


def cells(all_measured: Sequence[Measured]) -> list[tuple[str, ...]]:
    """Return the table, a tuple of texts for each row."""
    return [
        (
            measured.benchmark if row is measured.rows[0] else "",
            row.what,
            f"{number(row.value)} {row.unit}",
            f"{number(row.floor)} {row.unit}: {row.floor_what}",
            "" if row.ratio is None else f"{number(row.ratio)} ×",
            row.target,
            row.verdict,
        )
        for measured in all_measured
        for row in measured.rows
    ]


def number(value: float) -> str:
    """Return a number with three digits that count, and thousands set apart."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 or value == 0 else f"{value:.1e}"


def as_text(all_measured: Sequence[Measured]) -> str:
    """Return the table for a screen."""
    rows = [HEADINGS, *cells(all_measured)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def as_markdown(all_measured: Sequence[Measured]) -> str:
    """Return the table for a page."""
    rows = [HEADINGS, tuple("---" for _ in HEADINGS), *cells(all_measured)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def as_json(all_measured: Sequence[Measured], machine: Mapping[str, Any], quick: bool) -> str:
    """Return everything for a program."""
    doc = {
        "format": FORMAT,
        "quick": quick,
        "machine": dict(machine),
        "benchmarks": {
            measured.benchmark: {
                "seconds": round(measured.seconds, 3),
                "rows": [row.doc() for row in measured.rows],
            }
            for measured in all_measured
        },
    }
    return json.dumps(doc, indent=1, ensure_ascii=False) + "\n"


def replace_block(page: str, block: str, *, marks: tuple[str, str] = (BEGIN, END)) -> str:
    """Return a page with what stands between its two marks replaced; raises `SimError`."""
    before, begin, rest = page.partition(marks[0])
    _, end, after = rest.partition(marks[1])
    if not begin or not end:
        raise SimError(f"the page has no block to write to; it begins with {marks[0]}")
    return f"{before}{begin}\n\n{block}\n\n{end}{after}"
