"""The web server in a thread of its own, on a socket that was taken before anything started."""

from __future__ import annotations

import ipaddress
import socket
import threading

import uvicorn
from starlette.types import ASGIApp

from circulation.errors import ConfigInvalid


def take_port(host: str, port: int) -> socket.socket:
    """Return a listening loopback socket; raises ConfigInvalid saying who is in the way.

    Port 0 takes any free one; `getsockname` tells which.
    """
    if host != "localhost" and not _is_loopback(host):
        raise ConfigInvalid(
            f"[web] host {host!r}: the screen is for this machine only; use 127.0.0.1"
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((host, port))
        taken.listen(64)
    except OSError as error:
        taken.close()
        raise ConfigInvalid(
            f"[web] port {port}: {error.strerror or error}; is another kiosk running here?"
        ) from error
    return taken


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class WebServer:
    """Serves an application until it is stopped."""

    def __init__(self, app: ASGIApp, taken: socket.socket) -> None:
        self._socket = taken
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, lifespan="off",
            timeout_graceful_shutdown=1, server_header=False, limit_concurrency=64,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="kiosk-web", daemon=True)

    @property
    def address(self) -> str:
        """Where the screen is."""
        host, port = self._socket.getsockname()[:2]
        return f"http://{host}:{port}/"

    def start(self) -> None:
        """Serve from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and let go of the port; may be called twice."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        self._socket.close()

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])
