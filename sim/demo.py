"""A whole library in child processes: broker, gateway, bench, kiosks and gates.

Every computer reaches the broker and the gateway through its own plug at the bench, so pulling a
plug on the page is pulling a cable. Nothing is written outside the demo's folder, and stopping
ends every process that was started.
"""

import contextlib
import json
import random
import socket
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from sim import demo_files as files
from sim.demo_files import GATES, KIOSKS, Net, Ports
from sim.demo_plan import StationPlan
from sim.errors import DemoFailed
from sim.http import HttpFailed, answers, get_json
from sim.mcu.vm import NO_VM, find_vm
from sim.processes import Family

EXAMPLES = Path(__file__).parent.parent / "examples" / "demo"
HOST = "127.0.0.1"
OWN_PORTS = range(20_000, 30_000)
"""Below those that Linux gives to outgoing connections (from 32768 on)."""
LOOK_EVERY_S = 0.2
LISTS = {"catalogue", "patrons", "policy"}
"""What a kiosk needs to lend; it fetches them from the gateway when it starts."""

Say = Callable[[str], None]


class Demo:
    """One running demo; leaving the context stops all of it."""

    def __init__(self, folder: Path, ports: Ports, *, fresh: bool, say: Say) -> None:
        self.folder = folder.resolve()
        self.ports = ports
        self._fresh = fresh
        self._say = say
        self._family: Family | None = None
        self._started_at = time.monotonic()

    def __enter__(self) -> "Demo":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def address(self, name: str) -> str:
        """Return the web address of "bench", "gateway", "kiosk-1" …, without a slash."""
        ports = {"bench": self.ports.bench, "gateway": self.ports.gateway}
        ports |= {kiosk.station: port for kiosk, port in self._kiosks()}
        return f"http://{HOST}:{ports[name]}"

    def start(self, stop: threading.Event) -> None:
        """Start everything and return when all of it is ready; `stop` ends the waiting early."""
        _refuse_taken_ports(self.ports)
        is_new = files.prepare_folder(self.folder, fresh=self._fresh)
        family = self._family = Family(self.folder / "logs", stop)
        self._say(f"Lendgate demo in {self.folder}")
        family.start("broker", "-m", "gateway", "broker", "--port", str(self.ports.broker))
        self._start_bench(family)
        self._await(family, "broker", _listens(self.ports.broker))
        plugs = self._await_bench(family)
        self._start_gateway(family, plugs["gateway"], is_new=is_new)
        self._start_stations(family, plugs)
        self._await(family, "gateway", lambda: answers(f"{self.address('gateway')}/api/board"))
        self._await_stations(family)
        self._tell()

    def wait(self, stop: threading.Event) -> None:
        """Wait for `stop`; raises `DemoFailed` when a part of the demo ends by itself."""
        self._say("Ctrl-C stops all of it.")
        while not stop.wait(LOOK_EVERY_S):
            if self._family is not None:
                self._family.check()

    def stop(self) -> None:
        """End every process of the demo."""
        if self._family is None:
            return
        self._say("stopping …")
        forced = self._family.stop()
        self._family = None
        self._say("stopped" + (f"; had to be forced: {', '.join(forced)}" if forced else ""))

    def _start_bench(self, family: Family) -> None:
        links = {kiosk.station: f"{self.address(kiosk.station)}/" for kiosk, _ in self._kiosks()}
        doc = {
            "library": str(EXAMPLES),
            "port": self.ports.bench,
            "broker_port": self.ports.broker,
            "gateway_port": self.ports.gateway,
            "links": links | {"gateway": f"{self.address('gateway')}/"},
            "state": str(self.folder / "world.json"),
            "wired": [*files.WIRED, *files.BOARDS],
        }
        plan = self.folder / "bench.json"
        plan.write_text(json.dumps(doc, indent=1))
        family.start("bench", "-m", "sim", "bench", "--plan", str(plan))

    def _await_bench(self, family: Family) -> dict[str, Net]:
        self._await(family, "bench", lambda: answers(f"{self.address('bench')}/api/state"))
        state = get_json(f"{self.address('bench')}/api/state")
        self._device_port = str(state["device_port"])
        self._cables = dict(state["cables"])
        return {plug["id"]: Net(plug["broker_port"], plug["web_port"]) for plug in state["plugs"]}

    def _start_gateway(self, family: Family, net: Net, *, is_new: bool) -> None:
        """Start the gateway; a new one reads books and readers into its database first."""
        folder = self.folder / "gateway"
        folder.mkdir(exist_ok=True)
        keys = files.read_secrets(self.folder)
        text = files.gateway_toml(keys, net, self.ports.gateway)
        config = _write(folder / "gateway.toml", text)
        first = ("--fill", str(EXAMPLES)) if is_new else ()
        family.start("gateway", "-m", "sim", "gateway", str(config), *first)

    def _start_stations(self, family: Family, plugs: Mapping[str, Net]) -> None:
        keys = files.read_secrets(self.folder)
        for kiosk, port in self._kiosks():
            text = files.kiosk_toml(kiosk, self.folder, keys, plugs[kiosk.station], port)
            wires = kiosk.station in files.WIRED
            if wires:
                text += files.device_toml(kiosk.station, self._cables)
            self._start_station(
                family, "kiosk", kiosk.station, text, *(["--wires"] if wires else [])
            )
        for gate in GATES:
            if gate.station in files.BOARDS:
                self._start_board(family, gate, files.board_json(gate, keys, plugs[gate.station]))
                continue
            text = files.gate_toml(gate, self.folder, keys, plugs[gate.station])
            lanes = [part for lane in gate.lanes for part in ("--lane", lane)]
            self._start_station(family, "gate", gate.station, text, *lanes)

    def _start_station(
        self, family: Family, kind: str, station: str, text: str, *more: str
    ) -> None:
        config = _write(self.folder / f"{station}.toml", text)
        arguments = ("-m", "sim", kind, str(config), "--device-port", self._device_port, *more)
        family.start(station, *arguments)

    def _start_board(self, family: Family, gate: StationPlan, config: str) -> None:
        """Start a gate whose program is the firmware of a microcontroller."""
        path = _write(self.folder / f"{gate.station}.json", config)
        cables = [
            f"{lane}={self._cables[f'{gate.station}/{lane}/antenna']}" for lane in gate.lanes
        ]
        options = [part for cable in cables for part in ("--cable", cable)]
        at_bench = ("--firmware", "--device-port", self._device_port)
        family.start(gate.station, "-m", "sim", "gate", str(path), *at_bench, *options)
        if find_vm() is None:
            self._say(f"  {gate.station}: its firmware runs on CPython; {NO_VM}")

    def _await_stations(self, family: Family) -> None:
        for kiosk, _ in self._kiosks():
            self._await(family, kiosk.station, self._kiosk_ready(kiosk.station))
        for gate in GATES:
            is_board = gate.station in files.BOARDS
            ready = self._board_ready if is_board else self._gate_ready
            self._await(family, gate.station, ready(gate.station))

    def _kiosk_ready(self, station: str) -> Callable[[], bool]:
        def ready() -> bool:
            view = _quietly(f"{self.address(station)}/api/state")
            return bool(view.get("online")) and set(view.get("versions", {})) >= LISTS

        return ready

    def _gate_ready(self, station: str) -> Callable[[], bool]:
        def ready() -> bool:
            # A gate serves no page: it shows how it is in a file beside its journal.
            try:
                face = json.loads((self.folder / station / "station-status.json").read_text())
            except (OSError, ValueError):
                return False
            return bool(face["connected"]) and face["list"] == "FRESH"

        return ready

    def _board_ready(self, station: str) -> Callable[[], bool]:
        def ready() -> bool:
            # A board has no file to look into: the gateway's page says how the gate is. Its list
            # comes in small pieces, some seconds later.
            found = _quietly(f"{self.address('gateway')}/api/board").get("stations", [])
            return ("connected", station) in [(one["state"], one["station"]) for one in found]

        return ready

    def _await(self, family: Family, name: str, ready: Callable[[], bool]) -> None:
        family.wait_until(f"{name} is ready", ready)
        self._done(name)

    def _done(self, name: str) -> None:
        self._say(f"  {name:<8} ready after {time.monotonic() - self._started_at:.1f} s")

    def _tell(self) -> None:
        kiosks = {kiosk.label: kiosk.station for kiosk, _ in self._kiosks()}
        self._say("")
        for label, name in {"Bench": "bench", "Gateway": "gateway", **kiosks}.items():
            hint = "   ← start here" if name == "bench" else ""
            self._say(f"  {label:<13} {self.address(name)}/{hint}")
        self._say("")

    def _kiosks(self) -> list[tuple[Any, int]]:
        return list(zip(KIOSKS, self.ports.kiosks, strict=True))


