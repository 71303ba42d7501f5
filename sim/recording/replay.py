"""The wires of a recording, answering again: anything else asked than was recorded is an error.

    replay = Replay(read_recording(Path("pad.jsonl")))
    reader = Rc522Reader(replay.spi("spi0.0"), replay.clock())
    ...
    replay.finish()     # and nothing was left unasked

Each wire is played in its own order; the clock is a wire too. Edges and incoming messages are
delivered where they stood between the questions, by `deliver`, which every question calls.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from circulation.link import Connected, Disconnected, LinkEvent, NotConnected, Received
from sim.clock import VirtualClock
from sim.errors import RecordingInvalid, ReplayDiffers
from sim.recording.file import Event, Recording
from sim.recording.values import error_of, payload_doc, payload_of, plain
from sim.recording.words import event_words

SHOWN_BEFORE = 4

CLOCK = "clock"


class Replay:
    """A recording being played again. `now_ms` is where it is."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.now_ms = 0
        self._queues: dict[str, deque[int]] = {}
        self._asked_times = 0
        self._before: deque[str] = deque(maxlen=SHOWN_BEFORE)
        for number, event in enumerate(recording.events):
            self._queues.setdefault(event["wire"], deque()).append(number)

    def spi(self, wire: str = "spi0.0") -> "ReplayBus":
        """Return a bus with `transfer(bytes) -> bytes`."""
        return ReplayBus(self, self._known(wire))

    def open_port(self, wire: str) -> Callable[..., "ReplayPort"]:
        """Return what opens the port; for `SerialLine(open_port=…)`."""
        self._known(wire)

        def opened(*_args: Any, **_settings: Any) -> ReplayPort:
            self.ask(wire, "open")
            return ReplayPort(self, wire)

        return opened

    def gpio(self, wire: str = "gpio") -> "ReplayGpio":
        """Return a module like `RPi.GPIO`."""
        return ReplayGpio(self, self._known(wire))

    def link(
        self, deliver: Callable[[LinkEvent], Any] | None = None, wire: str = "mqtt"
    ) -> "ReplayLink":
        """Return a link; `deliver` is given what came in when it was recorded."""
        return ReplayLink(self, self._known(wire), deliver or (lambda event: None))

    def clock(self) -> "ReplayClock | VirtualClock":
        """Return the recorded clock; one that follows the events if none was recorded."""
        return ReplayClock(self) if CLOCK in self._queues else FollowingClock(self)

    def ask(self, wire: str, do: str, **asked: Any) -> Any:
        """Return what was answered to this question, or raise the error it met.

        Raises `ReplayDiffers` when the recording has another question here, or none.
        """
        event = self.peek(wire)
        if event is None:
            raise self._differs(wire, {"wire": wire, "do": do, **asked}, None)
        differing = {key: value for key, value in asked.items() if event.get(key) != value}
        if event["do"] != do or differing:
            raise self._differs(wire, {"wire": wire, "do": do, **asked}, event)
        self.take(wire)
        error = error_of(event)
        if error is not None:
            raise error
        return event

    def peek(self, wire: str) -> Event | None:
        """Return the next event of a wire, None at its end."""
        queue = self._queues.get(wire)
        return self.recording.events[queue[0]] if queue else None

    def take(self, wire: str) -> None:
        """Go on to the wire's next event; one of many equal ones stays until all were asked."""
        number = self._queues[wire][0]
        event = self.recording.events[number]
        self.now_ms = max(self.now_ms, event["t_ms"])
        if wire == CLOCK:
            self._asked_times += 1
            if self._asked_times < event.get("times", 1):
                return
            self._asked_times = 0
        self._queues[wire].popleft()
        if wire != CLOCK:
            where = self.recording.lines[number]
            self._before.append(f"line {where}: {self.words(event)}")

    def words(self, event: Event) -> str:
        """Return an event in words."""
        return event_words(event, self.recording.wires.get(event["wire"], ""))

    def finish(self) -> None:
        """Raise `ReplayDiffers` if a question was recorded and not asked again."""
        for wire, queue in self._queues.items():
            if queue and wire != CLOCK:
                event = self.recording.events[queue[0]]
                raise ReplayDiffers(
                    f"{self.recording.file}:{self.recording.lines[queue[0]]}: never asked: "
                    f"{self.words(event)} (and {len(queue) - 1} more on {wire})"
                )

    def _known(self, wire: str) -> str:
        if wire not in self._queues and wire not in self.recording.wires:
            known = ", ".join(self._queues) or "none"
            raise RecordingInvalid(f"{self.recording.file}: no wire {wire!r}; it has {known}")
        return wire

    def _differs(self, wire: str, asked: Event, event: Event | None) -> ReplayDiffers:
        queue = self._queues.get(wire)
        line = self.recording.lines[queue[0]] if queue else "end"
        recorded = self.words(event) if event else "nothing more on this wire"
        before = "".join(f"\n    {one}" for one in self._before)
        return ReplayDiffers(
            f"{self.recording.file}:{line}: another question than was recorded, "
            f"at {self.now_ms} ms\n  recorded: {recorded}\n  asked:    {self.words(asked)}"
            f"{_first_difference(asked, event)}\n  before:{before or ' nothing'}"
        )


