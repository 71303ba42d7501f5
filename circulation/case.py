"""A reader, an item, a site and a moment: which terms apply, and what the rules permit."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from circulation.calendar import Calendar, Now
from circulation.due import Due, Length, due_at
from circulation.items import Item
from circulation.patrons import Patron
from circulation.policy import Policy, Version
from circulation.reasons import Reason, Value
from circulation.terms import Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Permitted:
    """What the rules permit, to be written into the fact.

    `warnings` are told, `overridden` were waved through by staff. `renews`: the loan this
    prolongs; `repeats`: the loan that this session made already; `ends`: another reader's loan
    that ends here, an implicit return.
    """

    due_at: dt.datetime
    reach: int
    on_site: bool
    policy_version: int
    warnings: tuple[Reason, ...] = ()
    overridden: tuple[Reason, ...] = ()
    renews: str | None = None
    repeats: str | None = None
    ends: str | None = None
    details: Mapping[Reason, Mapping[str, Value]] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Case:
    """Who and what a decision is about; nobody and nothing match only open rules.

    calendar: the site's. today: the library's day. version: in force today, or the running
    loan's own. terms: for this reader and item. reader_terms: for this reader as a whole.
    """

    policy: Policy
    site: str
    now: Now
    patron: Patron | None
    item: Item | None
    policy_version: int | None = None

    calendar: Calendar = field(init=False, repr=False, compare=False)
    today: dt.date = field(init=False, repr=False, compare=False)
    version: Version = field(init=False, repr=False, compare=False)
    terms: Terms = field(init=False, repr=False, compare=False)
    reader_terms: Terms = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Look everything up once: a decision asks for each of these a dozen times."""
        calendar = self.policy.calendar(self.site)
        today = calendar.local(self.now.at)[0]
        version = self._version(today)
        category = self.patron.category if self.patron else ""
        found = {
            "calendar": calendar,
            "today": today,
            "version": version,
            "terms": version.terms(
                category=category,
                item_type=self.item.item_type if self.item else "",
                member=self.item.owner if self.item else "",
                site=self.site,
            ),
            "reader_terms": version.reader_terms(category=category, site=self.site),
        }
        for name, value in found.items():
            object.__setattr__(self, name, value)

    def _version(self, today: dt.date) -> Version:
        """Return the version in force today, or the running loan's own."""
        if self.policy_version is None:
            return self.policy.version_on(today)
        return self.policy.version_of(self.policy_version, today)

    def due(self, length: Length) -> Due:
        """Return when a loan of this length is due, capped as the terms say."""
        return due_at(length, self.now, self.calendar, not_after=self._not_after())

    def _not_after(self) -> dt.date | None:
        terms, today, caps = self.terms, self.today, []
        term = self.calendar.term_from(today) if terms.not_beyond_term else None
        if term is not None:
            caps.append(term.last)
        expires_on = self.patron.expires_on if self.patron else None
        if terms.not_beyond_expiry and expires_on is not None and expires_on >= today:
            caps.append(expires_on)
        return min(caps, default=None)
