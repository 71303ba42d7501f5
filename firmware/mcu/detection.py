"""The detection half of a turn: beams and antennas in, the machine, siren and lamps out.

Laws:
- One turn looks at every beam and antenna and carries out what the machine says before it ends:
  a tag and a beam that a turn has seen are answered by the siren in that same turn.
- Nothing here knows that there is a network. What the machine says to others goes to `outbox`
  after siren and lamps were switched.
- A device that fails is named in `health` and stops nothing else.
"""

from binascii import hexlify

from circulation.wire.mac import hmac_sha256
from firmware.gate import commands, events
from firmware.gate.debounce import Debounce
from firmware.gate.errors import EventInvalid
from firmware.mcu.antennas import ChipAntenna, SerialAntenna
from firmware.mcu.config import PAD_3M, RC522
from firmware.mcu.drivers import LAMP_MAX_ON_MS, NOBODY, StatusLamp
from firmware.mcu.languages import Language3m, LanguageFeig
from hardware.chips.rc522 import Rc522

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from firmware.gate.machine import GateMachine
    from firmware.mcu.clock import Ticks
    from firmware.mcu.config import Config
    from firmware.mcu.drivers import Wiring

BUTTON_DEBOUNCE_MS = 30
CARD_AGAIN_MS = 3_000
CARDS_EVERY_MS = 200
CARDS_KNOWN_MAX = 64
QUIET_MS = 2_000
"""Nobody passes if neither a beam nor a tag was seen for so long."""

BEAMS = (events.INNER, events.OUTER)


class Lane:
    """One way through the gate: its antenna, and the inputs of its beams, the inner one first."""

    def __init__(self, name: str, antenna: "Any", beams: "list[Any]") -> None:
        """beams: none, one or two."""
        self.name = name
        self.antenna = antenna
        self.beams = beams


class Devices:
    """Everything the gate senses and shows."""

    def __init__(
        self, config: "Config", wiring: "Wiring", ticks: "Ticks", sleep_ms: "Any"
    ) -> None:
        """Open what the configuration names; raise ValueError if the board has no such place."""
        gate = config.machine()
        self.siren = wiring.output("siren", gate.siren_max_on_ms)
        self.lamp_red = wiring.output("lamp_red", LAMP_MAX_ON_MS)
        self.lamp_amber = wiring.output("lamp_amber", LAMP_MAX_ON_MS)
        self.status = StatusLamp(wiring.output("status", LAMP_MAX_ON_MS))
        self.button = wiring.input("button", 0)
        self._sleep_ms = sleep_ms
        self._ticks = ticks
        self.lanes = [self._lane(lane, wiring) for lane in config.lanes]
        self.cards = None
        if config.cards is not None:
            chip = self._chip(config.cards.port, wiring)
            self.cards = ChipAntenna("cards", chip, CARDS_EVERY_MS)

    def tick(self, now_ms: int) -> None:
        """Enforce the longest times on."""
        self.siren.tick(now_ms)
        self.lamp_red.tick(now_ms)
        self.lamp_amber.tick(now_ms)
        self.status.tick(now_ms)

    def quiet(self) -> None:
        """Switch siren and lamps off."""
        self.siren.off()
        self.lamp_red.off()
        self.lamp_amber.off()

    def _lane(self, lane: "Any", wiring: "Wiring") -> Lane:
        beams = [wiring.input(name, lane.broken_level) for name in lane.beams]
        if lane.driver == RC522:
            antenna: Any = ChipAntenna(lane.name, self._chip(lane.port, wiring))
        else:
            language = Language3m() if lane.driver == PAD_3M else LanguageFeig(lane.address)
            uart = wiring.uart(lane.port, language.baudrate, language.parity)
            antenna = SerialAntenna(lane.name, uart, language, lane.security_by)
        return Lane(lane.name, antenna, beams)

    def _chip(self, port: str, wiring: "Wiring") -> Rc522:
        return Rc522(wiring.spi(port), self._ticks.now_ms, self._sleep_ms)


