"""Connections that never wait: each call makes one step and returns.

A stream is what MicroPython calls a socket: `readinto(buffer)` and `write(bytes)` return a count,
or None when nothing can be done now; `readinto` returns 0 at the end. CPython's sockets, which
raise instead, are dressed as one.

What the boards' sockets do (extmod/modlwip.c and ports/esp32/modsocket.c of MicroPython 1.25):
- `setblocking(True)` forgets every timeout, so none is ever used here.
- A connect that cannot wait raises EINPROGRESS (115), not EAGAIN.
- On an ESP32, `send` on a full buffer raises ETIMEDOUT; `write` returns None, as it should.
- TLS goes on with its handshake inside `write` and `readinto`, one step at a time. A step with a
  public key in it computes and cannot be cut; it does not wait.
"""

import sys
from errno import EAGAIN, EALREADY, EINPROGRESS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    class Stream(Protocol):
        """Bytes in and out, without waiting."""

        def readinto(self, buffer: Any) -> int | None:
            """Fill the buffer from its start; 0 at the end, None when nothing is there."""

        def write(self, data: Any) -> int | None:
            """Take some of the bytes; None when there is no room."""

        def fileno(self) -> int:
            """Return what `select` waits for; a stream that is no socket need not have it."""

        def close(self) -> None:
            """Let it go, without waiting."""


_UNDER_WAY = (EAGAIN, EALREADY, EINPROGRESS)
_TLS_WAITS = ("SSLWantReadError", "SSLWantWriteError")
_POLLOUT = 4
"""MicroPython (py/stream.h) and Linux agree on it."""


class Dial:
    """One attempt to open a stream to a server."""

    def __init__(
        self,
        net: "Any",
        server: str,
        port: int,
        tls: "Any",
        resolve: "Callable[[str], str | None]",
    ) -> None:
        """Do nothing yet.

        net: a socket module, or a function of server and port that returns a stream.
        tls: an SSLContext, or None. resolve: the address of a name, None while looking.
        """
        self._net = net
        self._server = server
        self._port = port
        self._tls = tls
        self._resolve = resolve
        self._raw: Any = None
        self._wrapped: Any = None

    def step(self) -> "Stream | None":
        """Return the stream once it is open, None until then.

        Raise OSError or, for a certificate that is not trusted, ValueError.
        """
        if self._raw is None and not self._begin():
            return None
        if self._wrapped is None:
            if not self._is_connected():
                return None
            self._wrapped = self._raw if self._tls is None else self._wrap()
        if not self._has_shaken_hands():
            return None
        return as_stream(self._wrapped)

    def close(self) -> None:
        """Close what was opened. Both, because TLS that has failed lets go of its socket."""
        for opened in (self._wrapped, self._raw):
            try:
                if opened is not None:
                    opened.close()
            except OSError:
                pass  # it was closed already

    def _begin(self) -> bool:
        net = self._net
        if not hasattr(net, "socket"):
            self._raw = net(self._server, self._port)
            return True
        host = self._resolve(self._server)
        if host is None:
            return False
        address = net.getaddrinfo(host, self._port, net.AF_INET, net.SOCK_STREAM)[0][-1]
        self._raw = raw = net.socket(net.AF_INET, net.SOCK_STREAM)
        raw.setblocking(False)
        _send_small_packets_at_once(net, raw)
        try:
            raw.connect(address)
        except OSError as error:
            if error.errno not in _UNDER_WAY:
                raise
        return True

    def _is_connected(self) -> bool:
        """Return whether it is connected, or has failed: the next use tells which."""
        if not hasattr(self._net, "socket"):
            return True
        from select import poll

        poller = poll()
        poller.register(self._raw, _POLLOUT)
        return len(list(poller.poll(0))) > 0

    def _wrap(self) -> "Any":
        return self._tls.wrap_socket(
            self._raw, server_hostname=self._server, do_handshake_on_connect=False
        )

    def _has_shaken_hands(self) -> bool:
        """Return whether TLS is ready. MicroPython shakes hands in its first `write`."""
        if self._tls is None or not hasattr(self._wrapped, "do_handshake"):
            return True
        try:
            self._wrapped.do_handshake()
        except OSError as error:
            if _would_wait(error):
                return False
            raise
        return True


class _Dressed:
    """A socket of CPython as a stream."""

    def __init__(self, raw: "Any") -> None:
        self._raw = raw

    def fileno(self) -> int:
        """Return what `select` waits for."""
        number: int = self._raw.fileno()
        return number

    def readinto(self, buffer: "Any") -> "int | None":
        """Receive into the buffer."""
        return _now_or_none(self._raw.recv_into, buffer)

    def write(self, data: "Any") -> "int | None":
        """Send what there is room for."""
        return _now_or_none(self._raw.send, data)

    def close(self) -> None:
        """Close the socket."""
        self._raw.close()


def as_stream(raw: "Any") -> "Stream":
    """Return a socket of either Python as a stream."""
    stream: Stream = raw if hasattr(raw, "readinto") else _Dressed(raw)
    return stream


def _send_small_packets_at_once(net: "Any", raw: "Any") -> None:
    """Switch Nagle's algorithm off, where the platform can.

    With it, several small packets on their way wait for the other side's delayed
    acknowledgement: 5 ms for each of 1,000 publishes, instead of 0.1 (loopback, Mosquitto 2.0).
    """
    option = getattr(net, "TCP_NODELAY", 1 if sys.platform == "linux" else None)
    if option is not None:
        raw.setsockopt(getattr(net, "IPPROTO_TCP", 6), option, 1)


def given_or_looked_up(server: str) -> str:
    """Return the server as it is: `getaddrinfo` looks a name up, and the board waits for it.

    With a dotted address there is nothing to look up.
    """
    return server


def trusting(authority: bytes) -> "Any":
    """Return a TLS context that talks to servers this authority vouches for, by their name.

    authority: its certificate, DER. MicroPython trusts everybody unless it is told not to: its
    `SSLContext` begins with CERT_NONE, and loading an authority changes nothing about it. The
    board's clock must be right before: a certificate is not valid yet in 2021.
    """
    import ssl

    context: Any = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # the stubs lack verify_mode
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=authority)
    return context


def _now_or_none(call: "Callable[[Any], int]", argument: "Any") -> "int | None":
    try:
        return call(argument)
    except OSError as error:
        if _would_wait(error):
            return None
        raise


def _would_wait(error: OSError) -> bool:
    return error.errno in _UNDER_WAY or type(error).__name__ in _TLS_WAITS
