"""The morning after a night without the gateway: every station comes back with a whole day.

A thousand kiosks with 500 facts each, none of which asked the clock, send through Mosquitto as
fast as their credit allows. Somebody looks at the dashboard twice a second until all of it is
acknowledged. The floor is the same messages through the same broker, received by a client that
only counts them.
"""

from sim.measure.broker import mosquitto
from sim.measure.children import gateway_process
from sim.measure.ingest import FACTS_A_DAY
from sim.measure.library import busy_stations, fill, settings_in
from sim.measure.machine import peak_rss_mb
from sim.measure.numbers import p99
from sim.measure.table import Bench, Row
from sim.measure.through_broker import (
    BOARD_MS_TARGET,
    PATRONS,
    Dashboard,
    send_all,
    send_bare,
    uploads_of,
)

STATIONS, STATIONS_QUICK = 1_000, 10
SECONDS_TARGET = 60.0


def run(bench: Bench) -> list[Row]:
    """Measure how long the gateway takes to catch up, and its dashboard meanwhile."""
    count = bench.times(STATIONS, STATIONS_QUICK)
    facts = count * FACTS_A_DAY
    bench.say(f"writing {bench.items:,} items")
    filled = fill(settings_in(bench.folder), bench.items, min(PATRONS, bench.items))
    bench.say(f"writing {facts:,} facts of {count:,} stations")
    stations = busy_stations(filled, stations=count, facts=facts, is_online=False, seed=4)
    uploads = uploads_of(stations)
    del stations  # as large as the messages
    with mosquitto(bench.folder) as port:
        bench.say("bare messages through the broker")
        floor = send_bare(port, uploads)
        with gateway_process(bench.folder, port) as (address, pid):
            bench.say("the same through the broker and the gateway")
            with Dashboard(f"{address}/api/board") as board:
                ours = send_all(port, uploads)
            memory_mb = peak_rss_mb(pid)
    looks_ms = board.busy_ms
    return [
        Row(
            f"a day of {count:,} stations, caught up", ours.seconds, "s", floor.seconds,
            "the same messages, nobody thinking", f"≤ {SECONDS_TARGET:g} s",
            ours.seconds <= SECONDS_TARGET,
            {"facts": facts, "items": len(filled.items), "facts_per_s": facts / ours.seconds,
             "gateway_peak_mb": memory_mb},
        ),
        Row(
            "dashboard meanwhile, p99", p99(looks_ms), "ms", board.idle_ms,
            "the dashboard at rest", f"≤ {BOARD_MS_TARGET:g} ms",
            p99(looks_ms) <= BOARD_MS_TARGET,
            {"looks": len(looks_ms), "slowest_ms": max(looks_ms)},
        ),
    ]  # fmt: skip
