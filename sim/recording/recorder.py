"""Wrappers that write down what crosses a wire, and change nothing of it.

    with Recorder(Path("pad.jsonl"), clock, driver="pad_3m") as recorder:
        line = SerialLine(port, baudrate=19_200, clock=recorder.clock(),
                          open_port=recorder.open_port("pad", serial.serial_for_url))

Give the driver the recorder's clock as well: then the replay can answer each question about the
time as it was answered, and a driver that waits takes the same turns.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from circulation.link import LinkEvent, Received
from hardware.errors import HardwareError
from hardware.ports import Clock, Health, Inventory, Security, TagContent, TagReader
from sim.recording.file import EVENTS_MAX, RecordingFile
from sim.recording.values import answer_doc, error_doc, payload_doc, plain

CAUTION = "may name people: card numbers, titles; look at it before you give it away"


class Recorder(RecordingFile):
    """A recording in the making; its methods wrap wires."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        *,
        driver: str = "",
        note: str = "",
        wires: dict[str, str] | None = None,
        events_max: int = EVENTS_MAX,
    ) -> None:
        """driver: what `lendgate-sim replay` goes through. wires: what is at each one's end."""
        header = {"driver": driver, "wires": wires or {}, "note": note, "caution": CAUTION}
        super().__init__(path, clock, header=header, events_max=events_max)
        self._recorded_clock = clock

    def spi(self, bus: Any, wire: str = "spi0.0") -> "RecordedBus":
        """Wrap anything with `transfer(bytes) -> bytes`."""
        return RecordedBus(self, bus, wire)

    def open_port(self, wire: str, opener: Callable[..., Any]) -> Callable[..., "RecordedPort"]:
        """Wrap what opens a pyserial port; for `SerialLine(open_port=…)`."""

        def opened(*args: Any, **settings: Any) -> RecordedPort:
            try:
                port = opener(*args, **settings)
            except Exception as error:
                self.note(wire, "open", **error_doc(error))
                raise
            self.note(wire, "open", **{"in": None})
            return RecordedPort(self, port, wire)

        return opened

    def gpio(self, module: Any, wire: str = "gpio") -> "RecordedGpio":
        """Wrap a module like `RPi.GPIO`."""
        return RecordedGpio(self, module, wire)

    def link(self, link: Any, wire: str = "mqtt") -> "RecordedLink":
        """Wrap a link's outgoing side; `hear` is for its incoming one."""
        return RecordedLink(self, link, wire)

    def hear(
        self, deliver: Callable[[LinkEvent], Any], wire: str = "mqtt"
    ) -> Callable[[LinkEvent], Any]:
        """Wrap what a link delivers to."""

        def delivered(event: LinkEvent) -> Any:
            self.note(wire, "deliver", event=type(event).__name__, **_event_doc(event))
            return deliver(event)

        return delivered

    def clock(self) -> "RecordedClock":
        """Return the clock to give to the driver."""
        return RecordedClock(self, self._recorded_clock)

    def reader(self, reader: TagReader) -> "RecordedReader":
        """Wrap a driver's port: what it was asked and what came out of it."""
        return RecordedReader(self, reader)


def _event_doc(event: LinkEvent) -> dict[str, Any]:
    if isinstance(event, Received):
        return {"topic": event.topic, "retained": event.retained, **payload_doc(event.payload)}
    return {"why": getattr(event, "why", "")}


class RecordedBus:
    """An SPI bus whose transfers are written down."""

    def __init__(self, recorder: Recorder, bus: Any, wire: str) -> None:
        self._recorder, self._bus, self._wire = recorder, bus, wire

    def transfer(self, data: bytes) -> bytes:
        """Send bytes and return those that came meanwhile."""
        try:
            got = bytes(self._bus.transfer(data))
        except Exception as error:
            self._recorder.note(self._wire, "transfer", out=bytes(data).hex(), **error_doc(error))
            raise
        self._recorder.note(self._wire, "transfer", out=bytes(data).hex(), **{"in": got.hex()})
        return got

    def close(self) -> None:
        """Let go of the bus, if it can be let go of."""
        if hasattr(self._bus, "close"):
            self._bus.close()


class RecordedPort:
    """An open serial port whose calls are written down; everything else passes through."""

    def __init__(self, recorder: Recorder, port: Any, wire: str) -> None:
        self.__dict__.update(_recorder=recorder, _port=port, _wire=wire)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._port, name, value)

    @property
    def in_waiting(self) -> int:
        """How many bytes can be read at once."""
        count: int = self._noted("in_waiting", lambda: self._port.in_waiting)
        return count

    def read(self, size: int = 1) -> bytes:
        """Return so many bytes, or fewer after the timeout."""
        got: bytes = self._noted("read", lambda: bytes(self._port.read(size)), want=size)
        return got

    def write(self, data: bytes) -> int | None:
        """Send bytes."""
        out = bytes(data).hex()
        count: int | None = self._noted("write", lambda: self._port.write(data), out=out)
        return count

    def reset_input_buffer(self) -> None:
        """Forget what was received and not read."""
        self._noted("reset_input_buffer", self._port.reset_input_buffer)

    def close(self) -> None:
        """Let go of the port."""
        self._noted("close", self._port.close)

    def _noted(self, do: str, work: Callable[[], Any], **fields: Any) -> Any:
        try:
            got = work()
        except Exception as error:
            self._recorder.note(self._wire, do, **fields, **error_doc(error))
            raise
        self._recorder.note(self._wire, do, **fields, **{"in": answer_doc(got)})
        return got


