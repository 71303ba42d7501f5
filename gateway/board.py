"""What the sync page and the JSON API tell, read from the tables as they stand.

Contact is judged here and nowhere else: a station is ``connected`` while it was heard lately,
``silent`` when it was not, ``dead`` after a day without a word. A retained or will message never
counts as contact; `ingest` and `service` see to that.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from gateway import schema
from gateway.alarm_views import TIMES, AlarmView, alarms_of, last_alarms
from gateway.changes import UNSECURED_MAX
from gateway.docs import Doc, item_docs
from gateway.offering import refusal
from gateway.review import is_open
from gateway.statements import LIBRARY, Statement
from gateway.store import Store
from gateway.update_views import UpdateView, updates_of
from gateway.updates import Updates
from gateway.wording import trouble

CONTACT_MS = 150_000  # telemetry comes every 60 s: two may be lost
DISK_BYTES_MIN = 200 << 20  # a day of a large library's facts, and a list being built
DEAD_MS = 24 * 3600 * 1000
EVENTS_SHOWN = 30
REVIEWS_SHOWN = 50
ALARMS_SHOWN = 100
FACTS_SHOWN = 200
EVIDENCE_SHOWN = 6  # facts of one entry
EVIDENCE = ("id", "kind", "station", *TIMES)
_ROW = schema.STATION_TABLE.c
_STATIONS = Statement(
    sa.select(schema.STATION_TABLE)
    .where(_ROW.library_id == LIBRARY)
    .order_by(_ROW.site, _ROW.role.desc(), _ROW.station)
)


def free_beside(url: str) -> int | None:
    """Return the bytes that are free where a database's file lies; None if it is no file."""
    if not url.startswith("sqlite:///"):
        return None
    try:
        return shutil.disk_usage(Path(url.removeprefix("sqlite:///")).parent).free
    except OSError:
        return None


@dataclass(frozen=True, slots=True)
class StationView:
    """One station as staff see it."""

    station: str
    name: str
    role: str
    site: str | None
    state: str  # connected, silent, dead, expected
    list_state: str | None
    waiting: int
    oldest_ms: int | None
    last_contact_ms: int | None
    last_fact_ms: int | None
    facts: int
    parked: int
    epoch_n: int
    hw: int
    seq_last: int
    clock: str | None
    twin: bool
    troubles: list[str] = field(default_factory=list)
    last_alarm: AlarmView | None = None
    firmware: str | None = None
    refused_update: str | None = None

    def as_dict(self) -> Doc:
        """Return it as plain dicts and lists."""
        doc = {name: getattr(self, name) for name in self.__slots__}
        if self.last_alarm is not None:
            doc["last_alarm"] = asdict(self.last_alarm)
        return doc


@dataclass(frozen=True, slots=True)
class Totals:
    """Facts recorded anywhere, and what became of them."""

    recorded: int
    applied: int
    waiting: int
    parked: int
    oldest_ms: int | None
    stations: int
    connected: int


@dataclass(frozen=True, slots=True)
class Board:
    """All of the sync page."""

    library_id: str
    name: str
    version: int
    lineage: str
    recovered: bool
    unsecured: int  # keys that gates stop whatever their tag says
    unsecured_max: int
    now_ms: int
    stations: list[StationView]
    totals: Totals
    events: list[Doc]
    reviews: list[Doc]
    updates: list[UpdateView] = field(default_factory=list)
    disk_free: int | None = None  # bytes beside the database; None where it is on a server

    @property
    def is_disk_tight(self) -> bool:
        """Whether the gateway soon takes no more facts; stations keep them then."""
        return self.disk_free is not None and self.disk_free < DISK_BYTES_MIN

    @property
    def may_have_more_reviews(self) -> bool:
        """Whether entries wait beyond those that are shown."""
        return len(self.reviews) >= REVIEWS_SHOWN

    def as_dict(self) -> Doc:
        """Return the board as plain dicts and lists; what may be changed in it is shared."""
        doc = {name: getattr(self, name) for name in self.__slots__}
        doc["stations"] = [view.as_dict() for view in self.stations]
        doc["totals"] = asdict(self.totals)
        doc["updates"] = [asdict(view) for view in self.updates]
        return doc


