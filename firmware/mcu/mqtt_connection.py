"""One MQTT 3.1.1 connection at a time that never makes its caller wait.

Laws:
1. `begin` and `poll` never raise for what the network or the broker does, and never wait: each
   system call returns at once. Whatever goes wrong ends the connection with one event
   `("closed", why)`; when to begin again is the caller's business.
2. A packet is one write. What the socket does not take at once is continued at the next `poll`.
3. Everything has a bound: the receive buffer, the queue, what is in flight, the filters, the work
   of one `poll`, the time of each answer.
4. A message is sent on the connection that was open when it was given, once, or never: after
   `closed` nobody knows what arrived, and the journal asks for it again under its own ids. So
   DUP is never set, and nothing is sent twice.
5. What the broker acknowledges proves nothing about the gateway.
6. Every byte that the broker sends is checked. A packet against the standard closes the
   connection. Only a message too long for the buffer, which may be no fault of the broker's, is
   read past, acknowledged (it would come again and again) and counted in `skipped`.
"""

from firmware.mcu.mqtt_outbox import PACKETS_MAX, Outbox
from firmware.mcu.mqtt_packets import (
    CONNACK,
    DISCONNECT_PACKET,
    PINGREQ_PACKET,
    PINGRESP,
    PUBACK,
    PUBLISH,
    REFUSALS,
    REFUSED_FILTER,
    SUBACK,
    as_bytes,
    checked_filter,
    checked_topic,
    connect_packet,
    puback_packet,
    publish_packet,
    subscribe_packet,
)
from firmware.mcu.mqtt_reader import (
    HEADER,
    PAYLOAD_BYTES_MAX,
    SKIPPED,
    WHOLE,
    Broken,
    PacketReader,
)
from firmware.mcu.streams import Dial, given_or_looked_up

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from firmware.mcu.streams import Stream

OPEN_MS_MAX = 10_000
"""From `begin` until CONNECT is written: the name, TCP and the handshake of TLS."""
ANSWER_MS_MAX = 10_000
"""For CONNACK, PUBACK, SUBACK and PINGRESP, and for a socket that takes no bytes."""
LEAVE_MS_MAX = 2_000
"""For what waits to be written before DISCONNECT."""

SKIPPED_BYTES_MAX = 262_144
"""A longer message closes the connection; brokers are set up to refuse it (docs/protocol.md)."""

INFLIGHT_MAX = 8
PACKET_BYTES_MAX = 16_384 + 512
FILTERS_MAX = 64
SUBSCRIBE_BYTES_MAX = 1_024
STEPS_PER_POLL = 32
PID_MAX = 65_535

IDLE, OPENING, GREETING, ASKING, UP, LEAVING = range(6)


