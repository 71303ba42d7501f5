"""Promises about the end and about sizes: all comes to rest, and nothing grew past its limit."""

from collections.abc import Iterator

from sim.fleet.outcome import Outcome
from sim.fleet.verdict import Violation, end_ms

KIB = 1_024

LIMITS = {
    "message_bytes": 64 * KIB,
    "gate_message_bytes": 4 * KIB,
    "journal": 100_000,
    "overlay": 2_000,
    "broker_queue": 1_000,
}
"""The most there may ever be of each thing; a name is what stands before the colon."""


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
        if kind not in LIMITS:
            yield Violation("limits", who, end_ms(outcome), f"{kind} has no limit")
        elif peak > LIMITS[kind]:
            text = f"{name} reached {peak}; the limit is {LIMITS[kind]}"
            yield Violation("limits", who, end_ms(outcome), text)
