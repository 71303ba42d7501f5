"""The ports: what a program may ask of a reader, a scanner, a pin, a printer and a clock.

Laws:
- Ports know UIDs, blocks and levels. They never know loans.
- UIDs are lower-case hex of the raw bytes, in the order the standard prints them (`e004…`).
- Reading nothing is a result; a device that cannot read is an error from `hardware/errors.py`.
- Every output is born with its initial state, its safe state and its longest time on.
- Every `close()` may be called twice, and leaves outputs in their safe state.

Every implementation passes the contract of its port in `tests/contract/`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from hardware.chips.tag_data import TagContent

__all__ = [
    "BLOCK_BYTES",
    "EDGES_MAX",
    "ISO14443A",
    "ISO15693",
    "MIFARE_CLASSIC",
    "NTAG",
    "SCANNER_CODE_LENGTH_MAX",
    "Clock",
    "Edge",
    "Health",
    "Input",
    "Inventory",
    "Output",
    "Printer",
    "Scanner",
    "Security",
    "TagContent",
    "TagReader",
    "TagSeen",
]

BLOCK_BYTES = 4
"""Bytes in one block of tag memory: ISO 15693 tags of libraries and NTAG pages alike."""

SCANNER_CODE_LENGTH_MAX = 64
"""Longer codes are dropped by scanners: no library label is longer, a hostile one may be."""

EDGES_MAX = 256
"""Edges an input keeps between two calls; of more, the oldest are dropped."""

ISO15693 = "iso15693"
NTAG = "ntag"
MIFARE_CLASSIC = "mifare_classic"
ISO14443A = "iso14443a"
"""A card of that standard that is neither of the two above: a uid, and no memory we can use."""


class Security(Enum):
    """What a tag tells a gate."""

    IN_STOCK = "in_stock"
    ON_LOAN = "on_loan"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class TagSeen:
    """One tag answering in the field."""

    uid: str
    technology: str


@dataclass(frozen=True, slots=True)
class Inventory:
    """The tags of one anti-collision round, in the order of their uids.

    `complete` is False when something else answered too that could not be told apart: a tag that
    is not listed may then still be lying there.
    """

    tags: tuple[TagSeen, ...]
    complete: bool = True

    @property
    def uids(self) -> tuple[str, ...]:
        """The uids alone."""
        return tuple(tag.uid for tag in self.tags)


@dataclass(frozen=True, slots=True)
class Health:
    """Whether a device works; `detail` is a sentence for staff, empty when it does."""

    ok: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Edge:
    """An input changed to `level` at `at_ms` on the station's monotonic clock."""

    level: bool
    at_ms: int


class TagReader(Protocol):
    """A pad, a card spot or a gate's antenna.

    All methods raise `DeviceError` when the reader itself fails, and those that name a uid raise
    `TagLost` when that tag is not in the field.
    """

    def inventory(self) -> Inventory:
        """Return every tag in the field; an empty field is an empty inventory."""

    def read_content(self, uid: str) -> TagContent | None:
        """Return the library data on the tag; None when it is blank or not library data."""

    def get_security(self, uid: str) -> Security:
        """Return what the tag tells a gate: its AFI, or its security byte."""

    def set_security(self, uid: str, security: Security) -> None:
        """Write the security state and read it back.

        Raises `WriteFailed` when it reads back differently, `SecurityUnsupported` for
        `Security.NONE` and for tags without a place for it.
        """

    def read(self, uid: str, first: int, count: int) -> bytes:
        """Return `count` blocks from block `first` of the user memory."""

    def write(self, uid: str, first: int, data: bytes) -> None:
        """Write whole blocks from block `first` of the user memory and read them back."""

    def health(self) -> Health:
        """Return whether the reader answers; never raises."""

    def close(self) -> None:
        """Switch the field off and let go of the device."""


class Scanner(Protocol):
    """A barcode scanner."""

    def poll(self) -> list[str]:
        """Return the codes completed since the last call, oldest first.

        A code has 1 to 64 printable characters, without prefix or line end. Unplugged is an empty
        list and shows in `health()`.
        """

    def health(self) -> Health:
        """Return whether the scanner is there; never raises."""

    def close(self) -> None:
        """Let go of the device."""


class Output(Protocol):
    """A lamp, a siren, a relay: anything that is on or off."""

    @property
    def state(self) -> bool:
        """Whether it is on now, its longest time on considered."""

    def on(self) -> None:
        """Switch on; it goes off by itself after its longest time on."""

    def off(self) -> None:
        """Switch off."""

    def pulse(self, duration_ms: int) -> None:
        """Switch on for that long, at most the longest time on; never blocks."""

    def close(self) -> None:
        """Go to the safe state and let go of the pin."""


class Input(Protocol):
    """A light beam, a button: True is broken or pressed."""

    def read(self) -> bool:
        """Return the level now."""

    def edges(self) -> list[Edge]:
        """Return the raw, undebounced changes since the last call, oldest first."""

    def close(self) -> None:
        """Let go of the pin."""


class Printer(Protocol):
    """A receipt printer."""

    def print_lines(self, lines: Sequence[str]) -> None:
        """Print a slip and cut it; raises `PrinterError` when it cannot."""

    def health(self) -> Health:
        """Return whether the printer can print; never raises."""

    def close(self) -> None:
        """Let go of the device."""


class Clock(Protocol):
    """The only source of time: programs never ask the operating system themselves."""

    def now_ms(self) -> int:
        """Return milliseconds on a clock that never goes back or jumps."""

    def wall_ms(self) -> int:
        """Return milliseconds since 1970 UTC, as far as this station knows."""

    def wall_is_sure(self) -> bool:
        """Return whether a time server or a clock chip set the wall clock in this boot."""

    def sleep_ms(self, duration_ms: int) -> None:
        """Return that many milliseconds later."""
