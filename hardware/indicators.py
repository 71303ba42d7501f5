"""What lamps and sounds say: OK, refused, alarm; told apart by rhythm, not by colour alone.

| signal  | sound, ms on/off             | tone, Hz | lamp, ms on/off | colour | in all, ms |
|---------|------------------------------|----------|-----------------|--------|------------|
| ok      | 120                          | 2600     | 1500            | green  | 1500       |
| refused | 400/200 400                  | 1000     | 500/500 × 3     | red    | 3000       |
| alarm   | 150/100 150/100 150/350 × 10 | 2300     | 200/200 × 25    | red    | 10000      |

`a/b × n` is a ms on and b ms off, n times; a list before `×` is repeated as a whole.

Laws:
- Every sound has a visual twin that lasts at least as long: who cannot hear, or wears headphones,
  misses nothing. It is a lamp, or the kiosk's screen.
- No lamp flashes more than three times in a second (WCAG 2.2, 2.3.1: photosensitive readers).
- Everything ends by itself. Each time on is a pulse of its own length, so a program that stops
  calling `tick` leaves nothing on.
- Nothing waits. `tick(now_ms)` returns when it wants to be called again.
- A signal that sounds is not interrupted by a quieter one, nor begun anew by itself: alarm before
  refused before ok. Cut short and begun again it would have another rhythm.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, runtime_checkable

from hardware.errors import HardwareError
from hardware.ports import Output

__all__ = ["PATTERNS", "Indication", "Indicators", "Pattern", "Signal", "Step"]

_log = logging.getLogger(__name__)


class Signal(Enum):
    """What is to be told; in the order of how much it matters."""

    OK = "ok"
    REFUSED = "refused"
    ALARM = "alarm"


@dataclass(frozen=True, slots=True)
class Step:
    """On for `on_ms`, then off for `off_ms`."""

    on_ms: int
    off_ms: int = 0


@dataclass(frozen=True, slots=True)
class Pattern:
    """A rhythm: steps one after the other."""

    steps: tuple[Step, ...]

    @property
    def duration_ms(self) -> int:
        """From the first on to the end of the last off."""
        return sum(step.on_ms + step.off_ms for step in self.steps)

    @property
    def starts_ms(self) -> tuple[int, ...]:
        """When each step begins, counted from the first."""
        starts = [0]
        for step in self.steps[:-1]:
            starts.append(starts[-1] + step.on_ms + step.off_ms)
        return tuple(starts)


@dataclass(frozen=True, slots=True)
class Indication:
    """How one signal is heard and seen; `tone_hz` is for buzzers that take one."""

    sound: Pattern
    tone_hz: int
    lamp: Pattern
    colour: str


PATTERNS = {
    Signal.OK: Indication(
        sound=Pattern((Step(120),)), tone_hz=2_600, lamp=Pattern((Step(1_500),)), colour="green"
    ),
    Signal.REFUSED: Indication(
        sound=Pattern((Step(400, 200), Step(400))),
        tone_hz=1_000,
        lamp=Pattern((Step(500, 500),) * 3),
        colour="red",
    ),
    Signal.ALARM: Indication(
        sound=Pattern((Step(150, 100), Step(150, 100), Step(150, 350)) * 10),
        tone_hz=2_300,
        lamp=Pattern((Step(200, 200),) * 25),
        colour="red",
    ),
}

_LOUDNESS = tuple(Signal)


@runtime_checkable
class Tonal(Protocol):
    """An output whose tone can be chosen: `hardware.gpio.Buzzer`."""

    tone_hz: int


class Indicators:
    """The lamps and sounds of one station.

    `lamps` and `sounds` say which output shows a signal; one output may serve several. Raises
    `ValueError` for a sound without a lamp, unless `on_screen` says that a screen shows it.
    """

    def __init__(
        self,
        *,
        lamps: Mapping[Signal, Output],
        sounds: Mapping[Signal, Output],
        on_screen: bool = False,
    ) -> None:
        unseen = [signal.value for signal in sounds if signal not in lamps]
        if unseen and not on_screen:
            raise ValueError(
                f"the sound for {', '.join(unseen)} has no lamp: who cannot hear would miss it"
            )
        self._lamps = dict(lamps)
        self._sounds = dict(sounds)
        self._signal: Signal | None = None
        self._started_ms = 0
        self._told: dict[str, int] = {}

    @property
    def signal(self) -> Signal | None:
        """What is being told now; None when nothing is."""
        return self._signal

    def show(self, signal: Signal, now_ms: int) -> int | None:
        """Begin to tell a signal, unless one that matters as much still sounds.

        Returns what `tick` returns.
        """
        due_ms = self.tick(now_ms)
        if self._signal is not None and not self._gives_way(signal, now_ms):
            return due_ms
        self.quiet()
        self._signal, self._started_ms = signal, now_ms
        self._told = {}
        return self.tick(now_ms)

    def tick(self, now_ms: int) -> int | None:
        """Do what is due; return when to call again, on the caller's clock, None for never."""
        signal = self._signal
        if signal is None:
            return None
        indication = PATTERNS[signal]
        due = [
            self._play("sound", self._sounds.get(signal), indication.sound, now_ms),
            self._play("lamp", self._lamps.get(signal), indication.lamp, now_ms),
        ]
        ends_ms = self._started_ms + self._duration_ms(signal)
        if now_ms >= ends_ms:
            self._signal = None
            return None
        return min((at_ms for at_ms in due if at_ms is not None), default=ends_ms)

    def quiet(self) -> None:
        """End what is being told, as the button at a gate does."""
        signal, self._signal = self._signal, None
        if signal is None:
            return
        for output in (self._sounds.get(signal), self._lamps.get(signal)):
            if output is not None:
                _try(output.off)

    def _gives_way(self, signal: Signal, now_ms: int) -> bool:
        """Whether what is being told may be ended for this signal."""
        told = self._signal
        if told is None or told is signal:
            return told is None or now_ms - self._started_ms >= PATTERNS[told].sound.duration_ms
        return _LOUDNESS.index(signal) > _LOUDNESS.index(told)

    def _duration_ms(self, signal: Signal) -> int:
        """Return how long a signal lasts on the outputs there are."""
        parts = ((self._sounds, PATTERNS[signal].sound), (self._lamps, PATTERNS[signal].lamp))
        return max((pattern.duration_ms for has, pattern in parts if signal in has), default=0)

    def _play(self, part: str, output: Output | None, pattern: Pattern, now_ms: int) -> int | None:
        """Begin the step that is due, if it has not begun; return when the next one does."""
        if output is None:
            return None
        at_ms = now_ms - self._started_ms
        begun = sum(1 for start_ms in pattern.starts_ms if start_ms <= at_ms)
        if begun > self._told.get(part, 0):
            self._told[part] = begun
            # Called late, a step still ends when it should have: the rhythm is what is told.
            left_ms = pattern.starts_ms[begun - 1] + pattern.steps[begun - 1].on_ms - at_ms
            self._pulse(part, output, left_ms)
        if begun == len(pattern.steps):
            return None
        return self._started_ms + pattern.starts_ms[begun]

    def _pulse(self, part: str, output: Output, duration_ms: int) -> None:
        if part == "sound" and self._signal is not None and isinstance(output, Tonal):
            output.tone_hz = PATTERNS[self._signal].tone_hz
        _try(lambda: output.pulse(duration_ms))


def _try(action: Callable[[], None]) -> None:
    """Do something with an output; a lamp that fails must not silence the siren."""
    try:
        action()
    except HardwareError:
        _log.exception("an indicator failed")
