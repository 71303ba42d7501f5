"""Where devices are plugged in, by their configuration alone: two at one place is a mistake.

Nothing is opened. Only drivers that come with Lendgate are looked at: what an option of somebody
else's driver means only its author knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from hardware.known_drivers import INPUTS, OUTPUTS, PRINTERS, READERS, SCANNERS

_KNOWN = frozenset().union(READERS, SCANNERS, PRINTERS, OUTPUTS, INPUTS)
_PINS = ("gpio", "reset_gpio", "irq_gpio")
_PORTS = ("port", "device")

# BCM numbers that a bus takes as soon as it is on (raspberrypi.com/documentation, "SPI"): SCLK,
# MOSI, MISO, and of bus 0 both chip selects, whichever is used.
_BUS_PINS = {0: (7, 8, 9, 10, 11), 1: (19, 20, 21)}
_SELECT_PINS = {1: (18, 17, 16)}
_MFRC522_RESET = 25  # hardware/readers/mfrc522_package.py: the package drives it, asked or not


class _Claim(NamedTuple):
    """A place that a device takes; who shares a bus may take the bus's pins together."""

    place: str
    device: str
    bus: str = ""


def shared_places(described: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each place that two devices take; none when all is well.

    described: section [devices] as written, with sections below it; its options have been read,
    so each has its type. Two names of one port, as /dev/ttyUSB0 and the link to it in
    /dev/serial/by-id, are one place.
    """
    taken: dict[str, _Claim] = {}
    found: dict[tuple[str, str], str] = {}
    for claim in _claims(described, ""):
        first = taken.setdefault(claim.place, claim)
        if first.device != claim.device and not (claim.bus and claim.bus == first.bus):
            pair = (first.device, claim.device)
            found.setdefault(pair, _sentence(first, claim))
    return list(found.values())


def _sentence(first: _Claim, second: _Claim) -> str:
    both = f"[devices.{first.device}] and [devices.{second.device}] both take {first.place}"
    if first.place.startswith("GPIO"):
        return f"{both}: only one of them can work; give the other a pin that is free"
    return f"{both}: only one of them can work; look up the other's with: ls /dev/serial/by-id/"


def _claims(described: Mapping[str, Any], above: str) -> Iterator[_Claim]:
    for name, options in described.items():
        if not isinstance(options, Mapping):
            continue
        device = f"{above}{name}"
        if options.get("driver") in _KNOWN:
            yield from _claims_of(device, options)
        else:
            yield from _claims(options, f"{device}.")


def _claims_of(device: str, options: Mapping[str, Any]) -> Iterator[_Claim]:
    for option in _PINS:
        if option in options:
            yield _Claim(f"GPIO {options[option]}", device)
    for option in _PORTS:
        if option in options:
            yield _Claim(_port(options[option]), device)
    if options["driver"] in ("rc522", "mfrc522"):
        yield from _spi_claims(device, options)


def _spi_claims(device: str, options: Mapping[str, Any]) -> Iterator[_Claim]:
    bus, select = options.get("spi_bus", 0), options.get("spi_device", 0)
    yield _Claim(f"/dev/spidev{bus}.{select}", device)
    for pin in _BUS_PINS.get(bus, ()):
        yield _Claim(f"GPIO {pin}", device, f"SPI {bus}")
    for pin in _SELECT_PINS.get(bus, ())[select : select + 1]:
        yield _Claim(f"GPIO {pin}", device, f"SPI {bus}.{select}")
    if options["driver"] == "mfrc522":
        yield _Claim(f"GPIO {_MFRC522_RESET}", device)


def _port(name: str) -> str:
    """Return the device that a link leads to; other addresses as they are."""
    return str(Path(name).resolve()) if name.startswith("/") else name
