"""From a seed to a plan: what people do and what fate does, as pure data.

The same seed and shape give the same plan on every machine. What a plan is made of stands in
`acts.py`, the table of faults in `faults.py`.
"""

from sim.fleet.acts import SHAPES, SOAK, Act, Place, Plan, Rate, Shape, from_json, to_json
from sim.fleet.days import days
from sim.fleet.fates import fates
from sim.fleet.faults import FAULTS, KINDS, Fault

__all__ = [
    "FAULTS",
    "KINDS",
    "SHAPES",
    "SOAK",
    "Act",
    "Fault",
    "Place",
    "Plan",
    "Rate",
    "Shape",
    "from_json",
    "make_plan",
    "to_json",
]


def make_plan(seed: int, shape: Shape = SOAK) -> Plan:
    """Return what happens to a fleet of this shape in the run of this number."""
    blows, rates = fates(seed, shape)
    empty = Plan(seed, shape, (), tuple(sorted(rates, key=lambda rate: rate.from_ms)))
    return empty.with_acts([*days(seed, shape), *blows])
