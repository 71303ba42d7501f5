"""From beams to passages: who went through, where, and which way.

Laws:
- The beam broken first tells the direction at once; an alarm never waits for the second beam.
- Both beams within 30 ms of each other, or a lane with one beam: the direction is unknown.
- What breaks the far beam first just after a passage has ended is its tail (the gaps of a
  trolley), unless it goes on to break the other beam too.
- A beam broken for 10 s is blocked: it opens no passages until it is clear, and is reported.
- One is counted when both beams were broken and the last to clear was not the first to break.
"""

from collections import namedtuple

from firmware.gate.debounce import Debounce
from firmware.gate.events import INNER, OUTER

IN = "in"
OUT = "out"
UNKNOWN = "unknown"  # judged as if it went out
PENDING = "pending"  # not yet known, and no hurry to know
NONE = ""  # nobody passed

SIMULTANEOUS_MS = 30  # a person at 1.5 m/s needs 100 ms from beam to beam 15 cm on
TAIL_MS = 1_000  # a trolley's gap at walking pace, doubled
PASSAGE_MAX_MS = 10_000  # the same 10 s after which a tag counts as standing
SAME_PERSON_MS = 200  # two lanes share a pedestal: one body may break the beams of both

PASSAGES_MAX = 16  # that can still be matched with a tag, over all lanes

_TOWARDS = {INNER: OUT, OUTER: IN}  # by the beam broken first
_AWAY = {INNER: IN, OUTER: OUT}  # by the beam that cleared last


class Crossing(namedtuple("Crossing", ("direction", "lane", "start_ms"))):
    """One person counted; direction: IN, OUT, or UNKNOWN with a single beam."""


class Passage:
    """Something between the beams of one lane; end_ms is None while it is there."""

    def __init__(self, lane: str, first: str, start_ms: int, direction: str) -> None:
        """Begin with the first beam broken."""
        self.lane = lane
        self.first = first
        self.start_ms = start_ms
        self.end_ms: int | None = None
        self.direction = direction
        self.crossed = False
        self.is_tail = False


