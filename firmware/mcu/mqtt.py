"""The MQTT client of the gate on a microcontroller: `begin` and `poll`, and umqtt's names.

The gate uses the half that never waits, which `Connection` describes:

    client = MQTTClient("gate-1", "192.0.2.7", user="gate-1", password=secret, keepalive=30)
    client.subscribe("lib/1/…")             # remembered; asked for at every connect
    client.begin(now_ms)
    for event in client.poll(now_ms): …     # every turn of the loop
    pid = client.publish(topic, payload, qos=1)     # None: not taken

The other half is the interface of umqtt.simple 1.8 (micropython-lib), so that programs written
for either run with both. It waits, as umqtt does: `connect` begins it, and from then on `publish`
returns when the message is acknowledged. It differs where umqtt's ways lose messages:
- packet ids go on at 1 after 65,535; umqtt sends 0 then, and brokers close the connection;
- no answer is waited for longer than its deadline: OSError(-1, why), never a hang;
- PINGREQ is sent by itself while one waits, subscriptions are made again after every connect;
- the callback is called when `publish` has its answer, not in the middle of it;
- QoS 2, a wildcard in a topic, too long a message: ValueError instead of an assertion.
"""

import time
from select import poll

from firmware.mcu.clock import Ticks
from firmware.mcu.mqtt_connection import Connection
from firmware.mcu.mqtt_packets import as_bytes, checked_topic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

PORT = 1883
PORT_TLS = 8883
KEEPALIVE_S_MAX = 65_535
SLICE_MS = 20
"""How long the waiting half waits for bytes before it looks at the clock again."""

_POLLIN = 1


class MQTTException(Exception):
    """The broker refused: the return code of CONNACK (1 to 5), or 128 from SUBACK."""


