"""The bench process: the world, its devices for stations, its plugs, and its page."""

import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn

from sim.bench.app import Bench, make_app
from sim.bench.playing import Playing
from sim.bench.plugs import Plugs
from sim.clock import SystemClock
from sim.demo_plan import GATES, KIOSKS
from sim.errors import DemoFailed
from sim.library import build_world
from sim.remote_server import DeviceServer
from sim.serial.device import SimSerialDevice
from sim.serial.tcp import TcpCable
from sim.world import World

SAVE_EVERY_S = 2.0
STOP_S_MAX = 1


@dataclass(frozen=True)
class BenchPlan:
    """How to build a bench.

    Without `broker` and `gateway` it has no network plugs; with `state` it keeps where the books
    are and what their tags say. The devices of `wired` kiosks end in cables.
    """

    library: Path
    port: int
    device_port: int = 0
    broker: tuple[str, int] | None = None
    gateway: tuple[str, int] | None = None
    links: tuple[tuple[str, str], ...] = ()
    state: Path | None = None
    wired: tuple[str, ...] = ()


def read_plan(path: Path) -> BenchPlan:
    """Return the plan that the demo wrote with `plan_doc`."""
    doc = json.loads(path.read_text())
    return BenchPlan(
        library=Path(doc["library"]),
        port=doc["port"],
        broker=("127.0.0.1", doc["broker_port"]),
        gateway=("127.0.0.1", doc["gateway_port"]),
        links=tuple((name, address) for name, address in doc["links"].items()),
        state=Path(doc["state"]),
        wired=tuple(doc["wired"]),
    )


def run(plan: BenchPlan, *, say: Callable[[str], None]) -> None:
    """Serve the bench until SIGINT or SIGTERM; raises `DemoFailed` if its port is in use."""
    world = build_world(SystemClock(), plan.library, wired=plan.wired)
    listener = _listen(plan.port)
    keeper = Keeper(world, plan.state)
    keeper.restore()
    devices = DeviceServer(world.devices, world.clock, port=plan.device_port, buses=world.buses)
    plugs = _plugs(plan)
    cables = plug_cables(world)
    facts = {
        "device_port": devices.port,
        "cables": {name: one.url for name, one in cables.items()},
    }
    bench = Bench(world, plugs, dict(plan.links), facts)
    if plugs is not None:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        bench.playing = Playing(address, plan.library.parent / "scenarios")
    server = BenchServer(bench)
    keeper.start()
    say(f"bench: http://127.0.0.1:{listener.getsockname()[1]}/  devices: port {devices.port}")
    try:
        server.run(sockets=[listener])
    finally:
        if bench.playing is not None:
            bench.playing.stop()
        keeper.stop()
        devices.stop()
        for cable in cables.values():
            cable.close()
        if plugs is not None:
            plugs.close()


class BenchServer(uvicorn.Server):
    """A server that ends the open event streams first, so that stopping is quick."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(
            uvicorn.Config(
                make_app(bench),
                log_level="warning",
                access_log=False,
                timeout_graceful_shutdown=STOP_S_MAX,
            )
        )
        self._bench = bench

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End the streams, then do what every server does."""
        self._bench.closing = True
        super().handle_exit(sig, frame)


class Keeper:
    """Keeps the world in a file, every two seconds when it changed and at the end."""

    def __init__(self, world: World, path: Path | None) -> None:
        self._world = world
        self._path = path
        self._kept = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)

    def restore(self) -> None:
        """Bring the world to where it was kept; a file that cannot be read is left out."""
        if self._path is None or not self._path.exists():
            return
        try:
            self._world.restore(json.loads(self._path.read_text()))
        except (OSError, ValueError) as error:
            self._world.note("", f"{self._path.name}: everything starts at home ({error})")

    def start(self) -> None:
        """Begin keeping."""
        if self._path is not None:
            self._thread.start()

    def stop(self) -> None:
        """Keep once more and end."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(SAVE_EVERY_S):
            self._keep()
        self._keep()

    def _keep(self) -> None:
        doc = json.dumps(self._world.to_doc())
        if self._path is None or doc == self._kept:
            return
        new = self._path.with_suffix(".new")
        new.write_text(doc)
        new.replace(self._path)
        self._kept = doc


def plug_cables(world: World) -> dict[str, TcpCable]:
    """Open and return the serial cables of wired kiosks by the name of their device."""
    ends = {
        name: device
        for name, device in world.devices.items()
        if isinstance(device, SimSerialDevice)
    }
    cables = {name: TcpCable(device) for name, device in ends.items()}
    for cable in cables.values():
        cable.open()
    return cables


def _plugs(plan: BenchPlan) -> Plugs | None:
    if plan.broker is None or plan.gateway is None:
        return None
    stations = {station.station: station.label for station in (*KIOSKS, *GATES)}
    return Plugs(broker=plan.broker, gateway=plan.gateway, stations=stations)


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", port), backlog=64)
    except OSError as error:
        raise DemoFailed(
            f"port {port} is in use or not allowed ({error.strerror}); "
            "stop what holds it, or say --bench-port"
        ) from error


def facts_of(state: dict[str, Any]) -> tuple[int, dict[str, tuple[int, int]]]:
    """Return from `/api/state` the device port, and each plug's broker and web ports."""
    plugs = {plug["id"]: (plug["broker_port"], plug["web_port"]) for plug in state["plugs"]}
    return state["device_port"], plugs
