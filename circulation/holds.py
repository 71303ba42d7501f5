"""Holds: who may place one, which one a returned item is for, and how long it waits.

A station only proposes; the gateway alone fills a hold, and only shelving tells the reader.
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from circulation.calendar import Calendar, Now
from circulation.case import Case
from circulation.due import due_on
from circulation.items import Item, ItemState, LoanView
from circulation.patrons import BY_CARD, Identity, Patron, identity_findings, standing_findings
from circulation.policy import Policy
from circulation.reasons import Finding, Reason, Refused, sort_findings


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldView:
    """A hold that waits; `item_id` only if it is for that very copy."""

    hold: str
    title_id: str
    patron: str
    pickup: str
    placed_at: dt.datetime
    item_id: str | None = None
    suspended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRequest:
    """A reader who wants a title; `copies` are those it could be filled with.

    `own_holds`: the reader's; `queue`: all that wait for this title.
    """

    patron: Patron | None
    title_id: str
    copies: tuple[Item, ...]
    policy: Policy
    now: Now
    site: str
    pickup: str
    open_loans: tuple[LoanView, ...] = ()
    own_holds: tuple[HoldView, ...] = ()
    queue: tuple[HoldView, ...] = ()
    staff_override: frozenset[Reason] = frozenset()
    identity: Identity = BY_CARD
    stale: bool = False


@dataclass(frozen=True, slots=True)
class HoldPermitted:
    """A hold that may be placed."""

    pickup: str
    policy_version: int
    warnings: tuple[Reason, ...] = ()
    overridden: tuple[Reason, ...] = ()


def decide_hold(request: HoldRequest) -> HoldPermitted | Refused:
    """Return that the hold may be placed, or every reason against it."""
    result = sort_findings(
        hold_findings(request),
        sure=request.now.sure,
        stale=request.stale,
        override=request.staff_override,
    )
    if result.refused:
        return Refused(result.refused, result.details_of(result.refused))
    version = _case(request, None).version.version
    return HoldPermitted(request.pickup, version, result.warnings, result.overridden)


def hold_findings(request: HoldRequest) -> Iterator[Finding]:
    """Return everything that speaks against a hold, in no particular order."""
    case = _case(request, None)
    terms = case.reader_terms
    yield from identity_findings(request.patron, request.identity, terms)
    yield from standing_findings(
        request.patron,
        terms,
        today=case.today,
        now=request.now.at,
        loans=request.open_loans,
    )
    yield from _copy_findings(request)
    yield from _queue_findings(request, terms.max_holds)
    sites = request.policy.names.sites
    if sites and request.pickup not in sites:
        yield Finding(Reason.HOLD_PICKUP_UNKNOWN)


def next_hold(holds: Iterable[HoldView], item: Item) -> HoldView | None:
    """Return the hold this item should go to: the oldest that waits for it or its title."""
    if item.not_for_loan or item.reference:
        return None
    fitting = [
        hold
        for hold in holds
        if not hold.suspended
        and hold.item_id in (None, item.item_id)
        and (hold.item_id is not None or hold.title_id == item.title_id)
    ]
    return min(fitting, key=lambda hold: (hold.placed_at, hold.hold), default=None)


def shelf_until(calendar: Calendar, now: dt.datetime, days: int) -> dt.datetime | None:
    """Return until when a held item waits: a closing, on an open day after so many days."""
    today, _ = calendar.local(now)
    return due_on(calendar, today + dt.timedelta(days=days), now)


def _case(request: HoldRequest, item: Item | None) -> Case:
    return Case(request.policy, request.site, request.now, request.patron, item)


def _copy_findings(request: HoldRequest) -> Iterator[Finding]:
    lendable = [item for item in request.copies if _may_be_held(request, item)]
    if not lendable:
        yield Finding(Reason.HOLD_NOT_ALLOWED)
        return
    here = [item for item in lendable if item.state is ItemState.AVAILABLE and not item.held_for]
    if here and not all(_case(request, item).terms.holds_on_shelf for item in here):
        yield Finding(Reason.HOLD_ON_SHELF)


def _may_be_held(request: HoldRequest, item: Item) -> bool:
    if item.not_for_loan or item.reference or item.state is ItemState.WITHDRAWN:
        return False
    terms = _case(request, item).terms
    return terms.holds and terms.may_borrow


def _queue_findings(request: HoldRequest, max_holds: int | None) -> Iterator[Finding]:
    if any(hold.title_id == request.title_id for hold in request.own_holds):
        yield Finding(Reason.HOLD_EXISTS)
    if any(loan.title_id == request.title_id for loan in request.open_loans):
        yield Finding(Reason.HOLD_ALREADY_LENT)
    count = len(request.own_holds)
    if max_holds is not None and count >= max_holds:
        yield Finding(Reason.TOO_MANY_HOLDS, {"count": count, "limit": max_holds})
    queues = [_case(request, item).terms.max_hold_queue for item in request.copies]
    limits = [limit for limit in queues if limit is not None]
    waiting = len(request.queue)
    if limits and len(limits) == len(queues) and waiting >= max(limits):
        yield Finding(Reason.HOLD_QUEUE_FULL, {"count": waiting, "limit": max(limits)})
