"""A whole demo, and Debian's Chromium to look at it.

These tests run in a process of their own and last: once a page was opened, nothing in the same
thread can run an event loop any more.
"""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from sim.demo import Demo
from sim.demo_files import Ports
from tests.conftest import program_path
from tests.support.brokers import free_port

SEEN_MS_MAX = 30_000  # whatever is expected on a page, on a slow machine that does other work
expect.set_options(timeout=SEEN_MS_MAX)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "browser" in item.path.parts:
            item.add_marker(pytest.mark.needs("chromium"))


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Chromium from the system; as root it runs without its sandbox, or not at all."""
    return {
        **browser_type_launch_args,
        "executable_path": program_path("chromium"),
        "args": ["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking"],
    }


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The library of `make demo`, on free ports."""
    ports = [free_port() for _ in range(5)]
    folder = tmp_path_factory.mktemp("demo")
    with Demo(
        folder, Ports(ports[0], ports[1], (ports[2], ports[3]), ports[4]), fresh=True, say=print
    ) as running:
        running.start(threading.Event())
        yield running
