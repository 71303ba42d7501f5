"""`sim://NAME`: simulated serial devices for pyserial, in the same process.

    plug("pad-1", SimPad3M(clock))
    port = serial.serial_for_url("sim://pad-1", baudrate=19200, timeout=0.5)

Time is the device's clock. On a virtual clock a blocking read jumps to the next byte or to its
time-out, whichever comes first: nothing ever waits, and the same test always sees the same bytes.
"""

import threading

from sim.errors import WorldError
from sim.serial.device import SimSerialDevice

HANDLER = "sim.serial.protocol_sim"
"""The module that pyserial loads for `sim://`; it looks for it in the packages it knows."""

_lock = threading.Lock()
_devices: dict[str, SimSerialDevice] = {}


def plug(name: str, device: SimSerialDevice) -> str:
    """Give a device its name on this machine and return its URL.

    Raises `WorldError` when the name is taken by another device or is none: letters, digits,
    `-`, `_` and `.`, as in a path.
    """
    import serial

    if not name or not all(sign.isalnum() or sign in "-_." for sign in name):
        raise WorldError(f"serial device {name!r}: use letters, digits, '-', '_' and '.'")
    with _lock:
        if _devices.setdefault(name, device) is not device:
            raise WorldError(f"serial device {name!r}: the name is taken; remove it first")
        package = HANDLER.rpartition(".")[0]
        if package not in serial.protocol_handler_packages:
            serial.protocol_handler_packages.append(package)
    return f"sim://{name}"


def remove(name: str) -> None:
    """Take a name back; ports that are open go on. An unknown name is no error."""
    with _lock:
        _devices.pop(name, None)


def device_named(name: str) -> SimSerialDevice | None:
    """Return the device of that name, None when there is none."""
    with _lock:
        return _devices.get(name)
