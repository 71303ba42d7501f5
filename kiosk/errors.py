"""What can go wrong at a kiosk beyond its journal, drawn once.

    KioskError
    ├── TagNotWritten             the tag on the pad was left as it was (kiosk/tagging.py)
    ├── StoreUnsafe               the database would not promise a durable commit
    └── SnapshotError             lending goes on from the old snapshot
        ├── SnapshotUnreachable   worth trying again
        │   └── SnapshotBusy      the gateway named the time for that
        ├── NoRoomForSnapshot     the card is too full for a second list beside the one in use
        └── SnapshotInvalid       wrong bytes, wrong schema: fetched anew (also ValueError)

A full or damaged disk is told by `circulation.errors.JournalError`, a refusal by the rules is a
value (`circulation.reasons.Refused`), never an exception.
"""


class KioskError(Exception):
    """Root of everything a kiosk raises on purpose."""


class StoreUnsafe(KioskError):
    """The connection does not have the pragmas that make a commit survive a power cut."""


class SnapshotError(KioskError):
    """A snapshot could not be fetched or opened; the one in use stays."""


class SnapshotUnreachable(SnapshotError):
    """The gateway did not hand out the bytes; try again later."""


class SnapshotBusy(SnapshotUnreachable):
    """The gateway serves other stations first; `again_ms` is how long to wait."""

    def __init__(self, message: str, *, again_ms: int) -> None:
        super().__init__(message)
        self.again_ms = again_ms


class NoRoomForSnapshot(SnapshotError):
    """A new list would leave the journal no room; staff must make some on the card."""


class SnapshotInvalid(SnapshotError, ValueError):
    """The bytes are not the snapshot the pointer promised."""
