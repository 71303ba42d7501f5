"""What a player needs of the place it plays in: hands, eyes, and time.

Two places there are: a house in this process (`sim/scenario/house.py`) and a running demo
(`sim/scenario/bench.py`). A hand that asks for something impossible gets a `SimError`; so does
one that asks for what this place cannot do.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in what has happened: everything after it is new."""

    happened: int
    alarms: int
    at_ms: int
    slips: dict[str, int]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the running log: its number, when it was (ms from the start), where, what."""

    n: int
    at_ms: int
    station: str
    text: str


class Stage(Protocol):
    """A library that a scenario can be played in."""

    patience: int
    """How much longer than written an expectation may take here; 1 on virtual time."""

    within_ms_min: int
    """How long each of them may take at least, in milliseconds; 0 on virtual time."""

    tick_ms: int
    """How long between two looks, in milliseconds."""

    def now_ms(self) -> int:
        """Return the milliseconds since the stage was set."""

    def run(self, ms: int) -> None:
        """Let that much time pass."""

    def find(self, name: str) -> str:
        """Return the label of a book or card by label, title or name; raises `WorldError`."""

    def title(self, key: str) -> str:
        """Return the title of a book or the name on a card."""

    def names(self, key: str) -> tuple[str, ...]:
        """Return what a screen may call it: title, label, or `tag:` and its uid."""

    def is_card(self, key: str) -> bool:
        """Return whether that is a card."""

    def places(self) -> list[str]:
        """Return where things can be put."""

    def kiosks(self) -> list[str]:
        """Return the kiosks' names."""

    def gates(self) -> dict[str, list[str]]:
        """Return the lanes of each gate, by the gates' names."""

    def devices(self) -> list[str]:
        """Return the names of what can be made to fail."""

    def bring(self, title: str, label: str, owner: str) -> None:
        """Bring a tagged book from elsewhere; it lies in the hand."""

    def move(self, keys: Iterable[str], place: str) -> None:
        """Put things somewhere."""

    def scan(self, kiosk: str, code: str) -> None:
        """Hold a label under a kiosk's scanner."""

    def press(self, kiosk: str, action: str, values: dict[str, str]) -> None:
        """Press a button on a kiosk's screen."""

    def press_button(self, gate: str) -> int:
        """Press the guard's button; return how long that takes in ms."""

    def walk(self, gate: str, lane: str, direction: str, keys: Iterable[str]) -> int:
        """Begin to walk through a gate; return how long that takes in ms."""

    def pull(self, key: str, writes: int) -> None:
        """Let a tag leave its field after that many writes."""

    def weaken(self, key: str, writes: int) -> None:
        """Let that many writes to a tag do nothing."""

    def cut_power(self, station: str) -> None:
        """Cut a station's power."""

    def restore_power(self, station: str) -> None:
        """Give a station its power back."""

    def link(self, who: str, state: str) -> None:
        """Bring a network plug to `up`, `down` or `stalled`."""

    def fail(self, device: str, fault: str | None, options: dict[str, int | float]) -> None:
        """Make a device fail, or mend it with None."""

    def plug(self, device: str, into: bool) -> None:
        """Pull a device's plug, or put it back in."""

    def mark(self) -> Mark:
        """Return the present place in what has happened."""

    def log(self, after: int = 0) -> list[Line]:
        """Return the lines of the running log behind that number, oldest first."""

    def screen(self, kiosk: str) -> dict[str, Any]:
        """Return what a kiosk shows."""

    def lights(self, gate: str) -> dict[str, bool]:
        """Return whether `siren`, `red` and `amber` are on."""

    def slip(self, kiosk: str) -> list[str]:
        """Return the lines of the newest slip, none if nothing was printed yet."""

    def printed(self, kiosk: str, since: Mark) -> bool:
        """Return whether a slip came out after that."""

    def tag(self, key: str) -> str:
        """Return what a book's tag tells a gate: in_stock, on_loan, none; or untagged."""

    def item(self, key: str) -> str:
        """Return an item's state at the gateway, "unknown" if it knows none."""

    def alarm_titles(self, after: int) -> list[str]:
        """Return the titles of the alarms at the gateway behind that many, oldest first."""

    def ills(self, station: str) -> dict[str, str]:
        """Return what a station says is wrong with it, by subject."""

    def reported_ills(self, station: str) -> list[str]:
        """Return what the gateway shows as wrong with a station."""
