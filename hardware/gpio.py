"""Lamps, sirens, buzzers, light beams and buttons on a Raspberry Pi's header.

Laws:
- An output is born in its initial state, ends in its safe state, and goes off after its longest
  time on although nobody calls: a thread of this file's own watches the time. The thread goes on
  while the program is stuck in a loop, but not when it is stopped or killed. Then the kernel frees
  the pin and the pull towards the safe level, if there is one, holds it; so wire for it: a siren's
  driver transistor with a resistor of 10 kΩ to ground, a siren that limits itself or a time relay
  before it, and the operating system's watchdog on the program (docs/hardware.md).
- An input tells raw edges with their own times. They are not debounced here: back-ends disagree
  about what that means, so `firmware/gate/debounce.py` does it for all.
- Pins are BCM numbers; everything about the vendors' modules is in `hardware/header.py`.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self, TypedDict, Unpack

from hardware.errors import DeviceUnavailable
from hardware.header import INSTALL, Header, two_owners_of_rpi
from hardware.ports import EDGES_MAX, Clock, Edge, Health
from hardware.watchdog import Watchdog

__all__ = ["Buzzer", "PinInput", "PinOutput", "two_owners_of_rpi"]

BUZZER_HZ_DEFAULT = 2_300
"""Where most piezo buzzers without a circuit of their own are loudest: 2 to 4 kHz."""

BUZZER_HZ_MIN = 50
BUZZER_HZ_MAX = 10_000
"""The highest that lgpio's PWM does."""

MISSED_EDGE_MS = 20
"""A level that no edge told of for so long is believed: the edge was missed."""

KERNEL_TIME_MS_MAX = 10_000
"""An edge older than this was dated by another clock (kernels before 5.7 used the wall clock)."""

POLLED = (
    "edges are polled, a very short one may be missed: the original RPi.GPIO cannot detect edges"
    f" on kernels from 6.6 on; {INSTALL}"
)

_log = logging.getLogger(__name__)

PULLS = ("up", "down", "none")


_WATCHDOG = Watchdog()


class PinOptions(TypedDict, total=False):
    """What every pin may be given besides: its name in messages, the module to use instead of
    `RPi.GPIO`, and another watchdog than the process's.
    """

    name: str
    gpio: Any
    watchdog: Watchdog