class LanePassages:
    """The beams of one lane. Feed it edges, then `settle`; read `passage` and the crossings."""

    def __init__(self, name: str, beams: int, debounce_ms: int) -> None:
        """beams: 0, 1 (the inner one) or 2."""
        self.name = name
        self.passage: Passage | None = None
        self.started: list[Passage] = []
        self._debounce_ms = debounce_ms
        self._beams = {beam: Debounce(debounce_ms) for beam in (INNER, OUTER)[:beams]}
        self._blocked: set[str] = set()
        self._last: Passage | None = None

    @property
    def has_beams(self) -> bool:
        """Return whether this lane can see people pass."""
        return bool(self._beams)

    def has(self, beam: str) -> bool:
        """Return whether this lane has that beam."""
        return beam in self._beams

    def edge(self, beam: str, broken: bool, at_ms: int) -> "list[Crossing]":
        """Take a raw edge; return whom it completed."""
        crossings = self.settle(at_ms)
        since_ms = self._beams[beam].edge(broken, at_ms)
        return crossings + self._settled(beam, since_ms)

    def settle(self, now_ms: int) -> "list[Crossing]":
        """Let levels and directions settle up to now; return whom that completed."""
        crossings = []
        for since_ms, beam in self._settling(now_ms):
            crossings += self._settled(beam, since_ms)
        self._expire(now_ms)
        return crossings

    def faults(self, now_ms: int) -> "dict[str, str]":
        """Return what is wrong with each beam that does not work."""
        found = {}
        for beam, debounce in self._beams.items():
            if beam in self._blocked:
                found[beam] = "is broken all the time; clear it or align it"
            elif debounce.is_chattering(now_ms):
                found[beam] = "flickers; check its cable and mounting"
        return found

    def _settling(self, now_ms: int) -> "list[tuple[int, str]]":
        found = []
        for beam, debounce in self._beams.items():
            since_ms = debounce.settle(now_ms)
            if since_ms is not None:
                found.append((since_ms, beam))
        return sorted(found) if found else found

    def _settled(self, beam: str, since_ms: "int | None") -> "list[Crossing]":
        if since_ms is None:
            return []
        if self._beams[beam].level:
            self._broken(beam, since_ms)
            return []
        if beam in self._blocked:
            self._blocked.remove(beam)
            return []
        return self._cleared(beam, since_ms)

    def _broken(self, beam: str, at_ms: int) -> None:
        passage = self.passage
        if passage is None:
            self._start(beam, at_ms)
        elif beam != passage.first and not passage.crossed:
            passage.crossed = True
            if passage.is_tail:
                passage.direction = _TOWARDS[passage.first]
            elif at_ms - passage.start_ms <= SIMULTANEOUS_MS:
                passage.direction = UNKNOWN
            elif passage.direction == PENDING:
                passage.direction = IN

    def _start(self, beam: str, at_ms: int) -> None:
        if len(self._beams) == 1 or self._blocked:
            direction = UNKNOWN
        else:
            direction = OUT if beam == INNER else PENDING
        passage = Passage(self.name, beam, at_ms, direction)
        if direction != UNKNOWN and self._follows(passage):
            passage.is_tail = True
            passage.direction = PENDING
        self.passage = passage
        self.started.append(passage)

    def _follows(self, passage: Passage) -> bool:
        """Return whether this looks like the tail of the passage before it."""
        last = self._last
        if last is None or not last.crossed or last.end_ms is None:
            return False
        turned = last.direction in (IN, OUT) and last.direction != _TOWARDS[passage.first]
        return turned and passage.start_ms - last.end_ms <= TAIL_MS

    def _cleared(self, beam: str, at_ms: int) -> "list[Crossing]":
        passage = self.passage
        still_broken = [b for b, d in self._beams.items() if d.level and b not in self._blocked]
        if passage is None or still_broken:
            return []
        self._end(passage, at_ms)
        if len(self._beams) == 1 or (passage.direction == UNKNOWN and not passage.crossed):
            return [Crossing(UNKNOWN, self.name, passage.start_ms)]
        if passage.crossed and (beam != passage.first or passage.direction == UNKNOWN):
            return [Crossing(_AWAY[beam], self.name, passage.start_ms)]
        return []

    def _end(self, passage: Passage, at_ms: int) -> None:
        passage.end_ms = at_ms
        if passage.direction == PENDING:
            passage.direction = NONE if passage.is_tail else IN
        self.passage = None
        if passage.is_tail and not passage.crossed and self._last is not None:
            self._last.end_ms = at_ms  # the tail belongs to it, and may have another gap
        else:
            self._last = passage

    def _expire(self, now_ms: int) -> None:
        passage = self.passage
        if passage is None:
            return
        age_ms = now_ms - passage.start_ms
        settled = age_ms > SIMULTANEOUS_MS + self._debounce_ms  # the other beam has had its say
        if passage.direction == PENDING and not passage.is_tail and settled:
            passage.direction = IN
        if age_ms >= PASSAGE_MAX_MS and passage not in self.started:  # an old edge just told
            self._blocked = {beam for beam, d in self._beams.items() if d.level}
            passage.direction = NONE  # a poster, not a person
            self._end(passage, passage.start_ms + PASSAGE_MAX_MS)


class Portal:
    """All lanes of one exit: a passage in any of them is one, and a person is counted once."""

    def __init__(self, lanes: "list[LanePassages]") -> None:
        """lanes: at least one."""
        self.lanes = {lane.name: lane for lane in lanes}
        self.passages: list[Passage] = []
        self._recent: list[Crossing] = []

    def edge(self, lane: str, beam: str, broken: bool, at_ms: int) -> "list[Crossing]":
        """Take a raw edge of one lane; return whom to count."""
        return self._once(self.lanes[lane].edge(beam, broken, at_ms))

    def settle(self, now_ms: int) -> "list[Crossing]":
        """Let every lane settle; return whom to count."""
        found = []
        for lane in self.lanes.values():
            found += self._once(lane.settle(now_ms))
            if lane.started:
                self.passages = (self.passages + lane.started)[-PASSAGES_MAX:]
                lane.started.clear()
        return found

    def is_empty(self) -> bool:
        """Return whether no tag can pass now: nobody did lately, and every lane has beams."""
        return not self.passages and False not in [lane.has_beams for lane in self.lanes.values()]

    def forget(self, before_ms: int) -> None:
        """Drop the passages that ended before that."""
        self.passages = [p for p in self.passages if p.end_ms is None or p.end_ms >= before_ms]

    def _once(self, crossings: "list[Crossing]") -> "list[Crossing]":
        found: list[Crossing] = []
        if not crossings:
            return found
        for crossing in crossings:
            if True not in [self._is_same(crossing, other) for other in self._recent]:
                found.append(crossing)
            self._recent.append(crossing)
        self._recent = self._recent[-PASSAGES_MAX:]
        return found

    def _is_same(self, one: Crossing, other: Crossing) -> bool:
        apart_ms = abs(one.start_ms - other.start_ms)
        return bool(
            one.lane != other.lane
            and one.direction == other.direction
            and apart_ms <= SAME_PERSON_MS
        )