class MQTTClient(Connection):
    """An MQTT 3.1.1 client with the constructor and the methods of umqtt.simple."""

    def __init__(  # noqa: PLR0917 - umqtt's shape, and ours at its end
        self,
        client_id: "str | bytes",
        server: str,
        port: int = 0,
        user: "str | bytes | None" = None,
        password: "str | bytes | None" = None,
        keepalive: int = 0,
        ssl: "Any" = None,
        net: "Any" = None,
    ) -> None:
        """keepalive: seconds, 0 for none. ssl: an SSLContext; `streams.trusting` makes one.

        net: see `Connection`; without one, the socket module is used. Raise ValueError for a
        keepalive out of range.
        """
        if net is None:
            import socket as net
        if not 0 <= keepalive <= KEEPALIVE_S_MAX:
            raise ValueError("keepalive: 0 to 65535 seconds")
        super().__init__(client_id, server, port or (PORT_TLS if ssl else PORT), net)
        self.ssl = ssl
        self.keepalive = keepalive
        if user is not None:
            secret = None if password is None else as_bytes(password)
            self.login = (as_bytes(user), secret)
        self.cb: Callable[[bytes, bytes], None] | None = None
        self._is_waiting_kind = False
        self._undelivered: list[tuple[Any, ...]] = []
        self._clock = _clock()

    def set_callback(self, f: "Callable[[bytes, bytes], None]") -> None:
        """Set what `wait_msg` and `check_msg` call with topic and payload, both bytes."""
        self.cb = f

    def set_last_will(
        self, topic: "str | bytes", msg: "str | bytes", retain: bool = False, qos: int = 0
    ) -> None:
        """Set the last will, from the next connect on. Raise ValueError."""
        if not 0 <= qos <= 2:
            raise ValueError("QoS of a will: 0 to 2")
        self.will = (checked_topic(topic), as_bytes(msg), bool(retain), qos)

    def connect(self, clean_session: bool = True, timeout: "int | None" = None) -> bool:
        """Connect and wait; return whether the broker kept a session.

        timeout: seconds for each answer; without it, the deadlines of `Connection`.
        Raise MQTTException(code) if refused, OSError(-1, why) for all else.
        """
        if timeout is not None:
            self.open_ms_max = self.answer_ms_max = int(timeout * 1000)
        self._undelivered = []
        self._is_waiting_kind = True
        super().begin(self._clock(), clean_session)
        return bool(self._wait_for("connected")[1])

    def begin(self, now_ms: int, clean_session: bool = True) -> None:
        """See `Connection.begin`; from now on no method waits."""
        self._is_waiting_kind = False
        super().begin(now_ms, clean_session)

    def disconnect(self) -> None:
        """Disconnect in order, so that the will is not published."""
        self.leave()
        if self._is_waiting_kind and self._is_open():
            self._wait_for("closed")

    def ping(self) -> None:
        """Send PINGREQ; nothing when not connected. With a keepalive it is sent by itself."""
        if self.is_up and not self._pings:
            self._ping(self.answer_ms_max)
            self._write_or_remember()

    def publish(
        self, topic: "str | bytes", msg: "str | bytes", retain: bool = False, qos: int = 0
    ) -> "int | None":
        """Hand a message over, as `Connection.send` does; after `connect`, wait for PUBACK.

        After `connect`, raise OSError(-1, why) when it may or may not have arrived.
        """
        if not self._is_waiting_kind:
            return self.send(topic, msg, retain, qos)
        self._now_ms = self._clock()
        while (pid := self.send(topic, msg, retain, qos)) is None:
            self._check_open()
            self._turn()
        if pid:
            self._wait_for("acked", pid)
        elif self._fault:
            self._turn()
        self._deliver_all()
        return pid

    def subscribe(self, topic: "str | bytes", qos: int = 0) -> None:
        """Listen, now and after every connect; after `connect`, wait for SUBACK.

        Raise MQTTException(128) if the broker refuses it then, OSError(-1, why) if it is gone.
        """
        if not self._is_waiting_kind:
            self.listen(topic, qos)
            return
        if self.cb is None:
            raise ValueError("set_callback comes before subscribe")
        self._check_open()
        self.listen(topic, qos)
        self._now_ms = self._clock()
        while self._unasked or self._asked:
            self._turn()
        name = as_bytes(topic).decode()
        if ("refused", name) in self._undelivered:
            self._undelivered.remove(("refused", name))
            raise MQTTException(128)
        self._deliver_all()

    def wait_msg(self) -> "int | None":
        """Wait for one message and call the callback; return its first byte's type, 0x30."""
        while not self._deliver_one():
            self._check_open()
            self._turn()
        return 0x30

    def check_msg(self) -> "int | None":
        """Take one message if one is there, without waiting; None if none is.

        Raise OSError(-1, why) when the connection has ended.
        """
        if self._deliver_one():
            return 0x30
        self._check_open()
        self._keep(self.poll(self._clock()))
        return 0x30 if self._deliver_one() else None

    def _is_open(self) -> bool:
        return self._dial is not None

    def _check_open(self) -> None:
        if not self._is_open():
            raise OSError(-1, "not connected")

    def _wait_for(self, kind: str, which: "int | None" = None) -> "tuple[Any, ...]":
        """Wait for one event and return it; the others are kept. Its deadline is `poll`'s."""
        while True:
            for event in self.poll(self._clock()):
                if event[0] == kind and which in (None, event[1]):
                    wanted = event
                    kind = ""
                else:
                    self._keep((event,))
            if not kind:
                return wanted
            self._pause()

    def _turn(self) -> None:
        self._keep(self.poll(self._clock()))
        self._pause()

    def _keep(self, events: "Any") -> None:
        """Keep what is to be delivered; raise for the end of the connection."""
        for event in events:
            if event[0] == "closed":
                if self.refusal:
                    raise MQTTException(self.refusal)
                raise OSError(-1, event[1])
            if event[0] != "acked":
                self._undelivered.append(event)

    def _deliver_one(self) -> bool:
        while self._undelivered:
            event = self._undelivered.pop(0)
            if event[0] == "message":
                if self.cb is not None:
                    self.cb(event[1].encode(), event[2])
                return True
        return False

    def _deliver_all(self) -> None:
        while self._deliver_one():
            pass

    def _pause(self) -> None:
        """Wait until there may be something to read."""
        if self.sock is None or len(self._outbox) or not hasattr(self.net, "socket"):
            time.sleep(0)
            return
        poller = poll()
        poller.register(self.sock, _POLLIN)
        poller.poll(SLICE_MS)


def _clock() -> "Callable[[], int]":
    """Return a clock in milliseconds that never goes back, of either Python."""
    if hasattr(time, "ticks_ms"):
        return Ticks(time.ticks_ms, time.ticks_diff).now_ms  # type: ignore[attr-defined]
    return lambda: time.monotonic_ns() // 1_000_000
