"""The words of a visit: its states, what can happen in it, what it asks for, what is shown.

Events are in the past tense, commands in the imperative. `kiosk.session` holds the table that
joins them.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from circulation.reasons import Refused


class State(enum.Enum):
    """Where a visit stands."""

    IDLE = "idle"
    OFFERED = "offered"
    PIN = "pin"
    LENDING = "lending"
    LENDING_ENDS = "lending_ends"
    RETURNING = "returning"
    RETURNING_ENDS = "returning_ends"
    FAREWELL = "farewell"
    STOPPED = "stopped"


class TileState(enum.Enum):
    """What one item's tile on the screen says."""

    PLACED = "placed"
    CHECKING = "checking"
    RECORDED = "recorded"
    AGAIN = "again"
    DONE = "done"
    UNSWITCHED = "unswitched"
    REFUSED = "refused"
    HELD = "held"
    NOTICE = "notice"


class Mode(enum.Enum):
    """What is being done with an item."""

    LEND = "lend"
    RETURN = "return"
    RENEW = "renew"


class EventIllegal(ValueError):
    """The event means nothing in the present state; nothing was changed."""


@dataclass(frozen=True, slots=True)
class PatronIdentified:
    """A valid card was shown, with its PIN where one is needed."""

    patron_id: str
    short_name: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PinWanted:
    """A card or a typed number is known, but a PIN must prove it."""

    patron_id: str


@dataclass(frozen=True, slots=True)
class PinRefused:
    """The PIN was wrong; `left` more tries are allowed."""

    left: int


@dataclass(frozen=True, slots=True)
class CardRefused:
    """A card was shown that opens no visit; `notice` names the screen text."""

    notice: str


@dataclass(frozen=True, slots=True)
class ReturnChosen:
    """Somebody wants to give items back without a card."""


@dataclass(frozen=True, slots=True)
class ItemPlaced:
    """An item lies on the pad or was held under the scanner."""

    key: str
    title: str
    author: str = ""
    on_pad: bool = True
    shelf_mark: str = ""


@dataclass(frozen=True, slots=True)
class ItemLifted:
    """An item is no longer on the pad."""

    key: str


@dataclass(frozen=True, slots=True)
class PadCleared:
    """The last item was taken off the pad."""


@dataclass(frozen=True, slots=True)
class ItemRecorded:
    """The fact is committed; the tag is still to be switched."""

    key: str
    mode: Mode
    due_at: int | None = None
    on_site: bool = False
    notes: tuple[str, ...] = ()
    parts_missing: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ItemFinished:
    """Committed, and the tag (if any) switched and read back: the hand may come."""

    key: str


@dataclass(frozen=True, slots=True)
class ItemAskedAgain:
    """The tag could not be switched; the item has to be placed once more."""

    key: str
    notice: str


@dataclass(frozen=True, slots=True)
class ItemUnswitched:
    """Committed, but the tag stays as it was; the gate may sound."""

    key: str


@dataclass(frozen=True, slots=True)
class ItemRefused:
    """The rules said no, with every reason."""

    key: str
    refused: Refused | None
    parts_missing: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ItemHeld:
    """The reader already has this very item: renew it or give it back."""

    key: str
    due_at: int | None


@dataclass(frozen=True, slots=True)
class ItemNoticed:
    """Something lies there that cannot be lent; `notice` names the screen text."""

    key: str
    notice: str


@dataclass(frozen=True, slots=True)
class ItemUndone:
    """The loan was taken back by the kiosk; the tile goes."""

    key: str


@dataclass(frozen=True, slots=True)
class ActionAsked:
    """A button on a tile or on a loan: renew or return this one item."""

    key: str
    mode: Mode
    title: str = ""


@dataclass(frozen=True, slots=True)
class Touched:
    """Somebody touched the screen."""


@dataclass(frozen=True, slots=True)
class StayPressed:
    """Somebody asked for more time."""


@dataclass(frozen=True, slots=True)
class FinishPressed:
    """The reader is done."""


@dataclass(frozen=True, slots=True)
class WarningDue:
    """Nobody moved for a while: the countdown starts."""


@dataclass(frozen=True, slots=True)
class TimeRanOut:
    """The countdown, or the farewell, is over."""


@dataclass(frozen=True, slots=True)
class LendingStopped:
    """One more fact could be lost; nothing is lent or taken back until that is cured."""

    why: str


@dataclass(frozen=True, slots=True)
class LendingResumed:
    """Facts are safe again."""


Event = (
    PatronIdentified | PinWanted | PinRefused | CardRefused | ReturnChosen | ItemPlaced
    | ItemLifted | PadCleared | ItemRecorded | ItemFinished | ItemAskedAgain | ItemUnswitched
    | ItemRefused | ItemHeld | ItemNoticed | ItemUndone | ActionAsked | Touched | StayPressed
    | FinishPressed | WarningDue | TimeRanOut | LendingStopped | LendingResumed
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CheckOut:
    """Decide and record the loan of this item to the present reader."""

    key: str


@dataclass(frozen=True, slots=True)
class CheckIn:
    """Record that this item came back."""

    key: str


@dataclass(frozen=True, slots=True)
class Renew:
    """Decide and record a renewal of the reader's own loan."""

    key: str


@dataclass(frozen=True, slots=True)
class PlaySound:
    """Let the kiosk be heard: `done` or `attention`."""

    kind: str


@dataclass(frozen=True, slots=True)
class EndVisit:
    """Settle what is unfinished, print the slip, forget the person."""

    patron_id: str | None
    tiles: tuple[Tile, ...]


Command = CheckOut | CheckIn | Renew | PlaySound | EndVisit


@dataclass(frozen=True, slots=True)
class Tile:
    """One item of this visit as the screen shows it. `due_at` in ms since 1970 UTC."""

    key: str
    title: str
    author: str
    state: TileState
    on_pad: bool
    shelf_mark: str = ""
    mode: Mode = Mode.LEND
    due_at: int | None = None
    on_site: bool = False
    refused: Refused | None = None
    notice: str = ""
    notes: tuple[str, ...] = ()
    parts_missing: tuple[int, ...] = ()
