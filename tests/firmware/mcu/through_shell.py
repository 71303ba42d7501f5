"""Plays one scenario file through the whole shell: pins, antennas, broker and list are fakes.

The steps are those of `tests/firmware/gate/play.py`. What the machine is told comes the way it
comes on a board: edges through the interrupts of pins, tags through an antenna, what the wire
says as bytes of a message. What it says is seen where the world would see it: at the pins, in
what an antenna is asked, in the journal and at the broker.
"""

from binascii import hexlify

from circulation.wire import messages
from circulation.wire.fact import decode_body
from circulation.wire.topics import Topics
from firmware.gate.events import TagRead
from tests.firmware.gate import play
from tests.firmware.mcu.bench import Bench, Lists, values

BEAM = {"inner": 0, "outer": 1}
TOPICS = Topics("school")


class Antenna:
    """An antenna whose field the scenario says."""

    def __init__(self, name):
        self.name, self.errors, self.trouble = name, 0, ""
        self.reads, self.contents, self.wanted = [], [], []
        self.next_reads, self.next_contents = [], []

    def hear(self, now_ms):
        self.reads, self.next_reads = self.next_reads, []
        self.contents, self.next_contents = self.next_contents, []

    def ask(self, now_ms):
        pass

    def want(self, uid):
        self.wanted.append(uid)


class Link:
    """A link that is always up, whatever time does: no scenario is about the network."""

    is_up = True

    def __init__(self):
        self.sent = []

    def listen(self, topic_filter):
        pass

    def turn(self, now_ms, **_):
        return []

    def publish(self, topic, payload, **_):
        self.sent.append((topic, payload))
        return True

    def renew(self, why):
        pass


class Stage:
    """A gate as a scenario's configuration wants it."""

    def __init__(self, config):
        given = dict(config)
        lanes = given.pop("lanes", [["lane-1", 2]])
        lists = given.pop("members", []), given.pop("lenders", [])
        given = _values(given.pop("gate", "gate-1"), lanes, lists, given)
        self.bench = Bench(given, lists=Lists())
        self.shell = self.bench.shell
        self.link = self.shell.link = self.shell.courier._link = Link()
        self.antennas = {}
        for lane in self.shell.devices.lanes:
            lane.antenna = self.antennas[lane.name] = Antenna(lane.name)
        self.shell.detection._antennas = self.antennas
        self.pins = _pins(lanes, self.bench)
        self.bench.clear()
        self.journal_at = 0
        self.numbers = iter(range(1, 1_000_000))
        self.shell.gate._new_id = lambda: play.ID % next(self.numbers)
        self.shell.turn()
        self.forget()

    def forget(self):
        """Forget what was said until now."""
        for pin in self.bench.machine.pins.values():
            pin.history.clear()
        for antenna in self.antennas.values():
            antenna.wanted.clear()
        self.link.sent.clear()
        self.journal_at = self.bench.journal.last_seq

    def at(self, at_ms):
        """Let the clock be at that moment; it is never set back."""
        self.bench.clock.advance(max(0, at_ms - self.bench.clock.now_ms()))

    def said(self):
        """Return what the world saw since, as a scenario writes it."""
        found = []
        for name, on, off in (
            ("siren", ["SoundSiren"], ["StopSiren"]),
            ("lamp_red", ["SetLamp", "red", True], ["SetLamp", "red", False]),
            ("lamp_amber", ["SetLamp", "amber", True], ["SetLamp", "amber", False]),
        ):
            found += [on if level else off for _, level in self.bench.out(name).history]
        for name, antenna in self.antennas.items():
            found += [["ReadContent", name, uid] for uid in antenna.wanted]
        for row in self.bench.journal.rows(self.journal_at + 1, 1_000, 1_000_000):
            found.append(["Record", decode_body(row.body)])
        for topic, payload in self.link.sent:
            found += _published(topic, payload)
        return found


def play_through(scenario):
    """Return what went differently, one line each; an empty list is a success."""
    stage, wrong = Stage(scenario["config"]), []
    for at_ms, told, expected in scenario["steps"]:
        stage.at(at_ms)
        stage.forget()
        _tell(stage, told, at_ms)
        done, wanted = stage.said(), [one for one in expected if one[0] != "Notice"]
        if not _are_same(done, wanted):
            wrong.append(f"at {at_ms} ms {told}: expected {wanted}, got {done}")
    return wrong


