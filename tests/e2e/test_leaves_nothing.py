"""The demo is a guest: it leaves no process, and no file outside the folder it was given."""

from pathlib import Path

import psutil
import pytest

from tests.support.programs import Programs, wait_until

PORTS = ("--broker-port", "--gateway-port", "--kiosk-1-port", "--kiosk-2-port", "--bench-port")
READY_S_MAX = 180
END_S_MAX = 30


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
    assert psutil.wait_procs(children, timeout=END_S_MAX)[1] == []
    assert files_below(home) == []
    assert files_below(temporary) == []
    assert sorted(path.name for path in work.iterdir()) == ["demo"]


def test_the_programs_of_a_test_end_with_it(tmp_path):
    """What a test started and did not stop is gone when its folder is closed."""
    with Programs(tmp_path) as programs:
        server = programs.start("server", "http.server", "0", "--bind", "127.0.0.1")
        wait_until("it runs", lambda: "Serving" in server.said())

    assert server.code is not None
    assert not psutil.pid_exists(server.pid)


def test_a_killed_test_run_takes_its_programs_with_it(tmp_path):
    """Even when the run itself is killed, the kernel ends what it has started."""
    script = tmp_path / "run_alone.py"
    script.write_text(
        "from pathlib import Path\n"
        "from tests.support.programs import Programs\n"
        f"with Programs(Path({str(tmp_path)!r})) as programs:\n"
        "    server = programs.start('server', 'http.server', '0', '--bind', '127.0.0.1')\n"
        "    print(server.pid, flush=True)\n"
        "    server.wait(60)\n"
    )
    with Programs(tmp_path) as programs:
        run = programs.start("run", "run_alone")
        wait_until("it has started one", lambda: run.said().strip().isdigit())
        wait_until("it runs", lambda: "Serving" in (tmp_path / "server.log").read_text())
        server = psutil.Process(int(run.said()))
        run.kill()

    assert psutil.wait_procs([server], timeout=END_S_MAX)[1] == []
