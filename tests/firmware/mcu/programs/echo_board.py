"""A program for a board that has nothing to do with books: every device is used once."""

import time

import machine
import network

from hardware.chips.rc522 import Rc522
from sim.mcu.fake.board_wire import wire

edges = []
stamps = [0, 0, 0, 0]
count = 0


def on_edge(pin):
    """Stamp an edge; nothing here allocates."""
    global count  # noqa: PLW0603
    stamps[count & 3] = time.ticks_ms()
    count += 1


class Bus:
    """The bus as the chip's driver wants it."""

    def __init__(self):
        self.spi = machine.SPI(0, baudrate=1_000_000)

    def transfer(self, data):
        """Exchange bytes."""
        answer = bytearray(len(data))
        self.spi.write_readinto(data, answer)
        return bytes(answer)


def main():
    """Use everything, then say on the lamp's pin that all was well."""
    beam = machine.Pin(10, machine.Pin.IN, machine.Pin.PULL_UP)
    beam.irq(handler=on_edge, trigger=machine.Pin.IRQ_RISING | machine.Pin.IRQ_FALLING, hard=True)
    lamp = machine.Pin("LED", machine.Pin.OUT, value=0)
    siren = machine.Pin(16, machine.Pin.OUT, value=1)
    uart = machine.UART(0, baudrate=19_200, bits=8, parity=None, stop=1, rxbuf=64)
    wlan = network.WLAN(network.STA_IF)
    wlan.active(True)
    wlan.connect("the library", "a password")
    chip = Rc522(Bus(), time.ticks_ms, time.sleep_ms)
    chip.start()
    watchdog = machine.WDT(timeout=500)
    said = b""
    uart.write(b"hello")
    while count < 2 or len(said) < 5 or not wlan.isconnected():
        watchdog.feed()
        time.sleep_ms(5)
        said += uart.read() or b""
    wire().tell(f"! said {said.decode()} version {chip.version} cause {machine.reset_cause()}")
    lamp.value(1)
    siren.value(beam.value())
    while True:  # and now it hangs
        pass
