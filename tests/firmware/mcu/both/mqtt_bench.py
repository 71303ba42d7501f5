"""A client of `firmware/mcu/mqtt.py` at one end of a line, and a test at the other. Portable."""

from firmware.mcu.mqtt import MQTTClient

CONNACK = b"\x20\x02\x00\x00"


class Line:
    """A stream whose other end is a test: bytes to read, and what was written, write by write."""

    def __init__(self):
        self.incoming = bytearray()
        self.writes = []
        self.room = None  # bytes it takes yet; None: any number
        self.bytes_per_read = 10_000
        self.is_ended = False
        self.error = None
        self.closed = 0
        self.polls_until_open = 0

    def readinto(self, buffer):
        """Give what is there."""
        if self.error is not None:
            raise self.error
        count = min(len(buffer), len(self.incoming), self.bytes_per_read)
        if not count:
            return 0 if self.is_ended else None
        memoryview(buffer)[:count] = self.incoming[:count]
        self.incoming = self.incoming[count:]
        return count

    def write(self, data):
        """Take what there is room for."""
        if self.error is not None:
            raise self.error
        count = len(data) if self.room is None else min(len(data), self.room)
        if not count:
            return None
        if self.room is not None:
            self.room -= count
        self.writes.append(bytes(memoryview(data)[:count]))
        return count

    def close(self):
        """Note it."""
        self.closed += 1


class Bench:
    """A client at one end of a line, and a clock that only a test moves."""

    def __init__(self, **settings):
        self.lines = []
        self.now_ms = 1_000
        self.client = MQTTClient("g1", "broker", net=self._dial, **settings)

    def _dial(self, server, port):
        assert (server, port) == ("broker", 1883)
        self.lines.append(Line())
        return self.lines[-1]

    @property
    def line(self):
        """The line of the present connection."""
        return self.lines[-1]

    def turn(self, received=b"", after_ms=0):
        """Let time pass and bytes come; return what the client says happened."""
        self.now_ms += after_ms
        if received:
            self.line.incoming += received
        return self.client.poll(self.now_ms)

    def up(self, received=CONNACK):
        """Connect, and forget what was written until then."""
        self.client.begin(self.now_ms)
        events = self.turn()
        events += self.turn(received)
        assert events == [("connected", False)], events
        self.written()
        return self

    def written(self):
        """Return what was written since the last time, write by write."""
        writes, self.line.writes = self.line.writes, []
        return writes


def assert_refused(call, says=None):
    """Expect ValueError, with these words if they are given."""
    try:
        call()
    except ValueError as error:
        said = str(error)
    else:
        raise AssertionError("a wrong value was taken")
    assert says in (None, said)
