"""A gateway in a process of its own, as in production: nobody shares its interpreter."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sim.demo import free_ports
from sim.http import answers
from sim.measure.library import gateway_toml
from sim.processes import Family

HOST = "127.0.0.1"
START_S_MAX = 120.0


@contextmanager
def gateway_process(folder: Path, broker_port: int) -> Iterator[tuple[str, int]]:
    """Run `lendgate-gateway` on the library in a folder; gives its address and process id."""
    (web_port,) = free_ports(1)
    config = folder / "gateway.toml"
    config.write_text(gateway_toml(web_port, broker_port))
    address = f"http://{HOST}:{web_port}"
    (folder / "logs").mkdir(exist_ok=True)
    family = Family(folder / "logs", threading.Event())
    try:
        child = family.start("gateway", "-m", "gateway", "run", "--config", str(config))
        family.wait_until(
            "the gateway is ready", lambda: answers(f"{address}/healthz"), within_s=START_S_MAX
        )
        yield address, child.pid
    finally:
        family.stop()
