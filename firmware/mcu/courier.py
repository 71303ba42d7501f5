"""What goes between the gate and the world, a little in every turn.

Laws:
- A fact is journalled first and offered to the gateway then; the journal is the queue.
- What comes in is decoded and checked here; the machine is told only what is well-formed, from
  this library and this site, and genuine. Retained messages and wills are no sign of life.
- One message at a time, and none after the turn's time is over. While messages wait none are
  fetched from the socket, so nothing here grows.
- Whatever a message does, the next one is taken.
"""

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
from circulation.wire.fact import decode_body
from circulation.wire.messages import (
    Applied,
    Change,
    Chunk,
    GatewayStatus,
    Head,
    Offer,
    Pointer,
    SiteAlarm,
    SiteAsk,
    SiteLoan,
    Status,
    TimeReply,
    decode,
    decode_reply,
    encode,
    is_sealed,
    sealed,
)
from circulation.wire.topics import Topics, parse
from firmware.gate import commands, events
from firmware.mcu.link import CLOSED, CONNECTED, MESSAGE, REFUSED
from firmware.mcu.telling import TelemetryTurns, telemetry
from firmware.mcu.update_following import NoUpdates
from firmware.mcu.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from firmware.mcu.config import Config
    from firmware.mcu.facts import FactWriter
    from firmware.mcu.link import Link

BATCH_FACTS_MAX = 4
"""A batch is in memory three times: rows, texts, message."""
STATUS_AGAIN_MS = 15_000
STATUS_SOON_MS = 1_000
LENDERS_HEARD_MAX = 32
TICK_MS = 100
_CLOCK_FIELDS = ("mono_sent", "mono_received", "gateway_now")


