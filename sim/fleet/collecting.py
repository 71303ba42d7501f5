"""Reading what a fleet left behind, from its disks and from the gateway's tables."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from typing import Any

import sqlalchemy as sa

from circulation.fold.fold import fold
from circulation.fold.intervals import Interval, intervals
from circulation.items import ItemState as ItemStates
from circulation.sync.liveness import BLIND
from circulation.wire.messages import Status, decode
from circulation.wire.topics import Topics
from firmware.gate.lists import ExactList, UnionList
from firmware.gate.overlay import ON
from gateway import schema
from gateway.changes import WHOLE_KINDS
from gateway.desk import STATION as DESK
from gateway.docs import item_docs
from gateway.facts import fact_of
from gateway.holdings import item_fold
from gateway.outbox import versions_of
from gateway.statements import Statement
from gateway.store import KINDS
from sim.fleet.gate import FleetGate
from sim.fleet.kiosk import FleetKiosk
from sim.fleet.library import LIBRARY
from sim.fleet.outcome import (
    Anew,
    Applied,
    GateList,
    ItemState,
    Outcome,
    Parked,
    Position,
    Review,
    SiteNews,
    StationEnd,
)
from sim.fleet.station import Station, id_of
from sim.fleet.world import Fleet

UNCERTAIN = ItemStates.UNCERTAIN.value

# Not the same on every machine: where a list's file lies, and its bytes, which name SQLite's
# own version.
_LEFT_OUT = (schema.SNAPSHOT,)


def collect(fleet: Fleet, *, rested: bool) -> Outcome:
    """Return the outcome of a fleet that has come to rest, or will not."""
    outcome = Outcome(
        plan=fleet.plan,
        events=fleet.events,
        committed=sorted(fleet.commits, key=lambda one: one.at_ms),
        acknowledged=fleet.acks,
        announced=fleet.announced,
        alarms=fleet.alarms,
        faults=fleet.faults,
        peaks=fleet.peaks,
        device_ms=fleet.device_ms,
        rested=rested,
        unbacked=fleet.witness.unbacked,
        put_back=fleet.witness.cards,
        missing=fleet.witness.missing,
        untold=fleet.witness.untold(tuple(kind for kind in KINDS if kind not in WHOLE_KINDS)),
    )
    outcome.keys = {book.name: (book.uid,) for book in fleet.books.values()}
    for broker in fleet.brokers.values():
        fleet.peak("broker_queue", broker.queue_peak)
        fleet.peak("link_queue", broker.link_peak)
    with fleet.gateway.store.read() as connection:
        _read_facts(connection, outcome, fleet)
        _read_items(connection, outcome, fleet)
        _read_list(connection, outcome)
        outcome.tables = {
            table.name: _hash_of(connection, table)
            for table in schema.METADATA.sorted_tables
            if table not in _LEFT_OUT
        }
    outcome.surviving = {one.fact_id for one in outcome.applied}
    outcome.surviving |= {one.fact_id for one in outcome.parked}
    outcome.surviving |= {one.fact_id for one in fleet.commits if one.station == DESK}
    for station in fleet.stations.values():
        if station.powered:
            _read_station(station, fleet, outcome)
    return outcome


def _rows(connection: sa.Connection, table: sa.Table) -> list[Any]:
    return _all_of(table).rows(connection)


@cache
def _all_of(table: sa.Table) -> Statement:
    """Return the question for all rows of a table, in the order of their keys."""
    query = sa.select(table).where(table.c.library_id == sa.literal(LIBRARY))
    return Statement(query.order_by(*table.primary_key.columns))


def _read_facts(connection: sa.Connection, outcome: Outcome, fleet: Fleet) -> None:
    for row in _rows(connection, schema.FACT):
        item = fleet.name_of(row.item_id)
        outcome.applied.append(
            Applied(row.id, row.station, row.epoch_n, row.seq, row.kind, item, bytes(row.body))
        )
    for row in _rows(connection, schema.POSITION):
        outcome.positions.append(
            Position(row.station, row.epoch_id, row.seq, row.hash.hex(), row.fact_id or "")
        )
    for row in _rows(connection, schema.EPOCH):
        outcome.epochs.append((row.station, row.n, row.id))
    for row in _rows(connection, schema.PARKED):
        outcome.parked.append(
            Parked(row.station, row.epoch_n, row.seq, row.why, id_of(bytes(row.body)))
        )


def _read_items(connection: sa.Connection, outcome: Outcome, fleet: Fleet) -> None:
    for row in _rows(connection, schema.REVIEW):
        detail = json.dumps(row.detail, sort_keys=True)
        state = "settled" if row.settled_at is not None else "open"
        state = "decided" if row.decided_at is not None else state
        item = fleet.name_of(row.item_id)
        outcome.reviews.append(
            Review(row.key, row.rule, item, row.station or "", tuple(row.facts), detail, state)
        )
        if row.rule == "facts_lost":
            _, station, epoch, _ = row.key.split(":")
            lost = (station, epoch, int(row.detail["first"]), int(row.detail["last"]))
            outcome.declared_lost.append(lost)
    holdings = {row.item_id: row for row in _rows(connection, schema.HOLDING)}
    anew = _fold_anew(connection)
    for doc in item_docs(connection, LIBRARY, fleet.by_id).values():
        name = fleet.name_of(doc["item_id"])
        held = holdings.get(doc["item_id"])
        last = tuple(held.last) if held is not None else ()
        siblings: tuple[str, ...] = ()
        if doc["state"] == UNCERTAIN:
            folded = item_fold(connection, LIBRARY, doc["item_id"])
            siblings = tuple(one.holding.state.value for one in folded.siblings)
        outcome.item_states[name] = ItemState(
            name, doc["state"], doc["patron_id"] or "", doc["loan"] or "", last, siblings,
            doc["due_at"] or 0, anew.get(doc["item_id"]),
        )  # fmt: skip


def _fold_anew(connection: sa.Connection) -> dict[str, Anew]:
    """Return every item that has facts as they alone say: placed in time and folded once more,
    the last to arrive first, as a gateway would that had just now been sent all of them."""
    facts = [fact_of(row._asdict()) for row in _rows(connection, schema.FACT)]
    facts.reverse()
    known: dict[str, Interval] = {}
    for station in {fact.station: True for fact in facts}:
        known |= intervals(fact for fact in facts if fact.station == station)
    by_item: dict[str, list[Any]] = {}
    for fact in facts:
        by_item.setdefault(fact.item_id or "", []).append(fact)
    anew = {}
    for item_id, own in by_item.items():
        held = fold(own, known).holding
        anew[item_id] = Anew(
            held.state.value, held.patron or "", held.loan or "", held.due_at or 0
        )
    return anew


def _read_list(connection: sa.Connection, outcome: Outcome) -> None:
    rows = _rows(connection, schema.MAY_LEAVE)
    query = sa.select(schema.LIBRARY.c.lineage).where(schema.LIBRARY.c.library_id == LIBRARY)
    outcome.truth_list = GateList(
        lineage=str(connection.execute(query).scalar_one()),
        version=versions_of(connection, LIBRARY)["may_leave"],
        freshness="",
        reaches=tuple((row.key, row.reach) for row in rows if row.reach),
        unsecured=tuple(row.key for row in rows if row.unsecured),
    )


def _hash_of(connection: sa.Connection, table: sa.Table) -> str:
    total = hashlib.sha256()
    for row in _rows(connection, table):
        total.update(repr(tuple(row)).encode())
    return total.hexdigest()


def _read_station(station: Station, fleet: Fleet, outcome: Outcome) -> None:
    journal = station.journal
    for table_row in station.kept_bodies():
        outcome.surviving.add(id_of(table_row))
    news = 0
    lists: tuple[tuple[str, int], ...] = ()
    if isinstance(station, FleetKiosk):
        lists = tuple(sorted(station.engine.lists.versions().items()))
        query = "SELECT count(*), count(*) FILTER (WHERE done=0) FROM news"
        rows, news = station.engine.store.reader.execute(query).fetchone()
        fleet.peak("news", rows)  # none goes in so short a time: see kiosk.news.NEWS_KEPT
    elif isinstance(station, FleetGate):
        outcome.gate_lists[station.name] = _list_of(station)
    outcome.stations[station.name] = StationEnd(
        station=station.name,
        epoch_n=journal.epoch.n,
        seq_last=journal.last_seq,
        acked=journal.acked,
        waiting=journal.last_seq - journal.acked,
        lineage=journal.lineage or "",
        connected=station.link is not None and station.link.up,
        lists=lists,
        news=news,
        shown=_is_shown(station, fleet),
    )


def _is_shown(station: Station, fleet: Fleet) -> bool:
    """Return whether whoever asks the broker now is told that the station is on."""
    kept = fleet.gateway_broker.retained.get(Topics(LIBRARY).status(station.name))
    return kept is not None and bool(decode(Status, kept).on)


def _list_of(gate: FleetGate) -> GateList:
    holdings = gate.machine.holdings
    overlay = tuple(
        SiteNews(entry.station, *entry.position, entry.fact, entry.state == ON)
        for entries in holdings.overlay._items.values()
        for entry in entries
    )
    held = holdings.list
    if held is None:
        return GateList("", 0, BLIND, (), (), overlay)
    freshness = gate.machine.list_state(gate.clock.now_ms())
    reaches: dict[str, int] = {}
    unsecured: dict[str, bool] = {}
    parts = (held.old, held.new) if isinstance(held, UnionList) else (held,)
    for part in parts:
        assert isinstance(part, ExactList)
        for key in part._reach:
            reaches[key] = held.reach(key)
        for key in part._unsecured:
            unsecured[key] = held.is_unsecured(key)
    return GateList(
        held.lineage,
        held.version,
        freshness,
        tuple(sorted((key, reach) for key, reach in reaches.items() if reach)),
        tuple(sorted(key for key, said in unsecured.items() if said)),
        overlay,
    )
