"""What goes between the gate and the world, in a thread of its own.

Laws:
- Nothing here delays the detection loop: it hands over and goes on.
- A fact is journalled first and offered to the gateway then; the journal is the queue.
- What comes in is decoded and checked here; the machine is told only what is well-formed, from
  this library and this site, and genuine. Retained messages and wills are no sign of life.
- Whatever a message does, the next one is taken.
"""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable
from pathlib import Path
from typing import Any

from circulation.link import Connected, Disconnected, Link, Received
from circulation.sync.births import Births
from circulation.sync.clock import ClockSync
from circulation.sync.effects import (
    Reconnect,
    RecordClock,
    SendJournal,
    SendRequest,
    SendStatus,
    StaffNotice,
)
from circulation.sync.liveness import BLIND
from circulation.sync.uploader import Uploader
from circulation.wire import topics as names
from circulation.wire.errors import WireError
from circulation.wire.messages import (
    Applied,
    Change,
    GatewayStatus,
    Head,
    Pointer,
    SiteAlarm,
    SiteAsk,
    SiteLoan,
    Status,
    Telemetry,
    TimeReply,
    decode,
    decode_reply,
    encode,
    is_sealed,
    sealed,
)
from circulation.wire.topics import Topics, parse
from firmware.gate import commands, events
from firmware.pi.config import StationConfig
from firmware.pi.face import Face, feel_machine, write_face
from firmware.pi.facts import FactWriter
from firmware.pi.following import ListFollowing
from firmware.pi.lists import Fetched, NotFetched
from firmware.pi.telling import TelemetryTurns

FIRMWARE = "lendgate 0.1.0"
STATUS_AGAIN_MS = 15_000
STATUS_SOON_MS = 1_000
QUEUE_MAX = 10_000
ITEMS_PER_STEP = 200
NOTICES_KEPT = 20

_log = logging.getLogger(__name__)


