"""What can go wrong at the edges of `circulation`.

    Exception
    └── CirculationError
        ├── ConfigInvalid        the configuration file cannot be used; nothing was started
        ├── JournalError         the journal on disk cannot be used or written
        │   ├── JournalDamaged   it does not read back as it was written
        │   ├── JournalFull      definite: nothing was written, the disk is full
        │   └── JournalMisused   a transaction was begun inside another
        ├── JournalFileInvalid   a journal on a stick is not whole, not ours, or no journal
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


class LinkError(CirculationError):
    """Something about the link to the broker."""


class LinkUnavailable(LinkError):
    """Definite: nothing was sent."""


class LinkUncertain(LinkError):
    """Indefinite: it may have been sent. Every message of ours may be sent again."""
