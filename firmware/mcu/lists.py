"""The list of what may leave, on a microcontroller: a filter in flash, and what changed since.

Laws:
- The list at `version` is the file's, changed by the records in memory: each key that a delta
  named after the file's version has one, with its exact state. Everything else is as the file
  says.
- So no delta about one item says anything of another: the table compares whole keys and has no
  collisions. A look-up that finds no record asks the filter, which finds every key it was built
  of. Neither can make a siren sound for an item that may leave.
- What the filter takes for listed though it is not, once in 256 times, passes in silence. `knows`
  is true for it as well, which changes nothing: whose it is, is asked only of what may not leave.
- A newer file takes the place of the older one, and only the records that it may not contain
  stay: those of eras that ended after its version.
- Without room for a whole delta nothing of it is taken: the list is then old, and says so.
"""

from circulation.wire.fuse import packed_key
from firmware.gate.errors import EventInvalid
from firmware.gate.lists import MAY_LEAVE_ROW, UNSECURED_ROW, check_row
from firmware.gate.reserve import empty, reserve
from firmware.mcu.key_table import NONE, KeyTable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from firmware.mcu.list_files import ListFile

ROOM_BYTES = 6_144
"""614 tags that changed since the file: a busy hour of a city's library."""
ASK_PERCENT = 75
CACHE_KEYS = 64
FORGET_MS = 30_000
"""As long as a tag is watched (`firmware/gate/tags.py`); then its id is forgotten here too."""

# A record's value.
_REACH = 0x03
_REACH_SAID = 0x04
_UNSECURED = 0x08
_UNSECURED_SAID = 0x10
_SAID = 0x1F
_ERA_SHIFT = 5
ERAS = 8

# What is kept of a key that was asked for.
_KNOWN_REACH = 0x04
_IS_UNSECURED = 0x08
_KNOWN_UNSECURED = 0x10


class ListRoom:
    """All the memory that a list needs, taken at once and for good.

    A second list comes when a gateway has lost its history, to a heap in use for weeks: it may
    have no block of a kilobyte left. So whoever makes lists takes their rooms at the start.
    """

    def __init__(self, room_bytes: int = ROOM_BYTES) -> None:
        """room_bytes: for what changes after the list's file."""
        self.changed = KeyTable(room_bytes)
        self.asked: dict[str, int] = {}
        self.before: dict[str, int] = {}
        reserve(self.asked, CACHE_KEYS)
        reserve(self.before, CACHE_KEYS)
        self.era_keys = room_bytes // 10 // ERAS

    def clear(self) -> None:
        """Be as new."""
        self.changed.clear()
        empty(self.asked)
        empty(self.before)


