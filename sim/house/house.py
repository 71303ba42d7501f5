"""The house: one library's world, its programs, one clock, and everybody's turns."""

import shutil
import tempfile
from collections.abc import Collection
from pathlib import Path
from types import TracebackType

from sim.demo_files import LIBRARY, Secrets
from sim.demo_plan import GATES, KIOSKS
from sim.errors import WorldError
from sim.faults import Faulty
from sim.house import lists
from sim.house.broker import Broker
from sim.house.clock import HouseClock
from sim.house.gate import HouseGate
from sim.house.gateway import KEEPALIVE_S, HouseGateway, filled_database
from sim.house.kiosk import HouseKiosk
from sim.house.line import LineLink, SimLine
from sim.library import fill_world
from sim.world import World

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "demo"
MEMORY = Path("/dev/shm")
"""Where files cost nothing: what a house writes is for this process only."""

GATEWAY = "gateway"
TURN_MS = 20
GATEWAY_EVERY_MS = 100
OPEN_MS_MAX = 30_000
KEYS = Secrets(site_key="5e1f0c83" * 4, card_key="ca72d94b" * 4)
"""Not as the manuals' are: `check` calls those no secret."""


class HouseWorld(World):
    """A world whose hands do not move ahead of a station that waits for a slow device."""

    clock: HouseClock

    def settle(self) -> None:
        """Catch up with the house's clock; see `World.settle`."""
        if not self.clock.is_ahead:
            super().settle()


class House:
    """One building: the demo's two kiosks and two gates, its books and readers.

    A context manager. `world` has the verbs of a hand, `kiosks` and `gates` the programs, and
    `run` lets time pass. `folder` is made and removed by the house unless one is given.
    """

    def __init__(
        self,
        library: Path = EXAMPLE,
        *,
        seed: int = 0,
        folder: Path | None = None,
        clock: HouseClock | None = None,
        wired: Collection[str] = (),
    ) -> None:
        """wired: kiosks whose devices end in wires, and which run the drivers of real ones."""
        self.seed = seed
        self.clock = clock or HouseClock()
        self.world = HouseWorld(self.clock, seed=seed)
        self.broker = Broker()
        self._own_folder = folder is None
        self.folder = folder or Path(
            tempfile.mkdtemp(prefix="lendgate-", dir=MEMORY if MEMORY.is_dir() else None)
        )
        fill_world(self.world, library, wired=wired)
        self.gateway = HouseGateway(
            self.folder, self.broker, self.clock, library=LIBRARY,
            site_key=bytes.fromhex(KEYS.site_key),
            database=filled_database(library.resolve(), KEYS.card_key),
        )  # fmt: skip
        self.gateway_line = SimLine(f"{GATEWAY}/link")
        hardware = self.world.all_kiosks()
        self.kiosks = {
            plan.station: HouseKiosk(
                plan, hardware[plan.station], folder=self.folder, keys=KEYS, seed=seed
            )
            for plan in KIOSKS
        }
        self.gates = {
            plan.station: HouseGate(
                plan, self.world.gates[plan.station], folder=self.folder, keys=KEYS, seed=seed
            )
            for plan in GATES
        }
        self._gateway_ms = self.clock.now_ms()
        self._connect_gateway()

    @property
    def stations(self) -> dict[str, HouseKiosk | HouseGate]:
        """Every kiosk and gate by name."""
        return {**self.kiosks, **self.gates}

    @property
    def devices(self) -> dict[str, Faulty]:
        """Everything that can be made to fail, by name: devices, cables, disks."""
        lines = [self.gateway_line, *(station.line for station in self.stations.values())]
        disks = [kiosk.disk for kiosk in self.kiosks.values()]
        return {**self.world.devices, **{one.name: one for one in (*lines, *disks)}}

    def open(self) -> "House":
        """Switch everything on and wait until every list is everywhere."""
        self.gateway.link.start()
        for station in self.stations:
            self.restore_power(station)
        for _ in range(OPEN_MS_MAX // 1_000):
            self.run(1_000)
            if self._is_ready():
                return self
        raise WorldError("the lists did not come to every station; see the stations' logs")

    def run(self, ms: int) -> "House":
        """Let everybody work for that long."""
        end_ms = self.clock.now_ms() + ms
        while (now_ms := self.clock.now_ms()) < end_ms:
            self.clock.advance(min(TURN_MS, end_ms - now_ms))
            self._take_turns()
        return self

    def cut_power(self, name: str) -> None:
        """Cut a station's power in the middle of whatever it does."""
        station = self.station(name)
        if not station.powered:
            raise WorldError(f"{name}: it has no power already")
        station.cut_power()
        self.world.note(name, "power cut")

    def restore_power(self, name: str) -> None:
        """Give a station its power back; its program starts on what its disk has."""
        station = self.station(name)
        if station.powered:
            raise WorldError(f"{name}: it has power already")
        station.power_on(self.broker, self.clock, self._serve_to(station.line))
        station.rest_until_ms = 0
        self.world.note(name, "power on")

    def station(self, name: str) -> HouseKiosk | HouseGate:
        """Return a kiosk or a gate; raises `WorldError` for any other name."""
        try:
            return self.stations[name]
        except KeyError:
            known = ", ".join(self.stations)
            raise WorldError(f"{name!r}: no such station; there are {known}") from None

    def line(self, name: str) -> SimLine:
        """Return the network cable of a station or of the gateway."""
        return self.gateway_line if name == GATEWAY else self.station(name).line

    def close(self) -> None:
        """Close every file; remove the folder if it is the house's own."""
        for station in self.stations.values():
            station.close()
        self.gateway.close()
        if self._own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> "House":
        return self.open()

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def _take_turns(self) -> None:
        self.world.settle()
        now_ms = self.clock.now_ms()
        if now_ms - self._gateway_ms >= GATEWAY_EVERY_MS:
            self._gateway_ms = now_ms
            self._gateway_link.tick()
            self.gateway.step()
        for station in self.stations.values():
            if station.powered and now_ms >= station.rest_until_ms:
                slept_ms = self.clock.take_turn(station.step)
                station.rest_until_ms = now_ms + slept_ms

    def _is_ready(self) -> bool:
        lists_of_kiosks = [kiosk.engine.lists.versions() for kiosk in self.kiosks.values()]
        has_lists = all(len(versions) == 3 for versions in lists_of_kiosks)
        online = all(kiosk.view.get("online") for kiosk in self.kiosks.values())
        return has_lists and online and not any(gate.health() for gate in self.gates.values())

    def _connect_gateway(self) -> None:
        gateway = self.gateway
        self.broker.links.remove(gateway.link)
        self._gateway_link = LineLink(
            self.broker, gateway.deliver, self.gateway_line,
            clock=self.clock, keepalive_s=KEEPALIVE_S, random_below=lambda below: 0,
        )  # fmt: skip
        self._gateway_link.will = gateway.hub.will()
        gateway.link = self._gateway_link
        gateway.service.join(gateway.link)

    def _serve_to(self, line: SimLine) -> lists.Serve:
        def serve(path: str) -> bytes:
            if not (line.is_open and self.gateway_line.is_open):
                raise ConnectionError("the gateway cannot be reached")
            return self.gateway.serve(path)

        return serve