def _are_same(done, wanted):
    left = list(done)
    for expected in wanted:
        fitting = [one for one in left if play.matches(one, expected)]
        if not fitting:
            return False
        left.remove(fitting[0])
    return left == []


def _tell(stage, told, at_ms):
    name, fields = told[0], told[1:]
    if name == "Walk":
        for after_ms, beam, broken in play.WALKS[fields[1]]:
            stage.at(at_ms + after_ms)
            stage.pins[fields[0]][BEAM[beam]].drive(broken)
            stage.shell.turn()
            stage.at(at_ms + after_ms + play.SETTLING_MS)
            stage.shell.turn()
        return
    _HOW.get(name, _tell_event)(stage, name, fields)
    stage.shell.turn()


def _beam_edge(stage, name, fields):
    lane, beam, broken, at_ms = fields
    pin = stage.pins[lane][BEAM[beam]]
    ticks, now_ms = stage.bench.clock, stage.bench.clock.now_ms()
    ticks._now_ms = min(at_ms, now_ms)  # the interrupt came then, and nobody looked since
    pin.drive(broken)
    ticks._now_ms = now_ms


def _tags_read(stage, name, fields):
    stage.antennas[fields[0]].next_reads = [TagRead(*tag) for tag in fields[1]]


def _content_read(stage, name, fields):
    lane, uid, done, pii, owner = fields
    stage.antennas[lane].next_contents = [(uid, done, pii, owner)]


def _on_wire(stage, name, fields):
    """Let a message come as the bytes that a broker delivers."""
    message = play.MESSAGES[name](dict(fields[0]))
    if name == "HeadHeard":
        message = messages.sealed(message, play.KEY)
    topic = {
        "SiteLoanHeard": TOPICS.site_loan("main"),
        "SiteAlarmHeard": TOPICS.site_alarm("main"),
        "HeadHeard": TOPICS.head(),
        "AppliedHeard": TOPICS.applied("main"),
    }[name]
    payload = messages.encode(message)
    now_ms = stage.bench.clock.now_ms()
    stage.shell.courier.on_event(("message", topic, payload, False), now_ms)


def _tell_event(stage, name, fields):
    """Give the machine what no device of this bench can say."""
    if name in play.MESSAGES:
        fields = [play.MESSAGES[name](dict(fields[0]))]
    if name != "Tick":
        stage.shell.detection.give(getattr(play.events, name)(*fields))


_HOW = {
    "BeamEdge": _beam_edge,
    "TagsRead": _tags_read,
    "ContentRead": _content_read,
    "SiteLoanHeard": _on_wire,
    "HeadHeard": _on_wire,
    "AppliedHeard": _on_wire,
}


def _published(topic, payload):
    """Return what the site was told, as a scenario writes it; the gateway is not listened to."""
    if topic == TOPICS.site_alarm("main"):
        alarm = messages.decode(messages.SiteAlarm, payload)
        return [["PublishAlarm", dict(zip(type(alarm)._fields, alarm, strict=True))]]
    if topic == TOPICS.site_ask("main"):
        ask = messages.decode(messages.SiteAsk, payload)
        return [["AskSite", ask.lineage, ask.version]]
    return []


def _values(gate, lanes, lists, options):
    inputs = [["beam_1", "beam_2"], ["beam_3", "beam_4"]]
    return values(
        station=gate,
        site_key=hexlify(play.KEY).decode(),
        members=lists[0],
        lenders=lists[1],
        gate=options,
        lanes=[
            {
                "name": name,
                "driver": "pad_3m",
                "port": f"uart_{number + 1}",
                "beams": inputs[number][:beams],
            }
            for number, (name, beams) in enumerate(lanes)
        ],
    )


def _pins(lanes, bench):
    inputs = [["beam_1", "beam_2"], ["beam_3", "beam_4"]]
    return {
        name: [bench.input(place) for place in inputs[number][:beams]]
        for number, (name, beams) in enumerate(lanes)
    }
