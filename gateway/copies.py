"""Rows that a station copies into a new epoch, and at which of its places each of them counts.

Facts of a station are ordered by (epoch number, seq), and a fact that stands at several places
counts at the first that was heard of. That is right as long as what was written before it was
heard of before, too. A gateway that was restored may lack the end of one epoch and be told of
the next before the station knows: then the station gathers all it has in a third, and what it
wrote first comes last. So a copy counts at its new place if new facts stand before it there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import sqlalchemy as sa

from gateway.schema import FACT
from gateway.statements import LIBRARY, Statement, among
from gateway.store import Write

_IN_EPOCH = Statement(
    sa.select(FACT.c.seq)
    .where(
        FACT.c.library_id == LIBRARY,
        FACT.c.station == sa.bindparam("station"),
        FACT.c.epoch_n == sa.bindparam("epoch_n", type_=sa.Integer),
    )
    .order_by(FACT.c.seq)
    .limit(1)
)
_STORED = Statement(
    sa.select(FACT.c.id, FACT.c.station, FACT.c.epoch_n, FACT.c.item_id).where(
        FACT.c.library_id == LIBRARY, among(FACT.c.id, "ids")
    )
)
_MOVE = Statement(
    sa.update(FACT)
    .where(FACT.c.library_id == LIBRARY, FACT.c.id == sa.bindparam("row_id"))
    .values(epoch_n=sa.bindparam("new_epoch_n"), seq=sa.bindparam("new_seq"))
)


class FactPlace(NamedTuple):
    """A row of a journal and the fact in it."""

    station: str
    epoch_n: int
    seq: int
    fact_id: str


@dataclass(frozen=True, slots=True)
class Moved:
    """Whose facts stand in another order now, and which items they are about."""

    stations: frozenset[str] = frozenset()
    items: frozenset[str] = frozenset()


NOTHING = Moved()


def move_behind(write: Write, copies: Sequence[FactPlace], fresh: Iterable[FactPlace]) -> Moved:
    """Let copies count at their new place where new facts stand before them in that epoch.

    copies: rows whose facts are in the table already. fresh: those that will be.
    """
    if not copies:
        return NOTHING
    first = _first_places(write, {(row.station, row.epoch_n) for row in copies}, fresh)
    late = {
        row.fact_id: row
        for row in copies
        if row.seq > first.get((row.station, row.epoch_n), row.seq)
    }
    if not late:
        return NOTHING
    stored = [
        one
        for one in write.rows(_STORED, ids=sorted(late))
        if one.station == late[one.id].station and one.epoch_n < late[one.id].epoch_n
    ]
    write.many(
        _MOVE,
        [
            {"row_id": one.id, "new_epoch_n": late[one.id].epoch_n, "new_seq": late[one.id].seq}
            for one in stored
        ],
    )
    return Moved(
        frozenset(one.station for one in stored),
        frozenset(one.item_id for one in stored if one.item_id is not None),
    )


def _first_places(
    write: Write, epochs: Iterable[tuple[str, int]], fresh: Iterable[FactPlace]
) -> dict[tuple[str, int], int]:
    """Return for each epoch of a station the lowest seq at which a fact counts or will."""
    counted = [((row.station, row.epoch_n), row.seq) for row in fresh]
    for station, epoch_n in epochs:
        known = write.first(_IN_EPOCH, station=station, epoch_n=epoch_n)
        if known is not None:
            counted.append(((station, epoch_n), known.seq))
    return dict(sorted(counted, reverse=True))  # the lowest of an epoch comes last, and stays
