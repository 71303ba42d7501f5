"""MicroPython's `network` on a board: a radio that joins when the board's surroundings let it."""

from sim.mcu.fake.board_wire import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

STA_IF = 0
AP_IF = 1

STAT_IDLE = 0
STAT_CONNECTING = 1
STAT_GOT_IP = 3

_settings: "dict[str, Any]" = {}


class WLAN:
    """The radio; of a station only."""

    IF_STA = STA_IF
    IF_AP = AP_IF
    PM_NONE = 16

    def __init__(self, interface_id: int = STA_IF) -> None:
        self._config: dict[str, Any] = {"mac": wire().uid[:6], "reconnects": -1}
        self._is_active = False

    def active(self, is_active: "bool | int | None" = None) -> bool:
        """Switch the radio, or return whether it is on."""
        if is_active is not None:
            self._is_active = bool(is_active)
            wire().tell(f"A {int(self._is_active)}")
        return self._is_active

    def connect(
        self,
        ssid: "str | None" = None,
        password: "str | None" = None,
        *,
        bssid: "bytes | None" = None,
    ) -> None:
        """Begin to join a network."""
        if not self._is_active:
            raise OSError(1, "the radio is off")
        self._config["ssid"] = ssid
        wire().tell("J " + (ssid or "").encode().hex())

    def disconnect(self) -> None:
        """Leave the network."""
        wire().tell("Q")

    def isconnected(self) -> bool:
        """Return whether there is a network, with an address."""
        wire().pump()
        return wire().wifi == STAT_GOT_IP

    def status(self, param: "str | None" = None) -> int:
        """Return how far joining is; of `rssi` the strength of the field in dBm."""
        wire().pump()
        return -55 if param == "rssi" else wire().wifi

    def ifconfig(
        self, ip_mask_gateway_dns: "tuple[str, str, str, str] | None" = None
    ) -> "tuple[str, str, str, str]":
        """Return the addresses."""
        return ("192.0.2.7", "255.255.255.0", "192.0.2.1", "192.0.2.1")

    def config(self, param: "str | None" = None, **settings: "Any") -> "Any":
        """Set options, or return one."""
        self._config.update(settings)
        return None if param is None else self._config.get(param)


def country(code: "str | None" = None) -> str:
    """Set, or return, the country whose channels are used."""
    if code is not None:
        _settings["country"] = code
    return str(_settings.get("country", "XX"))


def hostname(name: "str | None" = None) -> str:
    """Set, or return, the name the board goes by."""
    if name is not None:
        _settings["hostname"] = name
    return str(_settings.get("hostname", "board"))
