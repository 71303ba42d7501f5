"""The kiosk's end of the protocol: what goes to the gateway, what comes from it and from the site.

Machines of `circulation.sync` decide; here their effects become publishes, rows and fetches.
Everything runs in the engine's thread. Bad messages are counted and named, and change nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from circulation.link import Connected, Disconnected, LinkEvent, NotConnected, Received
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
from circulation.sync.liveness import HeadWatch
from circulation.sync.uploader import Uploader
from circulation.wire import topics as names
from circulation.wire.errors import WireError
from circulation.wire.messages import (
    Applied,
    Change,
    Command,
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
)
from circulation.wire.topics import Topics, parse
from kiosk.config import Place
from kiosk.drafting import FactWriter
from kiosk.lists import Lists
from kiosk.news import Marks, Turn
from kiosk.site import SiteVoice
from kiosk.store import Store
from kiosk.telling import Telling

ONLINE_MS = 60_000
FIRMWARE = "lendgate-kiosk 0.1.0"
NOTICES_MAX = 20

_log = logging.getLogger(__name__)


class LinkPort(Protocol):
    """What the uplink needs of a link; `circulation.link.Link` is one."""

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retained: bool = False) -> bool:
        """Hand a message over; False: it was not sent."""

    def reconnect(self, why: str = "") -> None:
        """Close the connection and open a new one."""


@dataclass(slots=True)
class Uplink:
    """Everything one kiosk says over MQTT, and hears."""

    place: Place
    topics: Topics
    store: Store
    lists: Lists
    site: SiteVoice
    writer: FactWriter
    site_key: bytes
    random_below: Callable[[int], int]
    telemetry: Callable[[], Telemetry] | None = None
    link: LinkPort | None = None
    connected: bool = False
    rejected: int = 0
    notices: list[tuple[str, str]] = field(default_factory=list)
    uploader: Uploader = field(init=False)
    _births: Births = field(init=False)
    _clock: ClockSync = field(init=False)
    _epoch_n: int = 0
    _heads: HeadWatch = field(default_factory=HeadWatch)
    _applied: list[Applied] = field(default_factory=list)
    telling: Telling = field(default_factory=Telling)

    def __post_init__(self) -> None:
        self.uploader = Uploader(
            self.store.journal,
            station=self.place.station,
            clock=self._clock_fields,
            random_below=self.random_below,
        )
        self._births = Births(boot=self.writer.boot, random_below=self.random_below)
        self._clock = ClockSync(random_below=self.random_below)

    @property
    def waiting(self) -> int:
        """Facts the gateway has not said to have applied."""
        return self.uploader.waiting

    def is_online(self, now_ms: int) -> bool:
        """Whether the gateway itself was heard lately; a broker alone is not enough."""
        return self.connected and self._heads.heard_within(ONLINE_MS, now_ms)

    def is_stale(self, now_ms: int) -> bool:
        """Whether facts about a reader may exist that this kiosk does not know."""
        lists = self.lists
        state = self._heads.state(
            kind="catalogue", lineage=lists.lineage, version=lists.version("catalogue"),
            now_ms=now_ms,
        )  # fmt: skip
        return state != "FRESH"

    def filters(self) -> list[str]:
        """What this kiosk subscribes to."""
        kinds = (names.CATALOGUE, names.PATRONS, names.POLICY)
        return [
            *self.topics.own(self.place.station),
            *self.topics.from_gateway(self.place.site, kinds),
            *self.topics.from_site(self.place.site),
        ]

    def will(self) -> tuple[str, bytes]:
        """The last will: that this kiosk is gone."""
        return self.topics.status(self.place.station), encode(self.status(on=False))

    def farewell(self) -> None:
        """Say that this kiosk leaves in good order."""
        self._publish(*self.will(), retained=True)

    def handle(self, event: LinkEvent, now_ms: int) -> None:
        """Take an event of the link."""
        if isinstance(event, Connected):
            self._on_connected(now_ms)
        elif isinstance(event, Disconnected):
            self._on_disconnected()
        elif isinstance(event, Received):
            self._on_message(event, now_ms)
        elif isinstance(event, NotConnected):
            _log.debug("link: %s", event.why)

    def turn_over(self, now_ms: int) -> None:
        """Keep in one commit what came of the site since the last turn; answer who asked."""
        applied, self._applied = self._applied, []
        # A list of another history may have come behind it in the same turn.
        ours = [_marks(one) for one in applied if one.lineage == self.lists.lineage]
        turn = Turn(self.site.take_heard(), ours, self.lists.version("catalogue"))
        self.store.take_in(turn)
        self.site.answer(now_ms)

    def appended(self, now_ms: int) -> None:
        """New facts are in the journal."""
        self._carry_out(self.uploader.on_appended(now_ms))

    def tick(self, now_ms: int) -> None:
        """Time has passed."""
        self.site.tick(now_ms)
        effects = self.uploader.tick(now_ms) + self._births.tick(now_ms)
        if self.connected:
            effects += self._clock.tick(now_ms) + self.lists.tick(now_ms)
        self._carry_out(effects)
        if self.connected:
            self._tell_again(now_ms)

    def _tell_again(self, now_ms: int) -> None:
        """Say who and how we are when that changed, or when it is time."""
        if self.telling.may_ask(now_ms) and self.telling.is_status_due(self.status(), now_ms):
            self._send_status(now_ms)
        if self.telemetry is not None and self.telling.take_telemetry_turn(now_ms):
            payload = encode(self.telemetry())
            self._publish(self.topics.telemetry(self.place.station), payload, qos=0)

    def _send_status(self, now_ms: int) -> None:
        status = self.status()
        self.telling.on_status(status, now_ms)
        self._publish(self.topics.status(self.place.station), encode(status), retained=True)

    def _on_connected(self, now_ms: int) -> None:
        self.connected = True
        self.telling.on_connected()
        self._carry_out(self._clock.on_connected(now_ms))
        self._carry_out(self.uploader.on_connected(now_ms))
        self.site.on_connected(now_ms)

    def _on_disconnected(self) -> None:
        self.connected = False
        self.uploader.on_disconnected()
        self._births.on_disconnected()
        self._clock.on_disconnected()

    def _on_message(self, event: Received, now_ms: int) -> None:
        try:
            address = parse(event.topic)
            if address.library != self.place.library:
                return
            handler = _HANDLERS.get(address.name)
            if handler is not None:
                handler(self, event, now_ms)
        except WireError as error:
            self.rejected += 1
            _log.warning("message on %s: %s", event.topic[:80], error)

    def _on_status(self, event: Received, now_ms: int) -> None:
        status = decode(Status, event.payload)
        if status.station == self.place.station:
            self._carry_out(self._births.on_own_status(status, now_ms))

    def _on_reply(self, event: Received, now_ms: int) -> None:
        reply = decode_reply(event.payload)
        self._carry_out(self.uploader.on_reply(reply, now_ms))
        if isinstance(reply, TimeReply):
            self._carry_out(self._clock.on_reply(reply, now_ms))
        elif isinstance(reply, Change):
            self._take_change(reply, now_ms)
        elif isinstance(reply, Pointer):
            self._carry_out(self.lists.on_pointer(reply, now_ms))
        elif isinstance(reply, Command):
            self._on_command(reply)

    def _on_command(self, command: Command) -> None:
        """An order of the gateway's; only genuine, only once, only what is known."""
        if not self._is_genuine(command):
            return
        if command.n <= int(self.store.recall("command_n", "0")):
            return
        self.store.remember("command_n", str(command.n))
        self._notice("command", command.op)

    def _on_gateway_status(self, event: Received, now_ms: int) -> None:
        self._births.on_gateway_status(decode(GatewayStatus, event.payload), now_ms)

    def _on_head(self, event: Received, now_ms: int) -> None:
        head = decode(Head, event.payload)
        if not self._is_genuine(head):
            return
        if not self._heads.on_head(head, now_ms, is_retained=event.retained):
            return
        self._births.on_head(head)
        self._carry_out(self.uploader.on_head(head, now_ms))
        self._carry_out(self.lists.on_head(head, now_ms))

    def _on_applied(self, event: Received, now_ms: int) -> None:
        self._applied.append(decode(Applied, event.payload))

    def _on_snapshot(self, event: Received, now_ms: int) -> None:
        self._carry_out(self.lists.on_pointer(decode(Pointer, event.payload), now_ms))

    def _on_change(self, event: Received, now_ms: int) -> None:
        self._take_change(decode(Change, event.payload), now_ms)

    def _on_site_loan(self, event: Received, now_ms: int) -> None:
        self.site.on_loan(decode(SiteLoan, event.payload))

    def _on_site_ask(self, event: Received, now_ms: int) -> None:
        self.site.on_ask(decode(SiteAsk, event.payload))

    def _on_site_alarm(self, event: Received, now_ms: int) -> None:
        self.site.on_alarm(decode(SiteAlarm, event.payload), now_ms)

    def _take_change(self, change: Change, now_ms: int) -> None:
        if self._is_genuine(change):
            self._carry_out(self.lists.on_change(change, now_ms))

    def _is_genuine(self, message: Head | Change | Command) -> bool:
        """Whether the gateway made it: what acts carries a mac; anything else is counted."""
        if is_sealed(message, self.site_key):
            return True
        self.rejected += 1
        _log.warning("a %s without a right mac", type(message).__name__)
        return False

    def _follow_epoch(self) -> None:
        """Let news name the places their facts have now; every new epoch begins with a birth.

        A mark of the new epoch covers all of the older ones. The gates must hear the new places
        too: no mark ever covers the old ones again.
        """
        n = self.store.journal.epoch.n
        if n == self._epoch_n:
            return
        self.store.reposition()
        if self._epoch_n:
            self.site.tell_again()
        self._epoch_n = n

    def _carry_out(self, effects: list[Any]) -> None:
        station = self.place.station
        for effect in effects:
            if isinstance(effect, SendJournal):
                self._publish(self.topics.journal(station), encode(effect.message))
            elif isinstance(effect, SendRequest):
                self._publish(self.topics.request(station), encode(effect.message))
            elif isinstance(effect, SendStatus):
                self._follow_epoch()
                self._send_status(self.writer.time.mono_ms)
            elif isinstance(effect, Reconnect) and self.link is not None:
                self.link.reconnect(effect.why)
            elif isinstance(effect, StaffNotice):
                self._notice(effect.code, effect.detail)
            elif isinstance(effect, RecordClock):
                self._record_clock(effect.fields)

    def _record_clock(self, fields: dict[str, Any]) -> None:
        self.writer.time.learn(
            fields["gateway_now"],
            mono_sent_ms=fields["mono_sent"],
            mono_received_ms=fields["mono_received"],
        )
        rest = {name: value for name, value in fields.items() if name != "kind"}
        self.store.record(self.writer.draft(fields["kind"], **rest))
        self.appended(self.writer.time.mono_ms)

    def _notice(self, code: str, detail: str) -> None:
        _log.warning("notice %s: %s", code, detail)
        self.notices = [*self.notices, (code, detail)][-NOTICES_MAX:]

    def say(self, topic: str, payload: bytes) -> bool:
        """Publish for the site."""
        return self._publish(topic, payload)

    def _publish(
        self, topic: str, payload: bytes, *, qos: int = 1, retained: bool = False
    ) -> bool:
        if self.link is None:
            return False
        return self.link.publish(topic, payload, qos=qos, retained=retained)

    def _clock_fields(self, now_ms: int) -> dict[str, object]:
        time = self.writer.time
        return {
            "mono": time.mono_ms,
            "wall": time.wall_ms(),
            "sure": time.sure,
            "boot": self.writer.boot,
        }

    def status(self, *, on: bool = True) -> Status:
        """Who this kiosk is now."""
        journal, time = self.store.journal, self.writer.time
        lineage = journal.lineage or self.lists.lineage
        return Status(
            self.place.station, on, self.writer.boot, journal.epoch.id, journal.epoch.n,
            journal.last_seq, self.uploader.acked, self.lists.versions_in(lineage),
            lineage, FIRMWARE, "sure" if time.sure else "unsure",
            "kiosk", self.place.site, 0, self.place.name, None, self.store.oldest_waiting_wall(),
        )  # fmt: skip


def _marks(applied: Applied) -> Marks:
    return Marks(applied.version, {name: (n, seq) for name, (n, seq) in applied.stations.items()})


_HANDLERS: dict[str, Callable[[Uplink, Received, int], None]] = {
    names.STATUS: Uplink._on_status,
    names.REPLY: Uplink._on_reply,
    names.GATEWAY_STATUS: Uplink._on_gateway_status,
    names.HEAD: Uplink._on_head,
    names.APPLIED: Uplink._on_applied,
    names.SNAPSHOT: Uplink._on_snapshot,
    names.CHANGE: Uplink._on_change,
    names.SITE_LOAN: Uplink._on_site_loan,
    names.SITE_ASK: Uplink._on_site_ask,
    names.SITE_ALARM: Uplink._on_site_alarm,
}
