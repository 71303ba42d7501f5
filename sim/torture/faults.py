"""What happens in a storm, and when: made from a seed before anything starts.

Faults begin and end when so many facts have been committed, not by the clock: a slow machine
plays the same storm as a fast one, later. What the programs make of it is theirs: the order of
packets and threads is real, so a seed repeats the storm and not each byte.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass

STATION, GATEWAY, BROKER, CABLES, CABLE = "station", "gateway", "broker", "cables", "cable"

FIRST, LAST = 0.02, 0.90  # the parts of all facts between which faults begin
ENDED = 0.95  # everything is mended when this part is committed
LENGTHS = (0.3, 1.5)  # of a fault that has a length, in distances from one fault to the next
GATEWAY_SHARE = 0.15  # of the faults of a cable that meet the gateway's


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault: what it meets, how often beside the others, and what it is."""

    meets: str
    weight: int
    text: str
    has_length: bool = True


KINDS: Mapping[str, Kind] = {
    "drop": Kind(CABLE, 4, "connections are reset", has_length=False),
    "cut": Kind(CABLE, 3, "connections are reset, and new ones refused"),
    "stall": Kind(CABLE, 3, "nothing passes, and nothing says so"),
    "slow": Kind(CABLE, 3, "a few kilobytes a second pass"),
    "deaf": Kind(CABLE, 2, "half open: the broker's end is gone, and later a reset tells so"),
    "ghost": Kind(CABLE, 2, "half open: the broker keeps an end that nobody is at"),
    "forgotten": Kind(STATION, 1, "half open, and nobody ever tells", has_length=False),
    "kill_station": Kind(STATION, 5, "kill -9 of a station"),
    "kill_gateway": Kind(GATEWAY, 2, "kill -9 of the gateway"),
    "kill_broker": Kind(BROKER, 2, "kill -9 of the broker"),
    "kill_cables": Kind(CABLES, 1, "kill -9 of every cable at once"),
}


@dataclass(frozen=True, slots=True)
class Storm:
    """How much of everything.

    facts: that all stations write together, beside the hourly clock facts. facts_per_s: of all
    stations together. faults: at least one of each kind.
    """

    seed: int
    facts: int
    stations: int
    facts_per_s: int
    faults: int

    @property
    def names(self) -> tuple[str, ...]:
        """The stations."""
        return tuple(f"kiosk-{number}" for number in range(1, self.stations + 1))

    @property
    def gap(self) -> float:
        """How many facts are written from one fault to the next."""
        return (LAST - FIRST) * self.facts / self.faults

    @property
    def share(self) -> int:
        """How many facts one station writes."""
        return -(-self.facts // self.stations)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: begins and ends when so many facts have been committed by all together."""

    kind: str
    target: str
    from_facts: int
    until_facts: int


def make_faults(storm: Storm) -> list[Fault]:
    """Return the storm's faults in the order of their beginnings; nothing has two at a time.

    Raises ValueError if there is no room for one of each kind.
    """
    if storm.faults < len(KINDS):
        raise ValueError(f"{storm.faults} faults cannot be one of each of {len(KINDS)} kinds")
    chance = random.Random(f"{storm.seed} faults")
    kinds = list(KINDS)
    chance.shuffle(kinds)
    weights = [kind.weight for kind in KINDS.values()]
    kinds += chance.choices(list(KINDS), weights, k=storm.faults - len(kinds))
    gap = storm.gap
    free_at: dict[str, int] = {}
    faults = []
    for number, kind in enumerate(kinds):
        at = round(FIRST * storm.facts + gap * (number + chance.random()))
        faults.append(_fault(kind, at, storm, chance, free_at))
    return sorted(faults, key=lambda fault: fault.from_facts)


def _fault(
    kind: str, at: int, storm: Storm, chance: random.Random, free_at: dict[str, int]
) -> Fault:
    """Return a fault that begins when its target has none any more."""
    target = _target(kind, storm, chance)
    # A line of a dead proxy is no line: its process dies when every line is mended.
    others = free_at if target == CABLES else (target, CABLES)
    at = max(at, *(free_at.get(other, 0) for other in others), 0)
    length = round(chance.uniform(*LENGTHS) * storm.gap) if KINDS[kind].has_length else 0
    until = min(at + length, round(ENDED * storm.facts))
    free_at[target] = until
    return Fault(kind, target, at, until)


def _target(kind: str, storm: Storm, chance: random.Random) -> str:
    """Return whom it meets: a program's name, or for a cable the name of whom it serves."""
    meets = KINDS[kind].meets
    if meets == STATION:
        return chance.choice(storm.names)
    if meets == CABLE:
        is_gateways = chance.random() < GATEWAY_SHARE
        return f"{CABLE} {GATEWAY if is_gateways else chance.choice(storm.names)}"
    return meets
