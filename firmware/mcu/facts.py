"""Writing the gate's facts into its journal.

Laws:
- A fact bears the moment it was decided, not the moment it was written.
- What the flash refuses waits in memory, in order and bounded; beyond that the newest are counted
  as lost, and health says so.
- People counted go to a ring of their own until the journal has nothing else to send, so that a
  month without a gateway costs no alarm.
"""

from circulation.wire.errors import FactInvalid
from circulation.wire.fact import encode_body
from circulation.wire.kinds import PASSAGES
from firmware.mcu.ring import RingUnwritable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from firmware.mcu.clock import StationTime

WAITING_MAX = 32


class FactWriter:
    """Appends facts to the journal, later if the flash refuses now."""

    def __init__(
        self,
        journal: "Any",
        time: "StationTime",
        *,
        site: str,
        new_id: "Callable[[], str]",
        passages: "Any" = None,
    ) -> None:
        """journal: see `circulation/sync/rows.py`. new_id: returns 16 random hex digits.

        passages: see `firmware/mcu/passages.py`; None: they are journalled like all else.
        """
        self.lost = 0
        self.trouble = ""
        self.journal = journal
        self.time = time
        self._site = site
        self._new_id = new_id
        self._passages = passages
        self._waiting: list[bytes] = []

    @property
    def waiting(self) -> int:
        """Return how many facts are not in flash yet."""
        return len(self._waiting)

    def write(self, fields: "dict[str, Any]", mono_ms: int, fact: "str | None" = None) -> bool:
        """Journal a fact; return whether the journal has new rows now."""
        if self._is_kept_apart(fields, mono_ms):
            return False
        body: dict[str, Any] = {"id": fact or self._new_id(), "site": self._site}
        body.update(self.time.stamp(mono_ms))
        body.update(fields)
        try:
            encoded = encode_body(body)
        except FactInvalid as error:
            self.lost += 1
            self.trouble = str(error)[:120]
            return False
        if len(self._waiting) >= WAITING_MAX:
            self.lost += 1
        else:
            self._waiting.append(encoded)
        return self.flush()

    def move(self) -> bool:
        """Journal what was counted and waits apart; return whether there are new rows."""
        return self._passages is not None and self._passages.move(self.journal) > 0

    def put_down(self, fields: "dict[str, Any] | None", mono_ms: int) -> None:
        """Keep the people counted so far in a slot that is not over, where that can be done."""
        if self._passages is None or fields is None:
            return
        try:
            self._passages.put_down(fields, self.time.stamp(mono_ms))
        except (OSError, RingUnwritable) as error:
            self.trouble = f"the flash refuses counts: {error}"[:120]

    def flush(self) -> bool:
        """Write what waits; return whether anything was written."""
        written = False
        while self._waiting:
            try:
                self.journal.append(self._waiting[0])
            except (OSError, RingUnwritable) as error:
                self.trouble = f"the flash refuses facts: {error}"[:120]
                return written
            self._waiting.pop(0)
            written = True
        if written:
            self.trouble = ""
        return written

    def health(self) -> "dict[str, str]":
        """Return what staff should know."""
        found: dict[str, str] = {} if self._passages is None else self._passages.health()
        trouble = self.trouble or getattr(self.journal, "trouble", "")
        if trouble:
            found["journal"] = trouble[:120]
        if self.lost:
            found["facts"] = f"{self.lost} facts could not be kept"
        return found

    def _is_kept_apart(self, fields: "dict[str, Any]", mono_ms: int) -> bool:
        if self._passages is None or fields.get("kind") != PASSAGES:
            return False
        try:
            self._passages.keep(fields, self.time.stamp(mono_ms))
        except (OSError, RingUnwritable):
            return False  # then the journal, or its waiting room
        return True
