"""The pins of a Raspberry Pi's header, over whichever module `RPi.GPIO` is installed.

Two packages bring a module of that name: rpi-lgpio (for every Pi and kernel of today) and the
original RPi.GPIO (old kernels, no Pi 5). This file is the only one that knows either of them.

Laws:
- Pins are BCM numbers, as the configuration writes them. `RPi.GPIO` has one numbering per process,
  and the package mfrc522 may have chosen BOARD: the number is translated into whichever is set.
- One object of ours per pin; another one is refused and told who has it.
- Only our own pins are let go of, one by one: `GPIO.cleanup()` of everything would drop the pins
  of everybody else in the process. When somebody else calls it, our pins are set up again.
- Every error of the vendors becomes a `DeviceUnavailable` that says what to do.
"""

import importlib
from collections.abc import Callable
from importlib import metadata
from typing import Any
from weakref import WeakKeyDictionary

from hardware.errors import DeviceUnavailable

_PLACES = (  # of GPIO 2 to 27, in order
    *(3, 5, 7, 29, 31, 26, 24, 21, 19, 23, 32, 33, 8, 10, 36, 11, 12, 35, 38, 40, 15, 16, 18, 22),
    *(37, 13),
)
BOARD_OF_BCM = dict(zip(range(2, 28), _PLACES, strict=True))
"""BCM number: place on the 40-pin header. GPIO 0 and 1 (places 27, 28) belong to the EEPROM of
add-on boards, and `RPi.GPIO` refuses them too."""

INSTALL = "pip uninstall RPi.GPIO; pip install 'lendgate[pi]'"

_HINTS = (  # what a vendor's message contains: what it means, and what to do
    (
        "Cannot determine SOC peripheral base address",
        f"the original RPi.GPIO cannot drive a Raspberry Pi 5; {INSTALL}",
    ),
    (
        "only be run on a Raspberry Pi",
        "this machine is not a Raspberry Pi, or hides that it is one;"
        " to try Lendgate without one: make demo",
    ),
    (
        "old-style revision",
        "this Raspberry Pi is too old for rpi-lgpio; pip uninstall rpi-lgpio; pip install"
        " 'lendgate[pi-legacy]'",
    ),
    (
        "can not open gpiochip",
        "the pins cannot be opened: add this program's user to the group gpio, and look whether"
        " /dev/gpiochip0 is there (a container needs --device /dev/gpiochip0)",
    ),
    (
        "No access to /dev/mem",
        "the pins cannot be opened: add this program's user to the group gpio",
    ),
)

_BUSY = ("GPIO busy", "GPIO not allocated", "bad event request")

_holders: WeakKeyDictionary[Any, dict[int, str]] = WeakKeyDictionary()
"""Which of our objects holds a pin, for each module `RPi.GPIO`: it is the module's process-wide
state that two objects would share, so this table is process-wide too."""


def two_owners_of_rpi(is_installed: Callable[[str], bool] | None = None) -> str | None:
    """Return a sentence if both packages that bring `RPi.GPIO` are installed; None if not.

    pip lets the second overwrite half of the first, and what then runs is neither.
    `is_installed` asks for a distribution by name; by default this environment.
    """
    found = is_installed or _is_installed
    if found("RPi.GPIO") and found("rpi-lgpio"):
        return (
            "RPi.GPIO and rpi-lgpio are both installed, and each overwrites the other:"
            " pip uninstall RPi.GPIO rpi-lgpio; pip install 'lendgate[pi]'"
        )
    return None


def _is_installed(distribution: str) -> bool:
    try:
        metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


