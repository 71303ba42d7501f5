"""A gate's board on a table: a fake `machine` whose wires end at the simulator's devices.

Time is virtual and only moves when told. Nothing here waits; what would wait on a board moves the
clock, so a test can count the milliseconds of a turn.
"""

from circulation.sync.memory import MemoryJournal
from circulation.wire.messages import encode, sealed
from firmware.gate.lists import ExactList
from firmware.mcu import board_pico_w
from firmware.mcu.config import Config
from firmware.mcu.shell import TURN_MS, Shell, World
from hardware.chips.tag_data import new_content
from hardware.ports import Security
from sim.clock import VirtualClock
from sim.mfrc522.chip import SimMfrc522
from sim.serial.line import LineSettings
from sim.serial.pad_3m import SimPad3M
from sim.tags import SimTag

UID = "e004010000000001"
SITE_KEY = bytes(range(16))
LINEAGE = "00000000000000aa"
LIBRARY, SITE, STATION = "school", "main", "gate-2"
PERIOD = 1 << 30


def book(uid=UID, security=Security.IN_STOCK, owner="DE1"):
    return SimTag(uid, content=new_content("30001", owner), security=security)


def values(**more):
    """Return a configuration of one lane with two beams, as JSON has it."""
    given = {
        "library": LIBRARY,
        "site": SITE,
        "station": STATION,
        "site_key": SITE_KEY.hex(),
        "members": ["DE-1"],
        "wifi": {"ssid": "school", "password": "12345678"},
        "broker": {"host": "192.168.1.10"},
        "lanes": [
            {"name": "lane-1", "driver": "pad_3m", "port": "uart_1", "beams": ["beam_1", "beam_2"]}
        ],
    }
    return given | more


class Pin:
    """One pin; a hand drives inputs with `drive`, a witness reads `history`."""

    IN, OUT, PULL_UP, IRQ_RISING, IRQ_FALLING = 0, 1, 2, 4, 8

    def __init__(self, machine, number, mode=None, pull=None, value=None):
        self.machine, self.number = machine, number
        self.level = 1 if pull == self.PULL_UP else 0
        self.history = []
        self.handler = None
        if value is not None:
            self.value(value)

    def value(self, level=None):
        if level is None:
            return self.level
        if level != self.level:
            self.history.append((self.machine.clock.now_ms(), level))
        self.level = level
        return None

    def irq(self, handler=None, trigger=0, hard=False):
        assert trigger == self.IRQ_RISING | self.IRQ_FALLING
        self.handler = handler

    def drive(self, level, *, unheard=False):
        """Set the level from outside; unheard: the interrupt gets lost."""
        if level != self.level:
            self.level = level
            if self.handler is not None and not unheard:
                self.handler(self)


class Uart:
    """A serial port with one of the simulator's devices at its far end."""

    def __init__(self, device, baudrate, parity):
        self.device = device
        device.host_settings = LineSettings(baudrate, "E" if parity == 0 else "N")

    def any(self):
        return self.device.waiting()

    def read(self, count):
        return self.device.take(count) or None

    def write(self, data):
        self.device.receive(bytes(data))
        return len(data)


class Spi:
    def __init__(self, chip):
        self.chip = chip

    def write_readinto(self, data, answer):
        answer[:] = self.chip.transfer(bytes(data))


class Watchdog:
    def __init__(self, machine, timeout):
        self.clock, self.timeout_ms = machine.clock, timeout
        self.fed_ms = self.clock.now_ms()
        self.longest_ms = 0

    def feed(self):
        now_ms = self.clock.now_ms()
        self.longest_ms = max(self.longest_ms, now_ms - self.fed_ms)
        self.fed_ms = now_ms


class Machine:
    """MicroPython's `machine`, as far as the gate uses it."""

    def __init__(self, clock):
        self.clock = clock
        self.pins = {}
        self.serial = {}
        self.chips = {}
        self.watchdog = None
        self.resets = 0
        self.Pin = PinMaker(self)

    def UART(self, number, baudrate=9600, bits=8, parity=None, **more):
        assert more["timeout"] == more["timeout_char"] == 0
        return Uart(self.serial[number], baudrate, parity)

    def SPI(self, number, baudrate=0, **pins):
        return Spi(self.chips[number])

    def WDT(self, timeout=5000):
        self.watchdog = Watchdog(self, timeout)
        return self.watchdog

    def reset(self):
        self.resets += 1


class PinMaker:
    """`machine.Pin`: the same number is the same pin."""

    IN, OUT, PULL_UP = Pin.IN, Pin.OUT, Pin.PULL_UP
    IRQ_RISING, IRQ_FALLING = Pin.IRQ_RISING, Pin.IRQ_FALLING

    def __init__(self, machine):
        self.machine = machine

    def __call__(self, number, mode=None, pull=None, value=None):
        if number not in self.machine.pins:
            self.machine.pins[number] = Pin(self.machine, number, mode, pull, value)
        pin = self.machine.pins[number]
        if value is not None:
            pin.value(value)
        return pin


