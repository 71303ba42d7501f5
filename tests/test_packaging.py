"""What is installed on a device: every module, every page, and no test."""

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.project import ROOT, tracked_files

PACKAGES = ("circulation/", "firmware/", "gateway/", "hardware/", "kiosk/", "sim/")


def test_an_installed_program_lacks_nothing(tmp_path):
    """The wheel holds every module, template, style and migration, and nothing of tests/."""
    ours = {name for name in tracked_files() if name.startswith(PACKAGES)}
    source = tmp_path / "source"
    for name in ours | {"pyproject.toml", "README.md", "LICENSE"}:
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())

    build = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--quiet"]
    built = subprocess.run(
        [*build, "--wheel-dir", tmp_path, source], check=False, capture_output=True, text=True
    )

    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == {name for name in ours if not name.endswith(".md")}


ALWAYS = {"click", "paho"}
PROGRAMS = {"kiosk": "kiosk/", "gate": "firmware/pi/", "gateway": "gateway/"}
# The module that a distribution brings, where the two differ in name.
MODULES = {
    "argon2-cffi": "argon2",
    "paho-mqtt": "paho",
    "pillow": "PIL",
    "prometheus-client": "prometheus_client",
    "pyserial": "serial",
    "python-escpos": "escpos",
    "python-multipart": "multipart",
    "rpi-lgpio": "RPi",
    "sqlite-utils": "sqlite_utils",
}
VENDOR = {"RPi", "lgpio", "mfrc522", "spidev"}  # of the Pi extras, or nobody's


def modules_of(extra):
    names = [re.match(r"[\w.-]+", requirement).group() for requirement in extra]
    return {MODULES.get(name, name.replace("-", "_")) for name in names}


@pytest.mark.parametrize(("extra", "folder"), PROGRAMS.items())
def test_each_program_declares_what_it_imports(extra, folder):
    """A device that installs one extra can import everything its program needs.

    A receipt printer is an extra of its own: what it needs is imported at the first slip.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    declared = ALWAYS | VENDOR | modules_of(extras[extra]) | modules_of(extras["printer"])
    shared = ("circulation/", "hardware/") if extra != "gateway" else ("circulation/",)
    ours = {Path(path).parts[0] for path in tracked_files() if path.endswith(".py")}
    undeclared = {
        (name, module)
        for name in tracked_files()
        if name.startswith((folder, *shared)) and name.endswith(".py")
        for module in imported_modules((ROOT / name).read_text())
        if module not in sys.stdlib_module_names | declared | ours | {"__future__"}
    }

    assert undeclared == set()


def imported_modules(source):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module).partition(".")[0]
