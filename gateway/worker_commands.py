"""The command that runs a worker: several libraries, shared with other workers."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from circulation.config import read_config
from circulation.errors import ConfigInvalid

if TYPE_CHECKING:
    from gateway.app import Gateway, Settings
    from gateway.store import Store


class SharedLibrary:
    """A library of a configuration file, on a server that other workers use too."""

    def __init__(self, settings: Settings, lease_ms: int):
        """Settings: with the address of a server; a file belongs to one gateway alone."""
        if not settings.postgresql:
            raise ConfigInvalid(
                f"library {settings.library!r}: only a library on PostgreSQL can be shared; "
                "set postgresql = in its file, or use `run`"
            )
        self._settings = settings
        self._lease_ms = lease_ms
        self._store: Store | None = None

    @property
    def name(self) -> str:
        """The library's id."""
        return self._settings.library

    def is_free(self) -> bool:
        """Return whether no worker has it."""
        from gateway.app import prepare
        from gateway.ownership import is_free

        if self._store is None:
            self._store = prepare(self._settings)
        return is_free(self._store, self.name)

    def start(self, worker: str) -> Gateway:
        """Become its owner and run it; raise `Fenced` if another was quicker."""
        from gateway.app import Gateway

        gateway = Gateway(self._settings, worker, lease_ms=self._lease_ms)
        try:
            return gateway.start()
        except BaseException:
            gateway.stop()  # another may run it, where its port is free
            raise

    def close(self) -> None:
        """Look no more."""
        if self._store is not None:
            self._store.close()


@click.command()
@click.argument(
    "configs", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path)
)
@click.option(
    "--name", default="", help="One no other worker has; by default machine and process."
)
@click.option(
    "--lease",
    "lease_s",
    default=15,
    show_default=True,
    type=click.IntRange(2, 300),
    help="Seconds of silence after which another worker takes over; the same for all.",
)
def work(configs: tuple[Path, ...], name: str, lease_s: int) -> None:
    """Run libraries of one PostgreSQL, shared with other workers that are told of the same.

    CONFIGS: a configuration file for each library, each with the server's address. A library is
    run by one worker at a time; if that falls silent, another takes over.
    """
    from gateway.app import read_settings
    from gateway.workers import Worker

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    libraries = [
        SharedLibrary(read_settings(read_config(config), config.parent), lease_s * 1_000)
        for config in configs
    ]
    name = name or f"{socket.gethostname()[:40]}-{os.getpid()}"
    click.echo(f"worker {name}: sharing {', '.join(library.name for library in libraries)}")
    Worker(name, libraries, clock=lambda: time.monotonic_ns() // 1_000_000).run(stop)
    click.echo("worker: stopped")