class Courier:
    """Journal, uploader, link and lists of one gate. `step` is called by one thread."""

    def __init__(
        self,
        config: StationConfig,
        writer: FactWriter,
        following: ListFollowing,
        *,
        tell: Callable[[Any], bool],
        random_below: Callable[[int], int],
        feel: Callable[[Path], tuple[int | None, int | None]] = feel_machine,
    ) -> None:
        """tell: gives the machine an event; False when it has no room.

        feel: returns the free bytes of a folder's disk and the processor's temperature.
        """
        self.config = config
        self._feel = feel
        self.topics = Topics(config.library)
        self.link: Link | None = None
        self.show: Callable[[Path, dict[str, Any]], None] = write_face
        self.dropped = 0
        self.rejected = 0
        self._queue: queue.SimpleQueue[tuple[Any, int]] = queue.SimpleQueue()
        self._writer = writer
        self._journal = journal = writer.journal
        self._time = time = writer.time
        self._following = following
        self._tell = tell
        self._uploader = Uploader(
            journal, station=config.station, clock=time.stamp, random_below=random_below
        )
        self._births = Births(boot=time.boot, random_below=random_below)
        self._clock = ClockSync(random_below=random_below)
        self._heads_n = 0
        self._face = Face(BLIND, 0, 0, {})
        self._face_file = config.face
        self._notices: list[str] = []
        self._is_connected = False
        self._turns = TelemetryTurns()
        self._told: Status | None = None
        self._told_ms = 0

    def hand_over(self, item: Any, at_ms: int) -> None:
        """Take a command, a `LinkEvent` or a download; returns at once, from any thread."""
        # Two threads that find the last place free may both take it.
        if self._queue.qsize() < QUEUE_MAX:
            self._queue.put((item, at_ms))
        else:
            self.dropped += 1

    def step(self, timeout_s: float) -> None:
        """Wait for something to do at most that long, do it, and let time pass."""
        wait_s: float | None = timeout_s
        for _ in range(ITEMS_PER_STEP):
            try:
                item, at_ms = self._queue.get(wait_s is not None, wait_s)
            except queue.Empty:
                break
            wait_s = None
            self._guarded(self._take, item, self._time.mono_ms(at_ms))
        self._guarded(self._tick, self._time.mono_ms())

    def status(self, *, on: bool) -> Status:
        """Return who this station is now."""
        journal = self._journal
        lineage = journal.lineage or self._following.lineage
        # Of another history a version would mean nothing, and look like one we cannot have.
        is_ours = self._following.lineage == lineage
        version = self._following.version if is_ours else None
        _, is_sure = self._time.wall_ms(self._time.mono_ms())
        return Status(
            station=self.config.station,
            on=on,
            boot=self._time.boot,
            epoch=journal.epoch.id,
            n=journal.epoch.n,
            seq_last=journal.last_seq,
            acked=self._uploader.acked,
            versions={} if version is None else {names.MAY_LEAVE: version},
            lineage=lineage,
            firmware=FIRMWARE,
            clock="sure" if is_sure else "unsure",
            role="gate",
            site=self.config.site,
            config_version=0,
            name=self.config.name,
            list_state=self._face.list_state,
            waiting_since_wall=self._writer.waiting_since(),
        )

    def filters(self) -> list[str]:
        """Return what this station listens to from its first connection on."""
        of_all = f"{names.PREFIX}/{self.config.library}/+/+/{names.STATUS}"
        return [
            *self.topics.own(self.config.station),
            *self.topics.from_gateway(self.config.site, (names.MAY_LEAVE,)),
            self.topics.site_loan(self.config.site),
            self.topics.site_alarm(self.config.site),
            of_all,
            *(self.topics.telemetry(station) for station in self.config.lenders),
        ]

    def goodbye(self) -> None:
        """Say that this station goes on purpose; what waits stays in the journal."""
        if self.link is not None and self._is_connected:
            self._publish(self.topics.status(self.config.station), self.status(on=False), True)

    def _take(self, item: Any, now_ms: int) -> None:
        if isinstance(item, Received):
            self._on_message(item, self._time.mono_ms())
        elif isinstance(item, Connected):
            self._on_connected(now_ms)
        elif isinstance(item, Disconnected):
            self._on_disconnected()
        elif isinstance(item, commands.Record):
            if self._writer.write(item.fields, now_ms, item.fact):
                self._carry_out(self._uploader.on_appended(now_ms))
        elif isinstance(item, commands.PublishAlarm):
            self._publish_alarm(item)
        elif isinstance(item, commands.AskSite):
            self._ask_site(item)
        elif isinstance(item, commands.Notice):
            self._notice(item.text)
        elif isinstance(item, Face):
            self._on_face(item, now_ms)
        elif isinstance(item, (Fetched, NotFetched)):
            self._following.on_arrived(item, now_ms)

    def _tick(self, now_ms: int) -> None:
        if self._writer.waiting and self._writer.flush():
            self._carry_out(self._uploader.on_appended(now_ms))
        effects = self._uploader.tick(now_ms) + self._births.tick(now_ms)
        if self._is_connected:
            effects += self._clock.tick(now_ms) + self._following.tick(now_ms)
        self._carry_out(effects)
        if self._is_connected and self._turns.take(self._health(), now_ms):
            self._publish(self.topics.telemetry(self.config.station), self._telemetry(), qos=0)

    def _on_connected(self, now_ms: int) -> None:
        self._is_connected = True
        self._turns.on_connected()
        self._carry_out(self._clock.on_connected(now_ms))
        self._carry_out(self._uploader.on_connected(now_ms))
        self._tell(events.LinkUp())

    def _on_disconnected(self) -> None:
        self._is_connected = False
        self._uploader.on_disconnected()
        self._births.on_disconnected()
        self._clock.on_disconnected()
        self._tell(events.LinkDown())

    def _on_message(self, event: Received, now_ms: int) -> None:
        try:
            address = parse(event.topic)
            handler = _HANDLERS.get(address.name)
            if address.library == self.config.library and handler is not None:
                handler(self, event, now_ms)
        except WireError as error:
            self.rejected += 1
            _log.warning("message on %s: %s", event.topic[:80], error)

    def _on_status(self, event: Received, now_ms: int) -> None:
        status = decode(Status, event.payload)
        if status.station == self.config.station:
            self._carry_out(self._births.on_own_status(status, now_ms))
        elif status.role == "kiosk" and status.site == self.config.site:
            if self.link is not None:
                self.link.subscribe([self.topics.telemetry(status.station)])
            is_live = status.on and not event.retained
            heard = events.LenderHeard if is_live else events.LenderKnown
            self._tell(heard(status.station))

    def _on_telemetry(self, event: Received, now_ms: int) -> None:
        station = parse(event.topic).station
        if not event.retained and station != self.config.station:
            self._tell(events.LenderHeard(station))

    def _on_reply(self, event: Received, now_ms: int) -> None:
        reply = decode_reply(event.payload)
        self._carry_out(self._uploader.on_reply(reply, now_ms))
        if isinstance(reply, TimeReply):
            self._carry_out(self._clock.on_reply(reply, now_ms))
        elif isinstance(reply, Change):
            self._follow_change(reply, now_ms)
        elif isinstance(reply, Pointer):
            self._carry_out(self._following.on_pointer(reply, now_ms))

    def _on_gateway_status(self, event: Received, now_ms: int) -> None:
        self._births.on_gateway_status(decode(GatewayStatus, event.payload), now_ms)

    def _on_head(self, event: Received, now_ms: int) -> None:
        head = decode(Head, event.payload)
        if event.retained or not self._is_genuine(head):
            return
        self._births.on_head(head)
        self._carry_out(self._uploader.on_head(head, now_ms))
        self._carry_out(self._following.on_head(head, now_ms))
        self._tell(events.HeadHeard(head))

    def _on_applied(self, event: Received, now_ms: int) -> None:
        self._tell(events.AppliedHeard(decode(Applied, event.payload)))

    def _on_snapshot(self, event: Received, now_ms: int) -> None:
        pointer = decode(Pointer, event.payload)
        self._carry_out(self._following.on_pointer(pointer, now_ms))

    def _on_change(self, event: Received, now_ms: int) -> None:
        self._follow_change(decode(Change, event.payload), now_ms)

    def _on_site_loan(self, event: Received, now_ms: int) -> None:
        if not event.retained:
            self._tell(events.SiteLoanHeard(decode(SiteLoan, event.payload)))

    def _on_site_alarm(self, event: Received, now_ms: int) -> None:
        message = decode(SiteAlarm, event.payload)
        if message.answers is not None and not event.retained:
            self._tell(events.SiteAlarmHeard(message))

    def _follow_change(self, change: Change, now_ms: int) -> None:
        if self._is_genuine(change):
            self._carry_out(self._following.on_change(change, now_ms))

    def _carry_out(self, effects: list[Any]) -> None:
        station = self.config.station
        for effect in effects:
            if isinstance(effect, SendJournal):
                self._publish(self.topics.journal(station), effect.message)
            elif isinstance(effect, SendRequest):
                self._publish(self.topics.request(station), effect.message)
            elif isinstance(effect, SendStatus):
                self._send_status(self._time.mono_ms())
            elif isinstance(effect, Reconnect) and self.link is not None:
                self.link.reconnect(effect.why)
            elif isinstance(effect, StaffNotice):
                self._notice(f"{effect.code}: {effect.detail}")
            elif isinstance(effect, RecordClock):
                self._record_clock(effect.fields)

    def _record_clock(self, fields: dict[str, Any]) -> None:
        self._time.learn(**{name: fields[name] for name in _CLOCK_FIELDS})
        now_ms = self._time.mono_ms()
        wall_ms, _ = self._time.wall_ms(now_ms)
        self._tell(events.ClockSet(wall_ms))
        if self._writer.write(fields, now_ms):
            self._carry_out(self._uploader.on_appended(now_ms))

    def _publish_alarm(self, alarm: commands.PublishAlarm) -> None:
        fields = alarm.fields
        message = SiteAlarm(
            station=self.config.station,
            alarm=alarm.alarm,
            gate=self.config.station,
            lane=fields["lane"],
            direction=fields["direction"],
            row=fields["row"],
            uid=fields["uid"],
            item=fields.get("item"),
            title=None,
            shelf_mark=None,
            latency_ms=fields["latency_ms"],
            answers=None,
            mac="",
        )
        signed = sealed(message, self.config.site_key)
        self._publish(self.topics.site_alarm(self.config.site), signed)

    def _ask_site(self, ask: commands.AskSite) -> None:
        message = SiteAsk(self.config.station, names.MAY_LEAVE, ask.lineage, ask.version, "")
        signed = sealed(message, self.config.site_key)
        self._publish(self.topics.site_ask(self.config.site), signed)

    def _on_face(self, face: Face, now_ms: int) -> None:
        self._face = face
        self.show(self._face_file, self._shown())
        status = self.status(on=True)
        wait_ms = STATUS_SOON_MS if _looks_other(self._told, status) else STATUS_AGAIN_MS
        is_due = now_ms - self._told_ms >= wait_ms
        if self._is_connected and is_due and self._told != status:
            self._send_status(now_ms)

    def _shown(self) -> dict[str, Any]:
        return {
            "station": self.config.station,
            "at": self._time.wall_ms(self._time.mono_ms())[0],
            "connected": self._is_connected,
            "list": self._face.list_state,
            "version": self._following.version,
            "waiting": self._uploader.waiting + self._writer.waiting,
            "overlay": self._face.overlay,
            "health": self._health(),
            "notices": self._notices,
        }

    def _health(self) -> dict[str, str]:
        found = {**self._face.health, **self._writer.health()}
        if self._following.trouble:
            found["list"] = self._following.trouble
        if self.dropped:
            found["courier"] = f"{self.dropped} messages could not be taken in time"
        if self.rejected:
            found["messages"] = f"{self.rejected} messages refused"
        return found

    def _telemetry(self) -> Telemetry:
        disk_free, temperature = self._feel(self.config.store.parent)
        return Telemetry(
            depth=self._uploader.waiting + self._writer.waiting,
            oldest_wall=self._writer.waiting_since(),
            disk_free=disk_free,
            temperature=temperature,
            reader_errors=self._face.reader_errors,
            health={name[:32]: text[:120] for name, text in list(self._health().items())[:32]},
            overlay=self._face.overlay,
        )

    def _notice(self, text: str) -> None:
        _log.info("%s", text)
        self._notices = [*self._notices, text[:200]][-NOTICES_KEPT:]

    def _send_status(self, now_ms: int) -> None:
        self._told = self.status(on=True)
        self._told_ms = now_ms
        self._publish(self.topics.status(self.config.station), self._told, True)

    def _publish(self, topic: str, message: Any, retained: bool = False, *, qos: int = 1) -> None:
        if self.link is None:
            return
        try:
            self.link.publish(topic, encode(message), qos=qos, retained=retained)
        except WireError as error:
            _log.error("a message of ours cannot be sent: %s", error)

    def _is_genuine(self, message: Head | Change) -> bool:
        if is_sealed(message, self.config.site_key):
            return True
        self.rejected += 1
        _log.warning("a %s without a right mac", type(message).__name__)
        return False

    def _guarded(self, action: Callable[..., None], *arguments: Any) -> None:
        try:
            action(*arguments)
        except Exception:
            _log.exception("the courier goes on after an error of its own")


def _looks_other(told: Status | None, status: Status) -> bool:
    """Return whether staff should see it at once; versions change with every loan and may wait."""
    return told is None or (told.list_state, told.clock) != (status.list_state, status.clock)


_CLOCK_FIELDS = ("mono_sent", "mono_received", "gateway_now")

_HANDLERS: dict[str, Callable[[Courier, Received, int], None]] = {
    names.STATUS: Courier._on_status,
    names.TELEMETRY: Courier._on_telemetry,
    names.REPLY: Courier._on_reply,
    names.GATEWAY_STATUS: Courier._on_gateway_status,
    names.HEAD: Courier._on_head,
    names.APPLIED: Courier._on_applied,
    names.SNAPSHOT: Courier._on_snapshot,
    names.CHANGE: Courier._on_change,
    names.SITE_LOAN: Courier._on_site_loan,
    names.SITE_ALARM: Courier._on_site_alarm,
}
