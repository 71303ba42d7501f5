"""What an update costs of the heap: its own code, and nothing of what it replaces."""

from pathlib import Path

import pytest

from firmware.mcu.ed25519 import public_key_of
from firmware.mcu.update import choose, trust
from firmware.mcu.update_install import Install
from firmware.pi.signing import Release, sign_update
from sim.mcu import vm
from tests.firmware.mcu.both.test_update import DEVICE, Believe
from tests.firmware.mcu.test_vm_update import OnHost

ROOT = Path(__file__).parents[3]
PROGRAM = "tests/firmware/mcu/programs/update_heap.py"
PRIVATE = bytes(32)
MORE_BYTES_MAX = 4_096
"""For a version that brings modules as they are; all is twice as large here as on a board."""

pytestmark = pytest.mark.needs("micropython")


class Files(OnHost):
    """The files of a device, whose size nobody can tell."""

    def free_bytes(self):
        return None


def heap_in_use(folder, code, names):
    """Let a device start with an update of these modules; return version and bytes."""
    folder.mkdir()
    files = Files(folder)
    trust(files, [public_key_of(PRIVATE)])
    if names:
        part = vm.lay_out(folder / "part", parts=names, compiled=True)
        content = sign_update(part, PRIVATE, Release(version=2, minimum=1, base=1))
        install = Install(files, choose(files, 1), DEVICE, verification=Believe)
        at = 0
        while at < len(content):
            at += install.feed(content[at:])
        while install.finish() is None:
            pass
    found = vm.find_vm()
    assert found is not None, vm.NO_VM
    ran = found.run("update_heap", folders=[folder, code], heap_bytes=1 << 23)
    assert (ran.code, ran.error) == (0, "")
    return [int(word) for word in ran.out.split()]


def test_what_is_replaced_leaves_the_heap(tmp_path):
    """The courier once more, and all of the gate's decisions: as much in use as without."""
    code = vm.lay_out(tmp_path / "code", compiled=True, more={"update_heap.py": ROOT / PROGRAM})
    version, before = heap_in_use(tmp_path / "none", code, [])
    assert version == 1

    for name in ("firmware/mcu/courier.py", "firmware/gate"):
        version, after = heap_in_use(tmp_path / name.replace("/", "-"), code, [name])
        assert version == 2
        assert after - before < MORE_BYTES_MAX, name
