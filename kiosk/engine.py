"""One thread that owns store, session, devices and uploader; everything else knocks at its queue.

Laws of this file:

1. Only the engine's thread touches the database's writing connection, the devices and the
   session. The link's threads, the web server and the fetcher only `deliver`.
2. The queue is bounded. What does not fit is dropped where the protocol can bear it (a message
   comes again) and answered "busy" where a person waits.
3. When facts soon could not be written, lending stops and the screen says so: before a fact is
   lost, not after. Who has begun may finish, and returns go on: a book that is brought is here,
   whatever the disk says. Only when a write could really fail does the kiosk stop altogether.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any

from circulation.errors import JournalError
from circulation.link import Connected, Disconnected, NotConnected, Received
from circulation.wire.messages import Telemetry
from hardware.errors import HardwareError
from hardware.indicators import Signal
from hardware.ports import Health
from kiosk.board import Board
from kiosk.config import KioskConfig
from kiosk.desk import Desk
from kiosk.devices import KioskDevices
from kiosk.fetching import SnapshotFailed, SnapshotReady
from kiosk.lists import Lists
from kiosk.salvage import trouble
from kiosk.slip import slip_lines
from kiosk.store import Store
from kiosk.timekeeping import StationTime
from kiosk.uplink import Uplink
from kiosk.view import Locale, Standing, add_countdown, build_view
from kiosk.visit import EndVisit, LendingResumed, LendingStopped, Mode, State
from kiosk.web.actions import Action
from kiosk.wording import phrase

QUEUE_MAX = 1_000
TICK_MS = 50
EVENTS_A_TICK = 50
LOOK_MS = 100
"""How often the devices are looked at; two rounds make a tag, so a book shows within 0.25 s."""
HEALTH_MS = 1_000
"""How often every device is asked how it is: a pulled plug shows within some two seconds."""
UPKEEP_MS = 5_000
REMEMBER_MS = 600_000
RETURNS_BYTES_MIN = 8 << 20
"""Below this nothing is taken any more: SQLite's log alone may grow by 4 MB before it is emptied.
From `disk_free_mb_min` (20) down to here is room for some 5,000 returns of 2 KB."""
TEMPERATURE_FILE = "/sys/class/thermal/thermal_zone0/temp"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pressed:
    """Somebody pressed a button; the answer goes back through `reply`."""

    action: Action
    reply: Future[dict[str, Any]]


Delivered = (
    Connected | Disconnected | NotConnected | Received | SnapshotReady | SnapshotFailed | Pressed
)


class Inbox:
    """The engine's bounded queue: the only thing other threads may touch."""

    def __init__(self, size: int = QUEUE_MAX) -> None:
        self._queue: queue.Queue[Delivered] = queue.Queue(size)
        self.dropped = 0

    def deliver(self, event: Delivered) -> bool:
        """Put an event on the queue, from any thread; False when it is full."""
        try:
            self._queue.put_nowait(event)
        except queue.Full:
            self.dropped += 1
            return False
        return True

    def next(self, wait_s: float = 0.0) -> Delivered | None:
        """Return the oldest event, None when none came in time."""
        try:
            return self._queue.get(timeout=wait_s) if wait_s else self._queue.get_nowait()
        except queue.Empty:
            return None


