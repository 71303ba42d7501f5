"""The drivers that come with Lendgate, each with its options, by the name a configuration uses.

Every function here is a driver as `hardware/options.py` says. Pasteable sections with every
option are in `hardware/samples.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from hardware.errors import DevicesInvalid
from hardware.options import Driver, Options
from hardware.ports import Clock, Input, Output, Printer, Scanner, TagReader

GPIO_MIN, GPIO_MAX = 2, 27
"""BCM numbers of a Raspberry Pi's header; 0 and 1 belong to add-on boards."""

FOR_EVER_MS = 300 * 24 * 3_600_000
"""A reset line is no lamp: it stays high as long as the program runs."""

MIFARE_KEY_BYTES = 6


def rc522(options: Options, clock: Clock, name: str) -> Callable[[], TagReader]:
    """An RC522 on SPI by our own driver: cards and stickers of ISO 14443A, no library tags."""
    bus, device = _spi(options)
    speed_hz = options.integer("speed_hz", default=1_000_000, minimum=100_000, maximum=10_000_000)
    reset, irq = _optional_gpio(options, "reset_gpio"), _optional_gpio(options, "irq_gpio")
    gain = options.integer("gain", default=4, minimum=0, maximum=7)
    key = options.secret("mifare_key", default="ff" * MIFARE_KEY_BYTES, bytes_min=MIFARE_KEY_BYTES)
    security = _security(options, name)
    if len(key) != MIFARE_KEY_BYTES:
        raise DevicesInvalid(f"{name}: mifare_key must have {2 * MIFARE_KEY_BYTES} hex digits")

    def open_reader() -> TagReader:
        from hardware.readers.rc522 import Rc522Options, Rc522Reader
        from hardware.spi import SpiBus

        board = _Board(SpiBus(bus, device, speed_hz))
        wires = board.wires(clock, name=name, reset=reset, irq=irq)
        more = Rc522Options(gain=gain, mifare_key=key, **wires)
        return Rc522Reader(board, clock, name=name, options=more, **security)

    return open_reader


def mfrc522(options: Options, clock: Clock, name: str) -> Callable[[], TagReader]:
    """An RC522 by the package mfrc522, for whoever must use it; what it cannot do is refused."""
    bus, device = _spi(options)

    def open_reader() -> TagReader:
        from hardware.readers.mfrc522_package import Mfrc522Reader

        return Mfrc522Reader(clock, name=name, bus=bus, device=device)

    return open_reader


def pad_3m(options: Options, clock: Clock, name: str) -> Callable[[], TagReader]:
    """A 3M 210 or 810 on a serial port: pads and gate antennas for library tags."""
    port = options.text("port")
    baudrate = options.integer("baudrate", default=19_200, minimum=1_200, maximum=115_200)
    security = _security(options, name)

    def open_reader() -> TagReader:
        from hardware.readers.serial_pad import Pad3m
        from hardware.serial_line import SerialLine

        line = SerialLine(port, baudrate=baudrate, clock=clock)
        return Pad3m(line, clock, name=name, **security)

    return open_reader


def pad_feig(options: Options, clock: Clock, name: str) -> Callable[[], TagReader]:
    """A Feig OBID reader on a serial port: CPR pads, MR, PR and LR gate antennas."""
    port = options.text("port")
    baudrate = options.integer("baudrate", default=38_400, minimum=1_200, maximum=115_200)
    security = _security(options, name)

    def open_reader() -> TagReader:
        from hardware.readers.serial_pad import PadFeig
        from hardware.serial_line import SerialLine

        line = SerialLine(port, baudrate=baudrate, parity="E", clock=clock)
        return PadFeig(line, clock, name=name, **security)

    return open_reader


def serial_scanner(options: Options, clock: Clock, name: str) -> Callable[[], Scanner]:
    """A scanner on a serial port (USB-CDC)."""
    port = options.text("port")
    baudrate = options.integer("baudrate", default=9_600, minimum=1_200, maximum=115_200)

    def open_scanner() -> Scanner:
        from hardware.scanners.serial import SerialScanner
        from hardware.serial_line import SerialLine

        return SerialScanner(SerialLine(port, baudrate=baudrate, clock=clock), clock, name=name)

    return open_scanner


def keyboard_scanner(options: Options, clock: Clock, name: str) -> Callable[[], Scanner]:
    """A scanner that types like a keyboard; held alone, so that nothing types into the screen."""
    device = options.text("device")

    def open_scanner() -> Scanner:
        from hardware.scanners.keyboard import KeyboardScanner

        return KeyboardScanner(device, clock, name=name)

    return open_scanner


