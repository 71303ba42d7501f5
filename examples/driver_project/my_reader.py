"""A driver that knows nothing of Lendgate: is a card there, and what was scanned."""

import time

import serial
import spidev

COMMAND, COM_IRQ, FIFO, LEVEL, BIT_FRAMING = 0x01, 0x04, 0x09, 0x0A, 0x0D
TX_CONTROL, TX_ASK, VERSION = 0x14, 0x15, 0x37
IDLE, TRANSCEIVE = 0x00, 0x0C
REQA = 0x26


class MyReader:
    """The smallest driver there can be."""

    def __init__(self) -> None:
        self.spi = spidev.SpiDev()
        self.spi.open(0, 0)
        self.spi.max_speed_hz = 1_000_000
        self._write(TX_ASK, 0x40)  # 100 % modulation, without which no card hears a word
        self._write(TX_CONTROL, 0x83)  # the field, on
        time.sleep(0.005)

    def version(self) -> int:
        """Return what the chip says it is: 0x91 or 0x92."""
        return self._read(VERSION)

    def is_card_there(self) -> bool:
        """Say REQA and see whether two bytes come back."""
        for register, value in (
            *((COMMAND, IDLE), (COM_IRQ, 0x7F), (LEVEL, 0x80), (FIFO, REQA)),
            *((BIT_FRAMING, 0x07), (COMMAND, TRANSCEIVE), (BIT_FRAMING, 0x87)),
        ):
            self._write(register, value)
        for _ in range(50):
            if self._read(COM_IRQ) & 0x20:  # RxIRq
                return self._read(LEVEL) == 2
        return False

    def _write(self, register: int, value: int) -> None:
        self.spi.xfer2([register << 1, value])

    def _read(self, register: int) -> int:
        answer: int = self.spi.xfer2([register << 1 | 0x80, 0])[1]
        return answer


class MyScanner:
    """A barcode scanner on a serial port that ends each label with a carriage return."""

    def __init__(self, port: str) -> None:
        self.port = serial.serial_for_url(port, baudrate=9_600, timeout=1)

    def next(self) -> str:
        """Return the next label, empty when none comes within a second."""
        return str(self.port.read_until(b"\r").decode().strip())
