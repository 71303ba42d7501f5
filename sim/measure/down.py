"""What goes down: changes while the gateway catches up, and a list for hundreds at once.

The change: from the commit in the gateway's database to the kiosk's own, which is another process,
through Mosquitto, while twenty stations send a day's backlog as fast as they are allowed. The
floor is one bare message through the same broker and one bare commit on the same disk.

The list: as many kiosks as a city has, all at the same moment, each keeping the appointments it is
given. The floor is one after the other copying and hashing the same bytes.
"""

import bisect
import json
import random
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from circulation.errors import SnapshotBusy
from circulation.wire.messages import Pointer
from gateway.outbox import pointer_message
from gateway.service import now_ms
from gateway.snapshots import Snapshots
from gateway.store import Store
from kiosk.snapshot import Shelf
from sim.errors import SimError
from sim.measure.bare import commits, ping
from sim.measure.broker import mosquitto
from sim.measure.children import gateway_process
from sim.measure.cold_kiosk import copy_and_hash
from sim.measure.library import LIBRARY, busy_stations, fill, settings_in
from sim.measure.machine import peak_rss_mb
from sim.measure.numbers import median, spread, timed
from sim.measure.table import Bench, Row
from sim.measure.through_broker import send_all, uploads_of
from sim.processes import Family

STATIONS = 20
PATRONS = 2_000
FACTS, FACTS_QUICK = 20_000, 400
KIOSKS, KIOSKS_QUICK = 300, 3
COMMITS, COMMITS_QUICK = 50, 5
CHANGE_MS_TARGET = 1_000.0
RUSH_TARGET = 4.0
READY_S_MAX = 300.0
FOLLOWER = "sim.measure.down_kiosk"


def run(bench: Bench) -> list[Row]:
    """Measure both."""
    settings = settings_in(bench.folder)
    bench.say(f"writing {bench.items:,} items")
    filled = fill(settings, bench.items, min(PATRONS, bench.items))
    store = Store.at(settings.database, clock=now_ms)
    try:
        whole = Snapshots(store, LIBRARY, settings.snapshots).build("catalogue")
    finally:
        store.close()
    facts = bench.times(FACTS, FACTS_QUICK)
    stations = busy_stations(filled, stations=STATIONS, facts=facts, is_online=True, seed=4)
    with mosquitto(bench.folder) as port:
        repeat = bench.times(COMMITS, COMMITS_QUICK)
        floor_ms = median(ping(port, repeat)) + median(commits(bench.folder / "bare.db", repeat))
        with gateway_process(bench.folder, port) as (address, pid):
            bench.say("three hundred kiosks fetch the list at once")
            kiosks = bench.times(KIOSKS, KIOSKS_QUICK)
            rush = _rush(bench.folder, address, pointer_message(whole), kiosks)
            bench.say(f"{facts:,} facts come in while a kiosk follows")
            with _Follower(bench.folder, address, port) as follower:
                send_all(port, uploads_of(stations))
            memory_mb = peak_rss_mb(pid)
    delays = _delays(settings.database, follower.applied)
    with timed() as floor:
        for _ in range(kiosks):
            copy_and_hash(whole.file, bench.folder / "copy")
    return [
        Row(
            "gateway's commit → kiosk's, catching up, median", median(delays), "ms", floor_ms,
            "a bare message and a bare commit", f"≤ {CHANGE_MS_TARGET:g} ms",
            median(delays) <= CHANGE_MS_TARGET,
            {**spread(delays, "delay_ms"), "facts": facts, "versions": len(delays)},
        ),
        Row(
            f"{kiosks} kiosks fetch a list of {whole.size_bytes / 1e6:.0f} MB at once",
            rush["seconds"], "s", floor.seconds,
            "the same bytes copied and hashed as often", f"≤ {RUSH_TARGET:g} ×",
            rush["seconds"] <= RUSH_TARGET * floor.seconds,
            {**rush, "gateway_peak_mb": memory_mb, "bytes": whole.size_bytes},
        ),
    ]  # fmt: skip


class _Follower:
    """A kiosk in a process of its own; `applied` holds when it had which version."""

    def __init__(self, folder: Path, address: str, port: int) -> None:
        self.applied: list[tuple[int, int]] = []
        self._folder = folder
        self._arguments = (str(folder), address, str(port))
        self._logs = folder / "down-logs"
        self._logs.mkdir()
        self._family = Family(self._logs, threading.Event())

    def __enter__(self) -> "_Follower":
        self._child = self._family.start("follower", "-m", FOLLOWER, *self._arguments)
        ready = self._folder / "ready"
        self._family.wait_until("the kiosk has its list", ready.exists, within_s=READY_S_MAX)
        return self

    def __exit__(self, *error: object) -> None:
        try:
            if error[0] is None:
                self._ask_to_end()
                self._child.finish(READY_S_MAX)
                self.applied = self._said()
        finally:
            self._family.stop()

    def _said(self) -> list[tuple[int, int]]:
        said = (self._logs / "follower.log").read_text().splitlines()
        try:
            return [(at_ms, version) for at_ms, version in json.loads(said[-1])]
        except (IndexError, ValueError):
            raise SimError(f"the kiosk said nothing of use: {said[-3:]}") from None

    def _ask_to_end(self) -> None:
        """Let it end when it has all that the gateway has committed."""
        last = _newest_version(settings_in(self._folder).database)
        part = self._folder / "stop.part"
        part.write_text(str(last))
        part.replace(self._folder / "stop")


def _newest_version(database: Path) -> int:
    """Return the last version of the catalogue that the gateway has committed."""
    with closing(sqlite3.connect(database)) as connection:
        row = connection.execute("SELECT max(version) FROM step WHERE kind='catalogue'").fetchone()
    return int(row[0] or 0)


def _delays(database: Path, applied: list[tuple[int, int]]) -> list[float]:
    """Return how long after its transaction began each version was in the kiosk's database."""
    versions = [version for _, version in applied]
    with closing(sqlite3.connect(database)) as connection:
        steps = connection.execute(
            "SELECT version, committed_at FROM step WHERE kind='catalogue' AND version BETWEEN ?"
            " AND ?",
            (versions[0] + 1, versions[-1]),
        ).fetchall()
    delays = [
        float(applied[bisect.bisect_left(versions, version)][0] - committed_at)
        for version, committed_at in steps
    ]
    if not delays:
        raise SimError("nothing changed")
    return delays


def _rush(folder: Path, address: str, pointer: Pointer, kiosks: int) -> dict[str, float]:
    """Let that many kiosks fetch the list from the same moment on; return what it took."""
    begin = threading.Barrier(kiosks)

    def fetch(number: int) -> tuple[int, float]:
        chance = random.Random(number)
        shelf = Shelf(folder / f"shelf-{number}", address)
        begin.wait()
        refused, began = 0, time.perf_counter()
        while True:
            try:
                shelf.fetch(pointer).unlink()
                return refused, time.perf_counter() - began
            except SnapshotBusy as busy:
                refused += 1
                time.sleep(busy.again_ms / 1_000 + chance.random())  # as `kiosk.lists` does

    with timed() as watch, ThreadPoolExecutor(kiosks) as pool:
        found = list(pool.map(fetch, range(kiosks)))
    waits = [seconds for _, seconds in found]
    refusals = [refused for refused, _ in found]
    return {
        "seconds": watch.seconds,
        "kiosks": kiosks,
        "refused_mean": sum(refusals) / kiosks,
        "refused_max": max(refusals),
        **spread(waits, "wait_s"),
    }