def gpio_output(options: Options, clock: Clock, name: str) -> Callable[[], Output]:
    """A lamp, a siren or a relay on one pin."""
    pin, max_on_ms = _gpio(options), _max_on(options)
    active_high = options.boolean("active_high", default=True)

    def open_output() -> Output:
        from hardware.gpio import PinOutput

        return PinOutput(pin, clock=clock, max_on_ms=max_on_ms, active_high=active_high, name=name)

    return open_output


def buzzer(options: Options, clock: Clock, name: str) -> Callable[[], Output]:
    """A buzzer without a circuit of its own: on is a tone, made by PWM."""
    pin, max_on_ms = _gpio(options), _max_on(options)
    tone_hz = options.integer("frequency_hz", default=2_300, minimum=50, maximum=10_000)

    def open_output() -> Output:
        from hardware.gpio import Buzzer

        return Buzzer(pin, clock=clock, max_on_ms=max_on_ms, frequency_hz=tone_hz, name=name)

    return open_output


def gpio_input(options: Options, clock: Clock, name: str) -> Callable[[], Input]:
    """A light beam or a button on one pin."""
    pin = _gpio(options)
    pull = options.choice("pull", ("up", "down", "none"), default="up")
    active_low = options.boolean("active_low", default=True)

    def open_input() -> Input:
        from hardware.gpio import PinInput

        return PinInput(pin, clock=clock, pull=pull, active_low=active_low, name=name)

    return open_input


class _Board:
    """An RC522 board: its bus, and the pins it has besides, let go of together."""

    def __init__(self, bus: Any) -> None:
        self._bus = bus
        self._wires = ExitStack()

    def wires(
        self, clock: Clock, *, name: str, reset: int | None, irq: int | None
    ) -> dict[str, Any]:
        """Open the pins that are wired; return what drives RST and what senses IRQ."""
        from hardware.gpio import PinInput, PinOutput

        found: dict[str, Any] = {}
        with ExitStack() as opened:
            if reset is not None:
                line = PinOutput(
                    reset, clock=clock, max_on_ms=FOR_EVER_MS, initial=True, safe=True,
                    name=f"{name} RST",
                )  # fmt: skip
                opened.callback(line.close)
                found["reset"] = lambda level: line.on() if level else line.off()
            if irq is not None:
                sense = PinInput(irq, clock=clock, pull="up", active_low=True, name=f"{name} IRQ")
                opened.callback(sense.close)
                found["irq"] = sense.read
            self._wires = opened.pop_all()
        return found

    def transfer(self, data: bytes) -> bytes:
        """Exchange bytes on the bus."""
        return self._bus.transfer(data)  # type: ignore[no-any-return]

    def close(self) -> None:
        """Let go of bus and pins."""
        self._bus.close()
        self._wires.close()


def _gpio(options: Options, option: str = "gpio") -> int:
    return options.integer(option, minimum=GPIO_MIN, maximum=GPIO_MAX)


def _optional_gpio(options: Options, option: str) -> int | None:
    return _gpio(options, option) if options.has(option) else None


def _max_on(options: Options) -> int:
    return options.integer("max_on_ms", minimum=10, maximum=24 * 3_600_000)


def _spi(options: Options) -> tuple[int, int]:
    return (
        options.integer("spi_bus", default=0, minimum=0, maximum=6),
        options.integer("spi_device", default=0, minimum=0, maximum=2),
    )


def _security(options: Options, name: str) -> dict[str, int]:
    """Return what a tag says in stock and on loan: AFI values, or the security byte."""
    in_stock = options.integer("afi_in_stock", default=0x07, minimum=1, maximum=255)
    on_loan = options.integer("afi_on_loan", default=0xC2, minimum=1, maximum=255)
    if in_stock == on_loan:
        raise DevicesInvalid(
            f"{name}: afi_in_stock and afi_on_loan are both {in_stock}; a gate must be able to "
            "tell them apart"
        )
    return {"afi_in_stock": in_stock, "afi_on_loan": on_loan}


READERS: dict[str, Driver[TagReader]] = {
    "pad_3m": pad_3m,
    "pad_feig": pad_feig,
    "rc522": rc522,
    "mfrc522": mfrc522,
}
SCANNERS: dict[str, Driver[Scanner]] = {"serial": serial_scanner, "keyboard": keyboard_scanner}
PRINTERS: dict[str, Driver[Printer]] = {}
OUTPUTS: dict[str, Driver[Output]] = {"gpio": gpio_output, "buzzer": buzzer}
INPUTS: dict[str, Driver[Input]] = {"gpio": gpio_input}
