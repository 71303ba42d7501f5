"""The whole gate on a real MicroPython, its board wired to a world, a broker beside it."""

import json
import threading
from contextlib import contextmanager

import paho.mqtt.client as paho

from circulation.wire.messages import SiteLoan, encode, sealed
from circulation.wire.topics import Topics
from hardware.clock import SystemClock
from sim.mcu import vm
from sim.mcu.process import McuProcess
from sim.mcu.station import gate_wires, world_gate
from sim.world import World
from tests.firmware.mcu.day_gateway import Network
from tests.support.programs import wait_until

STATION = "gate-2"
SITE_KEY = bytes(range(16))
TOPICS = Topics("school")
MOMO, KRABAT = "30001", "30002"
UIDS = {MOMO: "e004010000000001", KRABAT: "e004010000000002"}
STICKERS = {MOMO: "04a1b2c3d4e501", KRABAT: "04a1b2c3d4e502"}
PAD_3M, PAD_FEIG, CHIP = "pad_3m", "pad_feig", "rc522"
PORTS = {PAD_3M: "uart_1", PAD_FEIG: "uart_2", CHIP: "spi_1"}


def config(broker_port, driver=PAD_3M, **broker):
    """Return what a provisioning would have written."""
    lane = {"name": "lane-1", "driver": driver, "port": PORTS[driver]}
    lane["beams"] = ["beam_1", "beam_2"]
    return {
        "library": "school",
        "site": "main",
        "station": STATION,
        "site_key": SITE_KEY.hex(),
        "members": ["DE-1"],
        "wifi": {"ssid": "school"},
        "broker": {"host": "127.0.0.1", "port": broker_port} | broker,
        "lanes": [lane],
    }


def loan(uid, seq=1):
    """Return a loan as a kiosk tells the gates."""
    told = SiteLoan(
        *("kiosk-1", 1, seq, None, [uid], "on", 3, [], "00112233445566aa", 0, None, "")
    )
    return encode(sealed(told, SITE_KEY))


class Listener:
    """Somebody at the broker who hears everything, and can say something."""

    def __init__(self, port, topics="lg/#"):
        """topics: the filter it listens to."""
        self.heard = []
        self._lock = threading.Lock()
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        self._client.on_message = self._take
        self._client.on_connect = lambda client, *_: client.subscribe(topics, qos=1)
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def _take(self, client, given, message):
        with self._lock:
            self.heard.append((message.topic.rpartition("/")[2], json.loads(message.payload)))

    def of(self, name):
        """Return the messages whose topic ends so."""
        with self._lock:
            return [payload for topic, payload in self.heard if topic == name]

    def alarms(self):
        """Return the tags of the alarms the kiosks were told of."""
        return [alarm["uid"] for alarm in self.of("alarm")]

    def facts(self):
        """Return the facts that were offered to the gateway, each once, in their order."""
        rows = {}
        for batch in self.of("journal"):
            for number, event in enumerate(batch["events"]):
                rows[batch["seq0"] + number] = json.loads(event)
        return [rows[seq] for seq in sorted(rows)]

    def journalled(self):
        """Return their kinds."""
        return [fact["kind"] for fact in self.facts()]

    def say(self, topic, payload):
        """Publish something."""
        self._client.publish(topic, payload, qos=1)

    def close(self):
        """Go."""
        self._client.disconnect()
        self._client.loop_stop()


class Gateway(Listener):
    """The gateway of a gate's day (`day_gateway.py`), at a real broker: it takes facts, hands out
    the list, and is heard to live."""

    def __init__(self, port, listed=(), topics="lg/#"):
        """listed: the tags that its list lets go."""
        self.is_open = True
        self.network = Network(listed)
        self.network.line = self
        self._began_ms = SystemClock().now_ms()
        self._over = threading.Event()
        super().__init__(port, topics)
        self._beating = threading.Thread(target=self._beat)
        self._beating.start()

    def deliver(self, topic, payload):
        """Be the network's line: publish."""
        self.say(topic, payload)

    def offer(self, listed, version):
        """Have another list, and let every gate know that it is newer."""
        with self._lock:
            self.network.list(listed)
            self.network.offer(self.network.lineage, version, "1")
            self._head()

    def close(self):
        """Go."""
        self._over.set()
        self._beating.join()
        super().close()

    def _take(self, client, given, message):
        super()._take(client, given, message)
        if message.topic.endswith(("/journal", "/request")):
            with self._lock:
                self.network.told(message.topic, message.payload)

    def _beat(self):
        while not self._over.wait(2.0):
            with self._lock:
                self._head()

    def _head(self):
        self.network.head(SystemClock().now_ms() - self._began_ms)


class VmGate:
    """One gate: hands move `world`, eyes look at `hardware`, `process` is its program."""

    def __init__(
        self,
        code,
        folder,
        broker_port,
        *,
        heap_bytes=vm.PICO_W_HEAP_BYTES,
        driver=PAD_3M,
        **broker,
    ):
        clock = SystemClock()
        self.world = World(clock)
        self.hardware = self.world.add_gate(STATION, wired=True, driver=driver)
        self.uids = STICKERS if driver == CHIP else UIDS
        for key, uid in self.uids.items():
            self.world.add_book(key, key, owner="DE-1", uid=uid)
        flash = folder / "flash"
        flash.mkdir(exist_ok=True)
        values = config(broker_port, driver, **broker)
        (flash / "config.json").write_text(json.dumps(values))
        self.process = McuProcess(
            flash,
            gate_wires(values, world_gate(self.hardware)),
            clock=clock,
            code=code,
            heap_bytes=heap_bytes,
        )

    @property
    def board(self):
        """The board under the program."""
        return self.process.board

    def check(self):
        """Raise AssertionError when the program has ended by itself."""
        assert self.process.starts < 2, self.process.said()

    def wait_until_it_detects(self):
        """Wait until the detection loop feeds the watchdog."""
        wait_until("the gate detects", lambda: self.board.fed > 20)

    def walk_out(self, key):
        """Carry a book out, and wait until the walk is over."""
        self.world.move(key, "hand")
        self.world.walk(STATION, "lane-1", "out")
        wait_until("the walk is over", lambda: bool(self.world.at("outside")))

    def siren_after_ms(self, before):
        """Return how long after the first beam the siren came on; before: earlier changes."""
        siren = list(self.hardware.siren.history)[before:]
        beam = list(self.hardware.lanes["lane-1"].beam_inner.history)
        began = [at_ms for at_ms, state in beam if state][-1]
        return [at_ms - began for at_ms, state in siren if state]


@contextmanager
def vm_gate(code, folder, broker_port, **options):
    """Run a gate until the block ends."""
    gate = VmGate(code, folder, broker_port, **options)
    try:
        yield gate
    finally:
        gate.process.close()


@contextmanager
def gateway(port, listed=(), **options):
    """Be the gateway at a broker until the block ends."""
    held = Gateway(port, listed, **options)
    try:
        yield held
    finally:
        held.close()


@contextmanager
def listener(port):
    """Listen at a broker until the block ends."""
    heard = Listener(port)
    try:
        yield heard
    finally:
        heard.close()
