"""The detection loop: devices in, machine, devices out. It never waits for anything else.

Laws:
- What comes from the network comes through `tell`, a bounded queue; what goes out goes through
  `outbox`, which must return at once.
- One turn reads every beam and antenna, and carries out what the machine says before it ends:
  a tag and a beam that a turn has seen are answered by the siren in that same turn.
- A device that fails is reported in `health` and tried again; it stops nothing else.
"""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable
from typing import Any

from circulation.patrons import card_key
from firmware.gate import commands, events
from firmware.gate.debounce import Debounce
from firmware.gate.errors import EventInvalid
from firmware.gate.machine import GateMachine
from firmware.pi.devices import GateDevices, LaneDevices
from firmware.pi.face import Face
from hardware.errors import HardwareError, TagError
from hardware.ports import Clock, Edge, Input, Output, TagReader

TURN_MS = 20
TOLD_MAX = 4_096
TOLD_PER_TURN_MAX = 64
SECURITY_AGAIN_MS = 1_000  # a tag's security is read again this often while it stays
SECURITIES_MAX = 512
READS_PER_TURN_MAX = 16
DEVICE_AGAIN_MS = 500
BUTTON_DEBOUNCE_MS = 30
CARD_AGAIN_MS = 3_000
CARDS_EVERY_MS = 200
"""A hand holds a card longer than that; asking at every turn would keep a core busy."""

FACE_EVERY_MS = 1_000

_log = logging.getLogger(__name__)


