"""The demo is a guest: it leaves no process, and no file outside the folder it was given."""

from pathlib import Path

import psutil
import pytest

from tests.support.programs import Programs, wait_until

PORTS = ("--broker-port", "--gateway-port", "--kiosk-1-port", "--kiosk-2-port", "--bench-port")
READY_S_MAX = 60


@pytest.fixture
def programs(tmp_path):
    """A folder to work in, and nothing left running behind."""
    with Programs(tmp_path) as programs:
        yield programs


def files_below(folder):
    """Return every file and folder in it, hidden ones too."""
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*"))


def test_the_demo_leaves_no_process_and_no_file_outside_its_folder(programs, tmp_path):
    """Home and the folder for temporary files are as empty after the demo as before it."""
    home, temporary, work = (tmp_path / name for name in ("home", "temporary", "work"))
    for folder in (home, temporary, work):
        folder.mkdir()
    options = [part for option in PORTS for part in (option, "0")]
    demo = programs.start(
        "demo", "sim", "demo", "--folder", str(work / "demo"), *options,
        HOME=str(home), TMPDIR=str(temporary), XDG_RUNTIME_DIR=str(temporary),
    )  # fmt: skip
    wait_until("the demo is ready", lambda: "Ctrl-C" in demo.said(), within_s=READY_S_MAX)
    children = psutil.Process(demo.pid).children(recursive=True)

    code = demo.stop()

    assert code == 0
    assert len(children) >= 7
    assert [child for child in children if child.is_running()] == []
    assert files_below(home) == []
    assert files_below(temporary) == []
    assert sorted(path.name for path in work.iterdir()) == ["demo"]
