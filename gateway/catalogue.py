"""Writing titles, items, patrons and cards, a whole set at a time.

Each function takes rows as dicts and touches only the fields a row names, so that a file without
a column never empties it. A row is matched to what is there by our id if it gives one, else by
the source's own number. Everything written bumps the version and leaves change rows, by the
`Write` it happens in::

    with store.write("main") as write:
        titles = upsert_titles(write, [{"control_no": "42", "title": "Momo"}])
        upsert_items(write, [{"barcode": "1001", "title_id": titles.ids[0]}])
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from gateway import schema
from gateway.docs import chunks
from gateway.errors import CatalogueInvalid
from gateway.store import Write, new_id
from gateway.tags import set_uids
from gateway.waiting import known_now, numbers_of

Row = Mapping[str, Any]
TEXT_LENGTH_MAX = 2_000
INT_MAX = 2**31 - 1
_UID = re.compile(r"(?:[0-9a-f]{2}){1,16}")  # what a fact, and a word to the gates, can carry
_CARD_STATES = ("active", "lost", "void")


@dataclass(frozen=True, slots=True)
class Upserted:
    """What became of a set: ids in the order of the rows, and counts."""

    ids: tuple[str, ...]
    created: int
    updated: int
    unchanged: int


def upsert_titles(write: Write, titles: Sequence[Row]) -> Upserted:
    """Write titles, matched by ``title_id``, else by ``control_no``.

    Fields: title_id, control_no, title, author, isbn, year, publisher, language, extra.
    """
    done, changed = _upsert(write, schema.TITLE, titles, own="title_id", source="control_no")
    _touch_items_of(write, changed)
    return done


def upsert_items(write: Write, items: Sequence[Row]) -> Upserted:
    """Write items, matched by ``item_id``, else by ``barcode``.

    Fields: item_id, title_id, barcode, accession_no, item_type, owner, home, location,
    shelf_mark, reference, not_for_loan, parts_total, price_cents, initial (the state before any
    fact, e.g. ``withdrawn``), extra, and ``uids``: the tags in it. A tag that was known to lie in
    another item moves. Facts that waited for such an item, number or tag happen now.
    """
    plain = [{name: row[name] for name in row if name != "uids"} for row in items]
    done, changed = _upsert(write, schema.ITEM, plain, own="item_id", source="barcode")
    write.changes.items |= changed
    pairs = {
        _uid(uid): item_id
        for row, item_id in zip(items, done.ids, strict=True)
        for uid in row.get("uids", ())
    }
    set_uids(write, pairs)
    known_now(write, _numbers(items, done.ids))
    return done


def _numbers(items: Sequence[Row], ids: Sequence[str]) -> set[str]:
    """Return everything a fact may call these items."""
    found: set[str] = set()
    for row, item_id in zip(items, ids, strict=True):
        called = {"item": item_id, "barcode": row.get("barcode"), "uids": row.get("uids")}
        found.update(numbers_of(called))
    return found


def upsert_patrons(write: Write, patrons: Sequence[Row]) -> Upserted:
    """Write patrons, matched by ``patron_id``, else by ``number``.

    Fields: patron_id, number, short_name, category, class_id, member, expires_on (ISO date),
    blocked (list of reason codes), fee_cents, born_on, language, pin_hash, extra.
    """
    done, changed = _upsert(write, schema.PATRON, patrons, own="patron_id", source="number")
    write.changes.patrons |= changed
    return done


def upsert_cards(write: Write, cards: Sequence[Row]) -> int:
    """Write cards by ``card_key`` (hex of the library's keyed hash); return how many changed.

    Fields: card_key, key_id, patron_id, status (active, lost, void).
    """
    table = schema.CARD
    rows = {_text(card, "card_key", 64): dict(card) for card in cards}
    for card in rows.values():
        _check(table, card)
        card.setdefault("status", "active")
        if card["status"] not in _CARD_STATES:
            raise CatalogueInvalid(
                f"card {card['card_key']}: status {card['status']!r} is none of "
                + ", ".join(_CARD_STATES)
            )
    known: dict[str, Any] = {}
    for keys in chunks(sorted(rows)):
        query = write.select(table).where(table.c.card_key.in_(keys))
        known.update({row["card_key"]: dict(row) for row in write.execute(query).mappings()})
    changed = [card for key, card in rows.items() if not _same(known.get(key), card)]
    write.upsert(table, changed)
    write.changes.patrons.update(card["patron_id"] for card in changed)
    write.changes.patrons.update(
        known[card["card_key"]]["patron_id"] for card in changed if card["card_key"] in known
    )
    return len(changed)


def items_by_barcode(write: Write, barcodes: Sequence[str]) -> dict[str, str]:
    """Return the ids of the items with these barcodes."""
    return _by(write, schema.ITEM, "barcode", "item_id", barcodes)


def titles_by_control_no(write: Write, numbers: Sequence[str]) -> dict[str, str]:
    """Return the ids of the titles with these source numbers."""
    return _by(write, schema.TITLE, "control_no", "title_id", numbers)


def patrons_by_number(write: Write, numbers: Sequence[str]) -> dict[str, str]:
    """Return the ids of the patrons with these numbers."""
    return _by(write, schema.PATRON, "number", "patron_id", numbers)


def _by(
    write: Write, table: sa.Table, source: str, own: str, values: Sequence[str]
) -> dict[str, str]:
    found: dict[str, str] = {}
    for some in chunks(sorted(set(values))):
        query = write.select(table).where(table.c[source].in_(some))
        found.update({row[source]: row[own] for row in write.execute(query).mappings()})
    return found


def _upsert(
    write: Write, table: sa.Table, rows: Sequence[Row], *, own: str, source: str
) -> tuple[Upserted, set[str]]:
    """Insert or update rows set-wise; return the tally and the ids that changed."""
    for row in rows:
        _check(table, row)
    known_ids = _by(write, table, source, own, [row[source] for row in rows if row.get(source)])
    ids: list[str] = []
    wanted: dict[str, dict[str, Any]] = {}
    for row in rows:
        number = row.get(source)
        row_id = row.get(own) or known_ids.get(number or "") or new_id()
        if number:
            known_ids[number] = row_id
        ids.append(row_id)
        wanted.setdefault(row_id, {}).update({**row, own: row_id})
    there = _existing(write, table, own, list(wanted))
    created = {key: row for key, row in wanted.items() if key not in there}
    updated = {key: row for key, row in wanted.items() if not _same(there.get(key, row), row)}
    _refuse_taken(write, table, own, source, {**created, **updated})
    for group in _by_columns(created.values()):
        write.insert(table, group)
    for group in _by_columns(updated.values()):
        _update(write, table, own, group)
    write.shelf.forget()
    same = len(wanted) - len(created) - len(updated)
    return Upserted(tuple(ids), len(created), len(updated), same), {*created, *updated}


def _existing(
    write: Write, table: sa.Table, own: str, ids: list[str]
) -> dict[str, dict[str, Any]]:
    there: dict[str, dict[str, Any]] = {}
    for some in chunks(ids):
        query = write.select(table).where(table.c[own].in_(some))
        there.update({row[own]: dict(row) for row in write.execute(query).mappings()})
    return there


def _refuse_taken(
    write: Write, table: sa.Table, own: str, source: str, rows: dict[str, dict[str, Any]]
) -> None:
    """Refuse a number that another row of ours already has."""
    numbers = [row[source] for row in rows.values() if row.get(source)]
    holders = _by(write, table, source, own, numbers)
    for row_id, row in rows.items():
        holder = holders.get(row.get(source) or "", row_id)
        if holder != row_id:
            raise CatalogueInvalid(
                f"{table.name} {row_id}: {source} {row[source]!r} belongs to {holder} already; "
                "give each its own number"
            )


def _update(write: Write, table: sa.Table, own: str, rows: list[dict[str, Any]]) -> None:
    names = [name for name in rows[0] if name != own]
    if not names:
        return
    statement = (
        sa.update(table)
        .where(table.c.library_id == write.library_id, table.c[own] == sa.bindparam("row_id"))
        .values({name: sa.bindparam(f"new_{name}", type_=table.c[name].type) for name in names})
    )
    values = [{"row_id": row[own], **{f"new_{n}": row[n] for n in names}} for row in rows]
    write.execute(statement, values)


def _by_columns(rows: Any) -> list[list[dict[str, Any]]]:
    """Group rows that name the same columns, for one statement each."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(sorted(row)), []).append(row)
    return list(groups.values())


def _same(there: Mapping[str, Any] | None, row: Row) -> bool:
    return there is not None and all(there[name] == value for name, value in row.items())


def _touch_items_of(write: Write, title_ids: set[str]) -> None:
    """Mark the copies of changed titles, since a copy's document names its title."""
    table = schema.ITEM
    for ids in chunks(sorted(title_ids)):
        query = sa.select(table.c.item_id).where(
            table.c.library_id == write.library_id, table.c.title_id.in_(ids)
        )
        write.changes.items.update(write.execute(query).scalars())


def _check(table: sa.Table, row: Row) -> None:
    """Refuse a field the table does not have or cannot hold."""
    for name, value in row.items():
        column = table.c.get(name)
        if column is None or name == "library_id":
            allowed = ", ".join(sorted(c.name for c in table.c if c.name != "library_id"))
            raise CatalogueInvalid(f"{table.name}: no field {name!r}; there are {allowed}")
        if value is not None:
            _check_value(table, column, value)
        elif not column.nullable:
            raise CatalogueInvalid(f"{table.name}: {name} may be left out but not be empty")


def _check_value(table: sa.Table, column: sa.Column[Any], value: Any) -> None:
    kind = column.type
    what = f"{table.name}: {column.name} {str(value)[:60]!r}"
    if isinstance(kind, sa.JSON):
        return
    if isinstance(kind, sa.String):
        longest = kind.length or TEXT_LENGTH_MAX
        if not isinstance(value, str) or len(value) > longest:
            raise CatalogueInvalid(f"{what} must be text of at most {longest} characters")
        if not _storable(value):
            raise CatalogueInvalid(f"{what} holds a NUL or half a character; clean the source")
    elif not isinstance(value, int) or not 0 <= value <= INT_MAX:
        raise CatalogueInvalid(f"{what} must be a whole number from 0 to {INT_MAX}")


def _storable(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _uid(uid: str) -> str:
    if not isinstance(uid, str) or not _UID.fullmatch(uid):
        raise CatalogueInvalid(
            f"item: uid {str(uid)[:60]!r} must be 2 to 32 lower-case hex digits, two a byte"
        )
    return uid


def _text(row: Row, name: str, length_max: int) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= length_max:
        raise CatalogueInvalid(f"card: {name} must be text of 1 to {length_max} characters")
    return value
