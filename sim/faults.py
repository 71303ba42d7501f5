"""Faults, in the words of PX4's failure command: one vocabulary for everything that fails.

    off           no power and no answer
    stuck         its last state for ever
    garbage       answers nobody can decode
    wrong         answers that are well formed and untrue
    slow          the right answer, `slow_ms` late
    delayed       the answer to the request before: out of step by one
    intermittent  a seeded `share` of its requests fails

Each device names those it models; asking for another one is an error, because a fault that is
silently ignored proves nothing. (PX4: `failure <component> <off|stuck|garbage|wrong|slow|delayed|
intermittent>`, answered with a refusal where a model is missing.) What a word means for one kind
of device is said in that device's docstring. A device may add a word of its own for what only it
can suffer: a printer has `paper_out`.
"""

import random
from typing import Any

from sim.errors import FaultUnknown

OFF = "off"
STUCK = "stuck"
GARBAGE = "garbage"
WRONG = "wrong"
SLOW = "slow"
DELAYED = "delayed"
INTERMITTENT = "intermittent"

FAULTS = (OFF, STUCK, GARBAGE, WRONG, SLOW, DELAYED, INTERMITTENT)

PAPER_OUT = "paper_out"
"""A printer's own word; the vocabulary has none for it."""

SLOW_MS_DEFAULT = 500
SLOW_MS_MAX = 60_000
SHARE_DEFAULT = 0.3
SEED_MAX = 2**32 - 1

OPTIONS_DEFAULT: dict[str, dict[str, int | float]] = {
    SLOW: {"slow_ms": SLOW_MS_DEFAULT},
    INTERMITTENT: {"share": SHARE_DEFAULT, "seed": 0},
}
"""What may be said beside a fault, and what holds if it is not; other faults take nothing."""


def fault_options(fault: str, given: dict[str, Any]) -> dict[str, int | float]:
    """Return the options of a fault, checked and complete.

    `slow_ms` is 1 to 60,000 milliseconds, `share` above 0 and at most 1, `seed` 0 to 2³²-1.
    Raises `FaultUnknown` for an option this fault does not take or a value out of range.
    """
    options = dict(OPTIONS_DEFAULT.get(fault, {}))
    for name, value in given.items():
        if name not in options:
            takes = ", ".join(options) or "none"
            raise FaultUnknown(f"{fault}: unknown option {name!r}; it takes {takes}")
        options[name] = _checked(name, value)
    return options


def _checked(name: str, value: Any) -> int | float:
    kinds = (int, float) if name == "share" else (int,)
    lowest, highest = {"slow_ms": (1, SLOW_MS_MAX), "share": (0, 1), "seed": (0, SEED_MAX)}[name]
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise FaultUnknown(f"{name}: must be a number, not {value!r}")
    if not lowest <= value <= highest or (name == "share" and value == 0):
        above = "above 0" if name == "share" else f"{lowest}"
        raise FaultUnknown(f"{name}: must be {above} to {highest}, not {value}")
    number: int | float = value
    return number


class Faulty:
    """A device that can be made to fail and mended again, one fault at a time.

    A subclass lists what it models in `faults_known` and asks `fault`, `slow_ms` and
    `strikes()` where it answers; `_on_fault` is called after every change.
    """

    faults_known: frozenset[str] = frozenset()

    def __init__(self, name: str) -> None:
        self.name = name
        self.fault: str | None = None
        self.fault_options: dict[str, int | float] = {}
        self._chance = random.Random(0)

    def fail(self, fault: str, **options: Any) -> None:
        """Make the device fail that way, from now on.

        Options: `slow_ms` for slow, `share` and `seed` for intermittent. Raises `FaultUnknown`
        for a fault it does not model and for an option that fault does not take; the device then
        goes on as it was.
        """
        if fault not in self.faults_known:
            raise FaultUnknown(f"{self.name}: unknown fault {fault!r}; it models {self._known()}")
        chosen = fault_options(fault, options)
        self.fault, self.fault_options = fault, chosen
        self._chance = random.Random(chosen.get("seed", 0))
        self._on_fault()

    def mend(self) -> None:
        """Make the device work again."""
        self.fault, self.fault_options = None, {}
        self._on_fault()

    @property
    def slow_ms(self) -> int:
        """How late every answer is, in milliseconds: 0 unless the device is slow."""
        return int(self.fault_options.get("slow_ms", 0)) if self.fault == SLOW else 0

    def strikes(self) -> bool:
        """Return whether an intermittent device fails this request; draws anew at each call."""
        if self.fault != INTERMITTENT:
            return False
        return self._chance.random() < self.fault_options["share"]

    def _on_fault(self) -> None:
        """Take note that `fault` has changed; nothing to do for most devices."""

    def _known(self) -> str:
        """Return the words this device models, in the vocabulary's order and then its own."""
        order = {fault: number for number, fault in enumerate(FAULTS)}
        words = sorted(self.faults_known, key=lambda fault: (order.get(fault, len(order)), fault))
        return ", ".join(words) or "none"