class Connection:
    """An MQTT client on one connection; see the laws. Times are monotonic milliseconds."""

    def __init__(self, client_id: "str | bytes", server: str, port: int, net: "Any") -> None:
        """net: a socket module, or a function of server and port that returns a stream."""
        self.client_id = as_bytes(client_id)
        self.server = server
        self.port = port
        self.net = net
        self.ssl: Any = None
        self.resolve: Callable[[str], str | None] = given_or_looked_up
        self.keepalive = 0
        self.will: tuple[bytes, bytes, bool, int] | None = None
        self.login: tuple[bytes, bytes | None] | None = None
        self.open_ms_max = OPEN_MS_MAX
        self.answer_ms_max = ANSWER_MS_MAX
        self.sock: Stream | None = None
        self.pid = 0
        self.refusal = 0
        self.skipped = 0
        self._reader = PacketReader()
        self._filters: list[tuple[bytes, int]] = []  # a dict there keeps no order
        self._events: list[tuple[Any, ...]] = []
        self._dial: Dial | None = None
        self._phase = IDLE
        self._now_ms = 0
        self._clear()

    def begin(self, now_ms: int, clean_session: bool = True) -> None:
        """Start a new connection; one that was open is dropped, and its will published."""
        self._drop()
        self._events = []
        self._now_ms = now_ms
        self._dial = Dial(self.net, self.server, self.port, self.ssl, self.resolve)
        self._is_clean = clean_session
        self._phase = OPENING
        self._deadline_ms = now_ms + self.open_ms_max
        self.refusal = 0

    def poll(self, now_ms: int) -> "list[tuple[Any, ...]]":
        """Do what can be done now; return what happened, in order.

        ("connected", session_present): subscriptions are on their way.
        ("message", topic, payload, retained): topic a str, payload bytes of its own.
        ("acked", pid): the broker has this message.
        ("refused", topic_filter): the broker lets us not listen to it.
        ("closed", why): nothing more comes until `begin`.
        """
        self._now_ms = now_ms
        if self._phase != IDLE:
            try:
                self._step()
            except Broken as broken:
                self._close(str(broken))
            except (OSError, ValueError, MemoryError) as error:
                self._close(f"{type(error).__name__}: {error}")
        events, self._events = self._events, []
        return events

    @property
    def is_up(self) -> bool:
        """Return whether the broker has accepted us; a dead peer shows only with time."""
        return self._phase == UP

    @property
    def room(self) -> int:
        """Return how many messages of QoS 1 would be taken now, if they are short."""
        if self._phase != UP:
            return 0
        return min(INFLIGHT_MAX - len(self._inflight), self._outbox.room)

    def send(
        self,
        topic: "str | bytes",
        payload: "str | bytes",
        retained: bool = False,
        qos: int = 1,
    ) -> "int | None":
        """Hand a message over: its packet id, 0 at QoS 0; None: it was not taken, nor will be.

        None is definite: not connected, no `room`, or no memory for it. An id is indefinite
        until ("acked", id). Raise ValueError for a wildcard, a QoS but 0 and 1, a message beyond
        16 KiB.
        """
        name, body = checked_topic(topic), as_bytes(payload)
        if qos not in (0, 1):
            raise ValueError("QoS 0 and 1 are used here")
        length = len(name) + len(body) + 9
        if length > PACKET_BYTES_MAX:
            raise ValueError(f"a message of {length} bytes; at most {PACKET_BYTES_MAX} are sent")
        is_full = qos and len(self._inflight) >= INFLIGHT_MAX
        if self._phase != UP or is_full or not self._outbox.has_room(length):
            return None
        pid = self._new_pid() if qos else 0
        try:
            self._queue(publish_packet(name, body, retained=retained, qos=qos, pid=pid))
        except MemoryError:
            return None
        if qos:
            self._inflight[pid] = self._now_ms + self.answer_ms_max
        self._write_or_remember()
        return pid

    def listen(self, topic_filter: "str | bytes", qos: int = 1) -> None:
        """Listen to a filter, now and after every connect. Raise ValueError beyond 64 filters."""
        name = checked_filter(topic_filter)
        if qos not in (0, 1):
            raise ValueError("QoS 0 and 1 are used here")
        others = [known for known in self._filters if known[0] != name]
        if len(others) >= FILTERS_MAX:
            raise ValueError(f"at most {FILTERS_MAX} topic filters")
        others.append((name, qos))
        self._filters = others
        if self._phase == UP:
            self._unasked.append((name, qos))
            self._ask_filters()
            self._write_or_remember()

    def leave(self) -> None:
        """Disconnect in order, so the will is not published; `poll` says when it is done.

        What still waits is written first, for at most two seconds.
        """
        if self._phase == UP:
            self._phase = LEAVING
            self._deadline_ms = self._now_ms + LEAVE_MS_MAX
            self._queue(DISCONNECT_PACKET)
            self._write_or_remember()
        elif self._phase != IDLE:
            self._close("left")

    def _clear(self) -> None:
        self._is_clean = True
        self._deadline_ms = 0
        self._fault = ""
        self._outbox = Outbox()
        self._inflight: dict[int, int] = {}
        self._unasked: list[tuple[bytes, int]] = []
        self._asked: list[tuple[bytes, int]] = []
        self._asked_pid = 0
        self._asked_ms_max = 0
        self._pings = 0
        self._ping_ms_max = 0
        self._sent_ms = self._received_ms = self._now_ms
        self._reader.restart()

    def _drop(self) -> None:
        if self._dial is not None:
            self._dial.close()
        self._dial = self.sock = None
        self._phase = IDLE
        self._clear()

    def _close(self, why: str) -> None:
        self._drop()
        self._events.append(("closed", why))

    def _step(self) -> None:
        if self._fault:
            raise Broken(self._fault)
        if self._phase == OPENING and not self._open():
            return
        if self._phase == GREETING:
            self._greet()
        if self._phase == LEAVING:
            self._go_on_leaving()
        if self._phase >= ASKING:
            self._read()
        if self._phase == UP:
            self._keep_up()
            self._write()
        self._check_deadlines()

    def _open(self) -> bool:
        """Return whether the stream is open and CONNECT waits to be written."""
        assert self._dial is not None
        self.sock = self._dial.step()
        if self.sock is None:
            self._check_deadlines()
            return False
        greeting = connect_packet(
            self.client_id,
            clean=self._is_clean,
            keepalive_s=self.keepalive,
            will=self.will,
            login=self.login,
        )
        self._queue(greeting)
        self._phase = GREETING
        return True

    def _greet(self) -> None:
        self._write()
        if not len(self._outbox):
            self._phase = ASKING
            self._deadline_ms = self._now_ms + self.answer_ms_max

    def _go_on_leaving(self) -> None:
        self._write()
        if not len(self._outbox):
            raise Broken("left")

    def _keep_up(self) -> None:
        """Ask for subscriptions, one packet at a time, and send PINGREQ when it is quiet."""
        self._ask_filters()
        # At half the keepalive, and an answer within the other half: the broker gives us one and
        # a half (3.1.2.10), and a broker that went silent is noticed within one.
        half_ms = self.keepalive * 500
        quiet_ms = self._now_ms - min(self._sent_ms, self._received_ms)
        if half_ms and not self._pings and quiet_ms >= half_ms:
            self._ping(min(half_ms, self.answer_ms_max))

    def _ping(self, within_ms: int) -> None:
        if not self._pings:
            self._ping_ms_max = self._now_ms + within_ms
        self._pings += 1
        self._queue(PINGREQ_PACKET)

    def _ask_filters(self) -> None:
        if not self._unasked or self._asked or not self._outbox.room:
            return
        length = 0
        while self._unasked and (not self._asked or length < SUBSCRIBE_BYTES_MAX):
            length += len(self._unasked[0][0])
            self._asked.append(self._unasked.pop(0))
        self._asked_pid = self._new_pid()
        self._asked_ms_max = self._now_ms + self.answer_ms_max
        self._queue(subscribe_packet(self._asked_pid, self._asked))

    def _new_pid(self) -> int:
        """Return the next packet id, 1 to 65,535 (2.3.1), that nothing in flight has."""
        pid = self.pid % PID_MAX + 1
        while pid in self._inflight or (self._asked and pid == self._asked_pid):
            pid = pid % PID_MAX + 1
        self.pid = pid
        return pid

    def _write_or_remember(self) -> None:
        """Write now, so that an alarm does not wait for the next `poll`, which tells a failure."""
        try:
            self._write()
        except (Broken, OSError, ValueError, MemoryError) as error:
            self._fault = str(error) or type(error).__name__

    def _write(self) -> None:
        assert self.sock is not None
        if len(self._outbox) and self._outbox.write(self.sock, self._now_ms):
            self._sent_ms = self._now_ms

    def _queue(self, packet: "bytes | bytearray") -> None:
        self._outbox.add(packet, self._now_ms)

    def _check_deadlines(self) -> None:
        now_ms = self._now_ms
        if self._phase != UP:
            if now_ms >= self._deadline_ms:
                raise Broken(_LATE[self._phase])
            return
        for deadline_ms in self._inflight.values():
            if now_ms >= deadline_ms:
                raise Broken("no PUBACK in time")
        if self._asked and now_ms >= self._asked_ms_max:
            raise Broken("no SUBACK in time")
        if self._pings and now_ms >= self._ping_ms_max:
            raise Broken("no PINGRESP in time")
        if len(self._outbox) and now_ms - self._outbox.progress_ms >= self.answer_ms_max:
            raise Broken("the socket takes no bytes")

    def _read(self) -> None:
        """Read a bounded number of times; stop while there is no room for acknowledgements."""
        sock, reader = self.sock, self._reader
        assert sock is not None
        for _ in range(STEPS_PER_POLL):
            if len(self._outbox) > PACKETS_MAX:
                return
            got = reader.step(sock)
            if got is None:
                return
            self._received_ms = self._now_ms
            if got == HEADER:
                self._check_header(reader.first, reader.remaining)
            elif got == WHOLE:
                self._take(reader)
            elif got == SKIPPED:
                self.skipped += 1
                self._acknowledge(reader.skipped_pid)

    def _check_header(self, first: int, remaining: int) -> None:
        """Refuse a packet by its type, flags and length, before its body is waited for."""
        if self._phase == ASKING:
            if first != CONNACK:
                raise Broken("the first packet is not CONNACK")
            is_right = remaining == 2
        elif first & 0xF0 == PUBLISH:
            if first & 0x06 > 0x02:
                raise Broken("a message of QoS 2, which was not asked for")
            if remaining > SKIPPED_BYTES_MAX:
                raise Broken("a message longer than 262144 bytes")
            is_right = remaining >= (5 if first & 0x02 else 3)
        elif first == SUBACK:
            is_right = bool(self._asked) and remaining == 2 + len(self._asked)
        elif first == PUBACK:
            is_right = remaining == 2
        elif first == PINGRESP:
            is_right = remaining == 0
        else:
            raise Broken(f"a packet that begins with {first:02x}, which no broker sends here")
        if not is_right:
            raise Broken(f"a packet {first:02x} of {remaining} bytes, out of place")

    def _take(self, reader: PacketReader) -> None:
        """Obey a whole packet whose header is sound."""
        first = reader.first
        if first & 0xF0 == PUBLISH:
            self._take_message(reader)
        elif first == PINGRESP:
            self._take_pingresp()
        elif first == CONNACK:
            self._take_connack(reader.byte(0), reader.byte(1))
        elif first == PUBACK:
            pid = reader.number(0)
            if self._inflight.pop(pid, None) is None:
                raise Broken("PUBACK for a message that is not in flight")
            self._events.append(("acked", pid))
        else:
            self._take_suback(reader)

    def _take_connack(self, flags: int, code: int) -> None:
        if flags > 1 or code > len(REFUSALS) or (flags and code):
            raise Broken("CONNACK against the standard")
        if code:
            self.refusal = code
            raise Broken(f"the broker refused us: {REFUSALS[code - 1]}")
        self._phase = UP
        self._unasked = list(self._filters)
        self._events.append(("connected", flags == 1))

    def _take_suback(self, reader: PacketReader) -> None:
        if reader.number(0) != self._asked_pid:
            raise Broken("SUBACK for another packet")
        place = 2
        for name, _ in self._asked:
            code = reader.byte(place)
            place += 1
            if code == REFUSED_FILTER:
                self._events.append(("refused", name.decode()))
            elif code > 2:
                raise Broken("SUBACK against the standard")
        self._asked = []

    def _take_pingresp(self) -> None:
        if not self._pings:
            raise Broken("PINGRESP that nobody asked for")
        self._pings -= 1
        self._ping_ms_max = self._now_ms + self.answer_ms_max

    def _take_message(self, reader: PacketReader) -> None:
        topic, payload, is_retained, pid = reader.message()
        if len(payload) > PAYLOAD_BYTES_MAX:
            self.skipped += 1
        elif self._phase == UP:
            self._events.append(("message", topic, payload, is_retained))
        self._acknowledge(pid)

    def _acknowledge(self, pid: int) -> None:
        if pid and self._phase == UP:
            self._queue(puback_packet(pid))


_LATE = {
    OPENING: "no connection in time",
    GREETING: "no connection in time",
    ASKING: "no CONNACK in time",
    LEAVING: "left, with messages unsent",
}
