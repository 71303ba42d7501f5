"""May this reader take this item, until when, and how far?

Each check looks at one matter and returns what it finds; the decision is the union of all
checks, so no reason hides another.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from circulation.calendar import Now, Span
from circulation.case import Case, Permitted
from circulation.doc import clock
from circulation.due import Due, due_today
from circulation.items import GONE, Item, ItemState, LoanView
from circulation.parts import check_parts
from circulation.patrons import BY_CARD, Identity, Patron, identity_findings, standing_findings
from circulation.policy import Policy
from circulation.reasons import Finding, Reason, Refused, Value, sort_findings
from circulation.renewal import RenewalRequest, decide_renewal

__all__ = ["CheckoutRequest", "Now", "Permitted", "Refused", "decide_checkout"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutRequest:
    """A reader with an item at a station.

    `patron`, `item`: None if unknown here. `open_loans`: the reader's. `parts_read`: ordinals
    on the pad, None for a barcode. `on_site`: asked to be used here. `stale`: the station's
    list may lack facts about this reader.
    """

    patron: Patron | None
    item: Item | None
    open_loans: tuple[LoanView, ...]
    policy: Policy
    now: Now
    site: str
    room: str = ""
    parts_read: frozenset[int] | None = None
    staff_override: frozenset[Reason] = frozenset()
    session: str = ""
    identity: Identity = BY_CARD
    on_site: bool = False
    stale: bool = False
    case: Case = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Make the case whose terms decide."""
        case = Case(self.policy, self.site, self.now, self.patron, self.item)
        object.__setattr__(self, "case", case)

    @property
    def loan(self) -> LoanView | None:
        """Return the loan the item is out on, as far as that is certain."""
        item = self.item
        return item.loan if item is not None and item.state is ItemState.ON_LOAN else None

    @property
    def stays_on_site(self) -> bool:
        """Return whether this is a loan to be used here and returned the same day."""
        if self.item is None:
            return False
        wished = self.on_site or self.room in self.policy.reading_rooms
        return self.item.reference or (wished and self.case.terms.on_site_loans)


def decide_checkout(request: CheckoutRequest) -> Permitted | Refused:
    """Return the loan's terms, or every reason against it.

    An item the reader already has is the same loan within one session, else a renewal.
    """
    loan, patron, item = request.loan, request.patron, request.item
    if loan is not None and patron is not None and loan.patron == patron.patron_id:
        if request.session and loan.session == request.session:
            return _repeated(loan, request)
        return decide_renewal(_as_renewal(request, loan))
    due = _due(request)
    found = [*checkout_findings(request), *(Finding(notice) for notice in due.notices)]
    result = sort_findings(
        found, sure=request.now.sure, stale=request.stale, override=request.staff_override
    )
    if result.refused or due.at is None or patron is None or item is None:
        return Refused(result.refused, result.details_of(result.refused))
    terms, on_site = request.case.terms, request.stays_on_site
    return Permitted(
        due_at=due.at,
        reach=terms.on_site_reach if on_site else terms.reach,
        on_site=on_site,
        policy_version=request.case.version.version,
        warnings=result.warnings,
        overridden=result.overridden,
        ends=loan.loan if loan else None,
        details=result.details_of(result.warnings),
    )


def checkout_findings(request: CheckoutRequest) -> Iterator[Finding]:
    """Return what every check finds, in no particular order."""
    yield from lasting_findings(request)
    yield from _check_time(request)


def lasting_findings(request: CheckoutRequest) -> Iterator[Finding]:
    """Return what is found apart from what only matters before the loan: a sure clock, a day."""
    for check in CHECKS:
        yield from check(request)


def _repeated(loan: LoanView, request: CheckoutRequest) -> Permitted:
    return Permitted(
        due_at=loan.due_at,
        reach=loan.reach,
        on_site=loan.on_site,
        policy_version=loan.policy_version or request.case.version.version,
        repeats=loan.loan,
    )


def _as_renewal(request: CheckoutRequest, loan: LoanView) -> RenewalRequest:
    return RenewalRequest(
        patron=request.patron,
        item=request.item,
        loan=loan,
        open_loans=request.open_loans,
        policy=request.policy,
        now=request.now,
        site=request.site,
        staff_override=request.staff_override,
        identity=request.identity,
        stale=request.stale,
    )


def _due(request: CheckoutRequest) -> Due:
    case = request.case
    if request.stays_on_site:
        return Due(due_today(case.calendar, case.now.at))
    return case.due(case.terms.loan)


def _when(day: dt.date, span: Span) -> dict[str, Value]:
    return {"day": str(day), "from": clock(span.since), "to": clock(span.until)}


def _check_identity(request: CheckoutRequest) -> Iterator[Finding]:
    return identity_findings(request.patron, request.identity, request.case.reader_terms)


def _check_standing(request: CheckoutRequest) -> Iterator[Finding]:
    case = request.case
    return standing_findings(
        request.patron,
        case.reader_terms,
        today=case.today,
        now=request.now.at,
        loans=request.open_loans,
    )


