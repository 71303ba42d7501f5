"""Plays one storm: starts everything, lets the faults happen, heals, waits, compares."""

import json
import math
import shutil
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim.demo import free_ports
from sim.errors import SimError
from sim.http import answers
from sim.measure.library import LIBRARY, SITE, SITE_KEY, fill, gateway_toml, settings_in
from sim.torture import audit, cables
from sim.torture.brokers import broker_command
from sim.torture.faults import BROKER, CABLE, CABLES, GATEWAY, KINDS, Fault, Storm, make_faults
from sim.torture.programs import Programs, glance
from sim.torture.station import Orders
from sim.torture.tallies import Carried, carried

HOST = "127.0.0.1"
LOOK_S = 0.05
SAMPLE_S = 0.5
STUCK_S = 4.0  # when nobody commits, since everybody is dead or done, the storm goes on
READY_S_MAX = 120.0
QUIET_S_MAX = 240.0  # without any progress: twice the longest wait of an uploader
FACTS_PER_ITEM = 8
PATRONS = 1_000
LINE = len("0123456789abcdef\n")

ACKED = "SELECT acked FROM epoch ORDER BY n DESC LIMIT 1"
LAST = "SELECT coalesce(max(seq), 0) FROM journal"
APPLIED = "SELECT hw FROM station WHERE station = ?"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a storm came to.

    findings: what is wrong, none if all is well. faults: how often each kind was.
    """

    broker: str
    storm: Storm
    findings: tuple[str, ...]
    facts: int
    applied: int
    faults: Counter[str]
    samples: int
    carried: Carried
    storm_s: float
    heal_s: float

    def doc(self) -> dict[str, Any]:
        """Return it as JSON keeps it."""
        return {
            "broker": self.broker,
            "seed": self.storm.seed,
            "stations": self.storm.stations,
            "facts": self.facts,
            "applied_once": self.applied,
            "findings": list(self.findings),
            "faults": dict(sorted(self.faults.items())),
            "kills": sum(n for kind, n in self.faults.items() if kind.startswith("kill")),
            "looks_at_acks": self.samples,
            **self.carried.doc(),
            "storm_s": round(self.storm_s, 1),
            "heal_s": round(self.heal_s, 1),
        }


class Player:
    """One storm in one folder; `play` does it."""

    def __init__(
        self, folder: Path, broker: str, storm: Storm, *, tell: Callable[[int, str], None]
    ) -> None:
        """folder: emptied. tell: called with the facts committed so far and what happens."""
        self.folder = folder
        self.broker = broker
        self.storm = storm
        self._tell = tell
        self._programs = Programs(folder / "logs")
        self._pause = threading.Event()
        self._faults: Counter[str] = Counter()
        self._findings: list[str] = []
        self._samples = 0
        self._sampled_s = 0.0
        self._lineage = ""

    def play(self) -> Outcome:
        """Play the storm; raises `SimError` if a program fails that nobody killed."""
        self._prepare()
        began = time.monotonic()
        with self._programs:
            self._start()
            self._rage(make_faults(self.storm))
            raged = time.monotonic()
            self._await_quiet()
            healed = time.monotonic()
            for name in (*self.storm.names, GATEWAY, CABLES, BROKER):
                self._programs.stop(name)
        return self._outcome(raged - began, healed - raged)

    # Before.

    def _prepare(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "logs").mkdir(parents=True)
        names = self.storm.names
        each = math.ceil(self.storm.share / FACTS_PER_ITEM)
        settings = settings_in(self.folder)
        filled = fill(settings, each * len(names), min(PATRONS, self.storm.facts))
        self._lineage = audit.lineage_of(settings.database)
        self._broker_port, self._web_port, self._control, *lines = free_ports(4 + len(names))
        self._lines = dict(zip((*names, GATEWAY), lines, strict=True))
        (self.folder / "gateway.toml").write_text(
            gateway_toml(self._web_port, self._lines[GATEWAY])
        )
        plan = {
            "control": self._control,
            "tally": str(self.folder / "tally.jsonl"),
            "lines": {name: [port, self._broker_port] for name, port in self._lines.items()},
        }
        (self.folder / "cables.json").write_text(json.dumps(plan))
        for number, name in enumerate(names):
            items = filled.items[number :: len(names)]
            self._write_orders(name, list(items), list(filled.patrons))

    def _write_orders(self, name: str, items: list[str], patrons: list[str]) -> None:
        Orders(
            library=LIBRARY,
            site=SITE,
            site_key=SITE_KEY.hex(),
            station=name,
            seed=self.storm.seed,
            port=self._lines[name],
            journal=str(self._journal(name)),
            witness=str(self._witness(name)),
            facts=self.storm.share,
            facts_per_s=self.storm.facts_per_s / self.storm.stations,
            items=items,
            patrons=patrons,
        ).write(self.folder / f"{name}.json")

    def _start(self) -> None:
        programs = self._programs
        programs.start(BROKER, broker_command(self.broker, self.folder, self._broker_port))
        plan = str(self.folder / "cables.json")
        programs.start(CABLES, (sys.executable, ["-m", "sim.torture.cables", plan]))
        config = str(self.folder / "gateway.toml")
        programs.start(GATEWAY, (sys.executable, ["-m", "gateway", "run", "--config", config]))
        address = f"http://{HOST}:{self._web_port}/healthz"
        self._await("the gateway is ready", lambda: answers(address))
        for name in self.storm.names:
            orders = str(self.folder / f"{name}.json")
            programs.start(name, (sys.executable, ["-m", "sim.torture.station", orders]))
        self._await("every station writes", lambda: all(map(self._committed_by, self.storm.names)))

    # The storm.

    def _rage(self, faults: list[Fault]) -> None:
        acts = [(fault.from_facts, 1, fault) for fault in faults]
        acts += [(fault.until_facts, 0, fault) for fault in faults if KINDS[fault.kind].has_length]
        for at, begins, fault in sorted(acts, key=lambda act: act[:2]):
            self._await_facts(at)
            (self._begin if begins else self._end)(fault)

    def _begin(self, fault: Fault) -> None:
        self._tell(self.committed(), f"{fault.kind} {fault.target}")
        self._faults[fault.kind] += 1
        if fault.kind.startswith("kill"):
            self._programs.kill(fault.target)
        else:
            self._cable(fault, fault.kind)

    def _end(self, fault: Fault) -> None:
        if fault.kind.startswith("kill"):
            self._programs.start(fault.target)
            if fault.target == CABLES:
                self._await("the cables are there", self._cables_answer)
        else:
            self._cable(fault, "restore")

    def _cable(self, fault: Fault, act: str) -> None:
        line = fault.target.removeprefix(f"{CABLE} ")
        cables.ask(self._control, line, act)

    def _cables_answer(self) -> bool:
        """Whether they do; restoring a line that is up changes nothing."""
        try:
            cables.ask(self._control, GATEWAY, "restore")
        except SimError:
            return False
        return True

    def _await_facts(self, wanted: int) -> None:
        """Wait until so many are committed, or nobody commits any more for a while."""
        seen, since = -1, time.monotonic()
        while (committed := self.committed()) < wanted:
            if committed != seen:
                seen, since = committed, time.monotonic()
            if time.monotonic() - since > STUCK_S:
                return
            self._look()

    # After.

    def _await_quiet(self) -> None:
        """Wait until everything is written and acknowledged, for as long as anything goes on."""
        marks, since = self._marks(), time.monotonic()
        while not all(self._is_done(*mark) for mark in marks):
            if time.monotonic() - since > QUIET_S_MAX:
                self._findings.append(f"not quiet after {QUIET_S_MAX:.0f} s: {marks}")
                return
            self._look()
            before, marks = marks, self._marks()
            if marks != before:
                since = time.monotonic()
                self._tell(self.committed(), f"waiting: {self._waiting(marks)}")

    def _marks(self) -> list[tuple[int | None, int | None]]:
        """Return of each station its last row and the last that it knows to be applied."""
        journals = map(self._journal, self.storm.names)
        return [(glance(journal, LAST), glance(journal, ACKED)) for journal in journals]

    def _waiting(self, marks: list[tuple[int | None, int | None]]) -> str:
        """Return who is not done, for whoever watches."""
        named = zip(self.storm.names, marks, strict=True)
        return ", ".join(f"{name} {mark}" for name, mark in named if not self._is_done(*mark))

    def _is_done(self, last: int | None, acked: int | None) -> bool:
        return last is not None and last >= self.storm.share and acked == last

    def _outcome(self, storm_s: float, heal_s: float) -> Outcome:
        database = self.folder / "gateway.db"
        all_kept = [
            audit.kept_by(name, self._journal(name), self._witness(name))
            for name in self.storm.names
        ]
        applied = 0
        for kept in all_kept:
            books = audit.books_of(kept.station, database)
            applied += len({fact for fact, _ in books.facts} & {row.fact for row in kept.rows})
            self._findings += audit.compare(kept, books)
        self._findings += audit.items_differ(all_kept, database)
        self._findings += audit.gateway_differs(database, self._lineage)
        return Outcome(
            self.broker, self.storm, tuple(self._findings),
            sum(len(kept.rows) for kept in all_kept), applied, self._faults, self._samples,
            carried(self.folder / "tally.jsonl"), storm_s, heal_s,
        )  # fmt: skip

    # Looking.

    def committed(self) -> int:
        """Return how many facts the witnesses have seen."""
        return sum(map(self._committed_by, self.storm.names))

    def _committed_by(self, name: str) -> int:
        path = self._witness(name)
        return path.stat().st_size // LINE if path.exists() else 0

    def _look(self) -> None:
        """See that nobody died unasked and, now and then, that no ack went ahead of its fact."""
        self._programs.check()
        if time.monotonic() - self._sampled_s > SAMPLE_S:
            self._sampled_s = time.monotonic()
            for name in self.storm.names:
                self._sample(name)
        self._pause.wait(LOOK_S)

    def _sample(self, name: str) -> None:
        # In this order: what is acknowledged by now must have been applied before.
        acked = glance(self._journal(name), ACKED)
        applied = glance(self.folder / "gateway.db", APPLIED, name)
        if acked is None or applied is None:
            return
        self._samples += 1
        if acked > applied:
            self._findings.append(f"{name}: believed {acked} rows to be applied, {applied} were")

    def _await(self, what: str, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + READY_S_MAX
        while not ready():
            self._programs.check()
            if time.monotonic() > deadline:
                raise SimError(f"{what}: not so after {READY_S_MAX:.0f} s; see {self.folder}")
            self._pause.wait(LOOK_S)

    def _journal(self, name: str) -> Path:
        return self.folder / f"{name}.db"

    def _witness(self, name: str) -> Path:
        return self.folder / f"{name}.witness"
