"""Plays one scenario file through the Pi's detection loop: simulated devices, real decisions.

The steps are those of `tests/firmware/gate/play.py`. Edges come from simulated beams, presses from
a simulated button, contents from an antenna; what the machine says is seen at outputs and in what
is handed to the courier. On a Pi an antenna answers at once, so an owner that cannot be read is
given up earlier than a scenario says: what is compared is the order of everything said in the
whole scenario, not the moment.
"""

from collections import namedtuple

from firmware.gate.events import TagRead
from firmware.pi.devices import GateDevices, LaneDevices
from firmware.pi.loop import DetectionLoop
from hardware.errors import TagLost
from sim.clock import VirtualClock
from sim.pins import SimInput, SimOutput
from tests.firmware.gate import play

BEAMS = ("inner", "outer")
Content = namedtuple("Content", ("pii", "owner"))
Field = namedtuple("Field", ("uids",))
UNSEEN = ("ReadContent", "Notice")
"""Said to an antenna, which answers at once; read by staff."""


class Security:
    """What a tag says, as the loop asks for it."""

    def __init__(self, value):
        self.value = value


class Antenna:
    """An antenna whose field is what the scenario says next."""

    def __init__(self, contents):
        self.contents = contents
        self.reads = []

    def inventory(self):
        uids = tuple(read.uid for read in self.reads)
        self.securities = {read.uid: Security(read.security) for read in self.reads}
        for read in self.reads:
            if read.pii is not None or read.owner is not None:
                self.contents[read.uid] = Content(read.pii, read.owner)
        self.reads = []
        return Field(uids)

    def get_security(self, uid):
        return self.securities[uid]

    def read_content(self, uid):
        if uid not in self.contents:
            raise TagLost(uid, "reading its content")
        return self.contents[uid]


class Stage:
    """A gate of simulated devices, as a scenario's configuration wants it."""

    def __init__(self, scenario):
        self.clock = VirtualClock()
        self.said = []
        machine = play.start(scenario["config"])
        contents = _contents(scenario["steps"])
        self.antennas, self.beams, lanes = {}, {}, {}
        for lane in machine.config.lanes:
            self.antennas[lane.name] = Antenna(contents)
            self.beams[lane.name] = [
                SimInput(self.clock, name=beam) for beam in BEAMS[: lane.beams]
            ]
            lanes[lane.name] = LaneDevices(self.antennas[lane.name], *self.beams[lane.name])
        self.button = SimInput(self.clock, name="button")
        siren, red, amber = (self._output(name) for name in ("siren", "red", "amber"))
        self.loop = DetectionLoop(
            machine,
            GateDevices(lanes, siren, red, amber, self.button),
            clock=self.clock,
            outbox=self._hand_over,
        )
        # A security is asked again each second; a scenario says it with every read.
        self.loop._securities = _Forgetful()

    def at(self, at_ms):
        """Let the clock be at that moment."""
        self.clock.advance(max(0, at_ms - self.clock.now_ms()))

    def _output(self, name):
        return _Told(SimOutput(self.clock, name=name, max_on_ms=3_600_000), name, self.said)

    def _hand_over(self, item, at_ms):
        if type(item).__name__ != "Face":
            self.said.append(play.shown(item))


class _Forgetful(dict):
    def get(self, uid, default=None):
        return default


class _Told:
    """An output that writes down what it was told, in the words of a scenario."""

    def __init__(self, output, name, said):
        self.output, self.said = output, said
        siren = name == "siren"
        self.words = (
            (["SoundSiren"], ["StopSiren"])
            if siren
            else (["SetLamp", name, True], ["SetLamp", name, False])
        )

    def on(self):
        self.output.on()
        self.said.append(self.words[0])

    def off(self):
        self.output.off()
        self.said.append(self.words[1])


def play_through(scenario):
    """Return (said, expected), both in their order; the same if the scenario was kept."""
    stage = Stage(scenario)
    for at_ms, told, _ in scenario["steps"]:
        stage.at(at_ms)
        _tell(stage, told, at_ms)
    said = [one for one in stage.said if one[0] not in UNSEEN]
    expected = [one for step in scenario["steps"] for one in step[2] if one[0] not in UNSEEN]
    return said, expected


def differences(scenario):
    """Return what differs, one line each."""
    said, expected = play_through(scenario)
    found = [
        f"said {one}, expected {other}"
        for one, other in zip(said, expected, strict=False)
        if not play.matches(one, _timeless(other))
    ]
    if len(said) != len(expected):
        found.append(f"said {len(said)} things, expected {len(expected)}: {said}")
    return found


def _timeless(expected):
    """Return what is expected, but for how long a reading took."""
    if expected[0] != "Record":
        return expected
    return ["Record", {name: at for name, at in expected[1].items() if name != "latency_ms"}]


def _tell(stage, told, at_ms):
    name, fields = told[0], told[1:]
    if name == "Walk":
        for after_ms, beam, broken in play.WALKS[fields[1]]:
            stage.at(at_ms + after_ms)
            stage.beams[fields[0]][BEAMS.index(beam)].drive(bool(broken))
            stage.loop.turn()
            stage.at(at_ms + after_ms + play.SETTLING_MS)
            stage.loop.turn()
        return
    if name == "BeamEdge":
        beam = stage.beams[fields[0]][BEAMS.index(fields[1])]
        beam.drive(bool(fields[2]), min(fields[3], stage.clock.now_ms()))
    elif name == "TagsRead":
        stage.antennas[fields[0]].reads = [TagRead(*tag) for tag in fields[1]]
    elif name not in ("Tick", "ContentRead"):
        if name in play.MESSAGES:
            fields = [play.MESSAGES[name](dict(fields[0]))]
        stage.loop.tell(getattr(play.events, name)(*fields))
    stage.loop.turn()


def _contents(steps):
    """Return what antennas will read from which tag, as the scenario says later."""
    found = {}
    for _, told, _ in steps:
        if told[0] == "ContentRead" and told[3]:
            found[told[2]] = Content(told[4], told[5])
    return found
