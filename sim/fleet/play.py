"""Playing a plan: acts happen when they are due, then everything is healed and comes to rest.

`play` is a pure function: the same plan gives the same outcome, to the byte, on any machine.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from sim.fleet.acting import act
from sim.fleet.acts import Plan
from sim.fleet.collecting import collect
from sim.fleet.disk import exclusive
from sim.fleet.memory import Memory, sharing
from sim.fleet.outcome import Outcome
from sim.fleet.world import Fleet

LOOK_MS = 15_000
LOOKS_AT_REST = 2
"""So often in a row everything must look at rest: a message may be on its way."""


def play(plan: Plan, memory: Memory | None = None) -> Outcome:
    """Play a plan; return what it left behind. memory: for what messages say, else a new one."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)  # every fault is said in the log; the events tell it all
    try:
        with (
            uncollected(),
            exclusive(),
            sharing(Memory() if memory is None else memory),
            Fleet(plan) as fleet,
        ):
            return _play(fleet)
    finally:
        logging.disable(level)


@contextmanager
def uncollected() -> Iterator[None]:
    """Look for no cycles of garbage until the end of the block.

    A run makes few, and to look for them takes a tenth of its time. Whoever has what it left
    behind looked at should do so within a block of its own: Python looks as soon as it may again.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _play(fleet: Fleet) -> Outcome:
    plan, timeline = fleet.plan, fleet.timeline
    for station in fleet.stations.values():
        station.power_on()
    for one in plan.acts:
        timeline.at(one.at_ms, partial(act, fleet, one))
    timeline.run(plan.shape.duration_ms)
    fleet.heal()
    rested = _come_to_rest(fleet)
    fleet.note("fleet", "rest" if rested else "restless")
    fleet.count_time()
    return collect(fleet, rested=rested)


def _come_to_rest(fleet: Fleet) -> bool:
    """Let time pass until nothing moves any more; return whether it came to that."""
    timeline = fleet.timeline
    end_ms = timeline.now_ms + fleet.plan.shape.heal_ms
    looks = 0
    while timeline.now_ms < end_ms and looks < LOOKS_AT_REST:
        timeline.run(min(timeline.now_ms + LOOK_MS, end_ms))
        fleet.gateway.settle()
        looks = looks + 1 if fleet.is_at_rest() else 0
    return looks >= LOOKS_AT_REST
