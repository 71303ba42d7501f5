"""Child processes of the demo: started, watched, and all of them stopped."""

import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from sim.errors import DemoFailed
from sim.processes import Family

SLEEP = "import time; print('here', flush=True); time.sleep(60)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('here', flush=True); time.sleep(60)"
)


@pytest.fixture
def stop():
    return threading.Event()


@pytest.fixture
def family(tmp_path, stop):
    family = Family(tmp_path, stop)
    yield family
    family.stop()


def said(tmp_path, name):
    """Return a probe: whether the child has said that it is there."""
    return lambda: "here" in (tmp_path / f"{name}.log").read_text()


def test_what_a_child_says_goes_to_its_file(family, tmp_path):
    """Output and errors of a child are in one file of its name."""
    child = family.start("one", "-c", SLEEP)
    family.wait_until("it speaks", said(tmp_path, "one"))

    assert child.running


def test_a_child_that_fails_is_quoted(family):
    """When a part ends by itself, its last words are in the error."""
    family.start("one", "-c", "raise SystemExit('no disk left')")

    with pytest.raises(DemoFailed, match=r"(?s)one ended with code 1.*no disk left"):
        family.wait_until("it is ready", lambda: False)


def test_a_job_is_run_to_its_end(family, tmp_path):
    """A job that ends well is done; it is no longer watched."""
    family.run("job", "-c", "print('done')")

    assert "done" in (tmp_path / "job.log").read_text()
    family.check()


def test_a_job_that_fails_is_quoted(family):
    """A job that ends badly raises with its last words."""
    with pytest.raises(DemoFailed, match=r"(?s)job ended with code 3.*out of paper"):
        family.run("job", "-c", "import sys; print('out of paper'); sys.exit(3)")


def test_a_job_has_a_time_limit(family):
    """A job that hangs is named."""
    with pytest.raises(DemoFailed, match="job is not done"):
        family.run("job", "-c", SLEEP, within_s=0.1)


def test_waiting_has_a_time_limit(family):
    """What never becomes so is named, with where to look."""
    with pytest.raises(DemoFailed, match="rain: not so after 0 s"):
        family.wait_until("rain", lambda: False, within_s=0.05)


def test_waiting_ends_when_told_to_stop(family, stop):
    """Ctrl-C while starting is answered at once."""
    stop.set()

    with pytest.raises(DemoFailed, match="stopped while starting"):
        family.wait_until("rain", lambda: False)


def test_stopping_ends_every_child_and_its_children(family, tmp_path):
    """Nothing is left: a child leads a group, and the whole group is ended."""
    nested = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SLEEP!r}])"
    outer = family.start("outer", "-c", nested)
    family.wait_until("both run", said(tmp_path, "outer"))
    inner = psutil.Process(outer.pid).children()[0]

    assert family.stop() == []
    assert not outer.running
    assert inner.wait(60) is None or not inner.is_running()


def test_a_stubborn_child_is_forced_and_named(tmp_path, stop):
    """A child that ignores SIGTERM is ended by force after its time, and that is said."""
    family = Family(tmp_path, stop, stop_s_max=0.2)
    child = family.start("mule", "-c", STUBBORN)
    family.wait_until("it speaks", said(tmp_path, "mule"))

    assert family.stop() == ["mule"]
    assert not child.running


def test_only_children_are_ended(family, tmp_path):
    """A process that this family did not start goes on."""
    with subprocess.Popen([sys.executable, "-c", SLEEP], stdout=subprocess.DEVNULL) as other:
        family.start("one", "-c", SLEEP)
        family.wait_until("it speaks", said(tmp_path, "one"))
        family.stop()

        assert other.poll() is None
        other.kill()


def test_children_end_with_a_parent_that_was_killed(tmp_path):
    """Even SIGKILL of the demo leaves no process behind; Linux sees to it."""
    script = (
        "import pathlib, threading, time; from sim.processes import Family;"
        f"child = Family(pathlib.Path({str(tmp_path)!r}), threading.Event())"
        f".start('one', '-c', {SLEEP!r}); print(child.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
    ) as parent:
        child = psutil.Process(int(parent.stdout.readline()))
        deadline = time.monotonic() + 60
        while "here" not in (tmp_path / "one.log").read_text() and time.monotonic() < deadline:
            threading.Event().wait(0.02)
        os.kill(parent.pid, signal.SIGKILL)

    assert child.wait(60) is None or not child.is_running()
