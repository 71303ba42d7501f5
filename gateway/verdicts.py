"""What the rules make of loans that were made anyway: judged once, when a fact is applied.

A batch is judged in its own order: a loan earlier in it counts for the limit of a later one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from circulation.calendar import Now
from circulation.facts import Fact
from circulation.items import LoanView
from circulation.judge import Judged, Known, judge_fact
from circulation.may_leave import STREET
from circulation.patrons import Patron
from circulation.policy import Policy
from circulation.reasons import Reason
from circulation.wire import kinds
from gateway import schema
from gateway.docs import Doc, chunks, item_docs, patron_docs
from gateway.policies import newest_policy
from gateway.review import ReviewEntry
from gateway.store import Write
from gateway.views import LAST_INSTANT, instant, item_of, loan_of, patron_of

JUDGED = (kinds.CHECKOUT, kinds.RENEWAL)
ENDING = (kinds.CHECKIN, kinds.NOT_SHOWN)
ITEM_UNKNOWN = Reason.ITEM_UNKNOWN.value  # its entry is made where the fact waits
_REASONS = {reason.value: reason for reason in Reason}


@dataclass(slots=True)
class Bench:
    """What is known while a batch is judged; loans come and go as its facts say."""

    policy: Policy
    items: dict[str, Doc]
    patrons: dict[str, Patron]
    loans: dict[str, dict[str, LoanView]]  # by reader, then by item
    holder: dict[str, str]  # by item, the reader who has it
    stale: bool

    def judge(self, fact: Fact, received_ms: int) -> list[tuple[str, Any]]:
        """Return the rules a fact went against, with details; then let it count."""
        found: list[tuple[str, Any]] = []
        if fact.kind in JUDGED:
            verdicts = judge_fact(_judged(fact, received_ms), self._known(fact))
            found = [(verdict.rule, dict(verdict.detail)) for verdict in verdicts]
        self._count(fact)
        return found

    def _known(self, fact: Fact) -> Known:
        doc = self.items.get(fact.item_id or "")
        return Known(
            policy=self.policy,
            patron=self.patrons.get(fact.patron or ""),
            item=item_of(doc) if doc is not None else None,
            open_loans=tuple(self.loans.get(fact.patron or "", {}).values()),
            stale=self.stale,
        )

    def _count(self, fact: Fact) -> None:
        item_id = fact.item_id or ""
        if fact.kind == kinds.CHECKOUT or fact.kind in ENDING:
            self.loans.get(self.holder.pop(item_id, ""), {}).pop(item_id, None)
        if fact.kind == kinds.CHECKOUT and fact.patron and item_id:
            self.holder[item_id] = fact.patron
            self.loans.setdefault(fact.patron, {})[item_id] = self._as_loan(fact)

    def _as_loan(self, fact: Fact) -> LoanView:
        doc = self.items.get(fact.item_id or "", {})
        return LoanView(
            loan=fact.id,
            item_id=fact.item_id or "",
            item_type=doc.get("item_type") or "book",
            patron=fact.patron or "",
            checked_out_at=instant(fact.wall_ms or 0) or LAST_INSTANT,
            due_at=instant(fact.due_at) or LAST_INSTANT,
            reach=STREET if fact.reach is None else fact.reach,
            session=fact.session or "",
            title_id=doc.get("title_id") or "",
            policy_version=fact.policy_version or 0,
        )


def judge_batch(
    write: Write, facts: Iterable[Fact], received_ms: int
) -> list[tuple[Fact, str, Any]]:
    """Return every verdict on the facts, in their order; call before they are folded in."""
    facts = list(facts)
    judged = [fact for fact in facts if fact.kind in JUDGED]
    if not judged:
        return []
    bench = _bench(write, judged)
    return [
        (fact, rule, detail) for fact in facts for rule, detail in bench.judge(fact, received_ms)
    ]


def keep_verdicts(write: Write, verdicts: list[tuple[Fact, str, Any]]) -> list[ReviewEntry]:
    """Keep verdicts, each once for ever; return the entries that tell staff."""
    rows = [
        {"fact_id": fact.id, "rule": rule, "detail": detail, "judged_at": write.now_ms}
        for fact, rule, detail in verdicts
    ]
    write.upsert(schema.VERDICT, rows, replace=False)
    return [
        ReviewEntry(f"{rule}:{fact.id}", rule, fact.item_id, fact.station, (fact.id,), detail)
        for fact, rule, detail in verdicts
        if rule != ITEM_UNKNOWN
    ]


def _bench(write: Write, judged: list[Fact]) -> Bench:
    patron_ids = {fact.patron for fact in judged if fact.patron and not fact.blanked}
    held = _held_by(write, patron_ids)
    wanted = {fact.item_id for fact in judged if fact.item_id} | held
    docs = item_docs(write.connection, write.library_id, wanted)
    patrons = patron_docs(write.connection, write.library_id, patron_ids)
    loans: dict[str, dict[str, LoanView]] = {}
    for item_id in held:
        loan = loan_of(docs[item_id]) if item_id in docs else None
        if loan is not None:
            loans.setdefault(loan.patron, {})[item_id] = loan
    return Bench(
        policy=newest_policy(write.connection, write.library_id),
        items=docs,
        patrons={patron_id: patron_of(doc) for patron_id, doc in patrons.items()},
        loans=loans,
        holder={item: reader for reader, items in loans.items() for item in items},
        stale=_is_stale(write),
    )


def _held_by(write: Write, patron_ids: Iterable[str]) -> set[str]:
    table = schema.HOLDING
    found: set[str] = set()
    for ids in chunks(sorted(patron_ids)):
        query = sa.select(table.c.item_id).where(
            table.c.library_id == write.library_id,
            table.c.patron_id.in_(ids),
            table.c.loan.is_not(None),
        )
        found.update(write.execute(query).scalars())
    return found


def _is_stale(write: Write) -> bool:
    """Return whether some station has facts that have not arrived."""
    table = schema.STATION_TABLE
    query = sa.select(sa.func.count()).where(
        table.c.library_id == write.library_id, table.c.seq_last > table.c.hw
    )
    return bool(write.execute(query).scalar())


def _judged(fact: Fact, received_ms: int) -> Judged:
    reach = STREET if fact.reach is None else fact.reach
    return Judged(
        fact=fact.id,
        kind=fact.kind,
        now=_now(fact, received_ms),
        site=fact.site or "",
        room=fact.room or "",
        session=fact.session or "",
        reach=reach,
        on_site=reach < STREET,
        parts_read=None if fact.parts_read is None else frozenset(fact.parts_read),
        overridden=_overridden(fact.overridden),
    )


def _overridden(codes: Iterable[str]) -> frozenset[Reason]:
    return frozenset(_REASONS[code] for code in codes if code in _REASONS)


def _now(fact: Fact, received_ms: int) -> Now:
    """Return the fact's instant as its station knew it; a nonsensical one is unsure."""
    try:
        if fact.wall_ms is not None:
            return Now(instant(fact.wall_ms) or LAST_INSTANT, fact.sure)
    except ValueError:  # a year no calendar reaches
        pass
    received = instant(received_ms)
    return Now(received or dt.datetime.now(dt.UTC), sure=False)
