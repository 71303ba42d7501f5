"""What a library sets: rules by scope and version, calendars, rotas, barcodes.

Precedence. A rule names a patron category, an item type, an owning member and a site, or leaves
any of them open. For each field on its own, the most specific rule that matches and states it
decides: naming the category weighs more than the item type, that more than the member, and that
more than the site. What no rule states keeps its built-in value. Two rules of the same scope
are an error, so there is never a tie.

Versions. Each has a from-date; the latest one begun applies to new loans. A loan keeps the
version it was made under.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise, product
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from circulation.barcodes import Barcodes
from circulation.calendar import Calendar
from circulation.doc import Doc, PolicyInvalid
from circulation.rota import Rota
from circulation.terms import READER_WIDE, Terms, read_settings, settings_to_doc

ANY = "*"
VERSIONS_MAX = 200
RULES_MAX = 2_000
CASES_KEPT_MAX = 4_096
__all__ = ["ANY", "Category", "Policy", "PolicyInvalid", "Rule", "Terms", "Version"]

Found = TypeVar("Found")
Case = tuple[str, str, str, str]  # a reader's category, an item's type and member, the site


@dataclass(frozen=True, slots=True)
class Category:
    """A kind of reader; `youngest` is the age everybody in it has reached, if known."""

    youngest: int | None = None
    rota_exempt: bool = False

    @classmethod
    def from_doc(cls, doc: Doc) -> "Category":
        """Read {youngest, rota_exempt}."""
        category = cls(
            doc.at("youngest", None).integer_or_none(0, 120),
            doc.at("rota_exempt", False).boolean(),
        )
        doc.close()
        return category

    def to_doc(self) -> dict[str, object]:
        """Return the table this category was read from."""
        youngest = "none" if self.youngest is None else self.youngest
        return {"youngest": youngest, "rota_exempt": self.rota_exempt}


@dataclass(frozen=True, slots=True)
class Scope:
    """Whom and what a rule speaks of; "*" leaves a place open."""

    category: str = ANY
    item_type: str = ANY
    member: str = ANY
    site: str = ANY

    def widened(self) -> Iterator["Scope"]:
        """Return every scope that speaks of this case, the most specific first."""
        places = (
            (place, ANY) for place in (self.category, self.item_type, self.member, self.site)
        )
        return (Scope(*scope) for scope in product(*places))


@dataclass(frozen=True, slots=True)
class Rule:
    """The fields one scope states."""

    scope: Scope
    settings: Mapping[str, Any] = field(hash=False)

    def to_doc(self) -> dict[str, object]:
        """Return the table this rule was read from."""
        return {
            "category": self.scope.category,
            "item_type": self.scope.item_type,
            "member": self.scope.member,
            "site": self.scope.site,
        } | settings_to_doc(self.settings)


@dataclass(frozen=True, slots=True)
class Version:
    """The rules that apply from a date on, each scope once."""

    version: int
    since: dt.date
    rules: tuple[Rule, ...]
    _settings: Mapping[Scope, Mapping[str, Any]] = field(init=False, repr=False, compare=False)
    _known: dict[Case, Terms] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Index the rules by scope: a cluster has thousands, a case matches sixteen at most."""
        by_scope = {rule.scope: rule.settings for rule in self.rules}
        object.__setattr__(self, "_settings", by_scope)

    def terms(self, *, category: str, item_type: str, member: str, site: str) -> Terms:
        """Return what applies to this reader, item and site.

        The answer is kept: one loan asks eight times, and a gateway judges thousands a second.
        """
        case = (category, item_type, member, site)
        known = self._known.get(case)
        if known is None:
            if len(self._known) >= CASES_KEPT_MAX:
                self._known.clear()
            known = self._known[case] = self._stated(Scope(*case))
        return known

    def _stated(self, case: Scope) -> Terms:
        stated: dict[str, Any] = {}
        for scope in case.widened():
            stated = dict(self._settings.get(scope, {})) | stated
        return Terms(**stated)

    def reader_terms(self, *, category: str, site: str) -> Terms:
        """Return what applies to a reader as a whole, whatever the item."""
        return self.terms(category=category, item_type="", member="", site=site)


