"""The siren and the lamps: how long, and never longer.

Laws:
- An alarm sounds for `alarm_hold_ms`; another one prolongs it, up to `siren_max_on_ms` at a
  stretch, after which the siren rests for one hold, whatever happens.
- The button ends siren and red lamp. The next alarm sounds again.
- Amber burns while a tag stands in the field; it never sounds.
The outputs enforce their own longest time besides: see `hardware/ports.py`.
"""

from firmware.gate.commands import AMBER, RED, SetLamp, SoundSiren, StopSiren

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from firmware.gate.config import GateConfig


class Signals:
    """What is on, since when and until when."""

    def __init__(self, config: "GateConfig") -> None:
        """Everything is off."""
        self._hold_ms = config.alarm_hold_ms
        self._max_on_ms = config.siren_max_on_ms
        self._lamp_hold_ms = config.lamp_hold_ms
        self._started_ms: int | None = None
        self._until_ms = 0
        self._rest_until_ms = 0
        self._red_until_ms: int | None = None
        self._amber = False

    def alarm(self, now_ms: int) -> "list[Any]":
        """Sound the siren and light the red lamp, or prolong them."""
        commands: list[Any] = []
        if self._red_until_ms is None:
            commands.append(SetLamp(RED, True))
        self._red_until_ms = now_ms + self._lamp_hold_ms
        if now_ms < self._rest_until_ms:
            return commands
        if self._started_ms is None:
            self._started_ms = now_ms
            commands.insert(0, SoundSiren())
        self._until_ms = min(now_ms + self._hold_ms, self._started_ms + self._max_on_ms)
        return commands

    def quiet(self) -> "list[Any]":
        """End siren and red lamp."""
        return self._stop_siren() + self._red_off()

    def amber(self, wanted: bool) -> "list[Any]":
        """Light or put out the amber lamp."""
        if wanted == self._amber:
            return []
        self._amber = wanted
        return [SetLamp(AMBER, wanted)]

    def tick(self, now_ms: int) -> "list[Any]":
        """End what has lasted long enough."""
        commands = []
        if self._started_ms is not None and now_ms >= self._until_ms:
            if now_ms - self._started_ms >= self._max_on_ms:
                self._rest_until_ms = now_ms + self._hold_ms
            commands += self._stop_siren()
        if self._red_until_ms is not None and now_ms >= self._red_until_ms:
            commands += self._red_off()
        return commands

    def is_on(self) -> bool:
        """Return whether there is an alarm to answer: the red lamp is on."""
        return self._red_until_ms is not None

    def _stop_siren(self) -> "list[Any]":
        if self._started_ms is None:
            return []
        self._started_ms = None
        return [StopSiren()]

    def _red_off(self) -> "list[Any]":
        if self._red_until_ms is None:
            return []
        self._red_until_ms = None
        return [SetLamp(RED, False)]
