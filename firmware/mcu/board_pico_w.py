"""Raspberry Pi Pico W and Pico 2 W: which pin is what, and how much fits.

Pins are GPIO numbers of the RP2040 (data sheet, 1.4.3); docs/firmware.md draws them. Each output
drives a transistor with a resistor to ground: after a reset, and with the program gone, the pins
are inputs and everything is off.
"""

from firmware.gate.config import Limits

NAME = "pico_w"
HEAP_BYTES = 180 * 1024
"""Free after the start without our program, which is frozen into flash; with TLS 40 KB less."""

WATCHDOG_MS = 8_000
"""The RP2040's longest is 8,388 ms (data sheet, 4.7). Longer than a key exchange, the longest
that TLS computes at a stretch."""

LIMITS = Limits(tags=96, came_in=128, overlay=160, settled=64, reported=48, alarms=8)

ROOM_BYTES = 6_144
"""For each of two lists, what changed since its file: 614 tags, a busy hour of a city's library;
at three quarters of it a new file is asked for."""

PIECE_BYTES = 2_048
"""Of a list, asked for at once; in memory it is three times as much, for a moment."""

OUTPUTS = {  # pin, whether high is on
    "siren": (16, True),
    "lamp_red": (17, True),
    "lamp_amber": (18, True),
    "status": ("LED", True),
}
INPUTS = {"button": 22, "beam_1": 10, "beam_2": 11, "beam_3": 12, "beam_4": 13}
UARTS = {"uart_1": (0, 0, 1), "uart_2": (1, 4, 5)}  # number, tx, rx
SPIS = {"spi_1": (0, 2, 3, 20, 21)}  # number, sck, mosi, miso, select

IRQ_OPTIONS = {"hard": True}
"""In the interrupt itself: an edge keeps its moment also while the program computes."""
