"""A gate of simulated devices on a table, with the verbs of people walking by."""

from firmware.gate.config import gate_config
from firmware.gate.lists import ExactList
from firmware.gate.machine import GateMachine
from firmware.pi.devices import GateDevices, LaneDevices
from firmware.pi.loop import DetectionLoop
from hardware.chips.tag_data import new_content
from hardware.ports import Security
from sim.clock import VirtualClock
from sim.devices import SimReader, nothing
from sim.pins import SimInput, SimOutput
from sim.tags import SimTag

UID = "e004010000000001"
SITE_KEY = bytes(range(16))
LINEAGE = "00000000000000aa"


def content(pii="30001", owner="DE1"):
    return new_content(pii, owner)


def book(uid=UID, security=Security.IN_STOCK, owner="DE1"):
    return SimTag(uid, content=content(owner=owner), security=security)


class Bench:
    """One lane with two beams, a siren, two lamps, a button and a spot for cards."""

    def __init__(self, clock=None, *, looked=nothing):
        """looked: called whenever the antenna looks around itself."""
        self.clock = clock or VirtualClock()
        self.antenna = SimReader(self.clock, name="antenna", settle=looked)
        self.inner = SimInput(self.clock, name="inner")
        self.outer = SimInput(self.clock, name="outer")
        self.siren = SimOutput(self.clock, name="siren", max_on_ms=30_000)
        self.red = SimOutput(self.clock, name="red", max_on_ms=600_000)
        self.amber = SimOutput(self.clock, name="amber", max_on_ms=3_600_000)
        self.button = SimInput(self.clock, name="button")
        self.cards = SimReader(self.clock, name="cards")
        lane = LaneDevices(self.antenna, self.inner, self.outer)
        self.devices = GateDevices(
            {"lane-1": lane}, self.siren, self.red, self.amber, self.button, self.cards
        )

    def loop(self, outbox, **more):
        """Return a detection loop over these devices with an empty list."""
        numbers = iter(range(1, 1_000_000))
        config = gate_config("gate-1", [("lane-1", 2)], ["DE-1"])
        machine = GateMachine(config, SITE_KEY, lambda: f"{next(numbers):016x}")
        machine.holdings.load(ExactList(LINEAGE, 1))
        return DetectionLoop(
            machine,
            self.devices,
            clock=self.clock,
            outbox=lambda item, _: outbox.append(item),
            **more,
        )

    def pass_beam(self, beam, lasting_ms=260):
        """Break a beam, as of now, and clear it after that long."""
        now_ms = self.clock.now_ms()
        beam.drive(True, now_ms)
        beam.drive(False, now_ms + lasting_ms)
