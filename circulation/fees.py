"""What a late or lost item costs.

Laws: out of the box nothing; money or a pause, never both; never more than the item's price;
nothing rests on facts that may not have arrived, and doubt favours the reader.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from circulation.calendar import Calendar
from circulation.items import LoanView
from circulation.terms import Terms

# Nobody pays for more than ten years: beyond that a clock was wrong, not the reader.
LATE_DAYS_MAX = 3_650


@dataclass(frozen=True, slots=True)
class LateOutcome:
    """Days late after grace, and either a fee or a pause until a day, or neither."""

    days: int = 0
    fee_cents: int = 0
    suspended_until: dt.date | None = None


IN_TIME = LateOutcome()


def settled_until(
    now: dt.datetime, heard_until: Iterable[dt.datetime | None]
) -> dt.datetime | None:
    """Return the instant up to which every return is known, None if some station is unheard.

    `heard_until`: for each station that takes returns, up to when its facts have all arrived.
    """
    until = now
    for heard in heard_until:
        if heard is None:
            return None
        until = min(until, heard)
    return until


def may_remind(loan: LoanView, settled: dt.datetime | None) -> bool:
    """Return whether a reminder is fair: overdue even if every silent station had the item."""
    return settled is not None and not loan.doubtful and loan.due_at < settled


def late_outcome(
    loan: LoanView,
    terms: Terms,
    calendar: Calendar,
    *,
    returned_at: dt.datetime,
    settled: dt.datetime | None,
    price_cents: int | None = None,
) -> LateOutcome:
    """Return what a return costs; `returned_at` is the earliest it may have come back.

    For a loan still open it is now. Counted only up to what is `settled`.
    """
    if settled is None or loan.doubtful:
        return IN_TIME
    days = late_days(loan.due_at, min(returned_at, settled), terms, calendar)
    if days == 0:
        return IN_TIME
    late = terms.late
    pause = min(days * late.suspension_days_per_day, late.max_suspension_days)
    until = calendar.local(returned_at)[0] + dt.timedelta(days=pause) if pause else None
    return LateOutcome(days, _fee(days, terms, price_cents), until)


def late_days(
    due_at: dt.datetime, returned_at: dt.datetime, terms: Terms, calendar: Calendar
) -> int:
    """Return the days late: begun days after the due day, without those of grace.

    Closed days count only where the policy says so. Within the days of grace nothing is late;
    after them only the days beyond.
    """
    due_on, _ = calendar.local(due_at)
    returned_on, _ = calendar.local(returned_at)
    if returned_at <= due_at or returned_on <= due_on:
        return 0
    span = min((returned_on - due_on).days, LATE_DAYS_MAX)
    days = (due_on + dt.timedelta(days=count) for count in range(1, span + 1))
    counted = sum(terms.late.closed_days_count or bool(calendar.hours_on(day)) for day in days)
    return max(counted - terms.grace_days, 0)


def compensation_cents(price_cents: int | None, terms: Terms) -> int | None:
    """Return what a lost item costs, None if its price is not known."""
    return None if price_cents is None else price_cents * terms.lost_price_percent // 100


def _fee(days: int, terms: Terms, price_cents: int | None) -> int:
    caps = [cap for cap in (terms.late.max_fee_cents, price_cents) if cap is not None]
    return min([days * terms.late.fee_per_day_cents, *caps])
