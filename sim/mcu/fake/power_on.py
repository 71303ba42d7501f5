"""What a board does by itself when the power comes: `boot.py`, then `main.py`.

Frozen code is there before the program begins, and costs nothing to load. Here it is loaded first,
into a heap with room for it; then a ballast takes what a board would not have.
"""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    gc: Any
else:
    import gc

HEAP = "LENDGATE_HEAP"
"""The variable that says how many bytes the heap has once everything is loaded."""
PIECES_BYTES = (8_000, 1_000, 200)
FIRST = ("boot", "firmware.mcu.app")


def _load(name: str) -> None:
    try:
        __import__(name)
    except ImportError as error:
        if name not in str(error):
            raise


def _fill(piece_bytes: int) -> None:
    try:
        while True:
            _ballast.append(bytearray(piece_bytes))
    except MemoryError:
        return


for _name in FIRST:
    _load(_name)
gc.collect()
_ballast: "list[bytearray]" = []
_heap = int(os.getenv(HEAP) or "0")
if _heap and hasattr(gc, "mem_free"):
    # What stays free is in one piece first; every hole elsewhere is filled, large ones first.
    _free = bytearray(max(0, _heap - gc.mem_alloc()))
    for _piece in PIECES_BYTES:
        _fill(_piece)
    del _free
    gc.collect()
_start = getattr(__import__("main"), "main", None)
if _start is not None:
    _start()
