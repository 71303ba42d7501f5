"""What lies on the pad, told apart from what an antenna happens to hear.

A tag counts as placed after two rounds in a row and as lifted after three without it: one
round's silence is normal for a weak field (facts of ISO 15693 pads), and a book must not flicker
on the screen. A tag of which only part was heard while the round was incomplete is not lifted.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from hardware.ports import Inventory

ROUNDS_TO_PLACE = 2
ROUNDS_TO_LIFT = 3
TAGS_MAX = 64
"""More tags than this lie on no pad; the rest waits until some are taken away."""


@dataclass(slots=True)
class Presence:
    """Tags on one pad over several inventory rounds."""

    _heard: dict[str, int] = field(default_factory=dict)
    _missed: dict[str, int] = field(default_factory=dict)
    _present: dict[str, None] = field(default_factory=dict)

    @property
    def present(self) -> tuple[str, ...]:
        """UIDs lying there, in the order they were placed."""
        return tuple(self._present)

    def observe(self, inventory: Inventory) -> tuple[list[str], list[str]]:
        """Take one round in; return (placed, lifted) since the last."""
        uids = inventory.uids[:TAGS_MAX]
        placed = [uid for uid in uids if self._arrives(uid)]
        lifted = self._gone(uids) if inventory.complete else []
        for uid in placed:
            self._present[uid] = None
        for uid in lifted:
            del self._present[uid]
        return placed, lifted

    def _arrives(self, uid: str) -> bool:
        self._missed.pop(uid, None)
        if uid in self._present:
            return False
        self._heard[uid] = self._heard.get(uid, 0) + 1
        if self._heard[uid] < ROUNDS_TO_PLACE:
            return False
        del self._heard[uid]
        return True

    def _gone(self, uids: Iterable[str]) -> list[str]:
        here = set(uids)
        self._heard = {uid: count for uid, count in self._heard.items() if uid in here}
        lifted = []
        for uid in self._present:
            if uid in here:
                continue
            self._missed[uid] = self._missed.get(uid, 0) + 1
            if self._missed[uid] >= ROUNDS_TO_LIFT:
                lifted.append(uid)
        for uid in lifted:
            del self._missed[uid]
        return lifted
