"""What a tag, a label or a card is: an item of ours, a reader's card, or neither."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from circulation.barcodes import ITEM, PATRON, Match, NoMatch
from circulation.case import Case
from circulation.patrons import CardStatus, Identity, Pin, card_key
from circulation.policy import Policy
from circulation.reasons import Reason
from hardware.chips.iso14443a import is_random_uid
from hardware.chips.tag_data import is_owner
from hardware.errors import HardwareError, TagLost
from hardware.ports import TagContent, TagReader
from kiosk.beliefs import Beliefs, Known, KnownPatron
from kiosk.ledger import Ledger
from kiosk.visit import CardRefused, Event, PatronIdentified, PinRefused, PinWanted

PIN_TRIES = 3
PIN_PAUSE_MS = 10 * 60_000
CASCADE_TAG = "88"
"""Four bytes that begin so are the first half of a longer UID (ISO/IEC 14443-3, 6.5.3): some
readers stop there, and different tags then look the same."""


@dataclass(frozen=True, slots=True)
class Thing:
    """What lies there. `key` is one per item, so that the parts of a set share it."""

    key: str
    known: Known | None = None
    content: TagContent | None = None
    barcode: str | None = None
    owner: str = ""
    card: str | None = None
    notice: str = "notice_unknown_tag"

    @property
    def title(self) -> str:
        """What the tile says."""
        return self.known.title.title if self.known else (self.barcode or "")


@dataclass(slots=True)
class Identifier:
    """Looks things up in what the kiosk believes; knows nothing of the visit."""

    beliefs: Beliefs
    ledger: Ledger
    policy: Callable[[], Policy]
    site: str
    card_key: bytes
    owners: tuple[str, ...]
    _failed: dict[str, tuple[int, int]] = field(default_factory=dict)

    def tag(self, reader: TagReader, uid: str) -> Thing:
        """What a tag on the pad belongs to; raises TagLost when it is gone already."""
        content = self._content(reader, uid)
        notice = uid_notice(uid)
        known = self.beliefs.by_uid(uid) if notice is None else None
        owner = self._isil(content.owner) if content else ""
        if known is None and content is not None and content.pii and self._may_be_ours(owner):
            known = self.beliefs.by_barcode(content.pii)
        if known is not None:
            return Thing(known.item.item_id, known, content, content and content.pii, owner)
        key = card_key(self.card_key, uid)
        if notice is None and self.beliefs.card(key) is not None:
            return Thing(f"card:{uid}", card=key)
        barcode = content.pii if content else None
        strange = notice or "notice_unknown_tag"
        return Thing(f"tag:{uid}", None, content, barcode, owner, notice=strange)

    def code(self, text: str, *, expecting: str | None) -> Thing | str:
        """What a scanned label is, or the name of the notice to show."""
        found = self.policy().barcodes(self.site).identify(
            text, expecting=expecting, known=self._exists
        )  # fmt: skip
        if isinstance(found, NoMatch):
            return _CODE_NOTICES.get(found.reasons[0], "notice_unknown_code")
        return self._match(found)

    def is_ours(self, thing: Thing) -> bool:
        """Whether a thing that is not in the catalogue still says that it is one of ours."""
        return bool(thing.barcode) and thing.owner in self._members()

    def card(self, key: str, *, typed: bool = False) -> tuple[Event, Identity]:
        """What showing this card means."""
        found = self.beliefs.card(key)
        patron = self.beliefs.patron(found.patron_id) if found else None
        identity = Identity(card=found.status if found else CardStatus.ACTIVE, typed=typed)
        if found is None or patron is None:
            missing = not self.beliefs.knows_patrons
            notice = "notice_card_lookup" if missing else "notice_unknown_card"
            return CardRefused(notice), identity
        if found.status is not CardStatus.ACTIVE:
            return CardRefused(f"notice_card_{found.status.value}"), identity
        if self._pin_needed(patron) or typed:
            return self._ask_pin(patron), identity
        return identified(patron), identity

    def number(self, text: str, now_ms: int) -> tuple[Event, Identity]:
        """What typing a card's number means; a number is no card in the hand."""
        event, identity = self.card(card_key(self.card_key, text), typed=True)
        if isinstance(event, PinWanted) and self._pin_locked(event.patron_id, now_ms):
            return CardRefused("notice_pin_locked"), identity
        return event, identity

    def pin(self, patron_id: str, pin: str, *, typed: bool, now_ms: int) -> tuple[Event, Identity]:
        """What typing this PIN means; three wrong ones pause the card for ten minutes."""
        patron = self.beliefs.patron(patron_id)
        wrong = Identity(typed=typed, pin=Pin.WRONG)
        if patron is None or self._pin_locked(patron_id, now_ms):
            return CardRefused("notice_pin_locked"), wrong
        if _pin_fits(patron.pin_hash, pin):
            self._failed.pop(patron_id, None)
            return identified(patron), Identity(typed=typed, pin=Pin.RIGHT)
        tries = self._failed.get(patron_id, (0, 0))[0] + 1
        self._failed[patron_id] = (tries, now_ms)
        if tries >= PIN_TRIES:
            return CardRefused("notice_pin_locked"), wrong
        return PinRefused(PIN_TRIES - tries), wrong

    def card_key_of(self, text: str) -> str:
        """The keyed hash under which a card's number or UID is known."""
        return card_key(self.card_key, text)

    def _may_be_ours(self, owner: str) -> bool:
        """Whether a tag's number can be one of ours: another library has the same numbers."""
        members = self._members()
        return not owner or not members or owner in members

    def _members(self) -> tuple[str, ...]:
        return (*self.owners, *self.policy().names.members)

    def _isil(self, code: str) -> str:
        """The member a tag names; tags carry the ISIL without its hyphen."""
        return next((isil for isil in self._members() if is_owner(code, isil)), code)

    def _pin_locked(self, patron_id: str, now_ms: int) -> bool:
        tries, at_ms = self._failed.get(patron_id, (0, 0))
        if tries >= PIN_TRIES and now_ms - at_ms >= PIN_PAUSE_MS:
            del self._failed[patron_id]
            return False
        return tries >= PIN_TRIES

    def _pin_needed(self, known: KnownPatron) -> bool:
        case = Case(self.policy(), self.site, self.ledger.now(), known.patron, None)
        return case.reader_terms.pin_needed

    def _ask_pin(self, known: KnownPatron) -> Event:
        if not known.pin_hash:
            return CardRefused("notice_no_pin")
        return PinWanted(known.patron.patron_id)

    def _content(self, reader: TagReader, uid: str) -> TagContent | None:
        try:
            return reader.read_content(uid)
        except TagLost:
            raise
        except HardwareError:
            return None  # its UID alone may be known

    def _exists(self, kind: str, barcode: str) -> bool:
        if kind == PATRON:
            return self.beliefs.card(self.card_key_of(barcode)) is not None
        return self.beliefs.by_barcode(barcode) is not None

    def _match(self, found: Match) -> Thing:
        if found.kind == PATRON:
            key = self.card_key_of(found.barcode)
            return Thing(f"card:{key}", barcode=found.barcode, card=key)
        known = self.beliefs.by_barcode(found.barcode)
        key = known.item.item_id if known else f"code:{found.barcode}"
        return Thing(key, known, None, found.barcode)


_CODE_NOTICES = {
    Reason.COVER_BARCODE: "notice_cover_code",
    Reason.BARCODE_INVALID: "notice_bad_code",
    Reason.BARCODE_AMBIGUOUS: "notice_unknown_code",
}
EXPECT_ITEM = ITEM


def identified(known: KnownPatron) -> PatronIdentified:
    """The event of a reader whose card, and PIN if need be, was right."""
    return PatronIdentified(known.patron.patron_id, known.patron.short_name)


def uid_notice(uid: str) -> str | None:
    """The notice of a UID that names nobody, though a list may hold it; None for a lasting one.

    A random one is another each time, half of one is that of many tags.
    """
    if is_random_uid(uid):
        return "notice_phone_card"
    if len(uid) == 8 and uid.startswith(CASCADE_TAG):
        return "notice_half_number"
    return None


def _pin_fits(pin_hash: str | None, pin: str) -> bool:
    if not pin_hash:
        return False
    try:
        return PasswordHasher().verify(pin_hash, pin)
    except (Argon2Error, InvalidHashError):
        return False
