"""The gate's program: wires the parts together and runs them until told to stop.

Two threads of our own: the caller's runs the detection loop, a second one the courier. Whatever
happens to the second, the first goes on deciding.
"""

from __future__ import annotations

import logging
import secrets
import sqlite3
import threading

from circulation.config import Section
from circulation.journal import SqliteJournal
from circulation.link import Link
from circulation.salvage import Born, open_or_salvage, write_tip
from circulation.wire.messages import encode
from circulation.wire.topics import client_id
from firmware.gate.commands import Notice
from firmware.gate.events import ClockSet
from firmware.gate.machine import GateMachine
from firmware.pi.config import StationConfig, read_station_config
from firmware.pi.courier import Courier
from firmware.pi.devices import GateDevices
from firmware.pi.facts import FactWriter, StationTime
from firmware.pi.following import ListFollowing
from firmware.pi.lists import ListFolder
from firmware.pi.loop import TURN_MS, DetectionLoop
from hardware.ports import Clock

KEEPALIVE_S = 60
STEP_S = 0.2
NOTE_TIP_MS = 5_000

_log = logging.getLogger(__name__)


def run(section: Section, devices: GateDevices, *, clock: Clock, stop: threading.Event) -> None:
    """Run the gate until `stop` is set, then leave it quiet; closes the devices.

    Raises ConfigInvalid before anything is started. `[devices]` must have been read before.
    """
    try:
        config = read_station_config(section)
        section.close()
        config.connector()  # a certificate that is not there would end the courier, and it alone
        station = GateStation(config, devices, clock=clock)
        devices.start()
        station.run(stop)
    finally:
        devices.close()


class GateStation:
    """One gate with everything it needs, ready to run."""

    def __init__(self, config: StationConfig, devices: GateDevices, *, clock: Clock) -> None:
        """Open nothing yet: the courier's thread owns the database."""
        self._config = config
        self._clock = clock
        self._time = StationTime(clock, boot=secrets.token_hex(4))
        machine = GateMachine(config.machine(devices), config.site_key, new_id)
        self.loop = DetectionLoop(
            machine,
            devices,
            clock=clock,
            outbox=self._hand_over,
            staff_cards=config.staff_cards,
            card_key=config.card_key,
        )
        self._courier: Courier | None = None
        self._noted_seq, self._noted_ms = -1, -NOTE_TIP_MS
        self._early: list[tuple[object, int]] = []
        self._lock = threading.Lock()

    def run(self, stop: threading.Event) -> None:
        """Detect until told to stop; the courier follows and has the last word."""
        ending = threading.Event()
        courier = threading.Thread(target=self._run_courier, args=(ending,), name="courier")
        courier.start()
        try:
            self.loop.tell(ClockSet(self._time.wall_ms(self._time.mono_ms())[0]))
            while not stop.is_set():
                began_ms = self._clock.now_ms()
                self.loop.turn()
                spent_ms = self._clock.now_ms() - began_ms
                self._clock.sleep_ms(max(1, TURN_MS - spent_ms))
        finally:
            self.loop.stop()
            ending.set()
            courier.join()

    def _hand_over(self, item: object, at_ms: int) -> None:
        with self._lock:
            if self._courier is None:
                self._early.append((item, at_ms))
                del self._early[:-EARLY_MAX]
                return
        self._courier.hand_over(item, at_ms)

    def _run_courier(self, ending: threading.Event) -> None:
        try:
            self._config.store.parent.mkdir(parents=True, exist_ok=True)
            opened = open_or_salvage(self._config.store, self._born())
        except Exception:
            _log.exception("no store: the gate decides, and nothing is recorded or sent")
            return
        connection = opened.connection
        if opened.salvaged is not None:
            self._hand_over(Notice("salvaged", opened.salvaged.told()), self._clock.now_ms())
        try:
            self._serve(connection, ending)
        except Exception:
            _log.exception("the courier has ended; the gate goes on deciding")
        finally:
            connection.close()

    def _serve(self, connection: sqlite3.Connection, ending: threading.Event) -> None:
        journal = SqliteJournal(connection, epoch_id=new_id())
        courier, following = self._make_courier(journal)
        with self._lock:
            self._courier = courier
            for item, at_ms in self._early:
                courier.hand_over(item, at_ms)
            self._early.clear()
        following.start()
        courier.link = self._make_link(courier)
        courier.link.subscribe(courier.filters())
        courier.link.start()
        try:
            while not ending.is_set():
                courier.step(STEP_S)
                self._note_tip(journal)
            courier.step(0)
            courier.goodbye()
        finally:
            courier.link.stop()
            self._note_tip(journal)

    def _note_tip(self, journal: SqliteJournal) -> None:
        """Note now and then how far the journal is, for the day the database is damaged."""
        now_ms = self._clock.now_ms()
        if journal.last_seq != self._noted_seq and now_ms - self._noted_ms >= NOTE_TIP_MS:
            self._noted_seq, self._noted_ms = journal.last_seq, now_ms
            write_tip(self._config.store, journal)

    def _born(self) -> Born:
        return Born(new_id, self._time.boot, self._clock.wall_ms())

    def _make_courier(self, journal: SqliteJournal) -> tuple[Courier, ListFollowing]:
        config = self._config
        following = ListFollowing(
            base_url=config.gateway_url,
            folder=ListFolder(config.lists),
            tell=self.loop.tell,
            arrived=lambda result: self._hand_over(result, self._clock.now_ms()),
            random_below=secrets.randbelow,
            connect=config.connector(),
        )
        writer = FactWriter(journal, self._time, site=config.site, new_id=new_id)
        courier = Courier(
            config, writer, following, tell=self.loop.tell, random_below=secrets.randbelow
        )
        return courier, following

    def _make_link(self, courier: Courier) -> Link:
        config = self._config
        will = courier.topics.status(config.station), encode(courier.status(on=False))
        return Link(
            config.endpoint,
            client_id=client_id(config.library, config.station),
            will=will,
            keepalive_s=KEEPALIVE_S,
            deliver=lambda event: courier.hand_over(event, self._clock.now_ms()),
        )


EARLY_MAX = 1_000  # while the store is being opened, a few hundred milliseconds


def open_store(config: StationConfig) -> sqlite3.Connection:
    """Return the gate's database; a damaged one is moved aside, and what it held is saved."""
    config.store.parent.mkdir(parents=True, exist_ok=True)
    return open_or_salvage(config.store, Born(new_id, new_id()[:8], 0)).connection


def new_id() -> str:
    """Return a fresh random id of a fact or an epoch."""
    return secrets.token_hex(8)
