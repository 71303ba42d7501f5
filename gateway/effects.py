"""What facts do besides moving an item: cards, fees, holds, counts, alarms.

Each kind has at most one effect, set-wise over the batch; a fact whose fields make no sense has
none, since it is kept as a fact in any case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import sqlalchemy as sa

from circulation.facts import Fact
from circulation.wire import kinds
from gateway import diary, schema
from gateway.docs import chunks
from gateway.review import ReviewEntry, mark_decided
from gateway.store import Write

Effect = Callable[[Write, list[Fact]], list[ReviewEntry]]
_HOLD_STATES = {
    kinds.HOLD_TRAPPED: "trapped",
    kinds.HOLD_SHELVED: "shelved",
    kinds.HOLD_ENDED: "ended",
}
_CARD_STATES = {kinds.CARD_LOST: "lost", kinds.CARD_VOIDED: "void"}
_FEE_SIGNS = {kinds.CHARGED: 1, kinds.PAID: -1, kinds.WAIVED: -1}
FEE_CENTS_MAX = 10_000_000


def apply_effects(write: Write, facts: Iterable[Fact]) -> list[ReviewEntry]:
    """Apply every fact's effect in order; return what staff should see."""
    runs: list[tuple[Effect, list[Fact]]] = []
    for fact in facts:
        effect = EFFECTS.get(fact.kind)
        if effect is None:
            continue
        if not runs or runs[-1][0] is not effect:
            runs.append((effect, []))
        runs[-1][1].append(fact)
    return [entry for effect, run in runs for entry in effect(write, run)]


def _place_holds(write: Write, facts: list[Fact]) -> list[ReviewEntry]:
    rows = [
        {
            "hold": fact.hold or fact.id,
            "item_id": fact.item_id,
            "title_id": _text(fact.fields.get("title_id"), 32),
            "patron_id": fact.patron,
            "pickup": _text(fact.pickup, 32),
            "state": "placed",
            "placed_at": fact.wall_ms or write.now_ms,
        }
        for fact in facts
        if not fact.blanked
    ]
    write.upsert(schema.HOLD, rows, replace=False)
    _touch_held(write, [str(row["hold"]) for row in rows])
    return []


def _move_holds(write: Write, facts: list[Fact]) -> list[ReviewEntry]:
    for fact in facts:
        if fact.hold is None:
            continue
        state = _HOLD_STATES[fact.kind]
        ended_at = write.now_ms if state == "ended" else None
        values: dict[str, Any] = {"state": state, "ended_at": ended_at}
        if state == "trapped" and fact.item_id is not None:
            values["item_id"] = fact.item_id
        write.execute(write.update(schema.HOLD, hold=fact.hold).values(values))
    _touch_held(write, [fact.hold for fact in facts if fact.hold])
    return []


def _touch_held(write: Write, holds: list[str]) -> None:
    """Mark the items whose reader to be kept for may have changed."""
    hold, item = schema.HOLD, schema.ITEM
    for some in chunks(holds):
        query = (
            sa.select(item.c.item_id)
            .join(
                hold,
                sa.and_(
                    hold.c.library_id == item.c.library_id,
                    sa.or_(hold.c.item_id == item.c.item_id, hold.c.title_id == item.c.title_id),
                ),
            )
            .where(hold.c.library_id == write.library_id, hold.c.hold.in_(some))
        )
        write.changes.items.update(write.execute(query).scalars())


def _issue_cards(write: Write, facts: list[Fact]) -> list[ReviewEntry]:
    rows = {
        fact.fields["card"]: {
            "card_key": fact.fields["card"],
            "key_id": _text(fact.fields.get("key_id"), 16) or "",
            "patron_id": fact.patron,
            "status": "active",
        }
        for fact in facts
        if fact.patron and not fact.blanked and _text(fact.fields.get("card"), 32)
    }
    write.upsert(schema.CARD, list(rows.values()))
    write.changes.patrons.update(row["patron_id"] for row in rows.values() if row["patron_id"])
    return []


def _void_cards(write: Write, facts: list[Fact]) -> list[ReviewEntry]:
    for fact in facts:
        card = _text(fact.fields.get("card"), 32)
        row = write.one(schema.CARD, card_key=card) if card else None
        if row is not None:
            status = _CARD_STATES[fact.kind]
            write.execute(write.update(schema.CARD, card_key=card).values(status=status))
            write.changes.patrons.add(row.patron_id)
    return []


def _block(write: Write, facts: list[Fact]) -> list[ReviewEntry]:
    for fact in facts:
        row = write.one(schema.PATRON, patron_id=fact.patron) if fact.patron else None
        if row is None:
            continue
        reason = _text(fact.fields.get("reason"), 64) or fact.state or "blocked"
        reasons = [code for code in row.blocked or [] if code != reason]
        if fact.kind == kinds.BLOCKED:
            reasons.append(reason)
        elif "reason" not in fact.fields:
            reasons = []
        statement = write.update(schema.PATRON, patron_id=fact.patron)
        write.execute(statement.values(blocked=reasons))
        write.changes.patrons.add(row.patron_id)
    return []


