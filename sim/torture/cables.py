"""Every cable of a storm, in a process of its own that can be killed.

python -m sim.torture.cables PLAN.json

The plan names each line with its port and its target; a control port takes one JSON line a
connection, does it, and answers "ok".
"""

import json
import signal
import socket
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from sim.errors import SimError
from sim.proxy import Proxy
from sim.torture.packets import JournalTap, Tally

HOST = "127.0.0.1"
CONTROL_S_MAX = 30.0  # for a machine that is busy
SLOW_BYTES_PER_S = 16_000
LINE_BYTES_MAX = 1_000

BEGIN: dict[str, Callable[[Proxy], None]] = {
    "drop": Proxy.drop,
    "cut": Proxy.cut,
    "stall": Proxy.stall,
    "slow": partial(Proxy.slow, bytes_per_s=SLOW_BYTES_PER_S),
    "deaf": partial(Proxy.half_open, near_stays=True),
    "ghost": partial(Proxy.half_open, near_stays=False),
    "forgotten": partial(Proxy.half_open, near_stays=True),
}


def ask(port: int, line: str, act: str) -> None:
    """Have the cables' process do something to a line; raises `SimError` if it does not."""
    try:
        with socket.create_connection((HOST, port), timeout=CONTROL_S_MAX) as connection:
            connection.sendall(json.dumps({"line": line, "act": act}).encode() + b"\n")
            answer = connection.recv(LINE_BYTES_MAX).decode()
    except OSError as error:
        raise SimError(f"the cables do not answer: {error}") from error
    if answer != "ok":
        raise SimError(f"the cables refused {act!r} on {line!r}: {answer}")


class Cables:
    """The lines and their control port."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self._tally = Tally(Path(plan["tally"]))
        self._lines = {
            name: Proxy((HOST, target), port=port, watch=lambda: JournalTap(self._tally.write))
            for name, (port, target) in plan["lines"].items()
        }
        self._control = socket.create_server((HOST, plan["control"]))

    def serve(self) -> None:
        """Do what the control port is asked until `close`."""
        while True:
            try:
                connection, _ = self._control.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(CONTROL_S_MAX)
                connection.sendall(self._answer(connection).encode())

    def close(self) -> None:
        """End every line, and `serve`."""
        self._control.shutdown(socket.SHUT_RDWR)
        self._control.close()
        for line in self._lines.values():
            line.close()

    def _answer(self, connection: socket.socket) -> str:
        try:
            wanted = json.loads(connection.recv(LINE_BYTES_MAX))
            line = self._lines[wanted["line"]]
            act = (
                line.restore if wanted["act"] == "restore" else partial(BEGIN[wanted["act"]], line)
            )
        except (OSError, ValueError, LookupError, TypeError) as error:
            return f"not understood: {error!r}"
        act()
        return "ok"


def main(plan: str) -> None:
    """Run until SIGTERM."""
    cables = Cables(json.loads(Path(plan).read_text()))
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    thread = threading.Thread(target=cables.serve)
    thread.start()
    stop.wait()
    cables.close()
    thread.join()


if __name__ == "__main__":
    main(sys.argv[1])
