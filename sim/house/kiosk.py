"""A kiosk of a house: the real engine on simulated devices, stepped by hand."""

import json
import random
import tomllib
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from circulation.config import Section
from kiosk.app import KEEPALIVE_S, Chance, build_engine
from kiosk.board import Board
from kiosk.config import read_kiosk_config
from kiosk.devices import KioskDevices
from kiosk.engine import Pressed
from kiosk.web.actions import read_action
from sim.demo_files import Net, Secrets, kiosk_toml
from sim.demo_plan import StationPlan
from sim.errors import WorldError
from sim.faults import Faulty
from sim.house import lists
from sim.house.broker import Broker
from sim.house.clock import HouseClock
from sim.house.line import LineLink, SimLine
from sim.house.wired import Wires
from sim.rooms import SimKiosk, WiredKiosk

NOWHERE = Net(broker_port=1, web_port=1)
DISK_FULL = "full"


class SimDisk(Faulty):
    """A kiosk's disk. Its one fault is a word of its own: full."""

    faults_known = frozenset((DISK_FULL,))

    @property
    def free_bytes(self) -> int:
        """How much room there is."""
        return 0 if self.fault == DISK_FULL else 1 << 34


class HouseKiosk:
    """One kiosk; `powered` says whether its program runs."""

    def __init__(
        self,
        plan: StationPlan,
        hardware: SimKiosk | WiredKiosk,
        *,
        folder: Path,
        keys: Secrets,
        seed: int,
    ) -> None:
        self.station = plan.station
        self.hardware = hardware
        self.disk = SimDisk(f"{plan.station}/disk")
        self.line = SimLine(f"{plan.station}/link")
        self.powered = False
        self.rest_until_ms = 0
        self._wires: Wires | None = None
        self._chance = random.Random(f"{seed} {plan.station}")
        text = kiosk_toml(plan, folder, keys, NOWHERE, 0)
        self._settings = tomllib.loads(text)

    def power_on(self, broker: Broker, clock: HouseClock, serve: lists.Serve) -> None:
        """Start the program on what its disk has; the network is tried at once."""
        self.board = Board()
        chance = Chance(self._chance.randbytes, self._chance.randrange)
        section = Section(self._settings, file=self.station)
        self.engine = build_engine(
            read_kiosk_config(section), self._devices(clock), clock=clock, board=self.board,
            chance=chance, open_connection=lists.connector(serve),
        )  # fmt: skip
        self.engine.disk_free = lambda: self.disk.free_bytes
        self.link = LineLink(
            broker, self.engine.inbox.deliver, self.line,
            clock=clock, keepalive_s=KEEPALIVE_S, random_below=self._chance.randrange,
        )  # fmt: skip
        self.link.will = self.engine.uplink.will()
        self.engine.uplink.link = self.link
        self.link.subscribe(self.engine.uplink.filters())
        self.powered = True
        self.link.start()

    def cut_power(self) -> None:
        """Let nothing of the program survive but its files; outputs fall to their safe state."""
        self.powered = False
        self.link.lose_power()
        self.engine.lists.close()
        self.engine.store.close()
        if self._wires is not None:
            self._wires.let_go()
        for output in (self.hardware.sound_ok, self.hardware.sound_problem):
            output.release()

    def step(self) -> None:
        """One round, and whatever list it wants fetched."""
        self.link.tick()
        self.engine.step()
        wanted = self.engine.lists.fetcher.take_wanted()
        for pointer in wanted:
            self.engine.lists.fetcher.work(pointer)

    def press(self, name: str, **values: str) -> None:
        """Press a button of the screen; raises `WorldError` when that is not possible now."""
        reply: Future[dict[str, Any]] = Future()
        action = read_action(name, json.dumps(values).encode())
        self.engine.inbox.deliver(Pressed(action, reply))
        self.engine.step()
        answer = reply.result(timeout=0)
        if not answer["ok"]:
            raise WorldError(f"{self.station}: {answer['error']}")

    @property
    def view(self) -> dict[str, Any]:
        """What the screen shows; nothing without power."""
        return self.board.latest if self.powered else {"state": "no power"}

    def close(self) -> None:
        """Close every file."""
        if self.powered:
            self.engine.lists.close()
            self.engine.store.close()
            self.powered = False
        if self._wires is not None:
            self._wires.remove()

    def _devices(self, clock: HouseClock) -> KioskDevices:
        hardware = self.hardware
        if isinstance(hardware, WiredKiosk):
            self._wires = self._wires or Wires(hardware, clock)
            return self._wires.devices()
        return KioskDevices(
            reader=hardware.pad,
            scanner=hardware.scanner,
            card_reader=hardware.card_reader,
            printer=hardware.printer,
            sound_ok=hardware.sound_ok,
            sound_problem=hardware.sound_problem,
        )
