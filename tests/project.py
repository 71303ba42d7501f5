"""The project's own files, for the tests that read them."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent


def tracked_files():
    """Return every file of the project, also those not yet committed, in order."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):  # an unpacked archive has no history
        return sorted(
            str(path.relative_to(ROOT))
            for path in ROOT.rglob("*")
            if path.is_file() and not {".venv", "build", "__pycache__"} & set(path.parts)
        )
    return sorted(name for name in set(listed.stdout.split("\0")) if (ROOT / name).is_file())
