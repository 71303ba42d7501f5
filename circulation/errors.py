"""What can go wrong at the edges of `circulation`.

    Exception
    └── CirculationError
        ├── ConfigInvalid        the configuration file cannot be used; nothing was started
        ├── JournalError         the journal on disk cannot be used or written
        │   ├── JournalDamaged   it does not read back as it was written
        │   ├── JournalFull      definite: nothing was written, the disk is full
        │   └── JournalMisused   a transaction was begun inside another
        ├── JournalFileInvalid   a journal on a stick is not whole, not ours, or no journal
        ├── SnapshotError        a list could not be had; whoever wanted it goes on by the old one
        │   ├── SnapshotUnreachable   worth trying again
        │   │   └── SnapshotBusy      the gateway named the time for that
        │   ├── NoRoomForSnapshot     the card is too full for a second list beside the one in use
        │   └── SnapshotInvalid       wrong bytes, wrong schema: fetched anew (also ValueError)
        └── LinkError
            ├── LinkUnavailable  definite: it was not sent
            └── LinkUncertain    indefinite: it may have been sent; sending again is harmless

A refusal by the rules is a value, not an exception. What is wrong with a message that came in
is told by `circulation.wire.errors`.
"""


class CirculationError(Exception):
    """Root of what can go wrong here."""


class ConfigInvalid(CirculationError):
    """The configuration file cannot be used; the text names file, section and option."""


class JournalError(CirculationError):
    """The journal on disk cannot be used."""


class JournalDamaged(JournalError):
    """What the journal holds is not what was written; move it aside and start a new epoch."""


class JournalFull(JournalError):
    """Definite: nothing of the transaction was written, since the disk is full."""


class JournalMisused(JournalError):
    """A transaction was begun inside another; whose commit should it be?"""


class JournalFileInvalid(CirculationError, ValueError):
    """The file is no journal of this library, or not all of it; nothing was taken from it."""


class SnapshotError(CirculationError):
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


class LinkError(CirculationError):
    """Something about the link to the broker."""


class LinkUnavailable(LinkError):
    """Definite: nothing was sent."""


class LinkUncertain(LinkError):
    """Indefinite: it may have been sent. Every message of ours may be sent again."""
