"""What can go wrong at a kiosk beyond its journal, drawn once.

    KioskError
    ├── TagNotWritten             the tag on the pad was left as it was (kiosk/tagging.py)
    └── StoreUnsafe               the database would not promise a durable commit

A full or damaged disk is told by `circulation.errors.JournalError`, a list that cannot be had by
its `SnapshotError`; a refusal by the rules is a value (`circulation.reasons.Refused`), never an
exception.
"""


class KioskError(Exception):
    """Root of everything a kiosk raises on purpose."""


class StoreUnsafe(KioskError):
    """The connection does not have the pragmas that make a commit survive a power cut."""
