"""One building with a kiosk and a gate, both whole programs on simulated hardware.

The hardware is in this process, so that a hand can move books and a witness can hear the siren;
the programs reach it through sockets. The kiosk's and the gate's cable to the broker are watched:
who is connected since when, and when the gate was told of a loan.
"""

import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.policies import save_policy
from gateway.service import now_ms
from gateway.store import Store
from sim.clock import SystemClock
from sim.demo import free_ports
from sim.errors import SimError
from sim.http import HttpFailed, answers, get_json, post_json
from sim.measure.library import (
    CARD_KEY,
    LIBRARY,
    OWNER,
    SITE,
    SITE_KEY,
    Filled,
    barcode_of,
    fill,
    gateway_toml,
    settings_in,
    uid_of,
)
from sim.measure.rigs import POLICY
from sim.proxy import Proxy
from sim.remote_server import DeviceServer
from sim.torture.brokers import broker_command
from sim.torture.packets import PUBLISH, Packets
from sim.torture.programs import Programs
from sim.world import World

BROKER, GATEWAY, KIOSK, GATE, LANE = "broker", "gateway", "kiosk-1", "gate-1", "lane-1"
HOST = "127.0.0.1"
READY_S_MAX = 120.0  # a link that broke often waits up to thirty seconds before each try
LOOK_S = 0.05
CONNACK = 2


class CableTap:
    """The watch of one connection of a station; see `sim.proxy.Watch`.

    connected: called when the broker has accepted it. told: called with the topic and payload of
    every message that came.
    """

    def __init__(self, connected: Callable[[], None], told: Callable[[str, bytes], None]) -> None:
        self._connected = connected
        self._told = told
        self._packets = Packets()

    def goes(self, chunk: bytes) -> None:
        """What the station says does not matter here."""

    def came(self, chunk: bytes) -> None:
        """Take what the broker said."""
        for first, body in self._packets.feed(chunk):
            if first >> 4 == CONNACK:
                self._connected()
            elif first >> 4 == PUBLISH:
                size = int.from_bytes(body[:2])
                # QoS 0 has no packet id.
                start = 2 + size + (2 if first >> 1 & 3 else 0)
                self._told(body[2 : 2 + size].decode(errors="replace"), body[start:])


