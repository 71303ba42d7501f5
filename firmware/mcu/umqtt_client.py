"""micropython-lib's `umqtt.simple` in the place of our own client: a way to find out who is wrong.

It is what everybody knows, and it waits: that is why a gate uses its own (`firmware/mcu/mqtt.py`).
Chosen with `broker.client = "umqtt"`, this adapter gives it what a gate cannot do without:

- deadlines: on lwIP its `setblocking(True)` forgets every timeout; here that means `STEP_S`;
- the retained flag, which its callback does not tell: it is in a packet's first byte;
- pings by itself, and every filter asked for after every connect.

What it cannot do, and nobody can from outside:

- `begin` waits until TCP, TLS and the broker have answered, up to `STEP_S` each; a half packet
  holds a turn up as long. Nobody is detected meanwhile; the watchdog bears it.
- Messages go out at QoS 0: its QoS 1 waits for the broker in the middle of a turn. The journal
  is sent again until the gateway answers, so no fact is lost by that; an alarm told to the kiosks
  may be.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

STEP_S = 2
MESSAGES_PER_POLL = 4
RETAINED = 0x01


class Watched:
    """A socket whose timeout stays, and that knows a packet's first byte."""

    def __init__(self, sock: "Any") -> None:
        """sock: connected; the timeout is set here."""
        self.first = -1
        self._sock = sock
        sock.settimeout(STEP_S)

    def setblocking(self, is_blocking: bool) -> None:
        """Wait for a step at most, or not at all; a packet begins with the latter."""
        if not is_blocking:
            self.first = -1
        self._sock.settimeout(STEP_S if is_blocking else 0)

    def read(self, count: int) -> "bytes | None":
        """Return what comes, None for nothing yet."""
        came: bytes | None = self._sock.read(count)
        if came and self.first < 0:
            self.first = came[0]
        return came

    def write(self, *given: "Any") -> int:
        """Send."""
        self._sock.settimeout(STEP_S)
        return int(self._sock.write(*given) or 0)

    def close(self) -> None:
        """Close it."""
        self._sock.close()


class UmqttClient:
    """What `firmware/mcu/link.py` wants of a client, by an `umqtt.simple.MQTTClient`."""

    def __init__(self, simple: "Any") -> None:
        """simple: made with name, address, login, keepalive; not connected."""
        self._simple = simple
        self._filters: list[str] = []
        self._events: list[tuple[Any, ...]] = []
        self._is_open = False
        self._ping_ms = 0
        self._pinged_ms: int | None = None
        simple.set_callback(self._heard)

    def set_last_will(
        self, topic: "str | bytes", msg: "str | bytes", retain: bool = False, qos: int = 0
    ) -> None:
        """Set the last will, from the next connect on."""
        self._simple.set_last_will(topic, msg, retain, qos)

    def listen(self, topic_filter: str) -> None:
        """Listen now and after every connect."""
        self._filters.append(topic_filter)
        if self._is_open:
            self._guarded(self._subscribe, topic_filter)

    def begin(self, now_ms: int) -> None:
        """Connect and subscribe; this waits."""
        self._drop()
        self._events = []
        self._is_open = True
        self._ping_ms = now_ms + self._simple.keepalive * 500
        self._pinged_ms = None
        self._guarded(self._connect)

    def poll(self, now_ms: int) -> "list[tuple[Any, ...]]":
        """Return what has happened, as `Connection.poll` does; take a few messages."""
        if self._is_open:
            self._guarded(self._listen_and_ping, now_ms)
        events, self._events = self._events, []
        return events

    def send(self, topic: str, payload: bytes, retain: bool = False, qos: int = 0) -> "int | None":
        """Send at QoS 0, whatever is asked; return 0, or None when not connected."""
        if self._is_open:
            self._guarded(self._simple.publish, topic, payload, retain, 0)
        return 0 if self._is_open else None

    def leave(self) -> None:
        """Say goodbye, so that the will is not published."""
        if self._is_open:
            self._guarded(self._simple.disconnect)
            self._close("left")

    def _connect(self) -> None:
        session = self._simple.connect(True, STEP_S)
        self._simple.sock = Watched(self._simple.sock)
        for topic_filter in self._filters:
            self._subscribe(topic_filter)
        self._events.append(("connected", bool(session)))

    def _subscribe(self, topic_filter: str) -> None:
        self._simple.subscribe(topic_filter, 1)

    def _listen_and_ping(self, now_ms: int) -> None:
        for _ in range(MESSAGES_PER_POLL):
            before = len(self._events)
            self._simple.check_msg()
            if self._simple.sock.first >= 0:
                self._pinged_ms = None  # it lives
            if len(self._events) == before:
                break
        half_ms = self._simple.keepalive * 500
        if self._pinged_ms is not None and now_ms - self._pinged_ms >= half_ms:
            raise OSError("no answer to a ping")
        if half_ms and now_ms >= self._ping_ms:
            self._ping_ms = now_ms + half_ms
            if self._pinged_ms is None:
                self._pinged_ms = now_ms
            self._simple.ping()

    def _heard(self, topic: bytes, payload: bytes) -> None:
        is_retained = bool(self._simple.sock.first & RETAINED) if self._is_watched() else True
        self._events.append(("message", topic.decode(), bytes(payload), is_retained))

    def _is_watched(self) -> bool:
        return isinstance(self._simple.sock, Watched)

    def _guarded(self, action: "Any", *given: "Any") -> None:
        """Do something of the client's; whatever goes wrong ends the connection."""
        try:
            action(*given)
        except Exception as error:  # OSError, MQTTException, or an assert of its own
            self._close(f"{type(error).__name__}: {error}"[:80])

    def _close(self, why: str) -> None:
        if self._is_open:
            self._is_open = False
            self._events.append(("closed", why))
        self._drop()

    def _drop(self) -> None:
        sock = self._simple.sock
        self._simple.sock = None
        self._is_open = self._is_open and sock is None
        if sock is not None:
            sock.close()
