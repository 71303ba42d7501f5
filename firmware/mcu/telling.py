"""When a gate says again how it is: once a minute, and at once when something fails or heals."""

from circulation.wire.messages import Telemetry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

TELEMETRY_MS = 60_000
TELEMETRY_SOON_MS = 1_000
NOTICES_KEPT = 8


class TelemetryTurns:
    """What the last telemetry named as wrong, and when it was."""

    def __init__(self) -> None:
        """Nothing was said yet."""
        self.notices: list[str] = []
        self._said_ms: int | None = None
        self._said: list[str] = []

    def on_connected(self) -> None:
        """Nobody may have heard what was said before: the next turn is now."""
        self._said_ms = None

    def note(self, code: str, detail: str) -> None:
        """Keep the last few things that happened, for whoever stands at the device."""
        self.notices.append(f"{code}: {detail}"[:120])
        self.notices = self.notices[-NOTICES_KEPT:]

    def take(self, health: "Iterable[str]", now_ms: int) -> bool:
        """Return whether a telemetry is due now, and count it as said.

        health: the subjects of what is wrong now; other words about the same ones may wait.
        """
        subjects = sorted(health)
        wait_ms = TELEMETRY_MS if subjects == self._said else TELEMETRY_SOON_MS
        if self._said_ms is not None and now_ms - self._said_ms < wait_ms:
            return False
        self._said_ms, self._said = now_ms, subjects
        return True


def telemetry(
    health: "dict[str, str]", measured: "Any", depth: int, oldest_wall: "int | None"
) -> Telemetry:
    """Return how the gate is, in the wire's own bounds.

    measured: (overlay, reader errors, free bytes or None). depth, oldest_wall: of what waits.
    """
    overlay, reader_errors, free_bytes = measured
    shown = {}
    for name in sorted(health)[:32]:
        shown[name[:32]] = health[name][:120]
    return Telemetry(
        depth=depth,
        oldest_wall=oldest_wall,
        disk_free=free_bytes,
        temperature=None,
        reader_errors=reader_errors,
        health=shown,
        overlay=overlay,
    )
