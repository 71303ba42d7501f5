"""A kiosk of a house on the drivers of real devices, each on its simulated wire.

    pad       3M 810 through pyserial, at `sim://`
    cards     RC522 by our own driver, straight on the chip's bus
    scanner   through pyserial
    printer   ESC/POS through pyserial
    signals   as at every kiosk of a house: pins need a thread of their own

What a driver waits is charged to its kiosk's turn, see `HouseClock`.
"""

from hardware.ports import Clock
from hardware.printer import EscposPrinter, SerialLink
from hardware.readers.rc522 import Rc522Reader
from hardware.readers.serial_pad import Pad3m
from hardware.scanners.serial import SerialScanner
from hardware.serial_line import SerialLine
from kiosk.devices import KioskDevices
from sim.rooms import WiredKiosk
from sim.serial import url
from sim.serial.device import SimSerialDevice


class Wires:
    """The cables of one kiosk in one house; `devices` opens new drivers on them."""

    def __init__(self, hardware: WiredKiosk, clock: Clock) -> None:
        self._hardware, self._clock = hardware, clock
        self._ends: dict[str, SimSerialDevice] = {
            "pad": hardware.pad,
            "scanner": hardware.scanner,
            "printer": hardware.printer,
        }
        self._ports = {
            part: url.plug(f"{hardware.station}-{part}-{id(self):x}", end)
            for part, end in self._ends.items()
        }
        self._lines: list[SerialLine] = []

    def devices(self) -> KioskDevices:
        """Return what a starting program opens."""
        hardware, clock, station = self._hardware, self._clock, self._hardware.station
        return KioskDevices(
            reader=Pad3m(self._line("pad"), clock, name=f"{station}/pad"),
            scanner=SerialScanner(self._line("scanner"), clock, name=f"{station}/scanner"),
            card_reader=Rc522Reader(hardware.card_reader, clock, name=f"{station}/card"),
            printer=EscposPrinter(
                SerialLink(self._line("printer")), clock=clock, name=f"{station}/printer"
            ),
            sound_ok=hardware.sound_ok,
            sound_problem=hardware.sound_problem,
        )

    def let_go(self) -> None:
        """Close every port without a word to its device, as the end of a process does."""
        for line in self._lines:
            line.close()
        self._lines.clear()

    def remove(self) -> None:
        """Take the ports' names back."""
        self.let_go()
        for port in self._ports.values():
            url.remove(port.removeprefix("sim://"))

    def _line(self, part: str) -> SerialLine:
        baudrate = self._ends[part].settings.baudrate
        line = SerialLine(self._ports[part], baudrate=baudrate, clock=self._clock)
        self._lines.append(line)
        return line
