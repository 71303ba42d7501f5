"""Connections from a station to the gateway's web server, which hands out the lists.

Over https the gateway must show a certificate that the configured authority signed, or one that
the system trusts, and the station shows its password. Over http, which is for one machine, nothing
secret is said. No proxy is asked for: the gateway is in the house.
"""

import http.client
import ssl
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from circulation.credentials import authorization
from circulation.errors import ConfigInvalid

TIMEOUT_S = 20
HTTPS = "https"

Connect = Callable[[str], http.client.HTTPConnection]
"""The gateway's address to a connection that is not open yet."""


def plain(gateway_url: str) -> http.client.HTTPConnection:
    """Return a connection that is not encrypted, for a gateway on this machine."""
    parts = urlsplit(gateway_url)
    return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_S)


def connector(library: str, station: str, site_key: bytes, ca_file: str = "") -> Connect:
    """Return what opens connections for this station.

    ca_file: of the authority that signed the gateway's certificate, in PEM; empty for those that
    the system trusts. Raise ConfigInvalid if it cannot be read.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigInvalid(
            f"gateway_ca_file: {ca_file}: {error.strerror or error}; it must hold a certificate "
            "in PEM, as docs/configuration.md makes one"
        ) from None
    said = authorization(site_key, library, station)

    def connect(gateway_url: str) -> http.client.HTTPConnection:
        parts = urlsplit(gateway_url)
        if parts.scheme != HTTPS:
            return plain(gateway_url)
        host = parts.hostname or ""
        return _Known(said, host, parts.port, timeout=TIMEOUT_S, context=context)

    return connect


class _Known(http.client.HTTPSConnection):
    """An encrypted connection that says at each request who asks."""

    def __init__(self, said: str, host: str, port: int | None, **options: Any) -> None:
        super().__init__(host, port, **options)
        self._said = said

    def request(
        self, method: str, url: str, body: Any = None, headers: Any = None, **options: Any
    ) -> None:
        """Ask for something."""
        named = {**(headers or {}), "Authorization": self._said}
        super().request(method, url, body, named, **options)
