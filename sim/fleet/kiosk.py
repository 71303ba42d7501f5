"""A kiosk of a fleet: the real engine's store, ledger, lists, uplink and recovery, on a card.

Left out are screen, session and devices: people's acts go straight to the ledger, in the order
in which `kiosk.desk` does things: rules, one commit, the word to the gates, the tag, the tick.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from circulation.config import Section
from circulation.errors import JournalError
from circulation.journal import SqliteJournal
from circulation.link import LinkEvent
from circulation.patrons import BY_CARD
from circulation.reasons import Refused
from circulation.wire import kinds
from circulation.wire.messages import Telemetry
from hardware.ports import Security
from kiosk.app import KEEPALIVE_S, Chance, build_engine
from kiosk.beliefs import Known
from kiosk.board import Board
from kiosk.config import read_kiosk_config
from kiosk.devices import KioskDevices
from kiosk.engine import Engine
from kiosk.fetching import SnapshotReady
from kiosk.ledger import Reader, Reading, Recorded, has_loan
from kiosk.recovery import Recovery
from kiosk.site import ANSWER_EVERY_MS
from kiosk.snapshot import KINDS
from kiosk.store import Unfinished
from sim.fleet.library import CARD_KEY, LIBRARY, OWNER, SITE_KEY, Book
from sim.fleet.station import Station
from sim.house import lists

if TYPE_CHECKING:
    from kiosk.ledger import Ledger
    from kiosk.switching import Work
    from sim.fleet.library import Book as _Book  # noqa: F401

VISIT_MS = 120_000
FETCH_MS = 300
REMEMBER_MS = 600_000


@dataclass(slots=True)
class _Pad:
    """What recovery asks of a table: which tags lie there."""

    present: dict[str, bool]


@dataclass(slots=True)
class _Hands:
    """What recovery asks of a switcher: to begin with these tags."""

    begun: list[Work] = field(default_factory=list)

    def start(self, _key: str, work: Work) -> None:
        """Begin to switch."""
        self.begun.append(work)


class FleetKiosk(Station):
    """One kiosk. What people do here returns nothing: what came of it is among the events."""

    keepalive_s = KEEPALIVE_S
    tag_stays = False
    _engine: Engine

    def boot(self) -> None:
        """Build the engine on the card's files, as `kiosk.app` does."""
        fleet = self.fleet
        settings = {
            "library": LIBRARY, "site": self.site, "station": self.name,
            "gateway_url": "http://fleet", "site_key": SITE_KEY, "card_key": CARD_KEY,
            "owners": [OWNER], "broker": {}, "store": {"path": str(self.card.database)},
        }  # fmt: skip
        config = read_kiosk_config(Section(settings, file=self.name))
        chance = Chance(self.chance.randbytes, self.chance.randrange)
        serve = fleet.server_for(self)
        self._engine = engine = build_engine(
            config, KioskDevices(), clock=self.clock, board=Board(), chance=chance,
            open_connection=lists.connector(serve),
        )  # fmt: skip
        uplink = engine.uplink
        uplink.telemetry = self._feelings
        self.link = self._make_link(uplink.will(), uplink.filters())
        uplink.link = self.link
        self._visit = ("", "", 0)
        self._remembered_ms = self.clock.now_ms()
        self._is_fetching = False

    def _after_boot(self) -> None:
        store = self._engine.store
        store.connection = self._tap  # type: ignore[assignment]
        try:
            self._recover()
        except JournalError:
            return

    def shut(self) -> None:
        """Close every file."""
        self._engine.lists.close()
        self._engine.store.close()

    @property
    def journal(self) -> SqliteJournal:
        """The journal of the running program."""
        return self._engine.store.journal

    @property
    def engine(self) -> Engine:
        """The running program."""
        return self._engine

    def handle(self, came: list[LinkEvent]) -> None:
        """Give the uplink what the link brought; a full disk stops no kiosk."""
        engine = self._engine
        now_ms = engine.time.mono_ms
        for event in came:
            try:
                engine.uplink.handle(event, now_ms)
            except JournalError:
                continue  # as the engine does: lending stops, no more
        self._end_turn()
        if engine.uplink.site.is_asked:
            self.fleet.timeline.after(ANSWER_EVERY_MS, partial(self._answer, self._run))
        self._want_lists()

    def _end_turn(self) -> None:
        with contextlib.suppress(JournalError):
            self._engine.uplink.turn_over(self._engine.time.mono_ms)

    def _answer(self, run: int) -> None:
        """Answer whoever asked soon after another: the next tick may be long after."""
        if run == self._run and self.powered:
            self.run(self._end_turn)

    def work(self) -> None:
        """Let the uplink's time pass."""
        engine = self._engine
        now_ms = engine.time.mono_ms
        try:
            engine.uplink.tick(now_ms)
            if self.clock.now_ms() - self._remembered_ms >= REMEMBER_MS:
                self._remembered_ms = self.clock.now_ms()
                engine.store.remember("latest_wall", str(engine.time.wall_ms()))
        except JournalError:
            pass  # as the engine does: it goes on, and lending stops
        self._want_lists()

    # ------------------------------------------------------------------ what people do

    def lend(self, patron: str, book: Book) -> None:
        """A reader lays a book on the pad."""
        self._act("lend", book, lambda: self._lend(patron, book))

    def renew(self, patron: str, book: Book) -> None:
        """A reader presses "renew"."""
        self._act("renew", book, lambda: self._renew(patron, book))

    def take_back(self, book: Book) -> None:
        """Somebody brings a book back."""
        self._act("return", book, lambda: self._take_back(book))

    def use_in_house(self, book: Book) -> None:
        """Staff scan a book from the trolley."""
        self._act("use_in_house", book, lambda: self._use_in_house(book))

    def _act(self, act: str, book: Book, do: Any) -> None:
        if not self.powered:
            self.fleet.note(self.label, "skipped", act, book.name, "no power")
            return
        self._doing: tuple[str, Book, str] = (act, book, "")
        if self.run(lambda: self._guarded(act, book, do)):
            self.tick_now()
        else:
            self._interrupted(act, book)

    def _guarded(self, act: str, book: Book, do: Any) -> None:
        try:
            do()
        except JournalError:
            self.fleet.note(self.label, "refused", act, book.name, "disk_full")
        if self.is_old_version:
            self.write_as_old_version()
        self.appended()

    def _lend(self, patron: str, book: Book) -> None:
        known = self._known(book)
        if known is None:
            self.fleet.note(self.label, "refused", "lend", book.name, "item_unknown")
            return
        reader = Reader(patron, BY_CARD, self._session(patron))
        loan = known.item.loan
        if loan is not None and has_loan(known.item, patron) and loan.session != reader.session:
            self.fleet.note(self.label, "refused", "lend", book.name, "held")
            return
        result = self._engine.desk.ledger.check_out(reader, known, self._reading(book))
        if isinstance(result, Refused):
            self._say_refused("lend", book, result)
            return
        self._doing = ("lend", book, patron)
        self._finish(book, result)
        book.holder, book.is_told = patron, True
        what = "renewed" if result.renewed else "lent"
        self.fleet.note(self.label, what, patron, book.name, result.fact)

    def _renew(self, patron: str, book: Book) -> None:
        known = self._known(book)
        if known is None or known.item.loan is None or not has_loan(known.item, patron):
            self.fleet.note(self.label, "refused", "renew", book.name, "not_on_loan")
            return
        reader = Reader(patron, BY_CARD, self._session(patron))
        result = self._engine.desk.ledger.renew(reader, known)
        if isinstance(result, Refused):
            self._say_refused("renew", book, result)
        else:
            self.fleet.note(self.label, "renewed", patron, book.name, result.fact)

    def _take_back(self, book: Book) -> None:
        known = self._known(book)
        ledger = self._engine.desk.ledger
        result = ledger.check_in(known, self._reading(book), self.chance.randbytes(4).hex())
        self._doing = ("return", book, "")
        self._finish(book, result)
        book.holder, book.is_told = "", False
        self.fleet.note(self.label, "returned", book.name, result.fact)

    def _use_in_house(self, book: Book) -> None:
        """Write what a desk with a scanner writes; the kiosk's own screen has no such button."""
        known = self._known(book)
        if known is None:
            self.fleet.note(self.label, "refused", "use_in_house", book.name, "item_unknown")
            return
        writer = self._engine.uplink.writer
        saw = (known.newest,) if known.newest else ()
        draft = writer.draft(
            kinds.USED_IN_HOUSE, item=known.item.item_id, uids=(book.uid,), saw=saw,
        )  # fmt: skip
        self._engine.store.record(draft)
        self.fleet.note(self.label, "used_in_house", book.name, draft.id)

    # --------------------------------------------------------------------- in detail

    def _known(self, book: Book) -> Known | None:
        beliefs = self._engine.lists.beliefs
        return beliefs.by_uid(book.uid) or beliefs.by_barcode(book.barcode)

    def _reading(self, book: Book) -> Reading:
        return Reading((book.uid,), book.barcode, OWNER)

    def _session(self, patron: str) -> str:
        """Return the visit's id: the same while the reader goes on, a new one after a pause."""
        now_ms = self.fleet.timeline.now_ms
        who, session, until_ms = self._visit
        if who != patron or now_ms >= until_ms:
            session = self.chance.randbytes(4).hex()
        self._visit = (patron, session, now_ms + VISIT_MS)
        return session

    def _say_refused(self, act: str, book: Book, refused: Refused) -> None:
        reasons = " ".join(reason.value for reason in refused.reasons)
        self.fleet.note(self.label, "refused", act, book.name, reasons)

    def _finish(self, book: Book, result: Recorded) -> None:
        """Switch the tag and show the tick; a tag that will not be switched is told."""
        if result.wanted is None:
            return
        store = self._engine.store
        pad_is_dead = self.fleet.plan.shape.dead_pads
        if (self.tag_stays or pad_is_dead) and book.tag not in ("none", result.wanted.value):
            self.tag_stays = False
            self.fleet.fault("tag_stays")
            mine = [one for one in store.unfinished() if one.fact == result.fact]
            for unfinished in mine:
                self._engine.desk.ledger.security_not_set(unfinished)
            return
        if book.tag != "none":
            book.tag = result.wanted.value
        store.finish(result.fact)

    def _interrupted(self, act: str, book: Book) -> None:
        """The power went before the tick: the book stays, or somebody goes with it anyway."""
        fact = self.fleet.newest_of(self.name)
        self._left = book
        if act == "lend" and self._doing[2] and self.chance.randrange(4) == 0:
            book.holder, book.is_told = self._doing[2], True
            self.fleet.note(self.label, "took", book.name, fact)
        elif act == "return":
            book.holder, book.is_told = "", False
            self.fleet.note(self.label, "left_behind", book.name, fact)
        else:
            self.fleet.note(self.label, "left_behind", book.name, fact)

    _left: Book | None = None

    def _recover(self) -> None:
        """Finish what was begun when the power went, by `kiosk.recovery`."""
        ledger: Ledger = self._engine.desk.ledger
        left, self._left = self._left, None
        here = left if left is not None and not left.is_out and not left.is_told else None
        hands = _Hands()
        pad = _Pad({} if here is None else {here.uid: True})
        Recovery(ledger).run(pad, hands)  # type: ignore[arg-type]
        for work in hands.begun:
            self._switch_left(work.unfinished, work.wanted, here)

    def _switch_left(self, unfinished: Unfinished, wanted: Security, here: Book | None) -> None:
        if here is not None and here.uid in unfinished.uids and here.tag != "none":
            here.tag = wanted.value
        self._engine.store.finish(unfinished.fact)

    def _want_lists(self) -> None:
        fetcher = self._engine.lists.fetcher
        for pointer in fetcher.take_wanted():
            self.fleet.timeline.after(FETCH_MS, partial(self._fetch, pointer, self._run))

    def _fetch(self, pointer: Any, run: int) -> None:
        if run == self._run and self.powered:
            self.run(lambda: self._take_list(pointer))
            self.tick_now()

    def _take_list(self, pointer: Any) -> None:
        engine = self._engine
        engine.lists.fetcher.work(pointer)
        while (event := engine.inbox.next()) is not None:
            try:
                if isinstance(event, SnapshotReady):
                    engine.lists.on_ready(event, engine.time.mono_ms)
                else:
                    engine.lists.on_failed(event, engine.time.mono_ms)  # type: ignore[arg-type]
            except JournalError:
                continue

    def _feelings(self) -> Telemetry:
        engine = self._engine
        return Telemetry(
            depth=engine.uplink.waiting,
            oldest_wall=engine.store.oldest_waiting_wall(),
            disk_free=0 if self.card.is_full else 1 << 34,
            temperature=None,
            reader_errors=0,
            health={"disk": "full"} if self.card.is_full else {},
            overlay=None,
        )

    @property
    def is_busy(self) -> bool:
        """Whether facts wait to be sent."""
        return self._engine.uplink.waiting > 0

    def has_lists(self, versions: dict[str, int]) -> bool:
        """Whether its lists are of these versions."""
        return all(self._engine.lists.version(kind) == versions[kind] for kind in KINDS)

    def appended(self) -> None:
        """Offer new rows to the gateway."""
        engine = self._engine
        engine.uplink.appended(engine.time.mono_ms)
