"""What every test may use: the programs a test needs, the seed of random tests.

In continuous integration nothing may be skipped: there a skipped test is a failure.
"""

import glob
import os
import random
import shutil
import sys

import pytest

LEFT_OUT = pytest.StashKey[list[str]]()


def program_path(program: str) -> str | None:
    """Return where the program is: daemons lie outside the path of an ordinary user, Debian's
    PostgreSQL in a folder of its version, and what pip installed beside Python."""
    beside = os.path.dirname(sys.executable)
    servers = glob.glob("/usr/lib/postgresql/*/bin")
    places = [os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", *servers, beside]
    return shutil.which(program, path=":".join(places))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, help="replay random tests with this seed")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs"):
        for program in marker.args:
            if program_path(program) is None:
                pytest.skip(f"{program} is not installed; make system installs it")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out tests of data that nobody can be expected to have; the summary names them.

    Beside others the longest files begin first, so that none of them runs alone at the end.
    """
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: item.get_closest_marker("long") is None)
    absent = [
        item for item in items for marker in item.iter_markers("outside") if _is_absent(marker)
    ]
    if absent:
        config.hook.pytest_deselected(items=absent)
        config.stash[LEFT_OUT] = [item.nodeid for item in absent]
        items[:] = [item for item in items if item not in absent]


def _is_absent(marker: pytest.Mark) -> bool:
    return not marker.args[0].exists()


def _skipped_in_ci(config: pytest.Config) -> int:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    counted = len(reporter.stats.get("skipped", ())) if reporter else 0
    return counted if os.environ.get("CI") == "true" else 0


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if _skipped_in_ci(session.config) and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for nodeid in config.stash.get(LEFT_OUT, []):
        terminalreporter.write_line(f"left out, its data is not here: {nodeid}")
    if skipped := _skipped_in_ci(config):
        terminalreporter.write_line(f"{skipped} skipped: in continuous integration, a failure")


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """A fresh seed, printed by a failing test; ``--seed`` replays it."""
    given = request.config.getoption("--seed")
    chosen = random.SystemRandom().randrange(2**32) if given is None else given
    print(f"--seed {chosen}")  # noqa: T201
    return chosen


@pytest.fixture
def mosquitto_path() -> str:
    """Where Mosquitto is; for tests that are marked ``needs("mosquitto")``."""
    path = program_path("mosquitto")
    assert path is not None, 'mark the test with @pytest.mark.needs("mosquitto")'
    return path
