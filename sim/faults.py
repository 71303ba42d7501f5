"""Faults of devices, in the words of PX4's failure command: off, stuck, garbage, slow.

Each device names the faults it models; asking for another one is an error, because a fault that is
silently ignored proves nothing.
"""

from sim.errors import FaultUnknown

OFF = "off"
STUCK = "stuck"
GARBAGE = "garbage"
SLOW = "slow"

SLOW_MS_DEFAULT = 500


class Faulty:
    """A device that can be made to fail and mended again."""

    faults_known: frozenset[str] = frozenset()

    def __init__(self, name: str) -> None:
        self.name = name
        self.fault: str | None = None
        self._slow_ms = SLOW_MS_DEFAULT

    def fail(self, fault: str, *, slow_ms: int = SLOW_MS_DEFAULT) -> None:
        """Make the device fail that way; raises `FaultUnknown` for a fault it does not model."""
        if fault not in self.faults_known:
            known = ", ".join(sorted(self.faults_known)) or "none"
            raise FaultUnknown(f"{self.name}: unknown fault {fault!r}; it models {known}")
        self.fault = fault
        self._slow_ms = slow_ms

    def mend(self) -> None:
        """Make the device work again."""
        self.fault = None