class _Pin:
    """What all pins share: a name, a place on the header, and letting go of it once."""

    def __init__(self, pin: int, name: str, clock: Clock, more: PinOptions) -> None:
        self.pin = pin
        self.name = name
        self._header = header = Header(more.get("gpio"))
        self._clock = clock
        self._lock = threading.RLock()
        self._is_closed = False
        header.hold(pin, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_why: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the pin; may be called twice."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            try:
                self._guard(self._let_go)
            finally:
                self._header.forget(self.pin)

    def _let_go(self) -> None:
        raise NotImplementedError

    def _guard(self, action: Callable[[], Any]) -> Any:
        """Do something with the vendor's module; its errors become ours."""
        try:
            return action()
        except DeviceUnavailable:
            raise
        except Exception as error:  # rpi-lgpio raises lgpio.error, the original RuntimeError
            raise self._header.unavailable(self.name, error, self.pin) from error

    def _born(self, action: Callable[[], Any]) -> None:
        """Do the first thing with the pin; if that fails, let go of its place."""
        try:
            self._guard(action)
        except BaseException:
            self._is_closed = True
            self._header.forget(self.pin)
            raise


class PinOutput(_Pin):
    """Something that is on or off: a lamp, a siren, a relay; see `Output` in `hardware/ports.py`.

    `max_on_ms` counts from when it went on, whatever is said meanwhile. With `active_high=False`
    the wire is low while it is on. Raises `ValueError` for numbers out of range, and
    `DeviceUnavailable` when the pin cannot be had.
    """

    def __init__(
        self,
        pin: int,
        *,
        clock: Clock,
        max_on_ms: int,
        initial: bool = False,
        safe: bool = False,
        active_high: bool = True,
        **more: Unpack[PinOptions],
    ) -> None:
        name = more.get("name", f"output on GPIO {pin}")
        if max_on_ms <= 0:
            raise ValueError(f"{name}: the longest time on must be above 0 ms, not {max_on_ms}")
        super().__init__(pin, name, clock, more)
        self.max_on_ms = max_on_ms
        self._safe = safe
        self._active_high = active_high
        self._watchdog = more.get("watchdog", _WATCHDOG)
        self._state = False
        self._on_at_ms = 0
        self._off_at_ms = 0
        self._trouble: str | None = None
        self._born(lambda: self._set_up(initial))
        if initial:
            self.on()

    @property
    def state(self) -> bool:
        """See `Output.state`."""
        self.expire()
        return self._state

    def on(self) -> None:
        """See `Output.on`."""
        self._switch_on(self.max_on_ms)

    def off(self) -> None:
        """See `Output.off`."""
        with self._lock:
            self._switch_off()

    def pulse(self, duration_ms: int) -> None:
        """See `Output.pulse`."""
        if duration_ms > 0:
            self._switch_on(min(duration_ms, self.max_on_ms))

    def health(self) -> Health:
        """Return whether the pin is ours; the wire behind it cannot be felt."""
        if self._is_closed:
            return Health(False, f"{self.name}: closed")
        return Health(self._trouble is None, self._trouble or "")

    def expire(self) -> int:
        """Switch off if its time is over; return how many milliseconds are left, 0 when off.

        Never raises: the watchdog's thread calls it for all outputs.
        """
        with self._lock:
            if not self._state:
                return 0
            left_ms = self._off_at_ms - self._clock.now_ms()
            if left_ms > 0:
                return left_ms
            try:
                self._switch_off()
            except DeviceUnavailable as error:
                if self._trouble is None:
                    _log.error("%s: cannot be switched off", self.name, exc_info=True)
                self._trouble = str(error)
            return 0

    def _switch_on(self, duration_ms: int) -> None:
        with self._lock:
            if self._is_closed:
                return
            now_ms = self._clock.now_ms()
            if not self.state:
                self._on_at_ms = now_ms
                self._guard(lambda: self._apply(True))
                self._state = True
            # Counted from when it went on: a program stuck in a loop cannot keep a siren alive.
            self._off_at_ms = min(now_ms + duration_ms, self._on_at_ms + self.max_on_ms)
            self._watchdog.arm(self)

    def _switch_off(self) -> None:
        if self._state and not self._is_closed:
            self._guard(lambda: self._apply(False))
            self._state = False
            self._trouble = None
            self._watchdog.disarm(self)

    def _set_up(self, state: bool) -> None:
        self._header.set_up_output(self.pin, state == self._active_high)

    def _apply(self, state: bool) -> None:
        self._header.write(self.pin, state == self._active_high)

    def _let_go(self) -> None:
        self._watchdog.disarm(self)
        self._apply(self._safe)
        self._state = self._safe
        self._header.let_go_of_output(self.pin, self._safe == self._active_high)


class Buzzer(PinOutput):
    """A buzzer without a circuit of its own: on is a tone, made by PWM of half a period each.

    `tone_hz` may be changed between tones. The safe state is silence. One that sounds by itself
    when it gets a voltage is a `PinOutput`.
    """

    def __init__(
        self,
        pin: int,
        *,
        clock: Clock,
        max_on_ms: int,
        frequency_hz: int = BUZZER_HZ_DEFAULT,
        **more: Unpack[PinOptions],
    ) -> None:
        self._wave: Any = None
        self._tone_hz = frequency_hz
        _check_tone(frequency_hz)
        more.setdefault("name", f"buzzer on GPIO {pin}")
        super().__init__(pin, clock=clock, max_on_ms=max_on_ms, **more)

    @property
    def tone_hz(self) -> int:
        """The tone's frequency in hertz, 50 to 10,000; raises `ValueError` for others."""
        return self._tone_hz

    @tone_hz.setter
    def tone_hz(self, frequency_hz: int) -> None:
        _check_tone(frequency_hz)
        with self._lock:
            self._tone_hz = frequency_hz
            if self._wave is not None:
                self._guard(lambda: self._wave.ChangeFrequency(frequency_hz))

    def _apply(self, state: bool) -> None:
        self._end_wave()
        if not state:
            self._header.write(self.pin, False)
            return
        self._wave = self._header.wave(self.pin, self._tone_hz)

    def _end_wave(self) -> None:
        # rpi-lgpio's PWM writes to its pin when it is collected, and so takes it back: it must be
        # gone before the pin is let go of.
        wave, self._wave = self._wave, None
        if wave is not None:
            with suppress(Exception):  # a cleanup of the whole process may have ended it already
                wave.stop()


def _check_tone(frequency_hz: int) -> None:
    if not BUZZER_HZ_MIN <= frequency_hz <= BUZZER_HZ_MAX:
        raise ValueError(
            f"a buzzer's tone is {BUZZER_HZ_MIN} to {BUZZER_HZ_MAX} Hz, not {frequency_hz}"
        )


class PinInput(_Pin):
    """A light beam or a button; see `Input` in `hardware/ports.py`.

    `pull` is the Pi's own resistor: `up`, `down` or `none`. With `active_low` a low wire is True:
    a button to ground with `pull="up"`, the usual way.

    With rpi-lgpio an edge has the kernel's time and direction. With the original RPi.GPIO it has
    the time its callback ran; where that cannot detect edges at all they are found at each call of
    `edges()` or `read()`, and `health()` says so.
    """

    def __init__(
        self,
        pin: int,
        *,
        clock: Clock,
        pull: str = "none",
        active_low: bool = False,
        **more: Unpack[PinOptions],
    ) -> None:
        name = more.get("name", f"input on GPIO {pin}")
        if pull not in PULLS:
            raise ValueError(f"{name}: pull is one of {', '.join(PULLS)}, not {pull!r}")
        super().__init__(pin, name, clock, more)
        self._pull = pull
        self._active_low = active_low
        self._edges: deque[Edge] = deque(maxlen=EDGES_MAX)
        self._level = False
        self._missed_since_ms: int | None = None
        self._is_polled = False
        self._callback: Any = None
        self._born(self._set_up)

    def read(self) -> bool:
        """See `Input.read`; raises `DeviceUnavailable` when the pin was taken away."""
        with self._lock:
            return not self._is_closed and self._look()

    def edges(self) -> list[Edge]:
        """See `Input.edges`; raises `DeviceUnavailable` when the pin was taken away."""
        with self._lock:
            if self._is_closed:
                return []
            self._look()
            edges = [*self._edges]
            self._edges.clear()
            return edges

    def health(self) -> Health:
        """Return whether the pin can be read; the detail also says when edges are only polled."""
        try:
            self.read()
        except DeviceUnavailable as error:
            return Health(False, str(error))
        if self._is_closed:
            return Health(False, f"{self.name}: closed")
        return Health(True, f"{self.name}: {POLLED}" if self._is_polled else "")

    def _set_up(self) -> None:
        header = self._header
        header.set_up_input(self.pin, self._pull)
        self._level = self._read()
        self._stop_listening()
        self._is_polled = not header.detect_edges(self.pin, self._on_callback)
        if not self._is_polled:
            self._callback = header.listen(self.pin, self._on_kernel_edge)

    def _read(self) -> bool:
        return self._header.read(self.pin) != self._active_low

    def _look(self) -> bool:
        """Return the level, and find edges nobody told of."""
        try:
            level = self._read()
        except Exception:  # somebody's GPIO.cleanup() took the pin away: take it back
            self._guard(self._set_up)
            level = self._level
        now_ms = self._clock.now_ms()
        if level == self._level:
            self._missed_since_ms = None
        elif self._is_polled:
            self._add(level, now_ms)
        elif self._missed_since_ms is None:
            # Its edge is on the way to the callback's thread, most likely.
            self._missed_since_ms = now_ms
        elif now_ms - self._missed_since_ms >= MISSED_EDGE_MS:
            self._add(level, self._missed_since_ms)
        return level

    def _on_kernel_edge(self, _chip: int, _gpio: int, level: int, at_ns: int) -> None:
        if level not in (0, 1):
            return  # lgpio's watchdog; nobody of ours sets one
        now_ms = self._clock.now_ms()
        at_ms = at_ns // 1_000_000
        is_ours = 0 <= now_ms - at_ms <= KERNEL_TIME_MS_MAX
        with self._lock:
            self._add(bool(level) != self._active_low, at_ms if is_ours else now_ms)

    def _on_callback(self, _channel: int) -> None:
        if self._callback is not None:
            return  # the kernel's own report says more
        with self._lock:
            # The callback tells no direction, and the level may have changed again: each edge
            # turns the level round, and `_look` mends what went wrong.
            self._add(not self._level, self._clock.now_ms())

    def _add(self, level: bool, at_ms: int) -> None:
        self._missed_since_ms = None
        if level != self._level and not self._is_closed:
            self._level = level
            self._edges.append(Edge(level, at_ms))

    def _let_go(self) -> None:
        self._edges.clear()
        self._stop_listening()
        if not self._is_polled:
            self._header.forget_edges(self.pin)
        self._header.let_go_of_input(self.pin)

    def _stop_listening(self) -> None:
        callback, self._callback = self._callback, None
        if callback is not None:
            callback.cancel()
