"""A station that writes facts and uploads them, in a process of its own that can be killed.

python -m sim.torture.station PLAN.json

Journal, uploader, births, clock and link are the ones of a kiosk; readers, screen and lists are
left out. Beside it stands a witness: whatever has been committed is written into a file of the
witness's own, a line a fact, right after the commit. What a book did last the station takes from
its own journal when it starts, as somebody does who finds the power gone.
"""

import json
import logging
import os
import queue
import random
import secrets
import signal
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from circulation.journal import SqliteJournal, open_station_db, transaction
from circulation.link import Connected, Disconnected, Endpoint, Link, LinkEvent, Received
from circulation.sync.births import Births
from circulation.sync.clock import ClockSync
from circulation.sync.effects import (
    Reconnect,
    RecordClock,
    SendJournal,
    SendRequest,
    SendStatus,
    StaffNotice,
)
from circulation.sync.uploader import Uploader
from circulation.wire import topics as names
from circulation.wire.chain import patron_hash
from circulation.wire.fact import decode_body, encode_body
from circulation.wire.messages import (
    GatewayStatus,
    Head,
    Status,
    TimeReply,
    decode,
    decode_reply,
    encode,
    is_sealed,
)
from circulation.wire.topics import Topics, client_id, parse

HOST = "127.0.0.1"
LOOK_S = 0.1
EVENTS_MAX = 200  # between two commits
LAST_ACK_S_MAX = 30.0  # shorter than `Programs.stop` waits
VISIT_ITEMS_MAX = 5
SALT = bytes(16)
DAY_MS = 86_400_000
REACH_STREET = 3
ALL = 1 << 40

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Orders:
    """What a station is told, kept as JSON.

    port: of its cable to the broker. facts: to write, in all its lives. items: of which no other
    station has any, so that what it saw is true.
    """

    library: str
    site: str
    site_key: str
    station: str
    seed: int
    port: int
    journal: str
    witness: str
    facts: int
    facts_per_s: float
    items: list[str]
    patrons: list[str]

    def write(self, path: Path) -> None:
        """Keep them as JSON."""
        path.write_text(json.dumps(asdict(self)))


class Shelf:
    """What the station's books did last, as its journal has it."""

    def __init__(self, orders: Orders, journal: SqliteJournal) -> None:
        self._orders = orders
        self._last: dict[str, str] = {}
        self._loan: dict[str, str] = {}
        for row in journal.rows(1, ALL, ALL):
            self._note(decode_body(row.body))

    def turn_over(self, chance: random.Random) -> tuple[dict[str, Any], bytes | None, str | None]:
        """Lend a book or take one back; return the fact's own fields, salt and patron.

        As many come back as go out.
        """
        orders, lent = self._orders, list(self._loan)
        is_return = bool(lent) and chance.random() < 0.5
        item = chance.choice(lent if is_return else orders.items)
        body: dict[str, Any] = {"item": item, "room": "hall", "site": orders.site}
        if item in self._last:
            body["saw"] = [self._last[item]]
        if item in self._loan:
            return body | {"kind": "checkin", "loan": self._loan[item]}, None, None
        patron = chance.choice(orders.patrons)
        body |= {
            "kind": "checkout", "patron": patron_hash(SALT, patron), "reach": REACH_STREET,
            "policy": 1, "due_at": wall_ms() + 28 * DAY_MS, "category": "reader",
        }  # fmt: skip
        return body, SALT, patron

    def take(self, body: dict[str, Any]) -> None:
        """Note what a fact says that is in the journal now."""
        self._note(body)

    def _note(self, body: dict[str, Any]) -> None:
        if "item" not in body:
            return
        self._last[body["item"]] = body["id"]
        if body["kind"] == "checkout":
            self._loan[body["item"]] = body["id"]
        else:
            self._loan.pop(body["item"], None)


