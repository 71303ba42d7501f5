"""A device's setup on a real MicroPython, told from a computer by the command one types."""

import json
import os
import subprocess
import tty
from pathlib import Path

import pytest
from click.testing import CliRunner

from firmware.mcu.ed25519 import public_key_of
from firmware.mcu.update import choose, trusted
from firmware.pi.__main__ import main
from firmware.pi.signing import Release, sign_update
from sim.mcu import vm
from tests.firmware.mcu.both.test_update import whole_program

PROGRAM = "tests/firmware/mcu/setup_on_vm.py"
FILE = """
library = "school"
site = "main"
station = "gate-2"
site_key = "00112233445566778899aabbccddeeff"

[wifi]
ssid = "Bücherei"
password = "correct horse"

[broker]
host = "192.168.1.10"
"""

pytestmark = pytest.mark.needs("micropython")


class OnHost:
    """The files of a device in a folder of this computer, for a look from outside."""

    def __init__(self, folder):
        self._folder = folder

    def open(self, path, mode):
        return (self._folder / path).open(mode)


@pytest.fixture
def device(tmp_path):
    """A VM with its console at one end of a pseudo terminal: its flash, and the port to name."""
    (tmp_path / "flash").mkdir()
    root = Path(__file__).parents[3]
    vm.lay_out(tmp_path / "base", compiled=True, more={PROGRAM: root / PROGRAM})
    found = vm.find_vm()
    assert found is not None, vm.NO_VM
    near, far = os.openpty()
    tty.setraw(far)
    process = subprocess.Popen(
        found.command(
            PROGRAM.removesuffix(".py").replace("/", "."),
            heap_bytes=vm.PICO_W_HEAP_BYTES + vm.frozen_bytes(tmp_path / "base"),
        ),
        cwd=tmp_path / "flash",
        env=vm.environment([tmp_path / "base"]),
        stdin=near,
        stdout=near,
    )
    yield tmp_path / "flash", os.ttyname(far)
    process.kill()
    process.wait()
    for descriptor in (near, far):
        os.close(descriptor)


def lendgate(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_a_device_is_set_up_and_updated_over_its_console(device, tmp_path):
    """From a file to a configuration in its flash, and a signed update that awaits its trial."""
    flash, port = device
    private = bytes(32)
    for name, content in whole_program(5).items():
        (tmp_path / "program" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "program" / name).write_bytes(content)
    update, file = tmp_path / "5.lgu", tmp_path / "gate-2.toml"
    update.write_bytes(sign_update(tmp_path / "program", private, Release(version=5, minimum=1)))
    file.write_text(FILE, encoding="utf-8")
    key = public_key_of(private).hex()

    unknown = lendgate("update", port, update)
    result = lendgate("provision", port, "--config", file, "--update-key", key, "--no-start")
    updated = lendgate("update", port, update)

    assert "does not trust" in unknown.output
    assert result.exit_code == 0, result.output
    assert "Wi-Fi: joined, address 192.168.1.77" in result.output
    kept = json.loads((flash / "config.json").read_text(encoding="utf-8"))
    assert (kept["station"], kept["wifi"]["ssid"]) == ("gate-2", "Bücherei")
    assert updated.exit_code == 0, updated.output
    assert trusted(OnHost(flash)) == [public_key_of(private)]
    assert choose(OnHost(flash), 1)[:3] == (1, 5, True)
