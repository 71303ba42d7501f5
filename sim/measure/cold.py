"""A cold kiosk: the whole catalogue over HTTP, checked, swapped, first item found.

The gateway's route serves it from a process of its own; the kiosk is another one, so that the
memory shown is a kiosk's. The floor is copying and hashing the same bytes on the same disk, in
the same process.
"""

import json
import threading
from pathlib import Path

from circulation.wire.messages import encode
from gateway.outbox import pointer_message
from gateway.service import now_ms
from gateway.snapshots import Snapshots
from gateway.store import Store
from sim.errors import SimError
from sim.measure.children import gateway_process
from sim.measure.library import LIBRARY, barcode_of, fill, settings_in
from sim.measure.numbers import timed
from sim.measure.table import Bench, Row
from sim.processes import Family

ITEMS = 100_000
RATIO_TARGET = 3.0
RSS_MB_TARGET = 200.0
RUN_S_MAX = 300.0
PEER = "sim.measure.cold_kiosk"


def run(bench: Bench) -> list[Row]:
    """Measure one cold start, and the memory it took."""
    items = bench.items if bench.quick else max(ITEMS, bench.items)
    settings = settings_in(bench.folder)
    bench.say(f"writing {items:,} items")
    fill(settings, items, 10)
    store = Store.at(settings.database, clock=now_ms)
    try:
        with timed() as built:
            snapshot = Snapshots(store, LIBRARY, settings.snapshots).build("catalogue")
    finally:
        store.close()
    pointer = bench.folder / "pointer.json"
    pointer.write_bytes(encode(pointer_message(snapshot)))
    bench.say(f"fetching {snapshot.size_bytes:,} bytes")
    with gateway_process(bench.folder, broker_port=1) as (address, _):
        found = _cold_kiosk(
            bench.folder, address, barcode_of(items - 1), str(pointer), str(snapshot.file)
        )
    seconds, copying = found["seconds"], found["copy_seconds"]
    figures = {"items": items, "bytes": found["bytes"], "snapshot_build_s": built.seconds}
    return [
        Row(
            f"{items:,} items fetched to first lookup", seconds, "s", copying,
            "copying and hashing the same bytes", f"≤ {RATIO_TARGET:g} × floor",
            seconds <= RATIO_TARGET * copying, figures,
        ),
        Row(
            "memory of that kiosk, at its peak", found["peak_mb"], "MB", found["started_mb"],
            "the kiosk before it fetched", f"≤ {RSS_MB_TARGET:g} MB",
            found["peak_mb"] <= RSS_MB_TARGET,
        ),
    ]  # fmt: skip


def _cold_kiosk(folder: Path, *arguments: str) -> dict[str, float]:
    logs = folder / "cold-logs"
    logs.mkdir()
    family = Family(logs, threading.Event())
    try:
        family.run("kiosk", "-m", PEER, str(folder), *arguments, within_s=RUN_S_MAX)
    finally:
        family.stop()
    said = (logs / "kiosk.log").read_text().splitlines()
    try:
        found: dict[str, float] = json.loads(said[-1])
    except (IndexError, ValueError):
        raise SimError(f"the cold kiosk said nothing of use: {said[-3:]}") from None
    return found
