"""The gateway's history has a name, and a new one when it may have lost something.

Versions compare only within one lineage. A new one is taken when the library is made, when a
backup is restored, and when a station knows more of our history than we do.
"""

from __future__ import annotations

import sqlalchemy as sa

from circulation.wire.chain import chain_start
from gateway import diary, schema
from gateway.statements import LIBRARY, Statement
from gateway.store import Store

BEGUN = "lineage"  # the diary's code, whose entries are never let go of
REMEMBERED_MS = 7 * 24 * 3600 * 1000  # a station silent for longer is not waited for

_LINEAGE = Statement(
    sa.select(schema.LIBRARY.c.lineage).where(schema.LIBRARY.c.library_id == LIBRARY)
)


def current(connection: sa.Connection, library_id: str) -> str:
    """Return the lineage of a library."""
    return str(_LINEAGE.value(connection, library_id=library_id))


def rotate(store: Store, library_id: str, why: str) -> str:
    """Take a new lineage; return it. Gates stay patient until `settle` says all is back."""
    lineage = store.new_id()
    with store.write(library_id) as write:
        write.execute(write.update(schema.LIBRARY).values(lineage=lineage, recovered=0))
        table = schema.STATION_TABLE
        newest = write.execute(
            sa.select(sa.func.max(table.c.last_contact_at)).where(table.c.library_id == library_id)
        ).scalar()
        # A backup may be a month old: who was heard shortly before it was made is waited for.
        heard_after = (newest or write.now_ms) - REMEMBERED_MS
        diary.note(write, BEGUN, why=why, heard_after=heard_after)
    return lineage


def settle(store: Store, library_id: str) -> bool:
    """Say that all is back, if every station heard lately has come up to date since."""
    now_ms = store.clock()
    with store.read() as connection:
        library = connection.execute(
            sa.select(schema.LIBRARY).where(schema.LIBRARY.c.library_id == library_id)
        ).one()
        if library.recovered:
            return False
        table = schema.STATION_TABLE
        heard_after = _waited_for(connection, library_id, now_ms)
        behind = (
            sa.select(sa.func.count())
            .select_from(table)
            .where(
                table.c.library_id == library_id,
                table.c.role != "desk",
                table.c.last_contact_at > heard_after,
                sa.or_(
                    table.c.lineage.is_(None),
                    table.c.lineage != library.lineage,
                    table.c.hw < table.c.seq_last,
                ),
            )
        )
        if connection.execute(behind).scalar_one():
            return False
    with store.write(library_id) as write:
        write.execute(write.update(schema.LIBRARY).values(recovered=1))
        diary.note(write, "recovered")
    return True


def _waited_for(connection: sa.Connection, library_id: str, now_ms: int) -> int:
    """Return since when a station must have been heard to be waited for."""
    table = schema.EVENT
    query = (
        sa.select(table.c.at_ms, table.c.detail)
        .where(table.c.library_id == library_id, table.c.code == BEGUN)
        .order_by(table.c.n.desc())
        .limit(1)
    )
    begun = connection.execute(query).first()
    usual = now_ms - REMEMBERED_MS
    if begun is None or begun.at_ms < usual:
        return usual
    return min(usual, int((begun.detail or {}).get("heard_after", usual)))


def start_of(epoch: str) -> bytes:
    """Return the hash before an epoch's first row."""
    return chain_start(epoch)
