"""A kiosk that runs the drivers of real devices, on wires that end at the bench.

    pad       3M 810, a serial port (`socket://`, which pyserial brings)
    cards     RC522 on SPI, through a simulated Pi: our own driver on `spidev`
    scanner   a serial port
    printer   ESC/POS over the network
    signals   GPIO 17 (done) and 27 (please look), through the real rpi-lgpio

Nothing in the program knows: its configuration names drivers and ports, as at a real kiosk.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from circulation.config import Section
from hardware.errors import DeviceError
from hardware.ports import Clock
from kiosk.devices import KioskDevices, open_devices
from sim.demo_files import SIGNAL_PINS
from sim.pi.board import SimPi
from sim.remote import BenchLink, RemoteOutput

HOST = "127.0.0.1"


class RemoteChip:
    """An RC522 at the bench, at the end of a long ribbon cable."""

    def __init__(self, link: BenchLink, name: str) -> None:
        self._link = link
        self._name = name

    @property
    def irq_level(self) -> bool:
        """The level of the IRQ pin, which is not wired here: pulled up."""
        return True

    def transfer(self, data: bytes) -> bytes:
        """Return what the chip answers; while the bench is away, what an open wire reads."""
        try:
            return bytes.fromhex(self._link.call(self._name, "transfer", data.hex()))
        except DeviceError:
            return bytes(len(data))

    def reset_pin(self, level: bool) -> None:
        """Drive the reset line."""
        try:
            self._link.call(self._name, "reset_pin", level)
        except DeviceError:
            return


@contextmanager
def wired_kiosk(section: Section, port: int, clock: Clock) -> Iterator[KioskDevices]:
    """Yield the devices that a kiosk's configuration names, on a Pi wired to the bench."""
    station = section.text("station")
    pi = SimPi(clock)
    chip_link, pin_link = (BenchLink(HOST, port, clock=clock) for _ in range(2))
    pi.wire_mfrc522(RemoteChip(chip_link, f"{station}/card"))
    for signal, gpio in SIGNAL_PINS.items():
        pi.connect(gpio, _switch(RemoteOutput(pin_link, f"{station}/{signal}")))
    try:
        with pi.installed():
            yield open_devices(section.section("devices"), clock)
    finally:
        chip_link.close()
        pin_link.close()


def _switch(output: RemoteOutput) -> Callable[[bool], None]:
    return lambda level: output.on() if level else output.off()
