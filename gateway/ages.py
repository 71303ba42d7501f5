"""The age limits that readers have reached, so that no list needs a birth date.

`patron.age_reached` is what kiosks are told. It follows from the birth date, the policy's limits
and the day in the library's own time zone, so it is reckoned again for every patron that is
touched, and for all when the day or the policy changes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import TYPE_CHECKING

import sqlalchemy as sa

from circulation.patrons import age_reached
from circulation.policy import Policy
from gateway import schema
from gateway.docs import chunks
from gateway.policies import newest_policy, newest_version

if TYPE_CHECKING:
    from gateway.store import Store, Write

PAGE = 900


class Ages:
    """Sees birthdays pass in one library."""

    def __init__(self, store: Store, library_id: str):
        self.store = store
        self.library_id = library_id
        self._policy: Policy | None = None
        self._seen: tuple[int, dt.date | None] = (-1, None)

    def update(self) -> int:
        """Reckon all ages if the day or the policy is a new one; return how many changed."""
        with self.store.read() as connection:
            version = newest_version(connection, self.library_id)
            if self._policy is None or version != self._seen[0]:
                self._policy = newest_policy(connection, self.library_id)
        today = day_of(self._policy, self.store.clock())
        if self._seen == (version, today):
            return 0
        changed = self._reckon_all()
        self._seen = (version, today)
        return changed

    def _reckon_all(self) -> int:
        """Go through every patron with a birth date, a page a transaction."""
        table, changed, after = schema.PATRON, 0, ""
        while True:
            query = (
                sa.select(table.c.patron_id)
                .where(
                    table.c.library_id == self.library_id,
                    table.c.born_on.is_not(None),
                    table.c.patron_id > after,
                )
                .order_by(table.c.patron_id)
                .limit(PAGE)
            )
            with self.store.read() as connection:
                ids = list(connection.execute(query).scalars())
            if not ids:
                return changed
            with self.store.write(self.library_id) as write:
                moved = reckon(write, ids)
                write.changes.patrons |= moved
            changed += len(moved)
            after = ids[-1]


def reckon(write: Write, patron_ids: Iterable[str]) -> set[str]:
    """Bring what these patrons have reached up to date; return those for whom it changed."""
    table = schema.PATRON
    policy: Policy | None = None
    reached: dict[int | None, list[str]] = {}
    for ids in chunks(sorted(patron_ids)):
        query = write.select(table).where(table.c.patron_id.in_(ids), table.c.born_on.is_not(None))
        for row in write.execute(query):
            policy = policy or newest_policy(write.connection, write.library_id)
            age = _reached(row.born_on, policy, write.now_ms)
            if age != row.age_reached:
                reached.setdefault(age, []).append(row.patron_id)
    for age, ids in reached.items():
        for some in chunks(ids):
            statement = write.update(table).where(table.c.patron_id.in_(some))
            write.execute(statement.values(age_reached=age))
    return {patron_id for ids in reached.values() for patron_id in ids}


def day_of(policy: Policy, now_ms: int) -> dt.date:
    """Return the calendar day of an instant where the library is."""
    return dt.datetime.fromtimestamp(now_ms / 1000, policy.zone).date()


def _reached(born_on: str, policy: Policy, now_ms: int) -> int | None:
    """Return the limit reached; None if no rule has one, or the date is none."""
    limits = policy.age_limits()
    try:
        born = dt.date.fromisoformat(born_on)
    except ValueError:
        return None
    return age_reached(born, limits, day_of(policy, now_ms)) if limits else None
