"""A whole kiosk and a whole gate of production code, on simulated devices, in this process."""

import json
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from circulation.config import Section
from circulation.link import Endpoint, Link, LinkEvent
from circulation.wire.topics import client_id
from firmware.gate.overlay import Overlay
from firmware.pi.app import GateStation
from firmware.pi.config import read_station_config
from firmware.pi.devices import GateDevices, LaneDevices
from gateway.outbox import pointer_message
from gateway.policies import save_policy
from gateway.snapshots import Snapshots
from gateway.store import Store as GatewayStore
from hardware.clock import SystemClock
from hardware.ports import Clock
from kiosk.app import Chance, build_engine
from kiosk.board import Board
from kiosk.config import read_kiosk_config
from kiosk.devices import KioskDevices
from kiosk.engine import LOOK_MS
from kiosk.fetching import SnapshotReady
from kiosk.store import Draft, News
from sim.devices import SimPrinter, SimReader, SimScanner
from sim.measure.library import CARD_KEY, LIBRARY, SITE, SITE_KEY
from sim.pins import SimInput, SimOutput

HOST = "127.0.0.1"
START_TICKS = 10
PATRON_MASK, ITEM_MASK = "2#{9}", "3#{9}"
POLICY = {
    "zone": "UTC",
    "categories": {"reader": {}},
    "versions": [
        {"version": 1, "from": "2000-01-01", "rules": [{"loan": {"days": 28}, "max_loans": 50}]}
    ],
    "barcodes": {
        "*": [{"kind": "patron", "mask": PATRON_MASK}, {"kind": "item", "mask": ITEM_MASK}]
    },
}


def _station(name: str, folder: Path, broker_port: int) -> dict[str, Any]:
    return {
        "library": LIBRARY,
        "site": SITE,
        "station": name,
        "gateway_url": f"http://{HOST}:1",
        "site_key": SITE_KEY.hex(),
        "card_key": CARD_KEY.hex(),
        "broker": {"host": HOST, "port": broker_port},
        "store": {"path": str(folder / name / "station.db")},
    }


class KioskRig:
    """A kiosk whose scanner is worked by hand, and that tells when a fact is on the disk."""

    def __init__(self, folder: Path, clock: Clock, *, broker_port: int = 1) -> None:
        """broker_port: where its link would go; it is not connected before `connect`."""
        self.clock = clock
        self.scanner = SimScanner()
        pad, cards = SimReader(clock, name="pad"), SimReader(clock, name="cards")
        devices = KioskDevices(pad, self.scanner, cards, SimPrinter())
        options = {"web": {"port": 0}, **_station("kiosk-1", folder, broker_port)}
        self._config = read_kiosk_config(Section(options, file="the measured kiosk"))
        chance = random.Random(1)
        self.engine = build_engine(
            self._config, devices, clock=clock, board=Board(),
            chance=Chance(chance.randbytes, chance.randrange),
        )  # fmt: skip
        self.committed: Callable[[str], None] = lambda fact: None
        self._announce = self.engine.desk.ledger.announce
        self.engine.desk.ledger.announce = self._tell
        self._link: Link | None = None

    def load(self, store: GatewayStore, snapshots: Path) -> None:
        """Give it the lists that the gateway builds from a database."""
        with store.write(LIBRARY) as write:
            save_policy(write, POLICY)
        builder = Snapshots(store, LIBRARY, snapshots)
        for kind in ("catalogue", "patrons", "policy"):
            built = builder.build(kind)
            self.engine.inbox.deliver(SnapshotReady(pointer_message(built), built.file))
            self.engine.step()
        for _ in range(START_TICKS):  # at its start it looks first what still lies on the pad
            self.clock.sleep_ms(LOOK_MS)
            self.engine.desk.tick(self.engine.time.mono_ms)

    def connect(self) -> None:
        """Connect to the broker."""
        place, uplink = self._config.place, self.engine.uplink
        self._link = Link(
            Endpoint(HOST, self._config.broker.port),
            client_id=client_id(place.library, place.station),
            will=uplink.will(),
            deliver=self._deliver,
        )
        uplink.link = self._link
        self._link.subscribe(uplink.filters())
        self._link.start()

    @property
    def connected(self) -> bool:
        """Whether it has a broker."""
        return self._link is not None and self._link.is_connected

    def scan(self, code: str) -> None:
        """Hold a label under the scanner and let the desk look, decide and record."""
        self.scanner.scan(code)
        self.engine.desk.tick(self.engine.time.mono_ms)

    def close(self) -> None:
        """Switch it off."""
        if self._link is not None:
            self._link.stop()
        self.engine.lists.close()
        self.engine.devices.close()
        self.engine.store.close()

    def _deliver(self, event: LinkEvent) -> None:
        """Put what the link says on the queue; what does not fit comes again."""
        self.engine.inbox.deliver(event)

    def _tell(self, draft: Draft, news: News, seq: int) -> None:
        self.committed(draft.id)
        self._announce(draft, news, seq)


class WatchedOverlay(Overlay):
    """A gate's overlay that tells when it has taken an entry."""

    def __init__(self, taken: Callable[[str], None]) -> None:
        """taken: called with the fact's id, in the thread that decides."""
        super().__init__(SITE_KEY)
        self._taken = taken

    def hear(self, message: Any) -> bool:
        """See `Overlay.hear`."""
        is_news = super().hear(message)
        if is_news:
            self._taken(message.fact)
        return is_news


def gate_devices(clock: Clock, siren: SimOutput | None = None) -> GateDevices:
    """Return one lane with two beams, a siren, two lamps and a button."""

    def output(name: str) -> SimOutput:
        return SimOutput(clock, name=name, max_on_ms=600_000)

    lane = LaneDevices(
        SimReader(clock, name="antenna"),
        SimInput(clock, name="inner"),
        SimInput(clock, name="outer"),
    )
    return GateDevices(
        {"lane-1": lane},
        siren or output("siren"),
        output("red"),
        output("amber"),
        SimInput(clock, name="button"),
        None,
    )


class GateRig:
    """A gate in threads of its own, from the loop to the broker."""

    def __init__(
        self, name: str, folder: Path, *, broker_port: int, taken: Callable[[str], None]
    ) -> None:
        clock = SystemClock()
        section = Section(_station(name, folder, broker_port), file="the measured gate")
        config = read_station_config(section)
        self._face = config.face
        self.station = GateStation(config, gate_devices(clock), clock=clock)
        self.station.loop.machine.holdings.overlay = WatchedOverlay(taken)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.station.run, args=(self._stop,), name=name)

    def start(self) -> None:
        """Begin to detect, and to connect."""
        self._thread.start()

    @property
    def connected(self) -> bool:
        """Whether the running program says that it has a broker."""
        try:
            return bool(json.loads(self._face.read_text())["connected"])
        except (OSError, ValueError):
            return False

    def close(self) -> None:
        """Stop, and wait until it has."""
        self._stop.set()
        self._thread.join()
