"""The link to the broker: the one place where `circulation` does I/O.

Laws:
1. A message is sent on the connection that was open when it was given, or never: each
   connection is a new client with an empty queue. The journal is the queue, not the link.
2. What the broker acknowledges proves nothing. `publish` says whether a message was handed
   over; only an answer of the gateway says that it arrived.
3. Nothing that `deliver` raises reaches the network thread. There, an exception would end the
   thread while the client still says that it is connected.
4. The link comes back by itself: the first time within 0.2 s, then with doubling jittered
   waits. A connection that was accepted and then thrown out soon, as two stations with one id
   do to each other, counts as a failure too.
"""

import contextlib
import logging
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from circulation.errors import LinkUnavailable, LinkUncertain
from circulation.sync.backoff import Backoff

FIRST_RECONNECT_MS_MAX = 200
RECONNECT_FIRST_MS = 500
RECONNECT_MS_MAX = 30_000
CONNECT_TIMEOUT_S = 10
GOODBYE_TIMEOUT_S = 1
LASTING_S = 10  # a connection shorter than this does not begin the waits anew
QUEUED_MESSAGES_MAX = 64
INFLIGHT_MESSAGES_MAX = 20
QOS_MAX = 1  # QoS 2 promises between hops what our own ids promise end to end

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the broker is and who we are to it; with a ca_file the link is TLS."""

    host: str
    port: int
    username: str | None = None
    password: str | None = None
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None


@dataclass(frozen=True, slots=True)
class Connected:
    """A new connection is up and its subscriptions are on their way."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection is gone; what was under way may or may not have arrived."""

    why: str


@dataclass(frozen=True, slots=True)
class NotConnected:
    """An attempt to connect failed; another one follows."""

    why: str


@dataclass(frozen=True, slots=True)
class Received:
    """A message came in; a retained one says nothing about now."""

    topic: str
    payload: bytes
    retained: bool


LinkEvent = Connected | Disconnected | NotConnected | Received


class _Connection:
    """One connection to the broker, from its first byte to its last."""

    def __init__(self, client: paho.Client) -> None:
        self.client = client
        self.answered = threading.Event()
        self.ended = threading.Event()
        self.closed = threading.Event()
        self.is_up = False
        self.why = "no answer"

    def end(self, why: str) -> None:
        if not self.ended.is_set():
            self.why = why
        self.ended.set()
        self.answered.set()