def ports_from(options: Mapping[str, int]) -> Ports:
    """Return the ports of the command's options, free ones in place of 0."""
    free = iter(free_ports(len(options)))
    chosen = {name: port or next(free) for name, port in options.items()}
    return Ports(
        broker=chosen["broker_port"],
        gateway=chosen["gateway_port"],
        kiosks=(chosen["kiosk_1_port"], chosen["kiosk_2_port"]),
        bench=chosen["bench_port"],
    )


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on now, and that no connection is given by the system
    until a program takes them."""
    with contextlib.ExitStack() as stack:
        found: list[int] = []
        for port in random.sample(OWN_PORTS, len(OWN_PORTS)):
            if len(found) == count:
                break
            with contextlib.suppress(OSError):
                stack.enter_context(socket.create_server((HOST, port)))
                found.append(port)
        return found


def _write(path: Path, text: str) -> Path:
    """Write a configuration that holds keys: for its owner's eyes only."""
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def _refuse_taken_ports(ports: Ports) -> None:
    for option, port in ports.named().items():
        try:
            socket.create_server((HOST, port)).close()
        except OSError as error:
            raise DemoFailed(
                f"port {port} cannot be used ({error.strerror}): is a demo running already? "
                f"Stop what holds it, or choose another one with {option}"
            ) from error


def _listens(port: int) -> Callable[[], bool]:
    def ready() -> bool:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
        except OSError:
            return False
        return True

    return ready


def _quietly(url: str) -> dict[str, Any]:
    """Return what a GET answers, nothing while nobody answers."""
    try:
        found = get_json(url)
    except HttpFailed:
        return {}
    return found if isinstance(found, dict) else {}
