"""The furniture of a simulated library: books, cards, kiosks and gates, each with its devices."""

from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from hardware.ports import ISO15693, NTAG, Clock
from sim.devices import Settle, SimPrinter, SimReader, SimScanner
from sim.mfrc522.breakout import SimBreakout
from sim.pi.paper import SimPaperPrinter
from sim.pins import SimInput, SimOutput
from sim.serial.pad_3m import SimPad3M
from sim.serial.pad_feig import SimPadFeig
from sim.serial.scanner import SimSerialScanner
from sim.tags import SimTag

SIREN_ON_MS_MAX = 30_000
LAMP_ON_MS_MAX = 600_000
SIGNAL_ON_MS_MAX = 10_000

WiredAntenna = SimPad3M | SimPadFeig | SimBreakout
WiredDevice = WiredAntenna | SimSerialScanner | SimPaperPrinter
"""Devices that end in a cable: whoever asks them needs a driver."""

Device = SimReader | SimScanner | SimPrinter | SimInput | SimOutput | WiredDevice


@dataclass(slots=True)
class SimThing:
    """A book or a card: what a hand can carry. `key` is the number on its label."""

    key: str
    kind: str
    title: str
    author: str
    tag: SimTag | None
    place: str
    home: str
    shelf_mark: str = ""


@dataclass(frozen=True)
class Circuit:
    """What every device of one world shares: its clock, its lock, and how it catches up."""

    clock: Clock
    lock: AbstractContextManager[object]
    settle: Settle


@dataclass
class SimKiosk:
    """A kiosk's devices: a pad for books, a spot for cards, a scanner, a printer, two signals."""

    station: str
    label: str
    circuit: Circuit
    pad: SimReader = field(init=False)
    card_reader: SimReader = field(init=False)
    scanner: SimScanner = field(init=False)
    printer: SimPrinter = field(init=False)
    sound_ok: SimOutput = field(init=False)
    sound_problem: SimOutput = field(init=False)

    def __post_init__(self) -> None:
        self.pad = self._reader("pad", (ISO15693,))
        self.card_reader = self._reader("card", (NTAG,))
        self.scanner = SimScanner(name=f"{self.station}/scanner", settle=self.circuit.settle)
        self.printer = SimPrinter(name=f"{self.station}/printer")
        self.sound_ok = self._signal("sound_ok")
        self.sound_problem = self._signal("sound_problem")

    def devices(self) -> dict[str, Device]:
        """Return the devices by their full names."""
        parts = (
            self.pad,
            self.card_reader,
            self.scanner,
            self.printer,
            self.sound_ok,
            self.sound_problem,
        )
        return {device.name: device for device in parts}

    def _reader(self, name: str, technologies: tuple[str, ...]) -> SimReader:
        circuit = self.circuit
        return SimReader(
            circuit.clock,
            name=f"{self.station}/{name}",
            technologies=technologies,
            settle=circuit.settle,
            lock=circuit.lock,
        )

    def _signal(self, name: str) -> SimOutput:
        return SimOutput(
            self.circuit.clock, name=f"{self.station}/{name}", max_on_ms=SIGNAL_ON_MS_MAX
        )


@dataclass
class WiredKiosk:
    """A kiosk whose pad, card spot and scanner end in cables, for the drivers of real ones.

    Pad (a 3M 810), scanner and receipt printer are each for a `TcpCable`; the card spot is an
    RC522 on SPI. The signals are those of every simulated kiosk.
    """

    station: str
    label: str
    circuit: Circuit
    pad: SimPad3M = field(init=False)
    card_reader: SimBreakout = field(init=False)
    scanner: SimSerialScanner = field(init=False)
    printer: SimPaperPrinter = field(init=False)
    sound_ok: SimOutput = field(init=False)
    sound_problem: SimOutput = field(init=False)

    def __post_init__(self) -> None:
        circuit, station = self.circuit, self.station
        self.pad = SimPad3M(
            circuit.clock, name=f"{station}/pad", settle=circuit.settle, lock=circuit.lock
        )
        self.card_reader = SimBreakout(circuit.clock, name=f"{station}/card")
        self.scanner = SimSerialScanner(circuit.clock, name=f"{station}/scanner")
        self.printer = SimPaperPrinter(circuit.clock, name=f"{station}/printer")
        self.sound_ok, self.sound_problem = (
            SimOutput(circuit.clock, name=f"{station}/{signal}", max_on_ms=SIGNAL_ON_MS_MAX)
            for signal in ("sound_ok", "sound_problem")
        )

    def devices(self) -> dict[str, Device]:
        """Return the devices by their full names."""
        parts: tuple[Device, ...] = (
            self.pad,
            self.card_reader,
            self.scanner,
            self.printer,
            self.sound_ok,
            self.sound_problem,
        )
        return {device.name: device for device in parts}


@dataclass
class SimLane:
    """One way through a gate: an antenna between two light beams."""

    antenna: SimReader | WiredAntenna
    beam_inner: SimInput
    beam_outer: SimInput
    walking: str | None = None
    carried: tuple[str, ...] = ()


@dataclass
class SimGate:
    """A gate's devices: its lanes, a siren, two lamps and the guard's button.

    wired: its antennas end in cables, for the drivers of real ones; driver says of which kind:
    `pad_3m`, `pad_feig`, or `rc522` on SPI.
    """

    station: str
    label: str
    lane_names: tuple[str, ...]
    circuit: Circuit
    wired: bool = False
    driver: str = "pad_3m"
    lanes: dict[str, SimLane] = field(init=False)
    siren: SimOutput = field(init=False)
    lamp_red: SimOutput = field(init=False)
    lamp_amber: SimOutput = field(init=False)
    button: SimInput = field(init=False)

    def __post_init__(self) -> None:
        self.lanes = {name: self._lane(name) for name in self.lane_names}
        self.siren = self._output("siren", SIREN_ON_MS_MAX)
        self.lamp_red = self._output("lamp_red", LAMP_ON_MS_MAX)
        self.lamp_amber = self._output("lamp_amber", LAMP_ON_MS_MAX)
        self.button = self._input("button")

    def devices(self) -> dict[str, Device]:
        """Return the devices by their full names."""
        parts: list[Device] = [self.siren, self.lamp_red, self.lamp_amber, self.button]
        for lane in self.lanes.values():
            parts += [lane.antenna, lane.beam_inner, lane.beam_outer]
        return {device.name: device for device in parts}

    def _lane(self, name: str) -> SimLane:
        antenna = self._antenna(f"{self.station}/{name}/antenna")
        inner, outer = self._input(f"{name}/beam_inner"), self._input(f"{name}/beam_outer")
        return SimLane(antenna, inner, outer)

    def _antenna(self, name: str) -> SimReader | WiredAntenna:
        circuit = self.circuit
        if self.wired and self.driver == "rc522":
            return SimBreakout(circuit.clock, name=name)
        pad = SimPadFeig if self.driver == "pad_feig" else SimPad3M
        make = pad if self.wired else SimReader
        return make(circuit.clock, name=name, settle=circuit.settle, lock=circuit.lock)

    def _input(self, name: str) -> SimInput:
        return SimInput(
            self.circuit.clock, name=f"{self.station}/{name}", settle=self.circuit.settle
        )

    def _output(self, name: str, max_on_ms: int) -> SimOutput:
        return SimOutput(self.circuit.clock, name=f"{self.station}/{name}", max_on_ms=max_on_ms)