def _first_difference(asked: Event, event: Event | None) -> str:
    if event is None:
        return ""
    for key, value in asked.items():
        was = event.get(key)
        if was == value:
            continue
        if key == "out" and isinstance(was, str):
            at = next((n for n, pair in enumerate(_bytes(was, value)) if pair[0] != pair[1]), 0)
            return f"\n  differs:  byte {at}"
        return f"\n  differs:  {key} was {was!r}, is {value!r}"
    return ""


def _bytes(one: str, other: str) -> Iterable[tuple[str, str]]:
    size = max(len(one), len(other))
    for at in range(0, size, 2):
        yield one[at : at + 2], other[at : at + 2]


class ReplayBus:
    """An SPI bus that answers as it was recorded."""

    def __init__(self, replay: Replay, wire: str) -> None:
        self._replay, self._wire = replay, wire

    def transfer(self, data: bytes) -> bytes:
        """Return what came when these bytes were sent."""
        event = self._replay.ask(self._wire, "transfer", out=bytes(data).hex())
        return bytes.fromhex(event["in"])

    def close(self) -> None:
        """Do nothing: closing was not on the wire."""


class ReplayPort:
    """An open serial port that answers as it was recorded."""

    timeout: float | None = 0

    def __init__(self, replay: Replay, wire: str) -> None:
        self._replay, self._wire = replay, wire

    @property
    def in_waiting(self) -> int:
        """How many bytes could be read."""
        return int(self._replay.ask(self._wire, "in_waiting")["in"])

    def read(self, size: int = 1) -> bytes:
        """Return what was read."""
        return bytes.fromhex(self._replay.ask(self._wire, "read", want=size)["in"])

    def write(self, data: bytes) -> int | None:
        """Send bytes: the same as then."""
        event = self._replay.ask(self._wire, "write", out=bytes(data).hex())
        count: int | None = event["in"]
        return count

    def reset_input_buffer(self) -> None:
        """Forget what was received and not read."""
        self._replay.ask(self._wire, "reset_input_buffer")

    def close(self) -> None:
        """Let go of the port."""
        self._replay.ask(self._wire, "close")