class Building:
    """The programs, the hardware, and what a witness sees; a context manager."""

    def __init__(self, folder: Path, broker: str, *, books: int, readers: int) -> None:
        """folder: an empty one."""
        self.folder = folder
        self._broker = broker
        self.filled = self._fill(books, readers)
        self.world = World(SystemClock())
        self.world.add_kiosk(KIOSK)
        self.gate = self.world.add_gate(GATE, lanes=(LANE,))
        self.gate.siren.watch = self._on_siren
        for number in range(books):
            self.world.add_book(
                barcode_of(number), f"Book {number}", owner=OWNER, uid=uid_of(number)
            )
        self._devices = DeviceServer(self.world.devices, self.world.clock)
        self._broker_port, self._web_port, self._screen_port = free_ports(3)
        self.rings = 0
        self.connected_s: dict[str, float] = {}
        self.told_s: dict[str, float] = {}
        self._cables = {name: self._cable(name) for name in (KIOSK, GATE)}
        self.programs = Programs(self._logs())
        self._pause = threading.Event()

    def __enter__(self) -> "Building":
        return self

    def __exit__(self, *_error: object) -> None:
        self.programs.kill_all()
        for cable in self._cables.values():
            cable.close()
        self._devices.stop()

    # Programs.

    def start_all(self) -> None:
        """Start everything and wait until each part is of use."""
        self.programs.start(BROKER, broker_command(self._broker, self.folder, self._broker_port))
        config = self._write("gateway", gateway_toml(self._web_port, self._broker_port))
        self.programs.start(
            GATEWAY, (sys.executable, ["-m", "gateway", "run", "--config", config])
        )
        self.wait("the gateway is ready", lambda: answers(f"{self._gateway}/healthz"))
        port = ("--device-port", str(self._devices.port))
        kiosk = self._write(KIOSK, self._station_toml(KIOSK) + self._kiosk_toml())
        self.programs.start(KIOSK, (sys.executable, ["-m", "sim", "kiosk", kiosk, *port]))
        gate = self._write(GATE, self._station_toml(GATE))
        command = ["-m", "sim", "gate", gate, *port, "--lane", LANE]
        self.programs.start(GATE, (sys.executable, command))
        lists = {"catalogue", "patrons", "policy"}
        self.wait(
            "the kiosk has its lists", lambda: set(self.screen().get("versions", {})) >= lists
        )
        self.wait("the gate has its list", lambda: self.face().get("list") in ("STALE", "FRESH"))

    def kill(self, name: str) -> None:
        """End a program as a power cut does."""
        self.programs.kill(name)
        for station in (KIOSK, GATE) if name == BROKER else (name,):
            self.connected_s.pop(station, None)
        if name == GATE:
            self._face().unlink(missing_ok=True)

    def is_awake(self, name: str) -> bool:
        """Return whether a program is of use: it runs, and the gate has looked around itself."""
        return self.programs.runs(name) and (name != GATE or self._face().exists())

    def wait(
        self,
        what: str,
        ready: Callable[[], bool],
        *,
        within_s: float = READY_S_MAX,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> None:
        """Wait until something is so; raises `SimError` at the deadline or when a program ends."""
        deadline = time.monotonic() + within_s
        while not ready():
            self.programs.check()
            meanwhile()
            if time.monotonic() > deadline:
                raise SimError(f"{what}: not so after {within_s:.0f} s; see {self.folder}")
            self._pause.wait(LOOK_S)

    # Looking, and the buttons of a screen.

    def screen(self) -> dict[str, Any]:
        """Return what the kiosk shows, nothing while it shows nothing."""
        try:
            return dict(get_json(f"http://{HOST}:{self._screen_port}/api/state"))
        except HttpFailed:
            return {}

    def press(self, action: str, **body: Any) -> None:
        """Press a button on the kiosk's screen; what means nothing just now is no matter."""
        try:
            post_json(f"http://{HOST}:{self._screen_port}/session/{action}", body)
        except HttpFailed:
            return

    def face(self) -> dict[str, Any]:
        """Return what the gate says of itself."""
        try:
            return dict(json.loads(self._face().read_text()))
        except (OSError, ValueError):
            return {}

    def journal(self, name: str) -> Path:
        """Return the database of the kiosk or the gate."""
        return self.folder / name / "station.db"

    @property
    def database(self) -> Path:
        """The gateway's database."""
        return self.folder / "gateway.db"

    @property
    def _gateway(self) -> str:
        return f"http://{HOST}:{self._web_port}"

    def _face(self) -> Path:
        return self.folder / GATE / "station-status.json"

    def _on_siren(self, what: str, _tag: object) -> None:
        self.rings += what == "on"

    def _on_told(self, name: str, topic: str, payload: bytes) -> None:
        """The gate was told of a loan: note when it first was, by the item."""
        if name == GATE and topic.endswith("/loan"):
            self.told_s.setdefault(json.loads(payload)["item"], time.monotonic())

    def _cable(self, name: str) -> Proxy:
        def connected() -> None:
            self.connected_s[name] = time.monotonic()

        def told(topic: str, payload: bytes) -> None:
            self._on_told(name, topic, payload)

        return Proxy((HOST, self._broker_port), watch=lambda: CableTap(connected, told))

    # Files.

    def _logs(self) -> Path:
        logs = self.folder / "logs"
        logs.mkdir()
        return logs

    def _fill(self, books: int, readers: int) -> Filled:
        settings = settings_in(self.folder)
        filled = fill(settings, books, readers)
        store = Store.at(settings.database, clock=now_ms)
        try:
            with store.write(LIBRARY) as write:
                save_policy(write, POLICY)
        finally:
            store.close()
        return filled

    def _station_toml(self, name: str) -> str:
        store = self.journal(name)
        store.parent.mkdir()
        options: dict[str, Any] = {
            "library": LIBRARY, "site": SITE, "station": name, "gateway_url": self._gateway,
            "site_key": SITE_KEY.hex(), "card_key": CARD_KEY.hex(),
        }  # fmt: skip
        if name == GATE:
            options |= {"members": [OWNER], "lenders": [KIOSK]}
        # JSON's texts and lists are TOML's too.
        lines = [f"{option} = {json.dumps(value)}" for option, value in options.items()]
        broker = f'[broker]\nhost = "{HOST}"\nport = {self._cables[name].port}\n'
        rest = f"[store]\npath = {json.dumps(str(store))}\n"
        if name == KIOSK:
            lines += [f"owners = [{json.dumps(OWNER)}]", 'languages = ["en"]']
        return "\n".join([*lines, broker, rest])

    def _kiosk_toml(self) -> str:
        return f"[web]\nport = {self._screen_port}\n[session]\nfarewell_s = 2\n"

    def _write(self, name: str, text: str) -> str:
        path = self.folder / f"{name}.toml"
        path.write_text(text)
        return str(path)
