"""A kiosk on bench devices whose machine has the wrong time and no clock chip.

python -m tests.support.kiosk_at CONFIG DEVICE_PORT WALL_MS
"""

import signal
import sys
import threading
from pathlib import Path

from circulation.config import read_config
from hardware.clock import SystemClock
from kiosk.app import run
from sim.stations import kiosk_devices


class WrongClock(SystemClock):
    """A machine that has just been switched on and believes it is some other time."""

    def __init__(self, wall_ms: int) -> None:
        self._offset_ms = wall_ms - super().wall_ms()

    def wall_ms(self) -> int:
        """Return the wrong time, which goes on at the right pace."""
        return super().wall_ms() + self._offset_ms

    def wall_is_sure(self) -> bool:
        """Return that nobody has told this machine the time."""
        return False


def main(config: str, device_port: str, wall_ms: str) -> None:
    """Run the kiosk until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    clock = WrongClock(int(wall_ms))
    section = read_config(Path(config))
    devices = kiosk_devices(section.text("station"), int(device_port), clock)
    run(section, devices, clock=clock, stop=stop)


if __name__ == "__main__":
    main(*sys.argv[1:])
