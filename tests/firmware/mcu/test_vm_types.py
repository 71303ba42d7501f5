"""A type checker reads the firmware with the published stubs of both boards.

There the standard library is MicroPython's: a module, function or parameter that a board lacks is
an error, whatever CPython brings.
"""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
BOARDS = ("rp2", "esp32")
DEVICE = ("firmware/mcu", "firmware/gate", "circulation/wire", "circulation/sync")

NOT_OURS = (  # what is no fault of the firmware's
    ".venv/typings/",  # the stubs contain what mypy does not take from stubs
    "_Ticks",  # a type of their own for the integers of ticks_ms
    '"monotonic_ns"',  # where the same line runs on CPython
)


def complaints(board, *paths, cwd=ROOT):
    """Return what the checker says about these files, with that board's modules."""
    stubs = ROOT / ".venv/typings" / board
    checked = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--config-file", "", "--python-version", "3.11"),
            *("--custom-typeshed-dir", str(stubs), "--cache-dir", f".mypy_cache/{board}"),
            *("--check-untyped-defs", "--no-error-summary", "--hide-error-context", *paths),
        ],
        env={"MYPYPATH": str(stubs)},
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.stderr == ""
    errors = [line for line in checked.stdout.splitlines() if ": error: " in line]
    return [line for line in errors if not any(known in line for known in NOT_OURS)]


@pytest.mark.parametrize("board", BOARDS)
def test_the_firmware_fits_the_modules_of_the_board(board):
    """Every name, parameter and type that it uses of the board's modules is published there."""
    assert complaints(board, *DEVICE) == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("machine.Pin(1, machine.Pin.OUT, colour=2)", "overload"),
        ("machine.WDT(timeout='soon')", "incompatible type"),
        ("machine.blink()", "has no attribute"),
        ("import datetime", "datetime"),
    ],
)
def test_what_no_board_has_is_found(line, said, tmp_path):
    """The test of the test: a wrong parameter, type, name or module is an error."""
    (tmp_path / "program.py").write_text(f"import machine\n{line}\n")

    found = complaints("rp2", "program.py", cwd=tmp_path)

    assert found
    assert said in found[0] or "Unexpected keyword" in found[0]
