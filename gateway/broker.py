"""A small MQTT broker for one machine: demo, tests, and trying things out.

It listens on this machine only and asks for no password. A site with a network runs Mosquitto
(see `deploy/`); nothing else changes, since the protocol asks of a broker only what every
broker does.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import threading
import weakref
from collections.abc import Iterable, Iterator
from typing import Any

from gateway.errors import BrokerRefused

DEFAULT_PORT = 18830
START_TIMEOUT_S = 10.0
GOODBYE_S = 0.5
CONNECTIONS_MAX = 2_000  # amqtt looks at every filter for every message: slow beyond this
_AUTHENTICATION = "amqtt.plugins.authentication.AnonymousAuthPlugin"


class SmallBroker:
    """A broker in a thread of its own; a context manager."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0):
        self.host = _loopback(host)
        self.port = port
        self._ready = threading.Event()
        self._failure: Exception | None = None
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="broker", daemon=True)

    def start(self) -> SmallBroker:
        """Start listening; `port` is the real one afterwards. Raise `BrokerRefused`."""
        self._thread.start()
        if not self._ready.wait(START_TIMEOUT_S):
            raise BrokerRefused(f"{self.host}:{self.port}: not ready in {START_TIMEOUT_S:.0f} s")
        if self._failure is not None:
            self._thread.join(START_TIMEOUT_S)
            raise BrokerRefused(
                f"{self.host}:{self.port}: cannot listen ({self._failure}); "
                "is another broker running there?"
            ) from self._failure
        return self

    def stop(self) -> None:
        """Close every connection and stop; harmless when stopped."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(START_TIMEOUT_S)

    def __enter__(self) -> SmallBroker:
        return self.start()

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()
            self._ready.set()

    async def _serve(self) -> None:
        from amqtt.errors import BrokerError

        _quiet()
        writers: weakref.WeakSet[asyncio.StreamWriter] = weakref.WeakSet()
        broker = _tracking(_settings(self.host, self.port), writers)
        try:
            await broker.start()
        except (BrokerError, OSError) as error:
            self._failure = error
            return
        self.port = _bound_port(broker)
        self._ready.set()
        await self._stop.wait()
        await broker.shutdown()
        await _let_go(writers)


def _tracking(settings: dict[str, Any], writers: weakref.WeakSet[Any]) -> Any:
    """Return amqtt's broker, mended in two places.

    It leaves some connections open at the end, so we note them all. And it greets a client, and
    hands a message on, by walking through all filters, with pauses: a filter that was new
    meanwhile ended the greeting, and the client was connected and never heard.
    """
    from amqtt.broker import Broker

    class TrackingBroker(Broker):  # type: ignore[misc]  # amqtt has no types for us
        def __init__(self, settings: dict[str, Any]):
            super().__init__(settings)
            self._subscriptions: dict[str, Any] = SteadyDict()

        async def stream_connected(self, reader: Any, writer: Any, listener_name: str) -> None:
            writers.add(writer)
            await super().stream_connected(reader, writer, listener_name)

    return TrackingBroker(settings)


class SteadyDict(dict[str, Any]):
    """A dict that may grow and shrink while somebody walks through it."""

    def __iter__(self) -> Iterator[str]:
        return iter(list(super().keys()))

    def items(self) -> Any:
        return list(super().items())


async def _let_go(writers: Iterable[asyncio.StreamWriter]) -> None:
    """Close what is still open, and let everything that was ending end."""
    for writer in list(writers):
        writer.transport.abort()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        _, stuck = await asyncio.wait(others, timeout=GOODBYE_S)
        for task in stuck:
            task.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)


def _settings(host: str, port: int) -> dict[str, Any]:
    shown = f"[{host}]" if ":" in host else host
    listener = {"type": "tcp", "bind": f"{shown}:{port}", "max_connections": CONNECTIONS_MAX}
    return {"listeners": {"default": listener}, "plugins": {_AUTHENTICATION: {}}}


def _bound_port(broker: Any) -> int:
    server = broker._servers["default"].instance  # amqtt has no public way to ask
    return int(server.sockets[0].getsockname()[1])


def _quiet() -> None:
    """Keep amqtt's running commentary out of the log; its errors stay."""
    for name in ("amqtt", "transitions"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _loopback(host: str) -> str:
    """Return the host as a number; refuse every address another machine could reach."""
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        raise BrokerRefused(f"{host!r} is no address; write 127.0.0.1") from None
    if not address.is_loopback:
        raise BrokerRefused(
            f"{host}: this broker asks for no password and serves 127.0.0.1 only; "
            "for a network run Mosquitto (deploy/mosquitto)"
        )
    return str(address)
