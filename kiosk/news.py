"""What is known of items beyond the lists: the table `news` of station.db.

Laws of this file:

1. What was told before changes nothing and is not written: the kiosks of a site tell much again,
   and on an SD card a commit keeps a reader waiting for some 20 ms.
2. What comes in one turn is one commit, in this order: what was heard, what the gateway has
   applied of it, what of that is in our own catalogue. All of it or nothing.
3. A row of an older epoch may be among those copied into the newer one, at a place we have not
   heard of yet. What is copied stands at an epoch's beginning: a mark covers rows of its own
   epoch, and of older ones when it is so far on that nothing copied can stand behind it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from circulation.wire.messages import SiteLoan

NEWS_KEPT = 5_000
"""Covered news still answer a gate with an older list; beyond that many it asks the gateway."""


CARRIED_MAX = 500
"""Rows copied into a newer epoch: as many as a kiosk tells again at most, as gates count too."""


class Marks(NamedTuple):
    """Up to which (epoch, seq) of each station the gateway has applied, in which version."""

    version: int
    marks: Mapping[str, tuple[int, int]]


class OpenNews(NamedTuple):
    """Where a fact stands that our catalogue may not have yet; covered: in which version it is."""

    station: str
    epoch_n: int
    seq: int
    covered: int | None

    def is_in(self, applied: Marks) -> bool:
        """Whether the gateway says there to have it, which is not noted yet.

        The mark need not have moved since: news may be told late, or again.
        """
        mark = applied.marks.get(self.station)
        if mark is None or self.covered is not None:
            return False
        epoch_n, seq = mark
        if epoch_n > self.epoch_n:
            return seq >= CARRIED_MAX
        return epoch_n == self.epoch_n and self.seq <= seq


@dataclass(slots=True)
class Turn:
    """What one turn brought that the table must know.

    heard: of other kiosks. reached: the version our own catalogue has.
    """

    heard: list[SiteLoan] = field(default_factory=list)
    applied: list[Marks] = field(default_factory=list)
    reached: int = 0

    def changes(self, known: list[OpenNews]) -> bool:
        """Whether there is anything to write, given the news that our catalogue may not have."""
        if self.heard:
            return True
        if any(one.covered is not None and one.covered <= self.reached for one in known):
            return True
        return any(one.is_in(applied) for applied in self.applied for one in known)

    def uncovered(self, known: list[OpenNews]) -> set[str]:
        """Return the stations of which a mark may cover something, given what is known."""
        told = {one.station for one in known if one.covered is None}
        return told | {message.station for message in self.heard}

    def settles(self, known: list[OpenNews]) -> bool:
        """Whether our catalogue may have news by now that it did not have before."""
        if any(one.covered is not None and one.covered <= self.reached for one in known):
            return True
        return any(version <= self.reached for version, _ in self.applied)


def open_news(reader: sqlite3.Connection) -> list[OpenNews]:
    """Return the news that our catalogue may not have."""
    return [OpenNews(*row) for row in reader.execute(_OPEN)]


def is_told(reader: sqlite3.Connection, message: SiteLoan) -> bool:
    """Whether what another kiosk tells would change nothing here.

    What was told before may have moved to a newer epoch of its station since.
    """
    query = "SELECT own, epoch_n FROM news WHERE fact=?"
    row = reader.execute(query, (message.fact,)).fetchone()
    if row is not None:
        return bool(row[0]) or row[1] >= message.epoch
    place = (message.station, message.item, message.epoch, message.seq)
    return reader.execute(_NEWER, place).fetchone() is not None


def take_in(connection: sqlite3.Connection, turn: Turn, known: list[OpenNews]) -> None:
    """Write what a turn brought; the caller's transaction makes it one.

    known: the news that our catalogue may not have.
    """
    for message in turn.heard:
        if not is_told(connection, message):
            _hear(connection, message)
    uncovered = turn.uncovered(known)
    for version, marks in turn.applied:
        for station in uncovered.intersection(marks):
            epoch_n, seq = marks[station]
            connection.execute(
                "UPDATE news SET covered=? WHERE station=? AND covered IS NULL"
                " AND (epoch_n=? AND seq<=? OR epoch_n<? AND ?)",
                (version, station, epoch_n, seq, epoch_n, seq >= CARRIED_MAX),
            )
    settled = "UPDATE news SET done=1 WHERE done=0 AND covered<=?"
    if turn.settles(known) and connection.execute(settled, (turn.reached,)).rowcount:
        connection.execute(_OVERTAKEN_IS_DONE)
        connection.execute(
            "DELETE FROM news WHERE done=1 AND n <= (SELECT max(n) FROM news) - ?", (NEWS_KEPT,)
        )


def insert(connection: sqlite3.Connection, table: str, values: Mapping[str, Any]) -> None:
    """Write a row of that table, over one of the same key."""
    columns, marks = ", ".join(values), ", ".join("?" * len(values))
    connection.execute(
        f"INSERT OR REPLACE INTO {table} ({columns}) VALUES ({marks})", tuple(values.values())
    )


def _hear(connection: sqlite3.Connection, message: SiteLoan) -> None:
    moved = connection.execute(
        "UPDATE news SET epoch_n=?, seq=? WHERE fact=?",
        (message.epoch, message.seq, message.fact),
    )
    if moved.rowcount == 0:
        insert(connection, "news", _heard_values(message))


def _heard_values(message: SiteLoan) -> dict[str, Any]:
    return {
        "fact": message.fact, "station": message.station, "own": 0, "epoch_n": message.epoch,
        "seq": message.seq, "item_id": message.item, "uids": json.dumps(list(message.uids)),
        "state": message.state, "reach": message.reach, "saw": json.dumps(list(message.saw)),
        "wall": message.wall, "loan": message.fact, "barcode": message.barcode,
    }  # fmt: skip


_OPEN = (
    "SELECT station, epoch_n, seq, covered FROM news WHERE done=0 UNION ALL"
    " SELECT station, epoch_n, seq, covered FROM news WHERE covered IS NULL AND done=1"
)
"""Two questions, each with an index of its own: joined by OR they read the whole table."""

_NEWER = "SELECT 1 FROM news WHERE station=? AND item_id=? AND (epoch_n, seq) > (?, ?)"

_OVERTAKEN_IS_DONE = (
    "UPDATE news SET done=1 WHERE done=0 AND EXISTS ("
    " SELECT 1 FROM news AS later, json_each(later.saw) AS seen"
    " WHERE later.item_id=news.item_id AND later.done=1 AND seen.value=news.fact)"
)
"""What a fact in the list had seen is behind that list, whoever told it and wherever it stands."""
