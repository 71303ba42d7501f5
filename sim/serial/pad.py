"""What the simulated pads have in common: a serial line on one side, an antenna on the other."""

from contextlib import AbstractContextManager
from typing import Any

from hardware.ports import Clock
from sim.devices import Field, Settle, nothing
from sim.faults import WRONG
from sim.serial.antenna import Antenna
from sim.serial.device import SimSerialDevice
from sim.tags import SimTag


class SimPad(SimSerialDevice):
    """A pad or a gate antenna for ISO 15693 tags; `antenna` holds the tags and the hand's verbs.

    `settle` is called before the field is looked at and `lock`, the world's, is held whenever the
    device works, so that a pad can stand in a `World`. Other options are those of
    `SimSerialDevice`.

    Faults, besides those of every serial device. stuck: the last inventory for ever, nothing
    about any tag. wrong: every uid has its last bit turned, AFI and EAS read as their opposite;
    memory, which carries its own checksum, is read as it is.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        settle: Settle = nothing,
        lock: AbstractContextManager[object] | None = None,
        **line: Any,
    ) -> None:
        super().__init__(clock, **line)
        if lock is not None:  # one lock for both: a pad in a world never waits for the world
            self.lock = lock
        self.antenna = Antenna(settle=settle, lock=self.lock, lying=lambda: self.fault == WRONG)

    @property
    def field(self) -> Field:
        """The tags within reach."""
        return self.antenna.field

    def place(self, tag: SimTag) -> None:
        """See `Antenna.place`."""
        self.antenna.place(tag)

    def lift(self, uid: str) -> None:
        """See `Antenna.lift`."""
        self.antenna.lift(uid)

    def pull(self, uid: str, *, after_writes: int) -> None:
        """See `Antenna.pull`."""
        self.antenna.pull(uid, after_writes=after_writes)

    def weaken(self, share: float, *, seed: int = 0) -> None:
        """See `Antenna.weaken`."""
        self.antenna.weaken(share, seed=seed)

    def _reset(self) -> None:
        self.antenna.reset()
