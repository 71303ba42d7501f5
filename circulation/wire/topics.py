"""Every topic of the protocol, made and read in one place.

A library's name leads each topic, so one broker can carry many and an access list is one line
a station. `bucket` spreads a library's stations over parsing workers without `$share`, which
several brokers grant and then deliver nothing on.
"""

import hashlib
import sys
from binascii import hexlify
from collections import namedtuple

from circulation.wire.check import Name, Word
from circulation.wire.errors import TopicInvalid

PREFIX = "lg/1"
TOPIC_BYTES_MAX = 256

STATUS = "status"
JOURNAL = "journal"
REQUEST = "request"
TELEMETRY = "telemetry"
REPLY = "reply"
CONFIG = "config"
SITE_LOAN = "site_loan"
SITE_ASK = "site_ask"
SITE_ALARM = "site_alarm"
GATEWAY_STATUS = "gateway_status"
HEAD = "head"
APPLIED = "applied"
SNAPSHOT = "snapshot"
CHANGE = "change"

CATALOGUE = "catalogue"
PATRONS = "patrons"
POLICY = "policy"
MAY_LEAVE = "may_leave"
LIST_KINDS = (CATALOGUE, PATRONS, POLICY, MAY_LEAVE)
FIRMWARE = "firmware"
"""Stands where a list's kind does: a program is offered and fetched as whole lists are."""

STATION_TOPICS = (STATUS, JOURNAL, REQUEST, TELEMETRY, REPLY, CONFIG)
_SITE_TOPICS = {"loan": SITE_LOAN, "ask": SITE_ASK, "alarm": SITE_ALARM}

# Words that stand where a bucket stands; no bucket looks like them, since it has two digits.
_SITE = "site"
_GATEWAY = "gateway"

# A station hears a dozen topics, a gateway four of each of its stations; a microcontroller has
# no room for any but the last.
KNOWN_MAX = 1 if sys.implementation.name == "micropython" else 4096
_KNOWN: "dict[str, Address]" = {}
_BUCKETS: "dict[tuple[str, str], str]" = {}

_name = Name()
_word = Word()
_format = Name(32)


class Address(namedtuple("Address", ["name", "library", "station", "site", "kind", "format"])):
    """What a topic says: its name (one of the constants here) and whom it is about.

    station, site, kind and format are None where the topic has none.
    """


def client_id(library: str, station: str) -> str:
    """Return the MQTT client id; the library is in it, since two libraries have a kiosk-1."""
    return f"{_allowed(_name, library, 'library')}/{_allowed(_name, station, 'station')}"


def bucket(library: str, station: str) -> str:
    """Return the station's bucket: the first byte of SHA-256(client id) in hex."""
    known = _BUCKETS.get((library, station))
    if known is None:
        digest = hashlib.sha256(client_id(library, station).encode()).digest()
        known = hexlify(digest[:1]).decode()
        if len(_BUCKETS) >= KNOWN_MAX:
            _BUCKETS.clear()
        _BUCKETS[library, station] = known
    return known


class Topics:
    """The topics of one library."""

    def __init__(self, library: str) -> None:
        """Raise TopicInvalid if the name would not be safe in a topic."""
        self.library = _allowed(_name, library, "library")
        self._root = f"{PREFIX}/{library}"

    def status(self, station: str) -> str:
        """Who I am; retained, and the station's last will."""
        return self._station(station, STATUS)

    def journal(self, station: str) -> str:
        """Facts, from a station to the gateway."""
        return self._station(station, JOURNAL)

    def request(self, station: str) -> str:
        """A question of the station, answered on its reply topic."""
        return self._station(station, REQUEST)

    def telemetry(self, station: str) -> str:
        """Depth, disk and health, at QoS 0."""
        return self._station(station, TELEMETRY)

    def reply(self, station: str) -> str:
        """Acks, nacks, forks, answers and commands for one station."""
        return self._station(station, REPLY)

    def config(self, station: str) -> str:
        """The configuration wished for; retained, and reserved: nobody says or hears it yet."""
        return self._station(station, CONFIG)

    def site_loan(self, site: str) -> str:
        """An item may leave, or may no longer; works while the gateway is away."""
        return self._site(site, "loan")

    def site_ask(self, site: str) -> str:
        """A station that has just connected asks what it missed."""
        return self._site(site, "ask")

    def site_alarm(self, site: str) -> str:
        """A gate's alarm, and a kiosk's answer with the title."""
        return self._site(site, "alarm")

    def gateway_status(self) -> str:
        """Whether the gateway is there; retained, a will, and a hint only."""
        return f"{self._root}/{_GATEWAY}/status"

    def head(self) -> str:
        """The gateway's heartbeat; never retained."""
        return f"{self._root}/{_GATEWAY}/head"

    def applied(self, site: str) -> str:
        """How far the gateway has applied each station of a site."""
        return f"{self._root}/{_GATEWAY}/applied/{_allowed(_name, site, 'site')}"

    def snapshot(self, kind: str, format_name: str) -> str:
        """The pointer to the newest snapshot of a list, as `{format}-{schema}`; retained."""
        kind = _allowed(_word, kind, "kind")
        format_name = _allowed(_format, format_name, "format")
        return f"{self._root}/{_GATEWAY}/snapshot/{kind}/{format_name}"

    def change(self, kind: str) -> str:
        """Deltas of a list."""
        return f"{self._root}/{_GATEWAY}/change/{_allowed(_word, kind, 'kind')}"

    def all_stations(self, bucket_name: str = "+") -> "list[str]":
        """Return the gateway's filters for all that stations send (in one bucket, or in all)."""
        names = (STATUS, JOURNAL, REQUEST, TELEMETRY)
        return [f"{self._root}/{bucket_name}/+/{name}" for name in names]

    def all_sites(self) -> "list[str]":
        """Return the gateway's filters for what sites say among themselves."""
        return [f"{self._root}/{_SITE}/+/alarm"]

    def own(self, station: str) -> "list[str]":
        """Return a station's filters for what is meant for it alone, its own status included.

        Not its `config`: that is reserved, nobody publishes it, and a station would keep room
        for a retained message that it cannot read.
        """
        return [self.reply(station), self.status(station)]

    def from_gateway(self, site: str, kinds: "tuple[str, ...]") -> "list[str]":
        """Return a station's filters for what the gateway tells everybody of a site."""
        filters = [self.gateway_status(), self.head(), self.applied(site)]
        for kind in kinds:
            filters.append(self.change(kind))
            filters.append(f"{self._root}/{_GATEWAY}/snapshot/{kind}/+")
        return filters

    def from_site(self, site: str) -> "list[str]":
        """Return the filters for what stations of one site tell each other."""
        return [self.site_loan(site), self.site_ask(site), self.site_alarm(site)]

    def _station(self, station: str, name: str) -> str:
        return f"{self._root}/{bucket(self.library, station)}/{station}/{name}"

    def _site(self, site: str, name: str) -> str:
        return f"{self._root}/{_SITE}/{_allowed(_name, site, 'site')}/{name}"


