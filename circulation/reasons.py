"""Every reason for which the rules refuse or warn, and what a reader is told about it.

Laws: a refusal names every reason, not the first one found; the order is the order of this
list, on every station and in every language; each reason has a text and a next step.
"""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from circulation.texts import de, en, zh

Value = str | int


class Reason(enum.Enum):
    """A reason to refuse or to warn; the value is its code in facts, the order is fixed."""

    CARD_UNKNOWN = "card_unknown"
    CARD_LOST = "card_lost"
    CARD_VOID = "card_void"
    PIN_NEEDED = "pin_needed"
    PIN_WRONG = "pin_wrong"
    BARCODE_INVALID = "barcode_invalid"
    BARCODE_AMBIGUOUS = "barcode_ambiguous"
    COVER_BARCODE = "cover_barcode"

    PATRON_EXPIRED = "patron_expired"
    PATRON_BLOCKED = "patron_blocked"
    PATRON_LEFT = "patron_left"
    PATRON_SUSPENDED = "patron_suspended"
    DEBT = "debt"
    OVERDUE_ITEMS = "overdue_items"

    ITEM_UNKNOWN = "item_unknown"
    ITEM_FOREIGN = "item_foreign"
    ITEM_WITHDRAWN = "item_withdrawn"
    ITEM_IN_REPAIR = "item_in_repair"
    ITEM_DAMAGED = "item_damaged"
    NOT_FOR_LOAN = "not_for_loan"
    REFERENCE_ONLY = "reference_only"
    NOT_FOR_THIS_READER = "not_for_this_reader"
    TOO_YOUNG = "too_young"
    AGE_UNKNOWN = "age_unknown"
    HELD_FOR_OTHER = "held_for_other"
    ON_LOAN_TO_OTHER = "on_loan_to_other"
    PARTS_MISSING = "parts_missing"
    PARTS_UNEXPECTED = "parts_unexpected"

    TOO_MANY_LOANS = "too_many_loans"
    TOO_MANY_OF_TYPE = "too_many_of_type"
    TOO_MANY_ON_SITE = "too_many_on_site"

    CLOSED_NOW = "closed_now"
    NOT_YOUR_TURN = "not_your_turn"
    NO_OPEN_DAY = "no_open_day"

    NOT_ON_LOAN = "not_on_loan"
    LOAN_OF_OTHER = "loan_of_other"
    TOO_MANY_RENEWALS = "too_many_renewals"
    RENEWAL_TOO_EARLY = "renewal_too_early"
    RENEWAL_OVERDUE = "renewal_overdue"
    RENEWAL_WANTED = "renewal_wanted"
    RENEWAL_RECALLED = "renewal_recalled"
    RENEWAL_NO_GAIN = "renewal_no_gain"

    HOLD_NOT_ALLOWED = "hold_not_allowed"
    HOLD_EXISTS = "hold_exists"
    HOLD_ALREADY_LENT = "hold_already_lent"
    HOLD_ON_SHELF = "hold_on_shelf"
    HOLD_PICKUP_UNKNOWN = "hold_pickup_unknown"
    TOO_MANY_HOLDS = "too_many_holds"
    HOLD_QUEUE_FULL = "hold_queue_full"

    TIME_UNSURE = "time_unsure"
    TERM_UNKNOWN = "term_unknown"
    ITEM_WAS_MISSING = "item_was_missing"
    ITEM_IN_TRANSIT = "item_in_transit"
    PARTS_BY_EYE = "parts_by_eye"


# A station unsure of the time refuses nothing for time's sake: there these only warn.
TIME_REASONS = frozenset(
    {
        Reason.PATRON_EXPIRED,
        Reason.PATRON_SUSPENDED,
        Reason.OVERDUE_ITEMS,
        Reason.CLOSED_NOW,
        Reason.NOT_YOUR_TURN,
        Reason.RENEWAL_TOO_EARLY,
        Reason.RENEWAL_OVERDUE,
        Reason.RENEWAL_NO_GAIN,
    }
)

# The return that would clear these may lie in a journal that has not arrived: on a list that
# may be old they only warn. A debt or a suspension was decided by the gateway, which waits for
# every journal first, so those stand.
DOUBT_REASONS = frozenset({Reason.OVERDUE_ITEMS})

