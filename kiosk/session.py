"""One visit at the kiosk, as a table; no input or output, no clock, no rules.

Laws of this file:

1. `kiosk.transitions` is the whole truth about states; docs/kiosk-session.svg is drawn from it.
2. An event that is not in the table for the present state raises `EventIllegal` and changes
   nothing. `accepts` asks beforehand.
3. `receive` returns what is to be done and does nothing itself. It decides what a visit means,
   never whether a loan is allowed: that comes back as a later event.
4. A tile shows the tick only in `TileState.DONE`, and only `ItemFinished` leads there. The caller
   sends `ItemFinished` after the commit *and* the tag's read-back.
5. Nothing about a person outlives the visit: every way out passes `_forget`.
6. What lay on the pad when a visit ended belongs to nobody until it was really taken away, or
   somebody scans its label. The next reader's card must not borrow the last reader's book, and
   a book that drops out of the field for a moment was not taken away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from kiosk.transitions import TRANSITIONS, VISITS
from kiosk.visit import (
    ActionAsked,
    CardRefused,
    CheckIn,
    CheckOut,
    Command,
    EndVisit,
    Event,
    EventIllegal,
    ItemAskedAgain,
    ItemFinished,
    ItemHeld,
    ItemLifted,
    ItemNoticed,
    ItemPlaced,
    ItemRecorded,
    ItemRefused,
    ItemUndone,
    ItemUnswitched,
    LendingResumed,
    LendingStopped,
    Mode,
    PatronIdentified,
    PinRefused,
    PinWanted,
    PlaySound,
    Renew,
    ReturnChosen,
    State,
    Tile,
    TileState,
    TimeRanOut,
    WarningDue,
)

LEFT_AWAY_MS = 1_500
"""So long after it was lifted a left book still counts as lying there."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a visit may stand still, in ms."""

    quiet_ms: int = 60_000
    countdown_ms: int = 20_000
    farewell_ms: int = 6_000
    offered_ms: int = 60_000
    pin_ms: int = 30_000


@dataclass(frozen=True, slots=True)
class Farewell:
    """What the last screen of a visit says; counts only, nothing about the person."""

    lent: int
    returned: int
    unswitched: int


