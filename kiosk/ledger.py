"""Decides with the library's rules and writes what was decided: the facts of lending.

Each method decides and records in one go; what it returns is durable. The rules are
`circulation`'s, the order of things on the table is `kiosk.desk`'s.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from circulation.calendar import Now
from circulation.checkin import CheckinOutcome, CheckinRequest, Route, decide_checkin
from circulation.checkout import CheckoutRequest, Permitted, decide_checkout
from circulation.items import Item, LoanView
from circulation.patrons import Identity
from circulation.policy import Policy
from circulation.reasons import Reason, Refused
from circulation.renewal import RenewalRequest, decide_renewal
from circulation.wire import kinds
from hardware.ports import Security
from kiosk.beliefs import Beliefs, Known
from kiosk.config import Place
from kiosk.drafting import FactWriter
from kiosk.drop import Drop
from kiosk.store import Draft, News, Store, Unfinished

Announce = Callable[[Draft, News, int], None]


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of one item: its tags on the pad, its label, its parts. None: not looked."""

    uids: tuple[str, ...] = ()
    barcode: str | None = None
    owner: str | None = None
    parts: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class Reader:
    """Whose visit it is, how they showed it, and the visit's own id."""

    patron_id: str
    identity: Identity
    session: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is on the disk now. `wanted`: what the tags shall say; None: as they are."""

    fact: str
    wanted: Security | None
    due_at: int | None = None
    on_site: bool = False
    renewed: bool = False
    warnings: tuple[Reason, ...] = ()
    parts_missing: tuple[int, ...] = ()
    route: Route | None = None
    held: bool = False
    counted_earlier: bool = False


@dataclass(slots=True)
class Ledger:
    """Writes one station's circulation facts.

    `policy` and `stale` are asked at each decision; `announce` tells the site's gates, after the
    commit and before anything else. `drop`: this kiosk is where the book drop is emptied.
    """

    place: Place
    store: Store
    beliefs: Beliefs
    writer: FactWriter
    policy: Callable[[], Policy]
    stale: Callable[[], bool]
    announce: Announce
    drop: Drop | None = None

    def now(self) -> Now:
        """The instant the rules decide at."""
        return Now(self.writer.time.now(), self.writer.time.sure)

    def check_out(self, reader: Reader, known: Known, reading: Reading) -> Recorded | Refused:
        """Lend the item to the reader, or say every reason why not."""
        patron = self.beliefs.patron(reader.patron_id)
        decided = decide_checkout(
            CheckoutRequest(
                patron=patron.patron if patron else None,
                item=known.item,
                open_loans=self._loans(reader.patron_id),
                policy=self.policy(),
                now=self.now(),
                site=self.place.site,
                room=self.place.room,
                parts_read=reading.parts,
                session=reader.session,
                identity=reader.identity,
                stale=self.stale(),
            )
        )
        if isinstance(decided, Refused):
            return decided
        if decided.repeats:
            wanted = Security.IN_STOCK if decided.on_site else Security.ON_LOAN
            return Recorded(
                decided.repeats, wanted, _ms(decided.due_at), decided.on_site, renewed=False
            )
        if decided.renews:
            return self._write_renewal(reader, known, decided)
        return self._write_checkout(reader, known, reading, decided)

    def renew(self, reader: Reader, known: Known) -> Recorded | Refused:
        """Prolong the reader's own loan, or say every reason why not."""
        patron = self.beliefs.patron(reader.patron_id)
        decided = decide_renewal(
            RenewalRequest(
                patron=patron.patron if patron else None,
                item=known.item,
                loan=known.item.loan,
                open_loans=self._loans(reader.patron_id),
                policy=self.policy(),
                now=self.now(),
                site=self.place.site,
                identity=reader.identity,
                stale=self.stale(),
            )
        )
        if isinstance(decided, Refused):
            return decided
        return self._write_renewal(reader, known, decided)

    def check_in(self, known: Known | None, reading: Reading, session: str) -> Recorded:
        """Take the item back: any item, without asking who brings it."""
        policy, now, site = self.policy(), self.now(), self.place.site
        emptied_at = self.drop.emptied_before(now, policy.calendar(site)) if self.drop else None
        outcome = decide_checkin(
            CheckinRequest(
                item=known.item if known else None,
                policy=policy,
                now=now,
                site=site,
                owner=reading.owner or "",
                parts_read=reading.parts,
                from_drop=self.drop is not None,
                drop_emptied_at=emptied_at,
            )
        )
        return self._write_checkin(known, reading, outcome, session)

    def security_not_set(self, unfinished: Unfinished) -> None:
        """Record that the tags could not be switched; the gates hear it where it matters."""
        known = self.beliefs.item(unfinished.item_id) if unfinished.item_id else None
        draft = self.writer.draft(
            kinds.SECURITY_NOT_SET,
            item=unfinished.item_id,
            uids=unfinished.uids,
            wanted=unfinished.wanted,
            loan=unfinished.loan,
            saw=_saw(known),
        )
        news = None
        if unfinished.wanted == Security.IN_STOCK.value:
            news = News(
                "off_unsecured", unfinished.item_id, _all_uids(known, unfinished.uids),
                saw=_saw(known), barcode=_label(known),
            )  # fmt: skip
            if known and known.item.loan and known.patron_id:
                news = self._still_lent(known, unfinished.uids)
        row = self.store.record(draft, news=news, finishes=(unfinished.fact,))
        if news is not None:
            self.announce(draft, news, row.seq)

    def undo(self, unfinished: Unfinished) -> None:
        """Take back a loan nobody was told of whose book still lies here."""
        known = self.beliefs.item(unfinished.item_id) if unfinished.item_id else None
        uids = _all_uids(known, unfinished.uids)
        draft = self.writer.draft(
            kinds.NOT_SHOWN,
            item=unfinished.item_id,
            uids=unfinished.uids,
            loan=unfinished.loan or unfinished.fact,
            saw=_saw(known) or (unfinished.fact,),
        )
        saw = _saw(known) or (unfinished.fact,)
        news = News("off", unfinished.item_id, uids, saw=saw, barcode=_label(known))
        again = Unfinished(
            draft.id, kinds.NOT_SHOWN, unfinished.item_id, unfinished.title, unfinished.uids,
            Security.IN_STOCK.value,
        )  # fmt: skip
        row = self.store.record(draft, news=news, unfinished=again, finishes=(unfinished.fact,))
        self.announce(draft, news, row.seq)

    def tag_seen(self, known: Known, reading: Reading) -> None:
        """Tell the gateway which tag lies in which item, when both were read together."""
        draft = self.writer.draft(
            kinds.TAG_SEEN,
            item=known.item.item_id,
            uids=reading.uids,
            barcode=reading.barcode,
            owner=reading.owner or None,
        )
        self.store.record(draft)

    def _loans(self, patron_id: str) -> tuple[LoanView, ...]:
        loans = (known.item.loan for known in self.beliefs.open_loans(patron_id))
        return tuple(loan for loan in loans if loan is not None)

    def _write_checkout(
        self, reader: Reader, known: Known, reading: Reading, decided: Permitted
    ) -> Recorded:
        patron = self.beliefs.patron(reader.patron_id)
        due_at = _ms(decided.due_at)
        draft = self.writer.draft(
            kinds.CHECKOUT,
            patron=reader.patron_id,
            item=known.item.item_id,
            uids=reading.uids,
            barcode=reading.barcode or known.item.barcode or None,
            owner=reading.owner or None,
            due_at=due_at,
            reach=decided.reach,
            policy=decided.policy_version,
            overridden=tuple(reason.value for reason in decided.overridden) or None,
            category=patron.patron.category if patron else None,
            saw=_saw(known),
            session=reader.session,
            parts_read=_ordinals(reading.parts),
            parts_total=known.item.parts_total if known.item.parts_total > 1 else None,
            **({"class": patron.patron.class_name} if patron else {}),
        )
        wanted = Security.IN_STOCK if decided.on_site else Security.ON_LOAN
        news = News(
            "on", known.item.item_id, _all_uids(known, reading.uids), decided.reach, _saw(known),
            reader.patron_id, draft.id, due_at, int(draft.fields["wall"]), decided.on_site, 0,
            decided.policy_version, reader.session, _label(known, reading),
        )  # fmt: skip
        self._commit(draft, news, known, reading, wanted)
        return Recorded(draft.id, wanted, due_at, decided.on_site, warnings=decided.warnings)

    def _write_renewal(self, reader: Reader, known: Known, decided: Permitted) -> Recorded:
        loan = known.item.loan
        assert loan is not None
        due_at = _ms(decided.due_at)
        draft = self.writer.draft(
            kinds.RENEWAL,
            patron=reader.patron_id,
            item=known.item.item_id,
            loan=loan.loan,
            due_at=due_at,
            reach=decided.reach,
            policy=decided.policy_version,
            saw=_saw(known),
            session=reader.session,
        )
        news = News(
            "on", known.item.item_id, known.uids, decided.reach, _saw(known), reader.patron_id,
            loan.loan, due_at, _ms(loan.checked_out_at), loan.on_site, loan.renewals + 1,
            decided.policy_version, reader.session, _label(known),
        )  # fmt: skip
        row = self.store.record(draft, news=news)
        self.announce(draft, news, row.seq)
        return Recorded(draft.id, None, due_at, renewed=True, warnings=decided.warnings)

    def _write_checkin(
        self, known: Known | None, reading: Reading, outcome: CheckinOutcome, session: str
    ) -> Recorded:
        item = known.item if known else None
        late_count = outcome.counts_from < self.writer.time.now() - dt.timedelta(minutes=1)
        draft = self.writer.draft(
            kinds.USED_IN_HOUSE if outcome.used_in_house else kinds.CHECKIN,
            item=item.item_id if item else None,
            uids=reading.uids,
            barcode=reading.barcode or (item.barcode if item else None) or None,
            owner=reading.owner or None,
            loan=outcome.loan.loan if outcome.loan else None,
            saw=_saw(known),
            session=session,
            place=outcome.route_to or None,
            parts_read=_ordinals(reading.parts),
            parts_total=item.parts_total if item and item.parts_total > 1 else None,
            counts_from=_ms(outcome.counts_from) if late_count else None,
        )
        uids = _all_uids(known, reading.uids)
        news = News(
            "off", item.item_id if item else None, uids, saw=_saw(known),
            barcode=_label(known, reading),
        )  # fmt: skip
        self._commit(draft, news, known, reading, Security.IN_STOCK)
        return Recorded(
            draft.id,
            Security.IN_STOCK,
            warnings=outcome.warnings,
            parts_missing=outcome.parts_missing,
            route=outcome.route,
            held=bool(item and item.held_for),
            counted_earlier=late_count,
        )

    def _commit(
        self, draft: Draft, news: News, known: Known | None, reading: Reading, wanted: Security
    ) -> None:
        unfinished = Unfinished(
            draft.id, str(draft.fields["kind"]), news.item_id,
            known.title.title if known else (reading.barcode or ""),
            reading.uids, wanted.value, news.loan,
        )  # fmt: skip
        row = self.store.record(draft, news=news, unfinished=unfinished)
        self.announce(draft, news, row.seq)

    def _still_lent(self, known: Known, uids: tuple[str, ...]) -> News:
        """An on-site loan whose tag would open the street door: it stays lent, and unsecured.

        It goes as far as it may, whatever its tag says: `reach` says how far.
        """
        loan = known.item.loan
        assert loan is not None
        return News(
            "off_unsecured", known.item.item_id, _all_uids(known, uids), loan.reach, _saw(known),
            known.patron_id, loan.loan, _ms(loan.due_at), _ms(loan.checked_out_at), loan.on_site,
            loan.renewals, loan.policy_version, loan.session, _label(known),
        )  # fmt: skip


def _saw(known: Known | None) -> tuple[str, ...]:
    return (known.newest,) if known and known.newest else ()


def _all_uids(known: Known | None, read: tuple[str, ...]) -> tuple[str, ...]:
    """The tags the gates may see: those the catalogue names and those read just now."""
    return tuple(dict.fromkeys((*(known.uids if known else ()), *read)))


def _label(known: Known | None, reading: Reading | None = None) -> str | None:
    """What the item's tag calls it, for gates that meet a tag whose UID nobody knows."""
    return (known.item.barcode if known else "") or (reading.barcode if reading else None) or None


def _ordinals(parts: frozenset[int] | None) -> tuple[int, ...] | None:
    return tuple(sorted(parts)) if parts is not None else None


def _ms(at: dt.datetime) -> int:
    return round(at.timestamp() * 1000)


def has_loan(item: Item, patron_id: str) -> bool:
    """Whether this very reader already has the item."""
    return item.loan is not None and item.loan.patron == patron_id
