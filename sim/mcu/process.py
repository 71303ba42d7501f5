"""A program for a microcontroller, run on a real MicroPython with a simulated board around it.

The files are those of a device, unchanged; beside them lie fakes of the modules that touch the
board. What the program keeps, its flash, is a folder. When the board resets, the program is killed
and begun anew with that folder as it is, as a chip would.

Where no MicroPython is to be had the same files run on this Python: `find_vm` says which.
"""

import subprocess
import sys
import threading
from pathlib import Path

from hardware.ports import Clock
from sim.mcu import vm
from sim.mcu.board import LOOK_S as BOARD_LOOK_S
from sim.mcu.board import Board, Wires
from sim.mcu.fake.board_wire import ADDRESS
from sim.mcu.fake.machine import RESET_EXIT

FAKES = {
    "power_on.py": "sim.mcu.fake.power_on",
    "machine.py": "sim.mcu.fake.machine",
    "network.py": "sim.mcu.fake.network",
    "socket.py": "sim.mcu.fake.socket",
    "time.py": "sim.mcu.fake.time",
}
"""Where a fake lies on the device, and what it is here."""
BESIDES = ("sim.mcu.fake.board_wire", "sim.mcu.lwip")

HEAP = "LENDGATE_HEAP"
"""See `sim/mcu/fake/power_on.py`."""
FAKES_HEAP_BYTES = 32 * 1024
"""What the fakes take of the heap, measured; no device has them."""
LOADING_BYTES = 1024 * 1024
"""More of a heap while the files are loaded, which frozen ones need not be."""
STOP_S_MAX = 3.0


def lay_out_device(folder: Path, *, main: Path | None = None) -> Path:
    """Put a device's files and the fakes into a folder and return it. Raises `VmFailed`.

    main: another program than the firmware.
    """
    more = {place: _source(module) for place, module in FAKES.items()}
    more |= {f"{module.replace('.', '/')}.py": _source(module) for module in BESIDES}
    if main is None:
        more["boot.py"] = vm.ROOT / "firmware/mcu/boot.py"
    more["main.py"] = main or vm.ROOT / "firmware/mcu/main.py"
    return vm.lay_out(folder, compiled=True, more=more)


def _source(module: str) -> Path:
    return vm.ROOT / f"{module.replace('.', '/')}.py"


class McuProcess:
    """One board and the program on it; `close` ends both."""

    def __init__(
        self,
        flash: Path,
        wires: Wires,
        *,
        clock: Clock,
        code: Path,
        heap_bytes: int = vm.PICO_W_HEAP_BYTES,
        look_s: float = BOARD_LOOK_S,
    ) -> None:
        """flash: the folder the program runs in. code: of `lay_out_device`. The program gets
        that heap, what frozen code would not take of it, and what the fakes take."""
        self.starts = 0
        self.log = flash.parent / f"{flash.name}.log"
        self.heap_bytes = heap_bytes + vm.frozen_bytes(code) + FAKES_HEAP_BYTES
        self._flash = flash
        self._code = code
        self._was_reset = threading.Event()
        self._stopping = threading.Event()
        self._program: subprocess.Popen[bytes] | None = None
        flash.mkdir(parents=True, exist_ok=True)
        self.log.touch()
        self.board = Board(wires, clock=clock, on_reset=self._on_reset, look_s=look_s)
        self._thread = threading.Thread(target=self._run, name="program", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether the program runs at this moment."""
        program = self._program
        return program is not None and program.poll() is None

    @property
    def pid(self) -> int:
        """The number of the program's process, 0 before its first life."""
        program = self._program
        return 0 if program is None else program.pid

    def said(self) -> str:
        """Return everything the program printed in all its lives."""
        return self.log.read_text(errors="replace")

    def kill(self) -> None:
        """Let the program end as if it had crashed; the board stays as it is."""
        program = self._program
        if program is not None:
            program.kill()

    def close(self) -> None:
        """End program and board; may be called twice."""
        self._stopping.set()
        self._was_reset.set()
        program = self._program
        if program is not None:
            program.terminate()
        self._thread.join(STOP_S_MAX)
        self.kill()
        self._thread.join()
        self.board.close()

    def _on_reset(self, cause: int) -> None:
        self._was_reset.set()
        self.kill()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._was_reset.clear()
            self.starts += 1
            if self._live() != RESET_EXIT:
                # Nobody is left who could feed the watchdog; without one, nothing happens ever.
                self._was_reset.wait()

    def _live(self) -> int:
        """Run the program to its end and return its exit code."""
        with self.log.open("ab") as log:
            self._program = subprocess.Popen(
                self._command(),
                cwd=self._flash,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment(),
            )
        if self._stopping.is_set() or self._was_reset.is_set():
            self._program.kill()
        return self._program.wait()

    def _command(self) -> list[str]:
        found = vm.find_vm()
        if found is not None:
            return found.command("power_on", heap_bytes=self.heap_bytes + LOADING_BYTES)
        return [sys.executable, "-m", "sim.mcu.on_cpython"]

    def _environment(self) -> dict[str, str]:
        more = {ADDRESS: str(self.board.port), HEAP: str(self.heap_bytes)}
        if vm.find_vm() is None:
            more["PYTHONPATH"] = str(vm.ROOT)
        return vm.environment([self._code], more)
