"""What the kiosks of this building said and the list does not know yet.

Laws:
- A message with a wrong mac, one we have, and one that `applied` covers while our list has
  reached that version change nothing: that also ends replays.
- An entry goes when its station's (epoch, seq) is covered that way, and never by time.
- A station that begins a newer epoch carries into it, at its beginning and in their order, the
  rows that the gateway lacks. So a loan of the older epoch is covered, at the latest, when the
  newer one has been applied as far as the loan was ahead of what we knew to be applied, or as
  far as anything is carried. A loan that died with its card goes then too: its reader had as
  long to leave as it took to record as many facts again.
- An entry that saw another takes its place, for good: a late "off" cannot undo a newer "on".
- Entries that have not seen each other stand side by side, and *on* wins: doubt favours the
  reader.
- A full overlay forgets *off* entries first, then the oldest *on*.
"""

from collections import OrderedDict, namedtuple

from circulation.wire.messages import is_sealed
from firmware.gate.config import LIMITS
from firmware.gate.reserve import reserve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ENTRIES_MAX = LIMITS.overlay
KEYS_PER_ITEM_MAX = 8
SIBLINGS_MAX = 4  # kiosks that lent one item without hearing of each other
ANCESTORS_MAX = 8  # how far back a late message is recognised as overtaken
SETTLED_MAX = LIMITS.settled  # facts that were overtaken and whose entries have since gone
STATIONS_MAX = 1_024  # as many as fit one `applied`
PENDING_MAX = 8  # `applied` messages that wait for the list
CARRIED_MAX = 500  # rows carried into a newer epoch: as many loans as a kiosk tells again at most

ON = "on"
OFF = "off"
OFF_UNSECURED = "off_unsecured"

View = namedtuple("View", ("state", "reach", "item"))


class Entry:
    """One fact of one station about one item."""

    def __init__(self, message: "Any", ancestors: "tuple[str, ...]") -> None:
        """message: a wire `SiteLoan`. ancestors: ids of facts this one has overtaken."""
        self.station = message.station
        self.position = (message.epoch, message.seq)
        self.item = message.item
        self.fact = message.fact
        self.state = message.state
        self.reach = message.reach
        self.ancestors = ancestors

    def overtake(self, older: "Entry") -> None:
        """Take the place of an entry, and of what that one had overtaken."""
        facts = list(self.ancestors)
        facts.append(older.fact)
        facts.extend(older.ancestors)
        self.ancestors = tuple(facts[:ANCESTORS_MAX])