@dataclass(slots=True)
class Session:
    """The visit at one kiosk; feed it events, carry out its commands, draw its tiles."""

    timing: Timing = field(default_factory=Timing)
    state: State = State.IDLE
    patron: PatronIdentified | None = None
    pin_for: str | None = None
    pin_left: int | None = None
    notice: str = ""
    stopped_why: str = ""
    farewell: Farewell = Farewell(0, 0, 0)
    _tiles: dict[str, Tile] = field(default_factory=dict)
    _left: dict[str, int | None] = field(default_factory=dict)
    _moved_ms: int = 0
    _noticed_ms: int = 0
    _now_ms: int = 0

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """Items of this visit, oldest first."""
        return tuple(self._tiles.values())

    @property
    def left_over(self) -> frozenset[str]:
        """What the last reader left on the pad, or what was taken off it only just now."""
        return frozenset(self._left)

    def tile(self, key: str) -> Tile | None:
        """The tile of one item, if this visit has it."""
        return self._tiles.get(key)

    def accepts(self, event_type: type[Any]) -> bool:
        """Whether such an event means anything now."""
        return (self.state, event_type) in TRANSITIONS

    def receive(self, event: Event, now_ms: int) -> list[Command]:
        """Return what is to be done; raises EventIllegal and changes nothing out of turn."""
        target = TRANSITIONS.get((self.state, type(event)))
        if target is None:
            raise EventIllegal(f"{type(event).__name__} means nothing while {self.state.value}")
        self._now_ms = now_ms
        if isinstance(event, ItemPlaced) and self._lies_still(event):
            return []
        before, self.state = self.state, target
        if not isinstance(event, TimeRanOut | WarningDue | ItemLifted):
            self._moved_ms = now_ms
        handler: Callable[[Session, Any, State], list[Command]] | None
        handler = _HANDLERS.get(type(event))
        if isinstance(event, CardRefused | PinRefused | ItemNoticed):
            self._noticed_ms = now_ms
        commands = handler(self, event, before) if handler else []
        return commands + self._leave(before)

    def leave(self, key: str) -> None:
        """Note a thing that lies on the pad and is nobody's until it was taken away."""
        self._left[key] = None

    def tick(self, now_ms: int) -> list[Command]:
        """Let time pass: warnings, timeouts, and notices that have been read."""
        if self.notice and now_ms - self._noticed_ms >= 8_000:
            self.notice = ""
        self._left = {
            key: lifted_ms for key, lifted_ms in self._left.items()
            if lifted_ms is None or now_ms - lifted_ms < LEFT_AWAY_MS
        }  # fmt: skip
        event = self._overdue_event(now_ms - self._moved_ms)
        return self.receive(event, now_ms) if event else []

    def countdown_ms(self, now_ms: int) -> int | None:
        """Time left before the visit ends by itself; None outside the countdown."""
        if self.state not in (State.LENDING_ENDS, State.RETURNING_ENDS):
            return None
        total = self.timing.quiet_ms + self.timing.countdown_ms
        return max(0, total - (now_ms - self._moved_ms))

    def _lies_still(self, event: ItemPlaced) -> bool:
        """Whether this is a left book that only dropped out of the field for a moment."""
        if not event.on_pad or event.key not in self._left:
            return False
        self._left[event.key] = None
        return True

    def _overdue_event(self, quiet_ms: int) -> Event | None:
        timing = self.timing
        limits: dict[State, tuple[int, Event]] = {
            State.OFFERED: (timing.offered_ms, TimeRanOut()),
            State.PIN: (timing.pin_ms, TimeRanOut()),
            State.LENDING: (timing.quiet_ms, WarningDue()),
            State.RETURNING: (timing.quiet_ms, WarningDue()),
            State.LENDING_ENDS: (timing.quiet_ms + timing.countdown_ms, TimeRanOut()),
            State.RETURNING_ENDS: (timing.quiet_ms + timing.countdown_ms, TimeRanOut()),
            State.FAREWELL: (timing.farewell_ms, TimeRanOut()),
        }
        limit = limits.get(self.state)
        return limit[1] if limit and quiet_ms >= limit[0] else None

    def _leave(self, before: State) -> list[Command]:
        """Close the visit that was left by this event, and forget whose it was."""
        if self.state is State.IDLE and before in (State.OFFERED, State.PIN):
            notice = self.notice
            self._forget()
            self.notice = notice
        if before not in VISITS or self.state in VISITS or self.state is State.PIN:
            return []
        return self._end_visit()

    def _end_visit(self) -> list[Command]:
        ended = EndVisit(self.patron.patron_id if self.patron else None, self.tiles)
        settled = [tile for tile in self.tiles if tile.state in _SETTLED]
        lent = sum(tile.mode is not Mode.RETURN for tile in settled)
        unswitched = sum(tile.state is not TileState.DONE for tile in settled)
        self.farewell = Farewell(lent, len(settled) - lent, unswitched)
        self._forget()
        return [ended]

    def _forget(self) -> None:
        lying = {key for key, tile in self._tiles.items() if tile.on_pad}
        self._left.update(dict.fromkeys(lying))
        self._tiles.clear()
        self.patron = self.pin_for = self.pin_left = None
        self.notice = ""

    def _begin(self, event: PatronIdentified, before: State) -> list[Command]:
        ended: list[Command] = []
        if before in VISITS and not self._same_visit(event):
            ended = self._end_visit()
        if before is State.FAREWELL:
            self._tiles.clear()
        self.patron, self.pin_for, self.pin_left, self.notice = event, None, None, ""
        return ended + self._start_waiting(Mode.LEND)

    def _same_visit(self, event: PatronIdentified) -> bool:
        return self.patron is not None and self.patron.patron_id == event.patron_id

    def _start_waiting(self, mode: Mode) -> list[Command]:
        """Work on what was placed before anybody said what for."""
        waiting = [tile for tile in self.tiles if tile.state is TileState.PLACED]
        for tile in waiting:
            self._tiles[tile.key] = replace(tile, state=TileState.CHECKING, mode=mode)
        return [_work(tile.key, mode) for tile in waiting]

    def _want_pin(self, event: PinWanted, before: State) -> list[Command]:
        ended = self._end_visit() if before in VISITS else []
        self.pin_for, self.pin_left, self.notice = event.patron_id, None, ""
        return ended

    def _refuse_pin(self, event: PinRefused, before: State) -> list[Command]:
        self.pin_left, self.notice = event.left, "pin_wrong"
        return [PlaySound("attention")]

    def _refuse_card(self, event: CardRefused, before: State) -> list[Command]:
        self.notice = event.notice
        return [PlaySound("attention")]

    def _return(self, event: ReturnChosen, before: State) -> list[Command]:
        self.notice = ""
        return self._start_waiting(Mode.RETURN)

    def _place(self, event: ItemPlaced, before: State) -> list[Command]:
        if before is State.FAREWELL:
            self._tiles.clear()
        old = self._tiles.get(event.key)
        if old is not None and old.state not in _DECIDED_ANEW:
            self._tiles[event.key] = replace(old, on_pad=event.on_pad or old.on_pad)
            return []
        self._left.pop(event.key, None)
        mode = Mode.RETURN if self.state is State.RETURNING else Mode.LEND
        working = self.state in VISITS
        state = TileState.CHECKING if working else TileState.PLACED
        self._tiles[event.key] = Tile(
            event.key, event.title, event.author, state, event.on_pad, event.shelf_mark, mode
        )
        return [_work(event.key, mode)] if working else []

    def _lift(self, event: ItemLifted, before: State) -> list[Command]:
        if event.key in self._left:
            self._left[event.key] = self._now_ms
        tile = self._tiles.get(event.key)
        if tile is None:
            return []
        if tile.state in (TileState.PLACED, TileState.NOTICE, TileState.REFUSED, TileState.HELD):
            del self._tiles[event.key]
        else:
            self._tiles[event.key] = replace(tile, on_pad=False)
        return []

    def _recorded(self, event: ItemRecorded, before: State) -> list[Command]:
        return self._change(
            event.key, state=TileState.RECORDED, mode=event.mode, due_at=event.due_at,
            on_site=event.on_site, notes=event.notes, refused=None, notice="",
            parts_missing=event.parts_missing,
        )  # fmt: skip

    def _finished(self, event: ItemFinished, before: State) -> list[Command]:
        if event.key not in self._tiles:
            return []
        self._change(event.key, state=TileState.DONE, notice="")
        return [PlaySound("done")]

    def _again(self, event: ItemAskedAgain, before: State) -> list[Command]:
        if event.key not in self._tiles:
            return []
        self._change(event.key, state=TileState.AGAIN, notice=event.notice)
        return [PlaySound("attention")]

    def _unswitched(self, event: ItemUnswitched, before: State) -> list[Command]:
        if event.key not in self._tiles:
            return []
        self._change(event.key, state=TileState.UNSWITCHED, notice="")
        return [PlaySound("attention")]

    def _refused(self, event: ItemRefused, before: State) -> list[Command]:
        self._change(
            event.key, state=TileState.REFUSED, refused=event.refused,
            parts_missing=event.parts_missing,
        )  # fmt: skip
        return [PlaySound("attention")]

    def _held(self, event: ItemHeld, before: State) -> list[Command]:
        return self._change(event.key, state=TileState.HELD, due_at=event.due_at)

    def _noticed(self, event: ItemNoticed, before: State) -> list[Command]:
        if self.state not in VISITS and self.state is not State.OFFERED:
            self.notice = event.notice  # these screens show no tiles
        if event.key not in self._tiles:
            self._tiles[event.key] = Tile(event.key, "", "", TileState.NOTICE, True)
        self._change(event.key, state=TileState.NOTICE, notice=event.notice)
        return [PlaySound("attention")]

    def _undone(self, event: ItemUndone, before: State) -> list[Command]:
        self._tiles.pop(event.key, None)
        return []

    def _act(self, event: ActionAsked, before: State) -> list[Command]:
        tile = self._tiles.get(event.key)
        if tile is None:
            tile = Tile(event.key, event.title, "", TileState.CHECKING, False, mode=event.mode)
        self._tiles[event.key] = replace(tile, state=TileState.CHECKING, mode=event.mode)
        return [_work(event.key, event.mode)]

    def _stop(self, event: LendingStopped, before: State) -> list[Command]:
        self.stopped_why = event.why
        return []

    def _resume(self, event: LendingResumed, before: State) -> list[Command]:
        self.stopped_why = ""
        self._forget()
        return []

    def _change(self, key: str, **values: Any) -> list[Command]:
        tile = self._tiles.get(key)
        if tile is not None:
            self._tiles[key] = replace(tile, **values)
        return []


_SETTLED = (TileState.DONE, TileState.UNSWITCHED, TileState.RECORDED, TileState.AGAIN)
_DECIDED_ANEW = (TileState.PLACED, TileState.REFUSED, TileState.NOTICE, TileState.HELD)


def _work(key: str, mode: Mode) -> Command:
    if mode is Mode.RETURN:
        return CheckIn(key)
    return Renew(key) if mode is Mode.RENEW else CheckOut(key)


_HANDLERS: dict[type[Any], Callable[[Session, Any, State], list[Command]]] = {
    PatronIdentified: Session._begin,
    PinWanted: Session._want_pin,
    PinRefused: Session._refuse_pin,
    CardRefused: Session._refuse_card,
    ReturnChosen: Session._return,
    ItemPlaced: Session._place,
    ItemLifted: Session._lift,
    ItemRecorded: Session._recorded,
    ItemFinished: Session._finished,
    ItemAskedAgain: Session._again,
    ItemUnswitched: Session._unswitched,
    ItemRefused: Session._refused,
    ItemHeld: Session._held,
    ItemNoticed: Session._noticed,
    ItemUndone: Session._undone,
    ActionAsked: Session._act,
    LendingStopped: Session._stop,
    LendingResumed: Session._resume,
}
