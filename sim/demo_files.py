"""What the demo keeps in its folder: secrets made once, and a configuration for each program."""

import json
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sim.demo_plan import GATES, KIOSKS, StationPlan
from sim.errors import DemoFailed

LIBRARY = "linden"
SITE = "main"
OWNER = "ZZ-LINDEN"
ZONE = "Europe/Berlin"
WIRED = ("kiosk-2",)
"""Kiosks that run the drivers of real devices, on simulated wires."""

BOARDS = ("gate-2",)
"""Gates that run the firmware of a microcontroller, on a simulated board."""

SIGNAL_PINS = {"sound_ok": 17, "sound_problem": 27}
"""BCM numbers of a wired kiosk's two signals."""
SIGNAL_ON_MS_MAX = 10_000

MARKER = "this-is-a-lendgate-demo"


@dataclass(frozen=True)
class Ports:
    """Where the demo's programs listen on this machine."""

    broker: int = 18830
    gateway: int = 18080
    kiosks: tuple[int, ...] = (18081, 18082)
    bench: int = 18090

    def named(self) -> dict[str, int]:
        """Return each port under the name of its option."""
        kiosks = {f"--kiosk-{n}-port": port for n, port in enumerate(self.kiosks, 1)}
        return {
            "--broker-port": self.broker,
            "--gateway-port": self.gateway,
            **kiosks,
            "--bench-port": self.bench,
        }


@dataclass(frozen=True)
class Secrets:
    """The keys of one demo, in hex; they open nothing but this demo."""

    site_key: str
    card_key: str


def prepare_folder(folder: Path, *, fresh: bool) -> bool:
    """Make the demo's folder, emptied if `fresh`; return whether it is new.

    Raises `DemoFailed` rather than empty a folder that no demo has made.
    """
    marker = folder / MARKER
    if folder.exists() and any(folder.iterdir()) and not marker.exists():
        raise DemoFailed(f"{folder}: not a folder of the demo; name another one with --folder")
    if fresh and folder.exists():
        shutil.rmtree(folder)
    is_new = not marker.exists()
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    if is_new:
        marker.write_text("The demo may delete this folder and everything in it.\n")
    return is_new


def read_secrets(folder: Path) -> Secrets:
    """Return the demo's keys, made when its folder is new."""
    path = folder / "secrets.json"
    if not path.exists():
        path.touch(mode=0o600)
        keys = {"site_key": secrets.token_hex(16), "card_key": secrets.token_hex(16)}
        path.write_text(json.dumps(keys))
    return Secrets(**json.loads(path.read_text()))


def gateway_toml(keys: Secrets, net: "Net", port: int) -> str:
    """Return the gateway's configuration."""
    return f"""\
library = "{LIBRARY}"
name = "Linden School Library"
database = "gateway.db"
zone = "{ZONE}"
site_key = "{keys.site_key}"
card_key = "{keys.card_key}"

[broker]
host = "127.0.0.1"
port = {net.broker_port}

[web]
host = "127.0.0.1"
port = {port}
"""


def kiosk_toml(plan: StationPlan, folder: Path, keys: Secrets, net: "Net", port: int) -> str:
    """Return a kiosk's configuration."""
    return (
        _station_toml(plan, keys, net)
        + 'room = "hall"\n'
        + 'languages = ["en", "de", "zh"]\n'
        + f"owners = [{json.dumps(OWNER)}]\n"
        + _rest_toml(plan, folder, net)
        + f'\n[web]\nhost = "127.0.0.1"\nport = {port}\n'
    )


def device_toml(station: str, cables: Mapping[str, str]) -> str:
    """Return the sections of a configuration that name the drivers of a wired kiosk."""
    pins = "".join(
        f"""
[devices.{signal}]
driver = "gpio"
gpio = {gpio}
max_on_ms = {SIGNAL_ON_MS_MAX}
"""
        for signal, gpio in SIGNAL_PINS.items()
    )
    return f"""
[devices.pad]
driver = "pad_3m"
port = {json.dumps(cables[f"{station}/pad"])}

[devices.cards]
driver = "rc522"
reset_gpio = 25

[devices.scanner]
driver = "serial"
port = {json.dumps(cables[f"{station}/scanner"])}

[devices.printer]
driver = "escpos"
port = {json.dumps(cables[f"{station}/printer"])}
{pins}"""


def gate_toml(plan: StationPlan, folder: Path, keys: Secrets, net: "Net") -> str:
    """Return a gate's configuration."""
    lenders = [kiosk.station for kiosk in KIOSKS]
    return (
        _station_toml(plan, keys, net)
        + f"members = [{json.dumps(OWNER)}]\n"
        + f"lenders = {json.dumps(lenders)}\n"
        + _rest_toml(plan, folder, net)
        + "\n[gate]\nboundary = 3\n"
    )


def board_json(plan: StationPlan, keys: Secrets, net: "Net") -> str:
    """Return the configuration of a gate on a microcontroller; its antennas are 3M pads."""
    lanes = [
        {
            "name": lane,
            "driver": "pad_3m",
            "port": f"uart_{number}",
            "beams": [f"beam_{2 * number - 1}", f"beam_{2 * number}"],
        }
        for number, lane in enumerate(plan.lanes, 1)
    ]
    doc = {
        "library": LIBRARY,
        "site": SITE,
        "station": plan.station,
        "name": plan.label,
        "site_key": keys.site_key,
        "card_key": keys.card_key,
        "members": [OWNER],
        "lenders": [kiosk.station for kiosk in KIOSKS],
        "wifi": {"ssid": "Linden School"},
        "broker": {"host": "127.0.0.1", "port": net.broker_port},
        "lanes": lanes,
        "gate": {"boundary": 3},
    }
    return json.dumps(doc, indent=1)


@dataclass(frozen=True)
class Net:
    """How one computer reaches the broker and the gateway: through its plug at the bench."""

    broker_port: int
    web_port: int


def _station_toml(plan: StationPlan, keys: Secrets, net: Net) -> str:
    return f"""\
library = "{LIBRARY}"
site = "{SITE}"
station = "{plan.station}"
name = "{plan.label}"
gateway_url = "http://127.0.0.1:{net.web_port}"
site_key = "{keys.site_key}"
card_key = "{keys.card_key}"
"""


def _rest_toml(plan: StationPlan, folder: Path, net: Net) -> str:
    store = folder / plan.station / "station.db"
    store.parent.mkdir(exist_ok=True)
    return f"""
[broker]
host = "127.0.0.1"
port = {net.broker_port}

[store]
path = {json.dumps(str(store))}
"""


__all__ = [
    "BOARDS",
    "GATES",
    "KIOSKS",
    "LIBRARY",
    "OWNER",
    "SIGNAL_PINS",
    "SITE",
    "WIRED",
    "ZONE",
    "Net",
    "Ports",
    "Secrets",
    "board_json",
    "device_toml",
    "gate_toml",
    "gateway_toml",
    "kiosk_toml",
    "prepare_folder",
    "read_secrets",
]