# Told, never a refusal.
NOTICES = frozenset(
    {
        Reason.TIME_UNSURE,
        Reason.TERM_UNKNOWN,
        Reason.ITEM_WAS_MISSING,
        Reason.ITEM_IN_TRANSIT,
        Reason.PARTS_BY_EYE,
    }
)

# Staff cannot wave these through: without a reader, an item, a day or a loan there is nothing
# to record.
NOT_OVERRIDABLE = frozenset(
    {
        Reason.CARD_UNKNOWN,
        Reason.BARCODE_INVALID,
        Reason.BARCODE_AMBIGUOUS,
        Reason.COVER_BARCODE,
        Reason.ITEM_UNKNOWN,
        Reason.NO_OPEN_DAY,
        Reason.NOT_ON_LOAN,
        Reason.LOAN_OF_OTHER,
        Reason.RENEWAL_NO_GAIN,
        Reason.HOLD_EXISTS,
        Reason.HOLD_PICKUP_UNKNOWN,
    }
)

_ORDER = {reason: place for place, reason in enumerate(Reason)}


def _of_language(texts: Mapping[str, tuple[str, str]]) -> dict[Reason, tuple[str, str]]:
    return {reason: texts[reason.value] for reason in Reason}


TEXTS: Mapping[str, Mapping[Reason, tuple[str, str]]] = {
    "en": _of_language(en.TEXTS),
    "de": _of_language(de.TEXTS),
    "zh": _of_language(zh.TEXTS),
}
_DETAILS = {"en": en.DETAILS, "de": de.DETAILS, "zh": zh.DETAILS}
FALLBACK_LANGUAGE = "en"


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason that applies, with the numbers and names that make its text concrete.

    `mild`: the policy lets it pass with a warning.
    """

    reason: Reason
    values: Mapping[str, Value] = field(default_factory=dict, hash=False)
    mild: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """What the rules do not permit: every reason, in the fixed order, and never none."""

    reasons: tuple[Reason, ...]
    details: Mapping[Reason, Mapping[str, Value]] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Sorted:
    """Findings sorted into what refuses, what only warns and what staff waved through."""

    refused: tuple[Reason, ...]
    warnings: tuple[Reason, ...]
    overridden: tuple[Reason, ...]
    details: Mapping[Reason, Mapping[str, Value]] = field(hash=False)

    def details_of(self, reasons: Iterable[Reason]) -> dict[Reason, Mapping[str, Value]]:
        """Return the numbers and names of these reasons, where there are any."""
        return {reason: self.details[reason] for reason in reasons if self.details[reason]}


@dataclass(frozen=True, slots=True)
class Said:
    """A reason in a reader's language; `detail` names numbers, days or parts, if known."""

    what: str
    next_step: str
    detail: str | None


def in_order(reasons: Iterable[Reason]) -> tuple[Reason, ...]:
    """Return each reason once, in the fixed order."""
    return tuple(sorted(set(reasons), key=_ORDER.__getitem__))


def sort_findings(
    findings: Iterable[Finding], *, sure: bool, stale: bool, override: frozenset[Reason]
) -> Sorted:
    """Sort findings by what a station with this clock and list, and this staff, makes of them.

    `sure`: the clock is trusted. `stale`: facts about this reader may not have arrived.
    """
    found = tuple(findings)
    details = {finding.reason: finding.values for finding in found}
    mild = NOTICES | (TIME_REASONS if not sure else set()) | (DOUBT_REASONS if stale else set())
    serious = {f.reason for f in found if not f.mild and f.reason not in mild}
    waved = serious & override - NOT_OVERRIDABLE
    refused = serious - waved
    warnings = details.keys() - serious
    return Sorted(in_order(refused), in_order(warnings), in_order(waved), details)


def say(reason: Reason, language: str, values: Mapping[str, Value] | None = None) -> Said:
    """Return the reason as a reader of this language is told it; unknown languages: English."""
    known = language if language in TEXTS else FALLBACK_LANGUAGE
    what, next_step = TEXTS[known][reason]
    template = _DETAILS[known].get(reason.value)
    try:
        detail = template.format_map(values or {}) if template is not None else None
    except KeyError:  # a number is not known here: the text stands without it
        detail = None
    return Said(what, next_step, detail)
