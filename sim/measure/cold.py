"""A cold kiosk: the whole catalogue over HTTP, checked, swapped, first item found.

The gateway's route serves it from a process of its own; the kiosk is another one, so that the
memory shown is a kiosk's. The floor is copying and hashing the same bytes on the same disk, in
the same process. The list is built in a process of its own too, as the gateway does it.
"""

import json
import shutil
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sim.errors import SimError
from sim.measure.children import gateway_process
from sim.measure.curves import Curve, Point
from sim.measure.filling import Size, fill, fill_once
from sim.measure.library import LIBRARY, barcode_of, settings_in
from sim.measure.table import Bench, Row
from sim.processes import Family

ITEMS = 100_000
RATIO_TARGET = 3.0
RSS_MB_TARGET = 200.0
RUN_S_MAX = 1_800.0  # a busy machine; what counts is the ratio
SIZES = (10_000, 100_000, 1_500_000)
PEER = "sim.measure.cold_kiosk"
BUILDER = "sim.measure.cold_builder"


def run(bench: Bench) -> list[Row]:
    """Measure one cold start, what the gateway did for it beforehand, and the memory of both."""
    items = bench.items if bench.quick else max(ITEMS, bench.items)
    found = measure(bench, items)
    copying = found["copy_seconds"]
    figures = {name: found[name] for name in ("bytes", "packed_bytes", "fetch_seconds")}
    return [
        Row(
            f"{items:,} items fetched to first lookup", found["seconds"], "s", copying,
            "copying and hashing the same bytes", f"≤ {RATIO_TARGET:g} × floor",
            found["seconds"] <= RATIO_TARGET * copying, {"items": items, **figures},
        ),
        Row(
            "memory of that kiosk, at its peak", found["peak_mb"], "MB", found["started_mb"],
            "the kiosk before it fetched", f"≤ {RSS_MB_TARGET:g} MB",
            found["peak_mb"] <= RSS_MB_TARGET,
        ),
        Row(
            f"building that list, processor time, {items:,} items", found["build_cpu_s"], "s",
            found["insert_cpu_s"], "the same rows from one SQLite file into another",
            figures={"wall_s": found["build_s"]},
        ),
        Row(
            "memory of the gateway that built it, at its peak", found["build_peak_mb"], "MB",
            found["build_started_mb"], "the same program before", f"≤ {RSS_MB_TARGET:g} MB",
            found["build_peak_mb"] <= RSS_MB_TARGET,
        ),
    ]  # fmt: skip


def curve(bench: Bench, sizes: Sequence[int] = SIZES) -> Curve:
    """Return how a cold start grows with the catalogue, beside its floor."""
    points = []
    for items in sizes:
        folder = bench.folder / str(items)
        folder.mkdir()
        found = measure(replace(bench, folder=folder), items)
        points.append(Point(items, found["seconds"], found["copy_seconds"]))
        shutil.rmtree(folder)
    return Curve(
        "cold", "A cold kiosk: fetched to first lookup", "items", "seconds",
        "copying and hashing the same bytes", tuple(points),
    )  # fmt: skip


def measure(bench: Bench, items: int) -> dict[str, float]:
    """Build the list of so many items, serve it, and let a kiosk begin with it."""
    settings = settings_in(bench.folder)
    bench.say(f"a library of {items:,} items")
    size = Size(items, max(1, items // 8), items // 8)
    (fill if bench.quick else fill_once)(settings, size)
    bench.say("building its list")
    found = _child(bench.folder, "builder", BUILDER, str(bench.folder))
    pointer = bench.folder / "pointer.json"
    bench.say(f"fetching {found['bytes']:,.0f} bytes, {found['packed_bytes']:,.0f} packed")
    (file,) = (settings.snapshots / LIBRARY).glob("catalogue-*.db")
    with gateway_process(bench.folder, broker_port=1) as (address, _):
        found |= _child(
            bench.folder, "kiosk", PEER, str(bench.folder), address, barcode_of(items - 1),
            str(pointer), str(file),
        )  # fmt: skip
    return found


def _child(folder: Path, name: str, module: str, *arguments: str) -> dict[str, float]:
    """Run a program to its end; return the JSON that is its last line."""
    logs = folder / "cold-logs"
    logs.mkdir(exist_ok=True)
    family = Family(logs, threading.Event())
    try:
        family.run(name, "-m", module, *arguments, within_s=RUN_S_MAX)
    finally:
        family.stop()
    said = (logs / f"{name}.log").read_text().splitlines()
    try:
        found: dict[str, float] = json.loads(said[-1])
    except (IndexError, ValueError):
        raise SimError(f"the cold {name} said nothing of use: {said[-3:]}") from None
    return found
