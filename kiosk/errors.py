"""What can go wrong at a kiosk beyond its journal, drawn once.

    KioskError
    ├── TagNotWritten             the tag on the pad was left as it was (kiosk/tagging.py)
    ├── StoreUnsafe               the database would not promise a durable commit
    └── SnapshotError             lending goes on from the old snapshot
        ├── SnapshotUnreachable   worth trying again
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


class SnapshotInvalid(SnapshotError, ValueError):
    """The bytes are not the snapshot the pointer promised."""
