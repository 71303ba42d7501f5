"""A soak's numbers: on the screen, in files that add up, and in docs/reliability.md."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sim.errors import SimError
from sim.fleet.faults import FAULTS, FLEET
from sim.fleet.soak import DOUBTED_SHARE_MAX, SPEED_WANTED, Totals
from sim.measure.table import replace_block

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
SOAKS = PAGE.parent / "soaks"
"""What the page adds up: one file for each run that was written into it, on whatever machine."""
MARKS = (
    "<!-- soaked: written by `python -m sim soak --write-docs`, do not edit -->",
    "<!-- /soaked -->",
)
FORMAT = 1
_FAILURES_SHOWN = 20


def in_words(totals: Totals, wall_seconds: float) -> str:
    """Return the end of a soak for the screen."""
    share, speed = (
        (f"; at most {DOUBTED_SHARE_MAX:.0%} is promised", f"; {SPEED_WANTED:,} × is wanted")
        if totals.is_default
        else ("", "")
    )
    lines = [
        f"{totals.seeds:,} seed(s) in {_span(wall_seconds)}: "
        f"{totals.device_years:.2f} device-years, {totals.facts:,} facts, "
        f"{sum(totals.faults.values()):,} faults",
        "",
        *(f"  {kind:<20}{count:>9,}" for kind, count in _by_kind(totals)),
        "",
        f"{_doubt(totals)}{share}",
        f"{totals.speed:,.0f} × real time per kiosk and core{speed}",
    ]
    return "\n".join([*lines, *_failures(totals)])


def _failures(totals: Totals) -> Iterator[str]:
    if not totals.failed_seeds:
        yield "0 failures"
        return
    yield f"{totals.failed_seeds} seeds FAILED"
    for failure in totals.failures[:_FAILURES_SHOWN]:
        yield f"  seed {failure['seed']}, {failure['rule']}: {failure['text']}"
        yield f"    replay with: {failure['replay']}"
    if len(totals.failures) > _FAILURES_SHOWN:
        yield f"  … and {len(totals.failures) - _FAILURES_SHOWN} more in the file"


def keep(folder: Path, totals: Totals, machine: Mapping[str, Any], seconds: float) -> Path:
    """Write a run's numbers to a file of its own; return it."""
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    file = folder / f"run-{now}.json"
    doc = {
        "format": FORMAT,
        "machine": dict(machine),
        "wall_seconds": round(seconds, 1),
        "totals": totals.to_doc(),
    }
    file.write_text(json.dumps(doc, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return file


def recorded(*folders: Path) -> Totals:
    """Return the sum of all runs kept in these folders; files of another make are left out."""
    total = Totals()
    for file in sorted(file for folder in folders for file in folder.glob("run-*.json")):
        try:
            doc = json.loads(file.read_text(encoding="utf-8"))
            if doc["format"] == FORMAT:
                total.join(Totals.from_doc(doc["totals"]))
        except (ValueError, KeyError, TypeError):
            continue
    return total


def write_page(page: Path, block: str) -> None:
    """Replace the numbers in the page; raise `SimError` if it has no place for them."""
    try:
        text = page.read_text(encoding="utf-8")
    except OSError as error:
        raise SimError(f"{page} cannot be read: {error.strerror}") from error
    page.write_text(replace_block(text, block, marks=MARKS), encoding="utf-8")


def markdown(totals: Totals, everything: Totals, machine: str) -> str:
    """Return the numbers of the last run, and of all that are recorded, for the page."""
    rows = [
        ("", "the last run", "all recorded runs"),
        ("---", "---:", "---:"),
        *(
            (what, show(totals), show(everything))
            for what, show in (
                ("seeds", lambda one: f"{one.seeds:,}"),
                ("simulated device-years", lambda one: f"{one.device_years:.2f}"),
                ("facts", lambda one: f"{one.facts:,}"),
                ("faults", lambda one: f"{sum(one.faults.values()):,}"),
                ("seeds that broke a promise", lambda one: f"{one.failed_seeds:,}"),
                ("items in doubt after healing", _doubt_only),
                ("× real time per kiosk and core", lambda one: f"{one.speed:,.0f}"),
            )
        ),
    ]
    faults = [
        ("fault", "times in the last run"),
        ("---", "---:"),
        *((kind, f"{count:,}") for kind, count in _by_kind(totals)),
    ]
    return f"{machine}\n\n{_table(rows)}\n\n{_table(faults)}"


def faults_table() -> str:
    """Return the table of faults as the page shows it."""
    rows = [
        ("fault", "befalls", "in an hour", "what happens"),
        ("---", "---", "---:", "---"),
        *(
            (
                f"`{one.kind}`",
                "the fleet" if one.befalls == FLEET else f"each {one.befalls}",
                f"{one.per_hour:.0%}",
                one.says,
            )
            for one in FAULTS
        ),
    ]
    return _table(rows)


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _by_kind(totals: Totals) -> list[tuple[str, int]]:
    """Return the faults in the order of the table, those it does not name behind them."""
    named = [fault.kind for fault in FAULTS]
    others = sorted(set(totals.faults) - set(named))
    return [(kind, totals.faults[kind]) for kind in (*named, *others)]


def _doubt(totals: Totals) -> str:
    return (
        f"{totals.doubted:,} of {totals.items:,} items in doubt after healing "
        f"({totals.doubted_share:.2%})"
    )


def _doubt_only(totals: Totals) -> str:
    return f"{totals.doubted_share:.2%}"


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
