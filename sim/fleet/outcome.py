"""What a played plan left behind: everything a check may ask, and nothing it may change.

Laws:
1. Nothing here is recomputed by the checks' rules: it is read from the disks and from the
   gateway's tables as they stood when the fleet had come to rest.
2. `events` is the truth: what people and fate really did, with true times. No fact carries it.
3. Only whole numbers, texts and bytes, in an order that depends on the plan alone; so `digest`
   is the same on every machine.

What the events of a fleet are called (who; detail):

    lent renewed        a kiosk; patron, item, fact     the tick was shown, the reader has it
    returned used_in_house   a kiosk; item, fact        the tick was shown, the item is in
    left_behind         a kiosk; item, fact             recorded, no tick: the book stayed
    refused             a kiosk; act, item, reasons     by the rules, or by a full disk
    skipped             anybody; act, item, why         could not happen: no power, item not there
    carried_out         a gate; item, holder, alarm     1 if it sounded, 2 if it had no power
    carried_in          a gate; item, holder, 0
    decided             gateway; item, entry, state, fact
    committed           a station; fact, epoch number, seq
    alarm               a gate; item, row
    started stopped     a station or the gateway; why
    took                a kiosk; item, fact             a reader went with it before the tick
    fault               anybody; its name in the plan's table, and more
    history             gateway; why                    it began a new one without a restore
    recovered           gateway; nothing                all that a restore took is said to be back
    healed rest         fleet; nothing                  all faults ended; nothing moves any more
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from sim.fleet.plan import Plan

Detail = tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that really happened. at_ms: true virtual time. detail: see the module."""

    at_ms: int
    who: str
    what: str
    detail: Detail = ()


@dataclass(frozen=True, slots=True)
class Committed:
    """A fact that a station's disk held, when it was first there, and where.

    item, patron: by the plan's names, empty if it is about none. The body has only hashes.
    """

    fact_id: str
    station: str
    epoch_n: int
    seq: int
    at_ms: int
    body: bytes
    item: str = ""
    patron: str = ""


@dataclass(frozen=True, slots=True)
class Announced:
    """A birth that the gateway heard, and the last row it named."""

    at_ms: int
    station: str
    epoch_n: int
    seq_last: int


@dataclass(frozen=True, slots=True)
class Applied:
    """A row of the gateway's table of facts: which fact, from where it was applied first."""

    fact_id: str
    station: str
    epoch_n: int
    seq: int
    kind: str
    item: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Position:
    """A row of a journal that the gateway has a place for; fact_id is empty for what is parked."""

    station: str
    epoch: str
    seq: int
    hash: str
    fact_id: str


@dataclass(frozen=True, slots=True)
class Parked:
    """A row that could not be applied. fact_id: what its body says, if it can be read."""

    station: str
    epoch_n: int
    seq: int
    why: str
    fact_id: str


@dataclass(frozen=True, slots=True)
class Review:
    """An entry for staff. state: open, decided or settled."""

    key: str
    rule: str
    item: str
    station: str
    facts: tuple[str, ...]
    detail: str
    state: str


class Anew(NamedTuple):
    """An item by its applied facts alone, folded in another order than they came in."""

    state: str
    patron: str
    loan: str
    due_at: int


@dataclass(frozen=True, slots=True)
class ItemState:
    """An item as the catalogue has it. siblings: each final state its last facts may mean.

    due_at: in ms since 1970, 0 for none. anew: how it stands when all facts are folded afresh.
    """

    item: str
    state: str
    patron: str
    loan: str
    last: tuple[str, ...]
    siblings: tuple[str, ...] = ()
    due_at: int = 0
    anew: Anew | None = None


class SiteNews(NamedTuple):
    """What a kiosk told the gates of its site, and the place it named. is_on: a loan."""

    station: str
    epoch_n: int
    seq: int
    fact_id: str
    is_on: bool


@dataclass(frozen=True, slots=True)
class GateList:
    """The list a gate decides by. reaches: key to reach above 0; overlay: what lies over it."""

    lineage: str
    version: int
    freshness: str
    reaches: tuple[tuple[str, int], ...]
    unsecured: tuple[str, ...]
    overlay: tuple[SiteNews, ...] = ()


