"""What a gate can be told. A shell makes these; `GateMachine.receive` takes one at a time.

Namedtuples of different types compare equal when their values do, on both Pythons: dispatch on
the type, never on equality.
"""

from collections import namedtuple

INNER = "inner"  # the beam on the library's side
OUTER = "outer"  # the beam on the side one walks out to

IN_STOCK = "in_stock"  # AFI 0x07, or the security byte
ON_LOAN = "on_loan"  # AFI 0xC2
NO_SECURITY = "none"


class TagRead(namedtuple("TagRead", ("uid", "security", "pii", "owner"))):
    """One tag of an inventory; pii and owner are None while its data block is unread."""


class TagsRead(namedtuple("TagsRead", ("lane", "tags"))):
    """An antenna has answered; tags: a sequence of `TagRead`s, empty for an empty field."""


class ContentRead(namedtuple("ContentRead", ("lane", "uid", "done", "pii", "owner"))):
    """The answer to `ReadContent`; done is false when the tag could not be read."""


class BeamEdge(namedtuple("BeamEdge", ("lane", "beam", "broken", "at_ms"))):
    """A raw, undebounced change of one beam, when it happened."""


class ButtonPressed(namedtuple("ButtonPressed", ())):
    """Somebody at the gate asks for quiet."""


class StaffCard(namedtuple("StaffCard", ())):
    """A card of the staff was shown: a trolley may pass."""


class SiteLoanHeard(namedtuple("SiteLoanHeard", ("message",))):
    """A station of this site has lent or taken back; message: a wire `SiteLoan`, mac unchecked."""


class SiteAlarmHeard(namedtuple("SiteAlarmHeard", ("message",))):
    """A kiosk may have named the book of an alarm; message: a wire `SiteAlarm`, mac unchecked."""


class ListLoaded(namedtuple("ListLoaded", ("list",))):
    """A whole list has been fetched and verified; list: see `firmware/gate/lists.py`."""


class ListChanged(namedtuple("ListChanged", ("lineage", "from_version", "to_version", "changes"))):
    """A delta; it is applied only if the list is of this lineage and from_version."""


class HeadHeard(namedtuple("HeadHeard", ("head",))):
    """The gateway lives; head: a wire `Head` that was not retained, mac checked."""


class AppliedHeard(namedtuple("AppliedHeard", ("applied",))):
    """What the gateway has applied of this site's stations; applied: a wire `Applied`."""


class LenderKnown(namedtuple("LenderKnown", ("station",))):
    """This station lends at this site; it may have said so long ago."""


class LenderHeard(namedtuple("LenderHeard", ("station",))):
    """This lending station said something just now: neither retained nor a last will."""


class LinkUp(namedtuple("LinkUp", ())):
    """The broker is reachable."""


class LinkDown(namedtuple("LinkDown", ())):
    """The broker is gone."""


class ClockSet(namedtuple("ClockSet", ("wall_ms",))):
    """What the wall clock says now; used for the borders of counting, never for a decision."""