class RecordedGpio:
    """A GPIO module whose calls, constants and edges are written down."""

    def __init__(self, recorder: Recorder, target: Any, wire: str, prefix: str = "") -> None:
        self._recorder, self._target, self._wire, self._prefix = recorder, target, wire, prefix
        self._parts = 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        called = f"{self._prefix}{name}"
        if name.startswith("_"):
            return found
        if not callable(found):
            self._recorder.note(self._wire, "constant", name=called, **{"in": plain(found)})
            return found
        return lambda *args, **options: self._call(called, found, args, options)

    def _call(self, name: str, function: Any, args: Any, options: Any) -> Any:
        channel = args[0] if args else None
        given = {key: self._edge(value, channel) for key, value in options.items()}
        wrapped = tuple(self._edge(value, channel) for value in args)
        fields = {"args": plain(args), "options": plain(options)}
        try:
            got = function(*wrapped, **given)
        except Exception as error:
            self._recorder.note(self._wire, name, **fields, **error_doc(error))
            raise
        if got is None or isinstance(got, int | float | str):
            self._recorder.note(self._wire, name, **fields, **{"in": plain(got)})
            return got
        self._parts += 1
        part = f"{name}#{self._parts}."
        self._recorder.note(self._wire, name, **fields, **{"in": None, "part": part})
        return RecordedGpio(self._recorder, got, self._wire, part)

    def _edge(self, value: Any, channel: Any) -> Any:
        """Return a callback that writes its edges down; anything else as it is."""
        if not callable(value):
            return value

        def on_edge(*args: Any) -> Any:
            self._recorder.note(self._wire, "edge", channel=channel, args=plain(args))
            return value(*args)

        return on_edge


class RecordedLink:
    """A link whose outgoing messages are written down."""

    def __init__(self, recorder: Recorder, link: Any, wire: str) -> None:
        self._recorder, self._link, self._wire = recorder, link, wire

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retained: bool = False) -> bool:
        """Hand a message over."""
        sent = bool(self._link.publish(topic, payload, qos=qos, retained=retained))
        fields = {"topic": topic, "qos": qos, "retained": retained, **payload_doc(payload)}
        self._recorder.note(self._wire, "publish", **fields, **{"in": sent})
        return sent

    def subscribe(self, topic_filters: Iterable[str], *, qos: int = 1) -> None:
        """Listen to these filters."""
        filters = list(topic_filters)
        self._recorder.note(self._wire, "subscribe", filters=filters, **{"in": None})
        self._link.subscribe(filters, qos=qos)

    def start(self) -> None:
        """Begin to connect."""
        self._recorder.note(self._wire, "start", **{"in": None})
        self._link.start()

    def stop(self) -> None:
        """Disconnect."""
        self._recorder.note(self._wire, "stop", **{"in": None})
        self._link.stop()

    def reconnect(self, why: str = "") -> None:
        """Close this connection and open a new one."""
        self._recorder.note(self._wire, "reconnect", **{"in": None})
        self._link.reconnect(why)


class RecordedClock:
    """A clock whose answers are written down."""

    def __init__(self, recorder: Recorder, clock: Clock) -> None:
        self._recorder, self._clock = recorder, clock

    def now_ms(self) -> int:
        """See `Clock.now_ms`."""
        return int(self._noted("now_ms", self._clock.now_ms()))

    def wall_ms(self) -> int:
        """See `Clock.wall_ms`."""
        return int(self._noted("wall_ms", self._clock.wall_ms()))

    def wall_is_sure(self) -> bool:
        """See `Clock.wall_is_sure`."""
        return bool(self._noted("wall_is_sure", self._clock.wall_is_sure()))

    def sleep_ms(self, duration_ms: int) -> None:
        """See `Clock.sleep_ms`."""
        self._clock.sleep_ms(duration_ms)
        self._recorder.note("clock", "sleep_ms", args=[duration_ms], **{"in": None})

    def _noted(self, do: str, value: int) -> int:
        self._recorder.note("clock", do, **{"in": value})
        return value


class RecordedReader:
    """A `TagReader` whose questions and answers are written down, at the port."""

    def __init__(self, recorder: Recorder, reader: TagReader) -> None:
        self._recorder, self._reader = recorder, reader

    def inventory(self) -> Inventory:
        """See `TagReader.inventory`."""
        found: Inventory = self._noted("inventory", self._reader.inventory)
        return found

    def read_content(self, uid: str) -> TagContent | None:
        """See `TagReader.read_content`."""
        found: TagContent | None = self._noted("read_content", self._reader.read_content, uid)
        return found

    def get_security(self, uid: str) -> Security:
        """See `TagReader.get_security`."""
        found: Security = self._noted("get_security", self._reader.get_security, uid)
        return found

    def set_security(self, uid: str, security: Security) -> None:
        """See `TagReader.set_security`."""
        self._noted("set_security", self._reader.set_security, uid, security)

    def read(self, uid: str, first: int, count: int) -> bytes:
        """See `TagReader.read`."""
        found: bytes = self._noted("read", self._reader.read, uid, first, count)
        return found

    def write(self, uid: str, first: int, data: bytes) -> None:
        """See `TagReader.write`."""
        self._noted("write", self._reader.write, uid, first, data)

    def health(self) -> Health:
        """See `TagReader.health`."""
        found: Health = self._noted("health", self._reader.health)
        return found

    def close(self) -> None:
        """See `TagReader.close`."""
        self._noted("close", self._reader.close)

    def _noted(self, do: str, work: Callable[..., Any], *args: Any) -> Any:
        fields = {"args": [answer_doc(value) for value in args]}
        try:
            got = work(*args)
        except HardwareError as error:
            self._recorder.note("port", f"port.{do}", **fields, **error_doc(error))
            raise
        self._recorder.note("port", f"port.{do}", **fields, **{"in": answer_doc(got)})
        return got
