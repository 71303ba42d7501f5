"""Koha's format for offline circulation: loans and returns as lines of a .koc file.

    Version=1.0 ⇥ Generator=lendgate ⇥ GeneratorVersion=0.1.0
    2026-01-07 09:41:57 474 ⇥ issue ⇥ CARDNUMBER ⇥ BARCODE
    2026-01-07 09:42:10 012 ⇥ return ⇥ BARCODE

The format is that of https://wiki.koha-community.org/wiki/Koha_offline_circulation_file_format,
as Koha's own `offline_circ/process_koc.pl` reads it: fields apart by tabs, date, time and
milliseconds apart by blanks, local time. A card number is what Koha calls it: here the reader's
number, which only the gateway knows (docs/decisions/0018).

Laws:
1. Koha does twice what it is given twice, and remembers nothing. So a fact goes into one file
   only; which ones did is noted beside the database.
2. Koha believes the order of the lines. A fact stands after those its station had seen, whatever
   the clocks said.
3. What the format cannot say is left out, and counted by its reason.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from circulation.wire import kinds
from gateway import schema, wording
from gateway.errors import GatewayError
from gateway.policies import newest_policy
from gateway.rows import read_fields
from gateway.store import Store
from gateway.views import LAST_INSTANT, instant

HEAD = f"Version=1.0\tGenerator=lendgate\tGeneratorVersion={version('lendgate')}\n"
ROUNDS_MAX = 100
_ACTIONS = {kinds.CHECKOUT: "issue", kinds.RENEWAL: "issue", kinds.CHECKIN: "return"}
"""Koha takes an issue to the reader who has the item already for a renewal."""
_NOT_COUNTED = frozenset(
    (kinds.CLOCK, kinds.TAG_SEEN, kinds.PASSAGES, kinds.VISIT, kinds.TALLY, kinds.NOT_SHOWN)
)
"""Nothing of the library's circulation is lost with these."""


class KocInvalid(GatewayError):
    """The file is there already or cannot be written; nothing was noted as handed over."""


@dataclass(slots=True)
class Koc:
    """What a file holds, by action, and what was left out, by reason."""

    actions: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    facts: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Line:
    id: str
    place: tuple[str, int, int]
    saw: list[str]
    at_ms: int
    fields: tuple[str, ...]


def export_koc(
    store: Store,
    library_id: str,
    file: Path,
    *,
    handed: Path,
    station: str | None = None,
    again: bool = False,
) -> Koc:
    """Write what Koha was not given yet; return what went in and what was left out.

    handed: where is noted what went into a file. station: only its facts. again: also what went
    into an earlier one. Raise KocInvalid; then nothing was noted.
    """
    if file.exists():
        raise KocInvalid(f"{file}: is there already; Koha would do twice what is in it")
    koc = Koc()
    before = set() if again else _handed(handed)
    with store.read() as connection:
        rows = _rows(connection, library_id, station)
        zone = newest_policy(connection, library_id).zone
        lines = _lines(rows, before, koc)
    text = HEAD + "".join(_text(line, zone) for line in _in_order(lines))
    try:
        _write_whole(file, text.encode())
        with handed.open("a", encoding="utf-8") as notes:
            notes.write(json.dumps({"file": file.name, "facts": koc.facts}) + "\n")
            notes.flush()
            os.fsync(notes.fileno())
    except OSError as error:
        raise KocInvalid(
            f"{error.filename or file}: cannot be written ({error.strerror})"
        ) from error
    return koc


def _rows(connection: sa.Connection, library_id: str, station: str | None) -> list[Any]:
    fact, item, patron = schema.FACT, schema.ITEM, schema.PATRON
    of_item = sa.and_(item.c.library_id == fact.c.library_id, item.c.item_id == fact.c.item_id)
    of_patron = sa.and_(
        patron.c.library_id == fact.c.library_id, patron.c.patron_id == fact.c.patron_id
    )
    query = (
        sa.select(fact, item.c.barcode, patron.c.number)
        .select_from(fact.outerjoin(item, of_item).outerjoin(patron, of_patron))
        .where(fact.c.library_id == library_id)
        .order_by(fact.c.station, fact.c.epoch_n, fact.c.seq)
    )
    if station is not None:
        query = query.where(fact.c.station == station)
    return list(connection.execute(query))


