"""The row of a station: what the sync page tells of it, moved on with its journal."""

from __future__ import annotations

from collections import Counter
from typing import Any

import sqlalchemy as sa

from gateway import schema
from gateway.marks import Marks
from gateway.store import Write


def save_progress(
    write: Write, marks: Marks, *, applied: Counter[str], parked: Counter[str]
) -> None:
    """Write the marks, and for each station that moved how many rows were new."""
    table = schema.STATION_TABLE
    for station, progress in marks.save(write).items():
        ensure_station(write, station)
        statement = write.update(table, station=station).values(
            epoch_n=progress.n,
            epoch_id=progress.epoch,
            hw=progress.hw,
            hash=progress.tip,
            keep_from=sa.case((table.c.epoch_n != progress.n, 1), else_=table.c.keep_from),
            seq_last=sa.case(
                (table.c.epoch_n != progress.n, progress.hw),
                (table.c.seq_last > progress.hw, table.c.seq_last),
                else_=progress.hw,
            ),
            facts=table.c.facts + applied[station],
            parked=table.c.parked + parked[station],
            last_fact_at=write.now_ms,
        )
        write.execute(statement)


def ensure_station(write: Write, station: str, **values: Any) -> None:
    """Make the station's row if it is its first time."""
    row = {"station": station, "first_contact_at": write.now_ms, **values}
    write.upsert(schema.STATION_TABLE, [row], replace=False)