class Desk:
    """Reads of one library for pages and API."""

    def __init__(
        self, store: Store, library_id: str, *, disk_free: Callable[[], int | None] | None = None
    ):
        """disk_free: returns the bytes that are free beside the database, None if unknown."""
        self.store = store
        self.library_id = library_id
        self._disk_free = disk_free or (lambda: free_beside(store.url))

    def board(self) -> Board:
        """Return the sync page's content at this moment."""
        now_ms = self.store.clock()
        offers = Updates(self.store, self.library_id).all()
        with self.store.read() as connection:
            library = connection.execute(self._select(schema.LIBRARY)).one()
            stations = self._stations(connection, now_ms)
            names = {view.station: view.name for view in stations}
            return Board(
                library_id=self.library_id,
                name=library.name or self.library_id,
                version=library.version,
                lineage=library.lineage,
                recovered=bool(library.recovered),
                unsecured=self._unsecured(connection),
                unsecured_max=UNSECURED_MAX,
                now_ms=now_ms,
                stations=stations,
                totals=_totals(stations),
                events=self._events(connection, names),
                reviews=self._reviews(connection, is_open(), names),
                updates=updates_of(offers, stations),
                disk_free=self._disk_free(),
            )

    def stations(self) -> list[StationView]:
        """Return every station, connected or not, by site and name."""
        with self.store.read() as connection:
            return self._stations(connection, self.store.clock())

    def reviews(self, *, decided: bool = False) -> list[Doc]:
        """Return the entries that wait for staff, or those they decided; newest first."""
        wanted = schema.REVIEW.c.decided_at.is_not(None) if decided else is_open()
        with self.store.read() as connection:
            return self._reviews(connection, wanted, self._names(connection))

    def alarms(self, station: str | None = None) -> list[AlarmView]:
        """Return the newest alarms, of one gate or of all."""
        with self.store.read() as connection:
            name = self.library_id
            return alarms_of(connection, name, station=station, count=ALARMS_SHOWN)

    def station(self, station: str) -> StationView | None:
        """Return one station, or None."""
        return next((view for view in self.stations() if view.station == station), None)

    def item(self, number: str) -> Doc | None:
        """Return an item by id or barcode with its facts, entries and verdicts, or None."""
        with self.store.read() as connection:
            table = schema.ITEM
            query = sa.select(table.c.item_id).where(
                table.c.library_id == self.library_id,
                sa.or_(table.c.item_id == number, table.c.barcode == number),
            )
            item_id = connection.execute(query).scalar()
            if item_id is None:
                return None
            doc = item_docs(connection, self.library_id, [item_id])[item_id]
            doc["last"] = self._last(connection, item_id)
            doc["patron_name"] = self._patron_name(connection, doc["patron_id"])
            fact = schema.FACT
            at_ms = sa.func.coalesce(fact.c.earliest_ms, fact.c.wall_ms, fact.c.received_at)
            newest = (at_ms.desc(), fact.c.station, fact.c.epoch_n.desc(), fact.c.seq.desc())
            doc["facts"] = self._facts(connection, fact.c.item_id == item_id, newest)
            names = self._names(connection)
            doc["entries"] = self._reviews(connection, schema.REVIEW.c.item_id == item_id, names)
            return doc

    def facts(self, station: str) -> list[Doc]:
        """Return a station's last facts, newest first."""
        with self.store.read() as connection:
            fact = schema.FACT
            newest = (fact.c.epoch_n.desc(), fact.c.seq.desc())  # as they lie in the index
            return self._facts(connection, fact.c.station == station, newest)

    def parked(self, station: str | None = None) -> list[Doc]:
        """Return facts that could not be applied yet, newest first."""
        table = schema.PARKED
        columns = [c for c in table.c if c.name not in ("body", "salt", "patron_id", "hash")]
        query = sa.select(*columns).where(
            table.c.library_id == self.library_id, table.c.applied_at.is_(None)
        )
        if station is not None:
            query = query.where(table.c.station == station)
        query = query.order_by(table.c.received_at.desc()).limit(FACTS_SHOWN)
        with self.store.read() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def _names(self, connection: sa.Connection) -> dict[str, str]:
        """Return what people call each station."""
        table = schema.STATION_TABLE
        query = sa.select(table.c.station, table.c.name).where(
            table.c.library_id == self.library_id
        )
        return {row.station: row.name or row.station for row in connection.execute(query)}

    def _unsecured(self, connection: sa.Connection) -> int:
        table = schema.MAY_LEAVE
        query = sa.select(sa.func.count()).where(
            table.c.library_id == self.library_id, table.c.unsecured == 1
        )
        return int(connection.execute(query).scalar_one())

    def _select(self, table: sa.Table) -> sa.Select[Any]:
        return sa.select(table).where(table.c.library_id == self.library_id)

    def _stations(self, connection: sa.Connection, now_ms: int) -> list[StationView]:
        rows = _STATIONS.rows(connection, library_id=self.library_id)
        names = {row.station: row.name for row in rows if row.name}
        alarms = last_alarms(connection, self.library_id)
        return [_station_view(row, now_ms, names, alarms.get(row.station)) for row in rows]

    def _events(self, connection: sa.Connection, names: Mapping[str, str]) -> list[Doc]:
        table = schema.EVENT
        query = self._select(table).order_by(table.c.n.desc()).limit(EVENTS_SHOWN)
        rows = connection.execute(query).mappings()
        return [
            {
                **{k: row[k] for k in ("n", "at_ms", "station", "code", "detail")},
                "name": names.get(row["station"] or ""),
            }
            for row in rows
        ]

    def _reviews(
        self, connection: sa.Connection, condition: Any, names: Mapping[str, str]
    ) -> list[Doc]:
        review, item, title = schema.REVIEW, schema.ITEM, schema.TITLE
        joined = review.outerjoin(
            item, sa.and_(item.c.library_id == self.library_id, item.c.item_id == review.c.item_id)
        ).outerjoin(
            title,
            sa.and_(title.c.library_id == self.library_id, title.c.title_id == item.c.title_id),
        )
        holding = schema.HOLDING
        joined = joined.outerjoin(
            holding,
            sa.and_(
                holding.c.library_id == self.library_id, holding.c.item_id == review.c.item_id
            ),
        )
        columns = [c for c in review.c if c.name not in ("library_id", "version")]
        known = (title.c.title, item.c.shelf_mark, item.c.barcode, holding.c.state)
        query = (
            sa.select(*columns, *known)
            .select_from(joined)
            .where(review.c.library_id == self.library_id, condition)
            .order_by(review.c.created_at.desc(), review.c.key)
            .limit(REVIEWS_SHOWN)
        )
        rows = [dict(row) for row in connection.execute(query).mappings()]
        shown = {row["key"]: list(row["facts"] or ())[-EVIDENCE_SHOWN:] for row in rows}
        evidence = self._evidence(
            connection, [one for ids in shown.values() for one in ids], names
        )
        return [
            {
                **row,
                "station_name": names.get(row["station"] or ""),
                "evidence": [doc for one, doc in evidence.items() if one in shown[row["key"]]],
            }
            for row in rows
        ]

    def _evidence(
        self, connection: sa.Connection, fact_ids: list[str], names: Mapping[str, str]
    ) -> dict[str, Doc]:
        """Return what, when and where of facts by their ids, the oldest first; no reader."""
        table = schema.FACT
        columns = [table.c[name] for name in EVIDENCE]
        query = sa.select(*columns).where(
            table.c.library_id == self.library_id, table.c.id.in_(fact_ids)
        )
        at_ms = sa.func.coalesce(table.c.earliest_ms, table.c.wall_ms, table.c.received_at)
        query = query.order_by(at_ms, table.c.station, table.c.seq)
        rows = connection.execute(query).mappings() if fact_ids else ()
        return {
            row["id"]: {**row, "station_name": names.get(row["station"], row["station"])}
            for row in rows
        }

    def _facts(
        self, connection: sa.Connection, condition: Any, order: tuple[Any, ...]
    ) -> list[Doc]:
        query = self._select(schema.FACT).where(condition).order_by(*order).limit(FACTS_SHOWN)
        rows = [dict(row) for row in connection.execute(query).mappings()]
        rules = self._verdicts(connection, [row["id"] for row in rows])
        names = self._names(connection)
        return [
            {
                **row,
                "station_name": names.get(row["station"], row["station"]),
                "verdicts": rules.get(row["id"], []),
            }
            for row in rows
        ]

    def _verdicts(self, connection: sa.Connection, fact_ids: list[str]) -> dict[str, list[str]]:
        table = schema.VERDICT
        query = self._select(table).where(table.c.fact_id.in_(fact_ids)).order_by(table.c.rule)
        rules: dict[str, list[str]] = {}
        for row in connection.execute(query):
            rules.setdefault(row.fact_id, []).append(row.rule)
        return rules

    def _last(self, connection: sa.Connection, item_id: str) -> list[str]:
        query = self._select(schema.HOLDING).where(schema.HOLDING.c.item_id == item_id)
        row = connection.execute(query).first()
        return list(row.last) if row is not None else []

    def _patron_name(self, connection: sa.Connection, patron_id: str | None) -> str | None:
        if patron_id is None:
            return None
        query = self._select(schema.PATRON).where(schema.PATRON.c.patron_id == patron_id)
        row = connection.execute(query).first()
        return row.short_name if row is not None else None


