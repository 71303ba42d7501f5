"""Promises about the end and about sizes: all comes to rest, and nothing grew past its limit."""

from collections.abc import Iterator

from gateway.desk import STATION as DESK
from sim.fleet.acts import GATEWAY
from sim.fleet.network import HANDED_OVER_MAX
from sim.fleet.outcome import Outcome
from sim.fleet.verdict import Violation, end_ms

KIB = 1_024

LIMITS = {
    "message_bytes": 64 * KIB,
    "gate_message_bytes": 4 * KIB,
    "link_queue": 2 * HANDED_OVER_MAX,
    "gateway_inbox": 500,
    "gateway_unsent": 1_000,
}
"""The most there may ever be of each thing; a name is what stands before the colon.

A cable may double all that a link took. The inbox's and what is unsent are five times and more
what the roughest of 200 seeds came to. A gateway that was made slow has whatever stations say
meanwhile, and is not measured until it has caught up.
"""
QUEUED_A_STATION = 200
"""What waits at a broker for one client is news of all stations: twice what 120 seeds came to."""
ROWS_AN_ACT, ROWS_BESIDE = 2, 100
"""A journal's rows: an act writes one, the version before one more; beside them clocks are
compared at each connection. Those seeds came to two thirds of it."""


def rest(outcome: Outcome) -> Iterator[Violation]:
    """Everybody is connected, has nothing left to send, and nothing moves any more."""
    if not outcome.rested:
        yield Violation("rest", "fleet", end_ms(outcome), "the fleet does not come to rest")
    for name, station in sorted(outcome.stations.items()):
        if station.waiting:
            text = f"{name} still has {station.waiting} rows that the gateway has not"
            yield Violation("rest", name, end_ms(outcome), text)
        if not station.connected:
            yield Violation("rest", name, end_ms(outcome), f"{name} is not connected")


def limits(outcome: Outcome) -> Iterator[Violation]:
    """Nothing was ever larger than its limit, and everything measured has one."""
    for name, peak in sorted(outcome.peaks.items()):
        kind, _, who = name.partition(":")
        limit = _limit(kind, who, outcome)
        if limit is None:
            yield Violation("limits", who, end_ms(outcome), f"{kind} has no limit")
        elif peak > limit:
            text = f"{name} reached {peak}; the limit is {limit}"
            yield Violation("limits", who, end_ms(outcome), text)


def _limit(kind: str, who: str, outcome: Outcome) -> int | None:
    """Return the most there may be of something in this run; None if nobody says."""
    if kind in ("news", "overlay"):
        return len(outcome.committed)  # each is of a fact of its own
    if kind == "journal":
        at = GATEWAY if who == DESK else who
        return ROWS_BESIDE + ROWS_AN_ACT * sum(act.who == at for act in outcome.plan.acts)
    if kind == "broker_queue":
        return QUEUED_A_STATION * len(outcome.plan.shape.places)
    return LIMITS.get(kind)
