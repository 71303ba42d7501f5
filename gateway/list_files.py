"""What stands in the file of each list, as it is when it is built.

``catalogue`` and ``patrons`` are ready SQLite files (format ``sqlite-1``). ``policy`` and
``may_leave`` are JSON (``json-1``); ``may_leave`` may be had as a filter besides, one for each
boundary (``fuse8-1-…``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from circulation.wire.fuse import BOUNDARIES, format_of
from gateway import schema
from gateway.docs import Doc
from gateway.fuse import build_list
from gateway.list_tables import Moment, build_catalogue, build_patrons, in_pages
from gateway.policies import default_document, newest_document
from gateway.statements import LIBRARY, Statement

Build = Callable[[Moment, Path], None]
"""Writes a library's list to a path."""

FORMATS = {
    "catalogue": "sqlite-1",
    "patrons": "sqlite-1",
    "policy": "json-1",
    "may_leave": "json-1",
}
COMPACT = {"may_leave": {format_of(boundary): boundary for boundary in BOUNDARIES}}
_LINEAGE = Statement(
    sa.select(schema.LIBRARY.c.lineage).where(schema.LIBRARY.c.library_id == LIBRARY)
)


def formats_of(kind: str) -> tuple[str, ...]:
    """Return the formats a list may be offered in, the one that every library has first."""
    return (FORMATS[kind], *COMPACT.get(kind, {})) if kind in FORMATS else ()


def suffix_of(format_name: str) -> str:
    """Return what the names of such files end with."""
    if format_name.startswith("sqlite"):
        return "db"
    return "json" if format_name.startswith("json") else format_name


def builder_of(kind: str, format_name: str) -> Build:
    """Return what writes that list in that format."""
    return BUILDERS[kind] if format_name == FORMATS[kind] else _compact(COMPACT[kind][format_name])


def _build_may_leave(moment: Moment, path: Path) -> None:
    """Write the gates' list: keys with their reach, and the unsecured ones."""
    table = schema.MAY_LEAVE
    own = table.c.library_id == moment.library_id
    leaving = sa.select(table.c.key, table.c.reach).where(own, table.c.reach > 0)
    unsecured = sa.select(table.c.key).where(own, table.c.unsecured == 1)
    with path.open("w", encoding="utf-8") as file:
        file.write(f'{{"lineage":{json.dumps(moment.lineage)},"version":{moment.version},"keys":[')
        _write_rows(file.write, ([key, reach] for key, reach in _rows(moment, leaving)))
        file.write('],"unsecured":[')
        _write_rows(file.write, (key for (key,) in _rows(moment, unsecured)))
        file.write("]}")


def _rows(moment: Moment, query: sa.Select[Any]) -> Iterator[Any]:
    for page in in_pages(moment, query, schema.MAY_LEAVE.c.key):
        yield from page


def _write_rows(write: Callable[[str], Any], rows: Iterator[Any]) -> None:
    between = ""
    for row in rows:
        write(between + json.dumps(row, separators=(",", ":")))
        between = ","


def _build_policy(moment: Moment, path: Path) -> None:
    """Write the library's rules: a list, though the newest document holds every version."""
    newest = newest_document(moment.connection, moment.library_id) or default_document("UTC")
    document: Doc = {
        "lineage": moment.lineage,
        "version": moment.version,
        "policies": [newest],
    }
    path.write_text(json.dumps(document, separators=(",", ":")), encoding="utf-8")


def _compact(boundary: int) -> Build:
    def build(moment: Moment, path: Path) -> None:
        table = schema.MAY_LEAVE
        query = sa.select(table.c.key).where(table.c.library_id == moment.library_id)
        keys = moment.connection.execute(query.where(table.c.reach >= boundary)).scalars()
        unsecured = moment.connection.execute(query.where(table.c.unsecured == 1)).scalars()
        content = build_list(
            keys, unsecured, lineage=moment.lineage, version=moment.version, boundary=boundary
        )
        path.write_bytes(content)

    return build


BUILDERS: dict[str, Build] = {
    "catalogue": build_catalogue,
    "patrons": build_patrons,
    "policy": _build_policy,
    "may_leave": _build_may_leave,
}


def lineage_of(connection: sa.Connection, library_id: str) -> str:
    """Return the history that the lists are of."""
    return str(_LINEAGE.value(connection, library_id=library_id))


def version_of(connection: sa.Connection, library_id: str, kind: str) -> int:
    """Return the newest version of a list."""
    query = sa.select(schema.FEED.c.version).where(
        schema.FEED.c.library_id == library_id, schema.FEED.c.kind == kind
    )
    return int(connection.execute(query).scalar_one())
