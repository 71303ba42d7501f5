"""The list of what may leave, as the gate asks it.

A list is any object with `lineage`, `version`, and the methods of `ExactList`; a microcontroller
brings one that reads a compact file. Keys are tag UIDs (EPCs), or `item:` and the identifier
read from the tag for items whose UID nobody knows.
"""

from firmware.gate.errors import EventInvalid

REACH_MAX = 3
MAY_LEAVE_ROW = "k"
UNSECURED_ROW = "u"
UNSECURED_MAX = 1_000  # an exact set; design of the list: more than this means broken pads
KEYS_MAX = 2_000_000

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class ExactList:
    """A list held in memory, every key of it."""

    def __init__(self, lineage: str, version: int) -> None:
        """Begin empty."""
        self.lineage = lineage
        self.version = version
        self._reach: dict[str, int] = {}
        self._unsecured: dict[str, bool] = {}

    def __len__(self) -> int:
        """Return the number of keys known."""
        return len(self._reach)

    def reach(self, key: str) -> int:
        """Return how far the item may go: 0 nowhere, 1 room, 2 building, 3 street."""
        return self._reach.get(key, 0)

    def knows(self, key: str) -> bool:
        """Return whether this key is one of ours for certain."""
        return key in self._reach or key in self._unsecured

    def is_unsecured(self, key: str) -> bool:
        """Return whether the item is in, but its tag says that it may go."""
        return key in self._unsecured

    def change(self, rows: "Any") -> None:
        """Take delta rows, all or none; raise EventInvalid. The caller moves the version."""
        for row in rows:
            check_row(row)
        for what, key, value in rows:
            if what == MAY_LEAVE_ROW:
                self._reach[key] = value
            elif not value:
                self._unsecured.pop(key, None)
            elif len(self._unsecured) < UNSECURED_MAX:
                self._unsecured[key] = True

    def loaded(self, keys: "Any", unsecured: "Any") -> "ExactList":
        """Return this list, filled from a snapshot's parts; raise EventInvalid."""
        if len(keys) > KEYS_MAX or len(unsecured) > UNSECURED_MAX:
            raise EventInvalid(
                f"may_leave: {len(keys)} keys and {len(unsecured)} unsecured; at most "
                f"{KEYS_MAX} and {UNSECURED_MAX} are possible"
            )
        self.change([(MAY_LEAVE_ROW, key, reach) for key, reach in keys])
        self.change([(UNSECURED_ROW, key, 1) for key in unsecured])
        return self


class UnionList:
    """Two histories of one library: what either lets go may go, until the new one has recovered.

    After a gateway was restored from a backup its list lacks loans the old list has. Doubt
    favours the reader: unsecured counts only where neither list lets the item go.
    """

    def __init__(self, old: "Any", new: "Any") -> None:
        """Versions and lineage are those of the new list."""
        self.old = old
        self.new = new

    @property
    def lineage(self) -> str:
        """The new history's lineage."""
        return str(self.new.lineage)

    @property
    def version(self) -> int:
        """The new list's version."""
        return int(self.new.version)

    @version.setter
    def version(self, version: int) -> None:
        self.new.version = version

    def reach(self, key: str) -> int:
        """Return the farther reach."""
        return max(int(self.old.reach(key)), int(self.new.reach(key)))

    def knows(self, key: str) -> bool:
        """Return whether either list knows the key."""
        return bool(self.old.knows(key) or self.new.knows(key))

    def is_unsecured(self, key: str) -> bool:
        """Return whether a list says so and no list lets the item go."""
        said = self.old.is_unsecured(key) or self.new.is_unsecured(key)
        return bool(said) and self.reach(key) == 0

    def change(self, rows: "Any") -> None:
        """Deltas belong to the new history."""
        self.new.change(rows)


def check_row(row: "Any") -> None:
    """Raise EventInvalid unless this is a row of a delta."""
    if len(row) != 3 or row[0] not in (MAY_LEAVE_ROW, UNSECURED_ROW):
        raise EventInvalid("may_leave: a row must be [k, key, reach] or [u, key, 0 or 1]")
    what, key, value = row
    highest = REACH_MAX if what == MAY_LEAVE_ROW else 1
    if not isinstance(key, str) or not isinstance(value, int) or not 0 <= value <= highest:
        raise EventInvalid(f"may_leave: row {what} must have a text key and 0 to {highest}")
