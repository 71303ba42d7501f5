"""What stands in for micropython-lib's `umqtt.simple` 1.8.0 on the VM: its names, its parameters,
and that it waits; not its code.

pip cannot install the real one, which is distributed by mip alone. As there: a socket is made in
`connect`, `setblocking` is called around each message, the callback is told topic and payload,
and whatever goes wrong is an OSError or an MQTTException.
"""

import socket


class MQTTException(Exception):
    """The broker has refused."""


class MQTTClient:
    """A client that waits."""

    def __init__(self, client_id, server, port=0, user=None, *more):
        """more: password, keepalive and ssl, as there."""
        password, keepalive, _ = more
        self.client_id, self.server, self.port = client_id, server, port or 1883
        self.user, self.pswd, self.keepalive = user, password, keepalive
        self.sock = self.cb = None
        self.pid = 0
        self.will = None

    def set_callback(self, f):
        """Have messages told."""
        self.cb = f

    def set_last_will(self, topic, msg, retain=False, qos=0):
        """Set the will."""
        self.will = (topic, msg, retain, qos)

    def connect(self, clean_session=True, timeout=None):
        """Connect; return whether there was a session."""
        self.sock = socket.socket()
        self.sock.settimeout(timeout)
        self.sock.connect(socket.getaddrinfo(self.server, self.port)[0][-1])
        flags = 2 * clean_session
        content = _text(self.client_id)
        if self.will:
            topic, msg, retain, qos = self.will
            flags |= 4 | qos << 3 | retain << 5
            content += _text(topic) + _text(msg)
        if self.user is not None:
            flags |= 0xC0
            content += _text(self.user) + _text(self.pswd)
        head = b"\x00\x04MQTT\x04" + bytes([flags, self.keepalive >> 8, self.keepalive & 0xFF])
        self._send(0x10, head + content)
        answer = self.sock.read(4)
        if answer[3]:
            raise MQTTException(answer[3])
        return answer[2] & 1

    def disconnect(self):
        """Say goodbye."""
        self.sock.write(b"\xe0\x00")
        self.sock.close()

    def ping(self):
        """Ask whether the broker lives."""
        self.sock.write(b"\xc0\x00")

    def publish(self, topic, msg, retain=False, qos=0):
        """Publish; at QoS 1 wait for the broker."""
        if qos:
            raise AssertionError("a gate must not wait for a PUBACK")
        self._send(0x30 | retain, _text(topic) + (msg if isinstance(msg, bytes) else msg.encode()))

    def subscribe(self, topic, qos=0):
        """Subscribe and wait for the broker."""
        assert self.cb is not None
        self.pid += 1
        self._send(0x82, bytes([self.pid >> 8, self.pid & 0xFF]) + _text(topic) + bytes([qos]))
        while self.wait_msg() != 0x90:
            pass
        if self.sock.read(4)[3] == 0x80:
            raise MQTTException(0x80)

    def wait_msg(self):
        """Wait for a packet; return its first byte unless it was a message."""
        first = self.sock.read(1)
        self.sock.setblocking(True)
        if first is None:
            return None
        if first == b"":
            raise OSError(-1)
        if first == b"\xd0":
            self.sock.read(1)
            return None
        if first[0] & 0xF0 != 0x30:
            return first[0]
        size = self._length()
        length = int.from_bytes(self.sock.read(2), "big")
        topic = self.sock.read(length)
        size -= length + 2
        pid = self.sock.read(2) if first[0] & 6 else b""
        self.cb(topic, self.sock.read(size - len(pid)))
        if pid:
            self.sock.write(b"\x40\x02" + pid)
        return first[0]

    def check_msg(self):
        """Look whether a packet has come."""
        self.sock.setblocking(False)
        return self.wait_msg()

    def _send(self, first, content):
        size, length = len(content), bytearray()
        while True:
            length.append(size % 128 | 128 * (size > 127))
            size //= 128
            if not size:
                break
        self.sock.write(bytes([first]) + length)  # two writes, as the real one makes several
        self.sock.write(content)

    def _length(self):
        size = shift = 0
        while True:
            byte = self.sock.read(1)[0]
            size |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return size


def _text(text):
    text = text if isinstance(text, bytes) else text.encode()
    return bytes([len(text) >> 8, len(text) & 0xFF]) + text
