"""Kiosk: from a label under the scanner to the decision on the disk.

What runs is the whole production path of one scan: the desk's look at its devices, the barcode's
pattern, the lists, the rules, the fact and its loan in one transaction. It ends where the kiosk
first tells anybody: after the commit. Not in it: the up to 100 ms until the desk looks, and the
tag. The floor is one row committed by bare SQLite in a file beside it, WAL and FULL, taken in
turn with the scans, so that a slow disk slows both.
"""

import time

from gateway.service import now_ms
from gateway.store import Store
from sim.clock import VirtualClock
from sim.errors import SimError
from sim.measure.bare import BareCommits
from sim.measure.library import barcode_of, card_of, fill, settings_in
from sim.measure.numbers import median, p99, spread
from sim.measure.rigs import KioskRig
from sim.measure.table import Bench, Row

SCANS, SCANS_QUICK = 1_000, 20
ITEMS_PER_VISIT = 5
OWN_MS_TARGET = 3.0


def run(bench: Bench) -> list[Row]:
    """Measure scans of items that a reader may borrow, five to a visit."""
    settings = settings_in(bench.folder)
    scans = bench.times(SCANS, SCANS_QUICK)
    bench.say(f"writing {bench.items:,} items")
    fill(settings, max(bench.items, scans), scans // ITEMS_PER_VISIT)
    rig = KioskRig(bench.folder, VirtualClock(wall_ms=now_ms()))
    bare = BareCommits(bench.folder / "bare.db")
    try:
        gateway = Store.at(settings.database, clock=now_ms)
        rig.load(gateway, settings.snapshots)
        gateway.close()
        bench.say(f"scanning {scans:,} items")
        ours, own_cpu, floors = _scan_all(rig, bare, scans)
    finally:
        bare.close()
        rig.close()
    own_ms = p99(ours) - p99(floors)
    figures = {**spread(ours, "decision_ms"), **spread(floors, "bare_ms")}
    figures |= {"own_ms_p50": median(ours) - median(floors), "own_ms_p99": own_ms}
    figures |= spread(own_cpu, "processor_ms") | {"scans": scans, "items": bench.items}
    return [
        Row(
            "scan → decision on disk, p99", p99(ours), "ms", p99(floors),
            "one bare FULL commit, p99", f"≤ floor + {OWN_MS_TARGET:g} ms",
            own_ms <= OWN_MS_TARGET, figures,
        )
    ]  # fmt: skip


def _scan_all(
    rig: KioskRig, bare: BareCommits, scans: int
) -> tuple[list[float], list[float], list[float]]:
    """Return what each decision, its processor time, and each bare commit took, in ms."""
    ours: list[float] = []
    own_cpu: list[float] = []
    floors: list[float] = []
    for first in range(0, scans, ITEMS_PER_VISIT):
        rig.scan(card_of(first // ITEMS_PER_VISIT))
        for number in range(first, first + ITEMS_PER_VISIT):
            took, cpu = _scan(rig, barcode_of(number))
            ours.append(took)
            own_cpu.append(cpu)
            floors.append(bare.commit())
        rig.engine.desk.press("finish", rig.engine.time.mono_ms)
        rig.clock.sleep_ms(10_000)
        rig.engine.desk.tick(rig.engine.time.mono_ms)
    return ours, own_cpu, floors


def _scan(rig: KioskRig, code: str) -> tuple[float, float]:
    """Return from the scan to the commit: time, and processor time of this thread, in ms."""
    ended: list[tuple[float, float]] = []
    rig.committed = lambda _fact: ended.append((time.perf_counter(), time.thread_time()))
    began, cpu_began = time.perf_counter(), time.thread_time()
    rig.scan(code)
    if not ended:
        tiles = {tile.title: tile.state.value for tile in rig.engine.desk.session.tiles}
        raise SimError(f"{code} was not lent; the kiosk shows {tiles}")
    return (ended[0][0] - began) * 1_000, (ended[0][1] - cpu_began) * 1_000
