"""Which events a visit takes in which state, and where they lead: a table, nothing else.

An event that is not here for a state means nothing in it. `python -m kiosk.diagram` draws it.
"""

from __future__ import annotations

from typing import Any

from kiosk.visit import (
    ActionAsked,
    CardRefused,
    FinishPressed,
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
    PadCleared,
    PatronIdentified,
    PinRefused,
    PinWanted,
    ReturnChosen,
    State,
    StayPressed,
    TimeRanOut,
    Touched,
    WarningDue,
)

_S = State
_ITEM_NEWS = (
    ItemPlaced, ItemLifted, ItemRecorded, ItemFinished, ItemAskedAgain, ItemUnswitched,
    ItemRefused, ItemHeld, ItemNoticed, ItemUndone, CardRefused,
)  # fmt: skip
_OPENINGS: dict[type[Any], State] = {
    PatronIdentified: _S.LENDING,
    PinWanted: _S.PIN,
    ReturnChosen: _S.RETURNING,
    LendingStopped: _S.STOPPED,
}


def _rows(state: State, *, to: dict[type[Any], State]) -> dict[tuple[State, type[Any]], State]:
    return {(state, event): target for event, target in to.items()}


def _visit_rows(open_state: State, ending: State) -> dict[tuple[State, type[Any]], State]:
    """A visit and its countdown take the same events; anything that moves ends the countdown."""
    news: dict[type[Any], State] = dict.fromkeys((*_ITEM_NEWS, Touched, ActionAsked), open_state)
    shared = {**news, FinishPressed: _S.FAREWELL, LendingStopped: _S.STOPPED}
    switch: dict[type[Any], State] = {PatronIdentified: _S.LENDING, PinWanted: _S.PIN}
    return {
        **_rows(open_state, to={**shared, **switch, WarningDue: ending}),
        **_rows(
            ending,
            to={**shared, **switch, StayPressed: open_state, TimeRanOut: _S.FAREWELL},
        ),
    }


TRANSITIONS: dict[tuple[State, type[Any]], State] = {
    **_rows(
        _S.IDLE,
        to={
            **_OPENINGS,
            ItemPlaced: _S.OFFERED,
            ItemLifted: _S.IDLE,
            ItemNoticed: _S.IDLE,
            CardRefused: _S.IDLE,
            Touched: _S.IDLE,
            TimeRanOut: _S.IDLE,
        },
    ),
    **_rows(
        _S.OFFERED,
        to={
            **_OPENINGS,
            ItemPlaced: _S.OFFERED,
            ItemLifted: _S.OFFERED,
            PadCleared: _S.IDLE,
            ItemNoticed: _S.OFFERED,
            CardRefused: _S.OFFERED,
            Touched: _S.OFFERED,
            FinishPressed: _S.IDLE,
            TimeRanOut: _S.IDLE,
        },
    ),
    **_rows(
        _S.PIN,
        to={
            PatronIdentified: _S.LENDING,
            PinWanted: _S.PIN,
            PinRefused: _S.PIN,
            CardRefused: _S.IDLE,
            ItemPlaced: _S.PIN,
            ItemLifted: _S.PIN,
            ItemNoticed: _S.PIN,
            Touched: _S.PIN,
            FinishPressed: _S.IDLE,
            TimeRanOut: _S.IDLE,
            LendingStopped: _S.STOPPED,
        },
    ),
    **_visit_rows(_S.LENDING, _S.LENDING_ENDS),
    **_visit_rows(_S.RETURNING, _S.RETURNING_ENDS),
    **_rows(
        _S.FAREWELL,
        to={
            **_OPENINGS,
            ItemPlaced: _S.OFFERED,
            ItemLifted: _S.FAREWELL,
            PadCleared: _S.IDLE,
            ItemNoticed: _S.FAREWELL,
            CardRefused: _S.FAREWELL,
            Touched: _S.FAREWELL,
            FinishPressed: _S.IDLE,
            TimeRanOut: _S.IDLE,
        },
    ),
    **_rows(_S.STOPPED, to={LendingResumed: _S.IDLE, ItemLifted: _S.STOPPED}),
}

PERSONAL = frozenset({State.LENDING, State.LENDING_ENDS})
VISITS = frozenset({State.LENDING, State.LENDING_ENDS, State.RETURNING, State.RETURNING_ENDS})
