"""The tags in the field, and whether each stands, passes or came in.

Laws:
- Reads at most 5 s apart are one visit to the field. A visit of 10 s is standing: the tag is
  muted until it has been away for 30 s, whoever walks through the beams meanwhile.
- A tag that is not seen for 30 s is forgotten, and its id with it. Only the ids of tags that
  came in unread are kept for the day, here and nowhere else, and not even they: 8 bytes of a hash.
- A full table forgets tags that have left; with none of those a new tag is not watched, and
  the health of the gate says so.
"""

import hashlib
from collections import OrderedDict

from circulation.wire.check import Hex, Text
from firmware.gate.config import AWAY_MS, CAME_IN_MS, LIMITS, PRESENCE_GAP_MS, STANDING_MS
from firmware.gate.errors import EventInvalid
from firmware.gate.events import IN_STOCK, NO_SECURITY, ON_LOAN
from firmware.gate.reserve import reserve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from firmware.gate.events import TagRead

TAGS_MAX = LIMITS.tags  # a trolley holds about 200 books
CAME_IN_MAX = LIMITS.came_in
FORGOTTEN_AT_ONCE = 8

_NOTHING = (None, None)
_STANDING, _CAME_IN = 1, 2

_DIGEST_BYTES, _TIME_BYTES = 8, 8
_MOMENT_BYTES = _DIGEST_BYTES + _TIME_BYTES

# What is known of a tag's data block.
UNREAD = 0
ASKED = 1
FAILED = 2
READ = 3

_UID = Hex(2, 32)
_PII = Text(59, 1)  # with "item:" before it a list's key of 64
_OWNER = Text(32, 1)
_SECURITIES = (IN_STOCK, ON_LOAN, NO_SECURITY)


class Tag:
    """One tag; times in the shell's monotonic milliseconds.

    With a thirteenth attribute each would take half as much again of a microcontroller's memory,
    so two answers share one and two flags another.
    """

    def __init__(self, uid: str, now_ms: int) -> None:
        """Begin its first visit to the field."""
        self.uid = uid
        self.security = NO_SECURITY
        self.content = UNREAD
        self.tries = 0
        self.asked_ms = 0
        self.waiting_ms: int | None = None
        self.judged_ms: int | None = None
        self.last_ms = now_ms
        self._said: tuple[str | None, str | None] = _NOTHING
        self.begin(now_ms)

    @property
    def pii(self) -> "str | None":
        """Return the item's identifier that its data block names."""
        return self._said[0]

    @property
    def owner(self) -> "str | None":
        """Return the library that its data block names."""
        return self._said[1]

    @property
    def standing(self) -> bool:
        """Return whether it lies in the field instead of passing."""
        return bool(self._visit & _STANDING)

    @property
    def came_in(self) -> bool:
        """Return whether it was carried in during this visit."""
        return bool(self._visit & _CAME_IN)

    def begin(self, now_ms: int) -> None:
        """Begin another visit to the field."""
        self.first_ms = now_ms
        self.tries = 0
        self.reads: dict[str, int] = {}
        self._visit = 0

    def come_in(self) -> None:
        """Note that it was carried in."""
        self._visit |= _CAME_IN

    def seen(self, lane: str, security: str, now_ms: int) -> None:
        """Take one read by one lane's antenna."""
        if now_ms - self.last_ms > PRESENCE_GAP_MS and not self.standing:
            self.begin(now_ms)
        self.last_ms = max(self.last_ms, now_ms)
        self.security = security
        self.reads[lane] = self.reads.get(lane, 0) + 1
        if self.last_ms - self.first_ms >= STANDING_MS:
            self._visit |= _STANDING

    def learn(self, pii: "str | None", owner: "str | None") -> None:
        """Take what its data block says; a text that no database could hold says nothing."""
        self.content = READ
        pii = pii if _PII(pii) is None else None
        owner = owner if _OWNER(owner) is None else None
        self._said = _NOTHING if pii is None and owner is None else (pii, owner)

    def list_keys(self) -> "tuple[str, ...]":
        """Return the keys a list may know it by, the surest first."""
        return (self.uid,) if self.pii is None else (self.uid, f"item:{self.pii}")

    def lane(self) -> str:
        """Return the lane whose antenna read it most."""
        return max(sorted(self.reads), key=self.count)

    def count(self, lane: str) -> int:
        """Return how often that lane's antenna read it during this visit."""
        return self.reads.get(lane, 0)


