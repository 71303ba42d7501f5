"""Days of a gate in virtual time, on whichever Python runs this: the real shell, client, journal.

Devices are a few lines each, and so is the broker with a gateway behind it, both in the memory of
this program. `python gate_day.py HOURS WALKS_AN_HOUR TAGS_A_WALK SILENT_HOUR` prints a line of
JSON for each hour.
"""

import gc
import json
import os
import sys
from binascii import hexlify, unhexlify

from circulation.wire.chain import chain_hash
from circulation.wire.messages import (
    Ack,
    Applied,
    Head,
    Journal,
    SiteLoan,
    TimeReply,
    decode,
    encode,
    sealed,
)
from circulation.wire.topics import Topics
from firmware.gate.events import IN_STOCK, ON_LOAN, TagRead
from firmware.mcu import board_pico_w
from firmware.mcu.config import Config
from firmware.mcu.journal import open_journal
from firmware.mcu.mqtt import MQTTClient
from firmware.mcu.passages import open_passages
from firmware.mcu.shell import Shell, World

KEY = bytes(range(16))
LINEAGE = "00000000000000aa"
TOPICS = Topics("school")
STATION, SITE = "gate-2", "main"
PERIOD = 1 << 30
IDLE_MS, WALK_MS, STEP_MS = 5_000, 1_000, 100
HEAD_EVERY_MS = 15_000
HOUR_MS = 3_600_000
CONFIG = {
    "library": "school",
    "site": SITE,
    "station": STATION,
    "site_key": hexlify(KEY).decode(),
    "members": ["DE-1"],
    "wifi": {"ssid": "school"},
    "broker": {"host": "192.168.1.10"},
    "lanes": [
        {"name": "lane-1", "driver": "pad_3m", "port": "uart_1", "beams": ["beam_1", "beam_2"]}
    ],
}