class Link:
    """A connection to one broker that is kept up; methods may be called from any thread."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        client_id: str,
        will: tuple[str, bytes] | None,
        keepalive_s: int = 30,
        deliver: Callable[[LinkEvent], None],
        random_below: Callable[[int], int] = secrets.randbelow,
    ) -> None:
        """will: topic and payload of the last will, retained at QoS 1.

        deliver is called from the link's threads, one event at a time in order, and should
        only put the event on a queue.
        """
        self._endpoint = endpoint
        self._client_id = client_id
        self._will = will
        self._keepalive_s = keepalive_s
        self._deliver = deliver
        self._random_below = random_below
        self._filters: dict[str, int] = {}
        self._lock = threading.Lock()
        self._connection: _Connection | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._trouble: str | None = None

    @property
    def is_connected(self) -> bool:
        """Return whether the broker has accepted us; a dead peer shows only with time."""
        connection = self._connection
        return connection is not None and connection.is_up

    @property
    def trouble(self) -> str | None:
        """Return why the last attempt failed or the last connection ended, None when up."""
        return self._trouble

    def start(self) -> None:
        """Begin to connect, and return at once; calling it again does nothing."""
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._run, name=f"link {self._client_id}", daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        """Disconnect in order, so the broker does not publish the last will; idempotent.

        Not to be called from `deliver`, whose thread it waits for.
        """
        self._stopping.set()
        self.reconnect()
        if self._thread is not None:
            self._thread.join()

    def reconnect(self, why: str = "asked to") -> None:
        """Close this connection and open a new one; used when the other side has gone quiet."""
        connection = self._connection
        if connection is not None:
            connection.end(why)

    def set_will(self, topic: str, payload: bytes) -> None:
        """Set the last will from the next connection on."""
        self._will = (topic, payload)

    def subscribe(self, topic_filters: Iterable[str], *, qos: int = 1) -> None:
        """Listen to these filters, now and after every reconnect."""
        with self._lock:
            added = dict.fromkeys(topic_filters, qos)
            self._filters.update(added)
            connection = self._connection
            if added and connection is not None and connection.is_up:
                connection.client.subscribe(list(added.items()))

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retained: bool = False) -> bool:
        """Hand a message over; False is definite: it was not sent and will not be.

        True is indefinite, whatever the broker acknowledges. Raise ValueError for a topic
        with a wildcard or a QoS that is not used here.
        """
        return self._handed_over(topic, payload, qos, retained) is not None

    def publish_and_wait(
        self, topic: str, payload: bytes, *, timeout_s: float, retained: bool = False
    ) -> None:
        """Publish a last word before stopping and wait until the broker has it.

        Raise LinkUnavailable if it was not sent, LinkUncertain if it may have been.
        """
        handed_over = self._handed_over(topic, payload, 1, retained)
        if handed_over is None:
            raise LinkUnavailable(f"link {self._client_id}: not connected; nothing was sent")
        with contextlib.suppress(RuntimeError):  # the connection ended meanwhile
            handed_over.wait_for_publish(timeout_s)
        if not handed_over.is_published():
            raise LinkUncertain(
                f"link {self._client_id}: the broker did not take {topic} within {timeout_s} s;"
                " it may have it all the same, and sending it again is harmless"
            )

    def _handed_over(
        self, topic: str, payload: bytes, qos: int, retained: bool
    ) -> paho.MQTTMessageInfo | None:
        if not 0 <= qos <= QOS_MAX:
            raise ValueError(f"link: QoS {qos} is not used here; our own ids make QoS 1 enough")
        connection = self._connection
        if connection is None or not connection.is_up:
            return None
        handed_over = connection.client.publish(topic, payload, qos, retained)
        return handed_over if handed_over.rc == paho.MQTT_ERR_SUCCESS else None

    def _run(self) -> None:
        waits = Backoff(RECONNECT_FIRST_MS, RECONNECT_MS_MAX, self._random_below)
        is_first_wait = True
        while not self._stopping.is_set():
            began = time.monotonic()
            self._connect_once()
            if time.monotonic() - began >= LASTING_S:
                waits.reset()
                is_first_wait = True
            wait_ms = waits.next_ms()
            if is_first_wait:
                wait_ms = self._random_below(FIRST_RECONNECT_MS_MAX + 1)
            is_first_wait = False
            self._stopping.wait(wait_ms / 1000)

    def _connect_once(self) -> None:
        """Connect, stay while the connection lasts, and clean up after it."""
        connection = self._new_connection()
        with self._lock:
            self._connection = connection
        if self._stopping.is_set():
            return
        try:
            connection.client.connect(
                self._endpoint.host, self._endpoint.port, keepalive=self._keepalive_s
            )
        except (OSError, ValueError) as error:
            self._trouble = f"cannot reach {self._endpoint.host}: {error}"
            self._tell(NotConnected(self._trouble))
            return
        connection.client.loop_start()
        if not connection.answered.wait(CONNECT_TIMEOUT_S):
            connection.end(f"no answer within {CONNECT_TIMEOUT_S} s")
        connection.ended.wait()
        self._close(connection)

    def _close(self, connection: _Connection) -> None:
        was_up, connection.is_up = connection.is_up, False
        self._trouble = connection.why
        connection.client.disconnect()
        if not connection.closed.wait(GOODBYE_TIMEOUT_S):
            # The peer takes no bytes any more, and the network thread waits to send its
            # goodbye until the keepalive has run out. Nobody waits that long here.
            _shut(connection.client)
        connection.client.loop_stop()
        self._tell(Disconnected(connection.why) if was_up else NotConnected(connection.why))

    def _new_connection(self) -> _Connection:
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            clean_session=True,
            protocol=paho.MQTTv311,
            reconnect_on_failure=False,
        )
        client.connect_timeout = float(CONNECT_TIMEOUT_S)
        client.max_queued_messages_set(QUEUED_MESSAGES_MAX)
        client.max_inflight_messages_set(INFLIGHT_MESSAGES_MAX)
        if self._endpoint.username is not None:
            client.username_pw_set(self._endpoint.username, self._endpoint.password)
        if self._endpoint.ca_file is not None:
            client.tls_set(
                self._endpoint.ca_file, self._endpoint.cert_file, self._endpoint.key_file
            )
        if self._will is not None:
            client.will_set(*self._will, qos=1, retain=True)
        connection = _Connection(client)
        self._attach(connection)
        return connection

    def _attach(self, connection: _Connection) -> None:
        def on_connect(_c: Any, _u: Any, _f: Any, reason: Any, _p: Any) -> None:
            if reason.is_failure:
                connection.end(f"the broker refused us: {reason}")
            else:
                self._guarded(self._on_up, connection)

        def on_disconnect(_c: Any, _u: Any, _f: Any, reason: Any, _p: Any) -> None:
            connection.end(f"the connection ended: {reason}")
            connection.closed.set()

        def on_message(_c: Any, _u: Any, message: paho.MQTTMessage) -> None:
            self._guarded(self._on_message, message)

        def on_subscribe(_c: Any, _u: Any, _m: Any, reasons: list[Any], _p: Any) -> None:
            if any(reason.is_failure for reason in reasons):
                _log.error("link %s: the broker refused a subscription", self._client_id)

        connection.client.on_connect = on_connect
        connection.client.on_disconnect = on_disconnect
        connection.client.on_message = on_message
        connection.client.on_subscribe = on_subscribe

    def _on_up(self, connection: _Connection) -> None:
        with self._lock:
            connection.is_up = True
            self._trouble = None
            if self._filters:
                connection.client.subscribe(list(self._filters.items()))
        connection.answered.set()
        self._tell(Connected())

    def _on_message(self, message: paho.MQTTMessage) -> None:
        self._tell(Received(message.topic, bytes(message.payload), message.retain))

    def _tell(self, event: LinkEvent) -> None:
        self._guarded(self._deliver, event)

    def _guarded(self, action: Callable[[Any], None], argument: object) -> None:
        try:
            action(argument)
        except Exception:
            _log.exception("link %s: an event could not be delivered", self._client_id)


def _shut(client: paho.Client) -> None:
    peer = client.socket()
    if isinstance(peer, socket.socket):
        with contextlib.suppress(OSError):  # it closed itself in this very moment
            peer.shutdown(socket.SHUT_RDWR)
