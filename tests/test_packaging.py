"""What is installed on a device: every module, every page, and no test."""

import subprocess
import sys
import zipfile

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
