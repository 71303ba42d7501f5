"""What one write transaction changed, turned into change rows and versions at its end.

Laws of this file:

1. A list's versions form a chain of steps; each step is small enough for one message (a gate
   takes 4 KiB), so a large transaction takes several versions.
2. The catalogue and the gates' list step together, so that one number says how far both have
   come; a step may be empty.
3. The change rows are the difference between what followers had and what the tables say now:
   a snapshot at V and the changes up to W give the snapshot at W.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from gateway import schema
from gateway.ages import reckon
from gateway.docs import Doc, leave_keys, patron_docs
from gateway.review import ReviewEntry, add_entries, is_open
from gateway.statements import JSON_TEXT, LIBRARY, Insert, Statement, among
from gateway.views import reach_in

if TYPE_CHECKING:
    from gateway.store import Write

GATE_STEP_BYTES_MAX = 3_000  # of 4 KiB: the rest is for the envelope and its mac
KIOSK_STEP_BYTES_MAX = 40_000  # of 64 KiB
UNSECURED_MAX = 1_000  # a gate holds the set exactly, whatever its memory
WHOLE_KINDS = ("policy",)  # fetched as a whole: a change row would be too small for it
FULL = "unsecured_full"
Keyed = tuple[str, str]  # a key unique within the step, the change row as JSON
Listed = tuple[str, int, int]  # an item, its reach, whether it is unsecured


_LISTED = sa.select(
    schema.MAY_LEAVE.c.key,
    schema.MAY_LEAVE.c.item_id,
    schema.MAY_LEAVE.c.reach,
    schema.MAY_LEAVE.c.unsecured,
).where(schema.MAY_LEAVE.c.library_id == LIBRARY)
_LISTED_ITEMS = Statement(_LISTED.where(among(schema.MAY_LEAVE.c.item_id, "items")))
_LISTED_KEYS = Statement(_LISTED.where(among(schema.MAY_LEAVE.c.key, "keys")))
_LEAVES_NO_MORE = Statement(
    sa.delete(schema.MAY_LEAVE).where(
        schema.MAY_LEAVE.c.library_id == LIBRARY, among(schema.MAY_LEAVE.c.key, "keys")
    )
)
_FEEDS = Statement(sa.select(schema.FEED).where(schema.FEED.c.library_id == LIBRARY))
_OF_KIND = sa.update(schema.FEED).where(
    schema.FEED.c.library_id == LIBRARY, among(schema.FEED.c.kind, "kinds")
)
_STEP_ON = Statement(_OF_KIND.values(version=sa.bindparam("last")))
_STEP_ALONE = Statement(_OF_KIND.values(version=sa.bindparam("last"), floor=sa.bindparam("last")))
_NEWEST = Statement(
    sa.update(schema.LIBRARY)
    .where(schema.LIBRARY.c.library_id == LIBRARY)
    .values(version=sa.bindparam("last"))
)
_STEPS = Insert(schema.STEP, ("kind", "version", "committed_at", "previous"), None)
_CHANGES = Insert(schema.CHANGE, ("kind", "version", "committed_at", "key", "body"), None)


class Changes:
    """The items and patrons a transaction touched, and whether it saved a policy."""

    def __init__(self) -> None:
        self.items: set[str] = set()
        self.patrons: set[str] = set()
        self.policy_saved = False

    def flush(self, write: Write, *, bulk: bool) -> None:
        """Write the change rows, the steps and the library's new version."""
        docs = write.shelf.docs(self.items)
        leaves = self._diff_may_leave(write, docs)
        steps: dict[str, list[list[Keyed]]] = {}
        if self.items:
            steps["catalogue"] = _split(_rows(self.items, docs), KIOSK_STEP_BYTES_MAX)
            steps["may_leave"] = _split(leaves, GATE_STEP_BYTES_MAX)
        if self.patrons:
            reckon(write, self.patrons)
            patrons = patron_docs(write.connection, write.library_id, self.patrons)
            steps["patrons"] = _split(_rows(self.patrons, patrons), KIOSK_STEP_BYTES_MAX)
        if self.policy_saved:
            steps["policy"] = [[]]
        if steps:
            self._write_steps(write, steps, bulk=bulk)

    def _diff_may_leave(self, write: Write, docs: dict[str, Doc]) -> list[Keyed]:
        """Bring the gates' list up to date for the touched items; return what changed."""
        wanted: dict[str, Listed] = {}
        for doc in docs.values():
            reach, unsecured = reach_in(doc), int(bool(doc["unsecured"]))
            if reach or unsecured:
                wanted.update(dict.fromkeys(leave_keys(doc), (doc["item_id"], reach, unsecured)))
        had = self._listed(write, wanted)
        gone = [key for key in had if key not in wanted]
        if gone:
            write.run(_LEAVES_NO_MORE, keys=gone)
        new = [
            {
                "key": key,
                "item_id": item_id,
                "reach": reach,
                "unsecured": unsecured,
                "unsecured_since": write.version if unsecured else None,
            }
            for key, (item_id, reach, unsecured) in wanted.items()
            if had.get(key) != (item_id, reach, unsecured)
        ]
        write.upsert(schema.MAY_LEAVE, new)
        if any(row["unsecured"] for row in new):
            _keep_newest_unsecured(write, had, wanted)
        return _leave_rows(had, wanted)

    def _listed(self, write: Write, wanted: dict[str, Any]) -> dict[str, Listed]:
        """Return the list's rows of the touched items and of the keys they now want."""
        if not self.items:
            return {}
        rows = write.rows(_LISTED_ITEMS, items=list(self.items))
        if wanted:
            rows += write.rows(_LISTED_KEYS, keys=list(wanted))
        return {row.key: (row.item_id, row.reach, row.unsecured) for row in rows}

    def _write_steps(
        self, write: Write, steps: dict[str, list[list[Keyed]]], *, bulk: bool
    ) -> None:
        """Number the steps and write them down; in bulk, only the numbers."""
        if bulk:
            steps = {kind: [[]] for kind in steps}
        last = write.version - 1 + max(len(parts) for parts in steps.values())
        rows: list[tuple[str, int, int, str, str]] = []
        links: list[tuple[str, int, int, int]] = []
        before = {row.kind: row.version for row in write.rows(_FEEDS)}
        for kind, parts in steps.items():
            previous = before[kind]
            ends = [*range(write.version, write.version + len(parts) - 1), last]
            for version, part in zip(ends, parts, strict=True):
                links.append((kind, version, write.now_ms, previous))
                rows += [(kind, version, write.now_ms, key, body) for key, body in part]
                previous = version
        alone = [kind for kind in steps if bulk or kind in WHOLE_KINDS]
        for kinds, statement in ((alone, _STEP_ALONE), (steps.keys() - alone, _STEP_ON)):
            if kinds:
                write.run(statement, kinds=list(kinds), last=last)
        write.put(_STEPS, [] if bulk else links)
        write.put(_CHANGES, rows)
        write.run(_NEWEST, last=last)


