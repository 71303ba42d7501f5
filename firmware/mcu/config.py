"""The configuration of a gate on a microcontroller: one JSON file, every value bounded.

Laws:
- An option that is missing, unknown or out of bounds is `ConfigInvalid`, which names the option;
  nothing is guessed and nothing is half taken.
- A secret is never in a message, a `repr` or what `shown` returns.
- Pins belong to the board's file; the configuration says which of its ports are used.

The tables below are the whole list; docs/firmware.md repeats it.

    ValueError
    └── ConfigInvalid       the device waits for another configuration
        └── ConfigMissing   there is none: the first start
"""

import json
from binascii import unhexlify
from collections import namedtuple

from circulation.wire.check import Hex, Integer, ListOf, Name, OneOf, Text
from firmware.gate.config import OPTIONS, gate_config
from firmware.gate.errors import GateConfigInvalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from firmware.gate.config import GateConfig

FILE = "config.json"
FILE_BYTES_MAX = 8_192

PAD_3M, PAD_FEIG, RC522 = "pad_3m", "pad_feig", "rc522"
DRIVERS = (PAD_3M, PAD_FEIG, RC522)
LANES_MAX = 2
"""A microcontroller has two serial ports, and time for two antennas."""
STAFF_CARDS_MAX = 64
LENDERS_MAX = 16
MEMBERS_MAX = 16

REQUIRED = ("required",)
"""Stands where an option has no default."""

KEY = Hex(32, 128)


class Field(namedtuple("Field", ("name", "check", "default", "meaning"))):
    """One option: its name, what its value must pass, its default and a line for the docs."""


class Address:
    """An address of four numbers.

    A name would have to be looked up, and on both boards that look-up holds the whole program
    for as long as the name server is silent: the gate would be blind meanwhile.
    """

    def __call__(self, value: object) -> "str | None":
        """Return what was expected, or None."""
        expected = "must be an address of four numbers, such as 192.168.1.10"
        if not isinstance(value, str):
            return expected
        parts = value.split(".")
        wrong = [part for part in parts if not (part.isdigit() and len(part) <= 3)]
        if len(parts) != 4 or wrong or max([int(part) for part in parts]) > 255:
            return expected
        return None


TOP = (
    Field("library", Name(), REQUIRED, "as on the gateway"),
    Field("site", Name(), REQUIRED, "the building: its kiosks are heard"),
    Field("station", Name(), REQUIRED, "unique in the library"),
    Field("name", Text(64), "", "for people; empty: the station's name"),
    Field("site_key", KEY, REQUIRED, "shared with the kiosks of the site"),
    Field("card_key", KEY, "00" * 16, "the library's; makes card numbers unreadable"),
    Field("staff_cards", ListOf(Hex(32), STAFF_CARDS_MAX), [], "keyed card numbers"),
    Field("members", ListOf(Text(32, 1), MEMBERS_MAX), [], "owner codes (ISIL) that are ours"),
    Field("set_up_at", Integer(), 0, "seconds since 1970: the clock before anybody tells it"),
    Field("lenders", ListOf(Name(), LENDERS_MAX), [], "stations known to lend here"),
)
WIFI = (
    Field("ssid", Text(32, 1), REQUIRED, "the network's name"),
    Field("password", Text(63), "", "8 to 63 characters; empty: an open network"),
    Field("country", Text(2), "", "two letters: which channels are allowed"),
)
BROKER = (
    Field("host", Address(), REQUIRED, "the broker's address, four numbers"),
    Field("port", Integer(1, 65_535), 1883, "8883 with TLS"),
    Field("username", Text(64), "", "the station's own"),
    Field("password", Text(128), "", "the station's own"),
    Field("ca_file", Text(64), "", "a DER certificate on the device: the link is encrypted"),
    Field("client", OneOf("own", "umqtt"), "own", "umqtt.simple instead: it waits"),
    Field("keepalive_s", Integer(5, 600), 60, "a dead gate is missed within twice as long"),
    Field("tls_name", Text(128), "", "the name in the broker's certificate; empty: its address"),
)
LANE = (
    Field("name", Text(32, 1), REQUIRED, "as on the floor plan"),
    Field("driver", OneOf(*DRIVERS), REQUIRED, "the language of the antenna"),
    Field("port", Text(16, 1), REQUIRED, "where it is plugged in, as the board's file says"),
    Field("beams", ListOf(Text(16, 1), 2), [], "inputs of the inner and the outer beam"),
    Field("broken_level", Integer(0, 1), 1, "level of a beam's input while it is broken"),
    Field("address", Integer(0, 255), 255, "of a Feig reader; 255 is any"),
    Field("security_by", OneOf("afi", "eas", "both"), "afi", "where the tags keep security"),
)
CARDS = (
    Field("driver", OneOf(RC522), RC522, "of the spot for staff cards"),
    Field("port", Text(16, 1), REQUIRED, "where it is plugged in"),
)
SECTIONS = {"wifi": WIFI, "broker": BROKER, "cards": CARDS, "lanes": LANE}
SECRETS = ("site_key", "card_key", "password")


class ConfigInvalid(ValueError):
    """This configuration cannot work; the text names the option and never a secret."""


class ConfigMissing(ConfigInvalid):
    """There is no configuration yet."""


