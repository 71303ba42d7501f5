"""Mosquitto on a free port of this machine, ended by its process when the benchmark ends."""

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sim.demo import free_ports
from sim.errors import SimError

HOST = "127.0.0.1"
START_S_MAX = 60.0
STOP_S_MAX = 30.0
SETTINGS = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence false
user {user}
max_queued_messages 100000
"""


def mosquitto_path() -> str | None:
    """Return where Mosquitto is; daemons lie outside the path of an ordinary user."""
    return shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin")


@contextmanager
def mosquitto(folder: Path) -> Iterator[int]:
    """Run Mosquitto while the block lasts; gives its port. Raises `SimError` without it."""
    program = mosquitto_path()
    if program is None:
        raise SimError("mosquitto is not installed; `make system` installs it")
    (port,) = free_ports(1)
    config = folder / "mosquitto.conf"
    user = "root" if os.geteuid() == 0 else "mosquitto"
    config.write_text(SETTINGS.format(port=port, user=user))
    with (folder / "mosquitto.log").open("wb") as log:
        process = subprocess.Popen([program, "-c", str(config)], stdout=log, stderr=log)
    try:
        _await(process, port)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline, pause = time.monotonic() + START_S_MAX, threading.Event()
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
        except OSError:
            pause.wait(0.02)
        else:
            return
    raise SimError(f"mosquitto did not start on port {port}")
