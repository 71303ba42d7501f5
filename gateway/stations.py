"""The row of a station: what the sync page tells of it, moved on with its journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from gateway import schema
from gateway.marks import Marks
from gateway.statements import LIBRARY, Statement
from gateway.store import Write

TABLE = schema.STATION_TABLE
_TOP = sa.bindparam("top", type_=sa.BigInteger)
_NEW_EPOCH = TABLE.c.epoch_n != sa.bindparam("n", type_=sa.Integer)
_MOVE_ON = Statement(
    sa.update(TABLE)
    .where(TABLE.c.library_id == LIBRARY, TABLE.c.station == sa.bindparam("name"))
    .values(
        epoch_n=sa.bindparam("n", type_=sa.Integer),
        epoch_id=sa.bindparam("epoch"),
        hw=_TOP,
        hash=sa.bindparam("tip"),
        keep_from=sa.case((_NEW_EPOCH, 1), else_=TABLE.c.keep_from),
        seq_last=sa.case(
            (_NEW_EPOCH, _TOP), (TABLE.c.seq_last > _TOP, TABLE.c.seq_last), else_=_TOP
        ),
        facts=TABLE.c.facts + sa.bindparam("applied", type_=sa.BigInteger),
        parked=TABLE.c.parked + sa.bindparam("refused", type_=sa.BigInteger),
        last_fact_at=sa.bindparam("now_ms"),
    )
)


def save_progress(
    write: Write, marks: Marks, *, applied: Counter[str], parked: Counter[str]
) -> None:
    """Write the marks, and for each station that moved how many rows were new."""
    moved = marks.save(write)
    # Whoever has an epoch already has a row.
    ensure_stations(write, [name for name, progress in moved.items() if progress.is_new])
    write.many(
        _MOVE_ON,
        [
            {
                "name": station,
                "n": progress.n,
                "epoch": progress.epoch,
                "top": progress.hw,
                "tip": progress.tip,
                "applied": applied[station],
                "refused": parked[station],
                "now_ms": write.now_ms,
            }
            for station, progress in moved.items()
        ],
    )


def ensure_stations(write: Write, stations: Iterable[str]) -> None:
    """Make the rows of stations whose first time it is."""
    rows = [{"station": station, "first_contact_at": write.now_ms} for station in stations]
    write.upsert(TABLE, rows, replace=False)


def ensure_station(write: Write, station: str, **values: Any) -> None:
    """Make the station's row if it is its first time."""
    row = {"station": station, "first_contact_at": write.now_ms, **values}
    write.upsert(TABLE, [row], replace=False)
