"""Lists in memory: what the gateway serves over HTTP, handed over without a socket.

Only the carrying is replaced. The stations ask, check length and hash, resume and rename as they
always do: a kiosk through an `HTTPConnection`, a gate by address.
"""

import http.client
import io
from collections.abc import Callable
from typing import Any

from gateway.errors import SnapshotUnknown
from gateway.snapshots import Snapshots

Serve = Callable[[str], bytes]
"""A path to the bytes of that list; raises OSError when it cannot be had."""


def serve(snapshots: Snapshots, path: str) -> bytes:
    """Return the list at `/snapshot/{kind}/{format}/{version}`; raises OSError without one."""
    try:
        _, _, kind, format_name, version = path.split("/")
        return snapshots.offered(kind, int(version), format_name).file.read_bytes()
    except (ValueError, SnapshotUnknown) as error:
        raise FileNotFoundError(f"{path}: no such list") from error


def connector(serve_path: Serve) -> Callable[[str], http.client.HTTPConnection]:
    """Return what a kiosk or a gate opens a connection with."""

    def connect(gateway_url: str) -> http.client.HTTPConnection:
        return _MemoryConnection(serve_path)

    return connect


class _Answer:
    """The socket that an `HTTPResponse` reads from."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._content)


class _MemoryConnection(http.client.HTTPConnection):
    """A connection whose other end is a function."""

    def __init__(self, serve_path: Serve) -> None:
        super().__init__("house")
        self._serve = serve_path
        self._answer = b""

    def request(self, method: str, url: str, *_body: Any, **_options: Any) -> None:
        """Ask for a list; a wish for its rest only is answered with all of it, as HTTP allows."""
        content = self._serve(url)
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\n\r\n"
        self._answer = head.encode() + content

    def getresponse(self) -> http.client.HTTPResponse:
        """Return the answer."""
        response = http.client.HTTPResponse(_Answer(self._answer))  # type: ignore[arg-type]
        response.begin()
        return response
