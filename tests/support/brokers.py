"""Real brokers for tests, each on a port that nobody else has.

    with mosquitto_broker() as broker:
        Link(broker.endpoint, …)
        broker.kill()                   # SIGKILL: it forgets everything it had not written
        broker.start()                  # again, on the same port

Mark a test that needs Mosquitto with `@pytest.mark.needs("mosquitto")`: without the program it
is skipped by name, and in continuous integration a skipped test is a failure.
"""

import itertools
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from circulation.link import Endpoint

START_TIMEOUT_S = 60
END_TIMEOUT_S = 30
HOST = "127.0.0.1"
PORTS_EACH = 1_000  # to a process of a test run

_MOSQUITTO = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence false
user {user}
max_queued_messages 100000
"""

_AMQTT = """\
listeners:
  default:
    type: tcp
    bind: 127.0.0.1:{port}
plugins:
  amqtt.plugins.authentication.AnonymousAuthPlugin:
    allow_anonymous: true
"""


class RunningBroker:
    """A broker process of our own: started, killed and started again on one port."""

    def __init__(self, command: list[str], port: int, log_path: Path) -> None:
        """command: what starts it in the foreground."""
        self.port = port
        self._command = command
        self._log_path = log_path
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> Endpoint:
        """Return where a `Link` finds it."""
        return Endpoint(HOST, self.port)

    def start(self) -> None:
        """Start it and return when it accepts connections."""
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._accepts():
            assert self._process.poll() is None, self._log_path.read_text()
            assert time.monotonic() < deadline, f"no broker on port {self.port}"
            _pause(self._process)

    def stop(self) -> None:
        """End it in order."""
        self._end(kill=False)

    def kill(self) -> None:
        """End it as a power cut does."""
        self._end(kill=True)

    def freeze(self) -> None:
        """Stop it in its tracks: connections stay open and nothing moves."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _end(self, *, kill: bool) -> None:
        if self._process is None:
            return
        (self._process.kill if kill else self._process.terminate)()
        try:
            self._process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(END_TIMEOUT_S)
        self._process = None

    def _accepts(self) -> bool:
        try:
            socket.create_connection((HOST, self.port), timeout=1).close()
        except OSError:
            return False
        return True


@contextmanager
def mosquitto_broker(settings: str = "") -> Iterator[RunningBroker]:
    """Run Mosquitto on a free port; settings are appended to its configuration."""
    program = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin")
    assert program is not None, 'mark the test with @pytest.mark.needs("mosquitto")'
    user = "root" if os.geteuid() == 0 else "mosquitto"
    configuration = _MOSQUITTO.replace("{user}", user) + settings
    with _running([program, "-c"], configuration, "mosquitto.conf") as broker:
        yield broker


@contextmanager
def amqtt_broker() -> Iterator[RunningBroker]:
    """Run amqtt, the broker of the demo, on a free port."""
    program = str(Path(sys.executable).with_name("amqtt"))
    with _running([program, "-c"], _AMQTT, "amqtt.yaml") as broker:
        yield broker


def _own_ports() -> Iterator[int]:
    """Yield the ports of this test process, in another order each run, over and over.

    No other process of the run gives them out, so that a port stays free until its program
    listens, and again while that program is killed. They lie below those that a demo takes for
    itself, and below those that Linux gives to outgoing connections.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 10
    first = 10_000 + worker * PORTS_EACH
    ports = list(range(first, first + PORTS_EACH))
    random.SystemRandom().shuffle(ports)
    return itertools.cycle(ports)


_PORTS = _own_ports()


def free_port() -> int:
    """Return a port that nobody listens on, and that no other test is given."""
    return next(port for port in itertools.islice(_PORTS, PORTS_EACH) if _is_free(port))


def _is_free(port: int) -> bool:
    try:
        socket.create_server((HOST, port)).close()
    except OSError:
        return False
    return True


@contextmanager
def _running(command: list[str], configuration: str, name: str) -> Iterator[RunningBroker]:
    with TemporaryDirectory(prefix="broker-") as folder:
        port = free_port()
        path = Path(folder) / name
        path.write_text(configuration.replace("{port}", str(port)))
        broker = RunningBroker([*command, str(path)], port, Path(folder) / "log")
        try:
            broker.start()
            yield broker
        finally:
            broker.kill()


def _pause(process: "subprocess.Popen[bytes]") -> None:
    """Wait a little, or less if the process ends."""
    try:
        process.wait(0.02)
    except subprocess.TimeoutExpired:
        return
