"""What kiosks and gates of a fleet have in common: power, a card, a cable, clocks, a journal.

A station's program is production code; here it is switched on, handed what its link brings, and
ticked. It dies where a `PowerCut` is raised in it, and lives again from its card's files.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from circulation.errors import JournalError
from circulation.journal import SqliteJournal
from circulation.link import LinkEvent, Received
from circulation.wire.fact import encode_body
from sim.fleet.acts import CHOKING
from sim.fleet.disk import AFTER_COMMIT, BEFORE_COMMIT, DURING_WRITE, Card, Files, PowerCut, tap
from sim.fleet.library import LIBRARY
from sim.fleet.network import FleetLink
from sim.fleet.timeline import DRIFT_PPM_MAX, StationClock

if TYPE_CHECKING:
    from sim.fleet.acts import Place
    from sim.fleet.network import Wire
    from sim.fleet.world import Fleet

BUSY_MS = 1_000
QUIET_MS = 15_000
MOMENT_MS = 20
AFTER_PUBLISH, NOW = "after_publish", "now"


class Station:
    """One machine; a subclass says what its program is."""

    keepalive_s = 30
    message_kind = "message_bytes"

    def __init__(self, fleet: Fleet, place: Place, wire: Wire, label: str = "") -> None:
        """label: what events call it, where that is not its name: a twin has another's name."""
        self.fleet = fleet
        self.name = place.name
        self.site = place.site
        self.label = label or place.name
        self.wire = wire
        self.chance = random.Random(f"{fleet.plan.seed} {self.label}")
        drift = self.chance.randint(-DRIFT_PPM_MAX, DRIFT_PPM_MAX)
        self.clock = StationClock(fleet.timeline, drift_ppm=drift)
        self.card = Card(fleet.folder / self.label, "station.db")
        self.powered = False
        self.is_old_version = False
        self.link: FleetLink | None = None
        self._run = 0
        self._cut_after_publish = False
        self._torn = False
        self._images: list[Files] = []
        self._is_old_card = False
        self._changes = -1
        self._place = (0, 0)
        self._acked = 0
        self._tick_ms = 0
        self._on_ms = self._off_ms = 0
        self._longest = 0
        self._came: list[LinkEvent] = []

    # ------------------------------------------------------------- what a subclass says

    def boot(self) -> None:
        """Start the program on what the card has."""
        raise NotImplementedError

    def shut(self) -> None:
        """Let go of the program's files."""
        raise NotImplementedError

    def handle(self, came: list[LinkEvent]) -> None:
        """Give the program what its link brought, in order."""
        raise NotImplementedError

    def work(self) -> None:
        """Let the program's time pass."""
        raise NotImplementedError

    @property
    def journal(self) -> SqliteJournal:
        """The journal of the running program."""
        raise NotImplementedError

    @property
    def is_busy(self) -> bool:
        """Whether it has something to send, so that its time must pass in small steps."""
        raise NotImplementedError

    # ------------------------------------------------------------------- power and card

    def power_on(self) -> None:
        """Start, unless it runs."""
        if self.powered:
            return
        self.powered = True
        self._run += 1
        self._cut_after_publish = False
        self._tick_ms = 0  # what was planned was the last run's
        self._came.clear()
        self._set_clock()
        self.boot()
        self._tap = tap(self.journal, self.card, self.chance.randrange)
        self._changes = -1
        self._place = (self.journal.epoch.n, 0)
        self._acked = 0
        self.note_journal(written_ms=self._off_ms)
        self._after_boot()
        self.note_journal()
        if self._is_old_card:
            self._is_old_card = False
            self.fleet.witness.put_back(self.name, self.journal)
        self.fleet.note(self.label, "started", "power")
        assert self.link is not None
        self.link.start()
        self._tick_within(BUSY_MS)

    def power_off(self, why: str) -> None:
        """Let nothing of the program survive but its files."""
        if not self.powered:
            return
        self.powered = False
        self._run += 1
        self._off_ms = self.fleet.timeline.now_ms
        self.fleet.device_ms += self._off_ms - self._on_ms
        if self.link is not None:
            self.link.lose_power()
        if self.card.is_held:
            self.shut()
        else:
            self.card.hold()
            self.shut()
        self.card.settle()
        self.fleet.note(self.label, "stopped", why)

    def cut_power(self, step: str) -> None:
        """Cut the power now, or at the next such step of a write."""
        if not self.powered:
            return
        if step == NOW:
            self.fleet.fault("power_cut")
            self.power_off(step)
        elif step == AFTER_PUBLISH:
            self._cut_after_publish = True
        elif step in (BEFORE_COMMIT, AFTER_COMMIT, DURING_WRITE):
            self._tap.armed = step
            self._tap.is_torn, self._torn = self._torn, False

    def restore_power(self) -> None:
        """Have power again; a cut that did not come by now does not come any more."""
        if self.powered:
            self._tap.armed = None
            self._cut_after_publish = False
        else:
            self.power_on()

    def _set_clock(self) -> None:
        """A machine without a clock chip goes on where it stopped, half of them do."""
        self._on_ms = now_ms = self.fleet.timeline.now_ms
        if self._off_ms and self.chance.randrange(2):
            self.clock.jump(self._off_ms - now_ms)

    def tear_next(self) -> None:
        """Let the next cut in the middle of a write leave it torn at any byte."""
        self._torn = True

    def image(self) -> None:
        """Copy the card."""
        self._images.append(self.card.image())

    def copy_of_card(self) -> Files:
        """Return the files of the card as they are now."""
        return self.card.image()

    def is_at_rest(self, versions: dict[str, int]) -> bool:
        """Whether it is connected and has nothing left to send or to fetch."""
        journal = self.journal
        is_up = self.link is not None and self.link.up
        return is_up and journal.last_seq == journal.acked and self.has_lists(versions)

    def has_lists(self, versions: dict[str, int]) -> bool:
        """Whether its lists are of these versions."""
        raise NotImplementedError

    def roll_back(self) -> bool:
        """Put the newest copy of the card back; False if there is none."""
        if not self._images:
            return False
        self.power_off("roll_back")
        self.card.write(self._images[-1])
        self._is_old_card = True
        return True

    def new_card(self) -> None:
        """Destroy the card and put an empty one in."""
        self.power_off("new_card")
        self._is_old_card = False
        self._images.clear()
        self.card.write({})

    def run(self, action: Callable[[], None]) -> bool:
        """Let the program do something; return whether it lived through it."""
        try:
            action()
        except PowerCut:
            self.note_journal_cut()
            self.fleet.fault("torn_tail" if self._tap.is_torn else "power_cut")
            self.power_off("cut_power")
            return False
        if self.powered:
            self.note_journal()
        return self.powered

    @property
    def running_ms(self) -> int:
        """For how long it has been running now."""
        return self.fleet.timeline.now_ms - self._on_ms if self.powered else 0

    # ----------------------------------------------------------------------- its time

    def deliver(self, event: LinkEvent) -> None:
        """Take an event of the link; what comes within a moment is worked on together."""
        if isinstance(event, Received) and len(event.payload) > self._longest:
            self._longest = len(event.payload)
            self.fleet.peak(f"{self.message_kind}:{self.name}", self._longest)
        self._came.append(event)
        if len(self._came) == 1:
            run = self._run
            self.fleet.timeline.after(MOMENT_MS, lambda: self._work_off(run))

    def _work_off(self, run: int) -> None:
        if run != self._run:
            return
        came, self._came = self._came, []
        if self.run(lambda: self.handle(came)) and self.is_busy:
            self._tick_within(BUSY_MS)

    def tick_now(self) -> None:
        """Let the program's time pass at once: somebody has just done something."""
        self._tick_within(0)

    def _tick_within(self, period_ms: int) -> None:
        """Tick at the next instant of a grid, unless that is planned.

        All stations tick on one grid, as the gateway's turns are coarse too: what they say then
        is taken together, which costs a run half of its time and hides no order of events.
        """
        now_ms = self.fleet.timeline.now_ms
        due_ms = now_ms if period_ms == 0 else (now_ms // period_ms + 1) * period_ms
        if now_ms < self._tick_ms <= due_ms:
            return
        self._tick_ms = due_ms
        run = self._run
        self.fleet.timeline.at(due_ms, lambda: self._tick(run, due_ms))

    def _tick(self, run: int, due_ms: int) -> None:
        if run != self._run or due_ms != self._tick_ms or not self.powered:
            return
        if self.run(self.work):
            self._tick_within(BUSY_MS if self.is_busy else QUIET_MS)

    # -------------------------------------------------------------------- its journal

    def note_journal(self, *, written_ms: int | None = None) -> None:
        """Tell the fleet what is new on the disk and what has been acknowledged.

        written_ms: when it was written, if not just now: a cut may leave a whole row behind.
        """
        changes = self._tap.total_changes
        if changes == self._changes:
            return
        self._changes = changes
        journal = self.journal
        n, last = journal.epoch.n, journal.last_seq
        if n != self._place[0]:
            self._place, self._acked = (n, 0), 0
        if last > self._place[1]:
            for row in journal.rows(self._place[1] + 1, 1 << 30, 1 << 40):
                self.fleet.committed(self.name, n, row, self.label, written_ms)
            self._place = (n, last)
        acked = journal.acked
        if acked != self._acked:
            self.fleet.acknowledged(self.label, n, min(self._acked, acked), acked)
            self.fleet.witness.acked(self.name, journal, self._acked)
            self._acked = acked

    def note_journal_cut(self) -> None:
        """Note what a commit that nobody returned from has left on the disk."""
        if not self.card.is_held or self.card.held_is_whole:
            self.note_journal()

    def poison(self, what: str) -> None:
        """Write a row that nobody can read, or nobody knows."""
        if self.powered:
            body = poison(what, self.new_id(), self.clock.now_ms())
            if self.run(lambda: self._append(body)):
                self.tick_now()

    def write_as_old_version(self) -> None:
        """Write a fact of a kind, and with fields, that this version does not know."""
        fields = {"id": self.new_id(), "kind": "weighed", "boot": "00000000"}
        odd = {"mono": self.clock.now_ms(), "grams": 412, "scale": {"name": "left", "n": 3}}
        self._append(encode_body(fields | odd))

    def kept_bodies(self) -> list[bytes]:
        """Return every row that is on the card."""
        rows = self._tap.execute("SELECT body FROM journal ORDER BY epoch_n, seq")
        return [bytes(row[0]) for row in rows.fetchall()]

    def appended(self) -> None:
        """Tell the program that its journal has new rows."""
        raise NotImplementedError

    def _append(self, body: bytes) -> None:
        try:
            self.journal.append(body)
        except JournalError:
            self.fleet.note(self.label, "refused", "write", "", "disk_full")
            return
        self.appended()

    def new_id(self) -> str:
        """Return a fresh random id."""
        return self.chance.randbytes(8).hex()

    def _after_boot(self) -> None:
        """Make what has to be made with the journal's tap."""

    def _make_link(self, will: tuple[str, bytes], filters: list[str]) -> FleetLink:
        link = FleetLink(
            self.fleet.brokers[self.site],
            self.wire,
            self.deliver,
            client_id=f"{LIBRARY}/{self.name}",
            keepalive_s=self.keepalive_s,
            random_below=self.chance.randrange,
        )
        link.will = will
        link.subscribe(filters)
        link.published = self._published
        return link

    def _published(self, _topic: str, _payload: bytes) -> None:
        if self._cut_after_publish:
            self._cut_after_publish = False
            raise PowerCut


def poison(what: str, fact_id: str, mono_ms: int) -> bytes:
    """Return the bytes of a row that no gateway can apply."""
    fields: dict[str, Any] = {"id": fact_id, "kind": "seen", "boot": "00000000", "mono": mono_ms}
    if what == "unknown_kind":
        return encode_body(fields | {"kind": "levitated", "height_mm": 40})
    if what == CHOKING:
        return encode_body(fields | {"uids": [], "room": CHOKING})
    if what == "not_json":
        return b'{"v":1,"id":"' + fact_id.encode() + b'","kind":\xff\xfe'
    wrong = {"lone_surrogate": "\ud800", "huge_integer": 10**20, "nul_in_text": "a\0b"}[what]
    return json.dumps({"v": 1, **fields, "room": wrong}).encode()


def id_of(body: bytes) -> str:
    """Return the id in a row's body; a name made of its bytes if it cannot be read."""
    found = fields_of(body).get("id")
    return found if isinstance(found, str) else "?" + sha256(body).hexdigest()[:15]


def fields_of(body: bytes) -> dict[str, Any]:
    """Return what a row says; nothing if it cannot be read."""
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