class Moments:
    """When something last was, of the last few things; in one block that never grows.

    No names are kept: 8 bytes of a name's SHA-256 stand for it, and no two names have them in
    common that anybody could find.
    """

    def __init__(self, count_max: int) -> None:
        """Begin empty, with room for so many things."""
        self._block = bytearray(count_max * _MOMENT_BYTES)
        self._next = 0

    def of(self, name: str) -> "int | None":
        """Return when it was, None if it is not known."""
        at = self._find(_digest_of(name))
        if at < 0:
            return None
        return int.from_bytes(self._block[at + _DIGEST_BYTES : at + _MOMENT_BYTES], "big")

    def note(self, name: str, at_ms: int) -> None:
        """Keep that it was now, in place of what is longest known."""
        digest = _digest_of(name)
        known = self._find(digest)
        if known >= 0:
            self._block[known : known + _MOMENT_BYTES] = bytes(_MOMENT_BYTES)
        at = self._next
        self._block[at : at + _MOMENT_BYTES] = digest + at_ms.to_bytes(_TIME_BYTES, "big")
        self._next = (at + _MOMENT_BYTES) % len(self._block)

    def _find(self, digest: bytes) -> int:
        at = self._block.find(digest)
        while at >= 0 and at % _MOMENT_BYTES:
            at = self._block.find(digest, at + 1)
        return at


def _digest_of(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()[:_DIGEST_BYTES]


class TagTable:
    """The tags that are in the field or left it less than 30 s ago."""

    def __init__(self, tags_max: int = TAGS_MAX, came_in_max: int = CAME_IN_MAX) -> None:
        """Begin empty."""
        self._tags: OrderedDict[str, Tag] = OrderedDict()  # so that both Pythons agree
        reserve(self._tags, tags_max)
        self._tags_max = tags_max
        self._came_in = Moments(came_in_max)
        self.ignored = 0

    def see(self, lane: str, read: "TagRead", now_ms: int) -> None:
        """Take one tag of an inventory whose values have been checked."""
        tag = self._tags.get(read.uid)
        if tag is None or now_ms - tag.last_ms >= AWAY_MS:
            self._tags.pop(read.uid, None)
            if not self._has_room(now_ms):
                self.ignored += 1
                return
            tag = self._tags[read.uid] = Tag(read.uid, now_ms)
        tag.seen(lane, read.security, now_ms)
        if read.pii is not None or read.owner is not None:
            tag.learn(read.pii, read.owner)

    def get(self, uid: str) -> "Tag | None":
        """Return the tag, None if it is not watched."""
        return self._tags.get(uid)

    def is_empty(self) -> bool:
        """Return whether no tag is watched."""
        return not self._tags

    def all(self) -> "Iterable[Tag]":
        """Return every tag watched, to be looked at before another is seen or forgotten.

        No list of them: every turn asks several times, and a crowd's would be half a kilobyte
        in one block.
        """
        return self._tags.values()

    def forget(self, now_ms: int) -> None:
        """Drop the tags that have been away for 30 s."""
        while self._forget_some(now_ms):
            pass

    def remember_coming_in(self, uid: str, now_ms: int) -> None:
        """Keep for today that this unread tag came in here."""
        self._came_in.note(uid, now_ms)

    def came_in_today(self, uid: str, now_ms: int) -> bool:
        """Return whether this tag came in through this gate today."""
        came_ms = self._came_in.of(uid)
        return came_ms is not None and now_ms - came_ms <= CAME_IN_MS

    def _forget_some(self, now_ms: int) -> bool:
        """Drop a few; return whether there may be more. A crowd leaves all at once."""
        gone: list[str] = []
        for tag in self.all():
            if now_ms - tag.last_ms >= AWAY_MS:
                gone.append(tag.uid)
                if len(gone) == FORGOTTEN_AT_ONCE:
                    break
        for uid in gone:
            del self._tags[uid]
        return len(gone) == FORGOTTEN_AT_ONCE

    def _has_room(self, now_ms: int) -> bool:
        if len(self._tags) < self._tags_max:
            return True
        for tag in self.all():
            if now_ms - tag.last_ms > PRESENCE_GAP_MS and not tag.standing:
                del self._tags[tag.uid]
                return True
        return False


def check_read(read: "TagRead") -> None:
    """Raise EventInvalid if a shell reports a tag that cannot be."""
    fault = _UID(read.uid)
    if fault is not None:
        raise EventInvalid(f"tag: uid {fault}")
    if read.security not in _SECURITIES:
        raise EventInvalid(f"tag {read.uid}: security must be one of {', '.join(_SECURITIES)}")
