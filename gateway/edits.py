"""What staff changed that is no fact: imports and rules, noted beside the database.

A backup restored brings facts back from the stations and decisions from the desk's journal. What
an import wrote exists nowhere else, so each is noted in a file of its own, which a restore leaves
alone and reads: staff are then told by name what to do again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from circulation.errors import ConfigInvalid
from gateway import schema, wording
from gateway.errors import StoreUnusable
from gateway.store import Store

SHOWN_MAX = 200
LISTED_MAX = 40


class Edit(NamedTuple):
    """One edit: when (ms since 1970 UTC), in which history and version, and what."""

    at_ms: int
    lineage: str
    version: int
    what: str


def note_edit(path: Path, store: Store, library_id: str, what: str) -> None:
    """Add a line about what was changed just now; raise StoreUnusable if it cannot be kept."""
    with store.read() as connection:
        library = _library(connection, library_id)
    edit = Edit(store.clock(), library.lineage, library.version, what)
    line = json.dumps(edit._asdict(), ensure_ascii=False) + "\n"
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with open(handle, "a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StoreUnusable(
            f"{path}: the edit is done, but cannot be noted ({error.strerror}); a restored"
            " backup would not know of it"
        ) from error


class Reached(NamedTuple):
    """How far a database's history goes: its lineage, version, and when it was last written.

    written_at: ms since 1970 UTC of its diary's last entry, which is no earlier than the
    beginning of its lineage; 0 without any.
    """

    lineage: str
    version: int
    written_at: int


def reached(store: Store, library_id: str) -> Reached:
    """Return how far the database goes; of a restored one, before it takes a new lineage."""
    event = schema.EVENT.c
    newest = sa.select(sa.func.max(event.at_ms)).where(event.library_id == library_id)
    with store.read() as connection:
        library = _library(connection, library_id)
        written_at = connection.execute(newest).scalar() or 0
    return Reached(library.lineage, library.version, written_at)


def edits_missing(path: Path, *, lineage: str, version: int, made_at: int) -> list[Edit]:
    """Return the edits that a backup does not have, in the order they were made.

    lineage, version, made_at: of the backup. Lines nobody can read are passed over.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigInvalid(f"{path}: cannot be read: {error.strerror}") from error
    edits = [edit for edit in map(_read_edit, lines) if edit is not None]
    return [edit for edit in edits if _is_later(edit, lineage, version, made_at)]


def listed(missing: Sequence[Edit]) -> Iterator[str]:
    """Yield what a terminal shows of the edits to be done again: the last of them, and how many
    came before."""
    if not missing:
        yield "  no edit is known that the backup does not have"
        return
    yield "  not in the backup, to be done again:"
    for edit in missing[-LISTED_MAX:]:
        yield f"    {wording.clock(edit.at_ms)}  {edit.what}"
    if len(missing) > LISTED_MAX:
        yield f"    … and {len(missing) - LISTED_MAX} before these"


def told(changes: Mapping[str, Mapping[str, int]]) -> str:
    """Return counts as words: what was created, what was updated.

    >>> told({"created": {"titles": 39, "items": 5}, "updated": {"titles": 0}})
    'created 39 titles, created 5 items'
    """
    return ", ".join(
        f"{verb} {count} {what}"
        for verb, counts in changes.items()
        for what, count in counts.items()
        if count
    )


def _is_later(edit: Edit, lineage: str, version: int, made_at: int) -> bool:
    """Whether a backup was made before an edit; versions tell within one history only."""
    return edit.version > version if edit.lineage == lineage else edit.at_ms > made_at


def _read_edit(line: str) -> Edit | None:
    try:
        fields = json.loads(line)
        return Edit(
            int(fields["at_ms"]), str(fields["lineage"]), int(fields["version"]),
            str(fields["what"])[:SHOWN_MAX],
        )  # fmt: skip
    except (ValueError, KeyError, TypeError):
        return None


def _library(connection: sa.Connection, library_id: str) -> Any:
    query = sa.select(schema.LIBRARY).where(schema.LIBRARY.c.library_id == library_id)
    return connection.execute(query).one()
