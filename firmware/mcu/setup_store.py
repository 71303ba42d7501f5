"""Where a setup keeps what it was told, and how it speaks over USB: the part with I/O.

A configuration is written beside the old one and takes its name when it is whole: a power cut
leaves the old one or the new one, and where the name cannot be taken over (FAT), in the worst
case none, and the setup opens again.
"""

import json

from firmware.mcu.config import FILE, FILE_BYTES_MAX, ConfigInvalid
from firmware.mcu.provision import WIFI_TEST_MS, Setup
from firmware.mcu.update import chosen, trust, trusted
from firmware.mcu.update_install import Install, this_device

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

NEW = "config.new"
POLL_MS = 10


class Store:
    """The flash of a device, to its setup."""

    def __init__(self, files: "Any") -> None:
        """files: open, rename and remove, as `os` and `open` are."""
        self._files = files

    def load(self) -> "dict[str, Any]":
        """Return what is configured, checked or not; nothing if it cannot be read."""
        try:
            with self._files.open(FILE, "rb") as file:
                values = json.loads(file.read(FILE_BYTES_MAX))
        except (OSError, ValueError, RuntimeError):
            values = None
        return values if isinstance(values, dict) else {}

    def save(self, values: "dict[str, Any]") -> None:
        """Write a configuration that was checked; raise ConfigInvalid if it is too long."""
        content = json.dumps(values).encode()
        if len(content) > FILE_BYTES_MAX:
            raise ConfigInvalid(f"config: more than {FILE_BYTES_MAX} bytes")
        with self._files.open(NEW, "wb") as file:
            file.write(content)
        try:
            self._files.rename(NEW, FILE)
        except OSError:  # FAT takes no name that is there
            self._files.remove(FILE)
            self._files.rename(NEW, FILE)

    def trusted(self) -> "list[str]":
        """Return the public keys whose updates are taken, as digits."""
        return [key.hex() for key in trusted(self._files)]

    def trust(self, keys: "list[bytes]") -> None:
        """Take updates of these keys from now on; raise UpdateRefused."""
        trust(self._files, keys)

    def install(self) -> Install:
        """Begin an update; raise UpdateRefused."""
        return Install(self._files, chosen(), this_device(self._files))


class UsbConsole:
    """What is typed over USB, and what is shown there."""

    def __init__(self) -> None:
        """Take over stdin: Ctrl-C is a byte like any other from here on."""
        import sys
        from select import POLLIN, poll

        self._in, self._out = sys.stdin.buffer, sys.stdout.buffer
        self._poller = poll()
        self._poller.register(sys.stdin, POLLIN)

    def read(self) -> bytes:
        """Return the next byte, or nothing."""
        return self._in.read(1) if self._poller.poll(0) else b""

    def write(self, content: bytes) -> None:
        """Show it."""
        self._out.write(content)


def serve(
    setup: Setup,
    console: "Any",
    *,
    wlan: "Any",
    ticks: "Any",
    sleep_ms: "Callable[[int], None]",
    idle: "Callable[[], None]",
) -> None:
    """Talk until somebody says `start`.

    wlan: `network.WLAN`, only used for `wifi`. ticks: `firmware/mcu/clock.py`. idle: called
    between two looks, for the lamp and the watchdog.
    """
    console.write(setup.hello())
    while not setup.is_over:
        given = console.read()
        if not given:
            idle()
            sleep_ms(POLL_MS)
            continue
        said = setup.receive(given)
        if said:
            console.write(said)
        if setup.wants_wifi_test:
            works, text = try_wifi(setup.values["wifi"], wlan, ticks, sleep_ms, idle)
            console.write(setup.answer(text, works))


def try_wifi(
    options: "dict[str, Any]",
    wlan: "Any",
    ticks: "Any",
    sleep_ms: "Callable[[int], None]",
    idle: "Callable[[], None]",
) -> "tuple[bool, str]":
    """Return whether the network lets us in, and in which words."""
    until_ms = ticks.now_ms() + WIFI_TEST_MS
    try:
        wlan.active(True)
        wlan.disconnect()
        wlan.connect(options["ssid"], options.get("password") or None)
        while not wlan.isconnected():
            if ticks.now_ms() >= until_ms:
                return (
                    False,
                    f"nothing heard in {WIFI_TEST_MS // 1000} s; check name and password",
                )
            idle()
            sleep_ms(POLL_MS)
        return True, f"joined, address {wlan.ifconfig()[0]}"
    except OSError as error:
        return False, f"the radio refuses: error {error.args[0]}"
