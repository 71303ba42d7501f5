"""The demo in real processes: played by its script, stopped by a signal, leaving nothing."""

import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from tests.support.brokers import free_port

READY_S_MAX = 180
END_S_MAX = 60
OPTIONS = ("broker", "gateway", "kiosk-1", "kiosk-2", "bench")


@pytest.fixture
def start_demo(tmp_path):
    """Return a function that starts `python -m sim demo` on free ports and waits for it."""
    running = []

    def start(*more):
        options = [part for name in OPTIONS for part in (f"--{name}-port", str(free_port()))]
        log = tmp_path / f"demo-{len(running)}.txt"
        command = [sys.executable, "-m", "sim", "demo", "--folder", str(tmp_path / "demo")]
        with log.open("w") as output:
            process = subprocess.Popen([*command, *options, *more], stdout=output, stderr=output)
        running.append(process)
        deadline = time.monotonic() + READY_S_MAX
        while "Ctrl-C" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            threading.Event().wait(0.1)
        return process, log

    yield start
    for process in running:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(END_S_MAX)


def test_the_script_finds_no_surprise(tmp_path):
    """`make demo-check` plays every step, says so, and exits with zero."""
    played = subprocess.run(
        [sys.executable, "-m", "sim", "demo-check", "--folder", str(tmp_path / "check")],
        check=False,
        capture_output=True,
        text=True,
        timeout=280,
    )

    assert played.returncode == 0, played.stdout + played.stderr
    assert played.stdout.count("✓") == 11
    assert "everything as it should be" in played.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_all_of_it(start_demo, number):
    """Ctrl-C and SIGTERM end every process, quickly and without force."""
    process, log = start_demo()
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) >= 7

    process.send_signal(number)

    assert process.wait(END_S_MAX) == 0
    assert psutil.wait_procs(children, timeout=END_S_MAX)[1] == []
    assert log.read_text().endswith("stopped\n")


def test_a_killed_demo_leaves_no_process(start_demo):
    """Even after SIGKILL of the demo its children end by themselves."""
    process, _ = start_demo()
    children = psutil.Process(process.pid).children(recursive=True)

    os.kill(process.pid, signal.SIGKILL)
    process.wait(END_S_MAX)

    assert psutil.wait_procs(children, timeout=END_S_MAX)[1] == []


def test_a_part_that_dies_ends_the_demo_with_its_name(start_demo):
    """When one part is killed the demo says which one, stops the rest, and exits with one."""
    process, log = start_demo()
    gate = next(
        child
        for child in psutil.Process(process.pid).children()
        if any("gate-2.json" in part for part in child.cmdline())
    )
    gate.kill()

    assert process.wait(END_S_MAX) == 1
    assert "gate-2 ended with code -9" in log.read_text()


def test_a_kept_demo_goes_on(start_demo, tmp_path):
    """With --keep the library is the one of last time; without it everything is new."""
    first, _ = start_demo()
    first.send_signal(signal.SIGTERM)
    first.wait(END_S_MAX)
    secrets = (tmp_path / "demo" / "secrets.json").read_text()

    second, _ = start_demo("--keep")
    second.send_signal(signal.SIGTERM)
    second.wait(END_S_MAX)

    assert (tmp_path / "demo" / "secrets.json").read_text() == secrets
