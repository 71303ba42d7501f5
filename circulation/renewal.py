"""May this loan be prolonged, and until when?

A renewal runs from now, on the terms the loan was made under, and is never for less than the
reader already has.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from circulation.calendar import Now
from circulation.case import Case, Permitted
from circulation.due import Due
from circulation.items import Item, ItemState, LoanView
from circulation.patrons import BY_CARD, Identity, Patron, identity_findings, standing_findings
from circulation.policy import Policy
from circulation.reasons import Finding, Reason, Refused, sort_findings


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalRequest:
    """A reader who wants more time; `loan` is None if the item is not on loan."""

    patron: Patron | None
    item: Item | None
    loan: LoanView | None
    policy: Policy
    now: Now
    site: str
    open_loans: tuple[LoanView, ...] = ()
    staff_override: frozenset[Reason] = frozenset()
    identity: Identity = BY_CARD
    stale: bool = False

    case: Case = field(init=False, repr=False, compare=False)
    today_case: Case = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Make the case on the loan's own terms, and that for what is about the reader alone."""
        number = self.loan.policy_version if self.loan and self.loan.policy_version else None
        about = (self.policy, self.site, self.now, self.patron, self.item)
        object.__setattr__(self, "case", Case(*about, number))
        object.__setattr__(self, "today_case", Case(*about))


def decide_renewal(request: RenewalRequest) -> Permitted | Refused:
    """Return the new due date, or every reason against it."""
    due, loan = _due(request), request.loan
    found = [*renewal_findings(request), *(Finding(notice) for notice in due.notices)]
    result = sort_findings(
        found, sure=request.now.sure, stale=request.stale, override=request.staff_override
    )
    if result.refused or due.at is None or loan is None:
        return Refused(result.refused, result.details_of(result.refused))
    return Permitted(
        due_at=max(due.at, loan.due_at),  # with an unsure clock it could fall short
        reach=loan.reach,
        on_site=False,
        policy_version=request.case.version.version,
        warnings=result.warnings,
        overridden=result.overridden,
        renews=loan.loan,
        details=result.details_of(result.warnings),
    )


def renewal_findings(request: RenewalRequest) -> Iterator[Finding]:
    """Return what every check finds, in no particular order."""
    for check in CHECKS:
        yield from check(request)


def _due(request: RenewalRequest) -> Due:
    terms = request.case.terms
    return request.case.due(terms.renewal or terms.loan)


def _check_identity(request: RenewalRequest) -> Iterator[Finding]:
    return identity_findings(request.patron, request.identity, request.today_case.reader_terms)


def _check_standing(request: RenewalRequest) -> Iterator[Finding]:
    """Return what stands against the reader; the loan itself may be late, that is its own rule."""
    case, own = request.today_case, request.loan
    return standing_findings(
        request.patron,
        case.reader_terms,
        today=case.today,
        now=request.now.at,
        loans=[loan for loan in request.open_loans if own is None or loan.loan != own.loan],
    )


def _check_loan(request: RenewalRequest) -> Iterator[Finding]:
    if request.item is None:
        yield Finding(Reason.ITEM_UNKNOWN)
        return
    loan, patron = request.loan, request.patron
    if loan is None or request.item.state is not ItemState.ON_LOAN:
        yield Finding(Reason.NOT_ON_LOAN)
    elif patron is not None and loan.patron != patron.patron_id:
        yield Finding(Reason.LOAN_OF_OTHER)


def _check_terms(request: RenewalRequest) -> Iterator[Finding]:
    loan, terms = request.loan, request.case.terms
    if loan is None:
        return
    allowed = 0 if loan.on_site else terms.renewals
    if loan.renewals >= allowed:
        yield Finding(Reason.TOO_MANY_RENEWALS, {"count": loan.renewals, "limit": allowed})
    if loan.recalled:
        yield Finding(Reason.RENEWAL_RECALLED)
    if loan.wanted and not terms.renew_when_wanted:
        yield Finding(Reason.RENEWAL_WANTED)


def _check_moment(request: RenewalRequest) -> Iterator[Finding]:
    loan, terms, now = request.loan, request.case.terms, request.now
    if loan is None:
        return
    if loan.due_at < now.at and not loan.doubtful and not terms.renew_overdue:
        yield Finding(Reason.RENEWAL_OVERDUE)
    if terms.renew_days_before_due is not None:
        due_on, _ = request.case.calendar.local(loan.due_at)
        first = due_on - dt.timedelta(days=terms.renew_days_before_due)
        if request.case.today < first:
            yield Finding(Reason.RENEWAL_TOO_EARLY, {"day": str(first)})


def _check_gain(request: RenewalRequest) -> Iterator[Finding]:
    if not request.now.sure:
        yield Finding(Reason.TIME_UNSURE)
    due = _due(request).at
    if due is None:
        yield Finding(Reason.NO_OPEN_DAY)
    elif request.loan is not None and due <= request.loan.due_at:
        yield Finding(Reason.RENEWAL_NO_GAIN)


CHECKS: tuple[Callable[[RenewalRequest], Iterator[Finding]], ...] = (
    _check_identity,
    _check_standing,
    _check_loan,
    _check_terms,
    _check_moment,
    _check_gain,
)