class FlashList:
    """A list that `firmware/gate` asks as it asks an `ExactList`."""

    def __init__(self, file: "ListFile", room: "ListRoom | None" = None) -> None:
        """room: in no other list's use; taken now if None."""
        self.lineage = file.header.lineage
        self.version = file.header.version
        self.boundary = int(file.header.boundary)
        self.failed = 0
        """Reads that flash did not answer."""
        self._file: ListFile | None = file
        self.room = ListRoom() if room is None else room
        self._changed = self.room.changed
        self._starts = [self.version]  # the version at which each era began
        self._in_era = 0
        self._asked = self.room.asked
        self._before = self.room.before
        self._turned_ms = 0

    def __len__(self) -> int:
        """Return how many keys the file was built of."""
        return 0 if self._file is None else int(self._file.header.keys)

    @property
    def file(self) -> "ListFile | None":
        """Return the file in use, None once it was withdrawn."""
        return self._file

    @property
    def changed(self) -> int:
        """Return how many keys have a record."""
        return len(self._changed)

    @property
    def percent(self) -> int:
        """Return how full the room for changes is; from ASK_PERCENT on a new file is wanted."""
        return self._changed.percent

    def reach(self, key: str) -> int:
        """Return how far the item may go: 0 nowhere, the boundary, or what a delta said."""
        known = self._kept(key)
        if not known & _KNOWN_REACH:
            known |= self._reach(key) | _KNOWN_REACH
            self._asked[key] = known
        return known & _REACH

    def knows(self, key: str) -> bool:
        """Return whether this key is one of ours, as far as anybody needs to know."""
        if self.reach(key) or self.is_unsecured(key):
            return True
        return self._changed.get(packed_key(key)) != NONE

    def is_unsecured(self, key: str) -> bool:
        """Return whether the item is in, but its tag says that it may go; exact."""
        known = self._kept(key)
        if not known & _KNOWN_UNSECURED:
            known |= _KNOWN_UNSECURED | (_IS_UNSECURED if self._unsecured(key) else 0)
            self._asked[key] = known
        return bool(known & _IS_UNSECURED)

    def change(self, rows: "Any") -> None:
        """Take delta rows, all or none; raise EventInvalid. The caller moves the version."""
        cost, seen = 0, []
        for row in rows:
            check_row(row)
            packed = packed_key(row[1])
            if packed not in seen:
                seen.append(packed)
                cost += self._changed.cost(packed)
        if cost > self._changed.free_bytes:
            raise EventInvalid(f"may_leave: no room for {len(rows)} changes; a new list is needed")
        self._begin_era()
        for what, key, value in rows:
            self._put(what, key, value)

    def loaded(self, keys: "Any", unsecured: "Any") -> "FlashList":
        """Return this list with keys of a snapshot's parts laid over it; raise EventInvalid."""
        self.change([(MAY_LEAVE_ROW, key, reach) for key, reach in keys])
        self.change([(UNSECURED_ROW, key, 1) for key in unsecured])
        return self

    def rebase(self, file: "ListFile") -> None:
        """Use a newer file of the same history; its version may be before or after ours."""
        version = file.header.version
        self._file = file
        self._turn()
        self._turn()
        if version >= self.version:
            self._changed.clear()
            self.version = version
            self._starts, self._in_era = [version], 0
            return
        gone = len([start for start in self._starts[1:] if start <= version])
        self._starts = self._starts[gone:]
        self._changed.keep(lambda value: _younger(value, gone))

    def withdraw(self) -> None:
        """Have no file any more: until another list is here everything may pass."""
        self._file = None
        self._turn()
        self._turn()

    def forget(self, now_ms: int) -> None:
        """Forget the ids of tags that were not asked for lately."""
        if now_ms - self._turned_ms >= FORGET_MS:
            self._turned_ms = now_ms
            self._turn()

    def _turn(self) -> None:
        self._before, self._asked = self._asked, self._before
        empty(self._asked)

    def _kept(self, key: str) -> int:
        known = self._asked.get(key)
        if known is not None:
            return known
        if len(self._asked) >= CACHE_KEYS:
            self._turn()
        known = self._asked[key] = self._before.get(key, 0)
        return known

    def _reach(self, key: str) -> int:
        value = self._changed.get(packed_key(key))
        if value != NONE and value & _REACH_SAID:
            return value & _REACH
        if self._file is None:
            return self.boundary
        try:
            return self.boundary if self._file.has(key) else 0
        except OSError:
            self.failed += 1  # doubt favours the reader
            return self.boundary

    def _unsecured(self, key: str) -> bool:
        packed = packed_key(key)
        value = self._changed.get(packed)
        if value != NONE and value & _UNSECURED_SAID:
            return bool(value & _UNSECURED)
        try:
            return self._file is not None and self._file.has_unsecured(packed)
        except OSError:
            self.failed += 1
            return False

    def _put(self, what: str, key: str, value: int) -> None:
        packed = packed_key(key)
        held = self._changed.get(packed)
        held = 0 if held == NONE else held & _SAID
        if what == MAY_LEAVE_ROW:
            held = held & ~_REACH | value | _REACH_SAID
        else:
            held = held & ~_UNSECURED | (_UNSECURED if value else 0) | _UNSECURED_SAID
        self._changed.put(packed, held | (len(self._starts) - 1) << _ERA_SHIFT)
        self._in_era += 1
        self._asked.pop(key, None)
        self._before.pop(key, None)

    def _begin_era(self) -> None:
        """Begin another era when enough keys are in this one; the last has no end."""
        if self._in_era >= self.room.era_keys and len(self._starts) < ERAS:
            self._starts.append(self.version)
            self._in_era = 0


def _younger(value: int, eras: int) -> int:
    era = (value >> _ERA_SHIFT) - eras
    return NONE if era < 0 else value & _SAID | era << _ERA_SHIFT
