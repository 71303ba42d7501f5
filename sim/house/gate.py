"""A gate of a house: the real loop, machine and courier on simulated devices, stepped by hand."""

import random
import tomllib
from pathlib import Path
from typing import cast

from circulation.config import Section
from circulation.journal import SqliteJournal
from circulation.link import Link
from circulation.wire.messages import encode
from firmware.gate.events import ClockSet
from firmware.gate.machine import GateMachine
from firmware.pi.app import KEEPALIVE_S, open_store
from firmware.pi.config import read_station_config
from firmware.pi.courier import Courier
from firmware.pi.devices import GateDevices, LaneDevices
from firmware.pi.facts import FactWriter, StationTime
from firmware.pi.following import ListFollowing
from firmware.pi.lists import ListFolder
from firmware.pi.loop import DetectionLoop
from sim.demo_files import Secrets, gate_toml
from sim.demo_plan import StationPlan
from sim.devices import SimReader
from sim.house import lists
from sim.house.broker import Broker
from sim.house.clock import HouseClock
from sim.house.kiosk import NOWHERE
from sim.house.line import LineLink, SimLine
from sim.rooms import SimGate


class HouseGate:
    """One gate; `powered` says whether its program runs."""

    def __init__(
        self,
        plan: StationPlan,
        hardware: SimGate,
        *,
        folder: Path,
        keys: Secrets,
        seed: int,
    ) -> None:
        self.station = plan.station
        self.hardware = hardware
        self.line = SimLine(f"{plan.station}/link")
        self.powered = False
        self.rest_until_ms = 0
        self._chance = random.Random(f"{seed} {plan.station}")
        self._settings = tomllib.loads(gate_toml(plan, folder, keys, NOWHERE))

    def power_on(self, broker: Broker, clock: HouseClock, serve: lists.Serve) -> None:
        """Start the program on what its disk has; the network is tried at once."""
        config = read_station_config(Section(self._settings, file=self.station))
        time = StationTime(clock, boot=self._chance.randbytes(4).hex())
        devices = self._devices()
        machine = GateMachine(config.machine(devices), config.site_key, self._new_id)
        self.loop = DetectionLoop(machine, devices, clock=clock, outbox=self._hand_over)
        self.connection = open_store(config)
        journal = SqliteJournal(self.connection, epoch_id=self._new_id())
        self._following = ListFollowing(
            base_url=config.gateway_url,
            folder=ListFolder(config.lists),
            tell=self.loop.tell,
            arrived=lambda result: self.courier.hand_over(result, clock.now_ms()),
            random_below=self._chance.randrange,
            connect=lists.connector(serve),
        )
        writer = FactWriter(journal, time, site=config.site, new_id=self._new_id)
        self.courier = Courier(
            config, writer, self._following,
            tell=self.loop.tell, random_below=self._chance.randrange,
        )  # fmt: skip
        self._connect(broker, clock)
        self.loop.tell(ClockSet(time.wall_ms(time.mono_ms())[0]))
        self._following.start()
        self.powered = True
        self.link.start()

    def cut_power(self) -> None:
        """Let nothing of the program survive but its files; the siren falls silent."""
        self.powered = False
        self.link.lose_power()
        self.connection.close()
        hardware = self.hardware
        for output in (hardware.siren, hardware.lamp_red, hardware.lamp_amber):
            output.release()

    def step(self) -> None:
        """One turn of the detection loop, and what the courier has to do."""
        self.loop.turn()
        self.link.tick()
        self.courier.step(0)
        self._following.wait()

    def health(self) -> dict[str, str]:
        """Return what staff should know, by subject; empty when all is well."""
        return self.loop.health() if self.powered else {"power": "off"}

    def close(self) -> None:
        """Close every file."""
        if self.powered:
            self.connection.close()
            self.powered = False

    def _connect(self, broker: Broker, clock: HouseClock) -> None:
        self.link = LineLink(
            broker,
            lambda event: self.courier.hand_over(event, clock.now_ms()),
            self.line,
            clock=clock,
            keepalive_s=KEEPALIVE_S,
            random_below=self._chance.randrange,
        )
        courier = self.courier
        will = courier.topics.status(self.station), encode(courier.status(on=False))
        self.link.will = will
        courier.link = cast(Link, self.link)
        self.link.subscribe(courier.filters())

    def _devices(self) -> GateDevices:
        hardware = self.hardware
        lanes = {}
        for name, lane in hardware.lanes.items():
            assert isinstance(lane.antenna, SimReader), "a house's gates end in no cables"
            lanes[name] = LaneDevices(lane.antenna, lane.beam_inner, lane.beam_outer)
        return GateDevices(
            lanes=lanes,
            siren=hardware.siren,
            lamp_red=hardware.lamp_red,
            lamp_amber=hardware.lamp_amber,
            button=hardware.button,
        )

    def _hand_over(self, item: object, at_ms: int) -> None:
        self.courier.hand_over(item, at_ms)

    def _new_id(self) -> str:
        return self._chance.randbytes(8).hex()
