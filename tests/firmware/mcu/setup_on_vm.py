"""Opens the setup of a device on this MicroPython, over its stdin and stdout; no pytest."""

import time

from firmware.mcu.clock import Ticks
from firmware.mcu.provision import Setup
from firmware.mcu.setup_store import Store, UsbConsole, serve
from firmware.mcu.update import DeviceFiles


class Radio:
    """A `network.WLAN` that joins at the third look."""

    def __init__(self):
        self.looks = 0

    def active(self, on):
        self.looks = 0

    def disconnect(self):
        self.looks = 0

    def connect(self, ssid, password):
        self.looks = 0

    def isconnected(self):
        self.looks += 1
        return self.looks > 2

    def ifconfig(self):
        return ("192.168.1.77", "", "", "")


def main():
    """Talk until somebody says start."""
    serve(
        Setup(Store(DeviceFiles()), "unix"),
        UsbConsole(),
        wlan=Radio(),
        ticks=Ticks(time.ticks_ms, time.ticks_diff),
        sleep_ms=time.sleep_ms,
        idle=lambda: None,
    )


if __name__ == "__main__":
    main()