@dataclass(slots=True)
class Engine:
    """The one owner of a kiosk's state."""

    config: KioskConfig
    store: Store
    time: StationTime
    devices: KioskDevices
    desk: Desk
    uplink: Uplink
    lists: Lists
    board: Board
    inbox: Inbox
    disk_free: Callable[[], int]
    language: str = ""
    _looked_ms: int = -LOOK_MS
    _upkept_ms: int = -UPKEEP_MS
    _felt_ms: int = -HEALTH_MS
    _remembered_ms: int = 0
    _seq: int = 0
    _health: tuple[tuple[str, str], ...] = ()
    _pad_ok: bool = False
    _scanner_ok: bool = False
    _alarm: str = ""
    _is_tight: bool = False
    _noted_seq: int = -1

    def __post_init__(self) -> None:
        self.language = self.language or self.config.languages[0]
        self._seq = self.store.journal.last_seq
        self.uplink.telemetry = self.feelings
        self.desk.print_slip = self.print_slip

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop."""
        while not stop.is_set():
            self.step(wait_s=TICK_MS / 1000)

    def step(self, wait_s: float = 0.0) -> None:
        """Handle what was delivered, look at the devices, show the result."""
        event = self.inbox.next(wait_s)
        for _ in range(EVENTS_A_TICK):
            if event is None:
                break
            self._guarded(partial(self._handle, event))
            event = self.inbox.next()
        if event is not None:
            self._guarded(partial(self._handle, event))
        self._guarded(lambda: self.uplink.turn_over(self.time.mono_ms))
        self._guarded(self._tick)
        self.show()

    def _guarded(self, action: Callable[[], None]) -> None:
        """A journal that cannot write stops lending; it never takes the kiosk down."""
        try:
            action()
        except JournalError as error:
            _log.error("journal: %s", error)
            with contextlib.suppress(JournalError):
                self.desk.tell(LendingStopped("disk_full"), self.time.mono_ms)

    def _handle(self, event: Delivered) -> None:
        now_ms = self.time.mono_ms
        if isinstance(event, Pressed):
            self._answer(event, now_ms)
        elif isinstance(event, SnapshotReady):
            self.lists.on_ready(event, now_ms)
            self.desk.look_again(now_ms)
        elif isinstance(event, SnapshotFailed):
            self.lists.on_failed(event, now_ms)
        else:
            self.uplink.handle(event, now_ms)

    def _answer(self, pressed: Pressed, now_ms: int) -> None:
        if not pressed.reply.set_running_or_notify_cancel():
            return
        try:
            done = self._press(pressed.action, now_ms)
        except JournalError:
            pressed.reply.set_result({"ok": False, "error": "the disk is full"})
            raise
        self.show()
        answer: dict[str, Any] = {"ok": done}
        if not done:
            answer["error"] = f"{pressed.action.name}: not possible now"
        pressed.reply.set_result(answer)

    def _press(self, action: Action, now_ms: int) -> bool:
        values, desk = action.values, self.desk
        presses: dict[str, Callable[[], bool]] = {
            "language": lambda: self._choose_language(values["language"], now_ms),
            "mode": lambda: desk.choose_mode(values["mode"], now_ms),
            "renew": lambda: desk.ask_action(values["item"], Mode.RENEW, now_ms),
            "return": lambda: desk.ask_action(values["item"], Mode.RETURN, now_ms),
            "pin": lambda: desk.type_pin(values["pin"], now_ms),
            "number": lambda: self._type_number(values["number"], now_ms),
        }
        press = presses.get(action.name)
        return press() if press else desk.press(action.name, now_ms)

    def _type_number(self, number: str, now_ms: int) -> bool:
        return self.config.typed_numbers and self.desk.type_number(number, now_ms)

    def _choose_language(self, language: str, now_ms: int) -> bool:
        if language not in self.config.languages:
            return False
        self.language = language
        self.desk.press("touch", now_ms)
        return True

    def _tick(self) -> None:
        now_ms = self.time.mono_ms
        if now_ms - self._felt_ms >= HEALTH_MS:
            self._felt_ms = now_ms
            self._feel()
        if now_ms - self._upkept_ms >= UPKEEP_MS:
            self._upkept_ms = now_ms
            self._upkeep(now_ms)
        if now_ms - self._looked_ms >= LOOK_MS:
            self._looked_ms = now_ms
            before = self.desk.session.state
            self.desk.tick(now_ms)
            self._after_desk(before)
        self._hear_alarm(now_ms)
        if self.store.journal.last_seq != self._seq:
            self._seq = self.store.journal.last_seq
            self.uplink.appended(now_ms)
        self.uplink.tick(now_ms)

    def _hear_alarm(self, now_ms: int) -> None:
        """Tell by lamp and sound, where there are any for it, that a gate of the site sounds."""
        shown = self.uplink.site.alarm
        alarm = shown.alarm if shown else ""
        if alarm and alarm != self._alarm:
            self.desk.signal(Signal.ALARM, now_ms)
        self._alarm = alarm

    def _after_desk(self, before: State) -> None:
        """The next reader starts in the kiosk's own language."""
        if self.desk.session.state is State.IDLE and before is not State.IDLE:
            self.language = self.config.languages[0]

    def _feel(self) -> None:
        """Ask every device how it is; say at once which of them began to fail, or to work."""
        health = self.devices.health()
        before = {name for name, detail in self._health if detail != "ok"}
        devices = tuple((name, _feeling(h)) for name, h in sorted(health.items()))
        self._health = devices + tuple(self._disk_troubles())
        if before != {name for name, detail in self._health if detail != "ok"}:
            self.uplink.telling.feel_again()
        self._pad_ok = "pad" in health and health["pad"].ok
        self._scanner_ok = "scanner" in health and health["scanner"].ok

    def _disk_troubles(self) -> Iterator[tuple[str, str]]:
        """What staff should know of the disk and of what is on it."""
        if self._is_tight:
            yield "disk", "the disk is nearly full: books are taken back and none lent; make room"
        saved = trouble(self.store.recall, self.store.journal)
        if saved:
            yield "journal", saved

    def _upkeep(self, now_ms: int) -> None:
        """Look at the disk; keep the time, and how far the journal is, over a power cut."""
        self._watch_disk(now_ms)
        if self.store.journal.last_seq != self._noted_seq:
            self._noted_seq = self.store.journal.last_seq
            self.store.note_tip()
        if now_ms - self._remembered_ms >= REMEMBER_MS:
            self._remembered_ms = now_ms
            self.store.remember("latest_wall", str(self.time.wall_ms()))

    def _watch_disk(self, now_ms: int) -> None:
        """Lend only while there is room for what follows from a loan; take books back longer."""
        free = self.disk_free()
        enough = self.config.disk_free_bytes_min
        if (free < enough) != self._is_tight:
            self._is_tight = free < enough
            _log.error(
                "%s MB free: %s", free >> 20, "no loans" if self._is_tight else "room again"
            )
        self.desk.lends = self.config.lends and not self._is_tight
        is_full = free < min(enough, RETURNS_BYTES_MIN)
        stopped = self.desk.session.state is State.STOPPED
        if is_full and not stopped:
            _log.error("less than %s bytes free: the kiosk stops", RETURNS_BYTES_MIN)
            self.desk.tell(LendingStopped("disk_full"), now_ms)
        elif stopped and not is_full:
            self.store.remember("latest_wall", str(self.time.wall_ms()))
            self.desk.recovery.again()
            self.desk.tell(LendingResumed(), now_ms)

    def show(self) -> None:
        """Put up what is true now."""
        session = self.desk.session
        patron = session.patron
        loans = self.lists.beliefs.open_loans(patron.patron_id) if patron else []
        zone = self.lists.policy.zone
        locale = Locale(self.language, self.config.languages, zone)
        view = build_view(session, self._standing(), locale, loans, self.time.now())
        add_countdown(view, session, self.time.mono_ms)
        self.board.put(view)

    def _standing(self) -> Standing:
        place, alarm = self.config.place, self.uplink.site.alarm
        waiting = self.uplink.waiting
        shown = None
        if alarm is not None:
            shown = (
                ("gate", alarm.gate), ("title", alarm.title), ("shelf_mark", alarm.shelf_mark),
            )  # fmt: skip
        return Standing(
            place=place.name,
            station=place.station,
            online=self.uplink.is_online(self.time.mono_ms),
            waiting=waiting,
            oldest=self.store.oldest_waiting_wall() if waiting else None,
            clock_sure=self.time.sure,
            pad=self._pad_ok,
            scanner=self._scanner_ok,
            lends=self.desk.lends,
            numbers=self.config.typed_numbers,
            health=tuple(detail for _, detail in self._health if detail != "ok"),
            device_health=self._health,
            versions=tuple(sorted(self.lists.versions().items())),
            alarm=shown,
            sound=self.desk.sound,
        )

    def feelings(self) -> Telemetry:
        """What the telemetry says."""
        health = {name: detail[:120] for name, detail in self._health}
        health |= {f"list {kind}": why[:120] for kind, why in self.lists.trouble.items()}
        health |= {name[:32]: detail[:120] for name, detail in self.uplink.notices[-5:]}
        if self.inbox.dropped:
            health["queue"] = f"{self.inbox.dropped} events dropped"
        return Telemetry(
            depth=self.uplink.waiting,
            oldest_wall=self.store.oldest_waiting_wall(),
            disk_free=self.disk_free(),
            temperature=read_temperature(),
            reader_errors=self.desk.table.reader_errors + self.desk.switcher.errors,
            health=health,
            overlay=None,
        )

    def print_slip(self, ended: EndVisit) -> None:
        """Print a visit's slip; a printer without paper never holds up a loan."""
        if self.devices.printer is None:
            return
        now = self.time.now().astimezone(self.lists.policy.zone)
        language = self.language
        lines = slip_lines(
            ended,
            place=self.config.place.name,
            say=lambda name, **values: phrase(language, name, **values),
            now=now,
        )
        try:
            self.devices.printer.print_lines(lines)
        except HardwareError as error:
            _log.warning("printer: %s", error)


def _feeling(health: Health) -> str:
    """Return a device's health as one sentence, "ok" when nobody has to do anything."""
    return "ok" if health.ok else health.detail or "it does not work"


def read_temperature(file: str = TEMPERATURE_FILE) -> int | None:
    """Return the processor's temperature in millidegrees Celsius; None where nobody measures."""
    try:
        with open(file, encoding="ascii") as source:
            return int(source.read(16))
    except (OSError, ValueError):
        return None


def free_bytes(config: KioskConfig) -> int:
    """Room left on the disk that holds the journal."""
    return shutil.disk_usage(config.store.parent).free