class Courier:
    """Journal, uploader, link and list of one gate."""

    def __init__(
        self,
        config: "Config",
        writer: "FactWriter",
        following: "Any",
        *,
        link: "Link",
        tell: "Callable[[Any], bool]",
        random_below: "Callable[[int], int]",
    ) -> None:
        """following: see `firmware/mcu/following.py`. tell: gives the machine an event."""
        self.config = config
        self.topics = Topics(config.library)
        self.list_state = BLIND
        self.rejected = 0
        self.updates: Any = NoUpdates(f"lendgate {VERSION}")
        self._link = link
        self._writer = writer
        self._journal = journal = writer.journal
        self._time = time = writer.time
        self._following = following
        self._tell = tell
        self._uploader = Uploader(
            journal,
            station=config.station,
            clock=time.stamp,
            random_below=random_below,
            batch_facts_max=BATCH_FACTS_MAX,
        )
        self._births = Births(boot=time.boot, random_below=random_below)
        self._clock = ClockSync(random_below=random_below)
        self._turns = TelemetryTurns()
        self._heard: list[str] = []
        self._unheard = ""
        self._told: Status | None = None
        self._told_ms = 0
        self._tick_ms = 0
        for topic_filter in self.filters():
            link.listen(topic_filter)

    @property
    def waiting(self) -> int:
        """Return how many facts the gateway has not said to have applied."""
        return self._uploader.waiting + self._writer.waiting

    def filters(self) -> "list[str]":
        """Return what this station listens to from its first connection on."""
        config, topics = self.config, self.topics
        found = topics.own(config.station)
        found += topics.from_gateway(config.site, (names.MAY_LEAVE,))
        found += [topics.site_loan(config.site), topics.site_alarm(config.site)]
        found.append(f"{names.PREFIX}/{config.library}/+/+/{names.STATUS}")
        found += [topics.telemetry(station) for station in config.top.lenders]
        return found

    def take(self, command: "Any", at_ms: int) -> None:
        """Take a command of the machine that is not for a device."""
        kind = type(command)
        if kind is commands.Record:
            if self._writer.write(command.fields, at_ms, command.fact):
                self._carry_out(self._uploader.on_appended(at_ms))
        elif kind is commands.PublishAlarm:
            self._publish_alarm(command)
        elif kind is commands.AskSite:
            self._ask_site(command)

    def put_down(self, fields: "dict[str, Any] | None", at_ms: int) -> None:
        """Keep the people counted in a slot that is not over, in case the power goes."""
        self._writer.put_down(fields, at_ms)

    def on_event(self, event: "tuple[Any, ...]", now_ms: int) -> None:
        """Take what the link brought: a connection, its end, or a message."""
        if event[0] == MESSAGE:
            self._on_message(event, now_ms)
        elif event[0] == CONNECTED:
            self._on_connected(now_ms)
        elif event[0] == CLOSED:
            self._on_closed()
        elif event[0] == REFUSED:
            self._unheard = str(event[1])

    def tick(self, now_ms: int, is_quiet: bool = False) -> None:
        """Let time pass, ten times a second. is_quiet: nobody passes, and nothing sounds."""
        if now_ms < self._tick_ms:
            return
        self._tick_ms = now_ms + TICK_MS
        if self._writer.waiting and self._writer.flush():
            self._carry_out(self._uploader.on_appended(now_ms))
        self._carry_out(self._uploader.tick(now_ms))
        self._carry_out(self._births.tick(now_ms))
        if self._link.is_up:
            if not self.waiting and self._writer.move():
                self._carry_out(self._uploader.on_appended(now_ms))
            self._carry_out(self._clock.tick(now_ms))
            self._carry_out(self._following.tick(now_ms))
            self._carry_out(self.updates.tick(now_ms, is_quiet))

    def show(self, list_state: str, health: "dict[str, str]", measured: "Any") -> None:
        """Take how the gate is, once a second; tell it when it is due.

        measured: (overlay, reader errors, free bytes or None), as telemetry has them.
        """
        now_ms = self._time.now_ms()
        self.list_state = list_state
        if not self._link.is_up:
            return
        status = self.status(on=True)
        wait_ms = STATUS_SOON_MS if _looks_other(self._told, status) else STATUS_AGAIN_MS
        if now_ms - self._told_ms >= wait_ms and self._told != status:
            self._send_status(now_ms)
        health.update(self.health())
        if self._turns.take(health, now_ms):
            self._publish(
                self.topics.telemetry(self.config.station),
                telemetry(health, measured, self.waiting, self._waiting_since()),
                qos=0,
            )

    def health(self) -> "dict[str, str]":
        """Return what staff should know of journal, list and messages."""
        found = self._writer.health()
        if self._following.trouble:
            found["list"] = self._following.trouble
        if self.updates.trouble:
            found["update"] = self.updates.trouble
        if self._unheard:
            found["broker"] = f"it does not let us hear {self._unheard}"[:120]
        if self.rejected:
            found["messages"] = f"{self.rejected} messages refused"
        return found

    def status(self, *, on: bool) -> Status:
        """Return who this station is now."""
        journal, following = self._journal, self._following
        lineage = journal.lineage or following.lineage
        # Of another history a version would mean nothing, and look like one we cannot have.
        version = following.version if following.lineage == lineage else None
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
            firmware=self.updates.firmware,
            clock="sure" if self._time.is_sure else "unsure",
            role="gate",
            site=self.config.site,
            config_version=0,
            name=self.config.name,
            list_state=self.list_state,
            waiting_since_wall=self._waiting_since(),
        )

    def will(self) -> "tuple[str, bytes]":
        """Return topic and payload of the last will."""
        return self.topics.status(self.config.station), encode(self.status(on=False))

    def note(self, code: str, detail: str) -> None:
        """Keep something that happened, for whoever stands at the device."""
        self._turns.note(code, detail)

    def goodbye(self) -> None:
        """Say that this station goes on purpose; what waits stays in the journal."""
        self._publish(self.topics.status(self.config.station), self.status(on=False), True)

    def _on_connected(self, now_ms: int) -> None:
        self._told, self._unheard = None, ""
        self._turns.on_connected()
        self._carry_out(self._clock.on_connected(now_ms))
        self._carry_out(self._uploader.on_connected(now_ms))
        self._tell(events.LinkUp())

    def _on_closed(self) -> None:
        self._uploader.on_disconnected()
        self._births.on_disconnected()
        self._clock.on_disconnected()
        self._tell(events.LinkDown())

    def _on_message(self, event: "tuple[Any, ...]", now_ms: int) -> None:
        try:
            address = parse(event[1])
            handler = _HANDLERS.get(address.name)
            if address.library == self.config.library and handler is not None:
                handler(self, address, event, now_ms)
        except WireError:
            self.rejected += 1

    def _on_status(self, address: "Any", event: "tuple[Any, ...]", now_ms: int) -> None:
        status = decode(Status, event[2])
        if status.station == self.config.station:
            self._carry_out(self._births.on_own_status(status, now_ms))
        elif status.role == "kiosk" and status.site == self.config.site:
            self._hear(status.station)
            is_live = status.on and not event[3]
            heard = events.LenderHeard if is_live else events.LenderKnown
            self._tell(heard(status.station))

    def _hear(self, station: str) -> None:
        """Listen to a kiosk's telemetry too: it is how a silent one is noticed."""
        if station in self._heard or station in self.config.top.lenders:
            return
        if len(self._heard) < LENDERS_HEARD_MAX:
            self._heard.append(station)
            self._link.listen(self.topics.telemetry(station))

    def _on_telemetry(self, address: "Any", event: "tuple[Any, ...]", now_ms: int) -> None:
        if not event[3] and address.station != self.config.station:
            self._tell(events.LenderHeard(address.station))

    def _on_reply(self, address: "Any", event: "tuple[Any, ...]", now_ms: int) -> None:
        reply = decode_reply(event[2])
        self._carry_out(self._uploader.on_reply(reply, now_ms))
        if isinstance(reply, TimeReply):
            self._carry_out(self._clock.on_reply(reply, now_ms))
        elif isinstance(reply, Change):
            self._follow_change(reply, now_ms)
        elif isinstance(reply, Pointer):
            self._carry_out(self._following.on_pointer(reply, now_ms))
        elif isinstance(reply, Chunk) and reply.kind == names.FIRMWARE:
            self.updates.on_chunk(reply, now_ms)
        elif isinstance(reply, Chunk):
            self._carry_out(self._following.on_chunk(reply, now_ms))

    def _on_gateway_status(self, address: "Any", event: "tuple[Any, ...]", now_ms: int) -> None:
        self._births.on_gateway_status(decode(GatewayStatus, event[2]), now_ms)

    def _on_head(self, address: "Any", event: "tuple[Any, ...]", now_ms: int) -> None:
        head = decode(Head, event[2])
        if event[3] or not self._is_genuine(head):
            return
        self._births.on_head(head)
        self._carry_out(self._uploader.on_head(head, now_ms))
        self._carry_out(self._following.on_head(head, now_ms))
        self._tell(events.HeadHeard(head))

    def _on_applied(self, address: "Any", event: "tuple[Any, ...]", now_ms: int) -> None:
        self._tell(events.AppliedHeard(decode(Applied, event[2])))

    def _on_snapshot(self, address: "Any", event: "tuple[Any, ...]", now_ms: int) -> None:
        if address.kind != names.FIRMWARE:
            self._carry_out(self._following.on_pointer(decode(Pointer, event[2]), now_ms))
            return
        offer = decode(Offer, event[2])
        if self._is_genuine(offer):
            self.updates.on_offer(offer, now_ms)

    def _on_change(self, address: "Any", event: "tuple[Any, ...]", now_ms: int) -> None:
        self._follow_change(decode(Change, event[2]), now_ms)

    def _on_site_loan(self, address: "Any", event: "tuple[Any, ...]", now_ms: int) -> None:
        if not event[3] and address.site == self.config.site:
            self._tell(events.SiteLoanHeard(decode(SiteLoan, event[2])))

    def _on_site_alarm(self, address: "Any", event: "tuple[Any, ...]", now_ms: int) -> None:
        message = decode(SiteAlarm, event[2])
        if message.answers is not None and not event[3]:
            self._tell(events.SiteAlarmHeard(message))

    def _follow_change(self, change: Change, now_ms: int) -> None:
        if self._is_genuine(change):
            self._carry_out(self._following.on_change(change, now_ms))

    def _is_genuine(self, message: "Any") -> bool:
        if is_sealed(message, self.config.site_key):
            return True
        self.rejected += 1
        return False

    def _carry_out(self, effects: "list[Any]") -> None:
        station = self.config.station
        for effect in effects:
            kind = type(effect)
            if kind is SendJournal:
                self._publish(self.topics.journal(station), effect.message)
            elif kind is SendRequest:
                self._publish(self.topics.request(station), effect.message)
            elif kind is SendStatus:
                self._send_status(self._time.now_ms())
            elif kind is Reconnect:
                self._link.renew(effect.why)
            elif kind is RecordClock:
                self._record_clock(effect.fields)
            elif kind is StaffNotice:
                self.note(effect.code, effect.detail)

    def _record_clock(self, fields: "dict[str, Any]") -> None:
        sent, received, gateway_now = [fields[name] for name in _CLOCK_FIELDS]
        self._time.learn(mono_sent=sent, mono_received=received, gateway_now=gateway_now)
        now_ms = self._time.now_ms()
        self._tell(events.ClockSet(self._time.wall_ms(now_ms)))
        if self._writer.write(fields, now_ms):
            self._carry_out(self._uploader.on_appended(now_ms))

    def _publish_alarm(self, alarm: commands.PublishAlarm) -> None:
        fields, station = alarm.fields, self.config.station
        message = SiteAlarm(
            station=station,
            alarm=alarm.alarm,
            gate=station,
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

    def _waiting_since(self) -> "int | None":
        for row in self._journal.rows(self._journal.acked + 1, 1, 1):
            try:
                wall = decode_body(row.body).get("wall")
            except WireError:
                return None
            return wall if isinstance(wall, int) else None
        return None

    def _send_status(self, now_ms: int) -> None:
        status = self.status(on=True)
        self._told_ms = now_ms
        if self._publish(self.topics.status(self.config.station), status, True):
            self._told = status  # else it is said again in a second

    def _publish(
        self, topic: str, message: "Any", retained: bool = False, *, qos: int = 1
    ) -> bool:
        if not self._link.is_up:
            return False
        try:
            return self._link.publish(topic, encode(message), retained=retained, qos=qos)
        except WireError:
            self.rejected += 1
            return False
        except MemoryError:  # as if the client had none for it: what matters is said again
            self._link.unsent += 1
            return False


def _looks_other(told: "Status | None", status: Status) -> bool:
    """Return whether staff should see it at once; versions change with every loan and may wait."""
    return told is None or (told.list_state, told.clock) != (status.list_state, status.clock)


_HANDLERS: "dict[str, Callable[[Courier, Any, tuple[Any, ...], int], None]]" = {
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
