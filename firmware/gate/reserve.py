"""Room for dictionaries on a small heap, taken while it still is in one piece.

MicroPython's dictionary keeps its room when keys go, and asks for a longer block when it grows:
with 64 keys a kilobyte on a 64-bit machine, half of it on a board. A heap that has been in use
for weeks may have none so long, just when a crowd passes. So what a full gate needs is taken at
the start. On a desktop Python this changes nothing that matters.
"""

KEYS_MAX = 192
"""More than any board's `Limits` ask for: a larger table is a desktop's, which has the memory."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def reserve(table: "dict[str, Any]", count: int) -> None:
    """Give an empty dictionary room for so many keys, for good; none for more than `KEYS_MAX`."""
    if count <= KEYS_MAX:
        for number in range(count):
            table[str(number)] = None
        empty(table)


def empty(table: "dict[str, Any]") -> None:
    """Let every key go and keep the room, taking none.

    `clear` would give it back, and a list of the keys is itself a long block.
    """
    while table:
        table.popitem()
