"""Gate: from the later of tag and beam to the siren, decisions a second, memory of the list.

The first is our code alone, by a virtual clock that moves one millisecond a turn: the processor
time of the deciding turn of the production loop, from its first line to the siren's `on`. Kept
beside it: the same by the clock on the wall, with whatever else the machine was doing, and how
long the gate waited by design (a beam must hold its level to be believed). The floor is a turn
in which nothing happens.
"""

import random
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from firmware.gate import commands, events
from firmware.gate.config import gate_config
from firmware.gate.lists import ExactList
from firmware.gate.machine import GateMachine
from firmware.pi.devices import LaneDevices
from firmware.pi.loop import DetectionLoop
from hardware.chips.tag_data import new_content
from hardware.ports import Security
from sim.clock import VirtualClock
from sim.devices import SimReader
from sim.errors import SimError
from sim.measure.library import OWNER, SITE_KEY, barcode_of, uid_of
from sim.measure.numbers import p99, spread, timed
from sim.measure.rigs import gate_devices
from sim.measure.table import Bench, Row
from sim.pins import SimInput, SimOutput
from sim.tags import SimTag

LISTED, LISTED_QUICK = 200_000, 500
ALARMS, ALARMS_QUICK = 200, 3
PASSAGES, PASSAGES_QUICK = 3_000, 20
OWN_MS_TARGET = 5.0
AWAY_S = 40
IDLE_TURNS = 5
INNER, OUTER = 0, 1
WALK = ((0, INNER, True), (120, OUTER, True), (260, INNER, False), (380, OUTER, False))
WALK_MS = 400  # 1.3 m/s past beams 15 cm apart
LINEAGE = "00000000000000aa"
MB = 1_000_000


class Moment(NamedTuple):
    """An instant by the clock on the wall, and by the processor time of this thread."""

    wall_s: float
    processor_s: float

    @classmethod
    def now(cls) -> "Moment":
        """Return this instant."""
        return cls(time.perf_counter(), time.thread_time())

    def since_ms(self, began: "Moment") -> "Moment":
        """Return what has passed since another, in milliseconds."""
        return Moment(*(1_000 * (to - of) for to, of in zip(self, began, strict=True)))


class TimedSiren(SimOutput):
    """A siren that notes when it was switched on, by the real clock."""

    on_at: "Moment | None" = None

    def on(self) -> None:
        """See `Output.on`."""
        self.on_at = Moment.now()
        super().on()


def run(bench: Bench) -> list[Row]:
    """Measure with as many listed items as the design names."""
    listed = bench.times(LISTED, LISTED_QUICK)
    bench.say(f"a list of {listed:,} items that may leave")
    exact, memory = _memory_row(listed)
    bench.say("alarms through the loop")
    reaction = _reaction_row(exact, bench.times(ALARMS, ALARMS_QUICK))
    bench.say("decisions of the machine")
    return [reaction, _decisions_row(exact, bench.times(PASSAGES, PASSAGES_QUICK)), memory]


def _machine(exact: ExactList) -> GateMachine:
    chance = random.Random(1)
    config = gate_config("gate-1", [("lane-1", 2)], [OWNER])
    machine = GateMachine(config, SITE_KEY, lambda: chance.randbytes(8).hex())
    machine.receive(events.ListLoaded(exact), 0)
    return machine


class Exit:
    """A production loop with simulated devices, and a clock that moves a millisecond a turn."""

    def __init__(self, exact: ExactList) -> None:
        self.clock = VirtualClock()
        self.siren = TimedSiren(self.clock, name="siren", max_on_ms=600_000)
        self.handed: list[Any] = []
        devices = gate_devices(self.clock, self.siren)
        self._antenna = SimReader(self.clock, name="antenna")
        self._beams = [SimInput(self.clock, name=name) for name in ("inner", "outer")]
        lane = LaneDevices(self._antenna, *self._beams)
        self._loop = DetectionLoop(
            _machine(exact),
            replace(devices, lanes={"lane-1": lane}),
            clock=self.clock,
            outbox=lambda item, _: self.handed.append(item),
        )

    def turn(self) -> float:
        """Let the gate work once, a millisecond later; return its processor time, in ms."""
        self.clock.advance(1)
        began = Moment.now()
        self._loop.turn()
        return Moment.now().since_ms(began).processor_s

    def walk_out(self, number: int) -> Moment:
        """Carry a book that was not lent out; return from the deciding turn's start to siren."""
        uid = f"e00402{number:010x}"
        content = new_content(barcode_of(number), OWNER)
        self._antenna.place(SimTag(uid, content=content, security=Security.IN_STOCK))
        self.turn()
        self.siren.on_at = None
        began = self._walk()
        ended = self.siren.on_at
        self._antenna.lift(uid)
        for _ in range(AWAY_S):  # until the siren is quiet and the tag forgotten
            self.clock.advance(1_000)
            self.turn()
        if began is None or ended is None:
            raise SimError("a book that was not lent left in silence")
        return ended.since_ms(began)

    def _walk(self) -> Moment | None:
        """Pass both beams; return when the turn in which the siren was switched on began."""
        deciding: Moment | None = None
        for after_ms in range(WALK_MS):
            for step_ms, beam, broken in WALK:
                if after_ms == step_ms:
                    self._beams[beam].drive(broken, self.clock.now_ms())
            began = Moment.now()
            self.turn()
            if self.siren.on_at is not None and deciding is None:
                deciding = began
        return deciding