def _keep_newest_unsecured(
    write: Write, had: dict[str, Listed], wanted: dict[str, Listed]
) -> None:
    """Let the oldest leave the unsecured set when it is too large; staff are told once."""
    table = schema.MAY_LEAVE
    own = write.select(table).where(table.c.unsecured == 1)
    size = write.execute(sa.select(sa.func.count()).select_from(own.subquery())).scalar_one()
    excess = size - UNSECURED_MAX
    if excess <= 0:
        return
    for row in write.execute(own.order_by(table.c.unsecured_since, table.c.key).limit(excess)):
        had.setdefault(row.key, (row.item_id, row.reach, 1))
        wanted[row.key] = (row.item_id, row.reach, 0)
        if row.reach:
            statement = write.update(table, key=row.key)
            write.execute(statement.values(unsecured=0, unsecured_since=None))
        else:
            one = sa.and_(table.c.library_id == write.library_id, table.c.key == row.key)
            write.execute(sa.delete(table).where(one))
    review = schema.REVIEW
    if write.execute(write.select(review, rule=FULL).where(is_open()).limit(1)).first() is None:
        add_entries(write, [ReviewEntry(f"{FULL}:{write.version}", FULL)])


def _rows(keys: Any, docs: dict[str, Doc]) -> list[Keyed]:
    """Return a row for every key, in order; a key without a document is gone."""
    return [(key, JSON_TEXT.encode({"key": key, "doc": docs.get(key)})) for key in sorted(keys)]


def _leave_rows(had: dict[str, Listed], wanted: dict[str, Listed]) -> list[Keyed]:
    """Return the gates' change rows between two states of the list."""
    rows: list[Keyed] = []
    for key in sorted(had.keys() | wanted.keys()):
        _, old_reach, old_unsecured = had.get(key, ("", 0, 0))
        _, reach, unsecured = wanted.get(key, ("", 0, 0))
        for sort, old, new in (("k", old_reach, reach), ("u", old_unsecured, unsecured)):
            if old != new:
                body = JSON_TEXT.encode([sort, key, new])
                rows.append((f"{sort}:{key}", body))
    return rows


def _split(rows: list[Keyed], bytes_max: int) -> list[list[Keyed]]:
    """Return the rows in steps of at most ``bytes_max``; at least one step, maybe empty."""
    steps: list[list[Keyed]] = [[]]
    size = 0
    for key, body in rows:
        cost = len(body) + 1  # it is ASCII
        if steps[-1] and size + cost > bytes_max:
            steps.append([])
            size = 0
        steps[-1].append((key, body))
        size += cost
    return steps
