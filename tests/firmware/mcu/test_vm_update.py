"""A version that came as an update runs on a real MicroPython, out of its one file."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from firmware.mcu.ed25519 import public_key_of
from firmware.mcu.update import confirm
from firmware.mcu.update_state import BASE, B, load
from sim.mcu import vm
from tests.firmware.mcu.both.test_update import manifest, package

PROGRAM = "tests/firmware/mcu/update_on_vm.py"
PRIVATE = hashlib.sha256(b"a key of this test").digest()

pytestmark = pytest.mark.needs("micropython")


@pytest.fixture
def device(tmp_path):
    """A device just flashed: its program, and an empty file system beside it."""
    root = Path(__file__).parents[3]
    (tmp_path / "flash").mkdir()
    vm.lay_out(tmp_path / "base", compiled=True, more={PROGRAM: root / PROGRAM})
    return tmp_path


class OnHost:
    """The files of a device in a folder of this computer, for a look from outside."""

    def __init__(self, folder):
        self._folder = folder

    def open(self, path, mode):
        return (self._folder / path).open(mode)


def started(device, content):
    """Let it take the update and start; return what it printed, a line each."""
    (device / "flash/update.lgu").write_bytes(content)
    found = vm.find_vm()
    assert found is not None, vm.NO_VM
    ended = subprocess.run(
        found.command(
            PROGRAM.removesuffix(".py").replace("/", "."),
            [public_key_of(PRIVATE).hex(), "update.lgu"],
            heap_bytes=vm.PICO_W_HEAP_BYTES,
        ),
        cwd=device / "flash",
        env=os.environ | {"MICROPYPATH": f"{device / 'base'}:.frozen"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout.splitlines()


def compiled(tmp_path, source, name):
    path = tmp_path / "source.py"
    path.write_text(source)
    vm.compile_to(path, tmp_path / "source.mpy", name)
    return (tmp_path / "source.mpy").read_bytes()


def test_a_version_in_a_folder_runs_in_place_of_the_base(device):
    """One package comes from the update, compiled or not; the others stay the base's."""
    contents = {
        "firmware/gate/__init__.mpy": compiled(device, '"""The gate."""\n', "__init__.py"),
        "firmware/gate/judge.mpy": compiled(device, 'SAYS = "the update"\n', "judge.py"),
        "hardware/chips/__init__.py": b"",
        "hardware/chips/crc.py": b'SAYS = "the update, too"\n',
    }
    text = manifest(2, more=["base 1"], contents=contents)

    lines = started(device, package(text, contents, PRIVATE))

    assert lines[:2] == ["installed 2", "runs True 2 "]
    assert lines[2].startswith("firmware.gate.judge /program/firmware/gate/judge")
    assert lines[2].endswith("the update")
    assert lines[3].startswith("hardware.chips.crc /program/hardware/chips/crc")
    assert lines[3].endswith("the update, too")
    assert lines[4].endswith("base")


def test_a_refused_update_leaves_the_base_running(device):
    """What is too old is not installed, and the gate that was flashed starts."""
    contents = {"firmware/gate/__init__.py": b""}
    text = manifest(1, more=["base 1"], contents=contents)

    lines = started(device, package(text, contents, PRIVATE))

    assert lines[:2] == ["refused update: version 1 is old; 2 or higher is taken", "runs False 1 "]
    assert [line.rpartition(" ")[2] for line in lines[2:5]] == ["base", "base", "base"]


def test_single_modules_run_among_those_of_the_base(device):
    """Each finds those it needs, new or old, and the old ones find the new."""
    gate = "from firmware.gate.tags import SAYS\nfrom firmware.gate.config import OPTIONS\n"
    contents = {
        "firmware/gate/tags.mpy": compiled(device, 'SAYS = "the update"\n', "tags.py"),
        "firmware/gate/judge.py": gate.encode(),
    }
    entries = [
        f"file {path} {len(content)} {hashlib.sha256(content).hexdigest()}"
        for path, content in contents.items()
    ]
    text = manifest(2, more=["base 1"], entries=entries)
    content = package(text, {}, PRIVATE) + b"".join(contents.values())

    lines = started(device, content)

    assert lines[:2] == ["installed 2", "runs True 2 "]
    assert lines[2].endswith("the update")
    assert [line.rpartition(" ")[2] for line in lines[3:5]] == ["base", "base"]


@pytest.mark.parametrize("fault", ["raise ValueError(7)", "import no_such_module", "x = ("])
def test_a_version_that_cannot_be_imported_is_rolled_back_at_once(device, fault):
    """The base guards with nothing of it left, and its good sync confirms nothing."""
    contents = {
        "firmware/gate/__init__.py": b"",
        "firmware/gate/config.py": b"",
        "hardware/chips/crc.py": b"SAYS = 'the update'",
        "firmware/mcu/version.py": fault.encode(),
    }
    entries = [
        f"file {path} {len(content)} {hashlib.sha256(content).hexdigest()}"
        for path, content in contents.items()
    ]
    text = manifest(2, more=["base 1"], entries=entries)
    content = package(text, {}, PRIVATE) + b"".join(contents.values())

    lines = started(device, content)
    state = load(OnHost(device / "flash"))

    assert lines[0] == "installed 2"
    assert lines[1].startswith("runs False 1 ")
    assert "Error" in lines[1]
    assert [line.rpartition(" ")[2] for line in lines[2:5]] == ["base", "base", "base"]
    assert (state.trial, state.good, state.failed, state.failures) == (BASE, BASE, 2, 1)


def test_a_version_that_brings_its_number_is_not_taken_for_the_base(device):
    """What was flashed is version 1 whatever comes later: the next part builds on 1 as well, and
    goes to the other slot."""
    source = (Path(__file__).parents[3] / "firmware/mcu/version.py").read_text()
    lines = {}
    for version in (9, 10):
        mine = source.replace("VERSION = 1", f"VERSION = {version}")
        contents = {"firmware/mcu/version.py": mine.encode()}
        text = manifest(version, more=["base 1"], contents=contents)
        lines[version] = started(device, package(text, contents, PRIVATE))
        on_trial = load(OnHost(device / "flash")).trial
        confirm(OnHost(device / "flash"))

    assert [lines[9][0], lines[9][-1]] == ["installed 9", "told 9 on base 1"]
    assert [lines[10][0], lines[10][-1]] == ["installed 10", "told 10 on base 1"]
    assert (on_trial, load(OnHost(device / "flash")).versions) == (B, [9, 10])
