"""What time it is at a station whose clock may have been off all night.

Sure: a time server disciplined the machine's clock, or the gateway told the time in this boot.
Else: the latest time this station ever knew, moved on by the time since start. Never earlier, so
a due date never lies in the past (a power cut without a clock chip). A machine's unsure clock is
believed only a little ahead of that: a jump to 2106 must not print a due date in 2106.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from hardware.ports import Clock

UNSURE_LEAD_MS_MAX = 400 * 24 * 3_600_000
"""A machine that was switched off longer than this asks the gateway, or staff, for the time."""
ROUND_TRIP_MS_MAX = 30_000
"""An answer that took longer says too little about the time; ask again."""


@dataclass(slots=True)
class StationTime:
    """The station's idea of now. `latest_known_ms` is what the store kept from earlier boots."""

    clock: Clock
    latest_known_ms: int
    _started_ms: int = field(init=False)
    _offset_ms: int | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._started_ms = self.clock.now_ms()

    @property
    def mono_ms(self) -> int:
        """Milliseconds since this program started: the `mono` of every fact."""
        return self.clock.now_ms() - self._started_ms

    @property
    def sure(self) -> bool:
        """Whether a time server or the gateway told the time in this boot."""
        return self._offset_ms is not None or self.clock.wall_is_sure()

    def learn(self, gateway_now_ms: int, *, mono_sent_ms: int, mono_received_ms: int) -> bool:
        """Take the gateway's answer; False when it came too late to mean anything."""
        if not 0 <= mono_received_ms - mono_sent_ms <= ROUND_TRIP_MS_MAX:
            return False
        middle_ms = (mono_sent_ms + mono_received_ms) // 2
        self._offset_ms = gateway_now_ms - middle_ms
        return True

    def wall_ms(self) -> int:
        """Milliseconds since 1970 UTC; unsure, never before the latest time ever known."""
        if self._offset_ms is not None:
            return self._offset_ms + self.mono_ms
        machine_ms = self.clock.wall_ms()
        if self.clock.wall_is_sure():
            return machine_ms
        floor_ms = self.latest_known_ms + self.mono_ms
        lead_ms = machine_ms - self.latest_known_ms
        if self.latest_known_ms and lead_ms > UNSURE_LEAD_MS_MAX:
            return floor_ms
        return max(floor_ms, machine_ms)

    def now(self) -> datetime:
        """The same as an aware UTC instant."""
        return datetime.fromtimestamp(self.wall_ms() / 1000, UTC)