@dataclass(frozen=True, slots=True)
class Names:
    """The names rules may use, so that a typing mistake is found; empty sites or members: any."""

    categories: Mapping[str, Category] = field(default_factory=dict, hash=False)
    item_types: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Everything a library sets, for all its sites; calendars, rotas and barcodes by site."""

    zone: ZoneInfo
    names: Names = Names()
    versions: tuple[Version, ...]
    calendars: Mapping[str, Calendar] = field(default_factory=dict, hash=False)
    rotas: Mapping[str, Rota] = field(default_factory=dict, hash=False)
    site_barcodes: Mapping[str, Barcodes] = field(default_factory=dict, hash=False)
    grades: Mapping[str, str] = field(default_factory=dict, hash=False)
    reading_rooms: frozenset[str] = frozenset()
    retention_days: int = 90
    _always_open: Calendar = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Make the calendar of a site that has none."""
        object.__setattr__(self, "_always_open", Calendar(zone=self.zone))

    @classmethod
    def from_doc(cls, document: object) -> "Policy":
        """Read a policy from what JSON or TOML gives; raises PolicyInvalid naming the path."""
        doc = Doc(document, "policy")
        zone = _zone(doc.at("zone"))
        names = _names(doc)
        policy = cls(
            zone=zone,
            names=names,
            versions=_versions(doc.at("versions"), names),
            calendars=_by_site(
                doc.at("calendars", {}), names, lambda item: Calendar.from_doc(item, zone)
            ),
            rotas=_by_site(doc.at("rotas", {}), names, Rota.from_doc),
            site_barcodes=_by_site(doc.at("barcodes", {}), names, Barcodes.from_doc),
            grades={name: item.text() for name, item in doc.at("grades", {}).entries().items()},
            reading_rooms=frozenset(doc.at("reading_rooms", []).texts()),
            retention_days=doc.at("retention_days", 90).integer(1, 3_650),
        )
        doc.close()
        _refuse_idle_slots(policy, doc)
        return policy

    def to_doc(self) -> dict[str, object]:
        """Return the document this policy can be read from again, every option written out."""
        return {
            "zone": self.zone.key,
            "categories": {name: kind.to_doc() for name, kind in self.names.categories.items()},
            "item_types": list(self.names.item_types),
            "members": list(self.names.members),
            "sites": list(self.names.sites),
            "versions": [
                {
                    "version": version.version,
                    "from": str(version.since),
                    "rules": [rule.to_doc() for rule in version.rules],
                }
                for version in self.versions
            ],
            "calendars": {site: found.to_doc() for site, found in self.calendars.items()},
            "rotas": {site: found.to_doc() for site, found in self.rotas.items()},
            "barcodes": {site: found.to_doc() for site, found in self.site_barcodes.items()},
            "grades": dict(self.grades),
            "reading_rooms": sorted(self.reading_rooms),
            "retention_days": self.retention_days,
        }

    def version_on(self, day: dt.date) -> Version:
        """Return the version that applies to a new loan on a day; before all, the first."""
        begun = [version for version in self.versions if version.since <= day]
        return begun[-1] if begun else self.versions[0]

    def version_of(self, number: int, day: dt.date) -> Version:
        """Return the version a loan was made under, or the day's if it is no longer kept."""
        kept = (version for version in self.versions if version.version == number)
        return next(kept, self.version_on(day))

    def calendar(self, site: str) -> Calendar:
        """Return a site's calendar, else the one for all, else open at all times."""
        return _for_site(self.calendars, site) or self._always_open

    def rota(self, site: str) -> Rota:
        """Return a site's class rota, else the one for all, else none."""
        return _for_site(self.rotas, site) or Rota()

    def barcodes(self, site: str) -> Barcodes:
        """Return a site's barcode patterns, else those for all, else none."""
        return _for_site(self.site_barcodes, site) or Barcodes()

    def category(self, name: str) -> Category:
        """Return a category; one that the policy does not know has no privileges."""
        return self.names.categories.get(name, Category())

    def grade(self, class_name: str | None) -> str | None:
        """Return the grade of a class, None if nobody said."""
        return self.grades.get(class_name) if class_name else None

    def age_limits(self) -> tuple[int, ...]:
        """Return every age limit that some rule names, lowest first."""
        named = {
            rule.settings["minimum_age"]
            for version in self.versions
            for rule in version.rules
            if "minimum_age" in rule.settings
        }
        return tuple(sorted(named - {0}))