@dataclass(frozen=True, slots=True)
class Alarm:
    """A gate sounded. holder: who really carried the item; row: of the gate's table.

    heard: the loans of the item that a kiosk had told this gate of since it was switched on;
    applied: whether the gateway had the newest of them.
    """

    at_ms: int
    gate: str
    item: str
    row: int
    holder: str = ""
    heard: tuple[str, ...] = ()
    applied: bool = False


@dataclass(frozen=True, slots=True)
class Unbacked:
    """A row that a station counted as acknowledged when the gateway had no such row there."""

    at_ms: int
    station: str
    epoch: str
    seq: int


@dataclass(frozen=True, slots=True)
class PutBack:
    """An old card in its station again. hw: how far the gateway had applied its newest epoch.

    gone: the hashes, in hex, of the rows that the gateway had and the card has not.
    """

    at_ms: int
    station: str
    epoch_n: int
    seq_last: int
    hw: int
    gone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Missing:
    """A fact a restored gateway had lost and not got back when it said that all was back."""

    at_ms: int
    station: str
    fact_id: str


@dataclass(frozen=True, slots=True)
class StationEnd:
    """A station when all was over.

    waiting: rows the gateway has not said to have. shown: whether its retained status says on.
    """

    station: str
    epoch_n: int
    seq_last: int
    acked: int
    waiting: int
    lineage: str
    connected: bool
    lists: tuple[tuple[str, int], ...] = ()
    news: int = 0
    shown: bool = True


@dataclass(slots=True)
class Outcome:
    """Everything left behind by one run of a plan."""

    plan: Plan
    events: list[Event] = field(default_factory=list)
    committed: list[Committed] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)
    surviving: set[str] = field(default_factory=set)
    applied: list[Applied] = field(default_factory=list)
    positions: list[Position] = field(default_factory=list)
    parked: list[Parked] = field(default_factory=list)
    reviews: list[Review] = field(default_factory=list)
    item_states: dict[str, ItemState] = field(default_factory=dict)
    declared_lost: list[tuple[str, str, int, int]] = field(default_factory=list)
    """station, epoch id, first and last row of every hole that was declared to the gateway."""
    announced: list[Announced] = field(default_factory=list)
    gate_lists: dict[str, GateList] = field(default_factory=dict)
    truth_list: GateList | None = None
    alarms: list[Alarm] = field(default_factory=list)
    stations: dict[str, StationEnd] = field(default_factory=dict)
    keys: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """item to the keys a gate may know it by."""
    tables: dict[str, str] = field(default_factory=dict)
    """table of the gateway to the SHA-256 of its rows."""
    peaks: dict[str, int] = field(default_factory=dict)
    faults: Counter[str] = field(default_factory=Counter)
    unbacked: list[Unbacked] = field(default_factory=list)
    put_back: list[PutBack] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)
    untold: list[tuple[str, int]] = field(default_factory=list)
    """list and version of every change that counts as published and never was."""
    epochs: list[tuple[str, int, str]] = field(default_factory=list)
    """station, number and id of every journal the gateway knows of."""
    device_ms: int = 0
    rested: bool = False
    """Whether everything had come to rest before the plan's time to heal was over."""

    @property
    def digest(self) -> str:
        """SHA-256 in hex over events, every body that was committed, and the gateway's tables."""
        total = hashlib.sha256()
        for part in self._parts():
            encoded = part.encode() if isinstance(part, str) else part
            total.update(len(encoded).to_bytes(8, "big") + encoded)
        return total.hexdigest()

    def _parts(self) -> Iterable[str | bytes]:
        for event in self.events:
            yield repr((event.at_ms, event.who, event.what, event.detail))
        for one in self.committed:
            yield repr((one.fact_id, one.station, one.epoch_n, one.seq, one.at_ms))
            yield one.body
        for name in sorted(self.tables):
            yield f"{name} {self.tables[name]}"
        for named in (self.gate_lists, self.stations, self.peaks, dict(self.faults)):
            yield repr(sorted(_items(named)))

    def of(self, what: str) -> list[Event]:
        """Return the events of that name, in order."""
        return [event for event in self.events if event.what == what]


def _items(named: dict[str, Any]) -> list[tuple[str, str]]:
    return [(name, repr(value)) for name, value in named.items()]