class Overlay:
    """Entries by item, found by tag UID or by `item:` and the identifier on the tag."""

    def __init__(
        self, key: bytes, entries_max: int = ENTRIES_MAX, settled_max: int = SETTLED_MAX
    ) -> None:
        """key: the site's key."""
        self._key = key
        self._entries_max = entries_max
        self._settled_max = settled_max
        # Ordered, the oldest first: a plain dict has no order on a microcontroller.
        self._items: OrderedDict[str, list[Entry]] = OrderedDict()
        self._keys: dict[str, str] = {}
        self._keys_of: dict[str, tuple[str, ...]] = {}
        self._marks: dict[str, tuple[int, int]] = {}
        self._ended: dict[str, tuple[int, int]] = {}  # the last mark of the epoch before
        self._pending: list[tuple[int, dict[str, list[int]]]] = []
        self._settled: OrderedDict[str, bool] = OrderedDict()
        for table in (self._items, self._keys, self._keys_of):
            reserve(table, entries_max + 1)  # a full one takes the newest, then forgets
        reserve(self._settled, settled_max)
        self._count = 0
        self.refused = 0

    def __len__(self) -> int:
        """Return the number of entries."""
        return self._count

    def hear(self, message: "Any") -> bool:
        """Take a wire `SiteLoan`; return whether it changed anything."""
        if not is_sealed(message, self._key):
            self.refused += 1
            return False
        new = Entry(message, tuple(message.saw[:ANCESTORS_MAX]))
        if self._is_old(new):
            return False
        name = self._item_of(message)
        entries = self._items.get(name, [])
        if not self._is_news(new, entries):
            return False
        self._put(name, self._without_older(new, entries), _keys_of(message))
        return True

    def view(self, keys: "tuple[str, ...]") -> "View | None":
        """Return what the site says of the item with one of these keys, None if nothing."""
        for key in keys:
            name = self._keys.get(key)
            if name is not None:
                return _view(self._items[name])
        return None

    def applied(self, version: int, stations: "dict[str, list[int]]", list_version: int) -> None:
        """Take how far the gateway has applied each station, contained in that list version."""
        if len(self._pending) >= PENDING_MAX:
            del self._pending[1]  # the oldest is the one the list will reach first
        self._pending.append((version, stations))
        self.reached(list_version)

    def reached(self, list_version: int) -> None:
        """Drop what a list of this version contains."""
        due, waiting = [], []
        for version, stations in self._pending:
            if version <= list_version:
                due.append(stations)
            else:
                waiting.append((version, stations))
        self._pending = waiting
        for stations in due:  # one by one: each may be of another epoch
            if not self._mark(stations):
                continue  # what it covers is gone, or was not taken in
            for name in list(self._items):
                self._keep(name, [e for e in self._items[name] if not self._is_done(e)])

    def lineage_changed(self) -> None:
        """Forget what versions meant; entries stay until the new history covers them."""
        self._marks = {}
        self._ended = {}
        self._pending = []

    def _mark(self, stations: "dict[str, list[int]]") -> bool:
        """Note how far stations are; return whether any is farther than before."""
        moved = False
        for station, (epoch, hw) in stations.items():
            known = self._marks.get(station)
            if known is None:
                if len(self._marks) >= STATIONS_MAX:
                    continue
            elif (epoch, hw) <= known:
                continue
            elif epoch > known[0]:
                self._ended[station] = known
            self._marks[station] = (epoch, hw)
            moved = True
        return moved

    def _is_old(self, new: Entry) -> bool:
        # A station that opened a newer epoch says there again what is still news.
        superseded = new.position[0] < self._marks.get(new.station, (0, 0))[0]
        return superseded or self._is_covered(new) or new.fact in self._settled

    def _is_done(self, entry: Entry) -> bool:
        epoch, hw = self._marks.get(entry.station, (0, 0))
        told_in, seq = entry.position
        if told_in >= epoch:
            return self._is_covered(entry)
        if entry.state != ON:
            return True  # a return that went on standing would stop the next reader
        ended, applied = self._ended.get(entry.station, (0, 0))
        ahead = seq - applied if told_in == ended else CARRIED_MAX
        return min(ahead, CARRIED_MAX) <= hw

    def _is_covered(self, entry: Entry) -> bool:
        # A row of an older epoch may be among those copied into the newer one, at a position
        # we do not know: only the same epoch tells.
        epoch, hw = self._marks.get(entry.station, (0, 0))
        return bool(entry.position[0] == epoch and entry.position[1] <= hw)

    def _item_of(self, message: "Any") -> str:
        names = [message.item] + [self._keys.get(key) for key in _keys_of(message)]
        for name in names:
            if name in self._items:
                return str(name)
        return str(message.item or message.fact)

    def _is_news(self, new: Entry, entries: "list[Entry]") -> bool:
        for entry in entries:
            if entry.fact == new.fact:
                entry.position = max(entry.position, new.position)  # copied into a newer epoch
                return False
            if new.fact in entry.ancestors:
                return False
            if entry.station == new.station and new.position < entry.position:
                return False
        return True

    def _without_older(self, new: Entry, entries: "list[Entry]") -> "list[Entry]":
        kept = []
        for entry in entries:
            if entry.fact in new.ancestors or entry.station == new.station:
                new.overtake(entry)
            else:
                kept.append(entry)
        if len(kept) >= SIBLINGS_MAX:
            kept.remove(_first_to_forget(kept))
        kept.append(new)
        return kept

    def _put(self, name: str, entries: "list[Entry]", keys: "tuple[str, ...]") -> None:
        self._count += len(entries) - len(self._items.pop(name, ()))
        self._items[name] = entries
        known = self._keys_of.get(name, ())
        added = tuple([key for key in keys if key not in known])
        self._keys_of[name] = (known + added)[:KEYS_PER_ITEM_MAX]
        for key in self._keys_of[name]:
            self._keys[key] = name
        while self._count > self._entries_max:
            self._forget_one(name)

    def _forget_one(self, newest: str) -> None:
        oldest = None
        for name, entries in self._items.items():
            if name != newest:
                oldest = oldest or name
                if ON not in [entry.state for entry in entries]:
                    oldest = name
                    break
        self._keep(oldest or newest, [])

    def _keep(self, name: str, entries: "list[Entry]") -> None:
        before = self._items[name]
        self._count += len(entries) - len(before)
        for entry in before:
            if entry not in entries:
                self._settle(entry)
        if entries:
            self._items[name] = entries
            return
        del self._items[name]
        for key in self._keys_of.pop(name):
            if self._keys.get(key) == name:
                del self._keys[key]

    def _settle(self, entry: Entry) -> None:
        for fact in entry.ancestors:
            if len(self._settled) >= self._settled_max:
                del self._settled[next(iter(self._settled))]
            self._settled[fact] = True


def _keys_of(message: "Any") -> "tuple[str, ...]":
    keys = list(message.uids[:KEYS_PER_ITEM_MAX])
    if message.barcode:  # for an item whose UID nobody knows
        keys.insert(0, f"item:{message.barcode}")
    return tuple(keys)


def _first_to_forget(entries: "list[Entry]") -> Entry:
    for entry in entries:
        if entry.state != ON:
            return entry
    return entries[0]


def _view(entries: "list[Entry]") -> View:
    items = [entry.item for entry in entries if entry.item is not None]
    item = items[-1] if items else None
    on = [entry.reach for entry in entries if entry.state == ON]
    if on:
        return View(ON, max(on), item)
    for entry in entries:
        if entry.state == OFF_UNSECURED:
            return View(OFF_UNSECURED, entry.reach, item)
    return View(OFF, 0, item)
