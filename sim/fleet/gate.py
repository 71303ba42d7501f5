"""A gate of a fleet: the real machine, courier, lists and journal, on a card.

Left out is the detection loop's reading of devices: what antenna and beams would tell is told
here, person after person, and what the machine asks of devices is answered at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from circulation.config import Section
from circulation.journal import SqliteJournal
from circulation.link import Link, LinkEvent
from circulation.salvage import Born, open_or_salvage
from circulation.wire import kinds
from circulation.wire.messages import Pointer, encode
from firmware.gate import commands, events
from firmware.gate.config import REJUDGE_MS, gate_config
from firmware.gate.lists import UnionList
from firmware.gate.machine import GateMachine
from firmware.gate.overlay import ON
from firmware.pi.app import KEEPALIVE_S
from firmware.pi.config import read_station_config
from firmware.pi.courier import Courier
from firmware.pi.face import Face
from firmware.pi.facts import FactWriter, StationTime
from firmware.pi.following import ListFollowing
from firmware.pi.lists import ListFolder
from sim.fleet.library import CARD_KEY, LIBRARY, OWNER, SITE_KEY, Book
from sim.fleet.station import Station
from sim.house import lists

LANE = "lane-1"
NO_POWER = 2
"""What stands instead of whether a gate sounded that had no power for all of the way through."""
FACE_MS = 1_000
# A person's way through: the first beam, the antenna, the second beam, clear of both, gone.
_OUTWARDS = (events.INNER, events.OUTER)
_INWARDS = (events.OUTER, events.INNER)
_READ_MS, _SECOND_MS, _CLEAR_MS, _GONE_MS, _OVER_MS = 100, 250, 450, 700, 1_400
_NEXT_MS = REJUDGE_MS + 1_500


@dataclass(frozen=True, slots=True)
class _Passing:
    """Books that go through with one person, and the loans the gate had been told of them."""

    books: tuple[Book, ...]
    outwards: bool
    heard: dict[str, tuple[str, ...]]


class _Following(ListFollowing):
    """Follows the list without a thread: whoever steps the courier waits for a download."""

    def _begin(self, pointer: Pointer) -> None:
        self.download(pointer)


class FleetGate(Station):
    """One gate with one lane."""

    keepalive_s = KEEPALIVE_S
    message_kind = "gate_message_bytes"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._queue: list[tuple[Book, bool, int]] = []
        self._free_ms = 0
        self._heard: dict[str, list[str]] = {}

    def boot(self) -> None:
        """Wire machine and courier on the card's files, as `firmware.pi.app` does."""
        settings = {
            "library": LIBRARY, "site": self.site, "station": self.name,
            "gateway_url": "http://fleet", "site_key": SITE_KEY, "card_key": CARD_KEY,
            "members": [OWNER], "lenders": self.fleet.lenders(self.site), "broker": {},
            "store": {"path": str(self.card.database)},
        }  # fmt: skip
        config = read_station_config(Section(settings, file=self.name))
        time = StationTime(self.clock, boot=self.chance.randbytes(4).hex())
        setup = gate_config(self.name, [(LANE, 2)], config.members, config.lenders)
        self.machine = GateMachine(setup, config.site_key, self.new_id)
        born = Born(self.new_id, time.boot, self.clock.wall_ms())
        self._connection = open_or_salvage(config.store, born).connection
        self._journal = SqliteJournal(self._connection, epoch_id=self.new_id())
        self._following = _Following(
            base_url=config.gateway_url,
            folder=ListFolder(config.lists),
            tell=self._tell,
            arrived=lambda result: self.courier.hand_over(result, self.clock.now_ms()),
            random_below=self.chance.randrange,
            connect=lists.connector(self.fleet.server_for(self)),
        )
        writer = FactWriter(self._journal, time, site=config.site, new_id=self.new_id)
        self.courier = Courier(
            config, writer, self._following,
            tell=self._tell, random_below=self.chance.randrange, feel=lambda folder: (None, None),
        )  # fmt: skip
        will = self.courier.topics.status(self.name), encode(self.courier.status(on=False))
        self.link = self._make_link(will, self.courier.filters())
        self.courier.link = cast(Link, self.link)
        self.courier.show = lambda file, shown: None  # nobody is there to read it
        self._face_ms = -FACE_MS
        self._alarmed: dict[str, int] = {}
        self._heard = {}
        self._tell(events.ClockSet(time.wall_ms(time.mono_ms())[0]))
        self._following.start()

    def shut(self) -> None:
        """Close every file."""
        self._connection.close()

    @property
    def journal(self) -> SqliteJournal:
        """The journal of the running program."""
        return self._journal

    def handle(self, came: list[LinkEvent]) -> None:
        """Give the courier what the link brought."""
        now_ms = self.clock.now_ms()
        for event in came:
            self.courier.hand_over(event, now_ms)
        self.courier.step(0)

    def work(self) -> None:
        """One turn of the loop, and what the courier has to do."""
        now_ms = self.clock.now_ms()
        self._carry_out(self.machine.tick(now_ms))
        if now_ms - self._face_ms >= FACE_MS:
            self._face_ms = now_ms
            overlay = len(self.machine.holdings.overlay)
            self.fleet.peak("overlay", overlay)
            face = Face(self.machine.list_state(now_ms), overlay, 0, self.machine.health(now_ms))
            self.courier.hand_over(face, now_ms)
        self.courier.step(0)

    @property
    def is_busy(self) -> bool:
        """Whether facts wait to be sent."""
        return self._journal.last_seq != self._journal.acked

    def has_lists(self, versions: dict[str, int]) -> bool:
        """Whether the machine's list is of this version, and it goes by no older history."""
        held = self.machine.holdings.list
        if isinstance(held, UnionList):
            return False
        return held is not None and held.version == versions["may_leave"]

    def appended(self) -> None:
        """Offer new rows to the gateway: the courier looks at its journal with every fact."""
        self._carry_out([commands.Record(self.new_id(), {"kind": kinds.TALLY, "what": "looked"})])

    # -------------------------------------------------------------------- who passes

    def pass_through(self, book: Book, *, outwards: bool) -> None:
        """Somebody carries a book through; those who come at once come as one person."""
        now_ms = self.fleet.timeline.now_ms
        self._queue.append((book, outwards, now_ms))
        start_ms = max(now_ms + 1, self._free_ms)
        self.fleet.timeline.at(start_ms, self._begin)

    def _begin(self) -> None:
        now_ms = self.fleet.timeline.now_ms
        if not self._queue or now_ms < self._free_ms:
            if self._queue:
                self.fleet.timeline.at(self._free_ms, self._begin)
            return
        _, outwards, at_ms = self._queue[0]
        group = [one for one in self._queue if one[1:] == (outwards, at_ms)]
        self._queue = [one for one in self._queue if one not in group]
        self._free_ms = now_ms + _NEXT_MS
        books = tuple(book for book, _, _ in group)
        heard = {book.name: tuple(self._heard.get(book.item_id, ())) for book in books}
        passing = _Passing(books, outwards, heard)
        self._walk(passing)
        if self._queue:
            self.fleet.timeline.at(self._free_ms, self._begin)

    def _walk(self, passing: _Passing) -> None:
        """Let beams and antenna see it; afterwards note what the gate did."""
        first, second = _OUTWARDS if passing.outwards else _INWARDS
        steps: tuple[tuple[int, Callable[[], None]], ...] = (
            (0, lambda: self._beam(first, True)),
            (_READ_MS, lambda: self._read(passing)),
            (_SECOND_MS, lambda: self._beam(second, True)),
            (_CLEAR_MS, lambda: self._beam(first, False)),
            (_GONE_MS, lambda: self._beam(second, False)),
        )
        self._alarmed = {}
        self.fleet.timeline.after(_OVER_MS, lambda: self._over(passing))
        for delay_ms, step in steps:
            self.fleet.timeline.after(delay_ms, partial(self._sense, step))

    def _sense(self, step: Callable[[], None]) -> None:
        if self.powered:
            self.run(lambda: self._turn(step))

    def _turn(self, step: Callable[[], None]) -> None:
        step()
        self._carry_out(self.machine.tick(self.clock.now_ms()))
        self.courier.step(0)

    def _beam(self, beam: str, broken: bool) -> None:
        now_ms = self.clock.now_ms()
        self._give(events.BeamEdge(LANE, beam, broken, now_ms))

    def _read(self, passing: _Passing) -> None:
        reads = [events.TagRead(book.uid, book.tag, None, None) for book in passing.books]
        self._give(events.TagsRead(LANE, reads))

    def _over(self, passing: _Passing) -> None:
        if self.powered:
            self.run(lambda: self._turn(lambda: None))
        if self.powered and self.is_old_version:
            self.run(self.write_as_old_version)
        what = "carried_out" if passing.outwards else "carried_in"
        for book in passing.books:
            row = self._alarmed.get(book.uid)
            sounded = int(row is not None) if self.running_ms >= _OVER_MS else NO_POWER
            self.fleet.note(self.label, what, book.name, book.holder, sounded)
            if row is not None:
                self.fleet.alarmed(self.name, book, row, passing.heard[book.name])

    # ------------------------------------------------------- what the machine wants

    def _tell(self, event: Any) -> bool:
        self._give(event)
        return True

    def _give(self, event: Any) -> None:
        if type(event) is events.SiteLoanHeard and event.message.state == ON:
            self._heard.setdefault(event.message.item or "", []).append(event.message.fact)
        self._carry_out(self.machine.receive(event, self.clock.now_ms()))

    def _carry_out(self, done: list[Any]) -> None:
        waiting = list(done)
        now_ms = self.clock.now_ms()
        while waiting:
            command = waiting.pop(0)
            if type(command) is commands.ReadContent:
                waiting += self.machine.receive(self._content(command), now_ms)
            elif type(command) is commands.PublishAlarm:
                self._alarmed[command.fields["uid"]] = command.fields["row"]
                self.courier.hand_over(command, now_ms)
            elif type(command) in _FOR_THE_COURIER:
                self.courier.hand_over(command, now_ms)

    def _content(self, command: commands.ReadContent) -> events.ContentRead:
        book = self.fleet.by_uid[command.uid]
        return events.ContentRead(command.lane, command.uid, True, book.barcode, OWNER)


_FOR_THE_COURIER = (commands.Record, commands.AskSite, commands.Notice)
