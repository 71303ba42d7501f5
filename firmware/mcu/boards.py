"""Which board this is."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def this_board(platform: str = sys.platform) -> "Any":
    """Return the file of the board the program runs on; a computer counts as a Pico W."""
    if platform == "esp32":
        from firmware.mcu import board_esp32

        return board_esp32
    from firmware.mcu import board_pico_w

    return board_pico_w
