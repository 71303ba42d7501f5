"""When a gate says again how it is: once a minute, and at once when something fails or heals."""

from __future__ import annotations

from collections.abc import Mapping

TELEMETRY_MS = 60_000
TELEMETRY_SOON_MS = 1_000


class TelemetryTurns:
    """What the last telemetry named as wrong, and when it was."""

    def __init__(self) -> None:
        self._said_ms: int | None = None
        self._said: frozenset[str] = frozenset()

    def on_connected(self) -> None:
        """Nobody may have heard what was said before: the next turn is now."""
        self._said_ms = None

    def take(self, health: Mapping[str, str], now_ms: int) -> bool:
        """Return whether a telemetry is due now, and count it as said.

        health: what is wrong now, by subject; other words about the same subjects may wait.
        """
        wait_ms = TELEMETRY_MS if frozenset(health) == self._said else TELEMETRY_SOON_MS
        if self._said_ms is not None and now_ms - self._said_ms < wait_ms:
            return False
        self._said_ms, self._said = now_ms, frozenset(health)
        return True