class ReplayGpio:
    """A GPIO module that answers as it was recorded, and calls back for the recorded edges."""

    def __init__(self, replay: Replay, wire: str, prefix: str = "") -> None:
        self._replay, self._wire, self._prefix = replay, wire, prefix
        self._callbacks: dict[Any, Callable[..., Any]] = {}
        self._constants = {
            event["name"]: event["in"]
            for event in replay.recording.events
            if event["wire"] == wire and event["do"] == "constant"
        }

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        called = f"{self._prefix}{name}"
        if called in self._constants:
            return self._constants[called]
        return lambda *args, **options: self._call(called, args, options)

    def deliver(self) -> None:
        """Call back for the edges that come before the next question."""
        while (event := self._replay.peek(self._wire)) is not None:
            if event["do"] not in ("edge", "constant"):
                return
            self._replay.take(self._wire)
            if event["do"] == "edge":
                callback = self._callbacks.get(event["channel"])
                if callback is None:
                    raise ReplayDiffers(
                        f"{self._replay.words(event)}: then somebody listened to this pin"
                    )
                callback(*event["args"])

    def _call(self, name: str, args: Any, options: Any) -> Any:
        self.deliver()
        fields = {"args": plain(args), "options": plain(options)}
        event = self._replay.ask(self._wire, name, **fields)
        for value in (*args, *options.values()):
            if callable(value) and args:
                self._callbacks[args[0]] = value
        part = event.get("part")
        return event["in"] if part is None else ReplayGpio(self._replay, self._wire, part)


class ReplayLink:
    """A link that takes the recorded messages and delivers the recorded ones."""

    def __init__(self, replay: Replay, wire: str, deliver: Callable[[LinkEvent], Any]) -> None:
        self._replay, self._wire, self._deliver = replay, wire, deliver

    def deliver(self) -> None:
        """Deliver what came in before the next thing that went out."""
        while (event := self._replay.peek(self._wire)) is not None and event["do"] == "deliver":
            self._replay.take(self._wire)
            self._deliver(_link_event(event))

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retained: bool = False) -> bool:
        """Hand a message over: the same as then."""
        fields = {"topic": topic, "qos": qos, "retained": retained, **payload_doc(payload)}
        return bool(self._replay.ask(self._wire, "publish", **fields)["in"])

    def subscribe(self, topic_filters: Iterable[str], *, qos: int = 1) -> None:
        """Listen to these filters."""
        self._replay.ask(self._wire, "subscribe", filters=list(topic_filters))

    def start(self) -> None:
        """Begin to connect."""
        self._replay.ask(self._wire, "start")
        self.deliver()

    def stop(self) -> None:
        """Disconnect."""
        self._replay.ask(self._wire, "stop")

    def reconnect(self, why: str = "") -> None:
        """Close this connection and open a new one."""
        self._replay.ask(self._wire, "reconnect")


def _link_event(event: Event) -> LinkEvent:
    if event["event"] == "Received":
        retained = bool(event.get("retained"))
        return Received(str(event.get("topic", "")), payload_of(event), retained)
    if event["event"] == "Connected":
        return Connected()
    kind = Disconnected if event["event"] == "Disconnected" else NotConnected
    return kind(str(event.get("why", "")))


class ReplayClock:
    """A clock that answers as it was recorded."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay

    def now_ms(self) -> int:
        """See `Clock.now_ms`."""
        return int(self._replay.ask(CLOCK, "now_ms")["in"])

    def wall_ms(self) -> int:
        """See `Clock.wall_ms`."""
        return int(self._replay.ask(CLOCK, "wall_ms")["in"])

    def wall_is_sure(self) -> bool:
        """See `Clock.wall_is_sure`."""
        return bool(self._replay.ask(CLOCK, "wall_is_sure")["in"])

    def sleep_ms(self, duration_ms: int) -> None:
        """See `Clock.sleep_ms`."""
        self._replay.ask(CLOCK, "sleep_ms", args=[duration_ms])


class FollowingClock(VirtualClock):
    """A virtual clock that is never behind the replay; for recordings without a clock."""

    def __init__(self, replay: Replay) -> None:
        super().__init__()
        self._replay = replay

    def now_ms(self) -> int:
        """Return the replay's milliseconds, or later ones if somebody slept."""
        behind_ms = self._replay.now_ms - super().now_ms()
        if behind_ms > 0:
            self.advance(behind_ms)
        return super().now_ms()