def _check_item(request: CheckoutRequest) -> Iterator[Finding]:
    item = request.item
    if item is None:
        yield Finding(Reason.ITEM_UNKNOWN)
        return
    members = request.policy.names.members
    if members and item.owner and item.owner not in members:
        yield Finding(Reason.ITEM_FOREIGN)
    if item.state in _STATE_REASONS:
        yield Finding(_STATE_REASONS[item.state])
    if item.state in GONE:
        yield Finding(Reason.ITEM_WAS_MISSING)
    if item.not_for_loan:
        yield Finding(Reason.NOT_FOR_LOAN)
    if item.reference and not request.case.terms.on_site_loans:
        yield Finding(Reason.REFERENCE_ONLY)
    if not request.case.terms.may_borrow:
        yield Finding(Reason.NOT_FOR_THIS_READER)


_STATE_REASONS = {
    ItemState.WITHDRAWN: Reason.ITEM_WITHDRAWN,
    ItemState.IN_REPAIR: Reason.ITEM_IN_REPAIR,
    ItemState.DAMAGED: Reason.ITEM_DAMAGED,
    ItemState.IN_TRANSIT: Reason.ITEM_IN_TRANSIT,
}


def _check_age(request: CheckoutRequest) -> Iterator[Finding]:
    limit, patron = request.case.terms.minimum_age, request.patron
    if limit == 0 or patron is None or request.item is None:
        return
    known = (patron.age_reached, request.policy.category(patron.category).youngest)
    ages = [age for age in known if age is not None]
    if not ages:
        yield Finding(Reason.AGE_UNKNOWN)
    elif max(ages) < limit:
        yield Finding(Reason.TOO_YOUNG, {"age": limit})


def _check_others(request: CheckoutRequest) -> Iterator[Finding]:
    patron, item, loan = request.patron, request.item, request.loan
    if patron is None or item is None:
        return
    if item.held_for is not None and item.held_for != patron.patron_id:
        yield Finding(Reason.HELD_FOR_OTHER)
    if loan is not None and loan.patron != patron.patron_id:
        yield Finding(Reason.ON_LOAN_TO_OTHER, mild=request.case.terms.take_over)


def _check_parts(request: CheckoutRequest) -> Iterator[Finding]:
    item = request.item
    if item is None or item.parts_total == 1:
        return
    if request.parts_read is None:
        yield Finding(Reason.PARTS_BY_EYE, {"total": item.parts_total})
        return
    parts = check_parts(
        item.parts_total,
        request.parts_read,
        names=item.part_names,
        known_missing=item.parts_missing,
    )
    if parts.missing:
        values: dict[str, Value] = {
            "parts": parts.named(parts.missing),
            "total": item.parts_total,
        }
        mild = not request.case.terms.parts_complete
        yield Finding(Reason.PARTS_MISSING, values, mild)
    if parts.unexpected:
        yield Finding(Reason.PARTS_UNEXPECTED, {"parts": parts.named(parts.unexpected)})


def _check_limits(request: CheckoutRequest) -> Iterator[Finding]:
    item, case = request.item, request.case
    if request.patron is None or item is None:
        return
    counted = (loan for loan in request.open_loans if not loan.doubtful)
    others = [loan for loan in counted if loan.item_id != item.item_id]
    here = [loan for loan in others if loan.on_site]
    away = [loan for loan in others if not loan.on_site]
    same = [loan for loan in away if loan.item_type == item.item_type]
    if request.stays_on_site:
        limits = [(Reason.TOO_MANY_ON_SITE, here, case.reader_terms.max_on_site)]
    else:
        limits = [
            (Reason.TOO_MANY_LOANS, away, case.reader_terms.max_loans),
            (Reason.TOO_MANY_OF_TYPE, same, case.terms.max_of_type),
        ]
    for reason, loans, limit in limits:
        if limit is not None and len(loans) >= limit:
            yield Finding(reason, {"count": len(loans), "limit": limit})


def _check_hours(request: CheckoutRequest) -> Iterator[Finding]:
    calendar, at = request.case.calendar, request.now.at
    if calendar.is_open_at(at, lenient=True):
        return
    opening = calendar.next_opening(at)
    yield Finding(Reason.CLOSED_NOW, _when(*opening) if opening else {})


def _check_rota(request: CheckoutRequest) -> Iterator[Finding]:
    policy, patron, at = request.policy, request.patron, request.now.at
    if patron is None or patron.class_name is None or request.stays_on_site:
        return
    if policy.category(patron.category).rota_exempt:
        return
    rota, calendar = policy.rota(request.site), request.case.calendar
    grade = policy.grade(patron.class_name)
    if rota.allows(at, calendar, class_name=patron.class_name, grade=grade):
        return
    turn = rota.next_turn(at, calendar, class_name=patron.class_name, grade=grade)
    yield Finding(Reason.NOT_YOUR_TURN, _when(turn.day, turn.span) if turn else {})


def _check_time(request: CheckoutRequest) -> Iterator[Finding]:
    if not request.now.sure:
        yield Finding(Reason.TIME_UNSURE)
    if _due(request).at is None:
        yield Finding(Reason.NO_OPEN_DAY)


CHECKS: tuple[Callable[[CheckoutRequest], Iterator[Finding]], ...] = (
    _check_identity,
    _check_standing,
    _check_item,
    _check_age,
    _check_others,
    _check_parts,
    _check_limits,
    _check_hours,
    _check_rota,
)
