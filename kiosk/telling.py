"""When a kiosk says again who and how it is.

A status is retained: what it said last is what staff see until the next. So it is said again as
soon as it is no longer true, at most once a second. What every loan moves (positions, versions)
is in the journal and the lists anyway and is said at most every 15 s, or a busy kiosk's status
would become another journal. The telemetry goes out twice in the minute after which a gate no
longer counts on having heard this kiosk (docs/gate.md), and at once when a device fails or works
again, at most once a second.
"""

from __future__ import annotations

from dataclasses import dataclass

from circulation.wire.messages import Status

STATUS_AGAIN_MS = 1_000
POSITIONS_AGAIN_MS = 15_000
TELEMETRY_MS = 30_000
TELEMETRY_SOON_MS = 1_000
POSITIONS = {"seq_last": 0, "acked": 0, "versions": {}, "waiting_since_wall": None}


@dataclass(slots=True)
class Telling:
    """What was said last, and when."""

    _told: Status | None = None
    _told_ms: int = 0
    _asked_ms: int = 0
    _telemetry_ms: int = -TELEMETRY_MS
    _is_urgent: bool = True

    def on_connected(self) -> None:
        """Nobody may have heard what was said before: say how it is, and wait for the birth."""
        self._told = None
        self._is_urgent = True

    def on_status(self, status: Status, now_ms: int) -> None:
        """Remember a status that was just published."""
        self._told, self._told_ms = status, now_ms

    def may_ask(self, now_ms: int) -> bool:
        """Whether it is time to look at the last status again; at most once a second."""
        if self._told is None or now_ms - max(self._told_ms, self._asked_ms) < STATUS_AGAIN_MS:
            return False
        self._asked_ms = now_ms
        return True

    def is_status_due(self, status: Status, now_ms: int) -> bool:
        """Whether what was said last is no longer true enough."""
        told = self._told
        if told is None or told == status:
            return False
        is_new = told._replace(**POSITIONS) != status._replace(**POSITIONS)
        return is_new or now_ms - self._told_ms >= POSITIONS_AGAIN_MS

    def feel_again(self) -> None:
        """A device fails, or works again: the next telemetry goes out at once."""
        self._is_urgent = True

    def take_telemetry_turn(self, now_ms: int) -> bool:
        """Whether a telemetry is due now; the next one is then 30 s away, unless it is urgent."""
        wait_ms = TELEMETRY_SOON_MS if self._is_urgent else TELEMETRY_MS
        if now_ms - self._telemetry_ms < wait_ms:
            return False
        self._telemetry_ms, self._is_urgent = now_ms, False
        return True
