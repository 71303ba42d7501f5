"""ESP32 (ESP32-DevKitC and alike): which pin is what, and how much fits.

Pins are GPIO numbers (ESP32 data sheet, 2.2), none of those that decide at the start how the chip
boots (0, 2, 12, 15), but 5, which only times a bus that is not used. Inputs 34 to 39 have no
pull-up and are left alone. Each output drives a transistor with a resistor to ground: after a
reset everything is off.
"""

from firmware.gate.config import Limits

NAME = "esp32"
HEAP_BYTES = 110 * 1024
"""Free after the start without our program, on a board without PSRAM."""

WATCHDOG_MS = 8_000

LIMITS = Limits(tags=64, came_in=64, overlay=80, settled=32, reported=32, alarms=8)

ROOM_BYTES = 3_072
"""For each of two lists, what changed since its file: 307 tags; at three quarters of it a new
file is asked for."""

PIECE_BYTES = 512
"""Of a list, asked for at once; in memory it is three times as much, for a moment."""

OUTPUTS = {  # pin, whether high is on
    "siren": (25, True),
    "lamp_red": (26, True),
    "lamp_amber": (27, True),
    "status": (13, True),
}
INPUTS = {"button": 14, "beam_1": 32, "beam_2": 33, "beam_3": 22, "beam_4": 21}
UARTS = {"uart_1": (1, 4, 36), "uart_2": (2, 17, 16)}  # number, tx, rx
SPIS = {"spi_1": (2, 18, 23, 19, 5)}  # number, sck, mosi, miso, select

IRQ_OPTIONS: "dict[str, object]" = {}
"""There is no interrupt of its own here: the handler runs between two steps of the program."""
