"""The gateway of a fleet: the real store, hub, desk and service, killed at any step.

Its database and the desk's journal are files; a kill is a program that stops between two
statements, a restore puts an older database under the same desk's journal.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from circulation.journal import SqliteJournal
from circulation.link import LinkEvent
from circulation.sync.rows import Row
from circulation.wire.errors import WireError
from circulation.wire.messages import Status
from circulation.wire.topics import Address
from gateway import lineage
from gateway.desk import STATION as DESK
from gateway.desk import DeskJournal
from gateway.errors import DecisionInvalid
from gateway.hub import Heard, Hub
from gateway.ingest import Batch
from gateway.outbox import Send, versions_of
from gateway.review import is_open
from gateway.schema import LIBRARY as LIBRARY_TABLE
from gateway.schema import REVIEW
from gateway.service import BATCH_MAX, Service
from gateway.snapshots import Snapshots
from gateway.store import Store, Write
from sim.clock import WALL_START_MS
from sim.fleet.acts import CHOKING
from sim.fleet.disk import AFTER_COMMIT, BEFORE_COMMIT, PowerCut
from sim.fleet.library import LIBRARY, SITE_KEY
from sim.fleet.network import FleetLink
from sim.fleet.outcome import Announced
from sim.house import lists

if TYPE_CHECKING:
    from sim.fleet.library import Book
    from sim.fleet.world import Fleet

NAME = "gateway"
DATABASE = "gateway.db"
KEEPALIVE_S = 30
AFTER_ACK = "after_ack"
TURN_MS = 250
HEAD_MS = 15_000
BUILD_MS = 600_000
HOUR_MS = 3_600_000
RESTORE_MS = 30_000


class _Store(Store):
    """A store whose program may die around a commit."""

    armed: str | None = None

    @contextmanager
    def write(self, library_id: str, *, bulk: bool = False) -> Iterator[Write]:
        """Give a transaction, as the store does."""
        with super().write(library_id, bulk=bulk) as write:
            yield write
            self._step(BEFORE_COMMIT)
        self._step(AFTER_COMMIT)

    def _step(self, step: str) -> None:
        if self.armed == step:
            self.armed = None
            raise PowerCut


class _Desk(DeskJournal):
    """The staff's journal, whose rows the fleet is told of like any station's."""

    committed: Callable[[str, int, Row], None]

    def _with_journal(self, action: Callable[[SqliteJournal], Any]) -> Any:
        result, n = super()._with_journal(lambda journal: (action(journal), journal.epoch.n))
        if isinstance(result, Row):
            self.committed(DESK, n, result)
        return result


class _Hub(Hub):
    """The hub, that says what births it heard, and when it begins a new history by itself."""

    born: Callable[[Status], None]
    began: Callable[[str], None]

    def _on_birth(self, status: Status, now_ms: int) -> list[Send]:
        self.born(status)
        return super()._on_birth(status, now_ms)

    def _journal(self, address: Address, heard: Heard, now_ms: int) -> Batch:
        batch = super()._journal(address, heard, now_ms)
        if any(CHOKING in body for body in batch.message.events):
            raise WireError("a body that this gateway cannot read beside others")
        return batch

    def rotate_lineage(self, why: str) -> list[Send]:
        """Begin a new history, as the hub does."""
        self.began(why)
        return super().rotate_lineage(why)


class FleetGateway:
    """The gateway; `is_up` says whether its program runs."""

    def __init__(self, fleet: Fleet, database: bytes) -> None:
        self.fleet = fleet
        self.folder = fleet.folder / NAME
        self.folder.mkdir(parents=True)
        self.file = self.folder / DATABASE
        self.file.write_bytes(database)
        self.chance = random.Random(f"{fleet.plan.seed} {NAME}")
        self.is_up = False
        self.slow_ms = 0
        self._was_slow = False  # and has not caught up since
        self.starts = 0
        self._run = 0
        self._armed: tuple[str, int] | None = None
        self._kill_after_ack = False
        self._backup: bytes | None = None
        self._is_due = False
        self._down_ms = 0
        self._step = ""
        self.begin(())

    def begin(self, _why: object = ()) -> None:
        """Start the program on what the disk has."""
        self._run += 1
        self.starts += 1
        self.is_up = True
        self._is_due = False
        self.store = _Store(f"sqlite:///{self.file}", clock=self._wall_ms, new_id=self._new_id)
        snapshots = Snapshots(self.store, LIBRARY, self.folder / "snapshots")
        boot = self.chance.randbytes(4).hex()
        key = bytes.fromhex(SITE_KEY)
        self.hub = _Hub(self.store, LIBRARY, snapshots, key=key, boot=boot)
        self.hub.born = self._heard_birth
        self.hub.began = lambda why: self.fleet.note(NAME, "history", why)
        self.desk = _Desk(
            self.store, LIBRARY, self.folder / "desk.db",
            boot=boot, monotonic_ms=lambda: self.fleet.timeline.now_ms,
        )  # fmt: skip
        self.desk.committed = self.fleet.committed
        self.service = Service(self.hub, self.desk, beat=lambda: None)
        self.link = self._make_link()
        self.service.join(self.link)
        self.service.build()
        self._look_for_recovery()
        self.service.do_chores()
        self.link.start()
        self.fleet.note(NAME, "started", "program")
        self._every(HEAD_MS, self._beat)
        self._every(BUILD_MS, self._build)
        self._every(HOUR_MS, self._chores)

    def close(self) -> None:
        """Close the database."""
        self.store.close()

    def arm(self, step: str, down_ms: int) -> None:
        """Die at the next such step, and start again so much later."""
        self._down_ms = down_ms
        if step == AFTER_ACK:
            self._kill_after_ack = True
        else:
            self.store.armed = step
        self._step = step

    def disarm(self) -> None:
        """A kill that did not come by now does not come any more."""
        self._kill_after_ack = False
        self.store.armed = None

    def back_up(self) -> None:
        """Copy the database."""
        self._backup = self.image()

    def image(self) -> bytes:
        """Return the database as it is now."""
        connection = sqlite3.connect(self.file)
        try:
            return bytes(connection.serialize())
        finally:
            connection.close()

    def restore(self) -> bool:
        """Put the copy in place and say so, as `lendgate-gateway restored` does."""
        if self._backup is None:
            return False
        if self.is_up:
            self._stop("restore")
        self._run += 1
        self.fleet.witness.before_restore()
        for file in self.folder.glob(f"{DATABASE}*"):
            file.unlink()
        self.file.write_bytes(self._backup)
        store = Store.at(self.file, clock=self._wall_ms, new_id=self._new_id)
        lineage.rotate(store, LIBRARY, "restored from a backup")
        store.close()
        self.fleet.witness.after_restore()
        self._start_after(RESTORE_MS)
        return True

    def wake(self) -> None:
        """Be up, whatever has happened."""
        if not self.is_up:
            self.begin()

    def serve(self, path: str) -> bytes:
        """Return a list as a station asks for it; raises OSError while it is away."""
        if not self.is_up:
            raise ConnectionRefusedError("the gateway is not there")
        return lists.serve(self.hub.snapshots, path)

    def decide(self, book: Book) -> None:
        """Let staff decide whatever is open about an item, by what they see on the shelf."""
        if not self.is_up:
            self.fleet.note(NAME, "skipped", "staff_decide", book.name, "no program")
            return
        entry = self._open_entry(book)
        if entry is None:
            self.fleet.note(NAME, "skipped", "staff_decide", book.name, "nothing open")
            return
        state = "on_loan" if book.holder and book.is_told else "available"
        self._guarded(lambda: self._decide(book, entry, state))

    # ----------------------------------------------------------------------- its turns

    def _decide(self, book: Book, entry: str, state: str) -> None:
        try:
            fact = self.desk.decision(entry, state)
        except DecisionInvalid as error:
            self.fleet.note(NAME, "skipped", "staff_decide", book.name, str(error)[:60])
            return
        self.fleet.note(NAME, "decided", book.name, entry, state, fact)
        self.desk.hand_over(self.hub.ingest)
        self._due(TURN_MS)

    def _open_entry(self, book: Book) -> str | None:
        table = REVIEW
        query = (
            table.select()
            .where(table.c.library_id == LIBRARY, table.c.item_id == book.item_id, is_open())
            .order_by(table.c.created_at, table.c.key)
        )
        with self.store.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else str(row.key)

    def _deliver(self, event: LinkEvent) -> None:
        if not self.is_up:
            return
        self.service.deliver(event)
        waiting = self.hub.credits.waiting()
        self._was_slow = self.slow_ms > 0 or (self._was_slow and waiting > 1)
        if not self._was_slow:
            self.fleet.peak("gateway_inbox", waiting)
        self._due(max(self.slow_ms, TURN_MS))

    def _due(self, delay_ms: int) -> None:
        if not self._is_due:
            self._is_due = True
            run = self._run
            self.fleet.timeline.after(delay_ms, lambda: self._take(run))

    def _take(self, run: int) -> None:
        if run != self._run or not self.is_up:
            return
        self._is_due = False
        count_max = 1 if self.slow_ms else BATCH_MAX
        if self._guarded(lambda: self._take_some(count_max)) and not self.service.is_idle:
            self._due(max(self.slow_ms, TURN_MS))

    def _take_some(self, count_max: int) -> None:
        self.service.take(count_max)
        self.fleet.peak("gateway_unsent", len(self.service._unsent))

    def _beat(self) -> None:
        self._due(TURN_MS)

    def _build(self) -> None:
        self._guarded(self.service.build)
        self._look_for_recovery()
        self._due(TURN_MS)

    def _look_for_recovery(self) -> None:
        if self.fleet.witness.look_for_recovery():
            self.fleet.note(NAME, "recovered")

    def _chores(self) -> None:
        self._guarded(self.service.do_chores)
        self._due(TURN_MS)

    def _every(self, period_ms: int, do: Any) -> None:
        run = self._run

        def again() -> None:
            if run == self._run and self.is_up:
                do()
                self.fleet.timeline.after(period_ms, again)

        self.fleet.timeline.after(period_ms, again)

    def versions(self) -> dict[str, int] | None:
        """Return the version of each list; None while a lost history is not whole again."""
        with self.store.read() as connection:
            library = connection.execute(LIBRARY_TABLE.select()).one()
            return versions_of(connection, LIBRARY) if library.recovered else None

    def settle(self) -> None:
        """Build what a lost history has made necessary; the program looks every five seconds."""
        if self.is_up:
            self._build()

    def _guarded(self, action: Any) -> bool:
        try:
            action()
        except PowerCut:
            self.fleet.fault(f"kill_{self._step}")
            down_ms, self._down_ms = self._down_ms, 0
            self._stop("killed")
            self._start_after(down_ms)
            return False
        return True

    def _stop(self, why: str) -> None:
        self.is_up = False
        self._run += 1
        self.link.lose_power(drains=True)
        self.store.close()
        self.fleet.note(NAME, "stopped", why)

    def _start_after(self, down_ms: int) -> None:
        run = self._run
        timeline = self.fleet.timeline
        timeline.after(down_ms, lambda: self.begin() if run == self._run else None)

    def _make_link(self) -> FleetLink:
        link = FleetLink(
            self.fleet.gateway_broker,
            self.fleet.gateway_wire,
            self._deliver,
            client_id=f"{LIBRARY}/{NAME}",
            keepalive_s=KEEPALIVE_S,
            random_below=self.chance.randrange,
        )
        link.will = self.hub.will()
        link.published = self._published
        return link

    def _heard_birth(self, status: Status) -> None:
        now_ms = self.fleet.timeline.now_ms
        heard = Announced(now_ms, status.station, status.n, status.seq_last)
        self.fleet.announced.append(heard)

    def _published(self, topic: str, payload: bytes) -> None:
        if "/change/" in topic:
            self.fleet.witness.changed(payload)
        if self._kill_after_ack and topic.endswith("/reply"):
            self._kill_after_ack = False
            raise PowerCut

    def _wall_ms(self) -> int:
        return WALL_START_MS + self.fleet.timeline.now_ms

    def _new_id(self) -> str:
        return self.chance.randbytes(8).hex()


def remove(folder: Any) -> None:
    """Delete a fleet's files."""
    shutil.rmtree(folder, ignore_errors=True)