def _lines(rows: list[Any], before: set[str], koc: Koc) -> list[_Line]:
    """Return a line for each fact that Koha understands; count the others."""
    read = {row.id: read_fields(row.body) for row in rows}
    undone = {
        str(fields.get("loan"))
        for fields in read.values()
        if fields.get("kind") == kinds.NOT_SHOWN
    }
    lines = []
    for row in rows:
        if row.id in before or row.kind in _NOT_COUNTED:
            koc.left_out["handed to Koha before"] += row.id in before
            continue
        fields = read[row.id]
        values, why = _values(row, fields)
        if row.id in undone:
            why = "loans that were taken back, never shown to the reader"
        if why:
            koc.left_out[why] += 1
            continue
        koc.actions[values[0]] += 1
        koc.facts.append(row.id)
        place = (row.station, row.epoch_n, row.seq)
        lines.append(_Line(row.id, place, list(fields.get("saw") or ()), _at_ms(row), values))
    koc.left_out = +koc.left_out
    return lines


def _values(row: Any, fields: dict[str, Any]) -> tuple[tuple[str, ...], str]:
    """Return a line's fields behind its time, or why there is none."""
    action = _ACTIONS.get(row.kind)
    if action is None:
        return (), f"“{wording.kind(row.kind)}”, which the format cannot say"
    barcode = str(row.barcode or fields.get("barcode") or "")
    if not barcode:
        return (), "of items without a barcode"
    values: tuple[str, ...] = (action, barcode)
    if action == "issue":
        if not row.number:
            return (), "of readers without a number here, or forgotten since"
        values = (action, str(row.number), barcode)
    if any(character in value for value in values for character in "\t\r\n"):
        return (), "with a tab or a line's end in a number"
    return values, ""


def _at_ms(row: Any) -> int:
    if row.earliest_ms is not None and row.latest_ms is not None:
        return int((row.earliest_ms + row.latest_ms) // 2)
    return int(row.wall_ms or row.received_at)


def _in_order(lines: list[_Line]) -> list[_Line]:
    """Move times on until each station's facts, and what they had seen, stand in order."""
    by_id = {line.id: line for line in lines}
    for _ in range(ROUNDS_MAX):
        moved = False
        before: _Line | None = None
        for line in lines:
            earlier = [by_id[one].at_ms for one in line.saw if one in by_id]
            if before is not None and before.place[0] == line.place[0]:
                earlier.append(before.at_ms)
            latest = max(earlier, default=line.at_ms - 1)
            if line.at_ms <= latest:
                line.at_ms, moved = latest + 1, True
            before = line
        if not moved:
            break
    return sorted(lines, key=lambda line: (line.at_ms, line.place))


def _text(line: _Line, zone: dt.tzinfo) -> str:
    local = (instant(line.at_ms) or LAST_INSTANT).astimezone(zone)
    stamp = f"{local:%Y-%m-%d %H:%M:%S} {local.microsecond // 1000:03d}"
    return "\t".join((stamp, *line.fields)) + "\n"


def _handed(file: Path) -> set[str]:
    try:
        return {fact for line in file.read_text("utf-8").splitlines() for fact in _facts(line)}
    except FileNotFoundError:
        return set()
    except OSError as error:
        raise KocInvalid(f"{file}: cannot be read ({error.strerror})") from error


def _facts(line: str) -> Iterable[str]:
    """Return the facts a line notes; a torn last line notes none."""
    try:
        return [str(fact) for fact in json.loads(line)["facts"]]
    except (ValueError, KeyError, TypeError):
        return ()


def _write_whole(file: Path, content: bytes) -> None:
    part = file.with_name(f"{file.name}.part")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    part.rename(file)
