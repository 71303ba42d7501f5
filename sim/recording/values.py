"""Answers and errors as JSON values, and back."""

from typing import Any

from hardware import errors
from hardware.errors import HardwareError
from hardware.ports import Health, Inventory, Security, TagContent
from sim.remote_lines import content_doc, error_from, health_doc, inventory_doc


def answer_doc(value: Any) -> Any:
    """Return what a call returned as JSON values; bytes as hex."""
    if isinstance(value, bytes | bytearray):
        return bytes(value).hex()
    if isinstance(value, Inventory):
        return plain(inventory_doc(value))
    if isinstance(value, TagContent):
        return plain(content_doc(value))
    if isinstance(value, Health):
        return plain(health_doc(value))
    if isinstance(value, Security):
        return value.value
    return value


def error_doc(error: Exception) -> dict[str, Any]:
    """Return an error as the fields of an event."""
    return {
        "error": type(error).__name__,
        "message": str(error),
        "uid": getattr(error, "uid", ""),
        "errno": getattr(error, "errno", None),
    }


def error_of(event: dict[str, Any]) -> Exception | None:
    """Return the error an event recorded: our own by its class, pyserial's as its own, others as
    OSError, which is what drivers expect of a wire.
    """
    name = event.get("error")
    if name is None:
        return None
    if hasattr(errors, str(name)) and issubclass(getattr(errors, str(name)), HardwareError):
        return error_from(event)
    message, number = str(event.get("message")), event.get("errno")
    if name in ("SerialException", "SerialTimeoutException", "PortNotOpenError"):
        import serial

        kind = getattr(serial, name, serial.SerialException)
        made: Exception = kind(message) if number is None else kind(number, message)
        return made
    return OSError(number, message) if isinstance(number, int) else OSError(message)


def plain(value: Any) -> Any:
    """Return arguments as JSON values; what is none of them by what it is."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, bytes):
        return value.hex()
    return "callback" if callable(value) else type(value).__name__


def payload_doc(payload: bytes) -> dict[str, str]:
    """Return a message's payload: as text if it is one, else as hex."""
    try:
        return {"text": payload.decode("utf-8")}
    except UnicodeDecodeError:
        return {"hex": payload.hex()}


def payload_of(event: dict[str, Any]) -> bytes:
    """Return the payload of `payload_doc`."""
    if "hex" in event:
        return bytes.fromhex(event["hex"])
    return str(event.get("text", "")).encode()
