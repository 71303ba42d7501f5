"""A pad on the table for a test: its simulated self, the driver at it, and time to pass."""

import itertools
from dataclasses import dataclass, field

from hardware.chips.tag_data import new_content
from hardware.ports import Security
from hardware.readers.serial_pad import Pad3m, PadFeig, PadOptions
from hardware.serial_line import SerialLine
from sim.clock import VirtualClock
from sim.serial import url
from sim.serial.pad_3m import SimPad3M
from sim.serial.pad_feig import SimPadFeig
from sim.tags import SimTag

MAKERS = {"3m": (SimPad3M, Pad3m), "feig": (SimPadFeig, PadFeig)}
_NAMES = (f"table-{number}" for number in itertools.count())

BOOK = "e004010000000001"
NEIGHBOUR = "e004010000000002"
CONTENT = new_content("30000000001", "DE-715")
OTHER_CONTENT = new_content("30000000002", "DE-715")


@dataclass
class Table:
    """One maker's pad; `reader` is the driver, `pad` the device it talks to."""

    maker: str
    options: PadOptions = field(default_factory=PadOptions)
    open_port: object = None
    afis: dict = field(default_factory=dict)
    pad_options: dict = field(default_factory=dict)
    pad_type: type | None = None

    def __post_init__(self):
        pad_type, reader_type = MAKERS[self.maker]
        pad_type = self.pad_type or pad_type
        self.clock = VirtualClock(now_ms=1_000)
        self.name = next(_NAMES)
        self.pad = pad_type(self.clock, name="pad", **self.pad_options)
        self.line = SerialLine(
            url.plug(self.name, self.pad),
            baudrate=self.pad.settings.baudrate,
            parity=self.pad.settings.parity,
            clock=self.clock,
            open_port=self.open_port,
        )
        self.reader = reader_type(
            self.line, self.clock, name="pad", options=self.options, **self.afis
        )

    def place(self, uid=BOOK, content=CONTENT, security=Security.IN_STOCK, **tag):
        """Put a tag on the pad and return it."""
        placed = SimTag(uid, content=content, security=security, **tag)
        self.pad.place(placed)
        return placed

    def asked(self):
        """Return the questions the device has heard so far, in words."""
        return [frame.words for frame in self.pad.history if not frame.to_host]
