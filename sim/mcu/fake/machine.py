"""MicroPython's `machine` on a board that is simulated elsewhere.

Names, parameters and defaults are those of the published stubs of both boards, and a test says
so; numbers of constants are those of the RP2040.
"""

import sys

from sim.mcu.fake.board_wire import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

PWRON_RESET = 1
WDT_RESET = 3
SOFT_RESET = 5

RESET_EXIT = 3
"""The exit code of a program that resets its board."""


class Pin:
    """A pin; `id` is a GPIO number, or a name such as LED."""

    IN = 0
    OUT = 1
    OPEN_DRAIN = 2
    PULL_UP = 1
    PULL_DOWN = 2
    IRQ_FALLING = 4
    IRQ_RISING = 8

    def __init__(
        self,
        id: "Any",
        mode: int = -1,
        pull: int = -1,
        *,
        value: "Any" = None,
        drive: "int | None" = None,
        alt: "int | None" = None,
    ) -> None:
        self._name = str(id)
        self._level = 0
        self._is_output = False
        self._handler: Callable[[Pin], None] | None = None
        self._trigger = 0
        self._is_hard = False
        if mode != -1:
            self.init(mode, pull, value=value, drive=drive, alt=alt)

    def init(
        self,
        mode: int = -1,
        pull: int = -1,
        *,
        value: "Any" = None,
        drive: "int | None" = None,
        alt: "int | None" = None,
    ) -> None:
        """Make it an input or an output."""
        self._is_output = mode in (self.OUT, self.OPEN_DRAIN)
        if self._is_output:
            self._put(1 if value else 0)
        else:
            wire().pins[self._name] = self
            self._level = int(wire().ask(f"I {self._name}", "l")[0])

    def value(self, x: "Any" = None) -> int:
        """Set the level, or return it."""
        if x is not None:
            self._put(1 if x else 0)
        else:
            wire().pump()
        return self._level

    def __call__(self, x: "Any" = None) -> int:
        """Set the level, or return it."""
        return self.value(x)

    def on(self) -> None:
        """Make it high."""
        self._put(1)

    def off(self) -> None:
        """Make it low."""
        self._put(0)

    def toggle(self) -> None:
        """Make it what it is not."""
        self._put(1 - self._level)

    def irq(
        self,
        handler: "Callable[[Pin], None] | None" = None,
        trigger: int = IRQ_FALLING | IRQ_RISING,
        *,
        priority: int = 1,
        wake: "int | None" = None,
        hard: bool = False,
    ) -> None:
        """Have a handler called at its edges."""
        self._handler = handler
        self._trigger = trigger
        self._is_hard = hard

    def changed(self, level: int) -> None:
        """Take the level that the board says."""
        if level == self._level:
            return
        self._level = level
        edge = self.IRQ_RISING if level else self.IRQ_FALLING
        if self._handler is not None and self._trigger & edge:
            wire().interrupt(self._handler, self, self._is_hard)

    def _put(self, level: int) -> None:
        self._level = level
        wire().tell(f"O {self._name} {level}")


class UART:
    """A serial port. What comes while its buffer is full is lost, as on a board."""

    IRQ_RXIDLE = 64

    def __init__(
        self,
        id: int,
        baudrate: int = 9600,
        bits: int = 8,
        parity: "int | None" = None,
        stop: int = 1,
        **rest: "Any",
    ) -> None:
        self._name = str(id)
        self._buffer = bytearray()
        self._room = 256
        wire().ports[self._name] = self
        self.init(baudrate, bits, parity, stop, **rest)

    def init(
        self,
        baudrate: int = 9600,
        bits: int = 8,
        parity: "int | None" = None,
        stop: int = 1,
        **rest: "Any",
    ) -> None:
        """Open the port; parity: None, 0 even, 1 odd."""
        _known_only(rest, UART_OPTIONS)
        self._room = int(rest.get("rxbuf") or 256)
        kind = "N" if parity is None else "OE"[parity == 0]
        wire().tell(f"U {self._name} {baudrate} {bits} {kind} {stop}")

    def any(self) -> int:
        """Return how many bytes wait."""
        wire().pump()
        return len(self._buffer)

    def read(self, nbytes: "int | None" = None) -> "bytes | None":
        """Return what waits, at most that many bytes; None for nothing."""
        count = self.any()
        if nbytes is not None:
            count = min(count, nbytes)
        if not count:
            return None
        taken = bytes(memoryview(self._buffer)[:count])
        self._buffer = self._buffer[count:]
        return taken

    def readinto(self, buf: "Any", nbytes: "int | None" = None) -> "int | None":
        """Fill a buffer; None for nothing."""
        taken = self.read(len(buf) if nbytes is None else min(nbytes, len(buf)))
        if taken is None:
            return None
        buf[: len(taken)] = taken
        return len(taken)

    def write(self, buf: "Any") -> "int | None":
        """Send bytes; the port's buffer is never full here."""
        wire().tell(f"W {self._name} {bytes(buf).hex()}")
        return len(buf)

    def txdone(self) -> bool:
        """Return whether all has left."""
        return True

    def deinit(self) -> None:
        """Let go of the port."""
        wire().ports.pop(self._name, None)

    def received(self, came: bytes) -> None:
        """Take what the board says has come."""
        self._buffer.extend(came[: self._room - len(self._buffer)])


UART_OPTIONS = "tx rx txbuf rxbuf timeout timeout_char invert flow rts cts".split()
SPI_OPTIONS = "firstbit sck mosi miso".split()


