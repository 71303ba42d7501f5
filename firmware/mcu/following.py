"""Keeping the machine's list up to date: deltas from the wire, whole lists piece by piece.

Where whole lists come from and lie is a store's part; a store is a duck with

    format                      the snapshots it reads, such as "fuse8-1-3"
    trouble                     a text for staff, empty when all is well
    kept()                      -> the lists in flash, the older history first
    wanted(now_ms)              a whole list is wanted; it asks for one, if none is on its way
    announced(pointer, now_ms)  a `Pointer` of its format says where one is
    tick(now_ms)                -> effects to carry out: requests for pieces that have become due
    on_chunk(chunk, now_ms)     -> effects: a piece has come
    arrived()                   -> a list that came whole and was put into place, once; else None
    recovered()                 forget the history before this one
"""

from circulation.sync.changes import ChangeFollower
from circulation.sync.effects import ApplyChanges, FetchSnapshot
from circulation.wire.topics import MAY_LEAVE
from firmware.gate.events import ListChanged, ListLoaded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from circulation.wire.messages import Change, Chunk, Head, Pointer


class ListFollowing:
    """One list, one follower, at most one download at a time."""

    def __init__(
        self,
        store: "Any",
        tell: "Callable[[Any], bool]",
        random_below: "Callable[[int], int]",
    ) -> None:
        """tell: gives the machine an event; False when it makes no sense there."""
        self._store = store
        self._tell = tell
        self._random_below = random_below
        self._follower = self._new_follower()

    @property
    def lineage(self) -> "str | None":
        """Return the lineage of the list in use."""
        return self._follower.lineage

    @property
    def version(self) -> "int | None":
        """Return the version of the list in use, None without one."""
        return self._follower.version

    @property
    def trouble(self) -> str:
        """Return what staff should know of the list, empty when all is well."""
        return str(self._store.trouble)[:120]

    def start(self) -> None:
        """Use what lies in flash."""
        for kept in self._store.kept():
            self._use(kept)

    def on_change(self, change: "Change", now_ms: int) -> "list[Any]":
        """Take a delta; return what to carry out."""
        begins = self._follower.version
        effects: list[Any] = []
        for effect in self._follower.on_change(change, now_ms):
            if isinstance(effect, ApplyChanges):
                self._apply(ListChanged(self.lineage, begins, effect.version, effect.changes))
            else:
                effects += self._take([effect], now_ms)
        return effects

    def on_pointer(self, pointer: "Pointer", now_ms: int) -> "list[Any]":
        """Take the announcement of a whole list; return what to carry out."""
        if pointer.kind != MAY_LEAVE or pointer.format != self._store.format:
            return []
        self._store.announced(pointer, now_ms)
        return self._take(self._follower.on_pointer(pointer, now_ms), now_ms)

    def on_head(self, head: "Head", now_ms: int) -> "list[Any]":
        """Compare versions; return what to carry out."""
        if head.recovered and head.lineage == self._follower.lineage:
            self._store.recovered()
        return self._take(self._follower.on_head(head, now_ms), now_ms)

    def on_chunk(self, chunk: "Chunk", now_ms: int) -> "list[Any]":
        """Take a piece of a whole list; return what to carry out."""
        effects: list[Any] = self._store.on_chunk(chunk, now_ms)
        self._look()
        return effects

    def tick(self, now_ms: int) -> "list[Any]":
        """Return what has become due."""
        effects: list[Any] = self._take(self._follower.tick(now_ms), now_ms)
        effects += self._store.tick(now_ms)
        self._look()
        return effects

    def _look(self) -> None:
        made = self._store.arrived()
        if made is None:
            return
        if made.lineage != self.lineage or made.version > (self.version or 0):
            self._use(made)

    def _use(self, made: "Any") -> None:
        if self._tell(ListLoaded(made)):
            self._follower.on_loaded(made.lineage, made.version)
        else:
            self._begin_anew()

    def _apply(self, event: ListChanged) -> None:
        if not self._tell(event):
            self._begin_anew()

    def _begin_anew(self) -> None:
        """As long as nothing is followed, a head has the whole list fetched again."""
        self._follower = self._new_follower()

    def _new_follower(self) -> ChangeFollower:
        return ChangeFollower(
            MAY_LEAVE, random_below=self._random_below, format_name=self._store.format
        )

    def _take(self, effects: "list[Any]", now_ms: int) -> "list[Any]":
        kept = []
        for effect in effects:
            if isinstance(effect, FetchSnapshot):
                self._store.wanted(now_ms)
            else:
                kept.append(effect)
        return kept


class NoLists:
    """A store without lists, for flash that has no room: the gate is blind, and says so."""

    format = "none"

    def __init__(self, trouble: str) -> None:
        """trouble: a text for staff."""
        self.trouble = trouble

    def kept(self) -> "list[Any]":
        """Return nothing."""
        return []

    def wanted(self, now_ms: int) -> None:
        """Begin nothing."""

    def announced(self, pointer: "Pointer", now_ms: int) -> None:
        """Begin nothing."""

    def tick(self, now_ms: int) -> "list[Any]":
        """Ask for nothing."""
        return []

    def on_chunk(self, chunk: "Chunk", now_ms: int) -> "list[Any]":
        """Expect nothing."""
        return []

    def arrived(self) -> None:
        """Return nothing new."""

    def recovered(self) -> None:
        """Forget nothing."""
