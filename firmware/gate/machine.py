"""The gate: events go in, commands come out, nothing else happens.

Laws:
- Every decision is made here, from what is known at that moment; none waits for a network.
- An event that makes no sense raises `EventInvalid` and changes nothing.
- Time is what the shell says: integer milliseconds that never go back.
- Everything that is kept is bounded: tags 256, overlay 4,096, passages 16, alarms 32; a
  microcontroller brings smaller `Limits`.
- An alarm is sounded first and recorded in the same breath; how it is told is the shell's part.
"""

from collections import OrderedDict

from circulation.sync.liveness import FRESH
from circulation.wire import kinds
from circulation.wire.messages import is_sealed
from firmware.gate import commands, decision, events
from firmware.gate.config import LATE_MS, LIMITS, PASSAGE_WINDOW_MS
from firmware.gate.counts import FOREIGN, Counts
from firmware.gate.errors import EventInvalid
from firmware.gate.holdings import Holdings
from firmware.gate.judge import ALL_READS_MS, Judge
from firmware.gate.lanes import IN, LanePassages, Portal
from firmware.gate.lenders import Lenders
from firmware.gate.signals import Signals
from firmware.gate.tags import ASKED, FAILED, Moments, TagTable, check_read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from firmware.gate.config import GateConfig, Limits
    from firmware.gate.judge import Passed

REPORT_AGAIN_MS = 3_600_000  # the same disagreement about the same tag
TAGS_PER_READ_MAX = 256