class Detection:
    """Call `turn` as often as possible."""

    def __init__(
        self,
        gate: "GateMachine",
        devices: "Any",
        *,
        ticks: "Ticks",
        outbox: "Callable[[Any, int], None]",
        staff_cards: "frozenset[str]" = frozenset(),
        card_key: bytes = bytes(16),
    ) -> None:
        """outbox: is given every command that is not for a device here, and when it was made."""
        self.gate = gate
        self.devices = devices
        self.refused = 0
        self._ticks = ticks
        self._outbox = outbox
        self._staff_cards = staff_cards
        self._card_key = card_key
        self._cards: dict[str, bool] = {}
        self._card_ms: int | None = None
        self._button = Debounce(BUTTON_DEBOUNCE_MS)
        self._antennas = {lane.name: lane.antenna for lane in devices.lanes}
        self._busy_ms: int | None = None

    def turn(self, now_ms: int) -> None:
        """Sense, decide and act once."""
        for edge in self._edges():
            self._busy_ms = now_ms
            self.give(edge)
        self._press()
        for lane in self.devices.lanes:
            lane.antenna.hear(self._ticks.now_ms())
            self._take(lane)
            lane.antenna.ask(self._ticks.now_ms())
        self._read_cards()
        now_ms = self._ticks.now_ms()
        self._carry_out(self.gate.tick(now_ms), now_ms)
        self.devices.tick(now_ms)

    def give(self, event: "Any") -> bool:
        """Give the machine an event and do what it says; False if it makes no sense here."""
        now_ms = self._ticks.now_ms()
        try:
            done = self.gate.receive(event, now_ms)
        except EventInvalid:
            self.refused += 1
            return False
        self._carry_out(done, now_ms)
        return True

    def is_quiet(self, now_ms: int, for_ms: int = QUIET_MS) -> bool:
        """Return whether nobody passes just now, nor has for so long."""
        return self._busy_ms is None or now_ms - self._busy_ms >= for_ms

    def health(self, now_ms: int) -> "dict[str, str]":
        """Return what staff should know, by subject; empty when all is well."""
        found = self.gate.health(now_ms)
        found.update(self.faults())
        if self.refused:
            found["loop"] = f"{self.refused} events made no sense here"
        return found

    def faults(self) -> "dict[str, str]":
        """Return what is wrong with which antenna."""
        antennas = [lane.antenna for lane in self.devices.lanes]
        if self.devices.cards is not None:
            antennas.append(self.devices.cards)
        return {one.name[:32]: one.trouble[:120] for one in antennas if one.trouble}

    def reader_errors(self) -> int:
        """Return how often an antenna failed since the start."""
        cards = self.devices.cards
        errors = 0 if cards is None else cards.errors
        return int(errors + sum([lane.antenna.errors for lane in self.devices.lanes]))

    def stop(self) -> None:
        """Switch everything off and hand out what is still to be counted."""
        now_ms = self._ticks.now_ms()
        self._carry_out(self.gate.stop(now_ms), now_ms)
        self.devices.quiet()

    def _edges(self) -> "Any":
        found: Any = NOBODY
        for lane in self.devices.lanes:
            for beam, pin in zip(BEAMS, lane.beams):  # noqa: B905 (absent on MicroPython)
                edges = pin.take()
                if edges is not NOBODY:
                    told = [events.BeamEdge(lane.name, beam, level, at) for level, at in edges]
                    found = list(found) + told
        return sorted(found, key=_at_ms) if len(found) > 1 else found

    def _press(self) -> None:
        pressed = False
        for level, at_ms in self.devices.button.take():
            if self._button.edge(level, at_ms) is not None:
                pressed = pressed or self._button.level
        if self._button.settle(self._ticks.now_ms()) is not None:
            pressed = pressed or self._button.level
        if pressed:
            self.give(events.ButtonPressed())

    def _take(self, lane: Lane) -> None:
        antenna = lane.antenna
        if antenna.reads:
            self._busy_ms = self._ticks.now_ms()
            self.give(events.TagsRead(lane.name, self._books(antenna.reads)))
        for uid, done, pii, owner in antenna.contents:
            self.give(events.ContentRead(lane.name, uid, done, pii, owner))

    def _books(self, reads: "Any") -> "Any":
        """Return the reads that are of no card of the staff; the same list if there are none."""
        if not self._staff_cards:
            return reads
        return [read for read in reads if not self._is_staff(read.uid)]

    def _read_cards(self) -> None:
        cards = self.devices.cards
        if cards is not None and self._staff_cards:
            cards.hear(self._ticks.now_ms())
            for read in cards.reads:
                self._is_staff(read.uid)

    def _is_staff(self, uid: str) -> bool:
        if not self._staff_cards or not self._is_known(uid):
            return False
        now_ms = self._ticks.now_ms()
        is_new = self._card_ms is None or now_ms - self._card_ms >= CARD_AGAIN_MS
        self._card_ms = now_ms
        if is_new:
            self.give(events.StaffCard())
        return True

    def _is_known(self, uid: str) -> bool:
        """Return whether this is a card of the staff; hashing takes 2 ms, so it is remembered."""
        known = self._cards.get(uid)
        if known is None:
            if len(self._cards) >= CARDS_KNOWN_MAX:
                self._cards = {}
            digest = hexlify(hmac_sha256(self._card_key, uid.encode())[:16]).decode()
            known = self._cards[uid] = digest in self._staff_cards
        return known

    def _carry_out(self, done: "list[Any]", now_ms: int) -> None:
        """Switch what is to be switched, then hand over the rest."""
        for command in done:
            self._act(command, now_ms)
        for command in done:
            if type(command) not in _FOR_DEVICES:
                self._outbox(command, now_ms)

    def _act(self, command: "Any", now_ms: int) -> None:
        kind = type(command)
        if kind is commands.SoundSiren:
            self.devices.siren.on(now_ms)
        elif kind is commands.StopSiren:
            self.devices.siren.off()
        elif kind is commands.SetLamp:
            red = command.colour == commands.RED
            lamp = self.devices.lamp_red if red else self.devices.lamp_amber
            lamp.on(now_ms) if command.on else lamp.off()
        elif kind is commands.ReadContent:
            self._antennas[command.lane].want(command.uid)


_FOR_DEVICES = (
    commands.SoundSiren,
    commands.StopSiren,
    commands.SetLamp,
    commands.ReadContent,
)


def _at_ms(edge: "Any") -> int:
    return int(edge.at_ms)