class Time:
    """Virtual milliseconds."""

    now_ms = PERIOD - 30_000  # they wrap after half a minute

    def ticks_ms(self):
        """Return them as a board counts."""
        return self.now_ms % PERIOD

    def ticks_diff(self, new, old):
        """Return how much later a stamp is."""
        return (new - old + PERIOD // 2) % PERIOD - PERIOD // 2

    def sleep_ms(self, duration_ms):
        """Let time pass."""
        self.now_ms += duration_ms


PINS = {}


class Pin:
    """A pin; `level` is what a hand makes it."""

    IN, OUT, PULL_UP, IRQ_RISING, IRQ_FALLING = 0, 1, 2, 4, 8

    def __init__(self, number, mode=None, pull=None, value=0):
        self.level = 1 if number == board_pico_w.INPUTS["button"] else value
        self.handler = None
        PINS[number] = self

    def value(self, level=None):
        """Return or set it."""
        if level is not None:
            self.level = level
        return self.level

    def irq(self, handler=None, trigger=0, hard=False):
        """Have edges told."""
        self.handler = handler

    def drive(self, level):
        """Break or clear a beam."""
        self.level = level
        self.handler(self)


class Watchdog:
    """Counts its meals."""

    def __init__(self, timeout=0):
        self.fed = 0

    def feed(self):
        """Eat."""
        self.fed += 1


class Machine:
    """As much of `machine` as the gate uses."""

    Pin = Pin

    def UART(self, number, **options):
        """Return a port that nobody writes to: its antenna is replaced."""
        return

    def WDT(self, timeout=0):
        """Return the watchdog."""
        return Watchdog()


class Wlan:
    """A network that is there."""

    def active(self, is_on):
        """Be on."""

    def isconnected(self):
        """Be joined."""
        return True


class Antenna:
    """An antenna that hears what the script says."""

    name, errors, trouble = "lane-1", 0, ""

    def __init__(self):
        self.field = []
        self.reads, self.contents, self.wanted = [], [], []
        self.seen = 0

    def want(self, uid):
        """Read a data block in the next turn."""
        self.wanted.append(uid)

    def hear(self, now_ms):
        """Hear every tag of the field."""
        self.reads = self.field
        self.contents = [(uid, True, "30001", "DE-1") for uid in self.wanted]
        self.wanted = []
        self.seen += len(self.reads)

    def ask(self, now_ms):
        """Ask nothing."""


class EveryLoan:
    """A list on which every tag ending in 0 to 7 may leave."""

    def __init__(self, version):
        self.lineage, self.version = LINEAGE, version

    def reach(self, key):
        """Return how far it may go."""
        return 3 if key.startswith("e0") and key[-1] < "8" else 0

    def knows(self, key):
        """Return whether it is ours."""
        return True

    def is_unsecured(self, key):
        """Return that it is not."""
        return False

    def forget(self, now_ms):
        """Forget nothing."""


class Lists:
    """Lists that come when the script says."""

    format, trouble = "day-1", ""

    def __init__(self):
        self.made = None

    def kept(self):
        """Return the first one."""
        return [EveryLoan(1)]

    def wanted(self, now_ms):
        """Begin nothing."""

    def announced(self, pointer, now_ms):
        """Begin nothing."""

    def tick(self, now_ms):
        """Ask for nothing."""
        return []

    def on_chunk(self, chunk, now_ms):
        """Expect nothing."""
        return []

    def arrived(self):
        """Return what has come, once."""
        made, self.made = self.made, None
        return made

    def recovered(self):
        """Forget nothing."""


class Network:
    """A broker and a gateway at the end of every connection."""

    def __init__(self, time):
        self.time = time
        self.is_silent = self.is_cut = False
        self.connections = self.published = self.applied = self.n = 0
        self.version = 1
        self.line = None
        self.seqs = {}

    def __call__(self, server, port):
        """Open a connection, as `Dial` asks."""
        if self.is_cut:
            raise OSError(111)
        self.connections += 1
        self.line = Line(self)
        return self.line

    def told(self, topic, payload):
        """Be the gateway: believe and acknowledge."""
        self.published += 1
        if topic.endswith("/journal"):
            self._journal(decode(Journal, payload))
        elif topic.endswith("/request"):
            asked = json.loads(payload)
            if asked["op"] == "time":
                now = 1_790_000_000_000 + self.time.now_ms
                self.say(TOPICS.reply(STATION), TimeReply(asked["id"], asked["mono_sent"], now))

    def _journal(self, batch):
        known = self.seqs.get(batch.epoch, 0)
        digest, seq = unhexlify(batch.prev_hash), batch.seq0 - 1
        for body in batch.events:
            seq += 1
            digest = chain_hash(digest, seq, body.encode())
        self.applied += max(0, seq - known)
        self.seqs[batch.epoch] = max(seq, known)
        ack = Ack(batch.epoch, seq, hexlify(digest).decode(), LINEAGE, 4, 0, 0)
        self.say(TOPICS.reply(STATION), ack)

    def say(self, topic, message):
        """Deliver a message to the gate."""
        if self.line is None or self.is_silent or self.is_cut:
            return
        if "mac" in [name for name, _ in message.SHAPE]:
            message = sealed(message, KEY)
        self.line.deliver(topic, encode(message))

    def head(self):
        """Say that the gateway lives."""
        self.n += 1
        now = 1_790_000_000_000 + self.time.now_ms
        versions = {"may_leave": self.version}
        self.say(TOPICS.head(), Head(LINEAGE, self.n, now, versions, 3, True, ""))


class Line:
    """One connection: what the client writes, and what waits for it."""

    def __init__(self, network):
        self.network = network
        self.waiting = bytearray()
        self.heard = bytearray()
        self.is_open = False

    def readinto(self, buffer):
        """Hand over what waits."""
        if self.network.is_cut:
            raise OSError(104)
        if not self.waiting or self.network.is_silent:
            return None
        count = min(len(buffer), len(self.waiting))
        buffer[:count] = self.waiting[:count]
        self.waiting = self.waiting[count:]
        return count

    def write(self, data):
        """Take bytes; a silent broker's buffer fills."""
        if self.network.is_cut:
            raise OSError(104)
        if self.network.is_silent and len(self.heard) > 2_000:
            return None
        self.heard.extend(data)
        if not self.network.is_silent:
            self.work()
        return len(data)

    def close(self):
        """Be gone."""
        if self.network.line is self:
            self.network.line = None

    def deliver(self, topic, payload):
        """Publish to the client, QoS 0."""
        if self.is_open:
            rest = bytes([0, len(topic)]) + topic.encode() + payload
            self.waiting.extend(b"\x30" + _length(len(rest)) + rest)

    def work(self):
        """Answer every whole packet."""
        while True:
            size, at = _size(self.heard)
            if size is None or len(self.heard) < at + size:
                return
            first, rest = self.heard[0], bytes(self.heard[at : at + size])
            self.heard = self.heard[at + size :]
            self.answer(first, rest)

    def answer(self, first, rest):
        """Answer one packet."""
        kind = first >> 4
        if kind == 1:
            self.is_open = True
            self.waiting.extend(b"\x20\x02\x00\x00")
        elif kind == 8:
            count, at = 0, 2
            while at < len(rest):
                at += 3 + (rest[at] << 8 | rest[at + 1])
                count += 1
            self.waiting.extend(bytes([0x90, 2 + count, rest[0], rest[1]]) + b"\x01" * count)
        elif kind == 12:
            self.waiting.extend(b"\xd0\x00")
        elif kind == 3:
            end = 2 + (rest[0] << 8 | rest[1])
            topic = rest[2:end].decode()
            if first & 6:
                self.waiting.extend(b"\x40\x02" + rest[end : end + 2])
                end += 2
            self.network.told(topic, rest[end:])


def _length(size):
    made = bytearray()
    while True:
        made.append(size % 128 | (128 if size > 127 else 0))
        size //= 128
        if not size:
            return bytes(made)


def _size(heard):
    size = 0
    for at in range(1, min(5, len(heard))):
        size |= (heard[at] & 127) << 7 * (at - 1)
        if heard[at] < 128:
            return size, at + 1
    return None, 0


class Day:
    """The script."""

    def __init__(self, walks_an_hour, tags_a_walk):
        self.time, self.lists, self.antenna = Time(), Lists(), Antenna()
        self.network = Network(self.time)
        self.walks_an_hour, self.tags_a_walk = walks_an_hour, tags_a_walk
        self.number = self.seq = self.walks = self.alarms = self.false_alarms = 0
        self.latencies = set()
        self.thieves, self.thief_every, self.lend_every = 0, 2, 1
        self.head_ms = self.time.now_ms
        client = MQTTClient("school/gate-2", "192.168.1.10", keepalive=60, net=self.network)
        passages = open_passages("counts", station=STATION, gate=STATION, site=SITE)
        self.journal = open_journal("journal", epoch_id="0" * 16, rows_bytes_max=4_096)
        world = World(
            ticks_ms=self.time.ticks_ms,
            ticks_diff=self.time.ticks_diff,
            sleep_ms=self.time.sleep_ms,
            random_below=lambda limit: int.from_bytes(os.urandom(4), "big") % limit,
            wlan=Wlan(),
            client=client,
            journal=self.journal,
            passages=passages,
            lists=self.lists,
            free_bytes=lambda: None,
            collect=gc.collect,
        )
        self.shell = Shell(Machine(), board_pico_w, Config(CONFIG), world)
        self.shell.devices.lanes[0].antenna = self.antenna
        self.shell.detection._antennas = {"lane-1": self.antenna}
        self.siren = self.shell.devices.siren

    def turn(self, step_ms):
        """Let one turn and some time pass."""
        self.shell.turn()
        self.time.now_ms += step_ms
        if self.time.now_ms >= self.head_ms:
            self.head_ms += HEAD_EVERY_MS
            self.network.head()

    def walk(self):
        """Let somebody carry books out; sometimes one of them was not lent."""
        self.walks += 1
        is_thief = self.walks % self.thief_every == 0
        self.thieves += is_thief
        field = []
        for _ in range(self.tags_a_walk):
            self.number += 1
            field.append(TagRead(f"e00401{self.number:09x}0", ON_LOAN, None, None))
        if is_thief:
            field[0] = TagRead(f"e00401{self.number:09x}f", IN_STOCK, "30001", "DE-1")
        elif self.walks % self.lend_every == 0:
            field[0] = self.lend(f"e00401{self.number:09x}e")
        inner, outer = [PINS[board_pico_w.INPUTS[name]] for name in ("beam_1", "beam_2")]
        edges = ((200, inner, 1), (300, outer, 1), (500, inner, 0), (600, outer, 0))
        sounded_ms = None
        step_ms = 10 if is_thief else STEP_MS
        begin_ms = self.time.now_ms
        for at_ms in range(0, WALK_MS, step_ms):
            for edge_ms, beam, level in edges:
                if at_ms == edge_ms:
                    beam.drive(level)
            self.antenna.field = field if at_ms in (100, 400) else []
            self.turn(step_ms)
            if self.siren.state and sounded_ms is None:
                sounded_ms = self.time.now_ms - begin_ms
        self.antenna.field = []
        if is_thief and sounded_ms is not None:
            self.alarms += 1
            self.latencies.add(sounded_ms - 200)
        elif sounded_ms is not None:
            self.false_alarms += 1
        self.turn(STEP_MS)

    def lend(self, uid):
        """Have a kiosk of the site lend a book that no list has yet, and let it settle."""
        self.seq += 1
        loan = SiteLoan(
            *("kiosk-1", 1, self.seq, None, [uid], "on", 3, [], f"{self.seq:016x}", 0, None, "")
        )
        is_told = not (self.network.is_silent or self.network.is_cut)
        is_told = is_told and self.network.line is not None and self.network.line.is_open
        self.network.say(TOPICS.site_loan(SITE), loan)
        for _ in range(3):
            self.turn(STEP_MS)
        return TagRead(uid if is_told else uid[:-1] + "0", IN_STOCK, None, None)

    def hour(self, number, silent):
        """Let an hour pass; return what can be said of it.

        In the first one every walk is an alarm or a loan: what the gate remembers of both, which
        is bounded, is full after it, and what grows later would grow for ever.
        """
        begin_ms = self.time.now_ms
        self.latencies = set()
        every_ms = HOUR_MS // self.walks_an_hour
        self.network.is_silent = silent
        walk_ms = begin_ms + every_ms // 2
        while self.time.now_ms - begin_ms < HOUR_MS:
            minute = (self.time.now_ms - begin_ms) // 60_000
            self.network.is_cut = minute in (10, 11, 40)
            if minute == 30 and self.network.version == number + 1:
                self.swap(number)
            if self.time.now_ms >= walk_ms:
                walk_ms += every_ms
                self.walk()
            else:
                self.turn(min(IDLE_MS, walk_ms - self.time.now_ms))
        self.thief_every, self.lend_every = 20, 10
        gc.collect()
        return {
            "hour": number,
            "free": gc.mem_free() if hasattr(gc, "mem_free") else 0,
            "seen": self.antenna.seen,
            "tags": self.number,
            "walks": self.walks,
            "waiting": self.journal.last_seq - self.journal.acked,
            "thieves": self.thieves,
            "alarms": self.alarms,
            "false_alarms": self.false_alarms,
            "latency_ms": sorted(self.latencies),
            "connections": self.network.connections,
            "applied": self.network.applied,
            "failed": self.shell.failed,
            "list": self.shell.list_state(),
            "version": self.shell.following.version,
        }

    def swap(self, number):
        """Let a new list come, with what the kiosks have told so far."""
        self.network.version = number + 2
        self.lists.made = EveryLoan(self.network.version)
        applied = Applied(self.network.version, {"kiosk-1": [1, self.seq]}, LINEAGE)
        self.network.say(TOPICS.applied(SITE), applied)


def main(words):
    """Play the day."""
    hours, walks, tags, silent = [int(word) for word in words]
    day = Day(walks, tags)
    for number in range(hours):
        print(json.dumps(day.hour(number, number == silent)))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
