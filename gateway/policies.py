"""The library's rules: one document, of which every saved version is kept.

A document may be larger and deeper than a change row, so kiosks are told of a new one by the
version in the head and fetch it as a list of its own.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from circulation.policy import Policy
from gateway import schema
from gateway.statements import LIBRARY, Statement

if TYPE_CHECKING:
    from gateway.store import Write

Doc = dict[str, Any]
KEY = "policy"
_NEWEST = Statement(
    sa.select(sa.cast(schema.POLICY.c.doc, sa.Text).label("doc"))
    .where(schema.POLICY.c.library_id == LIBRARY)
    .order_by(schema.POLICY.c.version.desc())
    .limit(1)
)


def default_document(zone: str) -> Doc:
    """Return the rules of a library that has not set any: open at all times, no fees."""
    return {"zone": zone, "versions": [{"version": 1, "from": "2000-01-01", "rules": []}]}


def save_policy(write: Write, document: Doc) -> Policy:
    """Check and keep a document as the newest; raise PolicyInvalid naming what is wrong."""
    policy = Policy.from_doc(document)
    row = {"version": write.version, "doc": policy.to_doc(), "saved_at": write.now_ms}
    write.insert(schema.POLICY, [row])
    write.changes.policy_saved = True
    return policy


def newest_document(connection: sa.Connection, library_id: str) -> Doc | None:
    """Return the newest document, or None before the first."""
    table = schema.POLICY
    query = (
        sa.select(table.c.doc)
        .where(table.c.library_id == library_id)
        .order_by(table.c.version.desc())
        .limit(1)
    )
    found: Doc | None = connection.execute(query).scalar()
    return found


def newest_version(connection: sa.Connection, library_id: str) -> int:
    """Return the version of the newest document, 0 before the first."""
    table = schema.POLICY
    query = sa.select(sa.func.max(table.c.version)).where(table.c.library_id == library_id)
    return int(connection.execute(query).scalar() or 0)


def newest_policy(connection: sa.Connection, library_id: str) -> Policy:
    """Return the rules in force, those of a new library if none were saved."""
    text = _NEWEST.value(connection, library_id=library_id)
    return _read(text) if text is not None else Policy.from_doc(default_document("UTC"))


@lru_cache(maxsize=16)
def _read(text: str) -> Policy:
    """Return the rules a text says; the same text always says the same."""
    return Policy.from_doc(json.loads(text))