class Header:
    """The header as one program sees it; `gpio` is the module, or None to import `RPi.GPIO`."""

    def __init__(self, gpio: Any = None) -> None:
        self._gpio = gpio

    @property
    def gpio(self) -> Any:
        """The module; raises `DeviceUnavailable` with what to install when there is none."""
        if self._gpio is None:
            try:
                self._gpio = importlib.import_module("RPi.GPIO")
            except ModuleNotFoundError as error:
                raise DeviceUnavailable(
                    f"no {error.name} in this environment; on a Raspberry Pi: pip install"
                    " 'lendgate[pi]'"
                ) from error
            except Exception as error:  # the vendors raise RuntimeError and NotImplementedError
                raise self.unavailable("RPi.GPIO", error) from error
        return self._gpio

    def hold(self, pin: int, name: str) -> None:
        """Write down that `name` has this pin; raises `DeviceUnavailable` when another has."""
        check_pin(pin, name)
        holders = _holders.setdefault(self.gpio, {})
        if pin in holders:
            raise DeviceUnavailable(
                f"{name}: GPIO {pin} is {holders[pin]}'s already; give one of the two another pin"
            )
        holders[pin] = name

    def forget(self, pin: int) -> None:
        """Write down that nobody of ours has this pin."""
        _holders.get(self.gpio, {}).pop(pin, None)

    def channel(self, pin: int) -> int:
        """Return the pin's number in the process's numbering; sets BCM if none is set."""
        gpio = self.gpio
        mode = gpio.getmode()
        if mode is None:
            gpio.setmode(gpio.BCM)
            mode = gpio.BCM
        return BOARD_OF_BCM[pin] if mode == gpio.BOARD else pin

    def set_up_output(self, pin: int, level: bool) -> None:
        """Make the pin an output of that level.

        The level is written again: rpi-lgpio keeps the old one when the pin was an output already.
        """
        channel = self.channel(pin)
        self.gpio.setup(channel, self.gpio.OUT, initial=int(level))
        self.gpio.output(channel, int(level))

    def set_up_input(self, pin: int, pull: str) -> None:
        """Make the pin an input with that pull: `up`, `down` or `none`."""
        gpio = self.gpio
        pulls = {"up": gpio.PUD_UP, "down": gpio.PUD_DOWN, "none": gpio.PUD_OFF}
        gpio.setup(self.channel(pin), gpio.IN, pull_up_down=pulls[pull])

    def write(self, pin: int, level: bool) -> None:
        """Set an output; if somebody's `GPIO.cleanup()` took it away, take it back first."""
        try:
            self.gpio.output(self.channel(pin), int(level))
        except Exception:  # each vendor has its own; if it is not that, the next line says so
            self.set_up_output(pin, level)

    def wave(self, pin: int, frequency_hz: int) -> Any:
        """Start a square wave, half of each period on; return the vendor's PWM object."""
        channel = self.channel(pin)
        try:
            wave = self.gpio.PWM(channel, frequency_hz)
        except Exception:  # the pin was taken away by a cleanup; if not, the next line says so
            self.set_up_output(pin, False)
            wave = self.gpio.PWM(channel, frequency_hz)
        wave.start(50)
        return wave

    def read(self, pin: int) -> bool:
        """Return the wire's level."""
        return bool(self.gpio.input(self.channel(pin)))

    def detect_edges(self, pin: int, on_edge: Callable[[int], None]) -> bool:
        """Have both edges reported, undebounced; return False where the kernel cannot.

        That is the original RPi.GPIO on kernels from 6.6 on, where the numbers it looks for in
        /sys/class/gpio begin at 512.
        """
        channel = self.channel(pin)
        try:
            self.gpio.add_event_detect(channel, self.gpio.BOTH, callback=on_edge)
        except RuntimeError as error:
            if "Failed to add edge detection" in str(error):
                return False
            raise
        lines = self.lgpio()
        if lines is not None:
            # A debounce time stays with a line of lgpio's, whoever set it before.
            lgpio, handle = lines
            lgpio.gpio_set_debounce_micros(handle, pin, 0)
        return True

    def listen(self, pin: int, on_edge: Callable[[int, int, int, int], None]) -> Any:
        """Have lgpio report the pin's edges with level and time; None without lgpio."""
        lines = self.lgpio()
        if lines is None:
            return None
        lgpio, handle = lines
        return lgpio.callback(handle, pin, lgpio.BOTH_EDGES, on_edge)

    def forget_edges(self, pin: int) -> None:
        """Have no more edges reported."""
        self.gpio.remove_event_detect(self.channel(pin))

    def let_go_of_input(self, pin: int) -> None:
        """Free one input."""
        self.gpio.cleanup(self.channel(pin))

    def let_go_of_output(self, pin: int, level: bool) -> None:
        """Free the pin with its pull towards that level, so that the wire stays there.

        `RPi.GPIO`'s own cleanup takes the pull away, and the wire would float.
        """
        self.set_up_input(pin, "up" if level else "down")
        lines = self.lgpio()
        if lines is not None:
            lgpio, handle = lines
            lgpio.gpio_free(handle, pin)

    def lgpio(self) -> tuple[Any, int] | None:
        """Return lgpio and its open chip if `RPi.GPIO` is rpi-lgpio's; None if not.

        lgpio knows when an edge was and which way it went; `RPi.GPIO` tells neither.
        """
        handle = getattr(self.gpio, "_chip", None)
        if not isinstance(handle, int):
            return None
        return importlib.import_module("lgpio"), handle

    def unavailable(
        self, name: str, error: Exception, pin: int | None = None
    ) -> DeviceUnavailable:
        """Return a vendor's error as ours, with what it means and what to do."""
        text = str(error).strip("'")
        for contained, meaning in _HINTS:
            if contained in text:
                return DeviceUnavailable(f"{name}: {meaning}")
        if pin is not None and text in _BUSY:
            return DeviceUnavailable(
                f"{name}: GPIO {pin} is held by {self._holder(pin)}; one program owns all pins:"
                " end the other one, or choose another pin (`gpioinfo` lists who has which)"
            )
        at = "" if pin is None else f"GPIO {pin}: "
        return DeviceUnavailable(f"{name}: {at}{text}")

    def _holder(self, pin: int) -> str:
        try:
            lines = self.lgpio()
            holder = lines[0].gpio_get_line_info(lines[1], pin)[4] if lines else ""
        except Exception:  # the error being explained matters more than this detail of it
            holder = ""
        return f"'{holder}'" if holder else "another program or the kernel"


def check_pin(pin: int, name: str) -> None:
    """Raise `ValueError` for what is not a BCM number of the header."""
    if isinstance(pin, int) and not isinstance(pin, bool) and pin in BOARD_OF_BCM:
        return
    raise ValueError(
        f"{name}: pin {pin!r} is not a GPIO of the header; BCM numbers are 2 to 27 (GPIO 17 is"
        " place 11 on the header)"
    )
