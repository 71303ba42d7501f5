"""Runs a device's program on this Python, where no MicroPython is to be had.

`python -m sim.mcu.on_cpython` in the folder of its flash. The same files, the same fakes; what
only MicroPython brings is put where the program looks for it. Heap and speed are not a board's.
"""

import gc
import importlib
import sys
import time
import traceback
from typing import Any

from sim.mcu.fake import machine, network
from sim.mcu.fake import time as fake_time

TICKS = "ticks_ms ticks_us ticks_add ticks_diff sleep_ms sleep_us".split()
FREE_BYTES = 100_000


def main(program: str = "firmware.mcu.main") -> None:
    """Put the board's modules in place and run the program."""
    changed: Any = time
    for name in TICKS:
        setattr(changed, name, getattr(fake_time, name))
    collector: Any = gc
    collector.mem_free = lambda: FREE_BYTES
    collector.mem_alloc = lambda: FREE_BYTES
    interpreter: Any = sys
    interpreter.print_exception = lambda error, *_: traceback.print_exception(error)
    sys.modules["machine"] = machine
    sys.modules["network"] = network
    started = importlib.import_module(program)
    run = getattr(started, "main", None)
    if run is not None:
        run()


if __name__ == "__main__":
    main()
