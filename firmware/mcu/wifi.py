"""The wireless network: asked to join, looked at now and then, never waited for.

`network.WLAN` is the only thing used. Its `connect` returns at once on both boards and the radio
goes on by itself; whether it has joined is looked at twice a second.
"""

from circulation.sync.backoff import Backoff

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

LOOK_MS = 500
JOIN_MS = 20_000
"""A WPA2 handshake and DHCP take 2 to 8 s; a try that takes longer hangs."""
RETRY_FIRST_MS = 1_000
RETRY_MS_MAX = 60_000


class Wifi:
    """Keeps the station joined to one network."""

    def __init__(self, wlan: "Any", options: "Any", random_below: "Callable[[int], int]") -> None:
        """wlan: a `network.WLAN` of a station. options: section wifi of the configuration."""
        self.is_up = False
        self.tries = 0
        self._wlan = wlan
        self._ssid = options.ssid
        self._password = options.password
        self._backoff = Backoff(RETRY_FIRST_MS, RETRY_MS_MAX, random_below, RETRY_FIRST_MS // 2)
        self._look_ms = 0
        self._again_ms = 0
        self._joining_until_ms: int | None = None

    def start(self) -> None:
        """Switch the radio on; on a Pico W this takes a second, so it is done before detection."""
        self._wlan.active(True)

    def turn(self, now_ms: int) -> bool:
        """Look, and join again if need be; return whether the network is there."""
        if now_ms < self._look_ms:
            return self.is_up
        self._look_ms = now_ms + LOOK_MS
        try:
            self.is_up = bool(self._wlan.isconnected())
            if self.is_up:
                self._joined()
            else:
                self._join(now_ms)
        except OSError:  # the radio is in the middle of something else
            self._give_up(now_ms)
        return self.is_up

    def _joined(self) -> None:
        if self._joining_until_ms is not None:
            self._joining_until_ms = None
            self._backoff.reset()
            self._again_ms = 0

    def _join(self, now_ms: int) -> None:
        if self._joining_until_ms is not None:
            if now_ms >= self._joining_until_ms:
                self._wlan.disconnect()
                self._give_up(now_ms)
            return
        if now_ms < self._again_ms:
            return
        self.tries += 1
        self._joining_until_ms = now_ms + JOIN_MS
        self._wlan.connect(self._ssid, self._password or None)

    def _give_up(self, now_ms: int) -> None:
        self._joining_until_ms = None
        self._again_ms = now_ms + self._backoff.next_ms()
