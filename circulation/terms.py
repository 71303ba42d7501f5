"""What a rule may set: each field once, with its bounds and what holds if nobody sets it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

from circulation.doc import Doc
from circulation.due import USUAL_LENGTH, Length

COUNT_MAX = 10_000
CENTS_MAX = 100_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """What a late return costs, per day: money or a pause, never both; as built, neither."""

    fee_per_day_cents: int = 0
    max_fee_cents: int | None = None
    suspension_days_per_day: int = 0
    max_suspension_days: int = 90
    closed_days_count: bool = False

    @classmethod
    def from_doc(cls, doc: Doc) -> "Late":
        """Read fee_per_day_cents or suspension_days_per_day, their caps, closed_days_count."""
        late = cls(
            fee_per_day_cents=doc.at("fee_per_day_cents", 0).integer(0, CENTS_MAX),
            max_fee_cents=doc.at("max_fee_cents", None).integer_or_none(0, CENTS_MAX),
            suspension_days_per_day=doc.at("suspension_days_per_day", 0).integer(0, 30),
            max_suspension_days=doc.at("max_suspension_days", 90).integer(1, 730),
            closed_days_count=doc.at("closed_days_count", False).boolean(),
        )
        doc.close()
        if late.fee_per_day_cents and late.suspension_days_per_day:
            doc.fail("name a fee or a suspension, not both")
        return late

    def to_doc(self) -> dict[str, object]:
        """Return the table this was read from, every option written out."""
        doc: dict[str, object] = {
            "fee_per_day_cents": self.fee_per_day_cents,
            "suspension_days_per_day": self.suspension_days_per_day,
            "max_suspension_days": self.max_suspension_days,
            "closed_days_count": self.closed_days_count,
        }
        return doc if self.max_fee_cents is None else doc | {"max_fee_cents": self.max_fee_cents}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What applies to one reader, item and site; the defaults hold if no rule says otherwise.

    A limit of None is no limit. `reach`: 0 stays in the room, 1 leaves it, 2 leaves the
    building but not the street door, 3 leaves.
    """

    may_borrow: bool = True
    loan: Length = USUAL_LENGTH
    not_beyond_term: bool = False
    not_beyond_expiry: bool = False
    max_loans: int | None = 10
    max_of_type: int | None = None
    on_site_loans: bool = True
    max_on_site: int | None = 5
    reach: int = 3
    on_site_reach: int = 0
    minimum_age: int = 0
    parts_complete: bool = True
    take_over: bool = True
    renewals: int = 2
    renewal: Length | None = None
    renew_days_before_due: int | None = None
    renew_overdue: bool = True
    renew_when_wanted: bool = False
    recall_notice_days: int = 7
    pin_needed: bool = False
    max_debt_cents: int | None = None
    max_overdue: int | None = None
    grace_days: int = 0
    late: Late = Late()
    lost_price_percent: int = 100
    holds: bool = True
    max_holds: int | None = 5
    max_hold_queue: int | None = 50
    holds_on_shelf: bool = True
    hold_shelf_days: int = 7
    count_in_house: bool = True


def _limit(doc: Doc) -> int | None:
    return doc.integer_or_none(0, COUNT_MAX)


def _cents(doc: Doc) -> int | None:
    return doc.integer_or_none(0, CENTS_MAX)


def _within(minimum: int, maximum: int) -> Callable[[Doc], int]:
    return lambda doc: doc.integer(minimum, maximum)


READERS: Mapping[str, Callable[[Doc], object]] = {
    "may_borrow": Doc.boolean,
    "loan": Length.from_doc,
    "not_beyond_term": Doc.boolean,
    "not_beyond_expiry": Doc.boolean,
    "max_loans": _limit,
    "max_of_type": _limit,
    "on_site_loans": Doc.boolean,
    "max_on_site": _limit,
    "reach": _within(1, 3),
    "on_site_reach": _within(0, 2),
    "minimum_age": _within(0, 120),
    "parts_complete": Doc.boolean,
    "take_over": Doc.boolean,
    "renewals": _within(0, 1_000),
    "renewal": Length.from_doc,
    "renew_days_before_due": lambda doc: doc.integer_or_none(0, 730),
    "renew_overdue": Doc.boolean,
    "renew_when_wanted": Doc.boolean,
    "recall_notice_days": _within(0, 90),
    "pin_needed": Doc.boolean,
    "max_debt_cents": _cents,
    "max_overdue": _limit,
    "grace_days": _within(0, 365),
    "late": Late.from_doc,
    "lost_price_percent": _within(0, 1_000),
    "holds": Doc.boolean,
    "max_holds": _limit,
    "max_hold_queue": _limit,
    "holds_on_shelf": Doc.boolean,
    "hold_shelf_days": _within(1, 90),
    "count_in_house": Doc.boolean,
}

# About a reader as a whole: a rule for one item type or one owning member cannot set these.
READER_WIDE = frozenset(
    {"max_loans", "max_on_site", "pin_needed", "max_debt_cents", "max_overdue", "max_holds"}
)
NAMES = tuple(field.name for field in fields(Terms))


def read_settings(doc: Doc) -> dict[str, object]:
    """Return the fields a rule states; the caller closes the table."""
    return {name: READERS[name](doc.at(name)) for name in NAMES if doc.has(name)}


def settings_to_doc(settings: Mapping[str, object]) -> dict[str, object]:
    """Return the table these fields were read from; no limit is written "none"."""
    return {name: _value_to_doc(value) for name, value in settings.items()}


def _value_to_doc(value: object) -> object:
    if isinstance(value, Length | Late):
        return value.to_doc()
    return "none" if value is None else value
