"""What can go wrong in the gateway.

GatewayError
├── CatalogueInvalid   a row from outside that cannot be stored as it is (also ValueError)
├── LibraryUnknown     no such library in this database (also LookupError)
├── Fenced             another worker writes for the library now; this one must stop
├── StoreUnusable      the database cannot be opened or is of another version
├── SnapshotUnknown    no such list, format or version is offered (also LookupError)
├── BuildAbandoned     a list was not built to its end because the program stops
├── ListTooLarge       more may leave than a microcontroller's list can hold
├── UpdateInvalid      a program for microcontrollers that none would take (also ValueError)
├── UpdateUnknown      no such program is offered (also LookupError)
├── DecisionInvalid    staff asked for a decision that cannot be taken (also ValueError)
├── BackupRefused      no backup can be made or put in place here; nothing was changed
├── BackupInvalid      the file is no whole backup of this library (also ValueError)
└── BrokerRefused      the small broker was asked to serve more than this machine
"""


class GatewayError(Exception):
    """Root of everything the gateway raises on purpose."""


class CatalogueInvalid(GatewayError, ValueError):
    """A title, item, patron or card has a field that cannot be stored; the message names it."""


class LibraryUnknown(GatewayError, LookupError):
    """The library is not in this database; `lendgate-gateway init` makes one."""


class Fenced(GatewayError):
    """Another worker has taken the library; nothing was written and nothing may be published."""


class StoreUnusable(GatewayError):
    """The database cannot be opened, or a newer program has written it."""


class SnapshotUnknown(GatewayError, LookupError):
    """No snapshot of that kind, format and version is offered."""


class BuildAbandoned(GatewayError):
    """The program stops while a list is being built; nothing is left of it."""


class ListTooLarge(GatewayError):
    """More keys than the gates' compact list holds; gates on a Pi take the whole one."""


class UpdateInvalid(GatewayError, ValueError):
    """The file is no whole, well-formed update for a board; sign it anew or copy it anew."""


class UpdateUnknown(GatewayError, LookupError):
    """No update is offered for that kind of board, of that version, or with that byte."""


class DecisionInvalid(GatewayError, ValueError):
    """The entry is unknown or decided already, or the state is none an item can have."""


class BackupRefused(GatewayError):
    """A backup cannot be made, or put in place, as things are; the message says what to do."""


class BackupInvalid(GatewayError, ValueError):
    """The file is not a backup of this library, or not all of it; nothing was changed."""


class BrokerRefused(GatewayError):
    """The small broker serves this machine only; a network needs Mosquitto."""
