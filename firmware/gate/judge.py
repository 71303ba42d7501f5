"""Which tag went through with which passage, and when enough is known to decide.

Laws:
- A tag belongs to a passage if it was read within 2 s of it. Of several passages the one in the
  lane that read it most often counts; a draw between in and out is a direction unknown.
- A tag is judged once per passage, and not again for a passage that begins within 5 s: the
  next person is not blamed for the book before.
- A tag that came in is not judged again during that visit to the field; a standing one never.
- An unknown tag's owner is read before anything sounds: 60 ms for one tag, from when its
  antenna has answered for the tag before, 300 ms in all; then it is decided without.
"""

from collections import namedtuple

from firmware.gate.commands import ReadContent
from firmware.gate.config import OWNER_WAIT_MS, PASSAGE_WINDOW_MS, REJUDGE_MS
from firmware.gate.lanes import IN, NONE, OUT, PENDING, UNKNOWN
from firmware.gate.tags import ASKED, FAILED, READ

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from firmware.gate.lanes import Passage, Portal
    from firmware.gate.tags import Tag, TagTable

READS_UNDER_WAY_MAX = 4  # of at most 60 ms each, so an antenna is never away for long
READ_TRIES_MAX = 3
READ_AGAIN_MS = 200
ALL_READS_MS = 300  # the time from tag and beam to the siren that ten tags in the field allow

# A tag that passed. since_ms: the later of tag and beam.
Passed = namedtuple("Passed", ("tag", "direction", "lane", "since_ms"))
_Match = namedtuple("_Match", ("direction", "lane", "start_ms"))


class Judge:
    """Joins tags and passages."""

    def __init__(
        self, tags: "TagTable", portal: "Portal", is_known: "Callable[[str], bool]"
    ) -> None:
        """is_known: whether a UID is surely ours, so that its data block need not be read."""
        self._tags = tags
        self._portal = portal
        self._is_known = is_known
        self._wanted: list[Tag] = []

    def passed(self, now_ms: int) -> "Iterator[Passed]":
        """Yield the tags to decide now, each marked as judged; take all before `reads`."""
        self._wanted = []
        if self._portal.is_empty():
            return  # a shelf of books nearby costs nothing while nobody walks past
        for tag in self._tags.all():
            match = self._match(tag)
            if match is not None and self._is_ready(tag, now_ms):
                tag.judged_ms = now_ms
                tag.waiting_ms = None
                if match.direction == IN:
                    tag.come_in()
                since_ms = max(match.start_ms, tag.first_ms)
                yield Passed(tag, match.direction, match.lane, since_ms)

    def reads(self, now_ms: int) -> "list[ReadContent]":
        """Return which tags to read now: those an alarm waits for, then those just arrived."""
        commands: list[ReadContent] = []
        room = READS_UNDER_WAY_MAX - len([t for t in self._tags.all() if t.content == ASKED])
        # One after the other: a list of a whole crowd is a long block of a small memory.
        for tags, is_wanted in ((self._wanted, True), (self._tags.all(), False)):
            for tag in tags:
                if len(commands) >= room:
                    return commands
                if tag.content != ASKED and (is_wanted or self._is_unread(tag, now_ms)):
                    commands.append(_asked(tag, now_ms))
        return commands

    def answered(self, lane: str, now_ms: int) -> None:
        """An antenna reads one tag after another: the time of those behind begins now."""
        for tag in self._tags.all():
            if tag.content == ASKED and tag.lane() == lane:
                tag.asked_ms = now_ms

    def expire(self, now_ms: int) -> None:
        """Give up on reads that were not answered in time."""
        for tag in self._tags.all():
            if tag.content == ASKED and now_ms - tag.asked_ms >= OWNER_WAIT_MS:
                tag.content = FAILED

    def _match(self, tag: "Tag") -> "_Match | None":
        if tag.standing or tag.came_in:
            return None
        for lane in sorted(tag.reads):
            if not self._portal.lanes[lane].has_beams and tag.judged_ms is None:
                return _Match(UNKNOWN, lane, tag.first_ms)
        fitting = [p for p in self._portal.passages if _fits(tag, p)]
        if not fitting:
            return None
        most = max([tag.count(p.lane) for p in fitting])
        best = [p for p in fitting if tag.count(p.lane) == most]
        return _Match(_direction_of(best), best[0].lane, best[0].start_ms)

    def _is_ready(self, tag: "Tag", now_ms: int) -> bool:
        if tag.content == READ or self._is_known(tag.uid):
            return True
        if tag.waiting_ms is None:
            tag.waiting_ms = now_ms
        read_in_vain = tag.content == FAILED and tag.asked_ms >= tag.waiting_ms
        if read_in_vain or now_ms - tag.waiting_ms >= ALL_READS_MS:
            return True
        if tag.content != ASKED and len(self._wanted) < READS_UNDER_WAY_MAX:
            self._wanted.append(tag)
        return False

    def _is_unread(self, tag: "Tag", now_ms: int) -> bool:
        if tag.content == READ or tag.tries >= READ_TRIES_MAX or self._is_known(tag.uid):
            return False
        return tag.content != FAILED or now_ms - tag.asked_ms >= READ_AGAIN_MS


def _asked(tag: "Tag", now_ms: int) -> ReadContent:
    tag.content = ASKED
    tag.asked_ms = now_ms
    tag.tries += 1
    return ReadContent(tag.lane(), tag.uid)


def _fits(tag: "Tag", passage: "Passage") -> bool:
    if passage.direction in (PENDING, NONE):
        return False
    if tag.judged_ms is not None and passage.start_ms < tag.judged_ms + REJUDGE_MS:
        return False
    if tag.last_ms < passage.start_ms - PASSAGE_WINDOW_MS:
        return False
    return passage.end_ms is None or tag.first_ms <= passage.end_ms + PASSAGE_WINDOW_MS


def _direction_of(passages: "list[Passage]") -> str:
    directions = {passage.direction for passage in passages}
    return directions.pop() if directions in ({IN}, {OUT}) else UNKNOWN
