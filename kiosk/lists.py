"""The lists a kiosk lends by: followed by changes, replaced by snapshots, opened read-only.

Lending goes on from the old list until the new one is open. A list that does not open is told to
staff and fetched again, and never becomes an empty catalogue.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from circulation.errors import JournalError, SnapshotInvalid
from circulation.policy import Policy, PolicyInvalid
from circulation.sync.backoff import Backoff
from circulation.sync.changes import ChangeFollower
from circulation.sync.effects import ApplyChanges, FetchSnapshot, SendRequest
from circulation.wire.messages import Change, Head, Pointer, Request
from kiosk.beliefs import Beliefs
from kiosk.fetching import Fetcher, SnapshotFailed, SnapshotReady
from kiosk.snapshot import FORMATS, KINDS, check_pointer, open_snapshot, read_policies
from kiosk.store import ListState, Store

RETRY_FIRST_MS = 5_000
RETRY_MS_MAX = 300_000
ASK_WHERE_MS = 30_000
"""So long the broker has to hand out the pointers it keeps; it may have lost them."""
BUILT_IN_POLICY = {"zone": "UTC", "versions": [{"version": 1, "from": "1970-01-01", "rules": []}]}

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Lists:
    """Catalogue, patrons and policy of one kiosk."""

    store: Store
    beliefs: Beliefs
    fetcher: Fetcher
    random_below: Callable[[int], int]
    policy: Policy = field(default_factory=lambda: Policy.from_doc(BUILT_IN_POLICY))
    trouble: dict[str, str] = field(default_factory=dict)
    _followers: dict[str, ChangeFollower] = field(default_factory=dict)
    _pointers: dict[str, Pointer] = field(default_factory=dict)
    _wanted: set[str] = field(default_factory=set)
    _under_way: set[str] = field(default_factory=set)
    _again_at: dict[str, int] = field(default_factory=dict)
    _backoffs: dict[str, Backoff] = field(default_factory=dict)
    _history: str | None = None  # the lineage that the newest head named
    _ask_where_ms: int | None = None

    def __post_init__(self) -> None:
        self._followers = {
            kind: ChangeFollower(kind, random_below=self.random_below) for kind in KINDS
        }
        self._backoffs = {
            kind: Backoff(RETRY_FIRST_MS, RETRY_MS_MAX, self.random_below, RETRY_FIRST_MS // 2)
            for kind in KINDS
        }

    def open_kept(self) -> None:
        """Open the lists of the last run; what does not open is fetched anew."""
        for kind, state in self.store.list_states().items():
            if kind not in KINDS:
                continue
            try:
                self._open(kind, Path(state.file))
            except SnapshotInvalid as error:
                self._note(kind, str(error))
                continue
            self._followers[kind].on_loaded(state.lineage, state.version)

    def version(self, kind: str) -> int:
        """The version the list has reached, 0 without one."""
        return self._followers[kind].version or 0

    def versions(self) -> dict[str, int]:
        """The version of every list that is here."""
        return {kind: self.version(kind) for kind in KINDS if self.version(kind)}

    def versions_in(self, lineage: str | None) -> dict[str, int]:
        """The versions of the lists of that history; of another one they would mean nothing."""
        followers = self._followers
        return {k: v for k, v in self.versions().items() if followers[k].lineage == lineage}

    @property
    def lineage(self) -> str | None:
        """The gateway's history the catalogue is of."""
        return self._followers["catalogue"].lineage

    def on_head(self, head: Head, now_ms: int) -> list[Any]:
        """Compare with what the gateway has; return requests to send."""
        self._history = head.lineage
        self._distrust_damaged()
        return self._carry_out(
            [effect for f in self._followers.values() for effect in f.on_head(head, now_ms)],
            now_ms,
        )

    def _distrust_damaged(self) -> None:
        """Fetch a damaged list anew, now that the gateway is there to fetch it from.

        The file stays open until then: most of it can be read.
        """
        for kind in self.beliefs.damaged:
            Path(self.store.list_states()[kind].file).unlink(missing_ok=True)
            self._followers[kind] = ChangeFollower(kind, random_below=self.random_below)
            self._note(kind, "damaged on the disk; it is fetched again")
        self.beliefs.damaged.clear()

    def on_change(self, change: Change, now_ms: int) -> list[Any]:
        """Take a delta."""
        follower = self._followers.get(change.kind)
        return self._carry_out(follower.on_change(change, now_ms), now_ms) if follower else []

    def on_pointer(self, pointer: Pointer, now_ms: int) -> list[Any]:
        """There is a snapshot; fetch it if we need one."""
        follower = self._followers.get(pointer.kind)
        if follower is None or FORMATS.get(pointer.kind) != pointer.format:
            return []
        try:
            check_pointer(pointer)
        except SnapshotInvalid as error:
            self._note(pointer.kind, str(error))
            return []
        self._pointers[pointer.kind] = pointer
        effects = follower.on_pointer(pointer, now_ms)
        if pointer.kind in self._wanted and not effects:
            effects = [FetchSnapshot(pointer.kind)]
        return self._carry_out(effects, now_ms)

    def on_ready(self, ready: SnapshotReady, now_ms: int) -> None:
        """A snapshot is here: open it, then let go of the old one."""
        pointer = ready.pointer
        kind = pointer.kind
        self._under_way.discard(kind)
        follower = self._followers[kind]
        if follower.lineage == pointer.lineage and self.version(kind) >= pointer.version:
            follower.on_loaded(pointer.lineage, self.version(kind))
            return
        self.trouble.pop(kind, None)
        try:
            self._open(kind, ready.file)
        except SnapshotInvalid as error:
            ready.file.unlink(missing_ok=True)
            self.on_failed(SnapshotFailed(kind, str(error)), now_ms)
            return
        state = ListState(kind, pointer.lineage, pointer.version, str(ready.file))
        changed = self.lineage not in (None, pointer.lineage) and kind == "catalogue"
        self.store.adopt(state)
        if changed:
            self.store.uncover()
        follower.on_loaded(pointer.lineage, pointer.version)
        self._again_at.pop(kind, None)
        self._backoffs[kind].reset()
        self.fetcher.shelf.forget_others(kind, ready.file)

    def on_failed(self, failed: SnapshotFailed, now_ms: int) -> None:
        """A snapshot could not be fetched: try again when told to, else later each time."""
        self._under_way.discard(failed.kind)
        if failed.again_ms is not None:
            # Nothing is wrong. Appointments are given in whole seconds: come in the course of it.
            self._again_at[failed.kind] = now_ms + failed.again_ms + self.random_below(1_000)
            return
        self._note(failed.kind, failed.why)
        self._again_at[failed.kind] = now_ms + self._backoffs[failed.kind].next_ms()

    def tick(self, now_ms: int) -> list[Any]:
        """Ask what is to be asked again."""
        effects = [effect for f in self._followers.values() for effect in f.tick(now_ms)]
        due = [kind for kind, at_ms in self._again_at.items() if now_ms >= at_ms]
        for kind in due:
            del self._again_at[kind]
            effects.append(FetchSnapshot(kind))
        return self._carry_out(effects, now_ms) + self._where(now_ms)

    def _where(self, now_ms: int) -> list[Any]:
        """Ask where the lists are that are wanted and under way by no pointer."""
        missing = sorted(self._wanted - self._under_way)
        if not missing:
            self._ask_where_ms = None
            return []
        if self._ask_where_ms is None:
            self._ask_where_ms = now_ms + ASK_WHERE_MS
        if now_ms < self._ask_where_ms:
            return []
        self._ask_where_ms = now_ms + ASK_WHERE_MS + self.random_below(ASK_WHERE_MS)
        return [SendRequest(self._question(kind, now_ms)) for kind in missing]

    def _question(self, kind: str, now_ms: int) -> Request:
        name = f"w{self.random_below(1 << 30):08x}"
        return Request(name, "since", now_ms, kind, 0, None, None, None, FORMATS[kind])

    def _carry_out(self, effects: list[Any], now_ms: int) -> list[Any]:
        """Apply and fetch here; give requests back to be sent."""
        requests = []
        for effect in effects:
            if isinstance(effect, ApplyChanges):
                self._apply(effect)
            elif isinstance(effect, FetchSnapshot):
                self._fetch(effect.kind, now_ms)
            else:
                requests.append(effect)
        return requests

    def _apply(self, effect: ApplyChanges) -> None:
        kind = effect.kind
        state = self.store.list_states()[kind]
        moved = ListState(kind, state.lineage, effect.version, state.file)
        try:
            self.store.apply_changes(moved, effect.changes)
        except JournalError:
            # Nothing of it is on the disk: the next change must not be laid over the hole.
            self._followers[kind].on_loaded(state.lineage, state.version)
            raise

    def _fetch(self, kind: str, now_ms: int) -> None:
        """Have the newest snapshot fetched, once one of the gateway's present history is known."""
        pointer = self._pointers.get(kind)
        is_past = pointer is not None and self._history not in (None, pointer.lineage)
        if pointer is None or is_past or kind in self._under_way:
            self._wanted.add(kind)
        elif now_ms >= self._again_at.get(kind, now_ms):
            self._wanted.discard(kind)
            self._again_at.pop(kind, None)
            if self.fetcher.fetch(pointer):
                self._under_way.add(kind)
            else:
                self._again_at[kind] = now_ms + RETRY_FIRST_MS

    def _open(self, kind: str, file: Path) -> None:
        if kind == "policy":
            self._open_policy(file)
            return
        opened = open_snapshot(file, kind)
        old = getattr(self.beliefs, kind)
        setattr(self.beliefs, kind, opened)
        if old is not None:
            old.close()

    def _open_policy(self, file: Path) -> None:
        """Decide by the newest rules; ones that do not read leave the last good ones in force."""
        for doc in read_policies(file)[-1:]:
            try:
                self.policy = Policy.from_doc(doc)
            except PolicyInvalid as error:
                self._note("policy", f"the old one stays in force: {error}")
                kept = self.store.recall("policy")
                self.policy = Policy.from_doc(json.loads(kept)) if kept else self.policy
                return
            self.store.remember("policy", json.dumps(doc, separators=(",", ":")))

    def _note(self, kind: str, why: str) -> None:
        _log.warning("list %s: %s", kind, why)
        self.trouble[kind] = why[:120]

    def close(self) -> None:
        """Close the open lists."""
        for name in ("catalogue", "patrons"):
            opened = getattr(self.beliefs, name)
            if opened is not None:
                opened.close()
                setattr(self.beliefs, name, None)
