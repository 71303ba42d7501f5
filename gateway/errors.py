"""What can go wrong in the gateway.

GatewayError
├── CatalogueInvalid   a row from outside that cannot be stored as it is (also ValueError)
├── LibraryUnknown     no such library in this database (also LookupError)
├── StoreUnusable      the database cannot be opened or is of another version
├── SnapshotUnknown    no such list, format or version is offered (also LookupError)
├── ListTooLarge       more may leave than a microcontroller's list can hold
├── DecisionInvalid    staff asked for a decision that cannot be taken (also ValueError)
└── BrokerRefused      the small broker was asked to serve more than this machine
"""


class GatewayError(Exception):
    """Root of everything the gateway raises on purpose."""


class CatalogueInvalid(GatewayError, ValueError):
    """A title, item, patron or card has a field that cannot be stored; the message names it."""


class LibraryUnknown(GatewayError, LookupError):
    """The library is not in this database; `lendgate-gateway init` makes one."""


class StoreUnusable(GatewayError):
    """The database cannot be opened, or a newer program has written it."""


class SnapshotUnknown(GatewayError, LookupError):
    """No snapshot of that kind, format and version is offered."""


class ListTooLarge(GatewayError):
    """More keys than the gates' compact list holds; gates on a Pi take the whole one."""


class DecisionInvalid(GatewayError, ValueError):
    """The entry is unknown or decided already, or the state is none an item can have."""


class BrokerRefused(GatewayError):
    """The small broker serves this machine only; a network needs Mosquitto."""