class Options:
    """The checked values of one section, as attributes; its text shows no value."""

    def __init__(self, values: "dict[str, Any]") -> None:
        """values: checked."""
        self._names = sorted(values)
        for name in self._names:
            setattr(self, name, values[name])

    def __repr__(self) -> str:
        """Return the names of the options alone."""
        return "<options " + " ".join(self._names) + ">"

    def shown(self) -> "dict[str, Any]":
        """Return what may be seen, by name; a secret shows whether it is set."""
        found = {}
        for name in self._names:
            value = getattr(self, name)
            found[name] = bool(value) if name in SECRETS else value
        return found

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


class Config:
    """One gate: `library`, `site`, `station`, `name`, and the sections as `Options`.

    `site_key`, `card_key`: bytes. `cards`: None without a spot for them. `gate`: the options of
    the gate's own behaviour, by name. `top`: what stands in no section.
    """

    def __init__(self, values: "Any") -> None:
        """Check a configuration as JSON gives it; raise ConfigInvalid."""
        if not isinstance(values, dict):
            raise ConfigInvalid("config: must be an object")
        rest = dict(values)
        gate = _section(rest.pop("gate", {}), "gate")
        self.wifi = _options(WIFI, rest.pop("wifi", None), "wifi")
        self.broker = _options(BROKER, rest.pop("broker", None), "broker")
        cards = rest.pop("cards", None)
        self.cards = None if cards is None else _options(CARDS, cards, "cards")
        self.lanes = _lanes(rest.pop("lanes", None))
        self.top = _options(TOP, rest, "")
        self.library, self.site = str(self.top.library), str(self.top.site)
        self.station = str(self.top.station)
        self.name = str(self.top.name or self.station)
        self.site_key = unhexlify(self.top.site_key)
        self.card_key = unhexlify(self.top.card_key)
        self.gate = gate
        if self.wifi.password and len(self.wifi.password) < 8:
            raise ConfigInvalid("wifi: password must have 8 to 63 characters, or be empty")
        self.machine()

    def machine(self) -> "GateConfig":
        """Return what the gate's logic needs; raise ConfigInvalid."""
        lanes = [(lane.name, len(lane.beams)) for lane in self.lanes]
        top, problem = self.top, ""
        try:
            return gate_config(self.station, lanes, top.members, top.lenders, **self.gate)
        except GateConfigInvalid as error:
            problem = str(error)
        raise ConfigInvalid(problem)

    def shown(self) -> "dict[str, Any]":
        """Return the whole configuration with every secret left out."""
        found = self.top.shown()
        found["wifi"] = self.wifi.shown()
        found["broker"] = self.broker.shown()
        found["lanes"] = [lane.shown() for lane in self.lanes]
        found["gate"] = self.gate
        if self.cards is not None:
            found["cards"] = self.cards.shown()
        return found

    def __repr__(self) -> str:
        """Return which station this is, and nothing secret."""
        return f"<config of {self.library}/{self.station}>"


def read_config(path: str = FILE) -> Config:
    """Return the configuration in the file; raise ConfigMissing or ConfigInvalid."""
    try:
        with open(path, "rb") as file:
            # MicroPython makes room for as much as it is asked to read, before it looks.
            size = min(file.seek(0, 2), FILE_BYTES_MAX + 1)
            file.seek(0)
            content = file.read(size)
    except OSError:
        content = None
    if content is None:
        raise ConfigMissing(f"config: there is no file {path}; provision this device")
    return parse_config(content)


def parse_config(content: bytes) -> Config:
    """Return the configuration in these bytes of JSON; raise ConfigInvalid."""
    if len(content) > FILE_BYTES_MAX:
        raise ConfigInvalid(f"config: more than {FILE_BYTES_MAX} bytes")
    try:
        values = json.loads(content.decode("utf-8"))
    # Brackets by the thousand exhaust the stack of one Python and the heap of the other.
    except (ValueError, RuntimeError, MemoryError):
        values = None
    return Config(values)


def _lanes(given: object) -> "list[Options]":
    if not isinstance(given, list) or not 1 <= len(given) <= LANES_MAX:
        raise ConfigInvalid(f"lanes: must be a list of 1 to {LANES_MAX}")
    lanes = [_options(LANE, lane, f"lanes[{at}]") for at, lane in enumerate(given)]
    places = [lane.port for lane in lanes]
    for lane in lanes:
        places += lane.beams
    if len(set(places)) != len(places):
        raise ConfigInvalid("lanes: a port or a beam's input is named twice")
    return lanes


def _section(given: object, where: str) -> "dict[str, Any]":
    if not isinstance(given, dict):
        raise ConfigInvalid(f"{where}: must be an object")
    known = [option.name for option in OPTIONS]
    for name in given:
        if name not in known:
            raise ConfigInvalid(f"{where}: no option is called {str(name)[:32]}")
    return dict(given)


def _options(fields: "tuple[Field, ...]", given: object, where: str) -> Options:
    at = f"{where}: " if where else "config: "
    if not isinstance(given, dict):
        raise ConfigInvalid(f"{at}must be an object")
    values: dict[str, Any] = {}
    for field in fields:
        value = given.get(field.name, field.default)
        if value is REQUIRED:
            raise ConfigInvalid(f"{at}{field.name} is missing")
        fault = field.check(value)
        if fault is not None:
            raise ConfigInvalid(f"{at}{field.name} {fault}")
        values[field.name] = value
    for name in given:
        if name not in values:
            raise ConfigInvalid(f"{at}no option is called {str(name)[:32]}")
    return Options(values)