def _station_view(
    row: Any, now_ms: int, names: Mapping[str, str], last_alarm: AlarmView | None
) -> StationView:
    waiting = max(row.seq_last - row.hw, 0)
    return StationView(
        station=row.station,
        name=row.name or row.station,
        role=row.role,
        site=row.site,
        state=contact_state(row, now_ms),
        list_state=row.list_state,
        waiting=waiting,
        oldest_ms=row.waiting_since if waiting else None,
        last_contact_ms=row.last_contact_at,
        last_fact_ms=row.last_fact_at,
        facts=row.facts,
        parked=row.parked,
        epoch_n=row.epoch_n,
        hw=row.hw,
        seq_last=row.seq_last,
        clock=row.clock,
        twin=row.twin_seen_at is not None and now_ms - row.twin_seen_at < DEAD_MS,
        troubles=_troubles(row.telemetry, names),
        last_alarm=last_alarm,
        firmware=row.firmware,
        refused_update=refusal(row.telemetry),
    )


def contact_state(row: Any, now_ms: int) -> str:
    """Return connected, silent, dead, or expected (configured but never heard)."""
    if row.role == "desk":
        return "connected"
    if row.last_contact_at is None:
        return "expected"
    silence_ms = now_ms - row.last_contact_at
    said_goodbye = row.gone_at is not None and row.gone_at >= row.last_contact_at
    if silence_ms <= CONTACT_MS and not said_goodbye:
        return "connected"
    return "dead" if silence_ms > DEAD_MS else "silent"


def _troubles(telemetry: Doc | None, names: Mapping[str, str]) -> list[str]:
    health = (telemetry or {}).get("health") or {}
    said = sorted((device, text) for device, text in health.items() if text != "ok")
    return [trouble(device, text, names) for device, text in said]


def _totals(stations: list[StationView]) -> Totals:
    applied = sum(view.facts for view in stations)
    waiting = sum(view.waiting for view in stations)
    parked = sum(view.parked for view in stations)
    oldest = [view.oldest_ms for view in stations if view.oldest_ms is not None]
    people = [view for view in stations if view.role != "desk"]
    return Totals(
        recorded=applied + waiting + parked,
        applied=applied,
        waiting=waiting,
        parked=parked,
        oldest_ms=min(oldest) if oldest else None,
        stations=len(people),
        connected=sum(view.state == "connected" for view in people),
    )
