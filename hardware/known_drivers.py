"""The drivers that come with Lendgate, each with its options, by the name a configuration uses.

Every function here is a driver as `hardware/options.py` says. Pasteable sections with every
option are in `hardware/samples.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from hardware.errors import DevicesInvalid
from hardware.options import Driver, Options
from hardware.ports import Clock, Input, Output, Printer, Scanner, TagReader

if TYPE_CHECKING:
    from hardware.printer import PrinterLink

GPIO_MIN, GPIO_MAX = 2, 27
"""BCM numbers of a Raspberry Pi's header; 0 and 1 belong to add-on boards."""

FOR_EVER_MS = 300 * 24 * 3_600_000
"""A reset line is no lamp: it stays high as long as the program runs."""

MIFARE_KEY_BYTES = 6

PAPER_DOTS = (384, 512, 576)
"""What receipt printers print across: `WIDTHS_DOTS` of hardware/typesetting.py, unloaded."""

PRINTER_PORT = 9_100
"""Where network printers take raw bytes (AppSocket)."""


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
    security = _security(options, name)

    def open_reader() -> TagReader:
        from hardware.readers.mfrc522_package import Mfrc522Reader

        return Mfrc522Reader(clock, name=name, bus=bus, device=device, **security)

    return open_reader


def pad_3m(options: Options, clock: Clock, name: str) -> Callable[[], TagReader]:
    """A 3M 210 or 810 on a serial port: pads and gate antennas for library tags."""
    port, baudrate = _serial(options, 19_200)
    security, way = _security(options, name), _pad_way(options)
    if options.has("only_afi"):
        way["only_afi"] = options.integer("only_afi", minimum=1, maximum=255)

    def open_reader() -> TagReader:
        from hardware.readers.serial_pad import Pad3m, PadOptions
        from hardware.serial_line import SerialLine

        line = SerialLine(port, baudrate=baudrate, clock=clock)
        return Pad3m(line, clock, name=name, options=PadOptions(**way), **security)

    return open_reader


def pad_feig(options: Options, clock: Clock, name: str) -> Callable[[], TagReader]:
    """A Feig OBID reader on a serial port: CPR pads, MR, PR and LR gate antennas."""
    port, baudrate = _serial(options, 38_400)
    security, way = _security(options, name), _pad_way(options)
    way["address"] = options.integer("address", default=255, minimum=0, maximum=255)
    way["rf_reset"] = options.boolean("rf_reset", default=True)

    def open_reader() -> TagReader:
        from hardware.readers.serial_pad import PadFeig, PadOptions
        from hardware.serial_line import SerialLine

        line = SerialLine(port, baudrate=baudrate, parity="E", clock=clock)
        return PadFeig(line, clock, name=name, options=PadOptions(**way), **security)

    return open_reader


def serial_scanner(options: Options, clock: Clock, name: str) -> Callable[[], Scanner]:
    """A scanner on a serial port (USB-CDC)."""
    port, baudrate = _serial(options, 9_600)
    ends = options.choice("ends", ("line", "silence"), default="line")
    encoding = options.choice("encoding", ("utf-8", "latin-1", "gb18030"), default="utf-8")

    def open_scanner() -> Scanner:
        from hardware.scanners.serial import SerialScanner
        from hardware.serial_line import SerialLine

        line = SerialLine(port, baudrate=baudrate, clock=clock)
        return SerialScanner(line, clock, name=name, ends=ends, encoding=encoding)

    return open_scanner


def keyboard_scanner(options: Options, clock: Clock, name: str) -> Callable[[], Scanner]:
    """A scanner that types like a keyboard; held alone, so that nothing types into the screen."""
    device = options.text("device")
    layout = options.choice("layout", ("us", "de", "fr"), default="us")
    ends = options.choice("ends", ("line", "silence"), default="line")

    def open_scanner() -> Scanner:
        from hardware.scanners.keyboard import KeyboardScanner

        return KeyboardScanner(device, clock, name=name, layout=layout, ends=ends)

    return open_scanner


