"""The little board an MFRC522 is sold on, as it stands in a `World`: a hand lays tags on it."""

from hardware.ports import Clock
from sim.mfrc522.chip import SimMfrc522
from sim.tags import SimTag


class SimBreakout(SimMfrc522):
    """An RC522 board with its antenna and a name; its faults are the chip's."""

    def __init__(self, clock: Clock, *, name: str = "rc522") -> None:
        super().__init__(clock)
        self.name = name

    def place(self, tag: SimTag) -> None:
        """Lay a tag on the antenna."""
        self.field.put(tag)

    def lift(self, uid: str) -> None:
        """Take a tag off the antenna."""
        self.field.take(uid)
