"""What fate has in store: the table of faults made into acts and rates.

Each kind draws from a generator of its own, so that a changed probability moves nothing else.
A seed's kinds are each calm or rough by themselves: some seeds show one fault alone, others
several that meet.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import product
from typing import NamedTuple

from sim.clock import WALL_START_MS
from sim.fleet.acts import (
    BROKER,
    CHOKING,
    CUT_STEPS,
    GATEWAY,
    HOUR_MS,
    MINUTE_MS,
    POISONS,
    RATE_KINDS,
    Act,
    Rate,
    Shape,
)
from sim.fleet.faults import EVERY_KIOSK, EVERY_SITE, EVERY_STATION, FAULTS, Fault

_COMBINED = frozenset(("dark", "roll_back_twice", "roll_back_dark"))
_CALM, _ROUGH = 0.5, 1.5  # their mean is 1, so the table says what happens over many seeds
_DAY_MS = 24 * HOUR_MS
_YEAR_2106_MS = 4_294_967_295_000  # where 32 bits of seconds end


class _Blow(NamedTuple):
    """One fault that befalls somebody, and the chance it takes its details from."""

    shape: Shape
    who: str
    kind: str
    at_ms: int
    chance: random.Random

    def lasting(self, least_ms: int, most_ms: int) -> int:
        """Return when it ends: within the plan, and that long after its begin if it can be."""
        end_ms = self.at_ms + self.chance.randint(least_ms, most_ms)
        return min(end_ms, self.shape.duration_ms)

    def act(self, what: str, *args: int | str, at_ms: int | None = None) -> Act:
        return Act(self.at_ms if at_ms is None else at_ms, self.who, what, args)


def fates(seed: int, shape: Shape) -> tuple[list[Act], list[Rate]]:
    """Return the acts and rates of all faults of one seed, in no order."""
    acts: list[Act] = []
    rates: list[Rate] = []
    for blow in _blows(seed, shape):
        if blow.kind in RATE_KINDS:
            rates.append(_rate(blow))
        else:
            acts += _MAKERS[blow.kind](blow)
    return acts, rates


def combined(seed: int, shape: Shape) -> Counter[str]:
    """Return how often a seed has each fault that is made of others, which alone are seen."""
    return Counter(blow.kind for blow in _blows(seed, shape) if blow.kind in _COMBINED)


def _blows(seed: int, shape: Shape) -> Iterator[_Blow]:
    for fault in FAULTS:
        chance = random.Random(f"{seed} {fault.kind}")
        mood = chance.choice((_CALM, _ROUGH)) * shape.roughness / 100
        mood *= dict(shape.theme).get(fault.kind, 0) if shape.theme else 1
        hours = product(_subjects(fault, shape), _slots(shape))
        for who, (start_ms, until_ms) in hours:
            share = (until_ms - start_ms) / HOUR_MS
            if chance.random() < fault.per_hour * mood * share:
                at_ms = chance.randrange(start_ms, until_ms)
                details = random.Random(f"{seed} {fault.kind} {who} {start_ms}")
                yield _Blow(shape, who, fault.kind, at_ms, details)


def _subjects(fault: Fault, shape: Shape) -> tuple[str, ...]:
    if fault.befalls == EVERY_STATION:
        return tuple(place.name for place in shape.places)
    if fault.befalls == EVERY_KIOSK:
        return tuple(place.name for place in shape.places if not place.is_gate)
    return shape.site_names if fault.befalls == EVERY_SITE else (GATEWAY,)


def _slots(shape: Shape) -> Iterator[tuple[int, int]]:
    for start_ms in range(0, shape.duration_ms, shape.slot_ms):
        yield start_ms, min(start_ms + shape.slot_ms, shape.duration_ms)


def _rate(blow: _Blow) -> Rate:
    per_million = blow.chance.choice((20_000, 100_000, 400_000))
    until_ms = blow.lasting(MINUTE_MS, 15 * MINUTE_MS)
    return Rate(blow.kind, blow.who, blow.at_ms, until_ms, per_million)


def _broker_restart(blow: _Blow) -> list[Act]:
    return [Act(blow.at_ms, BROKER, "broker_restart", (blow.who,))]


def _broker_overflow(blow: _Blow) -> list[Act]:
    for_ms = blow.lasting(MINUTE_MS, 10 * MINUTE_MS) - blow.at_ms
    length = blow.chance.choice((1, 2, 5))
    return [Act(blow.at_ms, BROKER, "broker_overflow", (blow.who, length, for_ms))]


def _partition(blow: _Blow) -> list[Act]:
    """Cut off a station, or a site for `site_partition`: as often for seconds as for long."""
    longest_ms = blow.chance.choice((MINUTE_MS, 10 * MINUTE_MS, blow.shape.duration_ms // 2))
    until_ms = blow.lasting(MINUTE_MS // 10, longest_ms)
    return [blow.act("partition"), blow.act("heal", at_ms=until_ms)]


def _swizzle(blow: _Blow) -> list[Act]:
    names = [place.name for place in blow.shape.places]
    last_ms = blow.shape.duration_ms
    gap_ms = blow.chance.randint(1_000, MINUTE_MS)
    blow.chance.shuffle(names)
    stops = [
        Act(min(blow.at_ms + n * gap_ms, last_ms), name, "swizzle_stop")
        for n, name in enumerate(names)
    ]
    blow.chance.shuffle(names)
    begin_ms = blow.at_ms + len(names) * gap_ms
    starts = [
        Act(min(begin_ms + n * gap_ms, last_ms), name, "swizzle_start")
        for n, name in enumerate(names)
    ]
    return stops + starts


def _power_cut(blow: _Blow) -> list[Act]:
    return [
        blow.act("cut_power", blow.chance.choice(CUT_STEPS)),
        blow.act("restore_power", at_ms=blow.lasting(10_000, 10 * MINUTE_MS)),
    ]


def _dark(blow: _Blow) -> list[Act]:
    """Cut a station off and its power twice, so that a whole boot never hears a clock."""
    until_ms = blow.lasting(15 * MINUTE_MS, 30 * MINUTE_MS)
    acts = [blow.act("partition"), blow.act("heal", at_ms=until_ms)]
    for part in (0.1, 0.9):
        at_ms = blow.at_ms + int(part * (until_ms - blow.at_ms))
        acts.append(blow.act("cut_power", "now", at_ms=at_ms))
        acts.append(blow.act("restore_power", at_ms=min(at_ms + 20_000, until_ms)))
    return acts


def _torn_tail(blow: _Blow) -> list[Act]:
    return [
        blow.act("torn_tail"),
        blow.act("cut_power", "during_write"),
        blow.act("restore_power", at_ms=blow.lasting(10_000, 5 * MINUTE_MS)),
    ]


def _roll_back(blow: _Blow) -> list[Act]:
    return [blow.act("image"), blow.act("roll_back", at_ms=_later(blow))]


def _roll_back_twice(blow: _Blow) -> list[Act]:
    first_ms = blow.lasting(5 * MINUTE_MS, 20 * MINUTE_MS)
    second_ms = min(first_ms + 10 * MINUTE_MS, blow.shape.duration_ms)
    return [
        blow.act("image"),
        blow.act("roll_back", at_ms=first_ms),
        blow.act("roll_back", at_ms=second_ms),
    ]


def _roll_back_dark(blow: _Blow) -> list[Act]:
    """Put the image back where nobody can tell: the station goes on from it, and only later
    hears that there was more."""
    cut_ms = blow.lasting(10_000, 2 * MINUTE_MS)
    until_ms = min(cut_ms + blow.chance.randint(2, 8) * MINUTE_MS, blow.shape.duration_ms)
    return [
        blow.act("image"),
        blow.act("partition", at_ms=cut_ms),
        blow.act("roll_back", at_ms=cut_ms),
        blow.act("heal", at_ms=until_ms),
    ]


def _new_card(blow: _Blow) -> list[Act]:
    return [blow.act("new_card")]


def _clock_back(blow: _Blow) -> list[Act]:
    return [blow.act("clock_jump", -blow.chance.randint(1_000, 2 * _DAY_MS))]


def _clock_1970(blow: _Blow) -> list[Act]:
    return [blow.act("clock_jump", -(WALL_START_MS + blow.at_ms))]


def _clock_2106(blow: _Blow) -> list[Act]:
    return [blow.act("clock_jump", _YEAR_2106_MS - WALL_START_MS - blow.at_ms)]


def _twin(blow: _Blow) -> list[Act]:
    return [blow.act("twin", blow.lasting(MINUTE_MS, 10 * MINUTE_MS) - blow.at_ms)]


def _kill_gateway(blow: _Blow) -> list[Act]:
    step = blow.kind.removeprefix("kill_")
    return [blow.act("kill_gateway", step, blow.chance.randint(1_000, 5 * MINUTE_MS))]


def _restore_backup(blow: _Blow) -> list[Act]:
    return [blow.act("backup"), blow.act("restore_backup", at_ms=_later(blow))]


def _poison(blow: _Blow) -> list[Act]:
    return [blow.act("poison", blow.chance.choice(POISONS))]


def _choke(blow: _Blow) -> list[Act]:
    return [blow.act("poison", CHOKING)]


def _deaf(blow: _Blow) -> list[Act]:
    return [blow.act("deaf")]


def _replay(blow: _Blow) -> list[Act]:
    return [Act(blow.at_ms, BROKER, "replay", (blow.who,))]


def _disk_full(blow: _Blow) -> list[Act]:
    until_ms = blow.lasting(MINUTE_MS, 10 * MINUTE_MS)
    return [blow.act("disk_full"), blow.act("disk_free", at_ms=until_ms)]


def _slow_consumer(blow: _Blow) -> list[Act]:
    until_ms = blow.lasting(MINUTE_MS, 15 * MINUTE_MS)
    taken_ms = blow.chance.choice((500, 2_000, 10_000))
    return [blow.act("slow_consumer", taken_ms), blow.act("fast_consumer", at_ms=until_ms)]


def _old_version(blow: _Blow) -> list[Act]:
    return [blow.act("old_version")]


def _tag_stays(blow: _Blow) -> list[Act]:
    return [blow.act("tag_stays")]


def _later(blow: _Blow) -> int:
    """Return when a copy is put back; a plan with a theme has little time."""
    part = 6 if blow.shape.theme else 1
    return blow.lasting(5 * MINUTE_MS // part, 30 * MINUTE_MS // part)


_MAKERS: dict[str, Callable[[_Blow], list[Act]]] = {
    "broker_restart": _broker_restart,
    "broker_overflow": _broker_overflow,
    "partition": _partition,
    "site_partition": _partition,
    "dark": _dark,
    "swizzle": _swizzle,
    "power_cut": _power_cut,
    "torn_tail": _torn_tail,
    "roll_back": _roll_back,
    "roll_back_twice": _roll_back_twice,
    "roll_back_dark": _roll_back_dark,
    "new_card": _new_card,
    "clock_back": _clock_back,
    "clock_1970": _clock_1970,
    "clock_2106": _clock_2106,
    "twin": _twin,
    "kill_before_commit": _kill_gateway,
    "kill_after_commit": _kill_gateway,
    "kill_after_ack": _kill_gateway,
    "restore_backup": _restore_backup,
    "poison": _poison,
    "choke": _choke,
    "disk_full": _disk_full,
    "slow_consumer": _slow_consumer,
    "deaf": _deaf,
    "replay": _replay,
    "old_version": _old_version,
    "tag_stays": _tag_stays,
}
