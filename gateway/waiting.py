"""Facts about items that nobody knew when they came, and what happens when one is known.

A book may be lent before it is in the catalogue: the fact is kept without an item, and waits
under every number it names. Whoever teaches the library such a number (an import, a reader that
sees tag and label together) calls `known_now` in the same transaction, and the facts have their
effect there: once, since they wait no longer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from circulation.facts import Fact
from circulation.wire import kinds
from gateway import schema
from gateway.docs import chunks
from gateway.facts import Stored, fact_of, interval_of
from gateway.holdings import fold_in, open_loans
from gateway.resolve import Resolver, uids_of
from gateway.review import ReviewEntry, add_entries, settle_entries
from gateway.statements import LIBRARY, Statement
from gateway.store import Write
from gateway.verdicts import ITEM_UNKNOWN, judge_batch, keep_verdicts

KEY_LENGTH_MAX = 96
_ANY = Statement(
    sa.select(schema.WAITING.c.number).where(schema.WAITING.c.library_id == LIBRARY).limit(1)
)


def numbers_of(fields: Mapping[str, Any]) -> list[str]:
    """Return what a fact calls its item, each in the form it waits under.

    >>> numbers_of({"barcode": "1001", "uids": ["e0040150"]})
    ['barcode:1001', 'uid:e0040150']
    """
    numbers = [f"{name}:{fields[name]}" for name in ("item", "barcode") if fields.get(name)]
    numbers += [f"uid:{uid}" for uid in uids_of(fields)]
    return [number for number in numbers if len(number) <= KEY_LENGTH_MAX]


def keep_waiting(write: Write, facts: Iterable[Fact]) -> list[ReviewEntry]:
    """Let facts without an item wait for it; return an entry for each book that moved."""
    facts = [fact for fact in facts if fact.item_id is None]
    rows = [
        {"number": number, "fact_id": fact.id}
        for fact in facts
        for number in numbers_of(fact.fields)
    ]
    write.upsert(schema.WAITING, rows, replace=False)
    return [
        ReviewEntry(
            key=_entry_key(fact),
            rule=ITEM_UNKNOWN,
            station=fact.station,
            facts=(fact.id,),
            detail={"barcode": fact.barcode, "uids": list(fact.uids), "owner": fact.owner},
        )
        for fact in facts
        if fact.kind in kinds.MOVING and numbers_of(fact.fields)
    ]


def known_now(write: Write, numbers: Iterable[str]) -> int:
    """Let facts happen that waited for these numbers; return how many.

    A fact among them may teach a tag for which others wait, hence the rounds; each ends the
    waiting of its facts, so there are no more of them than facts.
    """
    happened = 0
    wanted = set(numbers)
    while wanted and (stored := _waiting_for(write, wanted)):
        resolver = Resolver(write, (one.fact.fields for one in stored))
        resolved = [_with_item(one, resolver.item_of(one.fact.fields)) for one in stored]
        resolved = [one for one in resolved if one.fact.item_id is not None]
        _let_happen(write, resolved, resolver)
        happened += len(resolved)
        wanted = {f"uid:{uid}" for uid in resolver.learned}
    return happened


def _waiting_for(write: Write, numbers: set[str]) -> list[Stored]:
    """Return the facts that wait for one of these numbers, in the order they came."""
    waiting, fact = schema.WAITING, schema.FACT
    if write.first(_ANY) is None:
        return []
    rows: dict[str, sa.RowMapping] = {}
    for some in chunks(sorted(numbers)):
        query = (
            sa.select(fact)
            .join(
                waiting,
                sa.and_(waiting.c.library_id == fact.c.library_id, waiting.c.fact_id == fact.c.id),
            )
            .where(waiting.c.library_id == write.library_id, waiting.c.number.in_(some))
        )
        rows.update((row["id"], row) for row in write.execute(query).mappings())
    ordered = sorted(
        rows.values(),
        key=lambda row: (row["version"], row["station"], row["epoch_n"], row["seq"]),
    )
    return [Stored(fact_of(row), interval_of(row)) for row in ordered]


def _with_item(stored: Stored, item_id: str | None) -> Stored:
    return replace(stored, fact=stored.fact._replace(item_id=item_id))


def _let_happen(write: Write, resolved: list[Stored], resolver: Resolver) -> None:
    """Write down which item each fact means and let it have the effect it had not."""
    facts = [one.fact for one in resolved]
    known = {one.fact.id: one.interval for one in resolved}
    _name_items(write, facts)
    entries = resolver.learn_tags((fact.id, fact.fields, fact.item_id) for fact in facts)
    entries += keep_verdicts(write, judge_batch(write, facts, write.now_ms))
    open_loans(write, facts, known)
    add_entries(write, entries)
    fold_in(write, facts, known, ())
    settle_entries(write, {_entry_key(fact): (fact.id,) for fact in facts})


def _name_items(write: Write, facts: list[Fact]) -> None:
    """Fill in the item wherever the facts left it open; they wait no longer."""
    for column, table in (("id", schema.FACT), ("fact_id", schema.ALARM), ("hold", schema.HOLD)):
        rows = [
            {
                "row_key": fact.hold or fact.id if table is schema.HOLD else fact.id,
                "found_item": fact.item_id,
            }
            for fact in facts
        ]
        statement = (
            sa.update(table)
            .where(
                table.c.library_id == write.library_id,
                table.c[column] == sa.bindparam("row_key"),
                table.c.item_id.is_(None),
            )
            .values(item_id=sa.bindparam("found_item"))
        )
        if rows:
            write.execute(statement, rows)
    table = schema.WAITING
    for ids in chunks([fact.id for fact in facts]):
        write.execute(
            sa.delete(table).where(
                table.c.library_id == write.library_id, table.c.fact_id.in_(ids)
            )
        )


def _entry_key(fact: Fact) -> str:
    return f"{ITEM_UNKNOWN}:{fact.barcode or next(iter(fact.uids), fact.id)}"