def _for_site(by_site: Mapping[str, Found], site: str) -> Found | None:
    return by_site.get(site, by_site.get(ANY))


def _zone(doc: Doc) -> ZoneInfo:
    name = doc.text()
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, or no name a zone could have
        doc.fail(f"{name!r} is no time zone; write it like Europe/Berlin")


def _names(doc: Doc) -> Names:
    return Names(
        {
            name: Category.from_doc(item)
            for name, item in doc.at("categories", {}).entries().items()
        },
        doc.at("item_types", []).texts(),
        doc.at("members", []).texts(),
        doc.at("sites", []).texts(),
    )


def _versions(doc: Doc, names: Names) -> tuple[Version, ...]:
    items = doc.items()
    if not 1 <= len(items) <= VERSIONS_MAX:
        doc.fail(f"expected 1 to {VERSIONS_MAX} versions, found {len(items)}")
    versions = tuple(_version(item, names) for item in items)
    for place, (earlier, later) in enumerate(pairwise(versions), start=1):
        if later.version <= earlier.version or later.since <= earlier.since:
            items[place].fail("versions must rise in number and in date")
    return versions


def _version(doc: Doc, names: Names) -> Version:
    number = doc.at("version").integer(1, 10**9)
    since = doc.at("from").day()
    items = doc.at("rules", []).items()
    doc.close()
    if len(items) > RULES_MAX:
        doc.fail(f"more than {RULES_MAX} rules")
    rules: dict[Scope, Rule] = {}
    for item in items:
        rule = _rule(item, names)
        if rule.scope in rules:
            item.fail("another rule has the same scope; put both into one")
        rules[rule.scope] = rule
    return Version(number, since, tuple(rules.values()))


def _rule(doc: Doc, names: Names) -> Rule:
    scope = Scope(
        doc.at("category", ANY).choice((ANY, *names.categories)),
        doc.at("item_type", ANY).choice((ANY, *names.item_types)),
        _listed(doc.at("member", ANY), names.members),
        _listed(doc.at("site", ANY), names.sites),
    )
    settings = read_settings(doc)
    doc.close()
    narrow = scope.item_type != ANY or scope.member != ANY
    for name in sorted(READER_WIDE & settings.keys()):
        if narrow:
            doc.fail(f"{name} is about the reader: state it in a rule without item_type, member")
    return Rule(scope, settings)


def _listed(doc: Doc, listed: tuple[str, ...]) -> str:
    return doc.choice((ANY, *listed)) if listed else doc.text()


def _by_site(doc: Doc, names: Names, read: Callable[[Doc], Found]) -> dict[str, Found]:
    found: dict[str, Found] = {}
    for site, item in doc.entries().items():
        if names.sites and site not in (ANY, *names.sites):
            item.fail(f"{site!r} is not one of the sites {', '.join(names.sites)}")
        found[site] = read(item)
    return found


def _refuse_idle_slots(policy: Policy, doc: Doc) -> None:
    """Refuse a slot for a grade that no class has: it would bind nobody and nobody would know."""
    known = set(policy.grades.values())
    slots = (
        (f"{doc.path}.rotas.{site}.slots[{place}].grades", grade)
        for site, rota in policy.rotas.items()
        for place, slot in enumerate(rota.slots)
        for grade in slot.grades
    )
    for path, grade in slots:
        if grade not in known:
            Doc(grade, path).fail(f"no class has the grade {grade!r}; add it under grades")
