"""A gate from its configuration to its siren, on a simulated Pi and pads below pyserial."""

import threading

import pytest

from circulation.config import Section
from firmware.gate.config import gate_config
from firmware.gate.lists import ExactList
from firmware.gate.machine import GateMachine
from firmware.pi.devices import open_devices
from firmware.pi.errors import DevicesUnavailable
from firmware.pi.loop import DetectionLoop
from hardware.attendant import Patience
from sim.clock import VirtualClock
from sim.devices import SimReader
from sim.pi.board import SimPi
from sim.serial import url
from sim.serial.pad_3m import SimPad3M
from tests.firmware.pi.bench import LINEAGE, SITE_KEY, book

PORT = "sim://gate-antenna"
SIREN, RED, INNER, OUTER, BUTTON = 17, 27, 5, 6, 13
PINS = {
    "siren": {"driver": "gpio", "gpio": SIREN, "max_on_ms": 30_000},
    "lamp_red": {"driver": "gpio", "gpio": RED, "max_on_ms": 600_000},
    "button": {"driver": "gpio", "gpio": BUTTON},
}
BEAMS = {
    "beam_inner": {"driver": "gpio", "gpio": INNER},
    "beam_outer": {"driver": "gpio", "gpio": OUTER},
}


@pytest.fixture
def pi():
    with SimPi(VirtualClock(1_000)).installed() as board:
        yield board


@pytest.fixture
def antenna(pi):
    """A gate's antenna on a cable."""
    device = SimPad3M(pi.clock)
    url.plug("gate-antenna", device)
    yield device
    url.remove("gate-antenna")


class Gate:
    """A gate made of its configuration, its loop turned by hand."""

    def __init__(self, pi, lanes, *, patience=None):
        self.pi, self.clock, self.outbox = pi, pi.clock, []
        section = Section(PINS | {"lanes": lanes}, file="gate.toml")
        self.devices = open_devices(section, self.clock, patience=patience)
        section.close()
        beams = [(name, lane.beams) for name, lane in self.devices.lanes.items()]
        numbers = iter(range(1, 1_000_000))
        config = gate_config("gate-1", beams, ["DE-1"])
        machine = GateMachine(config, SITE_KEY, lambda: f"{next(numbers):016x}")
        machine.holdings.load(ExactList(LINEAGE, 1))
        self.loop = DetectionLoop(
            machine,
            self.devices,
            clock=self.clock,
            outbox=lambda item, _: self.outbox.append(item),
        )

    def run(self, ms, *, until=lambda: False):
        """Turn as the program does; return after how many milliseconds something was so."""
        began_ms = self.clock.now_ms()
        while (spent_ms := self.clock.now_ms() - began_ms) < ms and not until():
            self.loop.turn()
            self.clock.advance(20)
        return spent_ms

    def rings(self):
        """Whether there is a voltage at the siren."""
        return self.pi.line(SIREN).level

    def walk_out(self):
        """Break the inner beam, then the outer one, and leave both."""
        for gpio in (INNER, OUTER):
            self.pi.line(gpio).drive(False)
            self.run(100)
        for gpio in (INNER, OUTER):
            self.pi.line(gpio).drive(True)

    def shown(self):
        """What the gate's face said last is wrong."""
        return [item for item in self.outbox if type(item).__name__ == "Face"][-1].health


def wired(antenna):
    return {"lane-1": {"antenna": {"driver": "pad_3m", "port": PORT}} | BEAMS}


def test_a_book_through_the_lane_puts_a_voltage_on_the_siren(pi, antenna):
    """From a tag's answer on a serial line and two wires to a third one."""
    gate = Gate(pi, wired(antenna))
    gate.run(500)
    assert not gate.rings()
    antenna.place(book())

    gate.walk_out()
    assert gate.run(1_000, until=gate.rings) <= 300
    gate.run(4_000)
    assert not gate.rings()
    assert pi.line(RED).level
    gate.devices.close()
    assert not pi.line(RED).level


def test_the_button_at_its_wire_quiets_the_gate(pi, antenna):
    """A contact to ground, for as long as a finger presses."""
    gate = Gate(pi, wired(antenna))
    antenna.place(book())
    gate.walk_out()
    gate.run(1_000, until=gate.rings)

    pi.line(BUTTON).drive(False)
    gate.run(200)
    assert not gate.rings()
    gate.devices.close()


def test_an_antenna_out_at_the_start_is_red_and_heals(pi, antenna):
    """The gate starts without it, says which plug, and rings as soon as it is plugged in."""
    antenna.unplug()
    gate = Gate(pi, wired(antenna))
    assert gate.run(5_000, until=lambda: gate.outbox and "lane-1" in gate.shown()) <= 5_000
    assert "plug" in gate.shown()["lane-1"]

    antenna.plug_in()
    assert gate.run(5_000, until=lambda: "lane-1" not in gate.shown()) < 5_000
    antenna.place(book())
    gate.walk_out()
    assert gate.run(1_000, until=gate.rings) <= 300
    gate.devices.close()


def test_a_pin_that_another_device_has_is_named(pi, antenna):
    """Two devices on one pin: the second is red, the gate goes on."""
    lanes = wired(antenna)
    lanes["lane-1"]["beam_outer"] = {"driver": "gpio", "gpio": SIREN}
    gate = Gate(pi, lanes)
    gate.run(1_500)

    assert "GPIO 17 is siren's already" in gate.shown()["lane-1 outer"]
    gate.devices.close()


GO = threading.Event()


def hanging(options, clock, name):
    """A driver whose reader never answers, until the test lets it."""

    class Hanging(SimReader):
        def inventory(self):
            GO.wait()
            return super().inventory()

    return lambda: Hanging(clock, name=name)


def test_a_lane_that_hangs_does_not_stop_the_other(pi, antenna):
    """One antenna never answers: it is red, and the other lane's book rings all the same."""
    GO.clear()
    lanes = wired(antenna) | {"lane-2": {"antenna": {"driver": f"{__name__}:hanging"}}}
    patience = Patience(round_ms=200, answer_ms=2_000)
    gate = Gate(pi, lanes, patience=patience)
    gate.run(200)
    antenna.place(book())
    gate.walk_out()
    assert gate.run(1_000, until=gate.rings) < 1_000
    gate.run(4_000)
    assert "pull its plug" in gate.shown()["lane-2"]

    GO.set()
    gate.devices.lanes["lane-2"].antenna._attendant._asked.answer.exception(timeout=10)
    gate.run(2_500)
    assert "lane-2" not in gate.shown()
    gate.devices.close()


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({"lanes": {}}, "nobody would notice an alarm"),
        (PINS | {"lanes": {"lane-1": {}}}, "lanes.lane-1.antenna] is missing"),
    ],
)
def test_what_a_gate_cannot_do_without_is_asked_for(pi, section, told):
    """Nobody stands before a gate that is silent by a forgotten section."""
    with pytest.raises(DevicesUnavailable, match=told):
        open_devices(Section(section, file="gate.toml"), pi.clock)