def parse(topic: str) -> Address:
    """Return whom a topic is about; raise TopicInvalid if it is not one of ours."""
    known = _KNOWN.get(topic)
    if known is None:
        known = _parsed(topic)
        if len(_KNOWN) >= KNOWN_MAX:
            _KNOWN.clear()
        _KNOWN[topic] = known
    return known


def _parsed(topic: str) -> Address:
    if len(topic) > TOPIC_BYTES_MAX:
        raise TopicInvalid(f"topic: longer than {TOPIC_BYTES_MAX} characters")
    parts = topic.split("/")
    if len(parts) < 5 or "/".join(parts[:2]) != PREFIX:
        raise TopicInvalid(f"topic {_shown(topic)}: must be {PREFIX}/library/…")
    library = _allowed(_name, parts[2], "library")
    if parts[3] == _SITE:
        return _parse_site(topic, library, parts[4:])
    if parts[3] == _GATEWAY:
        return _parse_gateway(topic, library, parts[4:])
    return _parse_station(topic, library, parts[3:])


def _parse_station(topic: str, library: str, parts: "list[str]") -> Address:
    if len(parts) != 3 or parts[2] not in STATION_TOPICS:
        raise TopicInvalid(f"topic {_shown(topic)}: no such topic of a station")
    station = _allowed(_name, parts[1], "station")
    expected = bucket(library, station)
    if parts[0] != expected:
        raise TopicInvalid(f"topic {_shown(topic)}: {station} belongs to bucket {expected}")
    return Address(parts[2], library, station, None, None, None)


def _parse_site(topic: str, library: str, parts: "list[str]") -> Address:
    if len(parts) != 2 or parts[1] not in _SITE_TOPICS:
        raise TopicInvalid(f"topic {_shown(topic)}: no such topic of a site")
    site = _allowed(_name, parts[0], "site")
    return Address(_SITE_TOPICS[parts[1]], library, None, site, None, None)


def _parse_gateway(topic: str, library: str, parts: "list[str]") -> Address:
    if parts == ["status"]:
        return Address(GATEWAY_STATUS, library, None, None, None, None)
    if parts == ["head"]:
        return Address(HEAD, library, None, None, None, None)
    if len(parts) == 2 and parts[0] == "applied":
        return Address(APPLIED, library, None, _allowed(_name, parts[1], "site"), None, None)
    if len(parts) == 2 and parts[0] == "change":
        return Address(CHANGE, library, None, None, _allowed(_word, parts[1], "kind"), None)
    if len(parts) == 3 and parts[0] == "snapshot":
        kind = _allowed(_word, parts[1], "kind")
        format_name = _allowed(_format, parts[2], "format")
        return Address(SNAPSHOT, library, None, None, kind, format_name)
    raise TopicInvalid(f"topic {_shown(topic)}: no such topic of the gateway")


def _allowed(check: "Name | Word", value: str, what: str) -> str:
    fault = check(value)
    if fault is not None:
        raise TopicInvalid(f"{what} {_shown(value)}: {fault}")
    return value


def _shown(value: str) -> str:
    return repr(value[:60])
