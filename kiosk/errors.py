"""What can go wrong at a kiosk, drawn once.

    CirculationError                  (circulation.errors)
    KioskError
    ├── StoreError
    │   ├── StoreUnsafe               the database would not promise a durable commit
    │   ├── StoreDamaged              the database does not read as ours; moved aside by hand
    │   └── StoreFull                 no room for one more fact: lending stops here
    └── SnapshotError                 lending goes on from the old snapshot
        ├── SnapshotUnreachable       worth trying again
        └── SnapshotInvalid           wrong bytes, wrong schema: fetched anew from the start

A refusal by the rules is a value (`circulation.reasons.Refused`), never an exception.
"""


class KioskError(Exception):
    """Root of everything a kiosk raises on purpose."""


class StoreError(KioskError):
    """The station database could not do what was asked."""


class StoreUnsafe(StoreError):
    """The connection does not have the pragmas that make a commit survive a power cut."""


class StoreDamaged(StoreError):
    """The station database failed its check when it was opened."""


class StoreFull(StoreError):
    """The disk has no room left; nothing was written."""


class SnapshotError(KioskError):
    """A snapshot could not be fetched or opened; the one in use stays."""


class SnapshotUnreachable(SnapshotError):
    """The gateway did not hand out the bytes; try again later."""


class SnapshotInvalid(SnapshotError, ValueError):
    """The bytes are not the snapshot the pointer promised."""
