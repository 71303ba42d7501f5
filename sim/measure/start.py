"""The demo: from the command to a library that is ready, and what its programs hold in memory.

The floor is one bare Python that imports what the gateway and a kiosk import and ends: nothing
that starts both can be quicker than that.
"""

import subprocess
import sys
import threading

from sim.demo import Demo, ports_from
from sim.measure.machine import descendants, rss_mb
from sim.measure.numbers import median, timed
from sim.measure.table import Bench, Row

READY_S_TARGET, KIOSK_MB_TARGET, GATEWAY_MB_TARGET = 5.0, 120.0, 200.0
IMPORTS = "import gateway.app, kiosk.app"
PORTS = ("broker_port", "gateway_port", "kiosk_1_port", "kiosk_2_port", "bench_port")
STARTS, STARTS_QUICK = 3, 1
PRINT_RSS = (
    "import sys; from sim.measure.machine import peak_rss_mb; sys.stdout.write(str(peak_rss_mb()))"
)


def run(bench: Bench) -> list[Row]:
    """Start the demo a few times; the memory is that of the last start."""
    seconds, bare_s, memory = [], [], {}
    for number in range(bench.times(STARTS, STARTS_QUICK)):
        bench.say(f"start {number + 1}")
        with timed() as bare:
            subprocess.run([sys.executable, "-c", IMPORTS], check=True)
        folder = bench.folder / f"demo-{number}"
        with Demo(folder, ports_from(dict.fromkeys(PORTS, 0)), fresh=True, say=_quiet) as running:
            with timed() as start:
                running.start(threading.Event())
            memory = _memory()
        seconds.append(start.seconds)
        bare_s.append(bare.seconds)
    return [
        Row(
            "demo: started → all of it ready", median(seconds), "s", median(bare_s),
            "one Python importing gateway and kiosk", f"≤ {READY_S_TARGET:g} s",
            median(seconds) <= READY_S_TARGET, {"slowest_s": max(seconds)},
        ),
        _memory_row("kiosk", memory["sim kiosk"], "kiosk.app", KIOSK_MB_TARGET),
        _memory_row("gateway", memory["sim gateway"], "gateway.app", GATEWAY_MB_TARGET),
    ]  # fmt: skip


def _memory() -> dict[str, float]:
    """Return the most memory that one program of each kind holds, by its command."""
    running = descendants()

    def largest(command: str) -> float:
        pids = [pid for pid, line in running.items() if f"-m {command}" in line]
        return max((rss_mb(pid) for pid in pids), default=0.0)

    return {command: largest(command) for command in ("sim kiosk", "sim gateway")}


def _memory_row(program: str, held_mb: float, module: str, target_mb: float) -> Row:
    return Row(
        f"demo: memory of a {program}", held_mb, "MB", _imported_mb(module),
        f"Python with {module} imported", f"≤ {target_mb:g} MB", 0 < held_mb <= target_mb,
    )  # fmt: skip


def _imported_mb(module: str) -> float:
    command = [sys.executable, "-c", f"import {module}; {PRINT_RSS}"]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _quiet(_line: str) -> None:
    """Say nothing: the demo's own words would tear the table's progress apart."""
