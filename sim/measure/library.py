"""A library of any size in a gateway's database, and stations whose journals are full."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from circulation.link import Endpoint
from circulation.sync.batch import make_batch
from circulation.sync.memory import MemoryJournal
from circulation.wire.chain import patron_hash
from circulation.wire.fact import encode_body
from circulation.wire.limits import BATCH_FACTS_MAX
from gateway.app import Settings
from gateway.ingest import Batch
from gateway.service import now_ms
from sim.measure import filling
from sim.measure.filling import (
    CARD_KEY,
    LIBRARY,
    OWNER,
    SITE,
    Filled,
    barcode_of,
    card_of,
    uid_of,
)

__all__ = ["CARD_KEY", "LIBRARY", "OWNER", "SITE", "Filled", "barcode_of", "card_of", "uid_of"]

SITE_KEY = bytes(range(16))
SALT = bytes(16)
DAY_MS = 86_400_000
FACT_EVERY_MS = 60_000  # a busy kiosk: sixty loans and returns an hour
CLOCK_EVERY = 60


def fill(settings: Settings, items: int, patrons: int, *, tagged: bool = True) -> Filled:
    """Make a gateway's database with so many items, two to a title, and readers."""
    return filling.fill(settings, filling.Size(items, patrons, tagged=tagged))


def settings_in(folder: Path, *, broker_port: int = 1, web_port: int = 0) -> Settings:
    """Return a gateway's settings with everything in one folder."""
    return Settings(
        library=LIBRARY,
        name="The measured library",
        database=folder / "gateway.db",
        zone="UTC",
        site_key=SITE_KEY,
        card_key=CARD_KEY,
        card_key_id="1",
        broker=Endpoint("127.0.0.1", broker_port),
        web_host="127.0.0.1",
        web_port=web_port,
    )


def gateway_toml(web_port: int, broker_port: int) -> str:
    """Return the same settings for a gateway in a process of its own."""
    return f"""\
library = "{LIBRARY}"
name = "The measured library"
database = "gateway.db"
zone = "UTC"
site_key = "{SITE_KEY.hex()}"
card_key = "{CARD_KEY.hex()}"

[broker]
port = {broker_port}

[web]
port = {web_port}
"""


@dataclass
class BusyStation:
    """A kiosk with a day behind it: loans and returns in turn, each having seen the last.

    Online it has asked the gateway's clock once an hour; offline never.
    """

    name: str
    filled: Filled
    began_ms: int
    random: random.Random
    is_online: bool
    journal: MemoryJournal = field(init=False)
    _mono_ms: int = 0
    _last: dict[str, str] = field(default_factory=dict)
    _loan: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.boot = self.random.randbytes(4).hex()
        self.journal = MemoryJournal(self.random.randbytes(8).hex())

    def work(self, facts: int, items: list[str]) -> None:
        """Lend and take back some of these items until so many facts are written.

        No other station may have the same items: then what it saw is true.
        """
        for done in range(facts):
            self._mono_ms += FACT_EVERY_MS
            if self.is_online and done % CLOCK_EVERY == 0:
                self._ask_time()
            else:
                self._turn_over(self._next_item(items))

    def batches(self) -> Iterator[Batch]:
        """Yield the journal as a kiosk sends it: 50 facts a batch."""
        first = 1
        clock = {"mono": self._mono_ms, "wall": self.began_ms, "sure": True, "boot": self.boot}
        while first <= self.journal.last_seq:
            message, last = make_batch(
                self.journal, first=first, facts_max=BATCH_FACTS_MAX, is_raw=False, clock=clock
            )
            yield Batch(self.name, message)
            first = last + 1

    def _next_item(self, items: list[str]) -> str:
        """Return a lent item as often as any: as many come back as go out."""
        lent = list(self._loan)
        return self.random.choice(lent if lent and self.random.random() < 0.5 else items)

    def _body(self) -> dict[str, Any]:
        return {
            "id": self.random.randbytes(8).hex(), "boot": self.boot, "mono": self._mono_ms,
            "wall": self.began_ms + self._mono_ms, "sure": True,
        }  # fmt: skip

    def _ask_time(self) -> None:
        sent_ms = self._mono_ms - 20
        now_ms = self.began_ms + self._mono_ms - 10
        body = {"kind": "clock", "mono_sent": sent_ms, "mono_received": self._mono_ms}
        self.journal.append(encode_body(self._body() | body | {"gateway_now": now_ms}))

    def _turn_over(self, item: str) -> None:
        body = self._body() | {"item": item, "room": "hall", "site": SITE}
        body["session"] = self.random.randbytes(4).hex()
        fact = body["id"]
        if item in self._last:
            body["saw"] = [self._last[item]]
        salt, patron = None, None
        if item in self._loan:
            body |= {"kind": "checkin", "loan": self._loan.pop(item)}
        else:
            salt, patron = SALT, self.random.choice(self.filled.patrons)
            body |= {
                "kind": "checkout", "patron": patron_hash(salt, patron), "reach": 3, "policy": 1,
                "due_at": self.began_ms + 28 * DAY_MS, "category": "reader",
            }  # fmt: skip
            self._loan[item] = fact
        self._last[item] = fact
        self.journal.append(encode_body(body), salt, patron)


def busy_stations(
    filled: Filled, *, stations: int, facts: int, is_online: bool, seed: int
) -> list[BusyStation]:
    """Return stations that share the items among them and have written so many facts in all."""
    chance = random.Random(seed)
    each = facts // stations
    began_ms = now_ms() - each * FACT_EVERY_MS
    made = []
    for number in range(stations):
        station = BusyStation(
            f"kiosk-{number + 1}", filled, began_ms, random.Random(chance.random()), is_online
        )
        station.work(each, list(filled.items[number::stations]))
        made.append(station)
    return made


def in_turn(queues: list[list[Batch]]) -> list[Batch]:
    """Return the stations' batches as they arrive: one of each in turn."""
    longest = max(map(len, queues))
    return [queue[n] for n in range(longest) for queue in queues if n < len(queue)]
