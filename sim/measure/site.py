"""A kiosk tells the gates of its site what it has lent, with no gateway anywhere.

A production kiosk and two production gates meet at a Mosquitto of the site. Measured is from the
kiosk's commit to the entry in each gate's overlay, in the thread that decides there. The floor
is the same broker carrying a message of the same size from one bare client to another.
"""

import threading
import time
from functools import partial

from gateway.service import now_ms
from gateway.store import Store
from sim.clock import SystemClock
from sim.errors import SimError
from sim.measure.bare import ping
from sim.measure.broker import mosquitto
from sim.measure.library import barcode_of, card_of, fill, settings_in
from sim.measure.numbers import p99, spread
from sim.measure.rigs import GateRig, KioskRig
from sim.measure.table import Bench, Row

LOANS, LOANS_QUICK = 200, 5
ITEMS_PER_VISIT = 5
PAUSE_S = 0.037  # no multiple of a gate's turn, so that loans meet every moment of it
WAIT_S_MAX = 60.0
TARGET_MS = 1_000.0


class Times:
    """When a fact was committed, and when each gate had it; written by several threads."""

    def __init__(self, gates: tuple[str, ...]) -> None:
        self.committed: dict[str, float] = {}
        self.taken: dict[str, dict[str, float]] = {gate: {} for gate in gates}
        self._changed = threading.Condition()

    def commit(self, fact: str) -> None:
        """Note that the kiosk has committed a fact."""
        self.committed[fact] = time.perf_counter()

    def take(self, gate: str, fact: str) -> None:
        """Note that a gate knows of it."""
        with self._changed:
            self.taken[gate][fact] = time.perf_counter()
            self._changed.notify_all()

    def await_all(self) -> None:
        """Wait until every gate has every fact; raises `SimError` when one is missing."""
        with self._changed:
            if not self._changed.wait_for(self._all_taken, WAIT_S_MAX):
                raise SimError(f"a gate did not hear of a loan within {WAIT_S_MAX:.0f} s")

    def delays_ms(self) -> list[float]:
        """Return every delay, of every fact to every gate."""
        return [
            (at - self.committed[fact]) * 1_000
            for taken in self.taken.values()
            for fact, at in taken.items()
        ]

    def _all_taken(self) -> bool:
        return all(taken.keys() >= self.committed.keys() for taken in self.taken.values())


def run(bench: Bench) -> list[Row]:
    """Measure loans one after the other, as a busy desk makes them."""
    loans = bench.times(LOANS, LOANS_QUICK)
    settings = settings_in(bench.folder)
    fill(settings, loans, max(1, loans // ITEMS_PER_VISIT))
    with mosquitto(bench.folder) as port:
        bench.say("the bare broker")
        floors = ping(port, loans)
        bench.say(f"lending {loans} items, two gates listening")
        delays = _lend(bench, port, loans)
    return [
        Row(
            "kiosk's commit → both gates know, p99", p99(delays), "ms", p99(floors),
            "a bare message through the broker, p99", f"≤ {TARGET_MS:g} ms",
            p99(delays) <= TARGET_MS,
            {**spread(delays, "delay_ms"), **spread(floors, "bare_ms"), "loans": loans},
        )
    ]  # fmt: skip


def _lend(bench: Bench, port: int, loans: int) -> list[float]:
    names = ("gate-1", "gate-2")
    times = Times(names)
    gates = [
        GateRig(name, bench.folder, broker_port=port, taken=partial(times.take, name))
        for name in names
    ]
    kiosk = KioskRig(bench.folder, SystemClock(), broker_port=port)
    try:
        settings = settings_in(bench.folder)
        store = Store.at(settings.database, clock=now_ms)
        kiosk.load(store, settings.snapshots)
        store.close()
        for gate in gates:
            gate.start()
        kiosk.connect()
        _await_connected(kiosk, gates)
        kiosk.committed = times.commit
        _visits(kiosk, times, loans)
    finally:
        kiosk.close()
        for gate in gates:
            gate.close()
    return times.delays_ms()


def _await_connected(kiosk: KioskRig, gates: list[GateRig]) -> None:
    """Let everybody connect and subscribe: gates are asked how they are, as staff would."""
    deadline = time.monotonic() + WAIT_S_MAX
    while not (kiosk.connected and all(gate.connected for gate in gates)):
        if time.monotonic() > deadline:
            raise SimError("kiosk and gates did not connect to the broker")
        kiosk.engine.step(wait_s=0.05)


def _visits(kiosk: KioskRig, times: Times, loans: int) -> None:
    for number in range(loans):
        if number % ITEMS_PER_VISIT == 0:
            kiosk.engine.desk.press("finish", kiosk.engine.time.mono_ms)
            kiosk.scan(card_of(number // ITEMS_PER_VISIT))
        kiosk.scan(barcode_of(number))
        kiosk.engine.step(wait_s=PAUSE_S)
    if len(times.committed) < loans:
        raise SimError(f"only {len(times.committed)} of {loans} items were lent")
    times.await_all()
