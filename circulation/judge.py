"""What the gateway thinks of a fact it applied.

A fact is never refused, so a verdict undoes nothing. It is made once, when the fact is applied,
by what was known then; its key is (fact id, rule). It is never withdrawn and never made again,
only annotated, so that staff's answer to it stays an answer.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from circulation.calendar import Now
from circulation.checkout import CheckoutRequest, lasting_findings
from circulation.items import Item, LoanView
from circulation.patrons import Identity, Patron, Pin
from circulation.policy import Policy
from circulation.reasons import (
    DOUBT_REASONS,
    NOTICES,
    TIME_REASONS,
    Finding,
    Reason,
    Value,
    in_order,
)
from circulation.renewal import RenewalRequest, renewal_findings

REFERENCE_LEFT = "reference_left"

# Whether the item was with somebody else is the fold's matter: it depends on order.
_NOT_JUDGED = NOTICES | {
    Reason.ON_LOAN_TO_OTHER,
    Reason.NOT_ON_LOAN,
    Reason.LOAN_OF_OTHER,
    Reason.NO_OPEN_DAY,
    Reason.RENEWAL_NO_GAIN,
}
# A PIN and a card are proved at the station; a fact does not carry them.
_IDENTIFIED = Identity(pin=Pin.RIGHT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a verdict needs of a fact; kinds other than checkout and renewal have none."""

    fact: str
    kind: str
    now: Now
    site: str
    room: str = ""
    session: str = ""
    reach: int = 0
    on_site: bool = False
    parts_read: frozenset[int] | None = None
    overridden: frozenset[Reason] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the gateway knew before it applied the fact; None for what it did not know."""

    policy: Policy
    patron: Patron | None
    item: Item | None
    open_loans: tuple[LoanView, ...] = ()
    stale: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """One rule that a fact went against."""

    fact: str
    rule: str
    detail: Mapping[str, Value] = field(default_factory=dict, hash=False)

    @property
    def key(self) -> tuple[str, str]:
        """Return what makes a verdict the same one."""
        return self.fact, self.rule


def judge_fact(fact: Judged, known: Known) -> tuple[Verdict, ...]:
    """Return the rules this fact went against, in the fixed order of reasons.

    What staff waved through at the station is no verdict, nor what rests on an unsure clock.
    """
    found = {finding.reason: finding.values for finding in _findings(fact, known)}
    excused = _excused(fact, known) if found else frozenset()
    reasons = in_order(reason for reason in found if reason not in excused)
    verdicts = [Verdict(fact.fact, reason.value, found[reason]) for reason in reasons]
    if _reference_left(fact, known):
        verdicts.append(Verdict(fact.fact, REFERENCE_LEFT, {"reach": fact.reach}))
    return tuple(verdicts)


def _excused(fact: Judged, known: Known) -> frozenset[Reason]:
    excused = _NOT_JUDGED | fact.overridden
    excused |= frozenset() if fact.now.sure else TIME_REASONS
    return excused | (DOUBT_REASONS if known.stale else frozenset())


def keep_verdicts(
    kept: Mapping[tuple[str, str], Verdict], judged: Iterable[Verdict]
) -> dict[tuple[str, str], Verdict]:
    """Return the verdicts after another judgement: what was said first stands, in its place."""
    new = {verdict.key: verdict for verdict in judged if verdict.key not in kept}
    return dict(kept) | new


def _findings(fact: Judged, known: Known) -> Iterable[Finding]:
    if fact.kind == "checkout":
        return lasting_findings(_as_checkout(fact, known))
    if fact.kind == "renewal":
        return renewal_findings(_as_renewal(fact, known))
    return ()


def _as_checkout(fact: Judged, known: Known) -> CheckoutRequest:
    return CheckoutRequest(
        patron=known.patron,
        item=known.item,
        open_loans=known.open_loans,
        policy=known.policy,
        now=fact.now,
        site=fact.site,
        room=fact.room,
        session=fact.session,
        parts_read=fact.parts_read,
        identity=_IDENTIFIED,
        on_site=fact.on_site,
    )


def _as_renewal(fact: Judged, known: Known) -> RenewalRequest:
    return RenewalRequest(
        patron=known.patron,
        item=known.item,
        loan=known.item.loan if known.item else None,
        open_loans=known.open_loans,
        policy=known.policy,
        now=fact.now,
        site=fact.site,
        identity=_IDENTIFIED,
    )


def _reference_left(fact: Judged, known: Known) -> bool:
    """Return whether an item that stays here was lent to be taken further than it may go."""
    if fact.kind != "checkout" or known.item is None or not known.item.reference:
        return False
    terms = _as_checkout(fact, known).case.terms
    return fact.reach > terms.on_site_reach and Reason.REFERENCE_ONLY not in fact.overridden