def escpos(options: Options, clock: Clock, name: str) -> Callable[[], Printer]:
    """A receipt printer that speaks ESC/POS."""
    port, baudrate = _serial(options, 19_200)
    open_link = _printer_link(port, name) or partial(_line_to_printer, port, baudrate, clock)
    form: dict[str, Any] = {
        "width_dots": options.integer("width_dots", default=576, minimum=384, maximum=576),
        "cut": options.choice("cut", ("full", "partial", "none"), default="full"),
        "code_page": options.text("code_page", default="", chars_max=16, empty=True),
        "profile": options.text("profile", default="default", chars_max=64),
    }
    font = options.text("font", default="", empty=True)
    if form["width_dots"] not in PAPER_DOTS:
        raise DevicesInvalid(f"{name}: width_dots is one of {', '.join(map(str, PAPER_DOTS))}")

    def open_printer() -> Printer:
        from hardware.printer import FONTS, EscposPrinter, PaperForm

        fonts = (font, *FONTS) if font else FONTS
        return EscposPrinter(
            open_link(), clock=clock, name=name, form=PaperForm(fonts=fonts, **form)
        )

    return open_printer


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


def _printer_link(port: str, name: str) -> Callable[[], PrinterLink] | None:
    """Return what opens the way to a printer, by what its port looks like; None for serial."""
    if port.startswith("socket://"):
        address = urlsplit(port)
        host, number = address.hostname, _port_number(address)
        if not host or number is None:
            raise DevicesInvalid(f"{name}: {port!r} is no address; write socket://host:9100")
        return partial(_network_printer, host, number)
    if port.startswith("usb:"):
        numbers = re.fullmatch(r"usb:([0-9a-fA-F]{4}):([0-9a-fA-F]{4})", port)
        if numbers is None:
            raise DevicesInvalid(f"{name}: {port!r}: write usb:04b8:0e15, as lsusb lists it")
        vendor, product = (int(number, 16) for number in numbers.groups())
        return partial(_usb_printer, vendor, product)
    is_serial = port.startswith(("/dev/serial/", "/dev/tty", "sim://"))
    return None if is_serial else partial(_file_printer, port)


def _network_printer(host: str, port: int) -> PrinterLink:
    from hardware.printer import NetworkLink

    return NetworkLink(host, port)


def _usb_printer(vendor: int, product: int) -> PrinterLink:
    from hardware.printer import UsbLink

    return UsbLink(vendor, product)


def _file_printer(path: str) -> PrinterLink:
    from hardware.printer import FileLink

    return FileLink(path)


def _line_to_printer(port: str, baudrate: int, clock: Clock) -> PrinterLink:
    from hardware.printer import SerialLink
    from hardware.serial_line import SerialLine

    return SerialLink(SerialLine(port, baudrate=baudrate, clock=clock))


def _port_number(address: SplitResult) -> int | None:
    try:
        return address.port or PRINTER_PORT
    except ValueError:
        return None


def _serial(options: Options, baudrate: int) -> tuple[str, int]:
    return (
        options.text("port"),
        options.integer("baudrate", default=baudrate, minimum=1_200, maximum=921_600),
    )


def _pad_way(options: Options) -> dict[str, Any]:
    """Return how a site uses a pad, beside what its gates listen for."""
    return {
        "security_by": options.choice("security_by", ("afi", "eas", "both"), default="afi"),
        "timeout_ms": options.integer("timeout_ms", default=1_000, minimum=50, maximum=5_000),
        "tries": options.integer("tries", default=3, minimum=1, maximum=10),
    }


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
PRINTERS: dict[str, Driver[Printer]] = {"escpos": escpos}
OUTPUTS: dict[str, Driver[Output]] = {"gpio": gpio_output, "buzzer": buzzer}
INPUTS: dict[str, Driver[Input]] = {"gpio": gpio_input}
