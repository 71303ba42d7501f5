"""A gate's alarm, heard at once over the site's topic: what book it is, and where it belongs.

The alarm's fact comes with the gate's journal, perhaps later; both have one id.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from circulation.wire.limits import TITLE_CHARS_MAX
from circulation.wire.messages import SiteAlarm, sealed
from gateway import diary, schema
from gateway.effects import title_line
from gateway.stations import ensure_station
from gateway.store import Store, Write

OWN_NAME = "gateway"


class Alarms:
    """Resolves alarms against the catalogue."""

    def __init__(self, store: Store, library_id: str, *, key: bytes):
        self.store = store
        self.library_id = library_id
        self._key = key

    def heard(self, alarm: SiteAlarm) -> SiteAlarm | None:
        """Keep an alarm; return the answer with title and shelf mark, if it lacks them."""
        if alarm.answers is not None:
            return None
        with self.store.write(self.library_id) as write:
            item_id = _item_of(write, alarm)
            self._keep(write, alarm, item_id)
            item = write.one(schema.ITEM, item_id=item_id) if item_id else None
            title = None
            if item is not None and item.title_id is not None:
                title = write.one(schema.TITLE, title_id=item.title_id)
        if item is None or alarm.title is not None:
            return None
        name = title.title[:TITLE_CHARS_MAX] if title is not None else None
        answer = SiteAlarm(
            OWN_NAME,
            alarm.alarm,
            alarm.gate,
            alarm.lane,
            alarm.direction,
            alarm.row,
            alarm.uid,
            item_id,
            name,
            item.shelf_mark[:64],
            alarm.latency_ms,
            alarm.alarm,
            "",
        )
        return sealed(answer, self._key)  # type: ignore[no-any-return]

    def _keep(self, write: Write, alarm: SiteAlarm, item_id: str | None) -> None:
        if write.one(schema.ALARM, fact_id=alarm.alarm) is not None:
            return
        ensure_station(write, alarm.station, role="gate")
        row: dict[str, Any] = {
            "fact_id": alarm.alarm,
            "station": alarm.station,
            "item_id": item_id,
            "gate": alarm.gate,
            "lane": alarm.lane,
            "direction": alarm.direction[:8],
            "deciding_row": alarm.row,
            "latency_ms": min(alarm.latency_ms, 2**31 - 1),
            "uid": alarm.uid,
            "at_ms": write.now_ms,
        }
        write.insert(schema.ALARM, [row])
        diary.note(write, "alarm", alarm.station, what=title_line(write, item_id))


def _item_of(write: Write, alarm: SiteAlarm) -> str | None:
    item = write.one(schema.ITEM, item_id=alarm.item) if alarm.item else None
    if item is not None:
        return str(item.item_id)
    table = schema.ITEM_UID
    query = sa.select(table.c.item_id).where(
        table.c.library_id == write.library_id, table.c.uid == alarm.uid
    )
    found: str | None = write.execute(query).scalar()
    return found
