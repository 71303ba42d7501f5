"""MicroPython's `socket` on a board: lwIP's habits over the sockets of this machine."""

import sys

from sim.mcu.lwip import Lwip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

if sys.implementation.name == "micropython":
    import usocket as real  # type: ignore[import-not-found]
else:
    import socket as real

_net = Lwip(real)

AF_INET = _net.AF_INET
SOCK_STREAM = _net.SOCK_STREAM
SOCK_DGRAM = _net.SOCK_DGRAM
IPPROTO_TCP = _net.IPPROTO_TCP
TCP_NODELAY = _net.TCP_NODELAY


def socket(family: int = AF_INET, kind: int = SOCK_STREAM, proto: int = 0) -> "Any":
    """Return a new socket."""
    return _net.socket(family, kind, proto)


def getaddrinfo(host: str, port: int, *rest: int) -> "Any":
    """Return where a server is."""
    return _net.getaddrinfo(host, port, *rest)
