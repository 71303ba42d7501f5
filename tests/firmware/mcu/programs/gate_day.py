"""Days of a gate in virtual time, on whichever Python runs this: the real shell, client, journal,
and list in flash. Devices are a few lines each; broker and gateway are at the other end of this
program's input and output (`tests/firmware/mcu/day_gateway.py`), so that they take no heap of it.

`python gate_day.py BOARD HOURS WALKS_AN_HOUR TAGS_A_WALK SILENT_HOUR`.
"""

import gc
import json
import os
import sys
from binascii import hexlify

from firmware.gate.events import IN_STOCK, ON_LOAN, TagRead
from firmware.gate.lists import UnionList
from firmware.mcu import board_esp32, board_pico_w
from firmware.mcu.config import Config
from firmware.mcu.journal import open_journal
from firmware.mcu.list_files import ListSlots
from firmware.mcu.list_store import ListStore
from firmware.mcu.mqtt import MQTTClient
from firmware.mcu.passages import open_passages
from firmware.mcu.shell import Shell, World

KEY = bytes(range(16))
STATION, SITE = "gate-2", "main"
BOARDS = {"esp32": board_esp32, "pico_w": board_pico_w}
PERIOD = 1 << 30
IDLE_MS, WALK_MS, STEP_MS = 20_000, 1_000, 100
HEAD_EVERY_MS = 15_000
HOUR_MS = 3_600_000
LISTED = 20_000
"""Tags e00401… that every file of the list lets go; those that end in f are in none."""
THIEF_EVERY, LEND_EVERY = 20, 4
LINEAGE, OTHER_LINEAGE = "00000000000000aa", "00000000000000bb"
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
        self.level = 1 if pull == self.PULL_UP else value
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


class Network:
    """The other end of our input and output, see there."""

    NONE, GONE = 0xFFFF, 0xFFFE

    def __init__(self):
        self._in, self._out = sys.stdin.buffer, sys.stdout.buffer
        self._head = bytearray(3)
        self._number = memoryview(bytearray(2))

    def __call__(self, server, port):
        """Open a connection, as `Dial` asks."""
        self._ask("o")
        return self

    def readinto(self, buffer):
        """Hand over what waits."""
        count = self._ask("r", len(buffer))
        if count is not None:
            self._fill(memoryview(buffer)[:count])
        return count

    def write(self, content):
        """Take bytes."""
        return self._ask("w", len(content), content)

    def close(self):
        """Be gone."""
        self._ask("c")

    def order(self, *words):
        """Have something done there; return whether the gate could hear of it."""
        text = " ".join([str(word) for word in words]).encode()
        return self._ask("t", len(text), text) == 1

    def tell(self, hour):
        """Say what an hour was like."""
        text = json.dumps(hour).encode()
        self._ask("j", len(text), text)

    def _ask(self, letter, size=0, content=b""):
        head = self._head
        head[0], head[1], head[2] = ord(letter), size >> 8, size & 0xFF
        self._out.write(head)
        if content:
            self._out.write(content)
        self._out.flush()
        self._fill(self._number)
        number = self._number[0] << 8 | self._number[1]
        if number == self.GONE:
            raise OSError(104)
        return None if number == self.NONE else number

    def _fill(self, view):
        while len(view):
            count = self._in.readinto(view)
            if not count:
                sys.exit(7)  # nobody is there
            view = view[count:]


