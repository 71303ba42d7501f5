"""What staff see of an alarm: which book, at which gate, and when, as far as that is known.

An alarm is heard at once or comes with its gate's journal, maybe days later. Its fact says when it
sounded, within bounds; until that is here, the instant in which it was heard does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from gateway import schema

Doc = dict[str, Any]
TIMES = ("earliest_ms", "latest_ms", "flagged", "wall_ms", "received_at")
"""What a fact says of when it happened; `gateway.wording.when` puts it in words."""


@dataclass(frozen=True, slots=True)
class AlarmView:
    """An alarm with what a guard needs to know."""

    fact_id: str
    station: str
    at_ms: int | None
    gate: str | None
    lane: str | None
    direction: str | None
    deciding_row: int | None
    latency_ms: int | None
    uid: str | None
    item_id: str | None
    title: str | None
    shelf_mark: str | None
    answered_at: int | None
    times: Doc | None  # `TIMES` of its fact; None until that has come


def alarms_of(
    connection: sa.Connection, library_id: str, *, station: str | None, count: int
) -> list[AlarmView]:
    """Return so many of the newest alarms, of one gate or of all."""
    query = _alarms(library_id).order_by(*_newest_first(schema.ALARM)).limit(count)
    if station is not None:
        query = query.where(schema.ALARM.c.station == station)
    return [_view(dict(row)) for row in connection.execute(query).mappings()]


def last_alarms(connection: sa.Connection, library_id: str) -> dict[str, AlarmView]:
    """Return the newest alarm of every gate that has had one, by the gate's station."""
    gate, alarm = schema.STATION_TABLE, schema.ALARM.alias()
    newest = (
        sa.select(alarm.c.fact_id)
        .where(alarm.c.library_id == library_id, alarm.c.station == gate.c.station)
        .order_by(*_newest_first(alarm))
        .limit(1)
        .scalar_subquery()
    )
    of_each = sa.select(newest).where(gate.c.library_id == library_id, gate.c.role == "gate")
    query = _alarms(library_id).where(schema.ALARM.c.fact_id.in_(of_each))
    views = [_view(dict(row)) for row in connection.execute(query).mappings()]
    return {view.station: view for view in views}


def _alarms(library_id: str) -> sa.Select[Any]:
    alarm, fact, item, title = schema.ALARM, schema.FACT, schema.ITEM, schema.TITLE
    joined: sa.FromClause = alarm
    for table, key, value in (
        (fact, fact.c.id, alarm.c.fact_id),
        (item, item.c.item_id, alarm.c.item_id),
        (title, title.c.title_id, item.c.title_id),
    ):
        joined = joined.outerjoin(table, sa.and_(table.c.library_id == library_id, key == value))
    columns = [c for c in alarm.c if c.name != "library_id"]
    times = [fact.c[name] for name in TIMES]
    return (
        sa.select(*columns, title.c.title, item.c.shelf_mark, *times)
        .select_from(joined)
        .where(alarm.c.library_id == library_id)
    )


def _newest_first(alarm: sa.FromClause) -> tuple[sa.ColumnElement[Any], ...]:
    return alarm.c.at_ms.desc(), alarm.c.fact_id


def _view(row: Doc) -> AlarmView:
    times = {name: row.pop(name) for name in TIMES}
    return AlarmView(**row, times=times if times["received_at"] is not None else None)
