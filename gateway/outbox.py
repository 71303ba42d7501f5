"""What the gateway tells everybody: heads, changes in version order, how far it has applied.

Change rows are committed with what they describe and sent afterwards. How far they were sent is
written down with the next commit, since one of its own would cost as much as the facts it tells
of. After a crash they are sent again from there: a follower ignores what it has.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any

import sqlalchemy as sa

from circulation.wire.errors import MessageInvalid
from circulation.wire.messages import Applied, Change, Head, Pointer, encode, sealed
from circulation.wire.topics import MAY_LEAVE, Topics
from gateway import schema
from gateway.changes import GATE_STEP_BYTES_MAX, KIOSK_STEP_BYTES_MAX, WHOLE_KINDS
from gateway.connections import Moment
from gateway.snapshots import Snapshot
from gateway.statements import LIBRARY, Statement
from gateway.store import Store

STEPS_PER_READ = 50
SINCE_STEPS_MAX, SINCE_ROWS_MAX = 2_000, 4_000
SINCE_MESSAGES_MAX = 25
STATIONS_PER_MESSAGE = 60  # [epoch, hw] of 60 stations are below 4 KiB
HEADS_RESERVED = 10_000  # numbers taken at once, so that a head needs no write

_STATION, _STEP, _CHANGE = schema.STATION_TABLE, schema.STEP, schema.CHANGE
_OWN = Statement(sa.select(schema.LIBRARY).where(schema.LIBRARY.c.library_id == LIBRARY))
_VERSIONS = Statement(
    sa.select(schema.FEED.c.kind, schema.FEED.c.version).where(schema.FEED.c.library_id == LIBRARY)
)
_KNOWN = Statement(
    sa.select(_STATION.c.site, sa.func.count().label("stations"))
    .where(_STATION.c.library_id == LIBRARY)
    .group_by(_STATION.c.site)
)
_APPLIED = Statement(
    sa.select(_STATION.c.station, _STATION.c.epoch_n, _STATION.c.hw)
    .where(
        _STATION.c.library_id == LIBRARY,
        _STATION.c.site == sa.bindparam("at_site"),
        _STATION.c.epoch_n > 0,
    )
    .order_by(_STATION.c.station)
)
_STEPS = Statement(
    sa.select(_STEP)
    .where(_STEP.c.library_id == LIBRARY, _STEP.c.version > sa.bindparam("after"))
    .order_by(_STEP.c.version, _STEP.c.kind)
    .limit(sa.literal_column(str(STEPS_PER_READ)))
)
_STEPS_SINCE = Statement(
    sa.select(_STEP.c.previous, _STEP.c.version)
    .where(
        _STEP.c.library_id == LIBRARY,
        _STEP.c.kind == sa.bindparam("of_kind"),
        _STEP.c.version > sa.bindparam("after"),
    )
    .order_by(_STEP.c.version)
    .limit(sa.literal_column(str(SINCE_STEPS_MAX)))
)
_CHANGED = Statement(
    sa.select(_CHANGE.c.version, _CHANGE.c.key, _CHANGE.c.body)
    .where(
        _CHANGE.c.library_id == LIBRARY,
        _CHANGE.c.kind == sa.bindparam("of_kind"),
        _CHANGE.c.version > sa.bindparam("after"),
        _CHANGE.c.version <= sa.bindparam("upto"),
    )
    .order_by(_CHANGE.c.version, _CHANGE.c.key)
    .limit(sa.literal_column(str(SINCE_ROWS_MAX)))
)
_BODIES = Statement(
    sa.select(_CHANGE.c.body)
    .where(
        _CHANGE.c.library_id == LIBRARY,
        _CHANGE.c.kind == sa.bindparam("of_kind"),
        _CHANGE.c.version == sa.bindparam("at_version"),
    )
    .order_by(_CHANGE.c.key)
)


@dataclass(frozen=True, slots=True)
class Send:
    """One message to publish."""

    topic: str
    payload: bytes
    retained: bool = False


class Outbox:
    """The one publisher of a library's news."""

    def __init__(self, store: Store, library_id: str, *, key: bytes):
        self.store = store
        self.library_id = library_id
        self.topics = Topics(library_id)
        self._key = key
        self._head_n = 0
        self._heads_left = 0
        self.stations_known = 0  # as the last head said
        self.sites: list[str] = []  # where those are that have said it
        self._all_sent_at: Moment | None = None  # when every change there was had been sent

    def head(self, now_ms: int) -> Send:
        """Return the next heartbeat; its number rises over restarts too."""
        if self._heads_left == 0:
            self._reserve_heads()
        self._head_n += 1
        self._heads_left -= 1
        with self.store.read() as connection:
            library = self._library(connection)
            versions = versions_of(connection, self.library_id)
            known = _KNOWN.rows(connection, library_id=self.library_id)
        self.stations_known = sum(row.stations for row in known)
        self.sites = [row.site for row in known if row.site is not None]
        head = Head(
            library.lineage,
            self._head_n,
            now_ms,
            versions,
            self.stations_known,
            bool(library.recovered),
            "",
        )
        return Send(self.topics.head(), encode(sealed(head, self._key)))

    def _reserve_heads(self) -> None:
        with self.store.write(self.library_id) as write:
            self._head_n = int(self._library(write.connection).head_n)
            top = self._head_n + HEADS_RESERVED
            write.execute(write.update(schema.LIBRARY).values(head_n=top))
        self._heads_left = HEADS_RESERVED

    def _library(self, connection: sa.Connection) -> Any:
        return _OWN.first(connection, library_id=self.library_id)

    def send_changes(self, publish: Callable[[Send], bool]) -> int:
        """Publish what was committed and not sent, in version order; return how many messages.

        Stops at the first message that cannot be handed over; the next call goes on there.
        """
        sent = 0
        moment = self.store.moment()
        if moment is not None and moment == self._all_sent_at:
            return 0
        with self.store.read() as connection:
            library = self._library(connection)
            for version, messages in self._unsent(connection, library):
                if not all(publish(send) for send in messages):
                    break
                sent += len(messages)
                self.store.published[self.library_id] = version
            else:
                self._all_sent_at = moment
        return sent

    def _unsent(self, connection: sa.Connection, library: Any) -> Iterator[tuple[int, list[Send]]]:
        """Yield the messages of each version that was not published, in order."""
        after = max(library.published, self.store.published.get(self.library_id, 0))
        build = self._change_of(connection, library)
        while after < library.version and (steps := self._steps(connection, after)):
            yield from _by_version(steps, build)
            after = steps[-1].version

    def _steps(self, connection: sa.Connection, after: int) -> list[Any]:
        """Return the next steps, those of one version together."""
        rows = _STEPS.rows(connection, library_id=self.library_id, after=after)
        if len(rows) == STEPS_PER_READ:
            last = rows[-1].version
            whole = [row for row in rows if row.version < last]
            return whole or rows
        return rows

    def _change_of(self, connection: sa.Connection, library: Any) -> Callable[[Any], Send | None]:
        def build(step: Any) -> Send | None:
            if step.kind in WHOLE_KINDS:
                return None
            message = change_message(connection, self.library_id, library.lineage, step)
            return Send(self.topics.change(step.kind), encode(sealed(message, self._key)))

        return build

    def since(self, kind: str, version: int, lineage: str | None) -> list[bytes] | None:
        """Return the changes after a version, each as a reply; None if only a snapshot helps.

        Bounded: at most so many messages, and rows read, as one answer may cost. Small steps are
        told together, so that who was away for a day of single loans is soon there.
        """
        place = {"library_id": self.library_id, "of_kind": kind, "after": version}
        with self.store.read() as connection:
            library = self._library(connection)
            versions = versions_of(connection, self.library_id)
            if lineage != library.lineage or kind not in versions or kind in WHOLE_KINDS:
                return None
            if versions[kind] == version:
                return []
            steps = _STEPS_SINCE.rows(connection, **place)
            if not steps or steps[0].previous != version:
                return None
            rows = _CHANGED.rows(connection, upto=steps[-1].version, **place)
        merged = islice(_merged(kind, version, steps, rows), SINCE_MESSAGES_MAX)
        try:
            return [
                encode(sealed(Change(kind, library.lineage, *change, ""), self._key))
                for change in merged
            ]
        except (MessageInvalid, UnicodeEncodeError):
            return None  # a change that nobody could read is left to the snapshot

    def applied(self, site: str) -> list[Send]:
        """Return how far each station of a site is applied, and in which version of the list."""
        with self.store.read() as connection:
            library = self._library(connection)
            version = versions_of(connection, self.library_id)["may_leave"]
            found = _APPLIED.rows(connection, library_id=self.library_id, at_site=site)
            rows = [(row.station, [row.epoch_n, row.hw]) for row in found]
        parts = [
            dict(rows[start : start + STATIONS_PER_MESSAGE])
            for start in range(0, len(rows), STATIONS_PER_MESSAGE)
        ]
        topic = self.topics.applied(site)
        return [Send(topic, encode(Applied(version, part, library.lineage))) for part in parts]

    def pointer(self, snapshot: Snapshot) -> Send:
        """Return the retained message that says where the newest list of a kind is."""
        topic = self.topics.snapshot(snapshot.kind, snapshot.format)
        return Send(topic, encode(pointer_message(snapshot)), retained=True)


