"""What the gate knows of an item: the gateway's list, and the site's own news laid over it.

Laws:
- News of the site that the list does not contain yet wins over the list; between news that have
  not seen each other *on* wins (`firmware/gate/overlay.py`).
- Lent for use in the building only, and the tag says that it may go: still unsecured.
- A list of another lineage stands beside the old one until the gateway says `recovered`.
"""

from circulation.sync.liveness import HeadWatch
from circulation.wire.topics import MAY_LEAVE as KIND
from firmware.gate import decision
from firmware.gate.config import LIMITS
from firmware.gate.errors import EventInvalid
from firmware.gate.lists import UnionList
from firmware.gate.overlay import OFF_UNSECURED, ON, Overlay

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from firmware.gate.config import GateConfig, Limits
    from firmware.gate.events import ListChanged
    from firmware.gate.tags import Tag

OWNER_CHARS_SHORT = 11  # what a tag of 32 bytes has room for (ISO 28560-3)


class Holdings:
    """The list, the overlay, and how fresh they are."""

    def __init__(self, config: "GateConfig", key: bytes, limits: "Limits" = LIMITS) -> None:
        """key: the site's, for the overlay's messages."""
        self.list: Any = None
        self.overlay = Overlay(key, limits.overlay, limits.settled)
        self._boundary = config.boundary
        self._members = {_bare(member) for member in config.members}
        self._watch = HeadWatch()

    def state(self, now_ms: int) -> str:
        """Return FRESH, STALE or BLIND."""
        held = self.list
        lineage, version = (None, None) if held is None else (held.lineage, held.version)
        return self._watch.state(kind=KIND, lineage=lineage, version=version, now_ms=now_ms)

    def load(self, new: "Any") -> bool:
        """Take a whole list; return whether the site should be asked what it lacks.

        A list older than ours in the same history is left alone.
        """
        held = self.list
        if held is not None and held.lineage == new.lineage and held.version > new.version:
            return False
        if held is None:
            self.list = new
        elif held.lineage != new.lineage:
            self.list = UnionList(held.old if isinstance(held, UnionList) else held, new)
            self.overlay.lineage_changed()
        elif isinstance(held, UnionList):
            held.new = new
        else:
            self.list = new
        self.overlay.reached(new.version)
        return True

    def change(self, event: "ListChanged") -> None:
        """Take a delta; raise EventInvalid unless it begins where our list ends."""
        held = self.list
        at = (None, 0) if held is None else (held.lineage, held.version)
        if at != (event.lineage, event.from_version):
            raise EventInvalid(
                f"may_leave: a delta from {event.from_version} for a list at {at[1]}"
            )
        held.change(event.changes)
        held.version = event.to_version
        self.overlay.reached(event.to_version)

    def head(self, head: "Any", now_ms: int) -> None:
        """Take a heartbeat; one of a history that has recovered ends the union."""
        self._watch.on_head(head, now_ms)
        held = self.list
        if isinstance(held, UnionList) and head.recovered and head.lineage == held.lineage:
            self.list = held.new

    def applied(self, applied: "Any") -> None:
        """Take how far the gateway is; of another lineage it says nothing about our list."""
        if self.list is not None and applied.lineage == self.list.lineage:
            self.overlay.applied(applied.version, applied.stations, self.list.version)

    def knows(self, uid: str) -> bool:
        """Return whether this UID is surely ours."""
        known = self.list is not None and self.list.knows(uid)
        return known or self.overlay.view((uid,)) is not None

    def owner(self, tag: "Tag") -> str:
        """Return OURS, FOREIGN, or STRANGER for a tag that names nobody."""
        if True in [self.knows(key) for key in tag.list_keys()]:
            return decision.OURS
        if tag.owner is None or not self._members:
            return decision.STRANGER
        return decision.OURS if self._is_member(tag.owner) else decision.FOREIGN

    def item(self, tag: "Tag") -> "str | None":
        """Return the item's id, if a kiosk of the site has said it."""
        view = self.overlay.view(tag.list_keys())
        return None if view is None else view.item

    def listed(self, tag: "Tag") -> str:
        """Return UNSECURED, MAY_LEAVE or NOT."""
        view = self.overlay.view(tag.list_keys())
        if view is None:
            return self._by_list(tag.list_keys())
        if view.state in (ON, OFF_UNSECURED) and view.reach >= self._boundary:
            return decision.MAY_LEAVE
        still = view.state == ON and self._by_list(tag.list_keys()) == decision.UNSECURED
        if still or view.state == OFF_UNSECURED:
            return decision.UNSECURED
        return decision.NOT

    def _by_list(self, keys: "tuple[str, ...]") -> str:
        if self.list is None:
            return decision.NOT
        # What may pass here passes, also with a tag that would let it go too far.
        if max([self.list.reach(key) for key in keys]) >= self._boundary:
            return decision.MAY_LEAVE
        said = True in [self.list.is_unsecured(key) for key in keys]
        return decision.UNSECURED if said else decision.NOT

    def _is_member(self, owner: str) -> bool:
        bare = _bare(owner)
        if bare in self._members:
            return True
        # A short tag may hold only the beginning of a long code.
        cut = [member[:OWNER_CHARS_SHORT] for member in self._members]
        return len(bare) == OWNER_CHARS_SHORT and bare in cut


def _bare(owner: str) -> str:
    return owner.replace("-", "").upper()
