"""What happens on the table means: loans, returns, ticks.

The order of a checkout is the whole point (docs/kiosk.md): rules → one transaction → the gates
of the site → "recorded, leave it there" → the tag switched and read back → tick and sound. Only
the tick invites the hand, so a child never lifts a book too early.

The desk has one owner, the engine's thread, and never blocks: a tag is tried once a tick.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from circulation.barcodes import ITEM
from circulation.checkin import Route
from circulation.patrons import BY_CARD, Identity
from circulation.reasons import Reason, Refused
from circulation.wire import kinds
from hardware.indicators import Indicators, Signal
from hardware.ports import Security
from kiosk.identify import Identifier, Thing, uid_notice
from kiosk.ledger import Ledger, Reader, Reading, Recorded, has_loan
from kiosk.recovery import Recovery
from kiosk.session import Session
from kiosk.slip import ON_SLIP
from kiosk.store import Unfinished
from kiosk.switching import Outcome, Switcher, Work
from kiosk.table import CardShown, CodeScanned, Noticed, Table, ThingLifted, ThingPlaced
from kiosk.transitions import VISITS
from kiosk.visit import (
    ActionAsked,
    CardRefused,
    CheckIn,
    CheckOut,
    Command,
    EndVisit,
    Event,
    FinishPressed,
    ItemAskedAgain,
    ItemFinished,
    ItemHeld,
    ItemLifted,
    ItemNoticed,
    ItemPlaced,
    ItemRecorded,
    ItemRefused,
    ItemUnswitched,
    Mode,
    PadCleared,
    PatronIdentified,
    PinWanted,
    PlaySound,
    Renew,
    ReturnChosen,
    State,
    StayPressed,
    Touched,
)

SET_WAIT_MS = 1_500
"""The parts of a set arrive one after another; so long the desk waits for the last."""
CARD_WAITS_MS = 30_000
"""So long a card that could not be looked up counts as shown; later its owner may be gone."""


def _no_slip(ended: EndVisit) -> None:
    """Print nothing: a desk without a printer."""


@dataclass(slots=True)
class Desk:
    """One kiosk's table and the visit at it."""

    session: Session
    ledger: Ledger
    identifier: Identifier
    table: Table
    switcher: Switcher
    lends: bool
    new_session_id: Callable[[], str]
    recovery: Recovery
    print_slip: Callable[[EndVisit], None] = field(default=_no_slip)
    sound: tuple[int, str] = (0, "")
    _noticed: list[Noticed] = field(default_factory=list)
    _deferred: dict[str, tuple[Command, int]] = field(default_factory=dict)
    _visit_id: str = ""
    _identity: Identity = BY_CARD
    _card_waiting: tuple[str, int] | None = None
    _left_uids: set[str] = field(default_factory=set)
    _tag_pairs: set[tuple[str, str]] = field(default_factory=set)
    _indicators: Indicators = field(init=False)

    def __post_init__(self) -> None:
        self._indicators = self.table.devices.indicators()

    def signal(self, signal: Signal, now_ms: int) -> None:
        """Tell by sound and lamp what the screen tells as well."""
        self._indicators.show(signal, now_ms)

    def tick(self, now_ms: int) -> None:
        """Look at every device once, work on the tags, let time pass."""
        self._indicators.tick(now_ms)
        self._noticed += self.table.look(now_ms)
        if self.recovery.is_due(self.table):
            self.recovery.run(self.table, self.switcher)
            self._leave_what_lies()
        if self.recovery.done:
            noticed, self._noticed = self._noticed, []
            for news in noticed:
                self._meet_noticed(news, now_ms)
        self._run_deferred(now_ms)
        for uid in self.table.back:
            self.switcher.placed(uid)
        for key, outcome in self.switcher.tick(self.table.near):
            self._switched(key, outcome, now_ms)
        self._carry_out(self.session.tick(now_ms), now_ms)

    def look_again(self, now_ms: int) -> None:
        """A new list is here: read what nobody knew, and look up the card that waits."""
        for uid, key in self.table.read_again():
            if key in self.session.left_over:
                self._left_uids.add(uid)
            self.tell(ItemLifted(key), now_ms)
        if self._card_waiting is None or not self.ledger.beliefs.knows_patrons:
            return
        (key, since_ms), self._card_waiting = self._card_waiting, None
        lies_there = key in map(self.identifier.card_key_of, self.table.cards)
        if lies_there or now_ms - since_ms < CARD_WAITS_MS:
            self._show_card(key, now_ms)

    def tell(self, event: Event, now_ms: int) -> bool:
        """Give an event to the session and do what it asks; False when it means nothing now."""
        if not self.session.accepts(type(event)):
            return False
        self._carry_out(self.session.receive(event, now_ms), now_ms)
        return True

    def choose_mode(self, mode: str, now_ms: int) -> bool:
        """The reader pressed "return books", or wants back to the first screen."""
        return self.tell(ReturnChosen() if mode == "return" else FinishPressed(), now_ms)

    def ask_action(self, key: str, mode: Mode, now_ms: int) -> bool:
        """A button on one tile or one loan: only a reader's own loans can be worked on."""
        known, patron = self.ledger.beliefs.item(key), self.session.patron
        if known is None or patron is None or not has_loan(known.item, patron.patron_id):
            return False
        return self.tell(ActionAsked(key, mode, known.title.title), now_ms)

    def type_number(self, number: str, now_ms: int) -> bool:
        """A card's number was typed."""
        event, identity = self.identifier.number(number, now_ms)
        return self._meet(event, identity, now_ms)

    def type_pin(self, pin: str, now_ms: int) -> bool:
        """A PIN was typed for the card that waits for it."""
        patron_id, typed = self.session.pin_for, self._identity.typed
        if patron_id is None:
            return False
        event, identity = self.identifier.pin(patron_id, pin, typed=typed, now_ms=now_ms)
        return self._meet(event, identity, now_ms)

    def press(self, name: str, now_ms: int) -> bool:
        """A plain button: finish, stay or touch."""
        event: dict[str, Event] = {
            "finish": FinishPressed(), "stay": StayPressed(), "touch": Touched(),
        }  # fmt: skip
        return self.tell(event[name], now_ms)

    def _meet_noticed(self, noticed: Noticed, now_ms: int) -> None:
        if isinstance(noticed, ThingPlaced):
            self.switcher.placed(noticed.uid)
            if noticed.uid in self._left_uids:
                self._left_uids.discard(noticed.uid)
                self.session.leave(noticed.thing.key)
            self._pair(noticed.uid, noticed.thing)
            self._show(noticed.thing, now_ms, on_pad=True)
        elif isinstance(noticed, ThingLifted):
            self._deferred.pop(noticed.key, None)
            self.tell(ItemLifted(noticed.key), now_ms)
            if noticed.cleared:
                self.tell(PadCleared(), now_ms)
        elif isinstance(noticed, CardShown):
            self._card_shown(noticed.uid, now_ms)
        elif isinstance(noticed, CodeScanned):
            self._code_scanned(noticed.text, now_ms)

    def _leave_what_lies(self) -> None:
        """What lay there before we could see who put it there is nobody's."""
        for noticed in self._noticed:
            if isinstance(noticed, ThingPlaced) and noticed.thing.card is None:
                self.session.leave(noticed.thing.key)
        self.table.end_visit()

    def _card_shown(self, uid: str, now_ms: int) -> None:
        key = self.identifier.card_key_of(uid)
        beliefs, notice = self.ledger.beliefs, uid_notice(uid)
        if notice is not None:
            self.tell(CardRefused(notice), now_ms)
        elif beliefs.card(key) is None and beliefs.by_uid(uid) is not None:
            self.tell(CardRefused("notice_book_not_card"), now_ms)
        else:
            self._show_card(key, now_ms)

    def _show_card(self, key: str, now_ms: int) -> None:
        if not self.lends:
            self.tell(CardRefused("notice_no_lending"), now_ms)
            return
        event, identity = self.identifier.card(key)
        is_early = event == CardRefused("notice_card_lookup")
        self._card_waiting = (key, now_ms) if is_early else None
        patron = self.session.patron
        if isinstance(event, PinWanted) and patron and patron.patron_id == event.patron_id:
            self.tell(Touched(), now_ms)
            return
        self._meet(event, identity, now_ms)

    def _meet(self, event: Event, identity: Identity, now_ms: int) -> bool:
        """A card, a number or a PIN came to this: remember how it was shown, tell the session."""
        if isinstance(event, PatronIdentified | PinWanted):
            self._identity = identity
        return self.tell(event, now_ms)

    def _code_scanned(self, text: str, now_ms: int) -> None:
        expecting = ITEM if self.session.state in VISITS else None
        found = self.identifier.code(text, expecting=expecting)
        if isinstance(found, str):
            self.tell(CardRefused(found), now_ms)
        elif found.card is not None:
            self._show_card(found.card, now_ms)
        elif found.known is None and self.session.state is not State.RETURNING:
            self.tell(CardRefused("notice_unknown_code"), now_ms)
        else:
            self.table.scanned(found)
            self._show(found, now_ms, on_pad=False)

    def _show(self, thing: Thing, now_ms: int, *, on_pad: bool) -> None:
        """Put a thing on the screen, or say why it does not belong there."""
        if thing.card is not None:
            if self.session.state is State.RETURNING:
                self.tell(CardRefused("notice_card_not_book"), now_ms)
            else:
                self._show_card(thing.card, now_ms)
            return
        if thing.known is None and on_pad and not self.identifier.is_ours(thing):
            self.tell(ItemNoticed(thing.key, thing.notice), now_ms)
            return
        if not self.lends and self.session.state in (State.IDLE, State.FAREWELL):
            self.tell(ReturnChosen(), now_ms)
        known = thing.known
        author, shelf = (known.title.author, known.shelf_mark) if known else ("", "")
        self.tell(ItemPlaced(thing.key, thing.title, author, on_pad, shelf), now_ms)

    def _pair(self, uid: str, thing: Thing) -> None:
        """A tag nobody knew lies in an item somebody knows: say so, once a boot."""
        if thing.known is None or uid in thing.known.uids or (uid, thing.key) in self._tag_pairs:
            return
        self._tag_pairs.add((uid, thing.key))
        self.ledger.tag_seen(thing.known, Reading((uid,), thing.barcode, thing.owner))

    def _carry_out(self, commands: list[Command], now_ms: int) -> None:
        for command in commands:
            if isinstance(command, PlaySound):
                self._play(command.kind, now_ms)
            elif isinstance(command, EndVisit):
                self._end(command)
            elif self.table.awaits_parts(command.key):
                self._deferred[command.key] = (command, now_ms + SET_WAIT_MS)
            else:
                self._work(command, now_ms)

    def _run_deferred(self, now_ms: int) -> None:
        for key, (command, due_ms) in list(self._deferred.items()):
            if now_ms >= due_ms or not self.table.awaits_parts(key):
                del self._deferred[key]
                self._work(command, now_ms)

    def _work(self, command: Command, now_ms: int) -> None:
        if isinstance(command, CheckOut):
            self._check_out(command.key, now_ms)
        elif isinstance(command, CheckIn):
            self._check_in(command.key, now_ms)
        elif isinstance(command, Renew):
            self._renew(command.key, now_ms)

    def _check_out(self, key: str, now_ms: int) -> None:
        reader, known = self._reader(), self.ledger.beliefs.item(key)
        if reader is None:
            return
        if known is None:
            self.tell(ItemRefused(key, Refused((Reason.ITEM_UNKNOWN,))), now_ms)
            return
        loan = known.item.loan
        mine = has_loan(known.item, reader.patron_id)
        if loan is not None and mine and loan.session != reader.session:
            self.tell(ItemHeld(key, round(loan.due_at.timestamp() * 1000)), now_ms)
            return
        result = self.ledger.check_out(reader, known, self.table.reading(key))
        self._decided(key, result, Mode.LEND, now_ms)

    def _renew(self, key: str, now_ms: int) -> None:
        reader, known = self._reader(), self.ledger.beliefs.item(key)
        if reader is not None and known is not None:
            self._decided(key, self.ledger.renew(reader, known), Mode.RENEW, now_ms)

    def _check_in(self, key: str, now_ms: int) -> None:
        known = self.ledger.beliefs.item(key)
        self._visit_id = self._visit_id or self.new_session_id()
        result = self.ledger.check_in(known, self.table.reading(key), self._visit_id)
        self._decided(key, result, Mode.RETURN, now_ms)

    def _decided(self, key: str, result: Recorded | Refused, mode: Mode, now_ms: int) -> None:
        if isinstance(result, Refused):
            self.tell(ItemRefused(key, result), now_ms)
            return
        recorded = ItemRecorded(
            key, mode, result.due_at, result.on_site, _notes(result), result.parts_missing
        )
        self.tell(recorded, now_ms)
        if result.wanted is None:
            self._finish(key, result.fact, now_ms)
        else:
            self._switch(key, result, result.wanted, now_ms)

    def _switch(self, key: str, result: Recorded, wanted: Security, now_ms: int) -> None:
        thing, reading = self.table.thing(key), self.table.reading(key)
        known = thing.known if thing else None
        may = frozenset(known.uids if known else ())
        unfinished = Unfinished(
            result.fact,
            kinds.CHECKIN if wanted is Security.IN_STOCK else kinds.CHECKOUT,
            known.item.item_id if known else None,
            thing.title if thing else "",
            reading.uids or tuple(sorted(may)),
            wanted.value,
            result.fact if wanted is Security.ON_LOAN else None,
        )
        if not reading.uids and (not may or result.on_site):
            self._finish(key, result.fact, now_ms)
        elif not self.table.pad_works:
            self._give_up(key, unfinished, now_ms)
        else:
            work = Work(unfinished, wanted, frozenset(reading.uids), may)
            self.switcher.start(key, work)
            if not reading.uids:
                work.asked = 1
                self.tell(ItemAskedAgain(key, "again_scanned"), now_ms)

    def _switched(self, key: str, outcome: Outcome, now_ms: int) -> None:
        if outcome is Outcome.ASK_AGAIN:
            self.tell(ItemAskedAgain(key, "again"), now_ms)
            return
        work = self.switcher.take(key)
        if work is not None and outcome is Outcome.SWITCHED:
            self._finish(key, work.unfinished.fact, now_ms)
        elif work is not None:
            self._give_up(key, work.unfinished, now_ms)

    def _finish(self, key: str, fact: str, now_ms: int) -> None:
        """The commit comes first: from here on the tick counts as shown."""
        self.ledger.store.finish(fact)
        self.tell(ItemFinished(key), now_ms)

    def _give_up(self, key: str, unfinished: Unfinished, now_ms: int) -> None:
        self.ledger.security_not_set(unfinished)
        self.tell(ItemUnswitched(key), now_ms)

    def _end(self, ended: EndVisit) -> None:
        """Settle what is still open: one more try for each tag, then the gates are told."""
        for tile in ended.tiles:
            work = self.switcher.take(tile.key)
            if work is None:
                continue
            if self.switcher.step(work, self.table.near) is Outcome.SWITCHED:
                self.ledger.store.finish(work.unfinished.fact)
            else:
                self.ledger.security_not_set(work.unfinished)
        self._deferred.clear()
        self.table.end_visit()
        self._visit_id = ""
        if any(tile.state in ON_SLIP for tile in ended.tiles):
            self.print_slip(ended)

    def _play(self, kind: str, now_ms: int) -> None:
        self.sound = (self.sound[0] + 1, kind)
        self.signal(Signal.OK if kind == "done" else Signal.REFUSED, now_ms)

    def _reader(self) -> Reader | None:
        patron = self.session.patron
        if patron is None:
            return None
        self._visit_id = self._visit_id or self.new_session_id()
        return Reader(patron.patron_id, self._identity, self._visit_id)


def _notes(result: Recorded) -> tuple[str, ...]:
    """Which short sentences a tile adds."""
    notes = ["note_counts_from"] if result.counted_earlier else []
    if result.route is Route.DESK:
        notes.append("note_to_desk")
    if result.route in (Route.HOME, Route.DEPOSIT, Route.OWNER):
        notes.append("note_route")
    if result.held or result.route is Route.HOLD:
        notes.append("note_hold")
    return tuple(notes)
