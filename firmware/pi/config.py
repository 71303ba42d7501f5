"""The gate's configuration: every option, its bounds, its default.

The options of the gate's own behaviour are those of `firmware/gate/config.py`, read here from
section [gate]; lanes come from the devices that are passed in.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from circulation.config import Section
from circulation.errors import ConfigInvalid
from circulation.gateway_http import Connect, connector
from circulation.link import Endpoint
from circulation.wire.check import Hex
from circulation.wire.errors import TopicInvalid
from circulation.wire.topics import Topics
from firmware.gate.config import OPTIONS, GateConfig, gate_config
from firmware.gate.errors import GateConfigInvalid
from firmware.pi.devices import GateDevices
from hardware.samples import sample

CARD_KEY_DIGITS = 32


@dataclass(frozen=True, slots=True)
class StationConfig:
    """Everything a gate is told; keys are never printed."""

    library: str
    site: str
    station: str
    name: str
    gateway_url: str
    site_key: bytes
    card_key: bytes
    staff_cards: frozenset[str]
    members: tuple[str, ...]
    lenders: tuple[str, ...]
    endpoint: Endpoint
    store: Path
    options: dict[str, int]
    gateway_ca_file: str = ""

    def connector(self) -> Connect:
        """Return what opens connections to the gateway; raise ConfigInvalid for a bad CA."""
        return connector(self.library, self.station, self.site_key, self.gateway_ca_file)

    @property
    def lists(self) -> Path:
        """The folder of the downloaded lists."""
        return self.store.parent / f"{self.store.stem}-lists"

    @property
    def face(self) -> Path:
        """The file in which the running program shows how it is."""
        return self.store.parent / f"{self.store.stem}-status.json"

    def machine(self, devices: GateDevices) -> GateConfig:
        """Return what the gate's logic needs; raise ConfigInvalid."""
        lanes = [(name, lane.beams) for name, lane in devices.lanes.items()]
        try:
            return gate_config(self.station, lanes, self.members, self.lenders, **self.options)
        except GateConfigInvalid as error:
            raise ConfigInvalid(str(error)) from error


def read_station_config(section: Section) -> StationConfig:
    """Return the configuration; raise ConfigInvalid naming file, section and option.

    Section [devices] is left to whoever makes the devices.
    """
    library, site, station = (section.text(name) for name in ("library", "site", "station"))
    _check_names(library, site, station)
    gate = section.section("gate", optional=True)
    return StationConfig(
        library=library,
        site=site,
        station=station,
        name=section.text("name", default=station, chars_max=64),
        gateway_url=_read_url(section),
        gateway_ca_file=section.text("gateway_ca_file", default="", empty=True, chars_max=4_096),
        site_key=section.secret("site_key"),
        card_key=section.secret("card_key", default="00" * 16),
        staff_cards=_read_staff_cards(section),
        members=section.texts("members", default=()),
        lenders=section.texts("lenders", default=()),
        endpoint=_read_broker(section.section("broker")),
        store=Path(section.section("store").text("path")),
        options={option.name: _read_option(gate, option.name) for option in OPTIONS},
    )


def _read_option(gate: Section, name: str) -> int:
    option = next(option for option in OPTIONS if option.name == name)
    if (option.minimum, option.maximum) == (0, 1):
        return int(gate.boolean(name, default=bool(option.default)))
    return gate.integer(
        name, default=option.default, minimum=option.minimum, maximum=option.maximum
    )


def _check_names(library: str, site: str, station: str) -> None:
    try:
        topics = Topics(library)
        topics.site_loan(site)
        topics.status(station)
    except TopicInvalid as error:
        raise ConfigInvalid(f"top level: {error}") from error


def _read_url(section: Section) -> str:
    url = section.text("gateway_url")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigInvalid(f"gateway_url: {url!r} is no address; write http://host:port")
    return url.rstrip("/")


def _read_staff_cards(section: Section) -> frozenset[str]:
    cards = section.texts("staff_cards", default=(), items_max=256)
    for card in cards:
        if Hex(CARD_KEY_DIGITS)(card) is not None:
            raise ConfigInvalid(
                "staff_cards: each must be the 32 hex digits that `lendgate-gate card` prints"
            )
    return frozenset(cards)


def _read_broker(broker: Section) -> Endpoint:
    return Endpoint(
        host=broker.text("host", default="127.0.0.1"),
        port=broker.integer("port", default=1883, minimum=1, maximum=65_535),
        username=broker.text("username", default="", empty=True) or None,
        password=broker.text("password", default="", empty=True) or None,
        ca_file=broker.text("ca_file", default="", empty=True) or None,
    )


DEVICES = "\n".join(
    (
        sample("devices.lanes.lane-1.antenna", "pad_3m"),
        sample("devices.lanes.lane-1.antenna", "pad_feig"),
        sample("devices.lanes.lane-1.beam_inner", "gpio input"),
        sample("devices.lanes.lane-1.beam_outer", "gpio input", gpio="6"),
        sample("devices.siren", "gpio", max_on_ms="30000"),
        sample("devices.lamp_red", "gpio", gpio="27"),
        sample("devices.lamp_amber", "gpio", gpio="22", max_on_ms="3600000"),
        sample("devices.button", "gpio input", gpio="13"),
        sample("devices.cards", "rc522"),
        "",
    )
)

TEMPLATE = (
    """\
# A gate. Paste, change, then try it with: lendgate-gate check gate.toml
library = "school"            # as on the gateway; a-z, 0-9 and -
site = "main"                 # the building: its kiosks are heard
station = "gate-1"            # unique in the library
name = "Gate at the door"     # for people
gateway_url = "http://127.0.0.1:18080"          # of another machine: https://host:18443
gateway_ca_file = ""          # who signed the gateway's certificate; empty: as the system trusts
site_key = "00000000000000000000000000000000"   # shared with the kiosks of the site
card_key = "00000000000000000000000000000000"   # the library's; makes card numbers unreadable
staff_cards = []              # from: lendgate-gate card gate.toml NUMBER
members = ["DE-1"]            # owner codes (ISIL) on tags that are ours
lenders = ["kiosk-1"]         # stations known to lend here; others are learned

[broker]
host = "127.0.0.1"
port = 1883
username = ""
password = ""
ca_file = ""                  # set: the link is encrypted and the broker must show this CA

[store]
path = "/var/lib/lendgate/gate.db"

[devices]                     # a device without a section here is not there
# For each device you have, take the # away from one of its sections (docs/hardware.md).
# Needed: a lane with its antenna, and a siren or a red lamp. Up to 8 lanes, each with its name.
# factory = "module:function" # instead of all sections: it makes the devices itself

"""
    + DEVICES
    + """\
[gate]
boundary = 3                  # 1 out of a room, 2 out of the building, 3 to the street
alarm_hold_ms = 3000
siren_max_on_ms = 30000
lamp_hold_ms = 30000
staff_pass_ms = 60000
debounce_ms = 10
count_slot_ms = 900000
alarm_on_disagreement = false # true: a tag on loan that the list does not know alarms
"""
)
