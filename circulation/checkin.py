"""What a return means. A return is never refused: any item, any reader, without a card."""

import datetime as dt
import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from circulation.calendar import Calendar, Now
from circulation.case import Case
from circulation.holds import HoldView, next_hold
from circulation.items import GONE, Item, ItemState, LoanView
from circulation.parts import check_parts
from circulation.policy import Policy
from circulation.reasons import Finding, Reason, Value, in_order

IN_HOUSE_STATES = frozenset({ItemState.AVAILABLE, ItemState.TO_BE_SHELVED})


class Route(enum.Enum):
    """Where a returned item goes next."""

    SHELF = "shelf"
    DESK = "desk"
    HOLD = "hold"
    DEPOSIT = "deposit"
    HOME = "home"
    OWNER = "owner"


_DESK_STATES = frozenset({ItemState.WITHDRAWN, ItemState.IN_REPAIR, ItemState.DAMAGED})


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckinRequest:
    """An item that came back.

    `item`: None if unknown here. `owner`: the ISIL on its tag, if read. `holds`: those waiting
    for its title. `from_drop`: out of the book drop; `drop_emptied_at`: when that was last
    emptied, if known.
    """

    item: Item | None
    policy: Policy
    now: Now
    site: str
    owner: str = ""
    parts_read: frozenset[int] | None = None
    holds: tuple[HoldView, ...] = ()
    from_drop: bool = False
    drop_emptied_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckinOutcome:
    """What the fact records and what the screen says.

    `loan`: the loan it ends, or keeps open for `parts_missing`. `route_to`: the place for the
    route, None for this site's shelf or desk. `hold_proposed`: the hold the gateway may fill.
    `counts_from`: when it counts as returned.
    """

    loan: LoanView | None
    parts_missing: tuple[int, ...]
    route: Route
    route_to: str | None
    used_in_house: bool
    hold_proposed: str | None
    counts_from: dt.datetime
    warnings: tuple[Reason, ...] = ()
    details: Mapping[Reason, Mapping[str, Value]] = field(default_factory=dict, hash=False)

    @property
    def loan_stays_open(self) -> bool:
        """Return whether the loan stays open for a missing part."""
        return self.loan is not None and bool(self.parts_missing)


def decide_checkin(request: CheckinRequest) -> CheckinOutcome:
    """Return what this return ends, where the item goes, and from when it counts."""
    item = request.item
    loan = item.loan if item is not None else None
    findings = {found.reason: found.values for found in _findings(request)}
    hold = _proposed(request)
    route, place = _route(request, hold)
    return CheckinOutcome(
        loan=loan,
        parts_missing=_parts_missing(request),
        route=route,
        route_to=place,
        used_in_house=_used_in_house(request),
        hold_proposed=hold.hold if hold else None,
        counts_from=_counts_from(request, loan),
        warnings=in_order(findings),
        details={reason: values for reason, values in findings.items() if values},
    )


def drop_counts_from(
    calendar: Calendar, now: dt.datetime, emptied_at: dt.datetime | None
) -> dt.datetime:
    """Return the earliest instant an item found in the book drop now may have been put there.

    That is the last closing of an earlier open day, since a drop is emptied when a day begins,
    or when the drop was last emptied if that is later.
    """
    today, _ = calendar.local(now)
    closed_on = calendar.open_day_before(today)
    closing = calendar.closing_at(closed_on) if closed_on else None
    since = [at for at in (closing, emptied_at) if at is not None and at <= now]
    return max(since, default=now)


def _counts_from(request: CheckinRequest, loan: LoanView | None) -> dt.datetime:
    now = request.now.at
    if not request.from_drop:
        return now
    calendar = request.policy.calendar(request.site)
    since = drop_counts_from(calendar, now, request.drop_emptied_at)
    return since if loan is None else min(max(since, loan.checked_out_at), now)


def _parts_missing(request: CheckinRequest) -> tuple[int, ...]:
    item = request.item
    if item is None or item.parts_total == 1 or request.parts_read is None:
        return ()
    known = item.parts_missing
    return check_parts(item.parts_total, request.parts_read, known_missing=known).missing


def _findings(request: CheckinRequest) -> list[Finding]:
    item, found = request.item, []
    if not request.now.sure:
        found.append(Finding(Reason.TIME_UNSURE))
    if item is None:
        foreign = _is_foreign(request.owner, request.policy)
        return [*found, Finding(Reason.ITEM_FOREIGN if foreign else Reason.ITEM_UNKNOWN)]
    if item.state in GONE:
        found.append(Finding(Reason.ITEM_WAS_MISSING))
    missing = _parts_missing(request)
    if missing:
        names = check_parts(item.parts_total, (), names=item.part_names).named(missing)
        values: dict[str, Value] = {"parts": names, "total": item.parts_total}
        found.append(Finding(Reason.PARTS_MISSING, values))
    elif item.parts_total > 1 and request.parts_read is None:
        found.append(Finding(Reason.PARTS_BY_EYE, {"total": item.parts_total}))
    return found


def _is_foreign(owner: str, policy: Policy) -> bool:
    members = policy.names.members
    return bool(owner) and bool(members) and owner not in members


def _used_in_house(request: CheckinRequest) -> bool:
    item = request.item
    if item is None or item.loan is not None or item.state not in IN_HOUSE_STATES:
        return False
    case = Case(request.policy, request.site, request.now, None, item)
    return not request.from_drop and case.terms.count_in_house


def _proposed(request: CheckinRequest) -> HoldView | None:
    item = request.item
    if item is None or item.state in _DESK_STATES or _parts_missing(request):
        return None
    return next_hold(request.holds, item)


def _route(request: CheckinRequest, hold: HoldView | None) -> tuple[Route, str | None]:
    item = request.item
    if item is None or item.state in _DESK_STATES or _parts_missing(request):
        return Route.DESK, None
    if _is_foreign(item.owner, request.policy):
        return Route.OWNER, item.owner
    if hold is not None:
        return Route.HOLD, hold.pickup
    if item.deposit is not None and not item.deposit_recalled:
        return Route.DEPOSIT, item.deposit
    if item.home and item.home != request.site:
        return Route.HOME, item.home
    return Route.SHELF, None