def _reaction_row(exact: ExactList, alarms: int) -> Row:
    way_out = Exit(exact)
    ours: list[Moment] = []
    idle: list[float] = []
    for number in range(alarms):
        idle += [way_out.turn() for _ in range(IDLE_TURNS)]
        ours.append(way_out.walk_out(number))
    own = [took.processor_s for took in ours]
    waited = [
        float(item.fields["latency_ms"])
        for item in way_out.handed
        if isinstance(item, commands.Record) and "latency_ms" in item.fields
    ]
    figures = {
        **spread(own, "own_ms"),
        **spread([took.wall_s for took in ours], "with_others_ms"),
        **spread(waited, "waited_by_design_ms"),
    }
    return Row(
        "tag and beam → siren on, p99", p99(own), "ms", p99(idle), "a turn without anybody, p99",
        f"≤ {OWN_MS_TARGET:g} ms of our code", p99(own) <= OWN_MS_TARGET,
        figures | {"alarms": alarms},
    )  # fmt: skip


def _decisions_row(exact: ExactList, passages: int) -> Row:
    """Measure people with a lent and an unlent book each, as the machine is told of them."""
    machine = _machine(exact)
    told = list(_passages(passages, len(exact)))
    with timed() as ours:
        for event, now_ms in told:
            machine.receive(event, now_ms)
            machine.tick(now_ms)
    keys = [uid_of(number % len(exact)) for number in range(2 * passages)]
    with timed() as floor:
        for key in keys:
            exact.reach(key)
    decisions = 2 * passages
    return Row(
        "decisions, with their passage", decisions / ours.seconds, "/s",
        decisions / floor.seconds, "the look-up in the list alone",
        figures={"passages": passages, "listed": len(exact)},
    )  # fmt: skip


def _passages(count: int, listed: int) -> list[tuple[Any, int]]:
    """Return what a gate hears of people walking out, one every three quarters of a minute."""
    told: list[tuple[Any, int]] = []
    for number in range(count):
        now_ms = (number + 1) * 45_000
        tags = [
            events.TagRead(uid_of(number % listed), events.ON_LOAN, None, None),
            events.TagRead(f"e00402{number:010x}", events.IN_STOCK, None, None),
        ]
        told.append((events.TagsRead("lane-1", tags), now_ms))
        for after_ms, beam, broken in (
            (0, events.INNER, True), (120, events.OUTER, True),
            (260, events.INNER, False), (380, events.OUTER, False),
        ):  # fmt: skip
            at_ms = now_ms + after_ms
            told.append((events.BeamEdge("lane-1", beam, broken, at_ms), at_ms))
        told.append((events.TagsRead("lane-1", []), now_ms + 400))
    return told


def _memory_row(listed: int) -> tuple[ExactList, Row]:
    keys: list[tuple[str, int]] = [(uid_of(number), 3) for number in range(listed)]

    exact, held = _traced(lambda: ExactList(LINEAGE, 1).loaded(_copied(keys), []))
    _, bare = _traced(lambda: {_copy(key): reach for key, reach in keys})
    return exact, Row(
        f"list of {listed:,} that may leave, on a Pi", held / MB, "MB", bare / MB,
        "a dict of the same keys", "exact, or ≤ 0.23 MB", len(exact) == listed,
        {"bytes_per_item": held / listed},
    )  # fmt: skip


def _copied(keys: list[tuple[str, int]]) -> list[list[Any]]:
    return [[_copy(key), reach] for key, reach in keys]


def _copy(text: str) -> str:
    """Return a text of its own, as one that was just read from JSON."""
    return text.encode().decode()


def _traced(make: Callable[[], Any]) -> tuple[Any, int]:
    """Return what was made, and how many bytes it holds."""
    tracemalloc.start()
    try:
        made = make()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return made, held
