"""What a kiosk knows again after its database was damaged, without asking anybody.

The journal is saved by `circulation.salvage`. Beside it the kiosk had its lists, and what its own
facts mean until a list has them. Both are made again here: lists from the files that lie on the
card, meanings from the saved facts, so that a kiosk without a network goes on lending, and tells
the gates of what it lent.
"""

from __future__ import annotations

import json
import logging
import re
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from circulation.carve import Found
from circulation.errors import SnapshotInvalid
from circulation.journal import SqliteJournal
from circulation.salvage import Salvaged
from circulation.wire import kinds
from circulation.wire.errors import FactInvalid
from circulation.wire.fact import decode_body
from kiosk.snapshot import KINDS, open_snapshot, read_policies
from kiosk.store import Draft, ListState, News, Store

MEMO = "salvaged"
STREET = 3
_FILE = re.compile(r"([a-z_]+)-([0-9a-f]{16})-([0-9]{1,19})\.(db|json)")
_ON = frozenset((kinds.CHECKOUT, kinds.RENEWAL))
_OFF = frozenset((kinds.CHECKIN, kinds.USED_IN_HOUSE, kinds.NOT_SHOWN))

_log = logging.getLogger(__name__)


def refill(store: Store, salvaged: Salvaged, snapshots: Path) -> None:
    """Bring a new database up to what the old one knew, as far as the card still tells it."""
    for state in _kept_lists(snapshots):
        store.adopt(state)
    facts = list(_facts(salvaged))
    walls = [int(fields.get("wall") or 0) for _, fields in facts if fields.get("sure")]
    if walls:
        store.remember("latest_wall", str(max(walls)))
    unsent = [one for one in facts if salvaged.is_unsent(one[0])]
    store.know_again(_news(unsent))
    note = {
        "told": salvaged.told(),
        "epoch": store.journal.epoch.id,
        "last": store.journal.last_seq,
    }
    store.remember(MEMO, json.dumps(note))


def trouble(recall: Callable[[str], str], journal: SqliteJournal) -> str:
    """Return what staff should know of a salvage; empty once the gateway has all that was saved.

    The gateway tells them of the loss from then on.
    """
    text = recall(MEMO)
    if not text:
        return ""
    note = json.loads(text)
    if journal.epoch.id != note["epoch"] or journal.acked >= note["last"]:
        return ""
    return str(note["told"])


def _kept_lists(folder: Path) -> Iterator[ListState]:
    """Yield the newest list of each kind that lies in a folder and can be opened."""
    found: dict[str, list[tuple[int, float, ListState]]] = {}
    for file in folder.glob("*-*"):
        parts = _FILE.fullmatch(file.name)
        if parts and parts[1] in KINDS:
            state = ListState(parts[1], parts[2], int(parts[3]), str(file))
            found.setdefault(parts[1], []).append((int(parts[3]), file.stat().st_mtime, state))
    for kind, states in sorted(found.items()):
        # Versions compare within one history only; the file says when it came.
        for *_, state in sorted(states, key=lambda one: one[1], reverse=True):
            if _can_be_read(kind, Path(state.file)):
                yield state
                break


def _can_be_read(kind: str, file: Path) -> bool:
    try:
        if kind == "policy":
            return bool(read_policies(file))
        connection = open_snapshot(file, kind)
        try:
            return bool(connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok")
        finally:
            connection.close()
    except (SnapshotInvalid, sqlite3.Error) as error:
        _log.warning("%s: %s", file.name, error)
        return False


def _facts(salvaged: Salvaged) -> Iterator[tuple[Found, dict[str, Any]]]:
    for row in salvaged.rows:
        try:
            yield row, decode_body(row.body)
        except FactInvalid:
            continue


def _news(facts: list[tuple[Found, dict[str, Any]]]) -> Iterator[tuple[Draft, News]]:
    """Yield what each fact means for its item, oldest first."""
    lent: dict[str, int] = {}
    for row, fields in facts:
        kind, item = str(fields["kind"]), fields.get("item")
        draft = Draft(fields, row.salt, row.patron)
        seen: dict[str, Any] = {
            "uids": tuple(fields.get("uids") or ()),
            "saw": tuple(fields.get("saw") or ()),
            "barcode": fields.get("barcode"),
        }
        if kind in _ON and row.patron is not None:
            loan = str(fields.get("loan") or fields["id"])
            lent.setdefault(loan, int(fields.get("wall") or 0))
            reach = int(fields.get("reach") or 0)
            yield draft, News(
                "on", item, reach=reach, patron_id=row.patron, loan=loan,
                due_at=fields.get("due_at"), lent_at=lent[loan], on_site=reach < STREET,
                renewals=int(kind == kinds.RENEWAL), policy=int(fields.get("policy") or 0),
                session=str(fields.get("session") or ""), **seen,
            )  # fmt: skip
        elif kind in _OFF:
            yield draft, News("off", item, **seen)
        elif kind == kinds.SECURITY_NOT_SET and fields.get("wanted") == "in_stock":
            yield draft, News("off_unsecured", item, **seen)
