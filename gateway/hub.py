"""What the gateway does with a message, and when it speaks by itself. No threads, no sockets.

Events go in, messages to publish come out; everything they promise has been committed. The one
thread that calls this is the library's only writer (`service.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from circulation.sync.births import HeadBeat
from circulation.sync.intake import (
    Accept,
    Duplicate,
    ForkFound,
    Gap,
    Hello,
    NackLimiter,
    RotateLineage,
    judge_birth,
)
from circulation.wire import topics as names
from circulation.wire.errors import WireError
from circulation.wire.messages import (
    Ack,
    Fork,
    GatewayStatus,
    Journal,
    Nack,
    Request,
    SiteAlarm,
    SiteLoan,
    Status,
    Telemetry,
    decode,
    encode,
)
from circulation.wire.topics import Address, Topics, parse
from gateway import lineage as history
from gateway import schema
from gateway.ages import Ages
from gateway.alarms import Alarms
from gateway.announced import Announced, tell_loss
from gateway.contacts import Contacts, Rows
from gateway.credit import Credits
from gateway.ingest import Answer, Batch, Ingest
from gateway.marks import Marks
from gateway.offering import Offering
from gateway.outbox import Outbox, Send, versions_of
from gateway.requests import Requests
from gateway.retention import keep_from
from gateway.seals import Seals
from gateway.snapshots import Snapshots
from gateway.statements import LIBRARY, Statement
from gateway.store import Store
from gateway.updates import Updates

_STATION = schema.STATION_TABLE
_ROWS = Statement(
    sa.select(_STATION.c.hw, _STATION.c.acked, _STATION.c.seq_last).where(
        _STATION.c.library_id == LIBRARY, _STATION.c.station == sa.bindparam("name")
    )
)
SETTLED_MS = 5_000  # after an ack in a new lineage a depth of 0 means that all is here
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Heard:
    """One message from the broker."""

    topic: str
    payload: bytes
    retained: bool = False


class Hub:
    """The gateway of one library."""

    def __init__(
        self, store: Store, library_id: str, snapshots: Snapshots, *, key: bytes, boot: str
    ):
        self.store = store
        self.library_id = library_id
        self.topics = Topics(library_id)
        self.ingest = Ingest(store, library_id)
        self.contacts = Contacts(store, library_id)
        self.outbox = Outbox(store, library_id, key=key)
        self.alarms = Alarms(store, library_id, key=key)
        self.requests = Requests(store, library_id, self.outbox, snapshots)
        self.offering = Offering(Updates(store, library_id), self.contacts, key=key)
        self.ages = Ages(store, library_id)
        self.snapshots = snapshots
        self.seals = Seals(self.contacts, key=key)
        self.boot = boot
        self.credits = Credits()
        self._beat = HeadBeat()
        self._nacks = NackLimiter()
        self._announced = Announced()
        self._moved_sites: set[str] = set()
        self._told: dict[str, tuple[str, int]] = {}  # the lineage a station was told, and when
        self._names: dict[str, Callable[[Address, Heard, int], list[Send]]] = {
            names.STATUS: self._on_status,
            names.REQUEST: self._on_request,
            names.TELEMETRY: self._on_telemetry,
            names.SITE_ALARM: self._on_site_alarm,
            names.SITE_LOAN: self._on_site_loan,
        }

    def will(self) -> tuple[str, bytes]:
        """Return the last will: the gateway is gone."""
        return self.topics.gateway_status(), self._status(on=False)

    def filters(self) -> list[str]:
        """Return what to subscribe to."""
        return [*self.topics.all_stations(), *self.topics.all_sites()]

    def on_connected(self) -> list[Send]:
        """Return what is published on every connect: the retained topics we own, and a head."""
        self._beat = HeadBeat()
        sends = [Send(self.topics.gateway_status(), self._status(on=True), retained=True)]
        sends += [self.outbox.pointer(snapshot) for snapshot in self.snapshots.all_offered()]
        return sends + self.offering.on_connected()

    def take(self, heard: Iterable[Heard], now_ms: int) -> list[Send]:
        """Handle messages in the order they came; return what to publish, all committed."""
        sends: list[Send] = []
        batches: list[Batch] = []
        for one in heard:
            try:
                address = parse(one.topic)
                if address.name == names.JOURNAL:
                    batches.append(self._journal(address, one, now_ms))
                    continue
                sends += self._take_batches(batches, now_ms)
                batches = []
                handler = self._names.get(address.name)
                sends += handler(address, one, now_ms) if handler is not None else []
            except WireError as error:
                _log.warning("%s: %s", one.topic[:100], error)
                sends += self._refused(one, now_ms)
        sends += self._take_batches(batches, now_ms)
        self.contacts.save(now_ms)
        return sends

    def tick(self, now_ms: int, *, is_behind: bool = False) -> list[Send]:
        """Return what is due by time: the head, how far each site is applied, a late credit.

        Answers of many messages too, unless the link is behind already.
        """
        self.contacts.save(now_ms)
        sends = self.offering.tick(now_ms)
        if self._beat.tick(now_ms):
            sends.append(self.outbox.head(now_ms))
            self._moved_sites.update(self.outbox.sites)
        for station in self.credits.fed():
            sends += self._tell_mark(station, now_ms)
        for station, reply in () if is_behind else self.requests.answers(now_ms):
            sends.append(Send(self.topics.reply(station), reply))
        return sends

    def applied(self) -> list[Send]:
        """Return how far the sites with news are applied; call after the changes were sent."""
        sites, self._moved_sites = self._moved_sites, set()
        return [send for site in sorted(sites) for send in self.outbox.applied(site)]

    def decide_now(self, batch: Batch) -> Answer:
        """Apply a batch of the gateway's own desk."""
        return self.ingest.take([batch])[0]

    def rotate_lineage(self, why: str) -> list[Send]:
        """Begin a new history; stations send again what ours may lack."""
        _log.warning("a new lineage: %s", why)
        history.rotate(self.store, self.library_id, why)
        self._beat.on_birth()
        return self.on_connected()

    def _status(self, *, on: bool) -> bytes:
        return encode(GatewayStatus(on, self._lineage(), self.boot))

    def _lineage(self) -> str:
        with self.store.read() as connection:
            return history.current(connection, self.library_id)

    def _reply(self, station: str, message: Any) -> Send:
        return Send(self.topics.reply(station), encode(message))

    def _on_status(self, address: Address, heard: Heard, now_ms: int) -> list[Send]:
        status = decode(Status, heard.payload)
        if status.station != address.station:
            raise WireError(f"a status of {status.station!r} on the topic of another station")
        if heard.retained:
            self._remember(status, now_ms)
            return []
        if not status.on:
            self.contacts.gone(status, now_ms)
            return []
        return self._on_birth(status, now_ms)

    def _remember(self, status: Status, now_ms: int) -> None:
        """Take from a kept status what it says; it is no sign of life, and may be old."""
        self.requests.births.setdefault(status.station, (status.epoch, status.n))
        self._announced.remember(status)
        if status.on:
            self.contacts.told(status.station, **self.contacts.described(status))
        else:
            self.contacts.gone(status, now_ms)

    def _on_birth(self, status: Status, now_ms: int) -> list[Send]:
        """Answer a station that has come: a fork, a new lineage, or how far it is applied."""
        # A busy station says its positions every 15 s: a thousand of them want no head a second.
        if not self.contacts.is_here(status):
            self._beat.on_birth()
        station = status.station
        self.requests.births[station] = (status.epoch, status.n)
        with self.store.read() as connection:
            marks = Marks(connection, self.library_id)
            marks.load([station])
            mark = marks.mark(station, status.epoch, status.n)
            moved = marks.moved_on(station, status.epoch, status.n, status.seq_last)
            newest = marks.newest(station)
            before = self._announced.hear(status)
            applied = marks.mark(station, before.epoch, before.n).hw if before is not None else 0
            verdicts = judge_birth(
                status,
                mark,
                lineage=history.current(connection, self.library_id),
                versions=versions_of(connection, self.library_id),
            )
        self.offering.on_birth(status)
        self.contacts.born(status, now_ms, mark.hw)
        if before is not None:
            with self.store.write(self.library_id) as write:
                tell_loss(write, status, before, applied)
        n = max(newest.n if newest is not None else 0, status.n)
        sends: list[Send] = []
        for verdict in verdicts if moved is None else [moved]:
            if isinstance(verdict, RotateLineage):
                sends += self.rotate_lineage(verdict.why)
            elif isinstance(verdict, ForkFound):
                sends.append(self._fork(station, status.epoch, n, verdict))
            elif isinstance(verdict, Hello):
                told = (status.epoch, verdict.hw, verdict.hash)
                with self.store.read() as connection:
                    sends.append(self._ack(connection, station, told, now_ms))
        return sends

    def _journal(self, address: Address, heard: Heard, now_ms: int) -> Batch:
        message = decode(Journal, heard.payload)
        if not heard.retained:
            clock = "sure" if message.clock["sure"] else "unsure"
            self.contacts.heard(address.station, now_ms, boot=message.clock["boot"], clock=clock)
        self.requests.births[address.station] = (message.epoch, message.n)
        return Batch(address.station, message)

    def _take_batches(self, batches: list[Batch], now_ms: int) -> list[Send]:
        """Apply batches together; what cannot be written now is asked for again later."""
        if not batches:
            return []
        try:
            answers = self.ingest.take(batches)
        except sa.exc.OperationalError as error:
            _log.error("cannot write: %s", error.orig)
            return [
                self._reply(one.station, Nack(one.message.epoch, one.message.seq0 - 1, "busy"))
                for one in batches
            ]
        told: dict[tuple[str, str], Answer] = {}
        for answer in answers:
            if answer.rows:
                self.contacts.applied(answer.station, answer.hw, now_ms)
                self._moved_sites.update(filter(None, [self.contacts.sites.get(answer.station)]))
            # Of several acks to one station only the last says anything.
            kind = type(answer.verdict).__name__
            told.pop((answer.station, kind), None)
            told[answer.station, kind] = answer
        with self.store.read() as connection:
            sends = [self._answer(connection, answer, now_ms) for answer in told.values()]
        return [send for send in sends if send is not None]

    def _answer(self, connection: sa.Connection, answer: Answer, now_ms: int) -> Send | None:
        verdict, station = answer.verdict, answer.station
        if isinstance(verdict, Accept | Duplicate):
            mark = (answer.epoch, answer.hw, answer.tip)
            return self._ack(connection, station, mark, now_ms)
        if isinstance(verdict, ForkFound):
            self._announced.forked(station, answer.epoch, verdict.common)
            return self._fork(station, answer.epoch, answer.n, verdict)
        if not self._nacks.allows(station, answer.epoch, answer.hw, now_ms):
            return None
        why = "gap" if isinstance(verdict, Gap) else "invalid"
        return self._reply(station, Nack(answer.epoch, answer.hw, why))

    def _ack(
        self, connection: sa.Connection, station: str, mark: tuple[str, int, bytes], now_ms: int
    ) -> Send:
        """Return how far a station is applied. mark: epoch, the last row compared, its hash."""
        epoch, hw, tip = mark
        lineage = history.current(connection, self.library_id)
        keep = keep_from(connection, self.library_id, station, epoch, hw)
        if self._told.get(station, ("", 0))[0] != lineage:
            self._told[station] = (lineage, now_ms)
        credit = self.credits.grant(station, now_ms)
        return self._reply(station, Ack(epoch, hw, tip.hex(), lineage, credit, keep, now_ms))

    def _fork(self, station: str, epoch: str, n: int, fork: ForkFound) -> Send:
        self.contacts.note("forked", station, common=fork.common)
        return self._reply(station, Fork(epoch, n, fork.hw, fork.common, fork.hashes))

    def _on_request(self, address: Address, heard: Heard, now_ms: int) -> list[Send]:
        request = decode(Request, heard.payload)
        told = {"clock": "sure"} if request.op == "time" else {}  # the answer makes it so
        self.contacts.heard(address.station, now_ms, **told)
        if request.op == "hw":
            return self._tell_mark(address.station, now_ms)
        topic = self.topics.reply(address.station)
        if request.kind == names.FIRMWARE:
            return [Send(topic, reply) for reply in self.offering.answer(request)]
        if request.op == "since":
            self.requests.ask(address.station, request)
            return []
        return [Send(topic, reply) for reply in self.requests.answer(request, now_ms)]

    def _tell_mark(self, station: str, now_ms: int) -> list[Send]:
        """Answer how far the station's present epoch is applied."""
        said = self.requests.births.get(station)
        with self.store.read() as connection:
            marks = Marks(connection, self.library_id)
            marks.load([station])
            newest = marks.newest(station)
            if said is None and newest is not None:
                said = (newest.epoch, newest.n)
            if said is None:
                return []
            mark = marks.mark(station, *said)
            tip = mark.hash_at(mark.hw) or history.start_of(said[0])
            return [self._ack(connection, station, (said[0], mark.hw, tip), now_ms)]

    def _on_telemetry(self, address: Address, heard: Heard, now_ms: int) -> list[Send]:
        telemetry = decode(Telemetry, heard.payload)
        if not heard.retained:
            self.offering.on_telemetry(address.station, telemetry)
            with self.store.read() as connection:
                known = station_rows(connection, self.library_id, address.station)
                lineage = history.current(connection, self.library_id)
            self.contacts.felt(address.station, telemetry, known, now_ms)
            told, told_ms = self._told.get(address.station, ("", now_ms))
            if telemetry.depth == 0 and told == lineage and now_ms - told_ms > SETTLED_MS:
                self.contacts.told(address.station, lineage=lineage)
        return []

    def _on_site_alarm(self, address: Address, heard: Heard, now_ms: int) -> list[Send]:
        alarm = decode(SiteAlarm, heard.payload)
        answer = self.alarms.heard(alarm) if self.seals.holds(alarm, now_ms) else None
        if answer is None:
            return []
        return [Send(self.topics.site_alarm(address.site), encode(answer))]

    def _on_site_loan(self, _address: Address, heard: Heard, now_ms: int) -> list[Send]:
        """Look at the mac alone: gates act on these, the gateway waits for the journal."""
        self.seals.holds(decode(SiteLoan, heard.payload), now_ms)
        return []

    def _refused(self, heard: Heard, now_ms: int) -> list[Send]:
        """Answer a journal message nobody can read, so that it is sent in smaller pieces."""
        try:
            address = parse(heard.topic)
        except WireError:
            return []
        if address.name != names.JOURNAL:
            return []
        epoch, _n = self.requests.births.get(address.station, ("0" * 16, 1))
        if not self._nacks.allows(address.station, epoch, -1, now_ms):
            return []
        return [self._reply(address.station, Nack(epoch, 0, "invalid"))]


def station_rows(connection: sa.Connection, library_id: str, station: str) -> Rows:
    """Return what is known of a station's newest epoch, zeros if it was never heard."""
    row = _ROWS.first(connection, library_id=library_id, name=station)
    return Rows(0, 0, 0) if row is None else Rows(*(int(value or 0) for value in row))
