"""A reader on a simulated MFRC522, and the hand in front of it."""

from hardware.ports import MIFARE_CLASSIC, NTAG, Security
from hardware.readers.rc522 import Rc522Options, Rc522Reader
from sim.clock import VirtualClock
from sim.mfrc522.chip import SimMfrc522
from sim.tags import SimTag
from tests.contract.reader_contract import ReaderRig

NTAG_UIDS = ("04a1b211223380", "04a1b2c3d4e580")  # one first cascade level
CLASSIC_UIDS = ("deadbeef", "deadbeff")
UNIT = {NTAG: 4, MIFARE_CLASSIC: 16}


class Table:
    """The chip, its clock, and a reader on it; `reader` is the driver, made anew by `restart`."""

    def __init__(self, technology=NTAG, *, options=None, wire=lambda chip: chip, **chip):
        self.clock = VirtualClock()
        self.chip = SimMfrc522(self.clock, **chip)
        self.technology = technology
        self.wire = wire(self.chip)
        self.reader = Rc522Reader(self.wire, self.clock, name="pad", options=options)

    @classmethod
    def with_irq(cls, **options):
        """A table whose chip's IRQ pin is wired."""
        table = cls(**options)
        pin = Rc522Options(irq=lambda: not table.chip.irq_level, reset=table.chip.reset_pin)
        table.reader = Rc522Reader(table.wire, table.clock, name="pad", options=pin)
        return table

    def place(self, uid, content=None, security=Security.NONE, **options):
        """Put a tag into the field: a new one, or one that was there before."""
        tag = content
        if not isinstance(content, SimTag):
            options.setdefault("technology", self.technology)
            tag = SimTag(uid, content=content, security=security, **options)
        self.chip.field.put(tag)
        return tag

    def pull(self, uid, writes):
        """Let the tag leave after so many blocks of four bytes, whole units of its own."""
        unit = UNIT[self.technology]
        self.chip.field.pull(uid, after_written=-(-4 * writes // unit) * unit)

    def weaken(self, uid, writes):
        """Let the next writes do nothing, although the tag acknowledges them."""
        self.chip.field.get(uid).ignore_writes(writes)

    def transfers(self, question):
        """Return how many SPI transfers a question took."""
        before = self.chip.transfers
        question()
        return self.chip.transfers - before

    def rig(self, uids):
        """Return this table as the contract wants it."""
        return ReaderRig(
            self.reader,
            self.place,
            self.chip.field.take,
            self.pull,
            self.weaken,
            lambda: self.chip.power(False),
            lambda: self.chip.power(True),
            *uids,
        )


class Tampered:
    """A bus on which `tamper(number, sent, got)` may change what comes back."""

    def __init__(self, chip):
        self.tamper = lambda number, sent, got: got
        self.number = 0
        self._chip = chip

    def transfer(self, data):
        """See `Bus.transfer`."""
        self.number += 1
        return self.tamper(self.number, data, self._chip.transfer(data))


def fifo_bytes(sent):
    """Return how many bytes of the FIFO a transfer asks for."""
    return len(sent) - 1 if sent[0] == 0x80 | 0x09 << 1 else 0


def elapsed_ms(table, question):
    """Return how long a question takes, in virtual time."""
    before_ms = table.clock.now_ms()
    question()
    return table.clock.now_ms() - before_ms
