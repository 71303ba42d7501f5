"""What lies on the pad, told apart from what an antenna happens to hear.

A tag counts as placed after two rounds in a row and as lifted after 1.5 s without it: silence of
some rounds is normal for a weak field (facts of ISO 15693 pads), and a book that drops out of it
for a moment must not count as placed anew, least of all for the next reader. A tag of which only
part was heard while the round was incomplete is not lifted.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from hardware.ports import Inventory

ROUNDS_TO_PLACE = 2
ROUNDS_TO_LIFT = 3
LIFT_MS = 1_500
"""A hand needs longer than this to change one book for another; a bad moment lasts shorter."""
TAGS_MAX = 64
"""More tags than this lie on no pad; the rest waits until some are taken away."""


@dataclass(slots=True)
class Presence:
    """Tags on one pad over several inventory rounds; `lift_ms`: how long a tag must be away."""

    lift_ms: int = LIFT_MS
    _heard: dict[str, int] = field(default_factory=dict)
    _missed: dict[str, tuple[int, int]] = field(default_factory=dict)
    _present: dict[str, None] = field(default_factory=dict)
    _back: list[str] = field(default_factory=list)

    @property
    def present(self) -> tuple[str, ...]:
        """UIDs lying there, in the order they were placed."""
        return tuple(self._present)

    @property
    def near(self) -> tuple[str, ...]:
        """Those of them that were heard lately, so that it makes sense to write to them."""
        return tuple(uid for uid in self._present if not self._is_silent(uid))

    @property
    def back(self) -> tuple[str, ...]:
        """Those of them that the last round heard again after a silence."""
        return tuple(self._back)

    def observe(self, inventory: Inventory, now_ms: int) -> tuple[list[str], list[str]]:
        """Take one round in; return (placed, lifted) since the last."""
        uids = inventory.uids[:TAGS_MAX]
        self._back = [uid for uid in uids if uid in self._present and self._is_silent(uid)]
        placed = [uid for uid in uids if self._arrives(uid)]
        lifted = self._gone(uids, now_ms) if inventory.complete else []
        for uid in placed:
            self._present[uid] = None
        for uid in lifted:
            del self._present[uid]
        return placed, lifted

    def _is_silent(self, uid: str) -> bool:
        return self._missed.get(uid, (0, 0))[0] >= ROUNDS_TO_LIFT

    def _arrives(self, uid: str) -> bool:
        self._missed.pop(uid, None)
        if uid in self._present:
            return False
        self._heard[uid] = self._heard.get(uid, 0) + 1
        if self._heard[uid] < ROUNDS_TO_PLACE:
            return False
        del self._heard[uid]
        return True

    def _gone(self, uids: Iterable[str], now_ms: int) -> list[str]:
        here = set(uids)
        self._heard = {uid: count for uid, count in self._heard.items() if uid in here}
        lifted = []
        for uid in self._present:
            if uid in here:
                continue
            rounds, since_ms = self._missed.get(uid, (0, now_ms))
            self._missed[uid] = (rounds + 1, since_ms)
            if rounds + 1 >= ROUNDS_TO_LIFT and now_ms - since_ms >= self.lift_ms:
                lifted.append(uid)
        for uid in lifted:
            del self._missed[uid]
        return lifted
