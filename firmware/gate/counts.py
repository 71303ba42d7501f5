"""People in and out, in slots of wall time; one fact a slot in which anybody passed."""

from circulation.wire.kinds import PASSAGES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

IN = "in"
OUT = "out"
UNKNOWN = "unknown"  # through a lane with one beam
FOREIGN = "foreign"  # tags of other libraries that went out: a number, never an id


class Counts:
    """What has been counted since the slot began."""

    def __init__(self, gate: str, slot_ms: int) -> None:
        """gate: as it is named in the facts."""
        self._gate = gate
        self._slot_ms = slot_ms
        self._offset_ms = 0
        self._slot: int | None = None
        self._counted: dict[str, int] = {}

    def set_clock(self, wall_ms: int, now_ms: int) -> None:
        """Take the wall time; slots begin at its full quarters of an hour."""
        self._offset_ms = wall_ms - now_ms

    def add(self, what: str, now_ms: int) -> "list[dict[str, Any]]":
        """Count one; return the facts of a slot that this one ended."""
        facts = self.tick(now_ms)
        if self._slot is None:
            self._slot = self._slot_at(now_ms)
        self._counted[what] = self._counted.get(what, 0) + 1
        return facts

    def tick(self, now_ms: int) -> "list[dict[str, Any]]":
        """Return the fact of a slot that is over; a jump of the clock ends one too."""
        if self._slot is None or self._slot == self._slot_at(now_ms):
            return []
        return self.flush()

    def flush(self) -> "list[dict[str, Any]]":
        """End the slot now and return its fact."""
        fact = self.running()
        self._slot = None
        self._counted = {}
        return [] if fact is None else [fact]

    def running(self) -> "dict[str, Any] | None":
        """Return the fact of the slot as if it ended now, None if nobody passed in it."""
        if self._slot is None:
            return None
        begun_ms = self._slot * self._slot_ms
        fact: dict[str, Any] = {"kind": PASSAGES, "gate": self._gate}
        fact.update({"from": begun_ms, "until": begun_ms + self._slot_ms, IN: 0, OUT: 0})
        fact.update(self._counted)
        return fact

    def _slot_at(self, now_ms: int) -> int:
        return (now_ms + self._offset_ms) // self._slot_ms
