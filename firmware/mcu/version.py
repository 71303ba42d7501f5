"""Which version of the gate's program these files are.

It is raised with every release that leaves the house: a device never takes an update that is not
higher, and a program flashed over USB wins over every update that is older than itself.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.mcu.update import Choice

VERSION = 1

_told: "list[tuple[Choice, int]]" = []


def tell(choice: "Choice", base: int) -> None:
    """Say what boot.py chose, and which version was flashed: neither need be that of this file."""
    _told.append((choice, base))


def running() -> "tuple[Choice | None, int]":
    """Return what runs, None if nobody chose, and the version of what was flashed."""
    return _told[-1] if _told else (None, VERSION)
