"""The kiosk's configuration: every option, its bounds, its default.

Read once at start. An option that nobody reads here is an error (`Section.close`), so a typing
mistake never silently becomes a default.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from circulation.config import Section
from circulation.errors import ConfigInvalid
from circulation.gateway_http import Connect, connector
from circulation.reasons import TEXTS
from circulation.wire.errors import TopicInvalid
from circulation.wire.topics import Topics
from hardware.samples import sample
from kiosk.session import Timing

DISK_FREE_MB_MIN = 20
"""Facts are some hundred bytes; this leaves room for a day of them and for SQLite's WAL."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where this kiosk stands and what it is called."""

    library: str
    site: str
    room: str
    station: str
    name: str


@dataclass(frozen=True, slots=True)
class Broker:
    """How the broker is reached."""

    host: str
    port: int
    username: str
    password: str
    ca_file: str


@dataclass(frozen=True, slots=True)
class KioskConfig:
    """Everything a kiosk is told; secrets are never printed."""

    place: Place
    broker: Broker
    gateway_url: str
    store: Path
    web_host: str
    web_port: int
    site_key: bytes
    card_key: bytes
    languages: tuple[str, ...]
    lends: bool
    drop: bool
    typed_numbers: bool
    owners: tuple[str, ...]
    timing: Timing
    disk_free_bytes_min: int

    gateway_ca_file: str = ""

    def connector(self) -> Connect:
        """Return what opens connections to the gateway; raises ConfigInvalid for a bad CA."""
        place = self.place
        return connector(place.library, place.station, self.site_key, self.gateway_ca_file)

    @property
    def snapshots(self) -> Path:
        """The folder of downloaded lists."""
        return self.store.parent / f"{self.store.stem}-snapshots"


def read_kiosk_config(section: Section) -> KioskConfig:
    """Return the configuration; raises ConfigInvalid naming file, section and option."""
    place = _read_place(section)
    store = section.section("store")
    web = section.section("web", optional=True)
    visit = section.section("session", optional=True)
    languages = section.texts("languages", default=tuple(TEXTS))
    unknown = [language for language in languages if language not in TEXTS]
    if unknown or not languages:
        raise ConfigInvalid(f"languages: choose from {', '.join(TEXTS)}, not {unknown}")
    lends = section.boolean("lends", default=True)
    return KioskConfig(
        place=place,
        broker=_read_broker(section.section("broker")),
        gateway_url=_read_url(section),
        gateway_ca_file=section.text("gateway_ca_file", default="", empty=True, chars_max=4_096),
        store=Path(store.text("path")),
        web_host=web.text("host", default="127.0.0.1"),
        web_port=web.integer("port", default=18081, minimum=0, maximum=65_535),
        site_key=section.secret("site_key"),
        card_key=section.secret("card_key"),
        languages=languages,
        lends=lends,
        drop=_read_drop(section, lends=lends),
        typed_numbers=section.boolean("typed_numbers", default=False),
        owners=section.texts("owners", default=()),
        timing=_read_timing(visit),
        disk_free_bytes_min=(
            store.integer("disk_free_mb_min", default=DISK_FREE_MB_MIN, minimum=5, maximum=10_000)
            << 20
        ),
    )


def _read_place(section: Section) -> Place:
    library, site = section.text("library"), section.text("site")
    station = section.text("station")
    room = section.text("room", default=site)
    try:
        topics = Topics(library)
        topics.status(station)
        topics.site_loan(site)
        topics.site_loan(room)
    except TopicInvalid as error:
        raise ConfigInvalid(f"top level: {error}") from error
    name = section.text("name", default=station, chars_max=64)
    return Place(library, site, room, station, name)


def _read_broker(section: Section) -> Broker:
    return Broker(
        host=section.text("host", default="127.0.0.1"),
        port=section.integer("port", default=1883, minimum=1, maximum=65_535),
        username=section.text("username", default="", empty=True),
        password=section.text("password", default="", empty=True),
        ca_file=section.text("ca_file", default="", empty=True),
    )