def pointer_message(snapshot: Snapshot) -> Pointer:
    """Return where a snapshot is."""
    return Pointer(
        snapshot.kind,
        snapshot.format,
        snapshot.lineage,
        snapshot.version,
        snapshot.size_bytes,
        snapshot.sha256,
        snapshot.path,
    )


def versions_of(connection: sa.Connection, library_id: str) -> dict[str, int]:
    """Return the newest version of each list."""
    return {row.kind: row.version for row in _VERSIONS.rows(connection, library_id=library_id)}


def change_message(connection: sa.Connection, library_id: str, lineage: str, step: Any) -> Change:
    """Return what one step changed, without its mac."""
    place = {"of_kind": step.kind, "at_version": step.version}
    bodies = _BODIES.column(connection, library_id=library_id, **place)
    rows = [json.loads(body) for body in bodies]
    return Change(step.kind, lineage, step.previous, step.version, rows, "")


def _merged(
    kind: str, version: int, steps: list[Any], rows: list[Any]
) -> Iterator[tuple[int, int, list[Any]]]:
    """Yield from, to and changes of a message each; of a key changed twice the later says all.

    A row says what is, not what is different, so changes told together lead to the same list.
    """
    bytes_max = GATE_STEP_BYTES_MAX if kind == MAY_LEAVE else KIOSK_STEP_BYTES_MAX
    whole_to = steps[-1].version
    if len(rows) == SINCE_ROWS_MAX:  # the rest of the last step was not read
        whole_to = rows[-1].version - 1
    by_version = {
        number: list(group) for number, group in groupby(rows, key=lambda row: row.version)
    }
    begin = end = version
    bodies: dict[str, str] = {}
    size = 0
    for step in steps:
        if step.version > whole_to:
            break
        found = by_version.get(step.version, [])
        cost = sum(len(row.body) + 1 for row in found)
        if bodies and size + cost > bytes_max:
            yield begin, end, [json.loads(body) for body in bodies.values()]
            begin, bodies, size = end, {}, 0
        size += cost - sum(len(bodies.pop(row.key)) + 1 for row in found if row.key in bodies)
        bodies.update({row.key: row.body for row in found})
        end = step.version
    if end > begin:
        yield begin, end, [json.loads(body) for body in bodies.values()]


def _by_version(
    steps: list[Any], build: Callable[[Any], Send | None]
) -> list[tuple[int, list[Send]]]:
    """Return the messages of each version; a change nobody could read is left to the snapshot."""
    found: dict[int, list[Send]] = {}
    for step in steps:
        messages = found.setdefault(step.version, [])
        try:
            message = build(step)
        except (MessageInvalid, UnicodeEncodeError):
            continue  # followers notice the step they miss, ask, and get a snapshot
        if message is not None:
            messages.append(message)
    return list(found.items())