class Station:
    """One life of a station."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._connection = open_station_db(orders.journal)
        self._journal = SqliteJournal(self._connection, epoch_id=secrets.token_hex(8))
        self._witness = os.open(orders.witness, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._shelf = Shelf(orders, self._journal)
        self._chance = random.Random(f"{orders.seed} {orders.station} {self._journal.last_seq}")
        self._boot = secrets.token_hex(4)
        self._began = time.monotonic()
        self._topics = Topics(orders.library)
        self._events: queue.Queue[LinkEvent] = queue.Queue()
        below = self._chance.randrange
        self._uploader = Uploader(
            self._journal, station=orders.station, clock=self._clock, random_below=below
        )
        self._births = Births(boot=self._boot, random_below=below)
        self._time = ClockSync(random_below=below)
        self._is_connected = False
        self._is_ending = False
        self._link = Link(
            Endpoint(HOST, orders.port),
            client_id=client_id(orders.library, orders.station),
            will=(self._topics.status(orders.station), encode(self._status(on=False))),
            deliver=self._events.put,
        )
        self._link.subscribe(
            [
                *self._topics.own(orders.station),
                self._topics.gateway_status(),
                self._topics.head(),
            ]
        )

    def run(self, stop: threading.Event) -> None:
        """Write and upload until told to stop, and then until all that is written has its ack."""
        self._link.start()
        next_s = time.monotonic()
        while not stop.is_set():
            self._take_events(until_s=next_s)
            if time.monotonic() >= next_s:
                written = self._visit()
                wait_s = written / self._orders.facts_per_s if written else LOOK_S
                # What a slow machine has missed it does not catch up with in a burst.
                next_s = max(next_s, time.monotonic() - LOOK_S) + wait_s
            self._tick()
        self._await_acks()
        self._link.stop()
        self._connection.close()
        os.close(self._witness)

    def _await_acks(self) -> None:
        """Write nothing more, and wait for a while until what is written is acknowledged.

        The gateway's time may have come, and been recorded, just before we were told to stop.
        """
        self._is_ending = True
        until_s = time.monotonic() + LAST_ACK_S_MAX
        while self._journal.acked < self._journal.last_seq and time.monotonic() < until_s:
            self._take_events(until_s=time.monotonic() + LOOK_S)
            self._tick()

    def _tick(self) -> None:
        now_ms = self._now_ms()
        effects = self._uploader.tick(now_ms) + self._births.tick(now_ms)
        self._carry_out(effects + (self._time.tick(now_ms) if self._is_connected else []))

    def _visit(self) -> int:
        """Turn some books over in one transaction; return how many."""
        left = self._orders.facts - self._journal.last_seq
        size = min(self._chance.randint(1, VISIT_ITEMS_MAX), left)
        if size <= 0:
            return 0
        bodies = []
        session = self._chance.randbytes(4).hex()
        with transaction(self._connection):
            for _ in range(size):
                fields, salt, patron = self._shelf.turn_over(self._chance)
                body = self._stamp() | {"session": session} | fields
                self._journal.append(encode_body(body), salt, patron)
                self._shelf.take(body)
                bodies.append(body)
        self._testify(body["id"] for body in bodies)
        self._carry_out(self._uploader.on_appended(self._now_ms()))
        return size

    def _stamp(self) -> dict[str, Any]:
        return {
            "id": self._chance.randbytes(8).hex(), "boot": self._boot, "mono": self._now_ms(),
            "wall": wall_ms(), "sure": True,
        }  # fmt: skip

    def _testify(self, fact_ids: Any) -> None:
        """Let the witness write down what is committed."""
        os.write(self._witness, "".join(f"{fact_id}\n" for fact_id in fact_ids).encode())

    def _take_events(self, *, until_s: float) -> None:
        """Take what the link says until then, or until much was said."""
        for _ in range(EVENTS_MAX):
            wait_s = min(until_s - time.monotonic(), LOOK_S)
            try:
                event = self._events.get(wait_s > 0, max(wait_s, 0.0))
            except queue.Empty:
                return
            self._take(event)

    def _take(self, event: LinkEvent) -> None:
        now_ms = self._now_ms()
        if isinstance(event, Connected):
            self._is_connected = True
            self._carry_out(self._time.on_connected(now_ms))
            self._carry_out(self._uploader.on_connected(now_ms))
        elif isinstance(event, Disconnected):
            self._is_connected = False
            for machine in (self._uploader, self._births, self._time):
                machine.on_disconnected()
        elif isinstance(event, Received):
            self._on_message(event, parse(event.topic).name, now_ms)

    def _on_message(self, event: Received, name: str, now_ms: int) -> None:
        if name == names.REPLY:
            reply = decode_reply(event.payload)
            self._carry_out(self._uploader.on_reply(reply, now_ms))
            if isinstance(reply, TimeReply):
                self._carry_out(self._time.on_reply(reply, now_ms))
        elif name == names.STATUS:
            status = decode(Status, event.payload)
            if status.station == self._orders.station:
                self._carry_out(self._births.on_own_status(status, now_ms))
        elif name == names.GATEWAY_STATUS:
            self._births.on_gateway_status(decode(GatewayStatus, event.payload), now_ms)
        elif name == names.HEAD:
            head = decode(Head, event.payload)
            if is_sealed(head, bytes.fromhex(self._orders.site_key)):
                self._births.on_head(head)
                self._carry_out(self._uploader.on_head(head, now_ms))

    def _carry_out(self, effects: list[Any]) -> None:
        topics, station = self._topics, self._orders.station
        for effect in effects:
            if isinstance(effect, SendJournal):
                self._link.publish(topics.journal(station), encode(effect.message))
            elif isinstance(effect, SendRequest):
                self._link.publish(topics.request(station), encode(effect.message))
            elif isinstance(effect, SendStatus):
                birth = encode(self._status(on=True))
                self._link.publish(topics.status(station), birth, retained=True)
            elif isinstance(effect, Reconnect):
                _log.info("reconnecting: %s", effect.why)
                self._link.reconnect(effect.why)
            elif isinstance(effect, RecordClock):
                self._record(effect.fields)
            elif isinstance(effect, StaffNotice):
                _log.warning("notice %s: %s", effect.code, effect.detail)

    def _record(self, fields: dict[str, Any]) -> None:
        if self._is_ending:
            return
        body = self._stamp() | fields
        self._journal.append(encode_body(body))
        self._testify([body["id"]])
        self._carry_out(self._uploader.on_appended(self._now_ms()))

    def _status(self, *, on: bool) -> Status:
        journal, orders = self._journal, self._orders
        return Status(
            orders.station, on, self._boot, journal.epoch.id, journal.epoch.n, journal.last_seq,
            journal.acked, {}, journal.lineage, "storm", "sure", "kiosk", orders.site, 0,
            orders.station, None, None,
        )  # fmt: skip

    def _clock(self, now_ms: int) -> dict[str, object]:
        return {"mono": now_ms, "wall": wall_ms(), "sure": True, "boot": self._boot}

    def _now_ms(self) -> int:
        return int((time.monotonic() - self._began) * 1_000)


def wall_ms() -> int:
    """Return the machine's time in milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


def main(plan: str) -> None:
    """Run until SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    Station(Orders(**json.loads(Path(plan).read_text()))).run(stop)


if __name__ == "__main__":
    main(sys.argv[1])
