"""The web servers of a gateway: one thread, one event loop, a socket for each application."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from circulation.errors import ConfigInvalid

STOP_S = 10.0


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a server shows of itself: files in PEM, the certificate with its chain, and its key."""

    cert_file: Path
    key_file: Path

    def check(self) -> None:
        """Raise `ConfigInvalid` unless both can be read and belong together."""
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.cert_file, self.key_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigInvalid(
                f"lists: {self.cert_file} with {self.key_file}: {error.strerror or error}; "
                "docs/configuration.md shows how both are made"
            ) from None


def listening(host: str, port: int, section: str) -> socket.socket:
    """Return a listening socket; raise ConfigInvalid, naming the section, if that cannot be."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((host, port))
        opened.listen()
    except OSError as error:
        opened.close()
        raise ConfigInvalid(
            f"{section}: cannot serve {host}:{port} ({error.strerror}); "
            f"is the port in use? Set another one under [{section}]"
        ) from None
    return opened


class Serving:
    """Serves applications, each on a socket that is open already.

    All run in one event loop: what they share is used by one thread only.
    """

    def __init__(self) -> None:
        self._servers: list[tuple[uvicorn.Server, socket.socket]] = []
        self._thread: threading.Thread | None = None

    def add(self, app: Any, opened: socket.socket, certificate: Certificate | None = None) -> None:
        """Serve this too, encrypted if there is a certificate; before `start`."""
        options: dict[str, Any] = {}
        if certificate is not None:
            options["ssl_certfile"] = str(certificate.cert_file)
            options["ssl_keyfile"] = str(certificate.key_file)
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, timeout_graceful_shutdown=1, **options
        )
        self._servers.append((uvicorn.Server(config), opened))

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="gateway web", daemon=True)
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Take no more requests."""
        for server, _ in self._servers:
            server.should_exit = True

    def join(self) -> None:
        """Wait until the last answer is out, or for ten seconds."""
        if self._thread is not None:
            self._thread.join(STOP_S)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        await asyncio.gather(*(server.serve(sockets=[opened]) for server, opened in self._servers))
