"""How a cost grows: one measured line beside the floor of the same run, kept and drawn.

A number says how fast something is at one size. A curve says whether it will still be that fast
in five years: a line that stays as far above its floor everywhere costs what the work costs, one
that leaves it has a part that should not be there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.measure.table import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = ("svg", "png")
OURS, FLOOR = "#0b6e4f", "#9aa5b1"
STYLE: Any = {
    "svg.hashsalt": "lendgate",  # the same picture is the same bytes
    "svg.fonttype": "none",  # text stays text: smaller, and found by a search
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e7eb",
    "axes.axisbelow": True,
}


@dataclass(frozen=True, slots=True)
class Point:
    """One size, what was measured there, and the floor beside it in the same unit."""

    size: float
    value: float
    floor: float


@dataclass(frozen=True, slots=True)
class Curve:
    """What grows with what. `name` is the file's; `sizes` and `values` name the axes."""

    name: str
    title: str
    sizes: str
    values: str
    floor_what: str
    points: tuple[Point, ...]

    def doc(self) -> dict[str, Any]:
        """Return the curve as JSON keeps it."""
        return asdict(self)

    def alt(self) -> str:
        """Return in a sentence what the picture shows, for whoever cannot see it."""
        first, last = self.points[0], self.points[-1]
        return (
            f"{self.title}: {number(first.value)} at {number(first.size)} {self.sizes}, "
            f"{number(last.value)} at {number(last.size)}; "
            f"the floor goes from {number(first.floor)} to {number(last.floor)}"
        )


def draw(curve: Curve, folder: Path) -> list[Path]:
    """Draw a curve on logarithmic axes into FOLDER, as SVG and PNG; return the files."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 3.6), dpi=110, layout="constrained")
        _plot(figure.subplots(), curve)
        folder.mkdir(parents=True, exist_ok=True)
        files = [folder / f"{curve.name}.{ending}" for ending in FORMATS]
        figure.savefig(files[0], metadata={"Date": None})
        figure.savefig(files[1], metadata={"Software": None})
    return files


def _plot(axes: Axes, curve: Curve) -> None:
    sizes = [point.size for point in curve.points]
    floors = [point.floor for point in curve.points]
    axes.plot(sizes, floors, "s--", color=FLOOR, label=curve.floor_what)
    axes.plot(sizes, [point.value for point in curve.points], "o-", color=OURS, label="Lendgate")
    for point in curve.points:
        at = (point.size, point.value)
        axes.annotate(number(point.value), at, xytext=(0, 7), textcoords="offset points",
                      ha="center", color=OURS)  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.margins(y=0.2)
    axes.set_title(curve.title, loc="left")
    axes.set_xlabel(curve.sizes)
    axes.set_ylabel(curve.values)
    axes.legend(frameon=False)


def as_json(curves: Sequence[Curve], machine: Mapping[str, Any]) -> str:
    """Return everything for a program."""
    doc = {"machine": dict(machine), "curves": [curve.doc() for curve in curves]}
    return json.dumps(doc, indent=1, ensure_ascii=False) + "\n"


def as_markdown(curves: Sequence[Curve], folder: str) -> str:
    """Return the pictures for a page; `folder` is where it finds them."""
    return "\n\n".join(f"![{curve.alt()}]({folder}/{curve.name}.svg)" for curve in curves)