class GateMachine:
    """One gate: one exit with its lanes. Feed it events and time; carry out what it returns."""

    def __init__(
        self,
        config: "GateConfig",
        key: bytes,
        new_id: "Callable[[], str]",
        limits: "Limits" = LIMITS,
    ) -> None:
        """key: the site's. new_id: returns a fresh random fact id at every call."""
        self.config = config
        self.holdings = Holdings(config, key, limits)
        self._key = key
        self._new_id = new_id
        self._limits = limits
        self._portal = Portal(
            [LanePassages(lane.name, lane.beams, config.debounce_ms) for lane in config.lanes]
        )
        self._tags = TagTable(limits.tags, limits.came_in)
        self._judge = Judge(self._tags, self._portal, self.holdings.knows)
        self._lenders = Lenders(config.lenders)
        self._signals = Signals(config)
        self._counts = Counts(config.gate, config.count_slot_ms)
        self._pass_until_ms: int | None = None
        self._passed_by_staff = 0
        self._alarms: OrderedDict[str, str | None] = OrderedDict()  # id: title, None: unnamed
        self._reported = Moments(limits.reported)
        self._handlers: dict[Any, Callable[[Any, int], list[Any]]] = {
            events.TagsRead: self._tags_read,
            events.ContentRead: self._content_read,
            events.BeamEdge: self._beam_edge,
            events.ButtonPressed: self._button_pressed,
            events.StaffCard: self._staff_card,
            events.SiteLoanHeard: self._site_loan,
            events.SiteAlarmHeard: self._site_alarm,
            events.ListLoaded: self._list_loaded,
            events.ListChanged: self._list_changed,
            events.HeadHeard: self._head,
            events.AppliedHeard: self._applied,
            events.LenderKnown: self._lender_known,
            events.LenderHeard: self._lender_heard,
            events.LinkUp: self._link_up,
            events.LinkDown: self._link_down,
            events.ClockSet: self._clock_set,
        }

    def receive(self, event: "Any", now_ms: int) -> "list[Any]":
        """Take one event; return what to do, in order. Raise EventInvalid, changing nothing."""
        handler = self._handlers.get(type(event))
        if handler is None:
            raise EventInvalid(f"gate: {type(event).__name__} is not an event of a gate")
        return handler(event, now_ms) + self.tick(now_ms)

    def tick(self, now_ms: int) -> "list[Any]":
        """Let time pass; return what to do. Call it often: 20 ms is the latency of a beam."""
        done = []
        for crossing in self._portal.settle(now_ms):
            done += self._records(self._counts.add(crossing.direction, now_ms))
        if not self._tags.is_empty():
            done += self._judged(now_ms) + self._show_standing()
        self._portal.forget(now_ms - PASSAGE_WINDOW_MS - ALL_READS_MS)
        done += self._signals.tick(now_ms) + self._end_pass(now_ms)
        done += self._records(self._counts.tick(now_ms))
        return done

    def _judged(self, now_ms: int) -> "list[Any]":
        done = []
        self._judge.expire(now_ms)
        for passed in self._judge.passed(now_ms):
            done += self._decide(passed, now_ms)
        done += self._judge.reads(now_ms)
        self._tags.forget(now_ms)
        return done

    def stop(self, now_ms: int) -> "list[Any]":
        """Return what leaves everything quiet and counted; the machine is done after it."""
        done = self._signals.quiet() + self._signals.amber(False)
        return done + self._end_pass(now_ms, early=True) + self._records(self._counts.flush())

    def counting(self) -> "dict[str, Any] | None":
        """Return the fact of the people counted in the running slot, None without any.

        For a shell that keeps it in case the power goes; the machine goes on counting.
        """
        return self._counts.running()

    def list_state(self, now_ms: int) -> str:
        """Return FRESH, STALE or BLIND."""
        return self.holdings.state(now_ms)

    def health(self, now_ms: int) -> "dict[str, str]":
        """Return what staff should know, by subject; empty when all is well."""
        found = {}
        for lane in self._portal.lanes.values():
            for beam, fault in lane.faults(now_ms).items():
                found[f"{lane.name} {beam}"] = f"the {beam} beam of {lane.name} {fault}"
        if self._standing():
            found["standing"] = self._standing_text()
        if self._tags.ignored:
            found["tags"] = f"{self._tags.ignored} reads not watched: too many tags in the field"
        if self.holdings.overlay.refused:
            found["mac"] = f"{self.holdings.overlay.refused} messages with a wrong mac refused"
        silent = self._lenders.overdue(now_ms)
        if silent:
            found["lenders"] = ("not heard for a minute: " + ", ".join(silent))[:120]
        return found

    def _tags_read(self, event: events.TagsRead, now_ms: int) -> "list[Any]":
        self._check_lane(event.lane)
        if len(event.tags) > TAGS_PER_READ_MAX:
            raise EventInvalid(f"lane {event.lane}: more than {TAGS_PER_READ_MAX} tags at once")
        for read in event.tags:
            check_read(events.TagRead(*read))
        for read in event.tags:
            self._tags.see(event.lane, events.TagRead(*read), now_ms)
        return []

    def _content_read(self, event: events.ContentRead, now_ms: int) -> "list[Any]":
        self._check_lane(event.lane)
        tag = self._tags.get(event.uid)
        if tag is not None and event.done:
            tag.learn(event.pii, event.owner)
        elif tag is not None and tag.content == ASKED:
            tag.content = FAILED
        self._judge.answered(event.lane, now_ms)
        return []

    def _beam_edge(self, event: events.BeamEdge, now_ms: int) -> "list[Any]":
        self._check_lane(event.lane)
        if not self._portal.lanes[event.lane].has(event.beam):
            raise EventInvalid(f"lane {event.lane}: has no {event.beam} beam")
        done = []
        at_ms = min(event.at_ms, now_ms)
        for crossing in self._portal.edge(event.lane, event.beam, bool(event.broken), at_ms):
            done += self._records(self._counts.add(crossing.direction, now_ms))
        return done

    def _button_pressed(self, event: events.ButtonPressed, now_ms: int) -> "list[Any]":
        return self._answer("button") if self._signals.is_on() else []

    def _staff_card(self, event: events.StaffCard, now_ms: int) -> "list[Any]":
        if self._pass_until_ms is not None:
            self._pass_until_ms = now_ms + self.config.staff_pass_ms
            return []
        self._pass_until_ms = now_ms + self.config.staff_pass_ms
        return self._answer("staff_card")

    def _site_loan(self, event: events.SiteLoanHeard, now_ms: int) -> "list[Any]":
        overlay = self.holdings.overlay
        refused = overlay.refused
        overlay.hear(event.message)
        # A mac costs a small machine milliseconds: the overlay has just looked at this one.
        if overlay.refused == refused:
            self._lenders.hear(event.message.station, now_ms)
        return []

    def _site_alarm(self, event: events.SiteAlarmHeard, now_ms: int) -> "list[Any]":
        named = event.message
        if named.answers not in self._alarms or not is_sealed(named, self._key):
            return []
        if self._alarms[named.answers] is not None or not named.title:
            return []
        self._alarms[named.answers] = named.title
        fields = {"kind": kinds.ALARM_ANSWERED, "alarm": named.answers, "by": "kiosk"}
        fields.update({"gate": self.config.gate, "title": named.title})
        fields.update(_known({"item": named.item, "shelf_mark": named.shelf_mark}))
        text = f"{named.title} ({named.shelf_mark})" if named.shelf_mark else named.title
        done = self._records([fields])
        done.append(commands.Notice("alarm", text))
        return done

    def _list_loaded(self, event: events.ListLoaded, now_ms: int) -> "list[Any]":
        return self._ask() if self.holdings.load(event.list) else []

    def _list_changed(self, event: events.ListChanged, now_ms: int) -> "list[Any]":
        self.holdings.change(event)
        return []

    def _head(self, event: events.HeadHeard, now_ms: int) -> "list[Any]":
        self.holdings.head(event.head, now_ms)
        return []

    def _applied(self, event: events.AppliedHeard, now_ms: int) -> "list[Any]":
        self.holdings.applied(event.applied)
        return []

    def _lender_known(self, event: events.LenderKnown, now_ms: int) -> "list[Any]":
        self._lenders.know(event.station)
        return []

    def _lender_heard(self, event: events.LenderHeard, now_ms: int) -> "list[Any]":
        # A kiosk that came to the broker after us did not hear us ask, and tells by itself only
        # what no list has; ours may be an old one.
        return self._ask() if self._lenders.hear(event.station, now_ms) else []

    def _link_up(self, event: events.LinkUp, now_ms: int) -> "list[Any]":
        self._lenders.link_up()
        return self._ask()

    def _link_down(self, event: events.LinkDown, now_ms: int) -> "list[Any]":
        return []  # the decisions stay as they are; heads stop coming, and that is noticed

    def _clock_set(self, event: events.ClockSet, now_ms: int) -> "list[Any]":
        self._counts.set_clock(event.wall_ms, now_ms)
        return []

    def _decide(self, passed: "Passed", now_ms: int) -> "list[Any]":
        tag = passed.tag
        owner = self.holdings.owner(tag)
        if passed.direction == IN:
            return self._came_in(passed, owner, now_ms)
        view = decision.TagView(
            self.holdings.listed(tag),
            tag.security,
            owner,
            self._tags.came_in_today(tag.uid, now_ms),
        )
        decided = decision.decide(
            view,
            is_sure=self._is_sure(now_ms),
            has_list=self.holdings.list is not None,
            disagreement_alarms=bool(self.config.alarm_on_disagreement),
        )
        if decided.count:
            return self._records(self._counts.add(FOREIGN, now_ms))
        if decided.alarm:
            return self._alarm(passed, decided.row, now_ms)
        return self._report(passed, decided.row, now_ms) if decided.report else []

    def _came_in(self, passed: "Passed", owner: str, now_ms: int) -> "list[Any]":
        tag = passed.tag
        if owner == decision.STRANGER:
            self._tags.remember_coming_in(tag.uid, now_ms)
        if owner == decision.OURS and tag.security == events.IN_STOCK:
            return self._report(passed, 0, now_ms)
        return []

    def _alarm(self, passed: "Passed", row: int, now_ms: int) -> "list[Any]":
        if self._pass_until_ms is not None and now_ms < self._pass_until_ms:
            self._passed_by_staff += 1
            return []
        latency_ms = now_ms - passed.since_ms
        done = self._signals.alarm(now_ms) if latency_ms <= LATE_MS else []
        fields = self._about(passed, row)
        fields.update({"kind": kinds.ALARM, "uid": passed.tag.uid, "latency_ms": latency_ms})
        record = self._record(fields)
        if len(self._alarms) >= self._limits.alarms:
            del self._alarms[next(iter(self._alarms))]
        self._alarms[record.fact] = None
        done += (record, commands.PublishAlarm(record.fact, fields))
        return done

    def _report(self, passed: "Passed", row: int, now_ms: int) -> "list[Any]":
        about = f"{passed.tag.uid} {row}"
        before_ms = self._reported.of(about)
        if before_ms is not None and now_ms - before_ms < REPORT_AGAIN_MS:
            return []
        self._reported.note(about, now_ms)
        fields = self._about(passed, row)
        fields.update({"kind": kinds.TAG_SEEN, "security": passed.tag.security})
        return [self._record(fields)]

    def _about(self, passed: "Passed", row: int) -> "dict[str, Any]":
        tag = passed.tag
        fields: dict[str, Any] = {"gate": self.config.gate, "lane": passed.lane, "row": row}
        fields.update({"direction": passed.direction, "uids": [tag.uid]})
        item = self.holdings.item(tag)
        fields.update(_known({"item": item, "barcode": tag.pii, "owner": tag.owner}))
        return fields

    def _answer(self, by: str) -> "list[Any]":
        fields = {"kind": kinds.ALARM_ANSWERED, "gate": self.config.gate, "by": by}
        if self._signals.is_on():
            fields["alarm"] = list(self._alarms)[-1]
        return self._signals.quiet() + self._records([fields])

    def _end_pass(self, now_ms: int, *, early: bool = False) -> "list[Any]":
        until_ms = self._pass_until_ms
        if until_ms is None or not (early or now_ms >= until_ms):
            return []
        fields = {"kind": kinds.TALLY, "gate": self.config.gate, "what": "staff_pass"}
        fields["items"] = self._passed_by_staff
        self._pass_until_ms = None
        self._passed_by_staff = 0
        return self._records([fields])

    def _show_standing(self) -> "list[Any]":
        standing = self._standing()
        done = self._signals.amber(standing)
        if done and standing:
            done.append(commands.Notice("standing", self._standing_text()))
        return done

    def _standing(self) -> bool:
        return any(tag.standing for tag in self._tags.all())

    def _standing_text(self) -> str:
        return f"a book lies at {self.config.gate}"

    def _is_sure(self, now_ms: int) -> bool:
        return self.list_state(now_ms) == FRESH and self._lenders.all_heard(now_ms)

    def _ask(self) -> "list[Any]":
        held = self.holdings.list
        lineage, version = (None, 0) if held is None else (held.lineage, held.version)
        return [commands.AskSite(lineage, version)]

    def _check_lane(self, lane: str) -> None:
        if lane not in self._portal.lanes:
            raise EventInvalid(f"gate {self.config.gate}: has no lane {str(lane)[:32]}")

    def _records(self, facts: "list[dict[str, Any]]") -> "list[Any]":
        return [self._record(fields) for fields in facts]

    def _record(self, fields: "dict[str, Any]") -> commands.Record:
        return commands.Record(self._new_id(), fields)


def _known(fields: "dict[str, Any]") -> "dict[str, Any]":
    return {name: value for name, value in fields.items() if value is not None}
