"""The bench's side of remote devices: a small TCP server that holds the simulated hardware.

Laws:
- Only the calls listed here reach a device; a station cannot reach anything else of the bench.
- When a station's connection ends, however it ends, the outputs it used go to their safe state,
  as real ones do when their program dies.
- Connections, line lengths and idle time have limits.
"""

import socket
import socketserver
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from hardware.errors import HardwareError
from hardware.ports import Clock, Security
from sim import remote_lines as lines
from sim.bus import BusLog, exchange_text
from sim.devices import SimPrinter, SimReader, SimScanner
from sim.errors import RemoteError
from sim.mfrc522.breakout import SimBreakout
from sim.pins import SimInput, SimOutput
from sim.rooms import Device

CONNECTIONS_MAX = 64
STOP_S_MAX = 20.0

Call = Callable[[Any, Clock, list[Any]], Any]

_READER: dict[str, Call] = {
    "inventory": lambda device, clock, args: lines.inventory_doc(device.inventory()),
    "read_content": lambda device, clock, args: lines.content_doc(device.read_content(*args)),
    "get_security": lambda device, clock, args: device.get_security(*args).value,
    "set_security": lambda device, clock, args: device.set_security(args[0], Security(args[1])),
    "read": lambda device, clock, args: device.read(*args).hex(),
    "write": lambda device, clock, args: device.write(args[0], args[1], bytes.fromhex(args[2])),
    "health": lambda device, clock, args: lines.health_doc(device.health()),
}
_SCANNER: dict[str, Call] = {
    "poll": lambda device, clock, args: device.poll(),
    "health": lambda device, clock, args: lines.health_doc(device.health()),
}
_PRINTER: dict[str, Call] = {
    "print_lines": lambda device, clock, args: device.print_lines(args[0]),
    "health": lambda device, clock, args: lines.health_doc(device.health()),
}
_OUTPUT: dict[str, Call] = {
    "state": lambda device, clock, args: device.state,
    "on": lambda device, clock, args: device.on(),
    "off": lambda device, clock, args: device.off(),
    "pulse": lambda device, clock, args: device.pulse(*args),
    "release": lambda device, clock, args: device.release(),
}
_INPUT: dict[str, Call] = {
    "read": lambda device, clock, args: device.read(),
    "edges": lambda device, clock, args: lines.edges_doc(device.edges(), clock.now_ms()),
}
_BREAKOUT: dict[str, Call] = {
    "transfer": lambda device, clock, args: device.transfer(bytes.fromhex(args[0])).hex(),
    "reset_pin": lambda device, clock, args: device.reset_pin(bool(args[0])),
}
CALLS: dict[type[Device], dict[str, Call]] = {
    SimReader: _READER,
    SimScanner: _SCANNER,
    SimPrinter: _PRINTER,
    SimOutput: _OUTPUT,
    SimInput: _INPUT,
    SimBreakout: _BREAKOUT,
}
"""What may be asked of each kind of device; what ends in a cable is asked there."""


class DeviceServer:
    """Serves devices by name on a loopback port until stopped.

    Port 0 takes a free one; `port` says which.
    """

    def __init__(
        self,
        devices: Mapping[str, Device],
        clock: Clock,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        buses: Mapping[str, BusLog] | None = None,
    ) -> None:
        """buses: where exchanges with a device of that name are noted for people to read."""
        self._server = _Server((host, port), _Connection)
        self._server.devices = devices
        self._server.buses = buses if buses is not None else {}
        self._server.clock = clock
        self._thread = threading.Thread(target=self._serve, name="devices", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    def stop(self) -> None:
        """Close the port and every connection; may be called twice."""
        self._server.shutdown()
        self._server.server_close()
        self._server.drop_connections()
        self._thread.join()

    def _serve(self) -> None:
        self._server.serve_forever(poll_interval=0.05)


class _Server(socketserver.ThreadingTCPServer):
    """The listening socket, and the connections it has open."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    devices: Mapping[str, Device]
    buses: Mapping[str, BusLog]
    clock: Clock

    def __init__(self, address: tuple[str, int], handler: type[socketserver.BaseRequestHandler]):
        self._lock = threading.Condition()
        self._open: set[socket.socket] = set()
        super().__init__(address, handler)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Refuse what is beyond the limit: a loop of a broken station must not eat the bench."""
        with self._lock:
            if len(self._open) >= CONNECTIONS_MAX:
                return False
            self._open.add(request)
            return True

    def forget(self, request: socket.socket) -> None:
        """Drop a connection that has ended from the list."""
        with self._lock:
            self._open.discard(request)
            self._lock.notify_all()

    def drop_connections(self) -> None:
        """End every connection there is, and wait until its outputs are safe."""
        with self._lock:
            for request in self._open:
                with suppress(OSError):
                    request.shutdown(socket.SHUT_RDWR)
            self._lock.wait_for(lambda: not self._open, timeout=STOP_S_MAX)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay quiet: a connection that breaks is no news, the station tries again."""


class _Connection(socketserver.StreamRequestHandler):
    """One station's connection: a line in, a line out."""

    disable_nagle_algorithm = True
    server: _Server

    def handle(self) -> None:
        """Answer until the station closes, or says something that is no message."""
        self._used: set[SimOutput] = set()
        try:
            while line := self.rfile.readline(lines.LINE_BYTES_MAX + 1):
                self.wfile.write(lines.encode_line(self._answer(lines.decode_line(line))))
        except RemoteError as error:
            self.wfile.write(lines.encode_line({"n": 0, "error": "", "message": str(error)}))

    def finish(self) -> None:
        """Bring the outputs this station used to their safe state."""
        for output in self._used:
            output.release()
        self.server.forget(self.request)
        super().finish()

    def _answer(self, message: dict[str, Any]) -> dict[str, Any]:
        n = message["n"]
        try:
            return {"n": n, "result": self._call(message)}
        except HardwareError as error:
            return {"n": n, **lines.error_doc(error)}
        except (RemoteError, TypeError, ValueError, IndexError) as error:
            return {"n": n, "error": "", "message": f"{message.get('call')}: {error}"}

    def _call(self, message: dict[str, Any]) -> Any:
        name, args = message.get("device"), message.get("args", [])
        device = self.server.devices.get(name) if isinstance(name, str) else None
        if device is None:
            raise RemoteError(f"{name!r}: the bench has no such device")
        call = CALLS.get(type(device), {}).get(str(message.get("call")))
        if call is None or not isinstance(args, list):
            raise RemoteError(f"{name}: no such call")
        if isinstance(device, SimOutput):
            self._used.add(device)
        try:
            result = call(device, self.server.clock, args)
        except HardwareError as error:
            self._note(name, message, error)
            raise
        self._note(name, message, result)
        return result

    def _note(self, name: Any, message: dict[str, Any], result: Any) -> None:
        bus = self.server.buses.get(name)
        if bus is None:
            return
        text = exchange_text(message["call"], message.get("args", []), result)
        if text is not None:
            bus.add(self.server.clock.now_ms(), text)