class Day:
    """The script."""

    def __init__(self, board, hours, walks_an_hour, tags_a_walk):
        # The gateway comes back from a backup, with another history; later it knows all again.
        self.restored_hour, self.recovered_hour = hours // 2, hours // 2 + 1 + hours // 12
        self.board, self.time, self.antenna = board, Time(), Antenna()
        self.network = Network()
        self.walks_an_hour, self.tags_a_walk = walks_an_hour, tags_a_walk
        self.number = self.tags = self.walks = 0
        self.thieves = self.alarms = self.false_alarms = 0
        self.is_heard = False
        self.cuts = (0, 0)
        self.latencies = set()
        self.head_ms = self.time.now_ms
        client = MQTTClient("school/gate-2", "192.168.1.10", keepalive=60, net=self.network)
        passages = open_passages("counts", station=STATION, gate=STATION, site=SITE)
        self.journal = open_journal("journal", epoch_id="0" * 16, rows_bytes_max=4_096)
        self.store = ListStore(
            ListSlots("."), 3, random_below, board.ROOM_BYTES, board.PIECE_BYTES
        )
        world = World(
            ticks_ms=self.time.ticks_ms,
            ticks_diff=self.time.ticks_diff,
            sleep_ms=self.time.sleep_ms,
            random_below=random_below,
            wlan=Wlan(),
            client=client,
            journal=self.journal,
            passages=passages,
            lists=self.store,
            free_bytes=lambda: None,
            collect=gc.collect,
        )
        self.shell = Shell(Machine(), board, Config(CONFIG), world)
        self.shell.devices.lanes[0].antenna = self.antenna
        self.shell.detection._antennas = {"lane-1": self.antenna}
        self.siren = self.shell.devices.siren

    @property
    def is_union(self):
        """Return whether the gate uses two lists."""
        return type(self.shell.gate.holdings.list) is UnionList

    def turn(self, step_ms):
        """Let one turn and some time pass."""
        self.shell.turn()
        self.time.now_ms += step_ms
        if self.time.now_ms >= self.head_ms:
            self.head_ms += HEAD_EVERY_MS
            self.is_heard = self.network.order("head", self.time.now_ms)

    def walk(self):
        """Let somebody carry books out; sometimes one of them was not lent."""
        self.walks += 1
        is_thief = self.walks % THIEF_EVERY == 0
        self.thieves += is_thief
        field = [self.listed() for _ in range(self.tags_a_walk)]
        if is_thief:
            field[0] = self.stolen(field[0].uid)
        elif self.walks % LEND_EVERY == 0:
            field[0] = self.lend()
        inner, outer = [PINS[self.board.INPUTS[name]] for name in ("beam_1", "beam_2")]
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

    def listed(self):
        """Return a tag that was lent before the day began."""
        self.tags += 1
        return TagRead(f"e00401{self.tags % LISTED:010x}", ON_LOAN, None, None)

    def stolen(self, uid):
        """Return a tag that may not leave; every second one by a delta that just came."""
        if self.thieves % 2 or self.is_union or not self.is_followed:
            uid = f"e00405{self.walks:09x}f"
        else:
            self.network.order("change", uid, 0)
            self.settle()
        return TagRead(uid, IN_STOCK, "30001", "DE-1")

    def lend(self):
        """Have a kiosk of the site lend a book that no list has yet, and let it settle."""
        if not self.is_followed:
            return self.listed()
        uid = f"e00403{self.walks:010x}"
        self.network.order("lend", uid)
        self.settle()
        self.network.order("change", uid, 3)
        return TagRead(uid, IN_STOCK, None, None)

    @property
    def is_followed(self):
        """Return whether the gate hears what changes."""
        return self.is_heard and self.shell.list_state() == "FRESH"

    def settle(self):
        """Let what was said arrive."""
        for _ in range(3):
            self.turn(STEP_MS)

    def hour(self, number, silent):
        """Let an hour pass; return what can be said of it."""
        begin_ms = self.time.now_ms
        self.latencies = set()
        every_ms = HOUR_MS // self.walks_an_hour
        walk_ms = begin_ms + every_ms // 2
        is_renewed = False
        while self.time.now_ms - begin_ms < HOUR_MS:
            minute = (self.time.now_ms - begin_ms) // 60_000
            self.cut(minute in (10, 11, 40), silent)
            if minute == 30 and not is_renewed:
                is_renewed = True
                self.renew(number)
            if self.time.now_ms >= walk_ms:
                walk_ms += every_ms
                self.walk()
            else:
                self.turn(min(IDLE_MS, max(STEP_MS, walk_ms - self.time.now_ms - 3 * STEP_MS)))
                self.settle()  # what was asked in this turn is answered before the next long one
        gc.collect()
        return self.told(number)

    def cut(self, is_cut, is_silent):
        """Cut the line, or let the broker be silent."""
        now = (int(is_cut), int(is_silent))
        if now != self.cuts:
            self.cuts = now
            self.is_heard = self.network.order("cut", *now)

    def renew(self, number):
        """Let the gateway have a new file, and say no more how to come to it from the last."""
        version = 1_000 * (number + 2)
        if number < self.restored_hour:
            self.network.order("offer", LINEAGE, version, 1)
        elif number == self.restored_hour or number >= self.recovered_hour:
            is_recovered = number >= self.recovered_hour
            self.network.order("offer", OTHER_LINEAGE, version, int(is_recovered))

    def told(self, number):
        """Return what can be said after an hour."""
        return {
            "hour": number,
            "free": gc.mem_free() if hasattr(gc, "mem_free") else 0,
            "seen": self.antenna.seen,
            "tags": self.tags,
            "walks": self.walks,
            "waiting": self.journal.last_seq - self.journal.acked,
            "thieves": self.thieves,
            "alarms": self.alarms,
            "false_alarms": self.false_alarms,
            "latency_ms": sorted(self.latencies),
            "failed": self.shell.failed,
            "trouble": self.store.trouble,
            "list": self.shell.list_state(),
            "lists": 2 if self.is_union else 1,
            "version": self.shell.following.version,
        }


def random_below(limit):
    """Return a number below the limit."""
    return int.from_bytes(os.urandom(4), "big") % limit


def main(words):
    """Play the day."""
    hours, walks, tags, silent = [int(word) for word in words[1:]]
    day = Day(BOARDS[words[0]], hours, walks, tags)
    for number in range(hours):
        day.network.tell(day.hour(number, number == silent))


if __name__ == "__main__":
    main(sys.argv[1:])
