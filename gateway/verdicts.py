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
from gateway.docs import PATRON_FIELDS, Doc, held_fields, patron_doc
from gateway.policies import newest_policy
from gateway.review import ReviewEntry
from gateway.schema import HOLDING, ITEM, LOAN, PATRON, STATION_TABLE, VERDICT
from gateway.statements import LIBRARY, Statement, among
from gateway.store import Write
from gateway.views import LAST_INSTANT, instant, item_of, loan_of, patron_of

JUDGED = (kinds.CHECKOUT, kinds.RENEWAL)
ENDING = (kinds.CHECKIN, kinds.NOT_SHOWN)
ITEM_UNKNOWN = Reason.ITEM_UNKNOWN.value  # its entry is made where the fact waits
_REASONS = {reason.value: reason for reason in Reason}


_HELD_BY = Statement(
    sa.select(
        HOLDING.c.item_id,
        HOLDING.c.state,
        HOLDING.c.last,
        HOLDING.c.doc,
        ITEM.c.item_type,
        ITEM.c.title_id,
        LOAN.c.opened_at,
        LOAN.c.policy_version,
    )
    .select_from(
        HOLDING.join(
            ITEM, sa.and_(ITEM.c.library_id == LIBRARY, ITEM.c.item_id == HOLDING.c.item_id)
        ).outerjoin(LOAN, sa.and_(LOAN.c.library_id == LIBRARY, LOAN.c.loan == HOLDING.c.loan))
    )
    .where(
        HOLDING.c.library_id == LIBRARY,
        among(HOLDING.c.patron_id, "patrons"),
        HOLDING.c.loan.is_not(None),
    )
)
_PATRONS = Statement(
    sa.select(*(PATRON.c[name] for name in PATRON_FIELDS)).where(
        PATRON.c.library_id == LIBRARY, among(PATRON.c.patron_id, "patrons")
    )
)
_BEHIND = Statement(  # some station has facts that have not arrived
    sa.select(STATION_TABLE.c.station)
    .where(
        STATION_TABLE.c.library_id == LIBRARY,
        STATION_TABLE.c.seq_last > STATION_TABLE.c.hw,
    )
    .limit(1)
)


@dataclass(slots=True)
class Bench:
    """What is known while a batch is judged; loans come and go as its facts say."""

    policy: Policy
    items: dict[str, Doc]
    patrons: dict[str, Patron]
    loans: dict[str, dict[str, LoanView | Fact]]  # by reader, then by item; new ones as facts
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
            open_loans=tuple(map(self._as_loan, self.loans.get(fact.patron or "", {}).values())),
            stale=self.stale,
        )

    def _count(self, fact: Fact) -> None:
        item_id = fact.item_id or ""
        if fact.kind == kinds.CHECKOUT or fact.kind in ENDING:
            self.loans.get(self.holder.pop(item_id, ""), {}).pop(item_id, None)
        if fact.kind == kinds.CHECKOUT and fact.patron and item_id:
            self.holder[item_id] = fact.patron
            self.loans.setdefault(fact.patron, {})[item_id] = fact

    def _as_loan(self, fact: LoanView | Fact) -> LoanView:
        if isinstance(fact, LoanView):
            return fact
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
    write.upsert(VERDICT, rows, replace=False)
    return [
        ReviewEntry(f"{rule}:{fact.id}", rule, fact.item_id, fact.station, (fact.id,), detail)
        for fact, rule, detail in verdicts
        if rule != ITEM_UNKNOWN
    ]


def _bench(write: Write, judged: list[Fact]) -> Bench:
    patron_ids = list({fact.patron for fact in judged if fact.patron and not fact.blanked})
    loans: dict[str, dict[str, LoanView | Fact]] = {}
    held = _HELD_BY.dicts(write.connection, library_id=write.library_id, patrons=patron_ids)
    for row in held:
        loan = loan_of({**row, **held_fields(row)})
        if loan is not None:
            loans.setdefault(loan.patron, {})[loan.item_id] = loan
    patrons = _PATRONS.dicts(write.connection, library_id=write.library_id, patrons=patron_ids)
    return Bench(
        policy=newest_policy(write.connection, write.library_id),
        items=write.shelf.untagged({fact.item_id for fact in judged if fact.item_id}),
        patrons={row["patron_id"]: patron_of(patron_doc(row)) for row in patrons},
        loans=loans,
        holder={item: reader for reader, items in loans.items() for item in items},
        stale=write.first(_BEHIND) is not None,
    )


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