class Wlan:
    """A network that is there, or is not."""

    def __init__(self):
        self.is_there = True
        self.joined = False
        self.calls = []

    def active(self, on=None):
        self.calls.append("active")
        return True

    def isconnected(self):
        return self.is_there and self.joined

    def connect(self, ssid, password):
        self.calls.append("connect")
        self.joined = True

    def disconnect(self):
        self.calls.append("disconnect")
        self.joined = False


class Client:
    """An MQTT client whose broker is the test: `events` come from it, `sent` went to it."""

    def __init__(self):
        self.events, self.sent, self.filters = [], [], []
        self.begun = 0
        self.accepts = True
        self.answers = True
        self.will = None

    def set_last_will(self, topic, msg, retain=False, qos=0):
        self.will = (topic, msg, retain, qos)

    def listen(self, topic_filter, qos=1):
        self.filters.append(topic_filter)

    def begin(self, now_ms):
        self.begun += 1
        self.events = [("connected", False)] if self.accepts else []

    def poll(self, now_ms):
        events, self.events = self.events, []
        return events if self.answers else []

    def send(self, topic, payload, retained=False, qos=1):
        self.sent.append((topic, payload, retained, qos))
        return len(self.sent)

    def leave(self):
        self.events = []


class Lists:
    """Lists that come from the test."""

    format = "test-1"

    def __init__(self, *kept):
        self.trouble = ""
        self.lists = list(kept)
        self.made = None
        self.pointers, self.wishes, self.chunks, self.forgotten = [], 0, [], 0

    def kept(self):
        return self.lists

    def wanted(self, now_ms):
        self.wishes += 1

    def announced(self, pointer, now_ms):
        self.pointers.append(pointer)

    def tick(self, now_ms):
        return []

    def on_chunk(self, chunk, now_ms):
        self.chunks.append(chunk)
        return []

    def arrived(self):
        made, self.made = self.made, None
        return made

    def recovered(self):
        self.forgotten += 1


class Bench:
    """One gate with a 3M antenna, or with what a configuration of the test's own says."""

    def __init__(self, given=None, *, board=board_pico_w, started_at=0, lists=None):
        self.clock = VirtualClock(started_at)
        self.board = board
        self.machine = Machine(self.clock)
        self.pad = SimPad3M(self.clock, paced=True)
        self.chip = SimMfrc522(self.clock)
        self.machine.serial = dict.fromkeys(range(3), self.pad)
        self.machine.chips = dict.fromkeys(range(3), self.chip)
        self.wlan, self.client = Wlan(), Client()
        self.journal = MemoryJournal("0" * 16)
        self.passages = None
        self.lists = Lists(ExactList(LINEAGE, 1)) if lists is None else lists
        self.config = Config(values() if given is None else given)
        self.numbers = 0
        self.shell = self.start()

    def start(self):
        """Start the program, as after a reset."""
        world = World(
            ticks_ms=lambda: self.clock.now_ms() % PERIOD,
            ticks_diff=lambda new, old: (new - old + PERIOD // 2) % PERIOD - PERIOD // 2,
            sleep_ms=self.clock.sleep_ms,
            random_below=self.random_below,
            wlan=self.wlan,
            client=self.client,
            journal=self.journal,
            passages=self.passages,
            lists=self.lists,
            free_bytes=lambda: 500_000,
            collect=lambda: None,
        )
        self.shell = Shell(self.machine, self.board, self.config, world)
        return self.shell

    def random_below(self, limit):
        """Return a small number that counts on, so that ids differ and waits are short."""
        self.numbers += 1
        return self.numbers % limit

    def out(self, name):
        """Return the pin of an output."""
        return self.machine.pins[self.board.OUTPUTS[name][0]]

    def input(self, name):
        """Return the pin of an input."""
        return self.machine.pins[self.board.INPUTS[name]]

    def run(self, duration_ms, step_ms=TURN_MS):
        """Let turns follow each other for that long."""
        end_ms = self.clock.now_ms() + duration_ms
        while self.clock.now_ms() < end_ms:
            self.shell.turn()
            self.clock.advance(step_ms)

    def walk(self, lasting_ms=380):
        """Let somebody walk out between the beams of the first lane."""
        inner, outer = self.input("beam_1"), self.input("beam_2")
        for pin, level, wait_ms in (
            (inner, 1, 120),
            (outer, 1, 140),
            (inner, 0, 120),
            (outer, 0, 20),
        ):
            pin.drive(level)
            self.run(wait_ms)

    def clear(self):
        """Let light fall on every beam."""
        for name in ("beam_1", "beam_2", "beam_3", "beam_4"):
            number = self.board.INPUTS[name]
            if number in self.machine.pins:
                self.machine.pins[number].drive(0)

    def tell(self, topic, message, *, retained=False):
        """Let the broker deliver a message; the gateway's and the kiosks' are sealed here."""
        if getattr(message, "mac", None) == "":
            message = sealed(message, SITE_KEY)
        self.client.events.append(("message", topic, encode(message), retained))

    def facts(self):
        """Return the facts in the journal, decoded."""
        from circulation.wire.fact import decode_body

        return [decode_body(row.body) for row in self.journal.rows(1, 10_000, 10_000_000)]
