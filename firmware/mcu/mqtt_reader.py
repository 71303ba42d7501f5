"""Packets out of a stream, into one buffer that is allocated once.

A packet is read in two or three parts, its header byte by byte, so that it always begins at the
start of the buffer and nothing is ever moved. A message that is too long for the buffer is read
past: its beginning, with topic and packet id, stays.
"""

from firmware.mcu.mqtt_packets import is_utf8

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.mcu.streams import Stream

PAYLOAD_BYTES_MAX = 4096
TOPIC_BYTES_MAX = 256
"""As circulation/wire/limits.py and topics.py have it for gates."""

PARTIAL, HEADER, WHOLE, SKIPPED = range(4)

_BUFFER_BYTES = 5 + 2 + TOPIC_BYTES_MAX + 2 + PAYLOAD_BYTES_MAX
_HEADER_BYTES_MIN, _HEADER_BYTES_MAX = 2, 5
_OF_QOS_1 = 0x02
_RETAINED = 0x01


class Broken(Exception):
    """The connection must end; the message says why."""


class PacketReader:
    """Reads one packet after the other; `first` and `remaining` are the present one's header."""

    def __init__(self) -> None:
        """Allocate the buffer."""
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))
        self.restart()

    def restart(self) -> None:
        """Forget what was read, for a new stream."""
        self.first = 0
        self.remaining = 0
        self.body_at = 0
        self._have = 0
        self._need = _HEADER_BYTES_MIN
        self.skipped_pid = 0
        self._left = 0
        self._is_whole = False

    def step(self, stream: "Stream") -> "int | None":
        """Read once; None when nothing is there.

        PARTIAL: more of it came. HEADER: `first` and `remaining` are known, look at them now.
        WHOLE: the packet is there until the next step. SKIPPED: a message was read past; its
        packet id is there until the next step. Raise Broken at the end of the stream.
        """
        if self._is_whole:
            self.restart()
        if self.body_at and self._have == self._need == self.body_at + self.remaining:
            return self._whole(WHOLE)  # nothing follows the header
        view = self._buffer
        if self._left:
            count = stream.readinto(view[: min(self._left, _BUFFER_BYTES)])
        else:
            count = stream.readinto(view[self._have : self._need])
        if count is None:
            return None
        if not count:
            raise Broken("the broker closed the connection")
        if self._left:
            self._left -= count
            return PARTIAL if self._left else self._whole(SKIPPED)
        self._have += count
        return PARTIAL if self._have < self._need else self._go_on()

    def byte(self, place: int) -> int:
        """Return a byte of the body."""
        return self._buffer[self.body_at + place]

    def number(self, place: int) -> int:
        """Return the two bytes from there as a number, the high one first (1.5.2)."""
        return self.byte(place) << 8 | self.byte(place + 1)

    def message(self) -> "tuple[str, bytes, bool, int]":
        """Return topic, payload, whether it is retained, and the packet id, 0 at QoS 0.

        Raise Broken for what 3.3 forbids.
        """
        view, payload_at = self._buffer, self._payload_at()
        topic = view[self.body_at + 2 : self.body_at + 2 + self.number(0)]
        if not is_utf8(topic):
            raise Broken("a message whose topic is against the standard")
        name = str(topic, "utf-8")
        if "#" in name or "+" in name:
            raise Broken("a message whose topic is against the standard")
        payload = bytes(view[payload_at : self.body_at + self.remaining])
        return name, payload, self.first & _RETAINED != 0, self._pid(payload_at)

    def _go_on(self) -> int:
        if self.body_at:
            if self._have == self.body_at + self.remaining:
                return self._whole(WHOLE)
            self._begin_skip()
            return PARTIAL
        view, have = self._buffer, self._have
        if view[have - 1] & 0x80:
            if have == _HEADER_BYTES_MAX:
                raise Broken("a remaining length of more than four bytes")
            self._need = have + 1
            return PARTIAL
        remaining = 0
        for place in range(have - 1, 0, -1):
            remaining = remaining << 7 | view[place] & 0x7F
        self.first, self.remaining, self.body_at = view[0], remaining, have
        self._need = min(have + remaining, _BUFFER_BYTES)
        return HEADER

    def _whole(self, what: int) -> int:
        self._is_whole = True
        return what

    def _payload_at(self) -> int:
        """Return where the payload begins; raise Broken when topic and id do not fit."""
        of_id = self.first & _OF_QOS_1  # two bytes
        length = self.number(0)
        if not length or 2 + length + of_id > min(self.remaining, _BUFFER_BYTES - self.body_at):
            raise Broken("a message whose topic is against the standard")
        return self.body_at + 2 + length + of_id

    def _pid(self, payload_at: int) -> int:
        if not self.first & _OF_QOS_1:
            return 0
        pid = self.number(payload_at - 2 - self.body_at)
        if not pid:
            raise Broken("a message with packet id 0")
        return pid

    def _begin_skip(self) -> None:
        self.skipped_pid = self._pid(self._payload_at())
        self._left = self.body_at + self.remaining - self._have