def _book_fees(write: Write, facts: list[Fact]) -> list[ReviewEntry]:
    for fact in facts:
        amount = fact.amount_cents
        if not fact.patron or fact.blanked or amount is None or abs(amount) > FEE_CENTS_MAX:
            continue
        table = schema.PATRON
        change = _FEE_SIGNS[fact.kind] * amount
        statement = write.update(table, patron_id=fact.patron)
        write.execute(statement.values(fee_cents=table.c.fee_cents + change))
        write.changes.patrons.add(fact.patron)
    return []


def _count_passages(write: Write, facts: list[Fact]) -> list[ReviewEntry]:
    rows = [
        {
            "fact_id": fact.id,
            "station": fact.station,
            "gate": _text(fact.fields.get("gate"), 32),
            "from_ms": fact.fields["from"],
            "until_ms": fact.fields["until"],
            "people_in": fact.fields.get("in") or 0,
            "people_out": fact.fields.get("out") or 0,
        }
        for fact in facts
        if fact.fields.get("from") is not None and fact.fields.get("until") is not None
    ]
    write.upsert(schema.PASSAGE_COUNT, rows, replace=False)
    return []


def _keep_alarms(write: Write, facts: list[Fact]) -> list[ReviewEntry]:
    rows = [
        {
            "fact_id": fact.id,
            "station": fact.station,
            "item_id": fact.item_id,
            "gate": fact.fields.get("gate"),
            "lane": fact.fields.get("lane"),
            "direction": _text(fact.fields.get("direction"), 8),
            "deciding_row": fact.fields.get("row"),
            "latency_ms": min(fact.fields.get("latency_ms") or 0, 2**31 - 1),
            "uid": fact.fields.get("uid") or next(iter(fact.uids), None),
            "at_ms": fact.wall_ms if fact.wall_ms is not None else write.now_ms,
        }
        for fact in facts
    ]
    known = _known_alarms(write, [fact.id for fact in facts])
    write.upsert(schema.ALARM, rows)
    for fact in facts:
        if fact.id not in known:
            diary.note(write, "alarm", fact.station, what=title_line(write, fact.item_id))
    return []


def _known_alarms(write: Write, fact_ids: list[str]) -> set[str]:
    table = schema.ALARM
    query = sa.select(table.c.fact_id).where(
        table.c.library_id == write.library_id, table.c.fact_id.in_(fact_ids)
    )
    return set(write.execute(query).scalars())


def title_line(write: Write, item_id: str | None) -> str:
    """Return what a guard is told of an item: its title and shelf mark, as far as known."""
    item = write.one(schema.ITEM, item_id=item_id) if item_id else None
    if item is None:
        return "an unknown book"
    title = write.one(schema.TITLE, title_id=item.title_id) if item.title_id else None
    name = title.title if title is not None else "a book without a title"
    return f"{name} ({item.shelf_mark})" if item.shelf_mark else str(name)


def _answer_alarms(write: Write, facts: list[Fact]) -> list[ReviewEntry]:
    for fact in facts:
        if fact.fields.get("by") == "kiosk":
            continue  # it has named the book; nobody has come yet
        alarm = _text(fact.fields.get("alarm"), 32)
        statement = write.update(schema.ALARM, fact_id=alarm)
        write.execute(statement.values(answered_at=fact.wall_ms or write.now_ms))
    return []


def _tell_losses(write: Write, facts: list[Fact]) -> list[ReviewEntry]:
    entries = []
    for fact in facts:
        detail = {"first": fact.fields.get("first"), "last": fact.fields.get("last")}
        diary.note(write, "lost", fact.station, **detail)
        key = f"facts_lost:{fact.id}"
        entries.append(ReviewEntry(key, "facts_lost", None, fact.station, (fact.id,), detail))
    return entries


def _settle_entries(write: Write, facts: list[Fact]) -> list[ReviewEntry]:
    for fact in facts:
        if fact.entry:
            mark_decided(write, fact.entry, fact.id)
    return []


def _text(value: Any, length_max: int) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= length_max else None


EFFECTS: dict[str, Effect] = {
    kinds.HOLD_PLACED: _place_holds,
    kinds.HOLD_TRAPPED: _move_holds,
    kinds.HOLD_SHELVED: _move_holds,
    kinds.HOLD_ENDED: _move_holds,
    kinds.CARD_ISSUED: _issue_cards,
    kinds.CARD_LOST: _void_cards,
    kinds.CARD_VOIDED: _void_cards,
    kinds.BLOCKED: _block,
    kinds.CLEARED: _block,
    kinds.CHARGED: _book_fees,
    kinds.PAID: _book_fees,
    kinds.WAIVED: _book_fees,
    kinds.PASSAGES: _count_passages,
    kinds.ALARM: _keep_alarms,
    kinds.ALARM_ANSWERED: _answer_alarms,
    kinds.LOST: _tell_losses,
    kinds.DECISION: _settle_entries,
}
