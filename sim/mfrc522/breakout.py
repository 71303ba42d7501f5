"""The little board an MFRC522 is sold on: chip, antenna and the plug of its ribbon cable.

It stands in a `World` as a pad does: a hand lays tags on it, somebody pulls its plug, and people
look at what went over its bus.
"""

from hardware.ports import Clock
from sim.faults import OFF, Faulty
from sim.mfrc522.chip import SimMfrc522, Transfer
from sim.tags import SimTag


class SimBreakout(Faulty):
    """An RC522 board with its antenna. Faults: off, the ribbon cable is pulled."""

    faults_known = frozenset((OFF,))

    def __init__(self, clock: Clock, *, name: str = "rc522") -> None:
        super().__init__(name)
        self.chip = SimMfrc522(clock)

    def place(self, tag: SimTag) -> None:
        """Lay a tag on the antenna."""
        self.chip.field.put(tag)

    def lift(self, uid: str) -> None:
        """Take a tag off the antenna."""
        self.chip.field.take(uid)

    def transfers(self) -> list[Transfer]:
        """Return the last exchanges on the bus, oldest first."""
        with self.chip.field.lock:
            return list(self.chip.history)

    def _on_fault(self) -> None:
        self.chip.power(self.fault != OFF)
