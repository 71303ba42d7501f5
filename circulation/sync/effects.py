"""What the machines of this folder ask their shell to do. They do nothing themselves."""

from collections import namedtuple


class SendJournal(namedtuple("SendJournal", ["message"])):
    """Publish this Journal on the station's journal topic."""


class SendRequest(namedtuple("SendRequest", ["message"])):
    """Publish this Request on the station's request topic."""


class SendStatus(namedtuple("SendStatus", ["why"])):
    """Publish the station's birth, as of now, retained on its status topic."""


class Reconnect(namedtuple("Reconnect", ["why"])):
    """Close the connection to the broker and open a new one."""


class StaffNotice(namedtuple("StaffNotice", ["code", "detail"])):
    """Tell staff.

    code: ack_not_ours, damaged, fork, gathered, hole, poison_refused or two_stations.
    """


class ApplyChanges(namedtuple("ApplyChanges", ["kind", "changes", "version"])):
    """Apply these rows to the list in one transaction, which then has this version."""


class FetchSnapshot(namedtuple("FetchSnapshot", ["kind"])):
    """Get the list's newest snapshot; deltas can no longer bring it up to date."""


class SendHead(namedtuple("SendHead", ["why"])):
    """Publish the gateway's head, with the next n."""


class RecordClock(namedtuple("RecordClock", ["fields"])):
    """Journal a `clock` fact with these fields."""
