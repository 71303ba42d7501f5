"""A simulated serial device behind a loopback port, for pyserial's own `socket://`.

The demo uses it: the device lives in one process, the kiosk in another. A pulled plug closes the
connection and the port; put in again, the device is found under the same number. One host at a
time, as with a cable: a second one is turned away.
"""

import socket
from contextlib import suppress

from sim.serial.device import SimSerialDevice
from sim.serial.pump import CHUNK_BYTES, Pump

HOST = "127.0.0.1"


class TcpCable(Pump):
    """A cable from a device to a port on loopback; 0 takes a free one and keeps it.

    `url` is what the host opens with `serial.serial_for_url`.
    """

    def __init__(self, device: SimSerialDevice, *, port: int = 0) -> None:
        super().__init__(device)
        self._door: socket.socket | None = self._bound(port)
        self.port: int = self._door.getsockname()[1]
        self._host: socket.socket | None = None
        self._listens = False

    @property
    def url(self) -> str:
        """The address for pyserial."""
        return f"socket://{HOST}:{self.port}"

    def close(self) -> None:
        """See `Pump.close`."""
        super().close()
        self._drop_host()
        self._drop_door()

    def _bound(self, port: int) -> socket.socket:
        """Return a socket that holds the number; until it listens, connections are refused."""
        door = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind((HOST, port))
        except OSError:
            door.close()
            raise
        door.setblocking(False)
        return door

    def _connect(self) -> None:
        if self._door is not None:
            self._door.listen(4)
            self._listens = True

    def _disconnect(self) -> None:
        self._drop_host()
        self._listens = False
        self._drop_door()
        self._door = self._bound(self.port)

    def _descriptors(self) -> list[int]:
        door = self._door if self._listens else None
        return [link.fileno() for link in (door, self._host) if link is not None]

    def _has_host(self) -> bool:
        return self._host is not None

    def _take_in(self, descriptor: int) -> None:
        if self._door is not None and descriptor == self._door.fileno():
            self._accept(self._door)
            return
        if self._host is None or descriptor != self._host.fileno():
            return
        try:
            data = self._host.recv(CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self.device.receive(data)
        else:
            self._drop_host()

    def _accept(self, door: socket.socket) -> None:
        with suppress(OSError):
            host, _ = door.accept()
            if self._host is not None:
                host.close()
                return
            host.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            host.settimeout(1)
            self._host = host
            self.device.take()  # what was sent while nobody listened is gone

    def _put_out(self, data: bytes) -> None:
        if self._host is None:
            return
        try:
            self._host.sendall(data)
        except OSError:
            self._drop_host()

    def _drop_host(self) -> None:
        if self._host is not None:
            self._host.close()
            self._host = None

    def _drop_door(self) -> None:
        if self._door is not None:
            self._door.close()
            self._door = None