class SPI:
    """A bus; what is on it, the board knows by its number."""

    LSB = 0
    MSB = 1

    def __init__(
        self,
        id: int,
        baudrate: int = 1000000,
        *,
        polarity: int = 0,
        phase: int = 0,
        bits: int = 8,
        **rest: "Any",
    ) -> None:
        _known_only(rest, SPI_OPTIONS)
        if (polarity, phase, bits, rest.get("firstbit", self.MSB)) != (0, 0, 8, self.MSB):
            raise ValueError("the chips on this board speak mode 0, eight bits, high bit first")
        self._name = str(id)

    def write_readinto(self, write_buf: "Any", read_buf: "Any") -> None:
        """Send bytes and fill the other buffer with what came meanwhile."""
        came = bytes.fromhex(wire().ask(f"S {self._name} {bytes(write_buf).hex()}", "s")[0])
        read_buf[:] = came

    def write(self, buf: "Any") -> None:
        """Send bytes."""
        self.write_readinto(buf, bytearray(len(buf)))

    def read(self, nbytes: int, write: int = 0) -> bytes:
        """Send one byte so often and return what came."""
        buf = bytearray(nbytes)
        self.readinto(buf, write)
        return bytes(buf)

    def readinto(self, buf: "Any", write: int = 0) -> None:
        """Send one byte so often and fill the buffer with what came."""
        self.write_readinto(bytes([write] * len(buf)), buf)

    def deinit(self) -> None:
        """Let go of the bus."""


class PWM:
    """A pin that is on for a share of the time; it counts as high while that is above none."""

    def __init__(
        self,
        dest: "Any",
        *,
        freq: int = 0,
        duty_u16: int = 0,
        duty_ns: int = 0,
        invert: bool = False,
    ) -> None:
        self._pin = dest if isinstance(dest, Pin) else Pin(dest, Pin.OUT)
        self._freq = freq
        self._duty = 0
        self.duty_u16(duty_u16)

    def freq(self, value: "int | None" = None) -> int:
        """Set or return the frequency in Hz."""
        if value is not None:
            self._freq = value
        return self._freq

    def duty_u16(self, value: "int | None" = None) -> int:
        """Set or return the share of the time, of 65,535."""
        if value is not None:
            self._duty = value
            self._pin.value(1 if value else 0)
        return self._duty

    def deinit(self) -> None:
        """Switch it off."""
        self.duty_u16(0)


class Timer:
    """Calls back, once or again and again."""

    ONE_SHOT = 0
    PERIODIC = 1

    def __init__(
        self,
        id: int = -1,
        *,
        mode: int = PERIODIC,
        period: "int | None" = None,
        callback: "Callable[[Timer], None] | None" = None,
        hard: "bool | None" = None,
    ) -> None:
        self._due_ms = 0
        if callback is not None:
            self.init(mode=mode, period=period, callback=callback, hard=hard)

    def init(
        self,
        *,
        mode: int = PERIODIC,
        period: "int | None" = None,
        callback: "Callable[[Timer], None] | None" = None,
        hard: "bool | None" = None,
    ) -> None:
        """Start it; period: in ms."""
        self.deinit()
        self._mode, self._period_ms, self._callback = mode, period or 1, callback
        self._is_hard = bool(hard)
        self._due_ms = wire().now_ms() + self._period_ms
        wire().timers.append(self)

    def deinit(self) -> None:
        """Stop it."""
        if self in wire().timers:
            wire().timers.remove(self)

    def look(self, now_ms: int) -> None:
        """Go off if it is time."""
        if now_ms < self._due_ms:
            return
        self._due_ms = now_ms + self._period_ms
        if self._mode == self.ONE_SHOT:
            self.deinit()
        if self._callback is not None:
            wire().interrupt(self._callback, self, self._is_hard)


class WDT:
    """The watchdog: fed in time, or the board resets, whatever the program does."""

    def __init__(self, *, id: int = 0, timeout: int = 5000) -> None:
        if not 1 <= timeout <= 8388:
            raise ValueError("timeout exceeds 8388")  # the RP2040's longest
        wire().tell(f"D {timeout}")

    def feed(self) -> None:
        """Say that the program lives."""
        wire().tell("F")


class RTC:
    """A clock that forgets when the power goes."""

    def __init__(self, id: int = 0) -> None:
        self._datetime: Any = (2021, 1, 1, 4, 0, 0, 0, 0)

    def datetime(self, datetimetuple: "Any" = None) -> "Any":
        """Set the clock, or return it."""
        if datetimetuple is not None:
            self._datetime = datetimetuple
        return self._datetime


def _known_only(given: "dict[str, Any]", known: "list[str]") -> None:
    for name in given:
        if name not in known:
            raise TypeError(f"extra keyword argument {name}")


def unique_id() -> bytes:
    """Return eight bytes no other board has."""
    return wire().uid


def reset_cause() -> int:
    """Return why the program started."""
    return wire().cause


def reset() -> None:
    """Reset the board: this program ends and another one begins."""
    wire().ask(f"X {PWRON_RESET}", "x")
    sys.exit(RESET_EXIT)


def soft_reset() -> None:
    """End the program and begin it anew."""
    wire().ask(f"X {SOFT_RESET}", "x")
    sys.exit(RESET_EXIT)


def freq() -> int:
    """Return the processor's frequency in Hz."""
    return 125_000_000


def idle() -> None:
    """Wait for the next interrupt, at most a millisecond."""
    wire().sleep_ms(1)