def _read_drop(section: Section, *, lends: bool) -> bool:
    drop = section.boolean("drop", default=False)
    if drop and lends:
        raise ConfigInvalid(
            "drop: what is returned here counts from the last closing, so readers in person "
            "would too; set lends = false"
        )
    return drop


def _read_url(section: Section) -> str:
    url = section.text("gateway_url")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigInvalid(f"gateway_url: {url!r} is no address; write http://host:port")
    return url


def _read_timing(section: Section) -> Timing:
    def seconds(option: str, default_ms: int, minimum: int) -> int:
        return 1_000 * section.integer(
            option, default=default_ms // 1_000, minimum=minimum, maximum=900
        )

    usual = Timing()
    return Timing(
        quiet_ms=seconds("quiet_s", usual.quiet_ms, 10),
        countdown_ms=seconds("countdown_s", usual.countdown_ms, 10),
        farewell_ms=seconds("farewell_s", usual.farewell_ms, 2),
        offered_ms=seconds("offered_s", usual.offered_ms, 10),
        pin_ms=seconds("pin_s", usual.pin_ms, 10),
    )


DEVICES = "\n".join(
    (
        sample("devices.pad", "pad_3m"),
        sample("devices.pad", "pad_feig"),
        sample("devices.cards", "rc522"),
        sample("devices.cards", "mfrc522"),
        sample("devices.scanner", "serial"),
        sample("devices.scanner", "keyboard"),
        sample("devices.printer", "escpos"),
        sample("devices.sound_ok", "buzzer"),
        sample("devices.sound_problem", "gpio", gpio="23", max_on_ms="2000"),
        sample("devices.sound_alarm", "buzzer", gpio="12"),
        sample("devices.lamp_ok", "gpio", gpio="16", max_on_ms="2000"),
        sample("devices.lamp_problem", "gpio", gpio="20", max_on_ms="2000"),
        sample("devices.lamp_alarm", "gpio", gpio="21", max_on_ms="2000"),
        "",
    )
)

TEMPLATE = (
    """\
# A kiosk. Paste, change, then try it with: lendgate-kiosk check kiosk.toml
library = "school"            # as on the gateway; a-z, 0-9 and -
site = "main"                 # the building: its gates hear this kiosk
room = "hall"                 # where in it; the site if left out
station = "kiosk-1"           # unique in the library
name = "Kiosk by the door"    # for people
gateway_url = "http://127.0.0.1:18080"          # of another machine: https://host:18443
gateway_ca_file = ""          # who signed the gateway's certificate; empty: as the system trusts
site_key = "00000000000000000000000000000000"   # shared with the gates of the site
card_key = "00000000000000000000000000000000"   # the library's; makes card numbers unreadable
languages = ["en", "de", "zh"]                  # the first is the one the screen starts in
lends = true                  # false: only takes books back
drop = false                  # true, with lends = false: staff scan here what lay in the book drop
typed_numbers = false         # true: a card number may be typed; always needs a PIN
owners = []                   # owner codes (ISIL) on tags that are ours though not catalogued

[broker]
host = "127.0.0.1"
port = 1883
username = ""
password = ""
ca_file = ""                  # set: the link is encrypted and the broker must show this CA

[devices]                     # a device without a section here is not there
# For each device you have, take the # away from one of its sections (docs/hardware.md).
# Every reader may be the pad as well as the spot for cards.
# factory = "module:function" # instead of all sections: it makes the devices itself

"""
    + DEVICES
    + """\
[store]
path = "/var/lib/lendgate/station.db"
disk_free_mb_min = 20         # below, nothing is lent: no fact may be lost

[web]
host = "127.0.0.1"            # this machine only
port = 18081

[session]
quiet_s = 60                  # nobody moved: the countdown starts
countdown_s = 20
farewell_s = 6
offered_s = 60
pin_s = 30
"""
)
