"""Drivers that a recording can be made of and replayed through by name alone.

What was asked at the port is in the recording too. So a replay needs no code: the driver of today
is asked the same again over the recorded wire, and must answer the same.
"""

from collections.abc import Callable
from typing import Any, Protocol

from hardware.errors import HardwareError
from hardware.ports import Clock, Security, TagReader
from hardware.serial_line import SerialLine
from sim.errors import RecordingInvalid, ReplayDiffers
from sim.recording.file import Event, Recording
from sim.recording.recorder import Recorder
from sim.recording.replay import Replay
from sim.recording.values import answer_doc, error_doc

PORT = "port"


class Wires(Protocol):
    """What a driver is built on: a recorder's wires, or a replay's."""

    def spi(self) -> Any:
        """Return the bus."""

    def open_port(self) -> Callable[..., Any]:
        """Return what opens the serial port."""

    def clock(self) -> Clock:
        """Return the clock."""


class ReplayWires:
    """The wires of a replay."""

    def __init__(self, replay: Replay, wire: str) -> None:
        self._replay, self._wire = replay, wire

    def spi(self) -> Any:
        """See `Wires.spi`."""
        return self._replay.spi(self._wire)

    def open_port(self) -> Callable[..., Any]:
        """See `Wires.open_port`."""
        return self._replay.open_port(self._wire)

    def clock(self) -> Clock:
        """See `Wires.clock`."""
        return self._replay.clock()


class RecorderWires:
    """The wires of a recorder around real ones."""

    def __init__(self, recorder: Recorder, wire: str, *, bus: Any = None, opener: Any = None):
        self._recorder, self._wire, self._bus, self._opener = recorder, wire, bus, opener

    def spi(self) -> Any:
        """See `Wires.spi`."""
        return self._recorder.spi(self._bus, self._wire)

    def open_port(self) -> Callable[..., Any]:
        """See `Wires.open_port`."""
        return self._recorder.open_port(self._wire, self._opener)

    def clock(self) -> Clock:
        """See `Wires.clock`."""
        return self._recorder.clock()


def _rc522(wires: Wires, _port: str) -> TagReader:
    from hardware.readers.rc522 import Rc522Reader

    return Rc522Reader(wires.spi(), wires.clock(), name="recorded")


def _pad_3m(wires: Wires, port: str) -> TagReader:
    from hardware.readers.serial_pad import Pad3m

    clock = wires.clock()
    return Pad3m(_line(wires, clock, port, 19_200, "N"), clock, name="recorded")


def _pad_feig(wires: Wires, port: str) -> TagReader:
    from hardware.readers.serial_pad import PadFeig

    clock = wires.clock()
    return PadFeig(_line(wires, clock, port, 38_400, "E"), clock, name="recorded")


def _line(wires: Wires, clock: Clock, port: str, baudrate: int, parity: str) -> SerialLine:
    opener = wires.open_port()
    return SerialLine(port, baudrate=baudrate, parity=parity, clock=clock, open_port=opener)


DRIVERS: dict[str, tuple[str, Callable[[Wires, str], TagReader]]] = {
    "rc522": ("mfrc522", _rc522),
    "pad_3m": ("pad_3m", _pad_3m),
    "pad_feig": ("pad_feig", _pad_feig),
}
"""By name: what is at the wire's end, and how the reader is built on wires and a port's name."""


def replay_through(recording: Recording) -> int:
    """Ask the recording's driver everything again; return how many answers were compared.

    Raises `ReplayDiffers` at the first difference on a wire or at the port, `RecordingInvalid`
    for a recording that names no driver we have or holds no question at the port.
    """
    name = recording.header.get("driver")
    if name not in DRIVERS:
        known = ", ".join(DRIVERS)
        raise RecordingInvalid(
            f"{recording.file}: made through {name or 'no driver'!r}; there are {known}"
        )
    asked = [
        (event, line)
        for event, line in zip(recording.events, recording.lines, strict=True)
        if event["wire"] == PORT
    ]
    if not asked:
        raise RecordingInvalid(f"{recording.file}: no question at the port was recorded")
    replay = Replay(recording)
    wire = next(iter(recording.wires), "spi0.0")
    reader = DRIVERS[name][1](ReplayWires(replay, wire), str(recording.header.get("port", wire)))
    for event, line in asked:
        _compare(reader, event, f"{recording.file}:{line}")
        replay.take(PORT)
    replay.finish()
    return len(asked)


def _compare(reader: TagReader, event: Event, where: str) -> None:
    do = event["do"].removeprefix("port.")
    if do not in _QUESTIONS:
        raise RecordingInvalid(f"{where}: no question {do!r} is asked of a reader")
    then = {key: event.get(key) for key in ("in", "error", "message", "uid")}
    again = _asked_again(reader, do, event)
    now = {key: again.get(key) for key in then}
    if _essence(then, do) != _essence(now, do):
        raise ReplayDiffers(
            f"{where}: {do} answers otherwise\n  recorded: {_told(then)}\n  now:      {_told(now)}"
        )


def _asked_again(reader: TagReader, do: str, event: Event) -> dict[str, Any]:
    try:
        got = _QUESTIONS[do](reader, *event.get("args", ()))
    except HardwareError as error:
        return error_doc(error)
    except (TypeError, ValueError) as error:
        raise RecordingInvalid(f"{do}: not a question to a reader ({error})") from error
    return {"in": answer_doc(got)}


def _essence(answer: dict[str, Any], do: str) -> Any:
    """Return what must be equal: an answer, a kind of error and its tag; never its wording."""
    if answer["error"]:
        return answer["error"], answer["uid"]
    return answer["in"][:1] if do == "health" and answer["in"] else answer["in"]


_QUESTIONS: dict[str, Callable[..., Any]] = {
    "inventory": lambda reader: reader.inventory(),
    "read_content": lambda reader, uid: reader.read_content(uid),
    "get_security": lambda reader, uid: reader.get_security(uid),
    "set_security": lambda reader, uid, word: reader.set_security(uid, Security(word)),
    "read": lambda reader, uid, first, count: reader.read(uid, first, count),
    "write": lambda reader, uid, first, data: reader.write(uid, first, bytes.fromhex(data)),
    "health": lambda reader: reader.health(),
    "close": lambda reader: reader.close(),
}


def _told(answer: dict[str, Any]) -> str:
    if answer["error"]:
        return f"{answer['error']}: {answer['message']}"
    return str(answer["in"])