class DetectionLoop:
    """Call `turn` as often as possible; one thread only, but `tell` from any."""

    def __init__(
        self,
        machine: GateMachine,
        devices: GateDevices,
        *,
        clock: Clock,
        outbox: Callable[[Any, int], None],
        staff_cards: frozenset[str] = frozenset(),
        card_key: bytes = bytes(16),
    ) -> None:
        """outbox is given every command that is not for a device here, and when it was made."""
        self.machine = machine
        self.reader_errors = 0
        self.dropped = 0
        self._devices = devices
        self._clock = clock
        self._outbox = outbox
        self._staff_cards = staff_cards
        self._card_key = card_key
        self._told: queue.Queue[Any] = queue.Queue(TOLD_MAX)
        self._faults: dict[str, str] = {}
        self._felt: dict[str, str] = {}
        self._unswitched: dict[str, tuple[Output, bool]] = {}
        self._again_ms: dict[str, int] = {}
        self._securities: dict[str, tuple[str, int]] = {}
        self._button = Debounce(BUTTON_DEBOUNCE_MS)
        self._card_ms: int | None = None
        self._face_ms: int | None = None
        self._shown = ""  # the list's state on the last face

    def tell(self, event: Any) -> bool:
        """Hand an event in from another thread; False if there is no room, it is then lost."""
        try:
            self._told.put_nowait(event)
        except queue.Full:
            self.dropped += 1
            return False
        return True

    def turn(self) -> None:
        """Sense, decide and act once."""
        for _ in range(TOLD_PER_TURN_MAX):
            try:
                self._give(self._told.get_nowait())
            except queue.Empty:
                break
        for edge in self._edges():
            self._give(edge)
        self._press()
        for name, lane in self._devices.lanes.items():
            self._read_lane(name, lane)
        self._read_cards()
        now_ms = self._clock.now_ms()
        self._carry_out(self.machine.tick(now_ms), now_ms)
        is_due = self._face_ms is None or now_ms - self._face_ms >= FACE_EVERY_MS
        if is_due:
            self._face_ms = now_ms
            self._look_after()
        if is_due or self.machine.list_state(now_ms) != self._shown:
            face = self.face()
            self._shown = face.list_state
            self._outbox(face, now_ms)

    def _look_after(self) -> None:
        """Ask every device how it is; switch again what could not be switched."""
        self._felt = self._devices.health()
        for name, (output, on) in list(self._unswitched.items()):
            self._switch(name, output, on)

    def face(self) -> Face:
        """Return how the gate is now."""
        now_ms = self._clock.now_ms()
        overlay = len(self.machine.holdings.overlay)
        state = self.machine.list_state(now_ms)
        return Face(state, overlay, self.reader_errors, self.health())

    def stop(self) -> None:
        """Switch everything off and hand out what is still to be counted."""
        now_ms = self._clock.now_ms()
        self._carry_out(self.machine.stop(now_ms), now_ms)

    def health(self) -> dict[str, str]:
        """Return what staff should know, by subject; empty when all is well."""
        found = self.machine.health(self._clock.now_ms())
        found.update({name: detail[:120] for name, detail in self._felt.items()})
        found.update(self._faults)
        if self.dropped:
            found["loop"] = f"{self.dropped} messages came faster than they could be taken"
        return found

    def _give(self, event: Any) -> None:
        now_ms = self._clock.now_ms()
        try:
            done = self.machine.receive(event, now_ms)
        except EventInvalid as error:
            _log.warning("refused: %s", error)
            return
        self._carry_out(done, now_ms)

    def _carry_out(self, done: list[Any], now_ms: int) -> None:
        waiting = list(done)
        reads = 0
        while waiting:
            command = waiting.pop(0)
            if type(command) is not commands.ReadContent:
                self._act(command, now_ms)
            elif reads < READS_PER_TURN_MAX:
                reads += 1
                answer = self._content(command)
                waiting += self.machine.receive(answer, self._clock.now_ms())

    def _act(self, command: Any, now_ms: int) -> None:
        if type(command) is commands.SoundSiren:
            self._switch("siren", self._devices.siren, True)
        elif type(command) is commands.StopSiren:
            self._switch("siren", self._devices.siren, False)
        elif type(command) is commands.SetLamp:
            red = command.colour == commands.RED
            lamp = self._devices.lamp_red if red else self._devices.lamp_amber
            self._switch(f"lamp {command.colour}", lamp, command.on)
        else:
            self._outbox(command, now_ms)

    def _switch(self, name: str, output: Output, on: bool) -> None:
        try:
            output.on() if on else output.off()
            self._faults.pop(name, None)
            self._unswitched.pop(name, None)
        except HardwareError as error:
            self._faults[name] = str(error)[:120]
            self._unswitched[name] = (output, on)

    def _edges(self) -> list[events.BeamEdge]:
        found = []
        for name, lane in self._devices.lanes.items():
            beams = ((events.INNER, lane.beam_inner), (events.OUTER, lane.beam_outer))
            for beam, pin in beams[: lane.beams]:
                told = self._told_by(f"{name} {beam}", pin)
                found += [events.BeamEdge(name, beam, edge.level, edge.at_ms) for edge in told]
        return sorted(found, key=lambda edge: int(edge.at_ms))

    def _told_by(self, name: str, pin: Input | None) -> list[Edge]:
        """Return the edges of a pin; one that cannot be read is told, and tried again."""
        if pin is None:
            return []
        try:
            edges = pin.edges()
        except HardwareError as error:
            self._faults[name] = str(error)[:120]
            return []
        self._faults.pop(name, None)
        return edges

    def _press(self) -> None:
        levels = []
        for edge in self._told_by("button", self._devices.button):
            levels.append((self._button.edge(edge.level, edge.at_ms), self._button.level))
        levels.append((self._button.settle(self._clock.now_ms()), self._button.level))
        if any(since_ms is not None and level for since_ms, level in levels):
            self._give(events.ButtonPressed())

    def _read_lane(self, name: str, lane: LaneDevices) -> None:
        uids = self._inventory(name, lane.antenna)
        if uids:
            reads = [self._tag(lane.antenna, uid) for uid in uids if not self._is_staff(uid)]
            self._give(events.TagsRead(name, [read for read in reads if read is not None]))

    def _inventory(self, name: str, reader: TagReader) -> tuple[str, ...]:
        now_ms = self._clock.now_ms()
        if now_ms < self._again_ms.get(name, now_ms):
            return ()
        try:
            found = reader.inventory()
        except HardwareError as error:
            self.reader_errors += 1
            self._faults[name] = str(error)[:120]
            self._again_ms[name] = now_ms + DEVICE_AGAIN_MS
            return ()
        self._faults.pop(name, None)
        return found.uids

    def _tag(self, reader: TagReader, uid: str) -> events.TagRead | None:
        now_ms = self._clock.now_ms()
        known, read_ms = self._securities.get(uid, ("", 0))
        if not known or now_ms - read_ms >= SECURITY_AGAIN_MS:
            try:
                known = reader.get_security(uid).value
            except TagError:
                return None  # gone again; if it passed, another turn has read it
            except HardwareError:
                self.reader_errors += 1
                return None
            if len(self._securities) >= SECURITIES_MAX:
                self._securities.clear()
            self._securities[uid] = (known, now_ms)
        return events.TagRead(uid, known, None, None)

    def _content(self, command: commands.ReadContent) -> events.ContentRead:
        lane, uid = command.lane, command.uid
        try:
            content = self._devices.lanes[lane].antenna.read_content(uid)
        except TagError:
            return events.ContentRead(lane, uid, False, None, None)
        except HardwareError:
            self.reader_errors += 1
            return events.ContentRead(lane, uid, False, None, None)
        if content is None:
            return events.ContentRead(lane, uid, True, None, None)
        return events.ContentRead(lane, uid, True, content.pii, content.owner)

    def _read_cards(self) -> None:
        spot, now_ms = self._devices.card_reader, self._clock.now_ms()
        if spot is None or not self._staff_cards or now_ms < self._again_ms.get("cards", now_ms):
            return
        self._again_ms["cards"] = now_ms
        for uid in self._inventory("cards", spot):
            self._is_staff(uid)
        self._again_ms["cards"] = max(self._again_ms["cards"], now_ms + CARDS_EVERY_MS)

    def _is_staff(self, uid: str) -> bool:
        if not self._staff_cards or card_key(self._card_key, uid) not in self._staff_cards:
            return False
        now_ms = self._clock.now_ms()
        is_new = self._card_ms is None or now_ms - self._card_ms >= CARD_AGAIN_MS
        self._card_ms = now_ms
        if is_new:
            self._give(events.StaffCard())
        return True
